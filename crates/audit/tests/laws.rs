//! The laws of events and segments, over random fields, runs and mutations.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::slice;

use blue_audit::{
    AuditKey, CryptoAuditEvent, CryptoOp, Details, EventView, GENESIS, Head, NotARun, Outcome, Segment,
    SegmentBuilder, SegmentError,
    address::{Chain, Namespace, push_length_prefixed, split_length_prefixed},
};
use proptest::prelude::*;
use ring::{hkdf, hmac};
use sha2::{Digest, Sha256};
use time::{
    Duration,
    macros::{datetime, offset},
};
use uuid::Uuid;

fn key() -> AuditKey {
    AuditKey::new([7; 16], &[1; 32])
}

fn prod() -> Namespace {
    Namespace::new("prod").unwrap()
}

/// A run of `count` events of the chain `main`, from `first` on.
fn run(first: u64, count: u64) -> Vec<CryptoAuditEvent> {
    let mut previous = if first == 0 { GENESIS } else { [9; 32] };
    (first..first + count)
        .map(|sequence| {
            let details = Details {
                event_id: Uuid::from_u128(sequence.into()),
                timestamp: datetime!(2026-11-23 12:00 UTC),
                principal: format!("principal {sequence}"),
                ..Details::now()
            };
            let event = details.link("main", sequence, previous);
            previous = *event.event_hash();
            event
        })
        .collect()
}

/// A builder that was given the same events, and the sequences that it gave.
fn built(events: &[CryptoAuditEvent]) -> (SegmentBuilder, Vec<u64>) {
    let before = Head { next: events[0].sequence(), hash: *events[0].previous_hash() };
    let mut builder = SegmentBuilder::new(Chain::new(events[0].chain()).unwrap(), before);
    let sequences = events.iter().map(|event| builder.push(event.details()).unwrap()).collect();
    (builder, sequences)
}

/// What a writer that holds the key, and misuses it, could store: any events, under a MAC that fits what is said of
/// them.
fn forged(events: &[CryptoAuditEvent], count: u32, head_hash: [u8; 32]) -> Segment {
    let mut segment = Segment::new(&key(), &prod(), &events[..1]).unwrap();
    segment.events.clear();
    for event in events {
        push_length_prefixed(&mut segment.events, event.event_bytes());
    }
    (segment.count, segment.head_hash) = (count, head_hash);

    // Signed here, since `Segment` signs only what holds.
    let mut signed = [&b"bes1/segment"[..], &[7; 16]].concat();
    push_length_prefixed(&mut signed, b"prod");
    push_length_prefixed(&mut signed, b"main");
    signed.extend_from_slice(&segment.first.to_be_bytes());
    signed.extend_from_slice(&count.to_be_bytes());
    signed.extend_from_slice(events[0].previous_hash());
    signed.extend_from_slice(&head_hash);
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &[1; 32]);
    let mut mac_key = [0; 32];
    prk.expand(&[b"bes1/audit-mac"], hkdf::HKDF_SHA256).unwrap().fill(&mut mac_key).unwrap();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key), &signed);
    segment.mac = mac.as_ref().try_into().unwrap();
    segment
}

fn refusal(segment: &Segment) -> SegmentError {
    segment.clone().verify(&key(), &prod()).unwrap_err()
}

fn details() -> impl Strategy<Value = Details> {
    let texts: [_; 6] = std::array::from_fn(|_| any::<String>());
    // Every microsecond of the years 0–9999.
    let microseconds = -62_167_219_200_000_000..=253_402_300_799_999_999_i64;
    let words = (prop::sample::select(CryptoOp::ALL), prop::sample::select(Outcome::ALL));
    let rest = (any::<[u8; 16]>(), any::<u64>(), any::<Option<[u8; 32]>>());
    (texts, microseconds, words, rest).prop_map(|(texts, microseconds, (operation, outcome), rest)| {
        let [trace_id, span_id, key_id, principal, reason, resource] = texts;
        Details {
            event_id: Uuid::from_bytes(rest.0),
            timestamp: datetime!(1970-01-01 00:00 UTC) + Duration::microseconds(microseconds),
            trace_id,
            span_id,
            operation,
            key_id,
            principal,
            outcome,
            reason,
            resource,
            version: rest.1,
            content_digest: rest.2,
        }
    })
}

