//! Why something was not appended.

use blue_address::Chain;

use crate::{Cause, SegmentError};

/// Why events were not appended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// What waits in this process filled its bound until the deadline. Nothing was written, nothing will be.
    #[error("too much waits to be written to the audit chain {chain}")]
    Full {
        /// The chain.
        chain: Chain,
        /// What kept it from being written, if anything did.
        source: Option<Cause>,
    },
    /// The events' turn did not come before the deadline. Nothing was written, nothing will be.
    #[error("the audit chain {chain} took nothing until the deadline")]
    Deadline {
        /// The chain.
        chain: Chain,
        /// What kept it from being written, if anything did.
        source: Option<Cause>,
    },
    /// They were sent and no answer came until the deadline. What joined them was done with them or not at all.
    #[error("it is not known whether the audit chain {chain} took the events")]
    OutcomeUnknown {
        /// The chain.
        chain: Chain,
        /// What kept the answer from coming, if that is known.
        source: Option<Cause>,
    },
    /// The store of segments refused for good. Nothing was written, nothing will be.
    #[error("the audit chain {chain} cannot be written")]
    Failed {
        /// The chain.
        chain: Chain,
        /// What the store said.
        source: Cause,
    },
    /// An event is larger than a segment may be. Nothing was written.
    #[error("an audit event has {size} bytes, {limit} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most a segment holds.
        limit: usize,
    },
    /// The chain is not as this process knew it, and it writes no more. Nothing was written, nothing will be.
    #[error("this process writes no more to the audit chain {chain}")]
    Stopped {
        /// The chain.
        chain: Chain,
        /// What is wrong with it.
        source: Stopped,
    },
    /// The runtime that the appender ran on is gone.
    #[error("the audit chain {chain} is closed")]
    Closed {
        /// The chain.
        chain: Chain,
    },
}

/// What a writer found that no other writer can have done: it does not build upon it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// Segments that this process has seen are gone.
    #[error("the chain ends before sequence {found}, but this process has seen it reach {seen}")]
    Regressed {
        /// The next sequence as seen before.
        seen: u64,
        /// The next sequence now.
        found: u64,
    },
    /// Another history stands where this process knew one.
    #[error("the chain's history before sequence {next} is not what this process has seen")]
    Rewritten {
        /// The sequence that comes after it.
        next: u64,
    },
    /// What lies at a sequence is no segment.
    #[error("what lies at sequence {sequence} is no segment: {reason}")]
    Malformed {
        /// The sequence.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A segment that no writer with the audit key made.
    #[error("the segment at sequence {sequence} is not authentic")]
    NotAuthentic {
        /// Its first sequence.
        sequence: u64,
        /// The first check that failed.
        source: SegmentError,
    },
    /// It was made under an audit key that was not there when the store was opened. Opening it again finds the key,
    /// if it is the store's.
    #[error("the segment at sequence {sequence} was made under an unknown audit key")]
    UnknownKey {
        /// Its first sequence.
        sequence: u64,
    },
    /// There are not as many sequences left as there are events to append. No honest chain comes to that.
    #[error("the chain has no sequence left from {next} on for what is to be appended")]
    Exhausted {
        /// The next sequence.
        next: u64,
    },
}
