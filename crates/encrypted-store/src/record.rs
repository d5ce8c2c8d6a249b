//! What is stored.

use std::fmt;

use blue_address::{AttributeError, Attributes, Kind, RecordId};
use serde::Serialize;

/// A type that can be stored: its content is sealed as JSON, its address and attributes stay readable.
pub trait Record: Serialize {
    /// The kind of all records of this type: 1–255 bytes of visible ASCII except `#` and `/`.
    const KIND: &'static str;

    /// What tells this record from the others of its kind: 1–768 bytes of UTF-8 without control characters.
    fn id(&self) -> &str;

    /// The attributes to store in clear beside the sealed content, so that they can be read and queried without
    /// a key. They are authenticated: changed by anybody else, the record no longer opens. None by default.
    ///
    /// # Errors
    /// [`AttributeError`], which the write then reports.
    fn attributes(&self) -> Result<Attributes, AttributeError> {
        Ok(Attributes::new())
    }
}

/// Kind and id: where a record is within its collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// A record that opened, with what is known about it. All of it is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<T> {
    /// Kind and id.
    pub key: Key,
    /// Starts at the creation time in µs and grows by one with each write, so that no record at this address had it
    /// before (unless the writers' clocks disagree by more than the time between a delete and the next create).
    pub version: u64,
    /// When the record was created, in µs since the Unix epoch, by the clock of the writer.
    pub created: i64,
    /// When it was last written, in µs since the Unix epoch, by the clock of the writer.
    pub updated: i64,
    /// The caller's cleartext attributes.
    pub attributes: Attributes,
    /// The content.
    pub value: T,
}

impl<T> Entry<T> {
    pub(crate) fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Entry<U>, E> {
        let Self { key, version, created, updated, attributes, value } = self;
        Ok(Entry { key, version, created, updated, attributes, value: f(value)? })
    }
}
