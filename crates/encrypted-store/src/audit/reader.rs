//! Reading the audit log of a store, and writing nothing.

use std::{sync::Arc, time::Duration};

use blue_address::{Chain, Namespace};
use blue_audit::{
    AuditKeys, ChainReader, Checkpoint, CheckpointError, Checks, Report, SegmentSource, Start, VerifyError,
    VerifyOptions, verify,
};
use blue_keys::{KeyContext, KeyOwner, KeyProvider, StoredKek};
use blue_store::{Deadlines, KeyPartition, Store, StoreError, TableError};

use super::{
    Caller, Trail,
    keys::audit_key,
    log::TableLog,
    metrics::{self, verification_did_not_run},
};
use crate::{
    OpenError,
    keks::stored,
    telemetry::{Operation, Subject, Telemetry},
};

/// How long a deep verification waits for events.
const PATIENCE: Duration = Duration::from_secs(30);

/// The audit log of one table, opened to be read: no key is made and no event recorded, so that rights to read suffice.
///
/// With the key source of the store, MACs are checked. Without one, hashes, links and sequences are.
#[derive(Clone)]
pub struct AuditLog {
    pub(super) namespace: Namespace,
    pub(super) store: Arc<Store>,
    pub(super) deadlines: Deadlines,
    log: Arc<TableLog>,
    keys: Option<AuditKeys>,
    table_id: Option<String>,
    pub(super) patience: Duration,
    pub(super) telemetry: Arc<Telemetry>,
}

/// Why the audit log and the table were not held against each other. It says nothing about either.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditLogError {
    /// The log could not be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The table could not be read.
    #[error("the table could not be read")]
    Store(#[from] StoreError),
    /// What was verified cannot be put into a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl AuditLog {
    /// The log that a process writes, to be read with the keys that it has.
    pub(super) fn of(trail: &Trail, table_id: Option<String>) -> Self {
        let Trail { namespace, store, deadlines, keys, telemetry, .. } = trail;
        let log = Arc::new(TableLog { store: store.clone(), deadlines: *deadlines });
        let (namespace, store, keys) = (namespace.clone(), store.clone(), Some(keys.clone()));
        let (deadlines, telemetry) = (*deadlines, telemetry.clone());
        Self { namespace, store, deadlines, log, keys, table_id, patience: PATIENCE, telemetry }
    }

    pub(crate) async fn open(
        store: Arc<Store>,
        namespace: Namespace,
        provider: Option<Arc<dyn KeyProvider>>,
        deadlines: Deadlines,
        table_id: Option<String>,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, OpenError> {
        let log = Arc::new(TableLog { store: store.clone(), deadlines });
        let (keys, patience) = (None, PATIENCE);
        let mut this = Self { namespace, store, deadlines, log, keys, table_id, patience, telemetry };
        if let Some(provider) = provider {
            this.keys = this.unwrap_keys(provider.as_ref()).await?;
        }
        Ok(this)
    }

    /// How long a deep verification waits for an event that may be on its way, before it says that a record or a key is not
    /// what the events tell. Writers that record buffered keep events in memory until they are appended. Default: 30 s, spent
    /// only where something differs. Where all writers record strictly, none is needed.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The namespace of the store.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(super) fn audit_keys(&self) -> Option<&AuditKeys> {
        self.keys.as_ref()
    }

    /// Whether the audit keys are at hand, so that MACs are checked.
    #[must_use]
    pub fn checks_macs(&self) -> bool {
        self.keys.is_some()
    }

    /// Where the segments come from.
    #[must_use]
    pub fn source(&self) -> Arc<dyn SegmentSource> {
        self.log.clone()
    }

    /// The options of a verification of this log, to be completed.
    #[must_use]
    pub fn options(&self) -> VerifyOptions {
        VerifyOptions {
            table_id: self.table_id.clone(),
            ..VerifyOptions::new(self.namespace.clone(), self.keys.clone())
        }
    }

    /// Verifies the log. What was found is logged at error level, and counted by the metrics `bes.audit.verifications` and
    /// `bes.audit.discontinuities`.
    ///
    /// # Errors
    /// [`VerifyError`] if it could not be read. What is wrong with it is in the report.
    pub async fn verify(&self, options: &VerifyOptions) -> Result<Report, VerifyError> {
        let watched = self.telemetry.begin(Operation::Verify, Subject::Store, &Caller::default());
        let report = watched.watch(self.look(options)).await;
        match &report {
            Ok(report) => metrics::verified(report),
            Err(_) => verification_did_not_run(&self.namespace),
        }
        report
    }

    /// Verifies the log, as a part of something else.
    pub(super) async fn look(&self, options: &VerifyOptions) -> Result<Report, VerifyError> {
        verify(self.source(), options).await
    }

    /// Reads one chain, verified.
    #[must_use]
    pub fn read(&self, chain: Chain, start: Start) -> ChainReader {
        let checks = Checks { namespace: self.namespace.clone(), keys: self.keys.clone() };
        ChainReader::new(self.source(), checks, chain, start)
    }

    /// What a verification reached, to be signed and kept outside the table. Tenants that `before` knows to be shredded
    /// stay so, with the time that it gives.
    ///
    /// # Errors
    /// [`CheckpointError`] for what no checkpoint can say.
    pub fn checkpoint(
        &self,
        report: &Report,
        before: Option<&Checkpoint>,
    ) -> Result<Checkpoint, CheckpointError> {
        let mut shredded = report.shredded.clone();
        shredded.extend(before.iter().flat_map(|before| before.shredded().clone()));
        Checkpoint::of(self.namespace.clone(), report.reached.clone(), shredded)
    }

    /// Every audit key of the table. `None` if there is none, and no chain either.
    async fn unwrap_keys(&self, provider: &dyn KeyProvider) -> Result<Option<AuditKeys>, OpenError> {
        let items = self.store.key_items(&KeyPartition::Audit, self.deadlines.start()).await;
        let mut keys = Vec::new();
        for item in items.map_err(TableError::from)?.versions {
            let StoredKek { version, kek_id, wrapped } = stored(item);
            let namespace = self.namespace.clone();
            let context = KeyContext { namespace, purpose: KeyOwner::Audit.into(), version, kek_id };
            let unwrapped = provider.unwrap_kek(&wrapped, &context).await;
            keys.push(audit_key(&unwrapped.map_err(OpenError::WrappedAuditKey)?));
        }
        match keys.pop() {
            Some(newest) => Ok(Some(AuditKeys::new(newest, keys))),
            None if self.is_empty().await? => Ok(None),
            None => Err(OpenError::AuditKeyMissing),
        }
    }

    async fn is_empty(&self) -> Result<bool, OpenError> {
        for chain in super::keys::well_known_chains() {
            let last = self.store.last_segment(&chain, None, self.deadlines.start()).await;
            if last.map_err(TableError::from)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("table", &self.store.table().name())
            .field("namespace", &self.namespace.as_str())
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
