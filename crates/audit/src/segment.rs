//! Segments: runs of events that are stored together, under a MAC.

use std::{fmt, iter};

use blue_address::{Namespace, push_length_prefixed, split_length_prefixed};
use ring::{hkdf, hmac};

use crate::{CryptoAuditEvent, MalformedEvent};

/// What computes the MACs of segments and tombstones, with the id of the audit KEK: `HKDF-Expand(audit KEK, label, 32)` with
/// the labels `"bes1/audit-mac"` and `"bes1/tombstone-mac"`.
///
/// The derived keys live within ring, which does not zeroise them.
pub struct AuditKey {
    id: [u8; 16],
    mac: hmac::Key,
    tombstone_mac: hmac::Key,
}

impl AuditKey {
    /// Derives the MAC keys from the audit KEK: 256 uniformly random bits, which remain the caller's to zeroise. `id` is
    /// the KEK's id.
    #[must_use]
    pub fn new(id: [u8; 16], kek: &[u8; 32]) -> Self {
        let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, kek);
        let derive = |label: &[u8]| -> hmac::Key {
            prk.expand(&[label], hmac::HMAC_SHA256).expect("32 bytes are within HKDF's bound").into()
        };
        Self { id, mac: derive(b"bes1/audit-mac"), tombstone_mac: derive(b"bes1/tombstone-mac") }
    }

    /// Which KEK it was derived from.
    #[must_use]
    pub fn id(&self) -> &[u8; 16] {
        &self.id
    }

    pub(crate) fn tombstone_key(&self) -> &hmac::Key {
        &self.tombstone_mac
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A segment as it is stored. Nothing of it is verified: whoever can write the table chose it all, but the chain and the
/// place that it was asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The chain that it was asked for by.
    pub chain: String,
    /// The sequence that it was asked for by: that of its first event.
    pub first: u64,
    /// `lp(event_bytes)`, repeated.
    pub events: Vec<u8>,
    /// How many events there are.
    pub count: u32,
    /// The hash of the last event.
    pub head_hash: [u8; 32],
    /// HMAC-SHA-256 over what [`Segment::verify`] lists.
    pub mac: [u8; 32],
    /// The id of the KEK that the MAC's key is derived from.
    pub audit_kek_id: [u8; 16],
}

/// The events are no run: there are none, or they do not follow each other in one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a segment is at least one event, and each links to the one before it")]
pub struct NotARun;

/// Why a segment is not what a writer with the audit key stored. The checks are made in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The events do not parse, or there are none.
    #[error("the segment's events do not parse")]
    Malformed(#[source] Option<MalformedEvent>),
    /// It names another audit KEK.
    #[error("the segment's MAC was made under another audit key")]
    WrongKey,
    /// The MAC does not fit.
    #[error("the segment's MAC does not fit")]
    Mac,
    /// It holds another number of events than it says.
    #[error("the segment says {count} events and holds {found}")]
    Count {
        /// What it says.
        count: u32,
        /// What it holds.
        found: usize,
    },
    /// An event names another chain.
    #[error("event {sequence} is of another chain")]
    Foreign {
        /// The sequence at its place.
        sequence: u64,
    },
    /// An event has another sequence than its place.
    #[error("in the place of event {sequence} stands another")]
    Sequence {
        /// The sequence at its place.
        sequence: u64,
    },
    /// An event does not link to the one before it.
    #[error("event {sequence} does not link to the one before it")]
    Link {
        /// Its sequence.
        sequence: u64,
    },
    /// The last event's hash is not the head hash.
    #[error("the segment's head is not its last event")]
    Head,
}

/// The events of a segment whose MAC, places and links were verified. Whether its first event follows the segment
/// before it is for whoever reads the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSegment(Vec<CryptoAuditEvent>);

impl VerifiedSegment {
    /// The events, at least one, in the order of their sequence.
    #[must_use]
    pub fn events(&self) -> &[CryptoAuditEvent] {
        &self.0
    }
}

/// The events of a segment that fits together. Without the key that is all there is to see: whoever can write the table
/// can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeylessSegment(Vec<CryptoAuditEvent>);

impl KeylessSegment {
    /// The events, at least one, in the order of their sequence.
    #[must_use]
    pub fn events(&self) -> &[CryptoAuditEvent] {
        &self.0
    }

    /// Verifies the MAC of the segment that these events were read from.
    pub(crate) fn authenticate(
        self,
        segment: &Segment,
        key: &AuditKey,
        namespace: &Namespace,
    ) -> Result<VerifiedSegment, SegmentError> {
        segment.check_mac(key, namespace, self.0.first())?;
        Ok(VerifiedSegment(self.0))
    }
}

