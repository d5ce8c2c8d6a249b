//! Names, addresses and attributes of a sealed record, and the bytes that stand for them.
//!
//! A record is found by its [`Address`] and carries cleartext [`Attributes`]; both are authenticated by its
//! envelope and both decide where it lies in the table. This crate is the one place where they are checked:
//! each type has one fallible constructor, and after it nobody checks again.
//!
//! - [`Namespace`], [`Tenant`], [`Collection`], [`Kind`]: names of 1–255 bytes.
//! - [`RecordId`]: 1–768 bytes of UTF-8.
//! - [`Address`]: the five of them.
//! - [`Attributes`]: what a caller may name; [`ItemAttributes`]: all that an item carries, ours included.
//!
//! It does no cryptography and no I/O. Most people want the facade, `blue-encrypted-store`, which re-exports
//! these types.
//!
//! ```
//! use blue_address::{Address, Attributes, Collection, Kind, Namespace, RecordId, Tenant};
//!
//! let address = Address {
//!     namespace: Namespace::new("prod")?,
//!     tenant: Tenant::new("alice")?,
//!     collection: Collection::new("inbox")?,
//!     kind: Kind::new("note")?,
//!     id: RecordId::new("2026/42")?,
//! };
//! assert_eq!(address.to_string(), "alice/inbox/note/2026/42");
//!
//! let attributes = Attributes::new().with("status", "open")?.with("priority", 3)?;
//! assert_eq!(attributes.len(), 2);
//! assert!(Tenant::new("a#b").is_err());
//! assert!(Attributes::new().with("pk", "x").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod attributes;
mod decode;
mod name;

pub use address::{Address, AddressError, RecordPath};
pub use attributes::{
    AttributeError, Attributes, ItemAttributes, MAX_ATTRIBUTE_NAME_LEN, MAX_ATTRIBUTES, Value,
};
pub use decode::{MalformedAttributes, canonical_integer};
pub use name::{
    Chain, Collection, Kind, MAX_ID_LEN, MAX_NAME_LEN, MAX_PRINCIPAL_LEN, NameError, Namespace, Principal,
    RecordId, Tenant,
};

/// Appends `lp(x)`: the length of `x` as a big-endian u32, then `x`. The concatenation of such parts is
/// injective, which is what keeps two different addresses from ever having the same bytes.
///
/// # Panics
/// If `x` is longer than `u32::MAX` bytes. Nothing of that size fits in a DynamoDB item (409,600 bytes).
#[inline]
pub fn push_length_prefixed(out: &mut Vec<u8>, x: &[u8]) {
    let length = u32::try_from(x.len()).expect("a field of an item is far below 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(x);
}

/// Splits `lp(x) ‖ rest` into `x` and `rest`; `None` if the bytes end before x does. The inverse of
/// [`push_length_prefixed`].
#[must_use]
#[inline]
pub fn split_length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