proptest! {
    #[test]
    fn an_event_reads_back_from_its_bytes(
        details in details(), chain: String, sequence: u64, previous_hash: [u8; 32],
    ) {
        let event = details.link(chain, sequence, previous_hash);
        prop_assert_eq!(EventView::decode(event.event_bytes()), Ok(event.view()));
        prop_assert_eq!(CryptoAuditEvent::decode(event.event_bytes()), Ok(event));
    }

    #[test]
    fn accepted_bytes_are_the_encoding_of_what_was_read(place: prop::sample::Index, byte: u8) {
        let mut bytes = run(5, 1)[0].event_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(event) = CryptoAuditEvent::decode(&bytes) {
            prop_assert_eq!(event.event_bytes(), bytes);
        }
    }

    #[test]
    fn a_segment_verifies_as_the_events_that_it_was_made_of(first in 0..=u64::MAX - 10, count in 1..10_u64) {
        let events = run(first, count);
        let segment = Segment::new(&key(), &prod(), &events).unwrap();
        prop_assert_eq!((segment.first, u64::from(segment.count)), (first, count));
        let (mut builder, sequences) = built(&events);
        prop_assert!(sequences.into_iter().eq(first..first + count));
        prop_assert_eq!(&builder.clone().finish(&key(), &prod()).unwrap(), &segment);
        // To the nanosecond, and in another place of the world, it is the same event.
        let details = events[0].details();
        let timestamp = details.timestamp.to_offset(offset!(+2)) + Duration::nanoseconds(999);
        let elsewhere = Details { timestamp, ..details.clone() };
        let mut other = builder.clone();
        builder.push(details).unwrap();
        other.push(&elsewhere).unwrap();
        prop_assert_eq!(builder.finish(&key(), &prod()), other.finish(&key(), &prod()));
        let verified = segment.verify(&key(), &prod()).unwrap();
        prop_assert_eq!(verified.events().len(), events.len());
        prop_assert!(verified.events().map(CryptoAuditEvent::from).eq(events));
    }
}

#[test]
fn every_word_means_what_it_says() {
    assert_eq!((CryptoOp::ALL.len(), Outcome::ALL.len()), (13, 3), "as docs/audit.md lists them");
    for &operation in CryptoOp::ALL {
        assert_eq!(CryptoOp::from_word(operation.as_str()), Some(operation));
        assert_eq!(operation.to_string(), operation.as_str());
    }
    for &outcome in Outcome::ALL {
        assert_eq!(Outcome::from_word(outcome.as_str()), Some(outcome));
        assert_eq!(outcome.to_string(), outcome.as_str());
    }
    assert_eq!(CryptoOp::from_word("success"), None);
    assert_eq!(Outcome::from_word("encrypt"), None);
}

