//! The crypto audit event: who used which key on which record, with what outcome, and the hash that chains
//! one event to the next.
//!
//! - [`CryptoAuditEvent`]: one event with its hash; made by [`Details::link`], which computes it.
//! - [`CryptoOp`], [`Outcome`]: what was done and how it ended.
//! - [`resource`]: the name of a record in an event.
//! - [`Segment`]: a run of events as it is stored, under the MAC of an [`AuditKey`]; [`VerifiedSegment`]: its events, once
//!   that MAC and their links were verified.
//!
//! The encoding is exact and specified in docs/audit.md of the repository. This crate keeps no log and writes nowhere, and
//! it knows neither AWS nor how keys are kept. Most people want the facade, `blue-encrypted-store`.
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
//! assert_eq!(segment.verify(&key, &namespace)?.events().len(), 2);
//! segment.count = 1;
//! assert!(segment.verify(&key, &namespace).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod event;
mod resource;
mod segment;

/// Names, addresses and attributes: the crate `blue-address`.
pub use blue_address as address;

pub use decode::MalformedEvent;
pub use event::{CryptoAuditEvent, CryptoOp, Details, GENESIS, Outcome};
pub use resource::resource;
pub use segment::{AuditKey, NotARun, Segment, SegmentError, VerifiedSegment};
