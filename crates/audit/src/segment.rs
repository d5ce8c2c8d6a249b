//! Segments: runs of events that are stored together, under a MAC.

use std::{fmt, iter::FusedIterator};

use blue_address::{Namespace, push_length_prefixed, split_length_prefixed};
use ring::{hkdf, hmac};
use sha2::{Digest, Sha256};

use crate::{
    CryptoAuditEvent, CryptoOp, EventView, MalformedEvent,
    decode::{Decoded, TextBytes},
    run::{Ends, Link, Run},
};

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

/// The events are no run: there are none, they do not follow each other in one chain, or it would be too long a one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a segment is at least one event, and each has its place in the chain and links to the one before it"
)]
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

/// A segment whose MAC was verified, and the places and links of its events. Whether its first event follows the segment
/// before it is for whoever reads the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSegment(Sound);

impl VerifiedSegment {
    /// The events, at least one, in the order of their sequence.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        self.0.events()
    }

    pub(crate) fn sound(&self) -> &Sound {
        &self.0
    }
}

/// A segment that fits together. Without the key that is all there is to see: whoever can write the table can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeylessSegment(Sound);

impl KeylessSegment {
    /// A segment that has just been checked, and what the check saw.
    pub(crate) fn new(segment: Segment, shape: Shape) -> Self {
        Self(Sound { segment, shape })
    }

    /// The events, at least one, in the order of their sequence.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        self.0.events()
    }

    pub(crate) fn sound(&self) -> &Sound {
        &self.0
    }

    /// Verifies the MAC too.
    pub(crate) fn authenticate(
        self,
        key: &AuditKey,
        namespace: &Namespace,
    ) -> Result<VerifiedSegment, SegmentError> {
        self.0.segment.check_mac(key, namespace, &self.0.shape)?;
        Ok(VerifiedSegment(self.0))
    }
}

/// A segment that was checked, and what was seen in passing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sound {
    segment: Segment,
    shape: Shape,
}

/// What a look at each of a segment's events shows, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) ends: Ends,
    /// Where the last event begins, with its length.
    last: usize,
    operations: Operations,
}

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Operations(u32);

impl Operations {
    fn insert(&mut self, operation: CryptoOp) {
        self.0 |= 1 << operation as u32;
    }

    fn contains(self, operation: CryptoOp) -> bool {
        self.0 & (1 << operation as u32) != 0
    }
}

impl Sound {
    pub(crate) fn events(&self) -> Events<'_> {
        let left = usize::try_from(self.segment.count).expect("so many were counted in memory");
        Events { bytes: &self.segment.events, left }
    }

    /// The first event.
    pub(crate) fn first(&self) -> EventView<'_> {
        self.event_at(0)
    }

    /// The last event, without a look at the others.
    pub(crate) fn last(&self) -> EventView<'_> {
        self.event_at(self.shape.last)
    }

    fn event_at(&self, start: usize) -> EventView<'_> {
        Events { bytes: &self.segment.events[start..], left: 1 }.next().expect("an event was found there")
    }

    /// The hash of the last event.
    pub(crate) fn head_hash(&self) -> [u8; 32] {
        self.segment.head_hash
    }

    /// Whether any of the events tells of such an operation.
    pub(crate) fn tells_of(&self, operation: CryptoOp) -> bool {
        self.shape.operations.contains(operation)
    }
}