#[test]
fn an_event_whose_text_is_no_text_is_malformed_under_a_mac_that_fits() {
    let first = run(3, 1).remove(0);
    let details = Details {
        trace_id: "trace".into(),
        span_id: "span".into(),
        key_id: "key".into(),
        principal: "principal".into(),
        reason: "reason".into(),
        resource: "resource".into(),
        ..Details::now()
    };
    let second = details.link("main", 4, *first.event_hash());
    for text in ["trace", "span", "key", "principal", "reason", "resource", "main"] {
        let mut bytes = second.event_bytes().to_vec();
        let place = bytes.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
        bytes[place] = 0xff;
        let head = Sha256::digest(&bytes).into();
        let mut segment = forged(&[first.clone(), second.clone()], 2, head);
        let start = segment.events.len() - bytes.len();
        segment.events[start..].copy_from_slice(&bytes);
        assert!(matches!(refusal(&segment), SegmentError::Malformed(Some(_))), "{text}");
        let keyless = segment.verify_without_key().unwrap_err();
        assert!(matches!(keyless, SegmentError::Malformed(Some(_))), "{text}");
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_of_a_stored_segment_is_refused() {
    let good = Segment::new(&key(), &prod(), &run(3, 2)).unwrap();
    let refused = |change: &dyn Fn(&mut Segment)| {
        let mut changed = good.clone();
        change(&mut changed);
        assert_ne!(changed, good);
        assert!(changed.clone().verify(&key(), &prod()).is_err(), "{changed:?}");
    };
    for bit in 0..8 {
        for place in 0..good.events.len() {
            refused(&|segment| segment.events[place] ^= 1 << bit);
        }
        for place in 0..32 {
            refused(&|segment| segment.head_hash[place] ^= 1 << bit);
            refused(&|segment| segment.mac[place] ^= 1 << bit);
        }
        for place in 0..16 {
            refused(&|segment| segment.audit_kek_id[place] ^= 1 << bit);
        }
        refused(&|segment| segment.count ^= 1 << bit);
    }
    for length in 0..good.events.len() {
        refused(&|segment| segment.events.truncate(length));
    }
}

#[test]
fn a_segment_verifies_in_its_own_place_and_under_its_own_key_only() {
    let good = Segment::new(&key(), &prod(), &run(3, 2)).unwrap();
    assert_eq!(refusal(&Segment { chain: "other".into(), ..good.clone() }), SegmentError::Mac);
    assert_eq!(refusal(&Segment { first: 4, ..good.clone() }), SegmentError::Mac);
    let elsewhere = Namespace::new("test").unwrap();
    assert_eq!(good.clone().verify(&key(), &elsewhere), Err(SegmentError::Mac));
    assert_eq!(good.clone().verify(&AuditKey::new([7; 16], &[2; 32]), &prod()), Err(SegmentError::Mac));
    assert_eq!(good.clone().verify(&AuditKey::new([8; 16], &[1; 32]), &prod()), Err(SegmentError::WrongKey));
}

#[test]
fn even_under_a_mac_that_fits_only_a_run_verifies() {
    let events = run(3, 3);
    let [a, b, c] = &events[..] else { unreachable!("three were made") };
    let head = *c.event_hash();
    assert_eq!(forged(&events, 3, head), Segment::new(&key(), &prod(), &events).unwrap());

    assert_eq!(refusal(&forged(&events, 2, head)), SegmentError::Count { count: 2, found: 3 });
    assert_eq!(refusal(&forged(&events, 4, head)), SegmentError::Count { count: 4, found: 3 });
    assert_eq!(refusal(&forged(&events, 3, *b.event_hash())), SegmentError::Head);

    let foreign = b.details().clone().link("other", 4, *a.event_hash());
    let error = refusal(&forged(&[a.clone(), foreign, c.clone()], 3, head));
    assert_eq!(error, SegmentError::Foreign { sequence: 4 });

    let gap = forged(&[a.clone(), c.clone()], 2, head);
    assert_eq!(refusal(&gap), SegmentError::Sequence { sequence: 4 });

    let altered = Details { principal: "somebody else".into(), ..b.details().clone() };
    let altered = altered.link("main", 4, *a.event_hash());
    let error = refusal(&forged(&[a.clone(), altered, c.clone()], 3, head));
    assert_eq!(error, SegmentError::Link { sequence: 5 });

    let mut longer = forged(&events, 3, head);
    longer.events.extend_from_slice(&[0, 0, 0, 0]);
    assert!(matches!(refusal(&longer), SegmentError::Malformed(Some(_))));
    longer.events.clear();
    assert_eq!(refusal(&longer), SegmentError::Malformed(None));
}

#[test]
fn what_is_no_run_becomes_no_segment() {
    let events = run(3, 3);
    let segment = |events: &[CryptoAuditEvent]| Segment::new(&key(), &prod(), events);
    assert_eq!(segment(&[]), Err(NotARun));
    let nothing = SegmentBuilder::new(Chain::new("main").unwrap(), Head { next: 0, hash: GENESIS });
    assert_eq!(nothing.finish(&key(), &prod()), Err(NotARun));
    assert_eq!(segment(&[events[0].clone(), events[2].clone()]), Err(NotARun));
    assert_eq!(segment(&[events[1].clone(), events[0].clone()]), Err(NotARun));
    let foreign = Details::now().link("other", 4, *events[0].event_hash());
    assert_eq!(segment(&[events[0].clone(), foreign]), Err(NotARun));
    let unlinked = Details::now().link("main", 4, [1; 32]);
    assert_eq!(segment(&[events[0].clone(), unlinked]), Err(NotARun));
}

#[test]
fn after_the_last_sequence_of_all_comes_no_event() {
    let last = Details::now().link("main", u64::MAX, [1; 32]);
    assert!(Segment::new(&key(), &prod(), slice::from_ref(&last)).is_ok());
    for sequence in [0, u64::MAX] {
        let beyond = Details::now().link("main", sequence, *last.event_hash());
        assert_eq!(Segment::new(&key(), &prod(), &[last.clone(), beyond]), Err(NotARun));
    }
    let (mut builder, _) = built(slice::from_ref(&last));
    assert_eq!(builder.push(&Details::now()), Err(NotARun));
    let alone = Segment::new(&key(), &prod(), &[last]).unwrap();
    assert_eq!(builder.finish(&key(), &prod()), Ok(alone), "the refused one left no trace");
}

#[test]
fn the_stored_events_are_the_hashed_bytes_each_with_its_length() {
    let events = run(0, 2);
    let segment = Segment::new(&key(), &prod(), &events).unwrap();
    let (first, rest) = split_length_prefixed(&segment.events).unwrap();
    let (second, rest) = split_length_prefixed(rest).unwrap();
    assert_eq!((first, second), (events[0].event_bytes(), events[1].event_bytes()));
    assert!(rest.is_empty());
}

#[test]
fn an_audit_key_does_not_print_itself() {
    let key = AuditKey::new([9; 16], &[0xab; 32]);
    assert_eq!(format!("{key:?}"), format!("AuditKey {{ id: {:?}, .. }}", [9; 16]));
    assert_eq!(key.id(), &[9; 16]);
}
