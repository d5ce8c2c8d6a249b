//! A tenant's keys at hand: loaded once, unwrapped once, forgotten in time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use blue_envelope::{Kek, KekId, RandomnessUnavailable, address::Namespace};
use moka::{Expiry, future::Cache};
use tokio::sync::OnceCell;

use crate::{
    Inserted, KekStore, KekStoreError, KeyContext, KeyError, KeyOwner, KeyProvider, StoredKek, StoredKeks,
    Tombstone,
};

/// How long and how many keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyringConfig {
    /// How long an owner's keys are used after the read that found them. Within this time a revoked UMK, a
    /// rotation or a shred in another process may go unnoticed. Default: 60 s.
    pub ttl: Duration,
    /// How many owners' keys are kept at once; the least used give way. Default: 10,000.
    pub capacity: u64,
}

impl Default for KeyringConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), capacity: 10_000 }
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
    /// No randomness for a fresh key's id.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// Gives out KEKs: the newest version to seal with, any version to open with.
///
/// An owner's first key is created at the first sealing; of many processes that race for it one wins, and the
/// others adopt its key. However many tasks wait for a key, it is loaded and unwrapped once. Deadlines are the
/// caller's: dropping a future is safe at any point.
pub struct Keyring {
    namespace: Namespace,
    provider: Arc<dyn KeyProvider>,
    store: Arc<dyn KekStore>,
    cache: Cache<KeyOwner, Arc<OwnerKeks>>,
    /// The newest version seen, for owners that were ever rotated. It outlives the cache and has one entry a
    /// rotated owner.
    newest_seen: Mutex<HashMap<KeyOwner, u32>>,
}

/// An owner's keys as one read found them.
struct OwnerKeks {
    read_at: Instant,
    /// Ascending.
    versions: Vec<CachedKek>,
    tombstone: Option<Tombstone>,
    /// The first key, made by this process when the read found none.
    created: OnceCell<Arc<OwnerKeks>>,
}

