//! Where segments are kept, as far as the appender and the verifier need to know.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use blue_address::Chain;
use uuid::Uuid;

use crate::Segment;

/// What a store of segments reports when it cannot answer. It is passed on unread.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// What lies in a segment's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A segment. Nothing of it is verified.
    Segment(Segment),
    /// Something that is no segment.
    Malformed {
        /// The sequence that it lies at, if it lies at one.
        first: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
}

impl Stored {
    /// The sequence that it lies at.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        match self {
            Self::Segment(segment) => Some(segment.first),
            Self::Malformed { first, .. } => *first,
        }
    }
}

/// Some of a chain's segments, ascending by their first sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The segments, and what lies among them.
    pub stored: Vec<Stored>,
    /// Where to go on: a sequence to ask from; `None` at the end.
    pub next: Option<u64>,
}

/// Gives back the segments of chains, as they are stored at this moment: an eventually consistent answer is wrong.
#[async_trait]
pub trait SegmentSource: Send + Sync {
    /// Segments of a chain whose first sequence is `from` or more, from the lowest.
    ///
    /// # Errors
    /// Whatever kept it from answering.
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause>;

    /// The last segment of a chain; with `before`, the last whose first sequence is less.
    ///
    /// # Errors
    /// Whatever kept it from answering.
    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause>;
}

/// A write of a record that is to be done together with the segment that tells of it.
pub trait JoinedWrite: Send + Sync + 'static {
    /// What it writes: no two writes of one place can share a group.
    fn place(&self) -> String;

    /// How many bytes it adds to a request.
    fn size(&self) -> usize;

    /// How many of the [`MAX_GROUP_WRITES`](crate::MAX_GROUP_WRITES) it takes up.
    fn parts(&self) -> usize {
        1
    }
}

/// Keeps segments, durably and for all processes. They are only ever added.
#[async_trait]
pub trait SegmentLog: SegmentSource + 'static {
    /// A write that joins a segment.
    type Write: JoinedWrite;
    /// What was found in the place of a write whose condition failed.
    type Found: Send + 'static;

    /// Tries once, for at most `patience`, to add a segment where none is and to do all `writes`, together or not at
    /// all. Attempts with the same `token` carry the same content; a store may recognise a repeated one by it.
    async fn append(
        &self,
        segment: &Segment,
        writes: &[&Self::Write],
        token: Uuid,
        patience: Duration,
    ) -> Appended<Self::Found>;
}

/// How one attempt to append ended.
#[derive(Debug)]
pub enum Appended<F> {
    /// The segment is there and the writes are done.
    Done,
    /// Something lies in the segment's place: another segment or, if an earlier attempt was done unheard, this one.
    /// This attempt did nothing.
    Taken(Stored),
    /// This attempt did nothing, because of these writes, by their positions. The place of the segment was free.
    Refused(Vec<(usize, Refusal<F>)>),
    /// This attempt did nothing; another may: throttled, or never sent.
    NotDone(Cause),
    /// It may have been carried out, or be yet.
    Unanswered(Cause),
    /// This attempt did nothing, and it is of no use to repeat it: not allowed, no such table, refused as invalid.
    Failed(Cause),
}

/// Why a write kept an append from being done.
#[derive(Debug)]
pub enum Refusal<F> {
    /// What it expects is not there.
    Condition(F),
    /// Another transaction or too much traffic was in its way at that moment.
    Busy(Cause),
}
