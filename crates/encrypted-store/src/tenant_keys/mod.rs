//! The life of a tenant's key: rotated, its records moved to the newest version, an old version retired, all of them
//! erased.
//!
//! Every change of a key item and the event that tells of it are one transaction, whatever the policy of writes. Other
//! processes keep keys in memory for the keyring's time to live and then finish what they began; what must wait for them
//! waits [`TenantKeys::settling_time`]. All processes of a store should therefore have the same [`KeyringConfig::ttl`] and
//! deadlines, or the one that retires and shreds the longest of them.
//!
//! [`KeyringConfig::ttl`]: crate::KeyringConfig::ttl

mod errors;
mod records;
mod retire;
mod rewrap;
mod root;
mod rotate;
mod shred;

use std::{sync::Arc, time::Duration};

use blue_envelope::KekId;
use blue_keys::{KeyOwner, UmkId};
use blue_store::{Deadlines, KeyItem, KeyItems, KeyPartition, StoreError};

use crate::{
    Tenant,
    audit::Caller,
    store::Inner,
    telemetry::{Operation, Subject, Watched},
};

pub(crate) use self::shred::NotErased;
pub use self::{
    errors::{RetireError, RewrapError, RootError, RotateError, ShredError},
    records::KeyUse,
    rewrap::{Moved, Rewrapped},
    root::{KeyMoved, RootMoved},
    shred::Erased,
};

/// What can be done with one tenant's key.
///
/// ```no_run
/// # async fn example(store: blue_encrypted_store::EncryptedStore) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = store.tenant("alice")?.keys();
/// let newest = keys.rotate().await?;
/// let report = keys.rewrap(16, |address, moved| println!("{address}: {moved:?}")).await?;
/// assert_eq!(report.failed, 0);
/// keys.retire(newest.version - 1).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TenantKeys {
    inner: Arc<Inner>,
    caller: Caller,
    tenant: blue_address::Tenant,
}

/// A version of a tenant's key, as the table has it. Nothing of it is secret, and nothing of it is authenticated: what the
/// key is bound to, is, when it is unwrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyVersion {
    /// From 1. The highest one seals.
    pub version: u32,
    /// The id that envelopes name.
    pub kek_id: KekId,
    /// The master key that it is wrapped under.
    pub umk_id: UmkId,
    /// When, in µs since the Unix epoch.
    pub created: i64,
}

/// All versions of a tenant's key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyVersions {
    /// Ascending. Empty if the tenant has no record yet, or was shredded.
    pub versions: Vec<KeyVersion>,
    /// When the tenant was shredded, if it was, in RFC 3339.
    pub shredded: Option<String>,
}

impl KeyVersion {
    fn of(item: &KeyItem) -> Self {
        let KeyItem { version, kek_id, umk_id, created, .. } = item;
        Self {
            version: *version,
            kek_id: KekId::from_bytes(*kek_id),
            umk_id: UmkId::new(umk_id),
            created: *created,
        }
    }
}

impl Tenant {
    /// The tenant's key.
    #[must_use]
    pub fn keys(&self) -> TenantKeys {
        let (inner, caller) = self.inner_and_caller();
        TenantKeys { inner, caller, tenant: self.name().clone() }
    }
}

impl TenantKeys {
    /// The versions that there are, or the tombstone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<KeyVersions, StoreError> {
        let watched = self.begin(Operation::KeysList);
        let KeyItems { versions, tombstone, .. } = watched.watch(self.items()).await?;
        Ok(KeyVersions { versions: versions.iter().map(KeyVersion::of).collect(), shredded: tombstone })
    }

    /// How long other processes may go on with keys that are not in the table any more: the keyring's time to live; the
    /// deadline of what they began with them; and, if that was sent in one transaction with what others began last of all and
    /// was not answered, their deadline and one more attempt.
    #[must_use]
    pub fn settling_time(&self) -> Duration {
        let Deadlines { attempt, operation } = self.inner.deadlines;
        self.inner.keyring_ttl.saturating_add(operation.saturating_mul(2)).saturating_add(attempt)
    }

    fn begin(&self, operation: Operation) -> Watched<'_> {
        self.inner.telemetry.begin(operation, Subject::Tenant(&self.tenant), &self.caller)
    }

    fn on_behalf_of(&self, caller: &Caller) -> Self {
        Self { caller: caller.clone(), ..self.clone() }
    }

    async fn items(&self) -> Result<KeyItems, StoreError> {
        let partition = KeyPartition::Tenant(self.tenant.clone());
        self.inner.store.key_items(&partition, self.inner.deadlines.start()).await
    }

    fn owner(&self) -> KeyOwner {
        KeyOwner::Tenant(self.tenant.clone())
    }

    fn name(&self) -> String {
        self.tenant.to_string()
    }
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantKeys").field("tenant", &self.tenant.as_str()).finish_non_exhaustive()
    }
}
