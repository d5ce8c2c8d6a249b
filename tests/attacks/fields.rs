//! What is in a segment, edited.

use blue_encrypted_store::{
    blue_audit::{Class, CryptoAuditEvent, CryptoOp, Details, GENESIS, Outcome},
    table::SegmentItem,
};
use blue_tests::{b, n, s};
use fastrand::Rng;

use crate::{
    edit::{Edit, Expected},
    good::{Good, Run},
};

/// All that an event's bytes say.
pub(crate) struct Fields {
    pub(crate) details: Details,
    pub(crate) chain: String,
    pub(crate) sequence: u64,
    pub(crate) previous_hash: [u8; 32],
}

pub(crate) type Change = fn(&mut Fields, &mut Rng);

/// Every field of an event but its hash, each with a change of it.
pub(crate) const FIELDS: [(&str, Change); 15] = [
    ("event_id", |event, rng| event.details.event_id = uuid::Uuid::from_u128(rng.u128(..))),
    ("timestamp", |event, rng| {
        event.details.timestamp += time::Duration::microseconds(rng.i64(1..1_000_000_000))
    }),
    ("trace_id", |event, rng| other_text(&mut event.details.trace_id, rng)),
    ("span_id", |event, rng| other_text(&mut event.details.span_id, rng)),
    ("operation", |event, rng| event.details.operation = other(CryptoOp::ALL, event.details.operation, rng)),
    ("key_id", |event, rng| other_text(&mut event.details.key_id, rng)),
    ("principal", |event, rng| other_text(&mut event.details.principal, rng)),
    ("outcome", |event, rng| event.details.outcome = other(Outcome::ALL, event.details.outcome, rng)),
    ("reason", |event, rng| other_text(&mut event.details.reason, rng)),
    ("resource", |event, rng| other_text(&mut event.details.resource, rng)),
    ("version", |event, rng| event.details.version ^= 1 << rng.u32(0..64)),
    ("content_digest", |event, rng| match &mut event.details.content_digest {
        Some(digest) if rng.bool() => flip(digest, rng),
        digest @ Some(_) => *digest = None,
        digest => *digest = Some([rng.u8(..); 32]),
    }),
    ("chain", |event, rng| other_text(&mut event.chain, rng)),
    ("sequence", |event, rng| event.sequence ^= 1 << rng.u32(0..64)),
    ("previous_hash", |event, rng| flip(&mut event.previous_hash, rng)),
];

/// A character more, or the first one replaced.
fn other_text(text: &mut String, rng: &mut Rng) {
    if text.is_empty() || rng.bool() {
        text.push(rng.lowercase());
    } else {
        let first = text.remove(0);
        text.insert(0, if first == 'x' { 'y' } else { 'x' });
    }
}

fn other<T: Copy + PartialEq>(all: &[T], this: T, rng: &mut Rng) -> T {
    crate::good::one(rng, all.iter().copied().filter(|&other| other != this))
}

