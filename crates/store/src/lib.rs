//! One DynamoDB table of sealed records: its layout, its conditional writes, its queries.
//!
//! - [`Table`]: a table by name: created, examined, initialised, deleted.
//! - [`Store`]: the records, key items, directory and audit segments of an initialised table.
//! - [`StoredRecord`], [`Revision`]: a record as it lies there, and the exact state a write expects.
//! - [`SegmentItem`], [`GroupWrite`]: a segment of the audit log, and a write that is done together with it or not at
//!   all ([`Store::append_segment`]).
//! - [`Inspected`], [`Exchange`]: all that there is to know of a table, and of the way to it, for whoever looks after both.
//! - [`ScannedItem`]: whatever lies in the table, read in parts ([`Store::scan`]).
//!
//! It sees ciphertext only: it knows envelopes as bytes with a [`WRITE_ID_LEN`] that identifies them, segments as
//! bytes that somebody else made and verifies, and names no key and no plaintext. The layout is specified in `docs/table.md` of the repository. Every operation
//! on records and keys ends within [`Deadlines`] (creating or deleting a table within two minutes more); the SDK's own
//! retries are switched off. Most people want the facade,
//! `blue-encrypted-store`.
//!
//! ```no_run
//! use blue_store::{Deadlines, Table};
//!
//! # async fn example(client: aws_sdk_dynamodb::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let table = Table::new(&client, "notes", Deadlines::default());
//! let state = table.examine(None).await?;
//! println!("{} is DynamoDB Local's: {}", state.description.arn, state.description.is_dynamodb_local());
//! # Ok(())
//! # }
//! ```

mod backups;
mod calls;
mod directory;
mod erasure;
mod error;
mod exchange;
mod group;
mod inspect;
mod item;
mod key_changes;
mod keys;
mod meta;
mod outcome;
mod query;
mod records;
mod requests;
mod scan;
mod segments;
mod size;
mod table;
mod telemetry;
mod write;

/// Names, addresses and attributes: the crate `blue-address`.
pub use blue_address as address;

pub use backups::{Backups, TableCopy};
pub use calls::{Deadline, Deadlines, MAX_REQUESTS_AT_ONCE};
pub use erasure::{MAX_ERASED_KEYS, Tombstone};
pub use error::{MalformedItem, StoreError, TableError};
pub use exchange::{Answer, Exchange, Exchanges};
pub use group::{Appended, WriteRefusal};
pub use inspect::Inspected;
pub use item::{PayloadType, Revision, StoredRecord, SystemAttributes, WRITE_ID_LEN, check_size};
pub use key_changes::Wrapping;
pub use keys::{KeyInserted, KeyItem, KeyItems, KeyPartition};
pub use meta::Meta;
pub use records::{Current, Cursor, DeleteOutcome, Page, PutOutcome, Store};
pub use scan::{ScanCursor, ScanPage, ScannedItem};
pub use segments::{MalformedSegment, SegmentItem, SegmentPage};
pub use size::MAX_ITEM_SIZE;
pub use table::{Description, Examined, Table};
pub use write::{GroupWrite, Place, Put, RecordWrite};
