//! Client-side encrypted storage in one DynamoDB table, with true parity between laptop and production: the
//! code you test is the code you ship.
//!
//! - [`EncryptedStore`]: opened by its [`Builder`] from a table and a key source; [`Collection`]: one tenant's
//!   records.
//! - [`Record`]: what a type needs to be stored; [`Entry`]: a record with version, times and attributes.
//! - [`Put`], [`Delete`]: what a write expects to find.
//! - [`doctor`]: looks at everything that a store depends on, without opening it.
//! - [`OpenError`], [`ReadError`], [`WriteError`]: one error type for each kind of operation.
//!
//! Each record is sealed before it leaves the process (AES-256-GCM under a fresh key, wrapped by a key of its
//! tenant) and bound to its address, version and cleartext attributes. There is no way to write one unsealed,
//! and no other engine than DynamoDB: locally, DynamoDB Local behind an endpoint override.
//!
//! Every operation is recorded in an audit log, by default in one transaction with the write and before content that was
//! read is released ([`AuditConfig`]). [`AuditLog`] verifies it, and finds records that were deleted or put back to an
//! older version of themselves.
//!
//! What it does not do: hide names, cleartext attributes, sizes (but see [`Padding`]) or access patterns;
//! protect against a compromised writer.
//!
//! ```no_run
//! use blue_encrypted_store::{AttributeError, Attributes, EncryptedStore, LocalFile, Record};
//! use futures::TryStreamExt;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Note {
//!     id: String,
//!     status: String,
//!     text: String,
//! }
//!
//! impl Record for Note {
//!     const KIND: &'static str = "note";
//!     fn id(&self) -> &str {
//!         &self.id
//!     }
//!     // Readable in the table, and authenticated; everything else is sealed.
//!     fn attributes(&self) -> Result<Attributes, AttributeError> {
//!         Attributes::new().with("status", self.status.as_str())
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let key = LocalFile::open_or_create("umk.key")?;
//! let store = EncryptedStore::builder().table("notes").keys(key).init().await?;
//! let inbox = store.tenant("alice")?.collection("inbox")?;
//!
//! inbox.put(&Note { id: "42".into(), status: "open".into(), text: "call Bob".into() }).await?;
//! let note: Note = inbox.get("42").await?.ok_or("no such note")?;
//! inbox.update("42", |note: &mut Note| note.status = "done".into()).await?;
//! let all: Vec<Note> = inbox.list().try_collect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! - `aws-kms` (default): master keys in AWS KMS, [`KeySource`] from an `AwsKmsConfig`.

mod adopt;
mod audit;
mod aws;
mod builder;
pub mod checkpoints;
mod collection;
mod commit;
pub mod doctor;
mod errors;
pub mod export;
mod keks;
mod local;
mod opening;
mod padding;
mod payload;
mod read;
mod record;
mod store;
mod telemetry;
mod tenant_keys;

pub use blue_address::{
    Address, AddressError, AttributeError, Attributes, Collection as CollectionName, Kind, NameError,
    Namespace, RecordId, RecordPath, Tenant as TenantName, Value,
};
/// The audit log: the crate `blue-audit`.
pub use blue_audit;
/// The sealed-record format: the crate `blue-envelope`.
pub use blue_envelope as envelope;
/// Key providers and the keyring: the crate `blue-keys`.
pub use blue_keys as keys;
#[cfg(feature = "aws-kms")]
pub use blue_keys::{AwsKms, AwsKmsConfig, AwsKmsError, KmsCallError};
pub use blue_keys::{KeyFile, KeyProvider, KeyringConfig, LocalFile, LocalFileError};
/// The table: the crate `blue-store`.
pub use blue_store as table;
pub use blue_store::Deadlines;

pub use adopt::{AdoptError, Adopted, Adoption, Behind, ChangeError};
pub use audit::{
    AuditConfig, AuditLog, AuditLogError, ChainPolicy, NotATraceparent, ReadPolicy, TraceContext,
    WritePolicy, verification_did_not_run,
};
pub use builder::{Builder, DEFAULT_NAMESPACE, KeySource};
pub use collection::{Collection, Delete, Put, Tenant};
pub use errors::{
    AuditUnavailable, JsonMismatch, KeyUnavailable, OpenError, ReadError, Restored, Shredded, Tampered,
    TamperedCause, Unanswered, WriteError,
};
pub use local::{LocalReset, ResetError, ResetReport};
pub use padding::Padding;
pub use payload::Payload;
pub use record::{Entry, Key, Record};
pub use store::EncryptedStore;
pub use telemetry::TelemetryNames;
pub use tenant_keys::{
    Erased, KeyMoved, KeyUse, KeyVersion, KeyVersions, Moved, RetireError, RewrapError, Rewrapped, RootError,
    RootMoved, RotateError, ShredError, TenantKeys,
};

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