pub(crate) fn flip(bytes: &mut [u8], rng: &mut Rng) {
    let bit = rng.usize(0..bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

impl Fields {
    pub(crate) fn of(event: &CryptoAuditEvent) -> Self {
        Self {
            details: event.details().clone(),
            chain: event.chain().to_owned(),
            sequence: event.sequence(),
            previous_hash: *event.previous_hash(),
        }
    }

    pub(crate) fn hashed(self) -> CryptoAuditEvent {
        self.details.link(self.chain, self.sequence, self.previous_hash)
    }
}

/// `lp(event_bytes)`, repeated.
pub(crate) fn encoded(events: &[CryptoAuditEvent]) -> Vec<u8> {
    let with_length = |event: &CryptoAuditEvent| {
        let bytes = event.event_bytes();
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    };
    events.iter().flat_map(with_length).collect()
}

/// The events from `from` on, each linked to the one before it.
pub(crate) fn hash_anew(events: &mut [CryptoAuditEvent], from: usize) {
    for index in from.max(1)..events.len() {
        let previous_hash = *events[index - 1].event_hash();
        events[index] = Fields { previous_hash, ..Fields::of(&events[index]) }.hashed();
    }
}

/// The segment of these events by somebody without the key: the mac is the one of before.
pub(crate) fn with_events(run: &Run, events: &[CryptoAuditEvent]) -> SegmentItem {
    SegmentItem {
        events: encoded(events),
        count: u32::try_from(events.len()).unwrap(),
        head_hash: events.last().map_or(GENESIS, |last| *last.event_hash()),
        ..run.segment.clone()
    }
}

/// One segment replaced, and found in this class.
fn replaced(run: &Run, segment: SegmentItem, class: Class) -> Edit {
    Edit::at(run.chain(), run.first()).put_segment(&segment).sees(Expected::at(
        class,
        run.chain(),
        run.first(),
    ))
}

/// A segment that fits together, whose mac is not its own. Without keys, all that shows is that what is behind it does not
/// follow.
pub(crate) fn without_its_mac(good: &Good, run: &Run, segment: SegmentItem) -> Edit {
    let follows = good.next(run).map(|next| Expected::at(Class::Fork, next.chain(), next.first()));
    replaced(run, segment, Class::Mac).keyless_sees(follows)
}

/// Not the registry: what its events say decides which chains are read.
pub(crate) fn of_records(run: &Run) -> bool {
    run.chain() != "registry"
}

/// A field is edited in the stored bytes.
pub(crate) fn edited(good: &Good, rng: &mut Rng, change: Change) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut events = run.events.clone();
    let index = rng.usize(0..events.len());
    let mut fields = Fields::of(&events[index]);
    change(&mut fields, rng);
    events[index] = fields.hashed();
    replaced(run, SegmentItem { events: encoded(&events), ..run.segment.clone() }, Class::Altered)
}

/// A field is edited, and every hash of the segment is made to fit: all that is left to show it is the mac, unless the
/// field is the place itself.
pub(crate) fn edited_and_hashed_anew(good: &Good, rng: &mut Rng, name: &str, change: Change) -> Edit {
    let run = good.pick(rng, of_records);
    let mut events = run.events.clone();
    let index = rng.usize(0..events.len());
    let mut fields = Fields::of(&events[index]);
    change(&mut fields, rng);
    events[index] = fields.hashed();
    hash_anew(&mut events, index + 1);
    let segment = with_events(run, &events);
    match (name, index) {
        ("chain", _) => replaced(run, segment, Class::Foreign),
        ("sequence", _) => replaced(run, segment, Class::Altered),
        ("previous_hash", 1..) => replaced(run, segment, Class::Altered),
        ("previous_hash", 0) => {
            let own = Expected::at(Class::Fork, run.chain(), run.first());
            let follows = good.next(run).map(|next| Expected::at(Class::Fork, next.chain(), next.first()));
            replaced(run, segment, Class::Mac).keyless_sees([own].into_iter().chain(follows))
        }
        _ => without_its_mac(good, run, segment),
    }
}

/// An event's hash stands in the event behind it, or in the segment's head.
pub(crate) fn event_hash(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut events = run.events.clone();
    let mut segment = run.segment.clone();
    match rng.usize(0..events.len()) + 1 {
        behind if behind < events.len() => {
            let mut fields = Fields::of(&events[behind]);
            flip(&mut fields.previous_hash, rng);
            events[behind] = fields.hashed();
            segment.events = encoded(&events);
        }
        _ => flip(&mut segment.head_hash, rng),
    }
    replaced(run, segment, Class::Altered)
}

pub(crate) fn bit_flipped(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut segment = run.segment.clone();
    flip(&mut segment.events, rng);
    // It may be a bit of a length or of a word that stands for something.
    let seen = Expected::at(Class::Altered, run.chain(), run.first()).or(Class::Malformed);
    Edit::at(run.chain(), run.first()).put_segment(&segment).sees(seen)
}

pub(crate) fn mac(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut segment = run.segment.clone();
    // A bit, or the mac of another segment.
    match rng.bool() {
        true => flip(&mut segment.mac, rng),
        false => segment.mac = good.pick(rng, |other| other.segment.mac != segment.mac).segment.mac,
    }
    replaced(run, segment, Class::Mac).keyless_sees([])
}

pub(crate) fn count(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let count = other(
        &[0, 1, run.segment.count + 1, run.segment.count - 1, rng.u32(..), u32::MAX],
        run.segment.count,
        rng,
    );
    replaced(run, SegmentItem { count, ..run.segment.clone() }, Class::Altered)
}

pub(crate) fn head_hash(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut segment = run.segment.clone();
    match rng.bool() {
        true => flip(&mut segment.head_hash, rng),
        false => segment.head_hash = *run.events[0].previous_hash(),
    }
    replaced(run, segment, Class::Altered)
}

pub(crate) fn audit_kek_id(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut segment = run.segment.clone();
    flip(&mut segment.audit_kek_id, rng);
    replaced(run, segment, Class::Foreign).keyless_sees([])
}

pub(crate) fn no_segment(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let mut item = run.segment.to_item().unwrap();
    let name = crate::good::one(rng, ["events", "count", "head_hash", "mac", "audit_kek_id"].into_iter());
    match rng.u8(0..5) {
        0 => drop(item.remove(name)),
        1 => drop(item.insert("more".to_owned(), n(1))),
        2 => drop(item.insert(name.to_owned(), s("x"))),
        3 => drop(item.insert("events".to_owned(), b([]))),
        _ => {
            let name = if name == "count" { "mac" } else { name };
            let bytes = item[name].as_b().unwrap().as_ref().to_vec();
            item.insert(name.to_owned(), b(&bytes[..bytes.len() - 1]));
        }
    }
    let malformed = Expected::at(Class::Malformed, run.chain(), run.first());
    Edit::at(run.chain(), run.first()).put(item).sees(malformed)
}

/// Two places of a segment.
fn two_places(run: &Run, rng: &mut Rng) -> (usize, usize) {
    let first = rng.usize(0..run.events.len() - 1);
    (first, rng.usize(first + 1..run.events.len()))
}

pub(crate) fn reordered(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| run.events.len() > 1);
    let (one, other) = two_places(run, rng);
    let mut events = run.events.clone();
    events.swap(one, other);
    replaced(run, SegmentItem { events: encoded(&events), ..run.segment.clone() }, Class::Altered)
}

pub(crate) fn reordered_and_hashed_anew(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| of_records(run) && run.events.len() > 1);
    let (one, other) = two_places(run, rng);
    let mut events = run.events.clone();
    for (to, from) in [(one, other), (other, one)] {
        let details = run.events[from].details().clone();
        events[to] = Fields { details, ..Fields::of(&run.events[to]) }.hashed();
    }
    hash_anew(&mut events, one + 1);
    without_its_mac(good, run, with_events(run, &events))
}
