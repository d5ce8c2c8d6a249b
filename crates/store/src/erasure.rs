//! Tombstones: all keys of a tenant taken away in one transaction, and its name kept from ever having another.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, TransactWriteItem},
};
use blue_address::Tenant;

use crate::{
    KeyItems, KeyPartition, StoreError, Table,
    item::{Condition, Item, text},
    key_changes::is_key,
    keys::TIME,
    size::{item_size, key_size},
};

pub(crate) const KEK_IDS: &str = "kek_ids";
pub(crate) const TOMBSTONE_MAC: &str = "mac";
pub(crate) const TOMBSTONE_KEY: &str = "audit_kek_id";

/// The most keys that one transaction takes away: of its 100 parts one is the segment that tells of it, one the tombstone,
/// and one makes sure that no newer key comes at that moment.
pub const MAX_ERASED_KEYS: usize = 97;

/// What stands in the place of a tenant's keys, version 0: when they were erased and which, under a MAC. Nothing of it
/// is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// When, in RFC 3339.
    pub time: String,
    /// The ids of the erased keys, ascending by version.
    pub kek_ids: Vec<[u8; 16]>,
    /// What proves that somebody with the audit key erased them.
    pub mac: [u8; 32],
    /// The id of that audit key.
    pub audit_kek_id: [u8; 16],
}

impl Tombstone {
    fn to_item(&self, partition: &KeyPartition) -> Item {
        let Self { time, kek_ids, mac, audit_kek_id } = self;
        let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
        let mut item = partition.key(0);
        item.extend([
            (TIME.to_owned(), AttributeValue::S(time.clone())),
            (KEK_IDS.to_owned(), bytes(&kek_ids.concat())),
            (TOMBSTONE_MAC.to_owned(), bytes(mac)),
            (TOMBSTONE_KEY.to_owned(), bytes(audit_kek_id)),
        ]);
        item
    }

    /// The tombstone in an item; `None` if this store cannot have written it.
    pub(crate) fn from_item(item: &Item) -> Option<Self> {
        let bytes = |name: &str| match item.get(name) {
            Some(AttributeValue::B(bytes)) => Some(bytes.as_ref()),
            _ => None,
        };
        let (kek_ids, rest) = bytes(KEK_IDS)?.as_chunks();
        // The key, the time, and the three of the MAC.
        if !rest.is_empty() || item.len() != 6 {
            return None;
        }
        Some(Self {
            time: text(item, TIME)?.to_owned(),
            kek_ids: kek_ids.to_vec(),
            mac: bytes(TOMBSTONE_MAC)?.try_into().ok()?,
            audit_kek_id: bytes(TOMBSTONE_KEY)?.try_into().ok()?,
        })
    }
}

/// All that one erasure does, together or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Erasure {
    partition: KeyPartition,
    /// The tombstone to be put, and what must be in its place; none if there is one, which must then stay until this is done.
    tombstone: Option<(Item, Condition)>,
    /// The versions to be deleted, each with the id of the key that it must still be.
    versions: Vec<(u32, [u8; 16])>,
}

impl Erasure {
    pub(crate) fn new(
        tenant: &Tenant,
        found: &KeyItems,
        tombstone: &Tombstone,
        keep: bool,
    ) -> Result<Self, StoreError> {
        let count = found.versions.len();
        if count > MAX_ERASED_KEYS {
            return Err(StoreError::TooManyKeys { tenant: tenant.to_string(), count });
        }
        let partition = KeyPartition::Tenant(tenant.clone());
        let condition = match &found.tombstone {
            None => Some(Condition::absent()),
            Some(_) if keep => None,
            Some(time) => Some(is_tombstone(time, found.proof.as_ref())),
        };
        let tombstone = condition.map(|condition| (tombstone.to_item(&partition), condition));
        let versions = found.versions.iter().map(|key| (key.version, key.kek_id)).collect();
        Ok(Self { partition, tombstone, versions })
    }

    pub(crate) fn parts(&self) -> usize {
        1 + self.versions.len() + usize::from(self.next_version().is_some())
    }

    pub(crate) fn size(&self) -> usize {
        let keys = self.parts() - usize::from(self.tombstone.is_some());
        let tombstone = self.tombstone.as_ref().map_or(0, |(item, _)| item_size(item));
        tombstone + keys * key_size(&self.partition.pk(), "0000000000")
    }

    pub(crate) fn in_transaction(&self, table: &Table, parts: &mut Vec<TransactWriteItem>) {
        parts.push(match &self.tombstone {
            Some((item, condition)) => table.transact_put(item.clone(), condition.clone()),
            None => table.transact_check(self.partition.key(0), Condition::present()),
        });
        for (version, kek_id) in &self.versions {
            parts.push(table.transact_delete(self.partition.key(*version), is_key(kek_id)));
        }
        parts.extend(self.next_version().map(|next| table.transact_absent(self.partition.key(next))));
    }

    /// The version that must not be there. A key is only ever added behind the last. So none was added since, if that place
    /// is free; and later the tombstone keeps it from being added.
    fn next_version(&self) -> Option<u32> {
        self.versions.last().map_or(Some(1), |(last, _)| last.checked_add(1))
    }
}

/// The condition that a tombstone is still what was read.
fn is_tombstone(time: &str, proof: Option<&Tombstone>) -> Condition {
    let mut condition = Condition { expression: "#time = :time".to_owned(), ..Condition::default() };
    condition.names.insert("#time".to_owned(), TIME.to_owned());
    condition.values.insert(":time".to_owned(), AttributeValue::S(time.to_owned()));
    if let Some(proof) = proof {
        condition.expression.push_str(" AND #mac = :mac");
        condition.names.insert("#mac".to_owned(), TOMBSTONE_MAC.to_owned());
        condition.values.insert(":mac".to_owned(), AttributeValue::B(Blob::new(proof.mac)));
    }
    condition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tombstone(keys: u8) -> Tombstone {
        Tombstone {
            time: "2026-01-02T03:04:05.678901Z".to_owned(),
            kek_ids: (0..keys).map(|id| [id; 16]).collect(),
            mac: [7; 32],
            audit_kek_id: [8; 16],
        }
    }

    #[test]
    fn a_tombstone_is_read_as_it_was_written_and_as_nothing_else() {
        let partition = KeyPartition::Tenant(Tenant::new("alice").unwrap());
        for keys in [0, 1, 97] {
            let item = tombstone(keys).to_item(&partition);
            assert_eq!(Tombstone::from_item(&item), Some(tombstone(keys)));
            for name in [TIME, KEK_IDS, TOMBSTONE_MAC, TOMBSTONE_KEY] {
                let mut without = item.clone();
                without.remove(name);
                assert_eq!(Tombstone::from_item(&without), None, "{name}");
                let mut odd = item.clone();
                odd.insert(name.to_owned(), AttributeValue::B(Blob::new([0; 15])));
                assert_eq!(Tombstone::from_item(&odd), None, "{name}");
            }
            let mut more = item;
            more.insert("more".to_owned(), AttributeValue::Bool(true));
            assert_eq!(Tombstone::from_item(&more), None);
        }
    }
}
