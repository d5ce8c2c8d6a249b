//! A tenant erased.

use blue_address::Tenant;
use blue_store::{KeyPartition, MalformedItem, StoreError, StoredRecord};
use futures::TryStreamExt;
use time::OffsetDateTime;

use super::{ShredError, TenantKeys, records::Listed};
use crate::{Delete, WriteError, audit::Caller, store::Inner, telemetry::Operation};

/// How many records are deleted at once.
const DELETES: usize = 16;

/// What was done about the records of a tenant that was shredded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// How many records were deleted.
    pub records: u64,
    /// How many items among them are no records, and were left: nobody can say what they were.
    pub left: u64,
}

/// Why they were not all deleted.
pub(crate) enum NotErased {
    Listing(StoreError),
    Record(WriteError),
}

impl TenantKeys {
    /// Erases the tenant, for good: [`Self::erase_keys`], then, after [`Self::settling_time`], [`Self::erase_records`].
    ///
    /// Who has the key items elsewhere, in a backup, an export or a point in time to restore to, and the use of the master
    /// key, can still unwrap them: [`EncryptedStore::backups`](crate::EncryptedStore::backups) says what is known of that.
    ///
    /// It can be stopped at any moment. To do it again goes on from there.
    ///
    /// # Errors
    /// [`ShredError`].
    pub async fn shred(&self) -> Result<Erased, ShredError> {
        self.erase_keys().await?;
        tokio::time::sleep(self.settling_time()).await;
        self.erase_records().await
    }

    /// Deletes all versions of the tenant's key, in one transaction that puts a tombstone in their place and records a
    /// `shred`. From then on its name has no key and never gets one: here at once, in other processes within
    /// [`Self::settling_time`]. A tombstone that is not authentic is replaced. Says whether there was anything left to do.
    ///
    /// # Errors
    /// [`ShredError`].
    pub async fn erase_keys(&self) -> Result<bool, ShredError> {
        let watched = self.begin(Operation::KeysEraseKeys);
        watched.watch(self.on_behalf_of(&watched.caller).bury()).await
    }

    async fn bury(&self) -> Result<bool, ShredError> {
        self.inner.check_writable()?;
        let umk_id = self.inner.umk_id();
        let now = OffsetDateTime::now_utc();
        let now = now.replace_microsecond(now.microsecond()).unwrap_or(now);
        let deadline = self.inner.deadlines.start();
        let erased = self.inner.trail.erase_keys(&self.caller, &umk_id, &self.tenant, now, deadline).await;
        self.inner.keyring.forget(&self.owner());
        erased.map_err(|error| ShredError::Keys { tenant: self.name(), source: error.into() })
    }

    /// Deletes the records of a tenant whose keys were erased, each with its event. A process that still has a key may write
    /// more until [`Self::settling_time`] after that.
    ///
    /// # Errors
    /// [`ShredError`]; [`ShredError::NotShredded`] if they were not erased.
    pub async fn erase_records(&self) -> Result<Erased, ShredError> {
        let watched = self.begin(Operation::KeysEraseRecords);
        watched.watch(self.on_behalf_of(&watched.caller).delete_records()).await
    }

    async fn delete_records(&self) -> Result<Erased, ShredError> {
        self.inner.check_writable()?;
        let listing = |source| ShredError::Listing { tenant: self.name(), source };
        let partition = KeyPartition::Tenant(self.tenant.clone());
        let found = self.inner.store.key_items_and_others(&partition, self.inner.deadlines.start()).await;
        if !self.inner.trail.is_authentic(&self.tenant, &found.map_err(listing)?.0) {
            return Err(ShredError::NotShredded { tenant: self.name() });
        }
        let erased = self.inner.erase_records(&self.caller, &self.tenant).await;
        erased.map_err(|error| match error {
            NotErased::Listing(source) => listing(source),
            NotErased::Record(source) => ShredError::Record { tenant: self.name(), source },
        })
    }
}

impl Inner {
    /// The master key that the store's keys are wrapped under, as events name it.
    pub(crate) fn umk_id(&self) -> String {
        blue_keys::KeyProvider::umk_id(&*self.provider).to_string()
    }

    /// Deletes the records of a tenant that has no keys any more. What is no record stays.
    pub(crate) async fn erase_records(&self, caller: &Caller, tenant: &Tenant) -> Result<Erased, NotErased> {
        let delete = |listed: Listed| self.erase_record(caller, listed.record);
        let all = self.records_of(tenant).map_err(NotErased::Listing).map_ok(delete);
        let erased = all.try_buffer_unordered(DELETES);
        erased
            .try_fold(Erased::default(), async |sum, one| {
                Ok(Erased { records: sum.records + one.records, left: sum.left + one.left })
            })
            .await
    }

    async fn erase_record(
        &self,
        caller: &Caller,
        record: Result<StoredRecord, MalformedItem>,
    ) -> Result<Erased, NotErased> {
        let Ok(record) = record else { return Ok(Erased { records: 0, left: 1 }) };
        let gone = Box::pin(self.delete(caller, &record.path, Delete::Any)).await;
        Ok(Erased { records: u64::from(gone.map_err(NotErased::Record)?), left: 0 })
    }
}
