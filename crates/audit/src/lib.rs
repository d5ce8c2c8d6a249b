//! The crypto audit event: who used which key on which record, with what outcome, and the hash that chains
//! one event to the next.
//!
//! - [`CryptoAuditEvent`]: one event with its hash; made by [`Details::link`], which computes it.
//! - [`CryptoOp`], [`Outcome`]: what was done and how it ended.
//! - [`resource`]: the name of a record in an event.
//!
//! The encoding is exact and specified on [`CryptoAuditEvent::event_bytes`]. This crate holds the event and
//! its hash only: it keeps no log, computes no MAC and writes nowhere, and it knows neither keys nor AWS.
//! Most people want the facade, `blue-encrypted-store`.
//!
//! ```
//! use blue_audit::{CryptoOp, Details, GENESIS, Outcome, resource};
//! use blue_audit::address::{Namespace, RecordPath};
//!
//! let address = "alice/inbox/note/a/b".parse::<RecordPath>()?.within(Namespace::new("prod")?);
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
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod event;
mod resource;

/// Names, addresses and attributes: the crate `blue-address`.
pub use blue_address as address;

pub use event::{CryptoAuditEvent, CryptoOp, Details, GENESIS, Outcome};
pub use resource::resource;
