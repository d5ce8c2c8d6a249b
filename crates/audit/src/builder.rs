//! Segments as a writer makes them.

use blue_address::{Chain, Namespace};
use sha2::{Digest, Sha256};

use crate::{AuditKey, Details, Head, NotARun, Segment};

/// A segment in the making: each event is encoded where it will be stored, and links to the one before it. How long it may
/// become is the caller's matter ([`Details::stored_len`], [`MAX_SEGMENT_LEN`](crate::MAX_SEGMENT_LEN)); what appends to a
/// chain is the [`Appender`](crate::Appender).
///
/// ```
/// use blue_audit::{AuditKey, Details, GENESIS, Head, Segment, SegmentBuilder};
/// use blue_audit::address::{Chain, Namespace};
///
/// let (key, namespace) = (AuditKey::new([7; 16], &[1; 32]), Namespace::new("prod")?);
/// let (first, second) = (Details::now(), Details::now());
/// let mut builder = SegmentBuilder::new(Chain::new("main")?, Head { next: 0, hash: GENESIS });
/// assert_eq!((builder.push(&first)?, builder.push(&second)?), (0, 1));
/// let segment = builder.finish(&key, &namespace)?;
///
/// let first = first.link("main", 0, GENESIS);
/// let second = second.link("main", 1, *first.event_hash());
/// assert_eq!(segment, Segment::new(&key, &namespace, &[first, second])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SegmentBuilder {
    chain: Chain,
    before: Head,
    count: u32,
    head_hash: [u8; 32],
    events: Vec<u8>,
}

impl SegmentBuilder {
    /// A segment of no events yet, to follow what a chain holds so far.
    #[must_use]
    pub fn new(chain: Chain, before: Head) -> Self {
        Self { chain, before, count: 0, head_hash: before.hash, events: Vec::new() }
    }

    /// Puts an event behind the others, and gives its sequence.
    ///
    /// # Errors
    /// [`NotARun`]: it would be beyond the last sequence of all, there are 2³² − 1 events, or its encoding takes 4 GiB.
    /// Nothing has changed.
    ///
    /// # Panics
    /// As [`Details::link`]; nothing has changed then.
    pub fn push(&mut self, details: &Details) -> Result<u64, NotARun> {
        let sequence = self.before.next.checked_add(self.count.into()).ok_or(NotARun)?;
        let count = self.count.checked_add(1).ok_or(NotARun)?;
        let len = details.encoded_len(self.chain.as_str());
        let prefix = u32::try_from(len).map_err(|_| NotARun)?.to_be_bytes();
        let timestamp = details.timestamp_bytes();
        self.events.reserve(prefix.len() + len);
        self.events.extend_from_slice(&prefix);
        let start = self.events.len();
        details.encode_onto(&mut self.events, &timestamp, self.chain.as_str(), sequence, &self.head_hash);
        self.head_hash = Sha256::digest(&self.events[start..]).into();
        self.count = count;
        Ok(sequence)
    }

    /// Computes the MAC.
    ///
    /// # Errors
    /// [`NotARun`]: there are no events.
    pub fn finish(self, key: &AuditKey, namespace: &Namespace) -> Result<Segment, NotARun> {
        let Self { chain, before, count, head_hash, events } = self;
        if count == 0 {
            return Err(NotARun);
        }
        let segment = Segment {
            chain: chain.as_str().to_owned(),
            first: before.next,
            events,
            count,
            head_hash,
            mac: [0; 32],
            audit_kek_id: *key.id(),
        };
        Ok(segment.signed(key, namespace, &before.hash))
    }
}
