//! A tenant's keys at hand: loaded once, unwrapped once, forgotten in time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use blue_envelope::{Kek, KekId, RandomnessUnavailable, address::Namespace};
use moka::{Expiry, future::Cache, policy::EvictionPolicy};

use crate::{
    Inserted, KekStore, KekStoreError, KeyContext, KeyError, KeyOwner, KeyProvider, StoredKek, StoredKeks,
    Tombstone,
    flights::{Flights, Interrupted},
};

/// How long and how many keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyringConfig {
    /// How long an owner's keys are used after the read that found them. Within this time a revoked UMK, a
    /// rotation or a shred in another process may go unnoticed. Default: 60 s.
    ///
    /// An expired key is not given out any more; its memory is overwritten when the cache, in later uses of the
    /// keyring, gets round to it.
    pub ttl: Duration,
    /// How many owners' keys are kept at once; the least recently used give way. Default: 10,000.
    pub capacity: u64,
    /// How long loading, creating or unwrapping a key may take before it is stopped, whoever waits for it.
    /// Default: 30 s.
    pub fetch_timeout: Duration,
}

impl Default for KeyringConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), capacity: 10_000, fetch_timeout: Duration::from_secs(30) }
    }
}

/// Why there is no key.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The provider did not wrap or unwrap it.
    #[error("the key of {owner} cannot be used")]
    Provider {
        /// Whose key.
        owner: KeyOwner,
        /// What the provider said.
        source: Arc<KeyError>,
    },
    /// The store of wrapped keys did not answer.
    #[error("the key of {owner} cannot be read or written")]
    Store {
        /// Whose key.
        owner: KeyOwner,
        /// What the store said.
        source: KekStoreError,
    },
    /// No version of the owner's key has this id.
    #[error("{owner} has no key {kek_id}")]
    Unknown {
        /// Whose key.
        owner: KeyOwner,
        /// The id that was asked for.
        kek_id: KekId,
    },
    /// The owner's keys were erased.
    #[error("{owner} was shredded at {time}")]
    Shredded {
        /// Whose keys.
        owner: KeyOwner,
        /// When, in RFC 3339.
        time: String,
    },
    /// The newest version that is stored is older than one this process has seen: somebody took keys away.
    #[error("the newest key of {owner} is version {found}, but this process has seen version {seen}")]
    Regressed {
        /// Whose keys.
        owner: KeyOwner,
        /// The newest version seen before.
        seen: u32,
        /// The newest version now.
        found: u32,
    },
    /// Fetching the key took longer than [`KeyringConfig::fetch_timeout`], or was interrupted: the runtime is shutting
    /// down, or a provider panicked.
    #[error("fetching the key of {owner} took too long or was interrupted")]
    Interrupted {
        /// Whose key.
        owner: KeyOwner,
    },
    /// No randomness for a fresh key's id.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// Gives out KEKs: the newest version to seal with, any version to open with.
///
/// An owner's first key is created at the first sealing; of many processes that race for it one wins, and the
/// others adopt its key. However many tasks wait for a key, it is loaded, created and unwrapped once, in tasks of
/// its own on the current tokio runtime. Deadlines are the caller's: dropping a future is safe at any point.
pub struct Keyring {
    inner: Arc<Inner>,
    loads: Flights<(KeyOwner, Load), Result<Arc<OwnerKeks>, KeyringError>>,
    unwraps: Flights<(KeyOwner, u32, KekId), Result<Arc<Kek>, KeyringError>>,
}

struct Inner {
    namespace: Namespace,
    provider: Arc<dyn KeyProvider>,
    store: Arc<dyn KekStore>,
    ttl: Duration,
    cache: Cache<KeyOwner, Arc<OwnerKeks>>,
    /// The newest version that this process has sealed under. It outlives the cache and has one entry for each
    /// owner that it sealed for.
    newest_seen: Mutex<HashMap<KeyOwner, u32>>,
}

/// What a load is for: those of one purpose share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Load {
    /// The keys as they are stored, from the cache if they are in it.
    Cached,
    /// The keys as they are stored now: the cached ones lack one.
    Again,
    /// The keys with at least one version: the first is created if there is none.
    First,
}

/// An owner's keys as one read found them.
struct OwnerKeks {
    read_at: Instant,
    /// When they may no longer be used. Keys that were taken over from an earlier read keep its time.
    expires_at: Instant,
    /// Ascending.
    versions: Vec<CachedKek>,
    tombstone: Option<Tombstone>,
}

struct CachedKek {
    stored: StoredKek,
    kek: OnceLock<Arc<Kek>>,
}

impl Keyring {
    /// A keyring for one store.
    #[must_use]
    pub fn new(
        namespace: Namespace,
        provider: Arc<dyn KeyProvider>,
        store: Arc<dyn KekStore>,
        config: KeyringConfig,
    ) -> Self {
        let KeyringConfig { ttl, capacity, fetch_timeout } = config;
        let cache = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(UntilExpiry)
            .build();
        let inner = Inner { namespace, provider, store, ttl, cache, newest_seen: Mutex::default() };
        Self {
            inner: Arc::new(inner),
            loads: Flights::new(fetch_timeout),
            unwraps: Flights::new(fetch_timeout),
        }
    }

