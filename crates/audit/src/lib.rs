//! The crypto audit log: who used which key on which record, with what outcome, in chains of events that nobody changes
//! unseen.
//!
//! - [`CryptoAuditEvent`]: one event with its hash; made by [`Details::link`], which computes it. [`resource`] and its
//!   like name what it is about. [`EventView`]: one that is only looked at, where it lies.
//! - [`Segment`]: a run of events as it is stored, under the MAC of an [`AuditKey`]; [`VerifiedSegment`]: its events, once
//!   that MAC and their links were verified. [`SegmentBuilder`] makes one without a [`CryptoAuditEvent`] of each.
//! - [`Appender`]: appends to a chain, alone or together with the writes that the events tell of.
//! - [`verify()`], [`ChainReader`], [`Report`]: a whole log, verified; [`RecordLedger`]: what it says of each record.
//! - [`Checkpoint`]: how far the chains had come, as a signed note to be kept elsewhere.
//!
//! Formats and rules are exact and specified in docs/audit.md of the repository. Where segments are kept is somebody else's
//! matter ([`SegmentSource`], [`SegmentLog`]): this crate knows neither AWS nor how keys are kept. Most people want the
//! facade, `blue-encrypted-store`.
//!
//! ```
//! use blue_audit::{AuditKey, CryptoOp, Details, GENESIS, Outcome, Segment, resource};
//! use blue_audit::address::{Namespace, RecordPath};
//!
//! let namespace = Namespace::new("prod")?;
//! let address = "alice/inbox/note/a/b".parse::<RecordPath>()?.within(namespace.clone());
//! let details = Details {
//!     operation: CryptoOp::Encrypt,
//!     key_id: "00112233-4455-4677-8899-aabbccddeeff".into(),
//!     principal: "alice@example.org".into(),
//!     outcome: Outcome::Success,
//!     resource: resource(&address),
//!     version: 1,
//!     ..Details::now()
//! };
//! let first = details.clone().link("main", 0, GENESIS);
//! let second = details.link("main", 1, *first.event_hash());
//! assert_eq!(second.previous_hash(), first.event_hash());
//! assert_eq!(first.details().resource, "bes:prod/alice/inbox/note/a%2Fb");
//!
//! let key = AuditKey::new([7; 16], &[1; 32]);
//! let mut segment = Segment::new(&key, &namespace, &[first, second])?;
//! assert_eq!(segment.clone().verify(&key, &namespace)?.events().len(), 2);
//! segment.count = 1;
//! assert!(segment.verify(&key, &namespace).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod appender;
mod builder;
mod checkpoint;
mod decode;
mod event;
mod keys;
mod log;
mod note;
mod records;
mod report;
mod resource;
mod run;
mod segment;
mod timestamp;
mod tombstone;
mod verify;

/// Names, addresses and attributes: the crate `blue-address`.
pub use blue_address as address;

pub use appender::{
    AppendError, Appender, AppenderConfig, Committed, Head, MAX_GROUP_WRITES, MAX_REQUEST_LEN,
    MAX_SEGMENT_LEN, Reservation, Stopped,
};
pub use builder::SegmentBuilder;
pub use checkpoint::{
    Checkpoint, CheckpointError, CheckpointSink, GoesBack, MalformedCheckpoint, OpenCheckpointError,
    SinkError,
};
pub use decode::{EventView, MalformedEvent};
pub use event::{CryptoAuditEvent, CryptoOp, Details, GENESIS, Outcome};
pub use keys::AuditKeys;
pub use log::{Appended, Cause, JoinedWrite, Page, Refusal, SegmentLog, SegmentSource, Stored};
pub use note::{
    MAX_NOTE_LEN, MAX_NOTE_SIGNATURES, NoteError, NoteKeyError, NoteSigner, NoteVerifier, UnsignableText,
    VerifiedNote,
};
pub use records::{RecordLedger, RecordState};
pub use report::{ChainReport, Class, Finding, Findings, Report, Sequences, Totals, Verdict};
pub use resource::{
    audit_resource, chain_resource, collection_resource, kek_resource, resource, resource_parts,
    store_resource, tenant_resource,
};
pub use segment::{AuditKey, Events, KeylessSegment, NotARun, Segment, SegmentError, VerifiedSegment};
pub use verify::{
    Baseline, ChainReader, Checks, Observer, ReadSegment, Start, Step, VerifyError, VerifyOptions, verify,
};