/// The events of a segment that was verified, as they lie in it.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Events<'a> {
    type Item = EventView<'a>;

    fn next(&mut self) -> Option<EventView<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (event, rest) = split_length_prefixed(self.bytes).expect("the events were counted");
        self.bytes = rest;
        Some(EventView::decode(event).expect("the events were decoded when they were verified"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Events<'_> {}

impl FusedIterator for Events<'_> {}

impl Segment {
    /// Joins linked events and computes the MAC.
    ///
    /// # Errors
    /// [`NotARun`].
    pub fn new(key: &AuditKey, namespace: &Namespace, events: &[CryptoAuditEvent]) -> Result<Self, NotARun> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(NotARun) };
        let count = u32::try_from(events.len()).map_err(|_| NotARun)?;
        let mut run = Run::new(first.chain(), first.sequence());
        let mut len = 0;
        for event in events {
            run.push(&Link::from(event));
            len += 4 + event.event_bytes().len();
        }
        run.check_places().and_then(|()| run.check_links()).map_err(|_| NotARun)?;

        let mut bytes = Vec::with_capacity(len);
        for event in events {
            push_length_prefixed(&mut bytes, event.event_bytes());
        }
        let segment = Self {
            chain: first.chain().to_owned(),
            first: first.sequence(),
            events: bytes,
            count,
            head_hash: *last.event_hash(),
            mac: [0; 32],
            audit_kek_id: key.id,
        };
        Ok(segment.signed(key, namespace, first.previous_hash()))
    }

    /// With the MAC over what it says, the id of the key included; its first event links to `previous_hash`.
    pub(crate) fn signed(mut self, key: &AuditKey, namespace: &Namespace, previous_hash: &[u8; 32]) -> Self {
        let tag = hmac::sign(&key.mac, &self.authenticated(namespace, previous_hash));
        self.mac.copy_from_slice(tag.as_ref());
        self
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
    pub fn verify(self, key: &AuditKey, namespace: &Namespace) -> Result<VerifiedSegment, SegmentError> {
        let shape = self.check(key, namespace)?;
        Ok(VerifiedSegment(Sound { segment: self, shape }))
    }

    /// Makes the checks that take no key: the count, links and head of the events, then their chain and sequences. So a
    /// segment whose bytes were edited shows that, whatever the edit made it say.
    ///
    /// # Errors
    /// [`SegmentError`]: the first check that fails, in the order above.
    pub fn verify_without_key(self) -> Result<KeylessSegment, SegmentError> {
        let shape = self.check_without_key()?;
        Ok(KeylessSegment::new(self, shape))
    }

    /// The checks of [`Segment::verify`].
    pub(crate) fn check(&self, key: &AuditKey, namespace: &Namespace) -> Result<Shape, SegmentError> {
        let (run, shape) = self.parse()?;
        self.check_mac(key, namespace, &shape)?;
        self.check_count(&run)?;
        run.check_places()?;
        run.check_links()?;
        self.check_head(&shape)?;
        Ok(shape)
    }

    /// The checks of [`Segment::verify_without_key`].
    pub(crate) fn check_without_key(&self) -> Result<Shape, SegmentError> {
        let (run, shape) = self.parse()?;
        self.check_count(&run)?;
        run.check_links()?;
        self.check_head(&shape)?;
        run.check_places()?;
        Ok(shape)
    }

    /// Whether the events are as many as they are said to be, and each in its place in this chain, so that it is known
    /// which places the segment takes, whatever else is wrong with it.
    pub(crate) fn takes_its_places(&self) -> bool {
        self.parse().is_ok_and(|(run, _)| self.check_count(&run).is_ok() && run.check_places().is_ok())
    }

    fn check_mac(&self, key: &AuditKey, namespace: &Namespace, shape: &Shape) -> Result<(), SegmentError> {
        if self.audit_kek_id != key.id {
            return Err(SegmentError::WrongKey);
        }
        hmac::verify(&key.mac, &self.authenticated(namespace, &shape.ends.previous_hash), &self.mac)
            .map_err(|_| SegmentError::Mac)
    }

    fn check_count(&self, run: &Run<'_>) -> Result<(), SegmentError> {
        if u32::try_from(run.len()) == Ok(self.count) {
            Ok(())
        } else {
            Err(SegmentError::Count { count: self.count, found: run.len() })
        }
    }

    fn check_head(&self, shape: &Shape) -> Result<(), SegmentError> {
        if shape.ends.head_hash == self.head_hash { Ok(()) } else { Err(SegmentError::Head) }
    }

    /// Decodes and hashes each event. Nothing is verified but that they are events, at least one.
    fn parse(&self) -> Result<(Run<'_>, Shape), SegmentError> {
        let mut run = Run::new(&self.chain, self.first);
        let (mut last, mut operations) = (0, Operations::default());
        let mut rest = &self.events[..];
        while !rest.is_empty() {
            let (event, after) = split_length_prefixed(rest).ok_or(SegmentError::Malformed(None))?;
            // Hashed first: that computes while the bytes are still on their way from memory; decoding would wait.
            let event_hash = Sha256::digest(event).into();
            let event =
                Decoded::<TextBytes<'_>>::of(event).map_err(|error| SegmentError::Malformed(Some(error)))?;
            run.push(&Link::of(&event, &event_hash));
            operations.insert(event.details.operation);
            last = self.events.len() - rest.len();
            rest = after;
        }
        let ends = run.ends().ok_or(SegmentError::Malformed(None))?;
        Ok((run, Shape { ends, last, operations }))
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
