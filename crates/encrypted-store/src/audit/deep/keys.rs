//! Keys and tombstones, held against the log and the records.

use std::collections::{HashMap, HashSet};

use blue_address::{RecordPath, Tenant};
use blue_audit::{Class, CryptoOp, Finding, kek_resource, resource_parts, tenant_resource};
use blue_store::{KeyItem, KeyItems, KeyPartition, StoreError, StoredRecord, Tombstone};

use super::{AuditLog, AuditLogError, Listener, Told};
use crate::{audit::keys::made_tombstone, read::kek_id_of};

/// A KEK of a tenant.
type TenantKek = (Tenant, [u8; 16]);

/// Which keys lie in the table, and which of them its records need.
#[derive(Default)]
pub(super) struct KeysInUse {
    /// Each with one of the records that it is needed for.
    used: HashMap<TenantKek, RecordPath>,
    stored: HashSet<TenantKek>,
    /// The tenants whose keys were erased.
    erased: HashSet<Tenant>,
}

impl KeysInUse {
    /// Notes the key that a record needs, if that is one that its tenant ever had: of a record under any other, the record's
    /// events tell.
    pub(super) fn used_by(
        &mut self,
        record: &StoredRecord,
        was_made: impl FnOnce(&Tenant, &[u8; 16]) -> bool,
    ) {
        if let Some(kek_id) = kek_of(record).filter(|id| was_made(&record.path.tenant, id)) {
            self.used.entry((record.path.tenant.clone(), kek_id)).or_insert_with(|| record.path.clone());
        }
    }

    pub(super) fn stored(&mut self, tenant: &Tenant, key: &KeyItem) {
        self.stored.insert((tenant.clone(), key.kek_id));
    }

    pub(super) fn erased(&mut self, tenant: &Tenant) {
        self.erased.insert(tenant.clone());
    }

    pub(super) fn add(&mut self, other: Self) {
        self.used.extend(other.used);
        self.stored.extend(other.stored);
        self.erased.extend(other.erased);
    }
}

/// A key item or tombstone of which an event has to tell, and none does yet.
pub(super) struct Untold {
    pub(super) event: CryptoOp,
    pub(super) resource: String,
    /// What it is, if none ever does.
    pub(super) what: String,
}

impl Untold {
    pub(super) fn is_told(&self, told: &Told) -> bool {
        match self.event {
            CryptoOp::Shred => told.shredded.contains(&self.resource),
            _ => told.keks.contains(&self.resource),
        }
    }

    pub(super) fn into_finding(self) -> Finding {
        Finding { resource: Some(self.resource), ..Finding::new(Class::KeyItem, self.what) }
    }
}

fn kek_of(record: &StoredRecord) -> Option<[u8; 16]> {
    kek_id_of(record).map(|kek_id| *kek_id.as_bytes())
}

impl AuditLog {
    /// Keys that were made, that records need, and that are gone, though their tenant was not shredded. What a scan did not
    /// meet is looked for again: records are written while it lasts.
    pub(super) async fn missing_keys(&self, keys: KeysInUse) -> Result<Vec<Finding>, AuditLogError> {
        let KeysInUse { used, stored, erased } = keys;
        let mut findings = Vec::new();
        for ((tenant, kek_id), path) in used {
            if stored.contains(&(tenant.clone(), kek_id)) || erased.contains(&tenant) {
                continue;
            }
            let now = self.keys_of(&tenant).await?;
            let is_there = |now: &KeyItems| {
                now.tombstone.is_some() || now.versions.iter().any(|key| key.kek_id == kek_id)
            };
            if now.as_ref().is_some_and(is_there) {
                continue;
            }
            let record = self.store.get(&path, self.deadlines.start()).await?;
            if record.and_then(|current| kek_of(&current.into_record().ok()?)) == Some(kek_id) {
                let resource = kek_resource(&self.namespace, Some(&tenant), &kek_id);
                let what = "the key is gone, and records lie under it";
                findings.push(Finding { resource: Some(resource), ..Finding::new(Class::KeyItem, what) });
            }
        }
        Ok(findings)
    }

    /// Tenants that were shredded, and whose tombstone is gone or that have a key. Both are one transaction with the event, so
    /// what is read after it has to show it.
    pub(super) async fn undone_shreds(&self, listener: &Listener) -> Result<Vec<Finding>, AuditLogError> {
        let shredded: Vec<String> = listener.told().shredded.iter().cloned().collect();
        let mut findings = Vec::new();
        for resource in shredded {
            let Some(tenant) = resource_parts(&resource).and_then(|parts| Tenant::new(parts.last()?).ok())
            else {
                continue;
            };
            let what = match self.keys_of(&tenant).await? {
                Some(now) if now.tombstone.is_none() => "the tenant was shredded, and its tombstone is gone",
                Some(now) if now.versions.is_empty() => continue,
                // What is no key item, the scan reports too.
                Some(_) | None => "the tenant was shredded, and there is a key of it",
            };
            findings.push(Finding { resource: Some(resource), ..Finding::new(Class::KeyItem, what) });
        }
        Ok(findings)
    }

    /// All key items of a tenant; `None` if something lies there that is none.
    async fn keys_of(&self, tenant: &Tenant) -> Result<Option<KeyItems>, AuditLogError> {
        let partition = KeyPartition::Tenant(tenant.clone());
        match self.store.key_items(&partition, self.deadlines.start()).await {
            Ok(now) => Ok(Some(now)),
            Err(StoreError::Malformed(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A tombstone that nobody with the audit key put there is a finding; of any other, an event has to tell.
    pub(super) fn judge_tombstone(
        &self,
        tenant: &Tenant,
        tombstone: Option<&Tombstone>,
    ) -> Result<Untold, Finding> {
        let resource = tenant_resource(&self.namespace, tenant);
        let what = match tombstone {
            None => "the tombstone is not as this store writes it",
            Some(tombstone) if !self.made(tenant, tombstone) => "the tombstone's MAC does not fit",
            Some(_) => {
                let what = "no event tells that the tenant was shredded".to_owned();
                return Ok(Untold { event: CryptoOp::Shred, resource, what });
            }
        };
        Err(Finding { resource: Some(resource), ..Finding::new(Class::KeyItem, what) })
    }

    /// Whether the MAC fits; without keys that is not known, and so nothing against it.
    fn made(&self, tenant: &Tenant, tombstone: &Tombstone) -> bool {
        self.audit_keys().is_none_or(|keys| made_tombstone(keys, &self.namespace, tenant, tombstone))
    }
}
