//! Writes, and what they expect.

use std::fmt;

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, TransactWriteItem},
};
use blue_address::{ItemAttributes, RecordPath, Tenant};

use crate::{
    Current, KeyItem, KeyItems, KeyPartition, Meta, Revision, StoreError, StoredRecord, Table, Tombstone,
    Wrapping,
    erasure::Erasure,
    item::{self, Condition, ENVELOPE, Item, VERSION, WRITE_ID_LEN},
    key_changes::KeyChange,
    meta::{self, MetaUpdate},
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

/// What a write is of. No two writes of one transaction may be of the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A record.
    Record(RecordPath),
    /// The keys of a tenant.
    Keys(Tenant),
    /// The audit keys.
    AuditKeys,
    /// META.
    Meta,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(path) => path.fmt(f),
            Self::Keys(tenant) => write!(f, "the keys of {tenant}"),
            Self::AuditKeys => f.write_str("the audit keys"),
            Self::Meta => f.write_str("META"),
        }
    }
}

/// A conditional write, encoded and checked: what [`Store::append_segment`](crate::Store::append_segment) does together
/// with others. It can be sent as often as need be.
#[derive(Debug, Clone)]
pub struct GroupWrite {
    place: Place,
    action: Action,
    size: usize,
}

#[derive(Debug, Clone)]
enum Action {
    Put(Item, Condition),
    Delete(Condition),
    Rewrap(Condition),
    EraseKeys(Erasure),
    Key(KeyChange),
    Update(MetaUpdate),
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
        let place = Place::Record(write.path.clone());
        let size = size::record_size(&write.path, write.version, &write.attributes, write.envelope.len());
        let (item, condition) = encode(write, put)?;
        Ok(Self { place, action: Action::Put(item, condition), size })
    }

    /// Deletes a record if it is in exactly this state.
    #[must_use]
    pub fn delete(path: &RecordPath, expected: &Revision) -> Self {
        let size = size::record_key_size(path);
        Self { place: Place::Record(path.clone()), action: Action::Delete(expected.condition()), size }
    }

    /// Replaces a record's envelope, of which nothing but the wrapped data key may differ, if the record is still exactly
    /// `found`: its version, and all of its envelope. Its other attributes stay as they are.
    ///
    /// # Panics
    /// If the envelope has another length or another write id.
    #[must_use]
    pub fn rewrap(found: &StoredRecord, envelope: Vec<u8>) -> Self {
        assert_eq!(envelope.len(), found.envelope.len(), "a rewrapped envelope is as long as before");
        assert_eq!(envelope.get(..WRITE_ID_LEN), found.envelope.get(..WRITE_ID_LEN), "it is the same write");
        let StoredRecord { path, version, envelope: before, attributes } = found;
        // What is sent: the new envelope, and the old one in the condition.
        let size = size::record_size(path, *version, attributes, envelope.len()) + before.len();
        let bytes = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
        let names = [("#v", VERSION), ("#e", ENVELOPE)];
        let values = [
            (":v", AttributeValue::N(version.to_string())),
            (":e", bytes(before.clone())),
            (":new", bytes(envelope)),
        ];
        let condition = Condition {
            expression: "#v = :v AND #e = :e".to_owned(),
            names: names.map(|(alias, name)| (alias.to_owned(), name.to_owned())).into(),
            values: values.map(|(alias, value)| (alias.to_owned(), value)).into(),
        };
        Self { place: Place::Record(path.clone()), action: Action::Rewrap(condition), size }
    }

    /// Adds a version to a tenant's key, behind `newest`, which must still be there. Fails its condition if that version, or
    /// a tombstone, is there already.
    #[must_use]
    pub fn add_key(tenant: &Tenant, item: &KeyItem, newest: &KeyItem) -> Self {
        Self::of_keys(Place::Keys(tenant.clone()), KeyChange::add(tenant, item, newest))
    }

    /// Takes a version of a tenant's key away, which must be there, as `newest` must.
    #[must_use]
    pub fn remove_key(tenant: &Tenant, item: &KeyItem, newest: &KeyItem) -> Self {
        Self::of_keys(Place::Keys(tenant.clone()), KeyChange::remove(tenant, item, newest))
    }

    /// Replaces what a key is wrapped under, if it is still wrapped as in `item`.
    #[must_use]
    pub fn wrap_key(partition: &KeyPartition, item: &KeyItem, wrapping: Wrapping) -> Self {
        let place = match partition {
            KeyPartition::Tenant(tenant) => Place::Keys(tenant.clone()),
            KeyPartition::Audit => Place::AuditKeys,
        };
        Self::of_keys(place, KeyChange::wrap(partition, item, wrapping))
    }

    fn of_keys(place: Place, change: KeyChange) -> Self {
        let size = change.size();
        Self { place, action: Action::Key(change), size }
    }

    /// Puts a tombstone in place of all keys of a tenant: `found`, which must still be all of them. A tombstone that is
    /// there already stays as it is if it is to be kept; else it is replaced.
    ///
    /// # Errors
    /// [`StoreError::TooManyKeys`] if they do not fit into one transaction with a segment.
    pub fn erase_keys(
        tenant: &Tenant,
        found: &KeyItems,
        tombstone: &Tombstone,
        keep: bool,
    ) -> Result<Self, StoreError> {
        let erasure = Erasure::new(tenant, found, tombstone, keep)?;
        let size = erasure.size();
        Ok(Self { place: Place::Keys(tenant.clone()), action: Action::EraseKeys(erasure), size })
    }

    /// Records in META that the table has this id, as a restored one has another. META must still be `meta`, as it was
    /// read; what else is in it, stays.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if the id is not visible ASCII, which could not be read back.
    pub fn adopt(meta: &Meta, table_id: Option<String>) -> Result<Self, StoreError> {
        let action = Action::Update(meta.adoption(table_id)?);
        Ok(Self { place: Place::Meta, action, size: size::key_size(meta::PARTITION, meta::SORT_KEY) })
    }

    /// Records in META that the store's keys are wrapped under this UMK from now on. META must still be `meta`, as it was read;
    /// what else is in it, stays.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if the id is not visible ASCII, which could not be read back.
    pub fn change_root(meta: &Meta, provider: &str, umk_id: &str) -> Result<Self, StoreError> {
        let action = Action::Update(meta.change_of_root(provider, umk_id)?);
        Ok(Self { place: Place::Meta, action, size: size::key_size(meta::PARTITION, meta::SORT_KEY) })
    }

    /// What it writes.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How many parts of a transaction it is.
    #[must_use]
    pub fn parts(&self) -> usize {
        match &self.action {
            Action::EraseKeys(erasure) => erasure.parts(),
            Action::Key(change) => change.parts(),
            Action::Put(..) | Action::Delete(_) | Action::Rewrap(_) | Action::Update(_) => 1,
        }
    }

    /// What it adds to a request, in bytes as DynamoDB counts those of an item: the items that it puts, and the keys of
    /// those that it deletes or changes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// As [`Self::parts`] parts of a transaction.
    pub(crate) fn in_transaction(&self, table: &Table, parts: &mut Vec<TransactWriteItem>) {
        match (&self.action, &self.place) {
            (Action::Put(item, condition), _) => {
                parts.push(table.transact_put(item.clone(), condition.clone()));
            }
            (Action::Delete(condition), Place::Record(path)) => {
                parts.push(table.transact_delete(item::record_key(path), condition.clone()));
            }
            (Action::Rewrap(condition), Place::Record(path)) => {
                parts.push(table.transact_update(item::record_key(path), "SET #e = :new", condition.clone()));
            }
            (Action::EraseKeys(erasure), _) => erasure.in_transaction(table, parts),
            (Action::Key(change), _) => change.in_transaction(table, parts),
            (Action::Update(update), _) => parts.push(update.in_transaction(table)),
            (Action::Delete(_) | Action::Rewrap(_), _) => unreachable!("both are of records alone"),
        }
    }

    /// What was found where this write expected something else; none but records are told of.
    pub(crate) fn found(&self, item: Option<Item>) -> Option<Current> {
        match &self.place {
            Place::Record(path) => Current::found(path, item),
            Place::Keys(_) | Place::AuditKeys | Place::Meta => None,
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
