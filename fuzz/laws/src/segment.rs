//! Segments of the audit log: what is accepted, and in which class what is not.

use blue_address::{Chain, Namespace};
use blue_audit::{
    AuditKey, CryptoAuditEvent, CryptoOp, Details, Head, Outcome, Segment, SegmentBuilder, SegmentError,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    audit_event::{OPERATIONS, OUTCOMES, fields, prefixed},
    choices::Choices,
    digest::{expand, hmac, sha256},
    names,
};

const KEK: [u8; 32] = *b"the audit KEK of the fuzzer, 32B";
const KEK_ID: [u8; 16] = *b"its id: 16 bytes";

/// How many changes one input makes. More would only make it slow.
const MOST_CHANGES: usize = 8;

/// Returns the class of the segment that was built and changed.
pub(crate) fn law(data: &[u8]) -> &'static str {
    let key = AuditKey::new(KEK_ID, &KEK);
    let namespace = Namespace::new("fuzz").expect("letters are a name");
    // The bytes as a segment's events, under a MAC that is not theirs and under one that is.
    let mut segment = Segment {
        chain: "main".to_owned(),
        first: 0,
        events: data.to_vec(),
        count: 1,
        head_hash: [0; 32],
        mac: [0; 32],
        audit_kek_id: KEK_ID,
    };
    judge(&segment, &key, &namespace);
    sign(&mut segment, &namespace);
    judge(&segment, &key, &namespace);
    built(data, &key, &namespace)
}

/// A segment of chosen events verifies, and after any change exactly if it is still one that a writer would make.
fn built(data: &[u8], key: &AuditKey, namespace: &Namespace) -> &'static str {
    let mut choices = Choices::new(data);
    let events = run(&mut choices);
    let mut segment = Segment::new(key, namespace, &events).expect("linked events are a run");
    let before = Head { next: segment.first, hash: *events[0].previous_hash() };
    let mut builder = SegmentBuilder::new(Chain::new(&segment.chain).expect("it is a name"), before);
    for event in &events {
        assert_eq!(builder.push(event.details()), Ok(event.sequence()));
    }
    assert_eq!(builder.finish(key, namespace), Ok(segment.clone()), "a builder makes the same");
    let verified = segment.clone().verify(key, namespace).expect("it was just made");
    assert!(verified.events().map(CryptoAuditEvent::from).eq(events.iter().cloned()));
    let bytes: Vec<_> = events.iter().map(|event| event.event_bytes().to_vec()).collect();
    assert_eq!(segment.events, joined(&bytes));
    judge(&segment, key, namespace);
    let mut signed = segment.clone();
    sign(&mut signed, namespace);
    assert_eq!(signed, segment, "the MAC is the specified one");

    for _ in 0..MOST_CHANGES {
        if choices.is_empty() {
            break;
        }
        change(&mut segment, &bytes, &mut choices);
        if choices.coin() {
            sign(&mut segment, namespace);
        }
    }
    judge(&segment, key, namespace)
}

/// Up to four linked events.
fn run(choices: &mut Choices<'_>) -> Vec<CryptoAuditEvent> {
    let chain = names::name(choices);
    let first = if choices.coin() { u64::MAX - u64::from(choices.below(4)) } else { choices.number() };
    let mut previous: [u8; 32] = choices.array();
    let wanted = choices.below(4);
    let mut events = Vec::new();
    for sequence in (first..=u64::MAX).take(usize::from(wanted) + 1) {
        let event = details(choices).link(chain.clone(), sequence, previous);
        previous = *event.event_hash();
        events.push(event);
    }
    events
}

fn details(choices: &mut Choices<'_>) -> Details {
    let word = |words: &'static [&str], choice: u8| words[usize::from(choice) % words.len()];
    // The years 0 to 9999.
    let (from, until) = (-62_167_219_200_i64, 253_402_300_799_i64);
    let second = from + choices.number().cast_signed().rem_euclid(until - from + 1);
    Details {
        event_id: Uuid::from_bytes(choices.array()),
        timestamp: OffsetDateTime::from_unix_timestamp(second).expect("a time in range")
            + time::Duration::nanoseconds(
                u32::from_be_bytes(choices.array()).rem_euclid(1_000_000_000).into(),
            ),
        trace_id: choices.text(),
        span_id: choices.text(),
        operation: CryptoOp::from_word(word(&OPERATIONS, choices.byte())).expect("a documented word"),
        key_id: choices.text(),
        principal: choices.text(),
        outcome: Outcome::from_word(word(&OUTCOMES, choices.byte())).expect("a documented word"),
        reason: choices.text(),
        resource: choices.text(),
        version: choices.number(),
        content_digest: choices.coin().then(|| choices.array()),
    }
}

