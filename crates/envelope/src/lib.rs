//! The sealed-record format: an AES-256-GCM envelope that commits to its key and to its context.
//!
//! - [`seal`] and [`open`]: a record's bytes to an envelope and back, in one allocation.
//! - [`seal_in_place`] and [`open_in_place`]: the same within the caller's buffer.
//! - [`rewrap`]: moves an envelope to another KEK by replacing its wrapped DEK; the content is neither
//!   decrypted nor changed.
//! - [`Envelope`]: the parsed parts of an envelope, nothing of it verified yet.
//! - [`Context`]: what the envelope is bound to: address, version and cleartext attributes.
//!
//! The format is specified in `docs/envelope.md` of the repository. Every write has a fresh 256-bit data key
//! (DEK), every AES key encrypts exactly one message, and an envelope is 117 bytes longer than its plaintext.
//!
//! What this crate does not do: keep keys, do I/O, hide the length of a plaintext, or claim FIPS validation.
//! Plaintext buffers are the caller's and are not zeroised. Most people want the facade,
//! `blue-encrypted-store`.
//!
//! ```
//! use blue_envelope::{Context, Kek, KekId, SecretKey, open, seal};
//! use blue_envelope::address::{Attributes, ItemAttributes, RecordPath, Namespace};
//!
//! let kek = Kek::new(KekId::generate()?, SecretKey::generate()?);
//! let address = "alice/inbox/note/42".parse::<RecordPath>()?.within(Namespace::new("prod")?);
//! let attributes = ItemAttributes::new(Attributes::new().with("status", "open")?);
//! let context = Context::new(&address, 1, &attributes);
//!
//! let envelope = seal(&kek, &context, b"attack at dawn")?;
//! assert_eq!(envelope.len(), 14 + blue_envelope::OVERHEAD);
//! assert_eq!(open(&kek, &context, &envelope)?, b"attack at dawn");
//!
//! let elsewhere = Context::new(&address, 2, &attributes);
//! assert!(open(&kek, &elsewhere, &envelope).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `test-vectors`: sealing with a caller-chosen DEK, for known-answer tests. Off by default; a crate that
//!   ships must never enable it, and CI checks that ours do not.

mod context;
mod derive;
mod format;
mod key;
pub mod primitive;
mod sealing;

/// Names, addresses and attributes: the crate `blue-address`.
pub use blue_address as address;

pub use context::Context;
pub use format::{
    CONTENT_OFFSET, Envelope, KEY_LEN, MAGIC, Malformed, OVERHEAD, SUITE, TAG_LEN, WRITE_ID_LEN,
};
pub use key::{Kek, KekId, RandomnessUnavailable, SecretKey, fill_random};
#[cfg(feature = "test-vectors")]
pub use sealing::seal_with_dek;
pub use sealing::{OpenError, SealError, open, open_in_place, rewrap, seal, seal_in_place};
