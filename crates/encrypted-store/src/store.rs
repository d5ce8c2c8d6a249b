//! The opened store.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use blue_address::{Address, NameError, Namespace, RecordPath};
use blue_keys::{KeyProvider, Keyring, UmkId};
use blue_store::{Deadline, Deadlines, Store, StoreError};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    AuditUnavailable, Builder, Padding, Restored, Tenant, TraceContext,
    audit::{AuditedProvider, Caller, Trail},
    telemetry::{Operation, Subject, Telemetry},
};

/// How many updates of different records can be under way at once in one process.
const TURNS: usize = 1_024;

/// One table, opened: encrypted records of many tenants. Cheap to clone; clones share keys and connections.
#[derive(Clone)]
pub struct EncryptedStore {
    pub(crate) inner: Arc<Inner>,
    pub(crate) caller: Caller,
}

pub(crate) struct Inner {
    pub(crate) namespace: Namespace,
    pub(crate) store: Arc<Store>,
    pub(crate) provider: Arc<AuditedProvider>,
    pub(crate) keyring: Keyring,
    pub(crate) keyring_ttl: Duration,
    pub(crate) deadlines: Deadlines,
    pub(crate) padding: Padding,
    pub(crate) turns: Turns,
    pub(crate) trail: Arc<Trail>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// Why nothing may be written.
    pub(crate) restored: Option<Restored>,
}

impl EncryptedStore {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), caller: Caller::default() }
    }

    /// Starts the configuration of a store.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The namespace of all records in it.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    /// The master key that its keys are wrapped under from now on.
    #[must_use]
    pub fn umk_id(&self) -> &UmkId {
        self.inner.provider.umk_id()
    }

    /// Why the store can only be read, if that is so: its table was restored or copied, and is not adopted yet.
    #[must_use]
    pub fn restored(&self) -> Option<&Restored> {
        self.inner.restored.as_ref()
    }

    /// One tenant's part. Nothing is read or written, and no key made, until a record is.
    ///
    /// # Errors
    /// [`NameError`] if the name breaks the rules.
    pub fn tenant(&self, name: impl AsRef<str>) -> Result<Tenant, NameError> {
        Ok(Tenant::new(self.inner.clone(), self.caller.clone(), blue_address::Tenant::new(name)?))
    }

    /// The same store for another principal: who the audit log says does what is done through it.
    ///
    /// # Errors
    /// [`NameError`] unless it is 1–1,024 bytes of UTF-8 without control characters.
    pub fn with_principal(&self, principal: impl AsRef<str>) -> Result<Self, NameError> {
        Ok(Self { inner: self.inner.clone(), caller: self.caller.with_principal(principal)? })
    }

    /// The same store, within a trace of the caller's. A current OpenTelemetry span goes before it.
    #[must_use]
    pub fn in_trace(&self, trace: TraceContext) -> Self {
        Self { inner: self.inner.clone(), caller: self.caller.in_trace(trace) }
    }

    /// Returns once every event that was recorded so far is durable. A process that records reads or writes buffered
    /// calls it before it ends.
    ///
    /// # Errors
    /// [`AuditUnavailable`], within the operation deadline.
    pub async fn flush(&self) -> Result<(), AuditUnavailable> {
        let watched = self.inner.telemetry.begin(Operation::Flush, Subject::Store, &self.caller);
        watched.watch(self.inner.trail.flush()).await
    }

    /// What the service knows of copies of the table: each holds the key items that were there when it was made.
    pub async fn backups(&self) -> blue_store::Backups {
        let watched = self.inner.telemetry.begin(Operation::Backups, Subject::Store, &self.caller);
        let asking = async { Ok::<_, Infallible>(self.inner.store.table().backups().await) };
        watched.watch(asking).await.unwrap_or_else(|never| match never {})
    }

    /// All tenants that ever had a record, ascending by name. Erased tenants are among them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenants(&self) -> Result<Vec<blue_address::Tenant>, StoreError> {
        let Inner { telemetry, store, deadlines, .. } = &*self.inner;
        let watched = telemetry.begin(Operation::Tenants, Subject::Store, &self.caller);
        watched.watch(store.tenants(deadlines.start())).await
    }
}

impl std::fmt::Debug for EncryptedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedStore")
            .field("table", &self.inner.store.table().name())
            .field("namespace", &self.inner.namespace.as_str())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// A table that was restored is only read.
    pub(crate) fn check_writable(&self) -> Result<(), Restored> {
        self.restored.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn address(&self, path: &RecordPath) -> Address {
        path.clone().within(self.namespace.clone())
    }
}

/// Lets updates of one record within this process take turns, so that they do not spoil each other's
/// conditional writes. Records share a fixed number of turns by hash; sharing one costs time, nothing else.
pub(crate) struct Turns {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), locks: (0..TURNS).map(|_| Mutex::new(())).collect() }
    }

    /// Waits for this record's turn; `None` if it does not come before the deadline.
    pub(crate) async fn wait(&self, path: &RecordPath, deadline: Deadline) -> Option<MutexGuard<'_, ()>> {
        let count = u64::try_from(TURNS).expect("a small constant");
        let index = usize::try_from(self.hasher.hash_one(path) % count).expect("below a small constant");
        tokio::time::timeout(deadline.remaining(), self.locks[index].lock()).await.ok()
    }
}
