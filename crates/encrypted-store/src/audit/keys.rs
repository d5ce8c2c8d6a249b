//! Beginning to record: the audit keys, the chain, and what was done before there was one.

use std::sync::Arc;

use blue_address::{Chain, Namespace, Tenant};
use blue_audit::{Appender, AppenderConfig, AuditKey, AuditKeys, CryptoOp, chain_resource};
use blue_envelope::Kek;
use blue_keys::{KeyOwner, Keyring};
use blue_store::{Deadlines, KeyPartition, Store, Tombstone};
use uuid::Uuid;

use super::{
    AuditConfig, AuditedProvider, Caller, ChainPolicy, Recorder, Trail, lease::Leases, log::TableLog,
};
use crate::{AuditUnavailable, OpenError, telemetry::Telemetry};

/// The chain that all processes share.
const SHARED: &str = "main";
/// The chain that says which chains there are.
const REGISTRY: &str = "registry";

impl Trail {
    /// Gets the audit keys, makes the first if there is none, and opens this process's chain.
    pub(crate) async fn open(
        store: Arc<Store>,
        namespace: &Namespace,
        keyring: &Keyring,
        config: AuditConfig,
        deadlines: Deadlines,
        recorder: Recorder,
        telemetry: Arc<Telemetry>,
    ) -> Result<Arc<Self>, OpenError> {
        let keys = audit_keys(&store, keyring, deadlines).await?;
        let log = Arc::new(TableLog { store: store.clone(), deadlines });
        let attempt = config.appender.attempt.min(deadlines.attempt);
        let appender = AppenderConfig { attempt, ..config.appender };
        let start = |chain: &Chain| {
            Appender::start(log.clone(), keys.clone(), namespace.clone(), chain.clone(), appender)
        };
        let chain = match config.chain {
            ChainPolicy::Shared => known(SHARED),
            ChainPolicy::PerWriter => known(&Uuid::now_v7().hyphenated().to_string()),
        };
        let trail = Arc::new(Self {
            namespace: namespace.clone(),
            config,
            deadlines,
            store,
            appender: start(&chain),
            recorder,
            keys: keys.clone(),
            leases: Leases::default(),
            telemetry,
        });
        if config.chain == ChainPolicy::PerWriter {
            trail.register(&start(&known(REGISTRY)), &keys).await.map_err(AuditUnavailable::from)?;
        }
        Ok(trail)
    }

    /// Records from now on what `provider` does, and what it did before there was an audit key to record it under.
    pub(crate) async fn take_over(
        self: &Arc<Self>,
        provider: &AuditedProvider,
    ) -> Result<(), AuditUnavailable> {
        let before = provider.record_to(self);
        let generated = before.iter().any(|event| event.operation == CryptoOp::GenerateKek);
        self.buffer(before, self.deadlines.start()).await?;
        if generated { self.flush().await } else { Ok(()) }
    }

    /// The chain's own first event comes before the registry names it: a registered chain without any has vanished.
    async fn register(
        &self,
        registry: &Appender<TableLog>,
        keys: &AuditKeys,
    ) -> Result<(), blue_audit::AppendError> {
        let origin = self.begin(&Caller::default());
        let event = || blue_audit::Details {
            key_id: Uuid::from_bytes(*keys.newest().id()).hyphenated().to_string(),
            ..origin.event(CryptoOp::OpenChain, chain_resource(&self.namespace, self.appender.chain()))
        };
        let deadline = std::time::Instant::now() + self.deadlines.start().remaining();
        self.appender.append(vec![event()], deadline).await?;
        registry.append(vec![event()], deadline).await
    }
}

/// Every version that is stored. The process keeps them while the store is open: that the master key was revoked
/// must still be told.
async fn audit_keys(store: &Store, keyring: &Keyring, deadlines: Deadlines) -> Result<AuditKeys, OpenError> {
    let owner = KeyOwner::Audit;
    let newest = keyring.sealing_kek(&owner).await.map_err(OpenError::AuditKey)?;
    let stored = store.key_items(&KeyPartition::Audit, deadlines.start()).await;
    let mut older = Vec::new();
    for item in stored.map_err(blue_store::TableError::from)?.versions {
        if item.kek_id != *newest.id().as_bytes() {
            let id = blue_envelope::KekId::from_bytes(item.kek_id);
            let kek = keyring.opening_kek(&owner, id, std::time::Instant::now()).await;
            older.push(audit_key(&*kek.map_err(OpenError::AuditKey)?));
        }
    }
    Ok(AuditKeys::new(audit_key(&newest), older))
}

pub(super) fn audit_key(kek: &Kek) -> AuditKey {
    AuditKey::new(*kek.id().as_bytes(), kek.expose())
}

/// Whether somebody with one of these audit keys put the tombstone there.
pub(super) fn made_tombstone(
    keys: &AuditKeys,
    namespace: &Namespace,
    tenant: &Tenant,
    tombstone: &Tombstone,
) -> bool {
    let Tombstone { time, kek_ids, mac, audit_kek_id } = tombstone;
    let key = keys.find(audit_kek_id);
    key.is_some_and(|key| key.made_tombstone(namespace, tenant, time, kek_ids, mac))
}

/// The chains whose names are fixed.
pub(super) fn well_known_chains() -> [Chain; 2] {
    [known(SHARED), known(REGISTRY)]
}

fn known(name: &str) -> Chain {
    Chain::new(name).expect("a chain's name has no forbidden character")
}
