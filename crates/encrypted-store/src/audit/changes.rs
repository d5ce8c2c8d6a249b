//! What is done to keys and to the store itself, with the event that tells of it or not at all.

use blue_address::Tenant;
use blue_audit::{Committed, CryptoOp, Details, store_resource, tenant_resource};
use blue_keys::{KeyOwner, UmkId};
use blue_store::{
    Deadline, GroupWrite, KeyItem, KeyItems, KeyPartition, MAX_ERASED_KEYS, Meta, StoreError, Tombstone,
    Wrapping,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    Caller, Changed, Origin, Trail, Unrecorded, kek_name,
    keys::made_tombstone,
    log::Joined,
    trail::{at, unrecorded},
};
use crate::keks::partition;

/// How often keys that come meanwhile are looked for again.
const ROUNDS: u32 = 20;

impl Trail {
    /// Takes away all keys of a tenant and puts a tombstone in their place, which says `time`. One that somebody without the
    /// audit key put there is replaced. More keys than one transaction takes away go in several, the newest first, under a
    /// tombstone that names all of them. What lies among them and is no key stays. Says whether there was anything left to do.
    pub(crate) async fn erase_keys(
        &self,
        caller: &Caller,
        umk_id: &str,
        tenant: &Tenant,
        time: OffsetDateTime,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let (of_tenant, key) = (KeyPartition::Tenant(tenant.clone()), self.keys.newest());
        let origin = self.begin(caller);
        let time = time.format(&Rfc3339).expect("a year within 0-9999");
        let (mut was_erased, mut conflicts) = (false, 0);
        while conflicts < ROUNDS {
            let found = self.store.key_items_and_others(&of_tenant, deadline).await;
            let (mut found, _) = found.map_err(Unrecorded::Store)?;
            let keep = self.is_authentic(tenant, &found);
            if keep && found.versions.is_empty() {
                return Ok(was_erased);
            }
            let kek_ids: Vec<_> = found.versions.iter().map(|item| item.kek_id).collect();
            let tombstone = Tombstone {
                time: time.clone(),
                mac: key.tombstone_mac(&self.namespace, tenant, &time, &kek_ids),
                kek_ids,
                audit_kek_id: *key.id(),
            };
            let rest = found.versions.len().saturating_sub(MAX_ERASED_KEYS);
            found.versions.drain(..rest);
            let write =
                GroupWrite::erase_keys(tenant, &found, &tombstone, keep).map_err(Unrecorded::Store)?;
            let event = Details {
                key_id: umk_id.to_owned(),
                ..origin.event(CryptoOp::Shred, tenant_resource(&self.namespace, tenant))
            };
            if !self.is_done(event, write, deadline).await? {
                conflicts += 1;
            } else if rest == 0 {
                return Ok(true);
            } else {
                was_erased = true;
            }
        }
        Err(Unrecorded::Store(StoreError::Unavailable {
            operation: "TransactWriteItems",
            attempts: ROUNDS,
            source: "others wrote the tenant's keys each time".into(),
        }))
    }

    /// Whether there is a tombstone that somebody with an audit key put there.
    pub(crate) fn is_authentic(&self, tenant: &Tenant, found: &KeyItems) -> bool {
        let proof = found.proof.as_ref();
        proof.is_some_and(|tombstone| made_tombstone(&self.keys, &self.namespace, tenant, tombstone))
    }

    /// Adds a version of a tenant's key behind the newest. Says `false` if `newest` is it no more.
    pub(crate) async fn add_key(
        &self,
        origin: &Origin,
        tenant: &Tenant,
        item: &KeyItem,
        newest: &KeyItem,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let owner = KeyOwner::Tenant(tenant.clone());
        let event = self.of_key(origin, CryptoOp::Rotate, &owner, item, &item.umk_id);
        self.is_done(event, GroupWrite::add_key(tenant, item, newest), deadline).await
    }

    /// Takes a version of a tenant's key away. Says `false` if it or `newest` is not there any more.
    pub(crate) async fn remove_key(
        &self,
        origin: &Origin,
        tenant: &Tenant,
        item: &KeyItem,
        newest: &KeyItem,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let owner = KeyOwner::Tenant(tenant.clone());
        let event = self.of_key(origin, CryptoOp::Retire, &owner, item, &item.umk_id);
        self.is_done(event, GroupWrite::remove_key(tenant, item, newest), deadline).await
    }

    /// Replaces what a key is wrapped under. Says `false` if the item is not what was read any more.
    pub(crate) async fn wrap_key(
        &self,
        origin: &Origin,
        owner: &KeyOwner,
        item: &KeyItem,
        wrapping: Wrapping,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let event = self.of_key(origin, CryptoOp::RewrapRoot, owner, item, &wrapping.umk_id);
        self.is_done(event, GroupWrite::wrap_key(&partition(owner), item, wrapping), deadline).await
    }

    /// Records in META which UMK the keys are wrapped under from now on. Says `false` if META was not what was read.
    pub(crate) async fn change_root(
        &self,
        origin: &Origin,
        meta: &Meta,
        umk_id: &UmkId,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        let write = GroupWrite::change_root(meta, umk_id.provider(), umk_id.as_str());
        let write = write.map_err(Unrecorded::Store)?;
        let event = Details {
            key_id: umk_id.to_string(),
            ..origin.event(CryptoOp::RewrapRoot, store_resource(&self.namespace))
        };
        self.is_done(event, write, deadline).await
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
        self.is_done(event, write, deadline).await
    }

    /// Makes a change together with the events that tell of it, or neither, whatever the policy of writes.
    pub(crate) async fn together(
        &self,
        events: Vec<Details>,
        write: GroupWrite,
        deadline: Deadline,
    ) -> Result<Changed, Unrecorded> {
        match self.appender.commit(events, Joined(write), at(deadline)).await {
            Ok(Committed::Done(_)) => Ok(Changed::Done),
            Ok(Committed::Conflict(current)) => Ok(Changed::Conflict(current)),
            Err(error) => Err(unrecorded(error)),
        }
    }

    async fn is_done(
        &self,
        event: Details,
        write: GroupWrite,
        deadline: Deadline,
    ) -> Result<bool, Unrecorded> {
        Ok(matches!(self.together(vec![event], write, deadline).await?, Changed::Done))
    }

    fn of_key(
        &self,
        origin: &Origin,
        operation: CryptoOp,
        owner: &KeyOwner,
        item: &KeyItem,
        umk_id: &str,
    ) -> Details {
        let resource = kek_name(&self.namespace, owner, &item.kek_id);
        Details { key_id: umk_id.to_owned(), ..origin.event(operation, resource) }
    }
}