fn change(segment: &mut Segment, events: &[Vec<u8>], choices: &mut Choices<'_>) {
    let chosen = |choices: &mut Choices<'_>| events[choices.index(events.len())].clone();
    match choices.below(11) {
        0 => segment.chain = names::name(choices),
        1 => segment.first = segment.first.wrapping_add(u64::from(choices.byte())),
        2 => segment.count = segment.count.wrapping_add(choices.byte().into()),
        3 => choices.flip(&mut segment.head_hash),
        4 => choices.flip(&mut segment.mac),
        5 => choices.flip(&mut segment.audit_kek_id),
        6 => segment.events.truncate(choices.index(segment.events.len() + 1)),
        7 => choices.flip(&mut segment.events),
        8 => segment.events.extend(joined(&[chosen(choices)])),
        9 => segment.events = joined(&[chosen(choices), chosen(choices)]),
        // One more event, right but for what is chosen, and all that goes with it.
        _ => {
            let Some(last) = parsed(&segment.events).and_then(|events| events.last().copied()) else {
                return;
            };
            let [.., sequence, _] = last.fields;
            let next = u64::from_be_bytes(sequence.try_into().expect("8 bytes")).wrapping_add(1);
            let mut hash = last.hash;
            choices.flip(&mut hash);
            let next = next.wrapping_add(u64::from(choices.below(2)));
            let chain = if choices.coin() { names::name(choices) } else { segment.chain.clone() };
            let event = details(choices).link(chain, next, hash);
            segment.events.extend(joined(&[event.event_bytes().to_vec()]));
            segment.count = segment.count.wrapping_add(1);
            segment.head_hash = *event.event_hash();
        }
    }
}

fn joined(events: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        out.extend(u32::try_from(event.len()).expect("a small event").to_be_bytes());
        out.extend(event);
    }
    out
}

/// One event of a segment, read by this crate.
#[derive(Clone, Copy)]
struct Read<'a> {
    fields: [&'a [u8]; 15],
    hash: [u8; 32],
}

/// The events, at least one; nothing if the bytes are none.
fn parsed(events: &[u8]) -> Option<Vec<Read<'_>>> {
    let mut read = Vec::new();
    let mut rest = events;
    while !rest.is_empty() {
        let (event, after) = prefixed(rest)?;
        read.push(Read { fields: fields(event)?, hash: sha256(&[event]) });
        rest = after;
    }
    (!read.is_empty()).then_some(read)
}

/// What `verify` says is what the specification says, which is returned.
fn judge(segment: &Segment, key: &AuditKey, namespace: &Namespace) -> &'static str {
    let verified = segment.clone().verify(key, namespace);
    let found = match &verified {
        Ok(_) => "verified",
        Err(SegmentError::Malformed(_)) => "malformed",
        Err(SegmentError::WrongKey) => "wrong key",
        Err(SegmentError::Mac) => "mac",
        Err(SegmentError::Count { .. }) => "count",
        Err(SegmentError::Foreign { .. }) => "foreign",
        Err(SegmentError::Sequence { .. }) => "sequence",
        Err(SegmentError::Link { .. }) => "link",
        Err(SegmentError::Head) => "head",
        Err(other) => panic!("an error that is not documented: {other}"),
    };
    assert_eq!(found, class(segment, namespace), "{segment:?}");
    if let Ok(verified) = verified {
        let bytes: Vec<_> = verified.events().map(|event| event.event_bytes().to_vec()).collect();
        assert_eq!(joined(&bytes), segment.events, "verified events are all that the segment holds");
    }
    found
}

/// The first check that fails, in the order in which they are made.
fn class(segment: &Segment, namespace: &Namespace) -> &'static str {
    let Some(events) = parsed(&segment.events) else { return "malformed" };
    if segment.audit_kek_id != KEK_ID {
        return "wrong key";
    }
    if Some(segment.mac) != mac(segment, namespace) {
        return "mac";
    }
    if events.len() != usize::try_from(segment.count).expect("a small count") {
        return "count";
    }
    if events.iter().any(|event| event.fields[12] != segment.chain.as_bytes()) {
        return "foreign";
    }
    // In u128, so that no place is beyond the end.
    let place =
        |event: &Read<'_>| u128::from(u64::from_be_bytes(event.fields[13].try_into().expect("8 bytes")));
    if (u128::from(segment.first)..).zip(&events).any(|(expected, event)| place(event) != expected) {
        return "sequence";
    }
    if events.windows(2).any(|pair| pair[1].fields[14] != pair[0].hash) {
        return "link";
    }
    if events.last().is_some_and(|last| last.hash != segment.head_hash) {
        return "head";
    }
    "verified"
}

/// Puts the MAC of whatever the segment now says, if it holds an event at all.
fn sign(segment: &mut Segment, namespace: &Namespace) {
    if let Some(mac) = mac(segment, namespace) {
        segment.mac = mac;
    }
}

fn mac(segment: &Segment, namespace: &Namespace) -> Option<[u8; 32]> {
    let first = *parsed(&segment.events)?.first()?;
    let key = expand(&KEK, b"bes1/audit-mac");
    let length = |text: &str| u32::try_from(text.len()).expect("a short name").to_be_bytes();
    let (namespace, chain) = (namespace.as_str(), segment.chain.as_str());
    let parts: [&[u8]; 10] = [
        b"bes1/segment",
        &segment.audit_kek_id,
        &length(namespace),
        namespace.as_bytes(),
        &length(chain),
        chain.as_bytes(),
        &segment.first.to_be_bytes(),
        &segment.count.to_be_bytes(),
        first.fields[14],
        &segment.head_hash,
    ];
    Some(hmac(&key, &parts))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    #[test]
    fn the_corpus_builds_segments_of_every_class() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/audit_event");
        let files = fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let built: BTreeSet<_> = files.map(|data| super::law(&data)).collect();
        let all =
            ["count", "foreign", "head", "link", "mac", "malformed", "sequence", "verified", "wrong key"];
        assert_eq!(built, all.into());
    }
}
