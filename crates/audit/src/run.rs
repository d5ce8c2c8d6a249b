//! Whether events follow each other in one chain.

use crate::{
    CryptoAuditEvent, GENESIS, SegmentError,
    decode::{Decoded, TextBytes},
};

/// An event's place and what it is bound to, with its own hash.
pub(crate) struct Link<'a> {
    chain: &'a [u8],
    sequence: u64,
    previous_hash: &'a [u8; 32],
    event_hash: &'a [u8; 32],
}

impl<'a> Link<'a> {
    /// Of an event, and the hash that was computed of it.
    pub(crate) fn of(event: &Decoded<'a, TextBytes<'a>>, event_hash: &'a [u8; 32]) -> Self {
        Self {
            chain: event.chain.0,
            sequence: event.sequence,
            previous_hash: event.previous_hash,
            event_hash,
        }
    }
}

impl<'a> From<&'a CryptoAuditEvent> for Link<'a> {
    fn from(event: &'a CryptoAuditEvent) -> Self {
        Self {
            chain: event.chain().as_bytes(),
            sequence: event.sequence(),
            previous_hash: event.previous_hash(),
            event_hash: event.event_hash(),
        }
    }
}

/// What one look at each of some events, in their order, shows of all of them. Each kind of defect is kept by where it
/// shows first, so that it can be asked for in any order.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    chain: &'a str,
    /// The place of the next event: beyond the last u64 there is none, and nothing that stands in it.
    place: Option<u64>,
    len: usize,
    ends: Ends,
    foreign: Option<u64>,
    misplaced: Option<u64>,
    unlinked: Option<u64>,
}

/// The hashes at both ends of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// What its first event links to.
    pub(crate) previous_hash: [u8; 32],
    /// That of its last event.
    pub(crate) head_hash: [u8; 32],
}

impl<'a> Run<'a> {
    /// No events yet, of a chain from a place on.
    pub(crate) fn new(chain: &'a str, first: u64) -> Self {
        let ends = Ends { previous_hash: GENESIS, head_hash: GENESIS };
        Self { chain, place: Some(first), len: 0, ends, foreign: None, misplaced: None, unlinked: None }
    }

    #[inline]
    pub(crate) fn push(&mut self, event: &Link<'_>) {
        let place = self.place;
        // An event that is not as it should be is named by its place, whatever sequence it claims.
        let name = place.unwrap_or(event.sequence);
        if event.chain != self.chain.as_bytes() {
            self.foreign.get_or_insert(name);
        }
        if place != Some(event.sequence) {
            self.misplaced.get_or_insert(name);
        }
        if self.len == 0 {
            self.ends.previous_hash = *event.previous_hash;
        } else if place.is_some() && self.ends.head_hash != *event.previous_hash {
            self.unlinked.get_or_insert(name);
        }
        self.ends.head_hash = *event.event_hash;
        self.place = place.and_then(|place| place.checked_add(1));
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// `None` if there are no events.
    pub(crate) fn ends(&self) -> Option<Ends> {
        (self.len > 0).then_some(self.ends)
    }

    /// Each event in its chain, then each in its place.
    pub(crate) fn check_places(&self) -> Result<(), SegmentError> {
        if let Some(sequence) = self.foreign {
            return Err(SegmentError::Foreign { sequence });
        }
        self.misplaced.map_or(Ok(()), |sequence| Err(SegmentError::Sequence { sequence }))
    }

    /// Each event bound to the one before it.
    pub(crate) fn check_links(&self) -> Result<(), SegmentError> {
        self.unlinked.map_or(Ok(()), |sequence| Err(SegmentError::Link { sequence }))
    }
}
