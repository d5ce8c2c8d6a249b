//! The life of a tenant's key: rotated, its records moved, an old version retired, the tenant shredded, the store's root
//! changed. Each law holds for every provider; where a local key never gets that far, the refusal is the law.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

mod backups;
mod calls;
mod retire;
mod rewrap;
mod root;
mod rotate;
mod shred;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use blue_encrypted_store::{
    Builder, Collection, Deadlines, EncryptedStore, KeyProvider, KeyVersion, KeyringConfig, Moved,
    RewrapError, Rewrapped, TenantKeys,
    blue_audit::{Class, CryptoOp, Outcome, Verdict},
    envelope::{Envelope, KekId},
};
use blue_tests::{Item, Note, Sandbox, b};

/// Short enough to wait for.
const TTL: Duration = Duration::from_millis(500);

/// Why a test ends before what comes after a rotation.
const ROTATED: &str = "local keys are never rotated";

/// A store, and a tenant in it.
struct Setting {
    sandbox: Sandbox,
    store: EncryptedStore,
    keys: TenantKeys,
    inbox: Collection,
}

impl Setting {
    async fn new(name: &str) -> Self {
        let sandbox = Sandbox::new(name).await;
        let store = sandbox.builder().init().await.unwrap();
        let (keys, inbox) = (keys(&store, "alice"), inbox(&store, "alice"));
        Self { sandbox, store, keys, inbox }
    }

    /// With this many notes, `0` and so on.
    async fn with_notes(name: &str, count: usize) -> Self {
        let setting = Self::new(name).await;
        for i in 0..count {
            setting.inbox.put(&Note::new(&i.to_string(), &format!("text {i}"))).await.unwrap();
        }
        setting
    }

    /// A builder whose keyring forgets in [`TTL`], and whose operations end soon.
    fn forgetful(&self) -> Builder {
        let soon = Deadlines { attempt: Duration::from_secs(5), operation: Duration::from_secs(5) };
        self.sandbox.builder().deadlines(soon).keyring(KeyringConfig { ttl: TTL, ..KeyringConfig::default() })
    }

    /// Another version of alice's key, the newest from now on.
    async fn rotate(&self) -> KeyVersion {
        self.sandbox.rotate(&self.keys, "alice").await
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        self.sandbox.provider()
    }

    async fn versions(&self) -> Vec<KeyVersion> {
        self.keys.list().await.unwrap().versions
    }

    /// The item of one of alice's notes.
    async fn item(&self, id: &str) -> Item {
        self.sandbox.item("R#alice#inbox", &format!("note#{id}")).await.unwrap()
    }

    async fn kek_of(&self, id: &str) -> KekId {
        Envelope::parse(&envelope(&self.item(id).await)).unwrap().kek_id()
    }

    /// How many operations of this kind the audit log tells of.
    async fn events(&self, operation: CryptoOp) -> usize {
        self.store.flush().await.unwrap();
        let log = self.sandbox.audit_log().await;
        let of_kind = |event: &&_| is_success_of(operation, event);
        log.events().filter(of_kind).count()
    }

    /// What a deep verification finds.
    async fn deep_findings(&self) -> Vec<String> {
        self.store.flush().await.unwrap();
        let log = self.sandbox.builder().open_audit().await.unwrap().patience(Duration::ZERO);
        let report = log.verify_deep(&log.options()).await.unwrap();
        report.findings.listed().iter().map(|finding| finding.what.clone()).collect()
    }

    /// Nothing is wrong with the log, nor with the table, as far as they tell of each other; but for a local key's second version,
    /// of which no event tells.
    async fn verify_deep(&self) {
        self.store.flush().await.unwrap();
        let log = self.sandbox.builder().open_audit().await.unwrap().patience(Duration::ZERO);
        let report = log.verify_deep(&log.options()).await.unwrap();
        if self.provider().umk_id().is_local() {
            let planted = report.findings.listed().iter().all(|finding| finding.class == Class::KeyItem);
            assert!(planted && report.findings.count() <= 1, "{report}");
        } else {
            assert_eq!(report.verdict(), Verdict::Verified, "{report}");
        }
    }
}

fn is_success_of(operation: CryptoOp, event: &blue_encrypted_store::blue_audit::Details) -> bool {
    event.operation == operation && event.outcome == Outcome::Success
}

fn keys(store: &EncryptedStore, tenant: &str) -> TenantKeys {
    store.tenant(tenant).unwrap().keys()
}

fn inbox(store: &EncryptedStore, tenant: &str) -> Collection {
    store.tenant(tenant).unwrap().collection("inbox").unwrap()
}

fn envelope(item: &Item) -> Vec<u8> {
    item["_e"].as_b().unwrap().as_ref().to_vec()
}

/// The same item with another envelope.
fn with_envelope(mut item: Item, edit: impl FnOnce(&mut Vec<u8>)) -> Item {
    let mut bytes = envelope(&item);
    edit(&mut bytes);
    item.insert("_e".to_owned(), b(bytes));
    item
}

/// Moves all, and gives back what was told of those that were not.
async fn rewrap(keys: &TenantKeys) -> Result<(Rewrapped, Vec<String>), RewrapError> {
    let failed = Mutex::new(Vec::new());
    let report = keys.rewrap(8, |address, moved| {
        if let Moved::Failed(error) = moved {
            failed.lock().unwrap().push(format!("{address}: {error}"));
        }
    });
    let report = report.await?;
    Ok((report, failed.into_inner().unwrap()))
}
