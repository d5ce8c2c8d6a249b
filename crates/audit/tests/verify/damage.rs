//! What somebody who can write the table might do to a segment.

use blue_audit::{
    AuditKey, Class, CryptoAuditEvent, Details, Segment, Stored,
    address::{push_length_prefixed, split_length_prefixed},
};
use fastrand::Rng;

use crate::log::{Places, Writer, prod};

/// Ways to damage one segment, each of which is one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    Text,
    DroppedEvent,
    Head,
    Count,
    Bytes,
    Mac,
    Recomputed,
    OldKey,
    UnknownKey,
    OtherChain,
    OtherStore,
    Spliced,
    NoSegment,
    Deleted,
}

impl Damage {
    pub(crate) const ALL: [Self; 14] = [
        Self::Text,
        Self::DroppedEvent,
        Self::Head,
        Self::Count,
        Self::Bytes,
        Self::Mac,
        Self::Recomputed,
        Self::OldKey,
        Self::UnknownKey,
        Self::OtherChain,
        Self::OtherStore,
        Self::Spliced,
        Self::NoSegment,
        Self::Deleted,
    ];

    /// What it has to be found as.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Text | Self::DroppedEvent | Self::Head | Self::Count | Self::Spliced => Class::Altered,
            Self::Bytes | Self::NoSegment => Class::Malformed,
            Self::Mac | Self::Recomputed | Self::OldKey => Class::Mac,
            Self::UnknownKey | Self::OtherChain | Self::OtherStore => Class::Foreign,
            Self::Deleted => Class::Missing,
        }
    }

    /// Damages the segment at a place of a chain that is sound yet in `before`.
    pub(crate) fn apply(self, places: &mut Places, before: &Places, place: u64, rng: &mut Rng) {
        let segment = segment_at(before, place);
        let changed = match self {
            Self::Deleted => {
                places.remove(&place);
                return;
            }
            Self::NoSegment => {
                let reason = "its count is no number".to_owned();
                places.insert(place, Stored::Malformed { first: Some(place), reason });
                return;
            }
            _ => self.changed(segment, before, rng),
        };
        assert_ne!(Some(&Stored::Segment(changed.clone())), places.get(&place), "{self:?} changes nothing");
        places.insert(place, Stored::Segment(changed));
    }

    fn changed(self, segment: Segment, before: &Places, rng: &mut Rng) -> Segment {
        let mut events = split(&segment);
        let any = rng.usize(..events.len());
        match self {
            Self::Text => {
                events[any] = other_principal(&events[any]);
                Segment { events: join(&events), ..segment }
            }
            Self::DroppedEvent => {
                // All but the last: what is taken from the end is a gap as well.
                if events.len() > 1 {
                    events.remove(rng.usize(..events.len() - 1));
                    let count = u32::try_from(events.len()).unwrap();
                    Segment { events: join(&events), count, ..segment }
                } else {
                    Segment { count: 0, ..segment }
                }
            }
            Self::Head => {
                let mut head_hash = segment.head_hash;
                head_hash[rng.usize(..32)] ^= 1 << rng.u8(..8);
                Segment { head_hash, ..segment }
            }
            Self::Count => Segment { count: segment.count ^ (1 << rng.u8(..32)), ..segment },
            Self::Bytes => {
                // Cut off, and not between two events: that leaves a shorter run.
                let mut bytes = segment.events;
                let cut = rng.usize(..bytes.len());
                let whole = (1..events.len()).any(|count| join(&events[..count]).len() == cut);
                bytes.truncate(if whole { cut - 1 } else { cut });
                Segment { events: bytes, ..segment }
            }
            Self::Mac => {
                let mut mac = segment.mac;
                mac[rng.usize(..32)] ^= 1 << rng.u8(..8);
                Segment { mac, ..segment }
            }
            Self::Recomputed => {
                let key = AuditKey::new(segment.audit_kek_id, &[0xee; 32]);
                let first = other_principal(&events[0]);
                Segment::new(&key, &prod(), &relinked(first, &events[1..])).unwrap()
            }
            Self::OldKey => Segment { audit_kek_id: [6; 16], ..segment },
            Self::UnknownKey => Segment { audit_kek_id: [rng.u8(8..); 16], ..segment },
            Self::OtherChain => {
                let mut writer = Writer::new("other");
                (writer.head.next, writer.head.hash) = (segment.first, *events[0].previous_hash());
                Segment { chain: segment.chain, ..writer.segment(rng.usize(1..8)) }
            }
            Self::OtherStore => {
                let mut writer = Writer::new(&segment.chain);
                writer.key = AuditKey::new([9; 16], &[9; 32]);
                (writer.head.next, writer.head.hash) = (segment.first, *events[0].previous_hash());
                let first = other_principal(&writer.events(1)[0]);
                let rest = writer.events(rng.usize(..8));
                Segment::new(&writer.key, &prod(), &relinked(first, &rest)).unwrap()
            }
            Self::Spliced => {
                let others: Vec<_> = before.keys().copied().filter(|&place| place != segment.first).collect();
                let other = segment_at(before, others[rng.usize(..others.len())]);
                Segment { first: segment.first, ..other }
            }
            Self::NoSegment | Self::Deleted => segment,
        }
    }
}

/// The segment at a place, which has to be one.
pub(crate) fn segment_at(places: &Places, place: u64) -> Segment {
    match places.get(&place) {
        Some(Stored::Segment(segment)) => segment.clone(),
        other => panic!("at {place} lies {other:?}"),
    }
}

pub(crate) fn split(segment: &Segment) -> Vec<CryptoAuditEvent> {
    let (mut events, mut rest) = (Vec::new(), &segment.events[..]);
    while let Some((event, after)) = split_length_prefixed(rest) {
        events.push(CryptoAuditEvent::decode(event).unwrap());
        rest = after;
    }
    events
}

pub(crate) fn join(events: &[CryptoAuditEvent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    events.iter().for_each(|event| push_length_prefixed(&mut bytes, event.event_bytes()));
    bytes
}

/// The same event in the same place, done by somebody else.
pub(crate) fn other_principal(event: &CryptoAuditEvent) -> CryptoAuditEvent {
    let details = Details { principal: "somebody else".into(), ..event.details().clone() };
    details.link(event.chain(), event.sequence(), *event.previous_hash())
}

/// Events, linked anew behind the first.
pub(crate) fn relinked(first: CryptoAuditEvent, rest: &[CryptoAuditEvent]) -> Vec<CryptoAuditEvent> {
    let mut events = vec![first];
    for event in rest {
        let previous = *events[events.len() - 1].event_hash();
        events.push(event.details().clone().link(event.chain(), event.sequence(), previous));
    }
    events
}
