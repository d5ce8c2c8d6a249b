//! Writes of records, and what they expect.

use aws_sdk_dynamodb::types::TransactWriteItem;
use blue_address::{ItemAttributes, RecordPath};

use crate::{
    Revision, StoreError, StoredRecord, Table,
    item::{self, Condition, Item, WRITE_ID_LEN},
    size,
};

/// A record to be written.
#[derive(Debug, Clone)]
pub struct RecordWrite {
    /// Where to.
    pub path: RecordPath,
    /// Its new version.
    pub version: u64,
    /// Its sealed content, at least [`WRITE_ID_LEN`] bytes.
    pub envelope: Vec<u8>,
    /// All its cleartext attributes, [`SystemAttributes`](crate::SystemAttributes) among them.
    pub attributes: ItemAttributes,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy)]
pub enum Put<'a> {
    /// No record at that address.
    Create,
    /// The record in exactly this state.
    Replace(&'a Revision),
}

/// A conditional write of one record, encoded and checked: what [`Store::append_segment`](crate::Store::append_segment)
/// does together with others. It can be sent as often as need be.
#[derive(Debug, Clone)]
pub struct GroupWrite {
    path: RecordPath,
    action: Action,
    condition: Condition,
    size: usize,
}

#[derive(Debug, Clone)]
enum Action {
    Put(Item),
    Delete,
}

impl GroupWrite {
    /// Writes a record if what `put` expects is there.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; [`StoreError::Malformed`] if no item stands for it, since its version is beyond an
    /// `i64` or one of its attributes is named `pk`, `sk`, `_v` or `_e`.
    ///
    /// # Panics
    /// If the envelope is shorter than [`WRITE_ID_LEN`].
    pub fn put(write: RecordWrite, put: Put<'_>) -> Result<Self, StoreError> {
        let path = write.path.clone();
        let size = size::record_size(&path, write.version, &write.attributes, write.envelope.len());
        let (item, condition) = encode(write, put)?;
        Ok(Self { path, action: Action::Put(item), condition, size })
    }

    /// Deletes a record if it is in exactly this state.
    #[must_use]
    pub fn delete(path: &RecordPath, expected: &Revision) -> Self {
        let size = size::record_key_size(path);
        Self { path: path.clone(), action: Action::Delete, condition: expected.condition(), size }
    }

    /// The record that it writes or deletes.
    #[must_use]
    pub fn path(&self) -> &RecordPath {
        &self.path
    }

    /// What it adds to a request, in bytes as DynamoDB counts those of an item: the item, or the key of the one to be
    /// deleted.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// As a part of a transaction.
    pub(crate) fn in_transaction(&self, table: &Table) -> TransactWriteItem {
        match &self.action {
            Action::Put(item) => table.transact_put(item.clone(), self.condition.clone()),
            Action::Delete => table.transact_delete(item::record_key(&self.path), self.condition.clone()),
        }
    }
}

/// The item of a record, and the condition under which it is written.
pub(crate) fn encode(write: RecordWrite, put: Put<'_>) -> Result<(Item, Condition), StoreError> {
    let RecordWrite { path, version, envelope, attributes } = write;
    assert!(envelope.len() >= WRITE_ID_LEN, "an envelope is longer than its write id");
    let condition = match put {
        Put::Create => Condition::absent(),
        Put::Replace(expected) => expected.condition(),
    };
    Ok((item::encode(StoredRecord { path, version, envelope, attributes })?, condition))
}

#[cfg(test)]
mod tests;