impl Segment {
    /// Joins linked events and computes the MAC.
    ///
    /// # Errors
    /// [`NotARun`].
    pub fn new(key: &AuditKey, namespace: &Namespace, events: &[CryptoAuditEvent]) -> Result<Self, NotARun> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(NotARun) };
        let count = u32::try_from(events.len()).map_err(|_| NotARun)?;
        check_run(events, first.chain(), first.sequence()).map_err(|_| NotARun)?;
        let mut bytes = Vec::new();
        for event in events {
            push_length_prefixed(&mut bytes, &event.event_bytes());
        }
        let mut segment = Self {
            chain: first.chain().to_owned(),
            first: first.sequence(),
            events: bytes,
            count,
            head_hash: *last.event_hash(),
            mac: [0; 32],
            audit_kek_id: key.id,
        };
        let tag = hmac::sign(&key.mac, &segment.authenticated(namespace, first.previous_hash()));
        segment.mac.copy_from_slice(tag.as_ref());
        Ok(segment)
    }

    /// Verifies the segment by itself: the MAC, then the count, chain, sequences and links of its events, then the head.
    ///
    /// ```text
    /// mac = HMAC-SHA-256(mac_key, "bes1/segment" ‖ audit_kek_id ‖ lp(namespace) ‖ lp(chain) ‖ u64 first ‖ u32 count
    ///                             ‖ previous_hash ‖ head_hash)
    /// ```
    ///
    /// # Errors
    /// [`SegmentError`]: the first check that fails, in the order of its variants.
    pub fn verify(&self, key: &AuditKey, namespace: &Namespace) -> Result<VerifiedSegment, SegmentError> {
        let events = self.parse()?;
        self.check_mac(key, namespace, events.first())?;
        self.check_count(&events)?;
        check_run(&events, &self.chain, self.first)?;
        self.check_head(&events)?;
        Ok(VerifiedSegment(events))
    }

    /// Makes the checks that take no key: the count, links and head of the events, then their chain and sequences. So a
    /// segment whose bytes were edited shows that, whatever the edit made it say.
    ///
    /// # Errors
    /// [`SegmentError`]: the first check that fails, in the order above.
    pub fn verify_without_key(&self) -> Result<KeylessSegment, SegmentError> {
        let events = self.parse()?;
        self.check_count(&events)?;
        check_links(&events, self.first)?;
        self.check_head(&events)?;
        check_places(&events, &self.chain, self.first)?;
        Ok(KeylessSegment(events))
    }

    /// Whether the events are as many as they are said to be, and each in its place in this chain, so that it is known
    /// which places the segment takes, whatever else is wrong with it.
    pub(crate) fn takes_its_places(&self) -> bool {
        let placed = |events: &[_]| check_places(events, &self.chain, self.first).is_ok();
        self.parse().is_ok_and(|events| self.check_count(&events).is_ok() && placed(&events))
    }

    fn check_mac(
        &self,
        key: &AuditKey,
        namespace: &Namespace,
        first: Option<&CryptoAuditEvent>,
    ) -> Result<(), SegmentError> {
        let first = first.ok_or(SegmentError::Malformed(None))?;
        if self.audit_kek_id != key.id {
            return Err(SegmentError::WrongKey);
        }
        hmac::verify(&key.mac, &self.authenticated(namespace, first.previous_hash()), &self.mac)
            .map_err(|_| SegmentError::Mac)
    }

    fn check_count(&self, events: &[CryptoAuditEvent]) -> Result<(), SegmentError> {
        if u32::try_from(events.len()) == Ok(self.count) {
            Ok(())
        } else {
            Err(SegmentError::Count { count: self.count, found: events.len() })
        }
    }

    fn check_head(&self, events: &[CryptoAuditEvent]) -> Result<(), SegmentError> {
        match events.last() {
            Some(last) if *last.event_hash() == self.head_hash => Ok(()),
            Some(_) => Err(SegmentError::Head),
            None => Err(SegmentError::Malformed(None)),
        }
    }

    /// The events, at least one, parsed, and nothing verified.
    fn parse(&self) -> Result<Vec<CryptoAuditEvent>, SegmentError> {
        let mut events = Vec::new();
        let mut rest = &self.events[..];
        while !rest.is_empty() {
            let (event, after) = split_length_prefixed(rest).ok_or(SegmentError::Malformed(None))?;
            events
                .push(CryptoAuditEvent::decode(event).map_err(|error| SegmentError::Malformed(Some(error)))?);
            rest = after;
        }
        if events.is_empty() { Err(SegmentError::Malformed(None)) } else { Ok(events) }
    }

    fn authenticated(&self, namespace: &Namespace, previous_hash: &[u8; 32]) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"bes1/segment");
        out.extend_from_slice(&self.audit_kek_id);
        push_length_prefixed(&mut out, namespace.as_str().as_bytes());
        push_length_prefixed(&mut out, self.chain.as_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(previous_hash);
        out.extend_from_slice(&self.head_hash);
        out
    }
}

/// Each event in its chain and place, and each bound to the one before it.
fn check_run(events: &[CryptoAuditEvent], chain: &str, first: u64) -> Result<(), SegmentError> {
    check_places(events, chain, first)?;
    check_links(events, first)
}

/// Each event in its chain, then each in its place.
fn check_places(events: &[CryptoAuditEvent], chain: &str, first: u64) -> Result<(), SegmentError> {
    // Beyond the last u64 there is no place, and nothing that stands in it.
    let places = (first..=u64::MAX).map(Some).chain(iter::repeat(None));
    let misplaced = |wrong: &dyn Fn(Option<u64>, &CryptoAuditEvent) -> bool| {
        let found = places.clone().zip(events).find(|&(place, event)| wrong(place, event));
        found.map(|(place, event)| place.unwrap_or(event.sequence()))
    };
    if let Some(sequence) = misplaced(&|_, event| event.chain() != chain) {
        return Err(SegmentError::Foreign { sequence });
    }
    match misplaced(&|place, event| Some(event.sequence()) != place) {
        Some(sequence) => Err(SegmentError::Sequence { sequence }),
        None => Ok(()),
    }
}

/// Each event bound to the one before it. One that is not is named by its place, whatever sequence it claims.
fn check_links(events: &[CryptoAuditEvent], first: u64) -> Result<(), SegmentError> {
    let mut pairs = (first..=u64::MAX).skip(1).zip(events.windows(2));
    match pairs.find(|(_, pair)| pair[1].previous_hash() != pair[0].event_hash()) {
        Some((sequence, _)) => Err(SegmentError::Link { sequence }),
        None => Ok(()),
    }
}