    /// The key to seal with: the newest version, or a first one if there is none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn sealing_kek(&self, owner: &KeyOwner) -> Result<Arc<Kek>, KeyringError> {
        let mut keks = self.load(owner, Load::Cached).await?;
        if keks.versions.is_empty() {
            // A key that was there and is gone without a tombstone is not replaced in silence.
            self.inner.check_progress(owner, 0)?;
            keks = self.load(owner, Load::First).await?;
        }
        let found = keks.newest();
        self.inner.check_progress(owner, found)?;
        let newest = keks.versions.len().checked_sub(1);
        let newest =
            newest.ok_or_else(|| KeyringError::Regressed { owner: owner.clone(), seen: 1, found: 0 })?;
        let kek = self.unwrap(owner, &keks, newest).await?;
        // Only now: a version that does not unwrap may be anybody's invention.
        self.inner.note_progress(owner, found);
        Ok(kek)
    }

    /// The key to open with what was read at `read_at` and names `kek_id`. Keys loaded before that moment and
    /// without this id are loaded again, since another process may have added it.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn opening_kek(
        &self,
        owner: &KeyOwner,
        kek_id: KekId,
        read_at: Instant,
    ) -> Result<Arc<Kek>, KeyringError> {
        let mut keks = self.load(owner, Load::Cached).await?;
        // Twice at most: a load that was already under way may have begun too early.
        for _ in 0..2 {
            if keks.find(kek_id).is_none() && keks.read_at < read_at {
                keks = self.load(owner, Load::Again).await?;
            }
        }
        match keks.find(kek_id) {
            Some(index) => self.unwrap(owner, &keks, index).await,
            None => Err(KeyringError::Unknown { owner: owner.clone(), kek_id }),
        }
    }

    async fn load(&self, owner: &KeyOwner, load: Load) -> Result<Arc<OwnerKeks>, KeyringError> {
        let cached = if load == Load::Cached { self.inner.cached(owner).await } else { None };
        let keks = match cached {
            Some(keks) => keks,
            None => {
                let fetch = || {
                    let (inner, owner) = (self.inner.clone(), owner.clone());
                    async move { inner.fetch(&owner, load).await }
                };
                let landed = self.loads.join((owner.clone(), load), fetch).await;
                landed.map_err(|Interrupted| KeyringError::Interrupted { owner: owner.clone() })??
            }
        };
        match &keks.tombstone {
            Some(Tombstone { time }) => {
                Err(KeyringError::Shredded { owner: owner.clone(), time: time.clone() })
            }
            None => Ok(keks),
        }
    }

    async fn unwrap(
        &self,
        owner: &KeyOwner,
        keks: &Arc<OwnerKeks>,
        index: usize,
    ) -> Result<Arc<Kek>, KeyringError> {
        if let Some(kek) = keks.versions[index].kek.get() {
            return Ok(kek.clone());
        }
        let fetch = || {
            let (inner, owner, keks) = (self.inner.clone(), owner.clone(), keks.clone());
            async move { inner.unwrap(&owner, &keks.versions[index]).await }
        };
        // With the version: the same id under another version is another wrapped key, or a forged one.
        let StoredKek { version, kek_id, .. } = keks.versions[index].stored;
        let key = (owner.clone(), version, kek_id);
        let landed = self.unwraps.join(key, fetch).await;
        let kek = landed.map_err(|Interrupted| KeyringError::Interrupted { owner: owner.clone() })??;
        // The flight may have begun for an earlier read of the same key.
        Ok(keks.versions[index].kek.get_or_init(|| kek).clone())
    }
}

impl Inner {
    async fn cached(&self, owner: &KeyOwner) -> Option<Arc<OwnerKeks>> {
        self.cache.get(owner).await.filter(|keks| Instant::now() < keks.expires_at)
    }

    async fn fetch(&self, owner: &KeyOwner, load: Load) -> Result<Arc<OwnerKeks>, KeyringError> {
        // Another flight may have landed between the caller's look into the cache and this one's start.
        let cached = self.cached(owner).await;
        let keks = match (load, &cached) {
            (Load::Cached, Some(keks)) => return Ok(keks.clone()),
            (Load::First, Some(keks)) if !keks.versions.is_empty() => return Ok(keks.clone()),
            (Load::First, _) => Arc::new(self.create_first(owner).await?),
            (Load::Cached | Load::Again, _) => Arc::new(self.read(owner, cached.as_deref()).await?),
        };
        let newer = |other: Arc<OwnerKeks>| other.read_at > keks.read_at;
        if !self.cached(owner).await.is_some_and(newer) {
            self.cache.insert(owner.clone(), keks.clone()).await;
        }
        Ok(keks)
    }

