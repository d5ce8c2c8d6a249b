//! What is done to the store itself, with the event that tells of it or not at all: a tenant's keys erased, the table
//! adopted.

use blue_address::Tenant;
use blue_audit::{Committed, CryptoOp, Details, store_resource, tenant_resource};
use blue_store::{Deadline, GroupWrite, KeyPartition, Meta, Tombstone};
use uuid::Uuid;

use super::{
    Caller, Trail, Unrecorded,
    log::Joined,
    trail::{at, unrecorded},
};

/// How often keys that come meanwhile are looked for again.
const ROUNDS: u32 = 20;

impl Trail {
    /// Takes away all keys of a tenant and puts a tombstone in their place, which says `time`. Says whether there was
    /// anything left to do.
    pub(crate) async fn erase_keys(
        &self,
        umk_id: &str,
        tenant: &Tenant,
        time: &str,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let (partition, key) = (KeyPartition::Tenant(tenant.clone()), self.keys.newest());
        let origin = self.begin(&Caller::default());
        for _ in 0..ROUNDS {
            let found = self.store.key_items(&partition, deadline).await.map_err(Unrecorded::Store)?;
            if found.tombstone.is_some() && found.versions.is_empty() {
                return Ok(false);
            }
            let kek_ids: Vec<_> = found.versions.iter().map(|item| item.kek_id).collect();
            let tombstone = Tombstone {
                time: time.to_owned(),
                mac: key.tombstone_mac(&self.namespace, tenant, time, &kek_ids),
                kek_ids,
                audit_kek_id: *key.id(),
            };
            let write = GroupWrite::erase_keys(tenant, &found, &tombstone).map_err(Unrecorded::Store)?;
            let event = Details {
                key_id: umk_id.to_owned(),
                ..origin.event(CryptoOp::Shred, tenant_resource(&self.namespace, tenant))
            };
            if self.together(event, write, deadline).await? {
                return Ok(true);
            }
        }
        Err(Unrecorded::Store(blue_store::StoreError::Unavailable {
            operation: "TransactWriteItems",
            attempts: ROUNDS,
            source: "others wrote the tenant's keys each time".into(),
        }))
    }

    /// Records in META that this is the table from now on. Says `false` if META was not what was read.
    pub(crate) async fn adopt(
        &self,
        meta: &Meta,
        table_id: Option<&str>,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let write = GroupWrite::adopt(meta, table_id.map(str::to_owned)).map_err(Unrecorded::Store)?;
        let event = Details {
            key_id: Uuid::from_bytes(*self.keys.newest().id()).hyphenated().to_string(),
            reason: table_id.unwrap_or_default().to_owned(),
            ..self.begin(&Caller::default()).event(CryptoOp::Adopt, store_resource(&self.namespace))
        };
        self.together(event, write, deadline).await
    }

    async fn together(
        &self,
        event: Details,
        write: GroupWrite,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        match self.appender.commit(vec![event], Joined(write), at(deadline)).await {
            Ok(Committed::Done(_)) => Ok(true),
            Ok(Committed::Conflict(_)) => Ok(false),
            Err(error) => Err(unrecorded(error)),
        }
    }
}
