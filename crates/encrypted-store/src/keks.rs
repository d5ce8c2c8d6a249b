//! The keyring's view of the table.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use blue_envelope::KekId;
use blue_keys::{
    Inserted, KekStore, KekStoreError, KeyOwner, StoredKek, StoredKeks, Tombstone, UmkId, WrappedKek,
};
use blue_store::{Deadlines, KeyInserted, KeyItem, KeyPartition, Store, Wrapping};

/// Wrapped KEKs as key items of the table.
pub(crate) struct TableKeks {
    pub(crate) store: Arc<Store>,
    pub(crate) deadlines: Deadlines,
}

#[async_trait]
impl KekStore for TableKeks {
    async fn load(&self, owner: &KeyOwner) -> Result<StoredKeks, KekStoreError> {
        let found = self.store.key_items(&partition(owner), self.deadlines.start()).await;
        let items = found.map_err(|error| -> KekStoreError { Arc::new(error) })?;
        let versions = items.versions.into_iter().map(stored).collect();
        Ok(StoredKeks { versions, tombstone: items.tombstone.map(|time| Tombstone { time }) })
    }

    async fn insert(&self, owner: &KeyOwner, kek: &StoredKek) -> Result<Inserted, KekStoreError> {
        let inserted =
            self.store.insert_key(&partition(owner), &fresh_item(kek), self.deadlines.start()).await;
        match inserted.map_err(|error| -> KekStoreError { Arc::new(error) })? {
            KeyInserted::Done => Ok(Inserted::Done),
            KeyInserted::Lost => Ok(Inserted::Lost),
        }
    }
}

/// A key as its item has it.
pub(crate) fn stored(item: KeyItem) -> StoredKek {
    StoredKek {
        version: item.version,
        kek_id: KekId::from_bytes(item.kek_id),
        wrapped: WrappedKek::new(UmkId::new(item.umk_id), item.wrapped),
    }
}

/// The item of a key that was made now.
pub(crate) fn fresh_item(kek: &StoredKek) -> KeyItem {
    let Wrapping { provider, umk_id, wrapped } = wrapping(&kek.wrapped);
    let (version, kek_id) = (kek.version, *kek.kek_id.as_bytes());
    KeyItem { version, kek_id, provider, umk_id, wrapped, created: now_micros() }
}

/// What an item says of a wrapped key.
pub(crate) fn wrapping(wrapped: &WrappedKek) -> Wrapping {
    Wrapping {
        provider: wrapped.umk_id().provider().to_owned(),
        umk_id: wrapped.umk_id().to_string(),
        wrapped: wrapped.as_bytes().to_vec(),
    }
}

/// Where an owner's keys lie.
pub(crate) fn partition(owner: &KeyOwner) -> KeyPartition {
    match owner {
        KeyOwner::Tenant(tenant) => KeyPartition::Tenant(tenant.clone()),
        KeyOwner::Audit => KeyPartition::Audit,
    }
}

/// The current time in µs since the Unix epoch; 1970 on a clock that is set before it.
pub(crate) fn now_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