    /// Reads what is stored. Keys that `previous` has unwrapped already are taken over, for as long as it was to be
    /// used.
    async fn read(&self, owner: &KeyOwner, previous: Option<&OwnerKeks>) -> Result<OwnerKeks, KeyringError> {
        let read_at = Instant::now();
        let store_error = |source| KeyringError::Store { owner: owner.clone(), source };
        let StoredKeks { mut versions, tombstone } = self.store.load(owner).await.map_err(store_error)?;
        versions.sort_by_key(|kek| kek.version);
        tracing::debug!(%owner, versions = versions.len(), "loaded keys");
        let take_over = |stored: StoredKek| {
            let known = previous.and_then(|keks| keks.versions.iter().find(|kek| kek.stored == stored));
            CachedKek { kek: known.map(|kek| kek.kek.clone()).unwrap_or_default(), stored }
        };
        let expires_at = previous.map_or_else(|| self.expiry(read_at), |keks| keks.expires_at);
        Ok(OwnerKeks {
            read_at,
            expires_at,
            versions: versions.into_iter().map(take_over).collect(),
            tombstone,
        })
    }

    /// Makes version 1, or adopts what another process made first.
    async fn create_first(&self, owner: &KeyOwner) -> Result<OwnerKeks, KeyringError> {
        let read_at = Instant::now();
        let context = self.context(owner, 1, KekId::generate()?);
        let provider_error = |error| provider_error(owner, error);
        let (kek, wrapped) = self.provider.generate_kek(&context).await.map_err(provider_error)?;
        let stored = StoredKek { version: 1, kek_id: kek.id(), wrapped };
        let inserted = self.store.insert(owner, &stored).await;
        match inserted.map_err(|source| KeyringError::Store { owner: owner.clone(), source })? {
            Inserted::Done => {
                tracing::info!(%owner, kek_id = %stored.kek_id, "created the first key");
                let versions = vec![CachedKek { stored, kek: OnceLock::from(Arc::new(kek)) }];
                Ok(OwnerKeks { read_at, expires_at: self.expiry(read_at), versions, tombstone: None })
            }
            Inserted::Lost => {
                tracing::debug!(%owner, "another process created the first key");
                self.read(owner, None).await
            }
        }
    }

    async fn unwrap(&self, owner: &KeyOwner, cached: &CachedKek) -> Result<Arc<Kek>, KeyringError> {
        if let Some(kek) = cached.kek.get() {
            return Ok(kek.clone());
        }
        let StoredKek { version, kek_id, ref wrapped, .. } = cached.stored;
        let context = self.context(owner, version, kek_id);
        let unwrapped = self.provider.unwrap_kek(wrapped, &context).await;
        let kek = Arc::new(unwrapped.map_err(|error| provider_error(owner, error))?);
        // Before the flight lands: whoever comes after it finds the key here.
        Ok(cached.kek.get_or_init(|| kek).clone())
    }

    /// A process never seals under a lower newest version than it has sealed under before: what was taken out of
    /// use must not come back by an edit of the table.
    fn check_progress(&self, owner: &KeyOwner, found: u32) -> Result<(), KeyringError> {
        let newest_seen = self.newest_seen.lock().unwrap_or_else(PoisonError::into_inner);
        match newest_seen.get(owner) {
            Some(&seen) if found < seen => Err(KeyringError::Regressed { owner: owner.clone(), seen, found }),
            _ => Ok(()),
        }
    }

    /// Version 1 needs no entry: below it there is no key at all, and a store adds no first key for an owner that has
    /// records.
    fn note_progress(&self, owner: &KeyOwner, newest: u32) {
        if newest > 1 {
            let mut newest_seen = self.newest_seen.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = newest_seen.entry(owner.clone()).or_default();
            *seen = newest.max(*seen);
        }
    }

    fn context(&self, owner: &KeyOwner, version: u32, kek_id: KekId) -> KeyContext {
        KeyContext { namespace: self.namespace.clone(), owner: owner.clone(), version, kek_id }
    }

    fn expiry(&self, read_at: Instant) -> Instant {
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        read_at + self.ttl.min(FAR)
    }
}

impl OwnerKeks {
    /// 0 if there is none.
    fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |kek| kek.stored.version)
    }

    fn find(&self, kek_id: KekId) -> Option<usize> {
        self.versions.iter().position(|kek| kek.stored.kek_id == kek_id)
    }
}

fn provider_error(owner: &KeyOwner, error: KeyError) -> KeyringError {
    KeyringError::Provider { owner: owner.clone(), source: Arc::new(error) }
}

/// Lets the cache drop keys when they may no longer be used.
struct UntilExpiry;

impl Expiry<KeyOwner, Arc<OwnerKeks>> for UntilExpiry {
    fn expire_after_create(&self, _: &KeyOwner, keks: &Arc<OwnerKeks>, _: Instant) -> Option<Duration> {
        Some(keks.expires_at.saturating_duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        owner: &KeyOwner,
        keks: &Arc<OwnerKeks>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(owner, keks, now)
    }
}
