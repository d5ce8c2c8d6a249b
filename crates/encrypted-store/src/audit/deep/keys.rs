//! Keys and tombstones, held against the log and the records.

use std::collections::{HashMap, HashSet};

use blue_address::{RecordPath, Tenant};
use blue_audit::{
    Class, CryptoOp, Finding, Report, VerifyOptions, kek_resource, resource_parts, tenant_resource,
};
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

    /// Says `false` if another item of the tenant has the same id: all items of a partition are in one part of a scan.
    pub(super) fn stored(&mut self, tenant: &Tenant, key: &KeyItem) -> bool {
        self.stored.insert((tenant.clone(), key.kek_id))
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
        key_finding(self.resource, self.what)
    }
}

pub(super) fn key_finding(resource: String, what: impl Into<String>) -> Finding {
    Finding { resource: Some(resource), ..Finding::new(Class::KeyItem, what) }
}

fn holds(keys: &KeyItems, kek_id: [u8; 16]) -> bool {
    keys.versions.iter().any(|key| key.kek_id == kek_id)
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
            if now.is_some_and(|now| now.tombstone.is_some() || holds(&now, kek_id)) {
                continue;
            }
            let record = self.store.get(&path, self.deadlines.start()).await?;
            if record.and_then(|current| kek_of(&current.into_record().ok()?)) == Some(kek_id) {
                let resource = self.name_of(&(tenant, kek_id));
                findings.push(key_finding(resource, "the key is gone, and records lie under it"));
            }
        }
        Ok(findings)
    }

    /// Keys that were retired, and that are there. The deletion is one transaction with the event, so what is read after it
    /// has to show it.
    pub(super) async fn retired_keys(
        &self,
        listener: &Listener,
        keys: &KeysInUse,
    ) -> Result<Vec<Finding>, AuditLogError> {
        let met: Vec<_> = {
            let told = listener.told();
            let was_retired = |kek: &&TenantKek| told.retired.contains(&self.name_of(kek));
            keys.stored.iter().filter(was_retired).cloned().collect()
        };
        let mut findings = Vec::new();
        for kek in met {
            if self.keys_of(&kek.0).await?.is_none_or(|now| holds(&now, kek.1)) {
                findings.push(key_finding(self.name_of(&kek), "the key was retired, and is there"));
            }
        }
        Ok(findings)
    }

    /// Keys that a rotation added and nobody retired, and that are gone, though their tenant was not shredded: what is
    /// written then is sealed under an older one. A key goes in one transaction with its event, so what is read of the log
    /// after it was found gone has to tell of that.
    pub(super) async fn undone_rotations(
        &self,
        listener: &Listener,
        keys: &KeysInUse,
        options: &VerifyOptions,
        report: &Report,
    ) -> Result<Vec<Finding>, AuditLogError> {
        let stored: HashSet<String> = keys.stored.iter().map(|kek| self.name_of(kek)).collect();
        let not_met: Vec<String> = {
            let told = listener.told();
            let rotated = told.rotated.difference(&told.retired);
            rotated.filter(|resource| !stored.contains(*resource)).cloned().collect()
        };
        let mut gone = Vec::new();
        for resource in not_met {
            let tenant = resource_parts(&resource).and_then(|parts| Tenant::new(parts.get(1)?).ok());
            let Some(tenant) = tenant.filter(|tenant| !keys.erased.contains(tenant)) else { continue };
            let now = self.keys_of(&tenant).await?;
            let is_there = |key: &KeyItem| self.name_of(&(tenant.clone(), key.kek_id)) == resource;
            if !now.is_some_and(|now| now.tombstone.is_some() || now.versions.iter().any(is_there)) {
                gone.push(resource);
            }
        }
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let later = VerifyOptions { trusted: Some(report.reached.clone()), full: false, ..options.clone() };
        self.look(&later).await?;
        let told = listener.told();
        gone.retain(|resource| !told.retired.contains(resource));
        let what = "a rotation added the key, and it is gone";
        Ok(gone.into_iter().map(|resource| key_finding(resource, what)).collect())
    }

    fn name_of(&self, (tenant, kek_id): &TenantKek) -> String {
        kek_resource(&self.namespace, Some(tenant), kek_id)
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
            findings.push(key_finding(resource, what));
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
        Err(key_finding(resource, what))
    }

    /// Whether the MAC fits; without keys that is not known, and so nothing against it.
    fn made(&self, tenant: &Tenant, tombstone: &Tombstone) -> bool {
        self.audit_keys().is_none_or(|keys| made_tombstone(keys, &self.namespace, tenant, tombstone))
    }
}