struct CachedKek {
    stored: StoredKek,
    kek: OnceCell<Arc<Kek>>,
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
        let cache = Cache::builder()
            .max_capacity(config.capacity)
            .expire_after(SinceRead { ttl: config.ttl })
            .build();
        Self { namespace, provider, store, cache, newest_seen: Mutex::default() }
    }

    /// The provider that wraps the keys.
    #[must_use]
    pub fn provider(&self) -> &Arc<dyn KeyProvider> {
        &self.provider
    }

    /// The key to seal with: the newest version, or a first one if there is none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn sealing_kek(&self, owner: &KeyOwner) -> Result<Arc<Kek>, KeyringError> {
        let mut keks = self.load(owner).await?;
        if keks.versions.is_empty() {
            keks = keks.created.get_or_try_init(|| self.create_first(owner)).await?.clone();
        }
        let newest = keks.versions.last().expect("create_first gives at least one version");
        self.unwrap(owner, newest).await
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
        let mut keks = self.load(owner).await?;
        if let Some(created) = keks.created.get() {
            keks = created.clone();
        }
        if keks.find(kek_id).is_none() && keks.read_at < read_at {
            self.cache.invalidate(owner).await;
            keks = self.load(owner).await?;
        }
        match keks.find(kek_id) {
            Some(kek) => self.unwrap(owner, kek).await,
            None => Err(KeyringError::Unknown { owner: owner.clone(), kek_id }),
        }
    }

    async fn load(&self, owner: &KeyOwner) -> Result<Arc<OwnerKeks>, KeyringError> {
        let keks = self
            .cache
            .try_get_with_by_ref(owner, async { self.read(owner).await.map(Arc::new) })
            .await
            .map_err(|error: Arc<KeyringError>| (*error).clone())?;
        match &keks.tombstone {
            Some(Tombstone { time }) => {
                Err(KeyringError::Shredded { owner: owner.clone(), time: time.clone() })
            }
            None => Ok(keks),
        }
    }

    async fn read(&self, owner: &KeyOwner) -> Result<OwnerKeks, KeyringError> {
        let read_at = Instant::now();
        let store_error = |source| KeyringError::Store { owner: owner.clone(), source };
        let StoredKeks { mut versions, tombstone } = self.store.load(owner).await.map_err(store_error)?;
        versions.sort_by_key(|kek| kek.version);
        let keks = OwnerKeks {
            read_at,
            versions: versions.into_iter().map(|stored| CachedKek { stored, kek: OnceCell::new() }).collect(),
            tombstone,
            created: OnceCell::new(),
        };
        if keks.tombstone.is_none() {
            self.check_progress(owner, keks.newest())?;
        }
        tracing::debug!(%owner, versions = keks.versions.len(), "loaded keys");
        Ok(keks)
    }

    /// A process never goes back to a lower newest version than it has seen: what it would seal then, a key
    /// that was taken out of use could open.
    fn check_progress(&self, owner: &KeyOwner, found: u32) -> Result<(), KeyringError> {
        let mut newest_seen = self.newest_seen.lock().unwrap_or_else(PoisonError::into_inner);
        match newest_seen.get(owner) {
            Some(&seen) if found < seen => Err(KeyringError::Regressed { owner: owner.clone(), seen, found }),
            _ => {
                if found > 1 {
                    newest_seen.insert(owner.clone(), found);
                }
                Ok(())
            }
        }
    }

    /// Makes version 1, or adopts what another process made first.
    async fn create_first(&self, owner: &KeyOwner) -> Result<Arc<OwnerKeks>, KeyringError> {
        let read_at = Instant::now();
        let context = self.context(owner, 1, KekId::generate()?);
        let (kek, wrapped) =
            self.provider.generate_kek(&context).await.map_err(|error| provider_error(owner, error))?;
        let stored =
            StoredKek { version: 1, kek_id: kek.id(), umk_id: self.provider.umk_id().clone(), wrapped };
        let inserted = self.store.insert(owner, &stored).await;
        let keks = match inserted.map_err(|source| KeyringError::Store { owner: owner.clone(), source })? {
            Inserted::Done => {
                tracing::info!(%owner, kek_id = %stored.kek_id, "created the first key");
                let kek = OnceCell::new_with(Some(Arc::new(kek)));
                Arc::new(OwnerKeks {
                    read_at,
                    versions: vec![CachedKek { stored, kek }],
                    tombstone: None,
                    created: OnceCell::new(),
                })
            }
            Inserted::Lost => {
                tracing::debug!(%owner, "another process created the first key");
                Arc::new(self.read(owner).await?)
            }
        };
        if let Some(Tombstone { time }) = &keks.tombstone {
            return Err(KeyringError::Shredded { owner: owner.clone(), time: time.clone() });
        }
        if keks.versions.is_empty() {
            return Err(KeyringError::Regressed { owner: owner.clone(), seen: 1, found: 0 });
        }
        self.cache.insert(owner.clone(), keks.clone()).await;
        Ok(keks)
    }

    async fn unwrap(&self, owner: &KeyOwner, cached: &CachedKek) -> Result<Arc<Kek>, KeyringError> {
        let StoredKek { version, kek_id, ref wrapped, .. } = cached.stored;
        let unwrap = || async {
            let context = self.context(owner, version, kek_id);
            self.provider
                .unwrap_kek(wrapped, &context)
                .await
                .map(Arc::new)
                .map_err(|error| provider_error(owner, error))
        };
        cached.kek.get_or_try_init(unwrap).await.cloned()
    }

    fn context(&self, owner: &KeyOwner, version: u32, kek_id: KekId) -> KeyContext {
        KeyContext { namespace: self.namespace.clone(), owner: owner.clone(), version, kek_id }
    }
}

impl OwnerKeks {
    fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |kek| kek.stored.version)
    }

    fn find(&self, kek_id: KekId) -> Option<&CachedKek> {
        self.versions.iter().find(|kek| kek.stored.kek_id == kek_id)
    }
}

fn provider_error(owner: &KeyOwner, error: KeyError) -> KeyringError {
    KeyringError::Provider { owner: owner.clone(), source: Arc::new(error) }
}

/// Counts the TTL from the read that found the keys, not from the moment they were cached.
struct SinceRead {
    ttl: Duration,
}

impl SinceRead {
    fn remaining(&self, keks: &OwnerKeks) -> Option<Duration> {
        Some(self.ttl.saturating_sub(keks.read_at.elapsed()))
    }
}

impl Expiry<KeyOwner, Arc<OwnerKeks>> for SinceRead {
    fn expire_after_create(&self, _: &KeyOwner, keks: &Arc<OwnerKeks>, _: Instant) -> Option<Duration> {
        self.remaining(keks)
    }

    fn expire_after_update(
        &self,
        _: &KeyOwner,
        keks: &Arc<OwnerKeks>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.remaining(keks)
    }
}
