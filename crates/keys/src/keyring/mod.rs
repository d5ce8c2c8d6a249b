//! A tenant's keys at hand: loaded once, unwrapped once, renewed while they are in use, forgotten in time.
//!
//! What is held of an owner passes through these states; time is counted from the read that found the keys.
//!
//! - *Nothing*: the first to ask starts a flight that reads the keys; whoever comes meanwhile waits for the same one.
//!   Each key is unwrapped by a flight of its own when it is first asked for.
//! - *Keys*, for nine tenths of the time to live: given out without a call. An id that is not among them has them read
//!   again, which extends nothing.
//! - *Keys near their end*, for the last tenth: given out as before. The first use also starts one flight in the background
//!   that reads again, unwraps again what was in use, and then puts the result in their place. If there is no answer, a
//!   later use tries once more after a pause; an answer such as *denied* or a tombstone takes their place as well.
//! - *Expired*: as nothing. Keys that nobody uses end so.
//! - *Setback*: the keys could not be read, unwrapped or created. Until a short time is over those who ask are told the same.
//!
//! [`Keyring::forget`] leads from each state to nothing, also for flights that are under way: they serve who waited for
//! them, and what they bring is not held.
//!
//! `pace` has the pauses, `owner_keks` what is held, `fetch` what flights do, `progress` what outlives the keys. Times are of
//! tokio's clock, which a test can stop; the cache's own expiry goes by the machine's, and only frees memory.

mod fetch;
mod owner_keks;
mod pace;
mod progress;
mod telemetry;

use std::{sync::Arc, time::Duration};

use blue_envelope::{Kek, KekId, RandomnessUnavailable, address::Namespace};
use futures::FutureExt;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tracing::Instrument;

use crate::{
    KekStore, KekStoreError, KeyError, KeyOwner, KeyProvider, Tombstone,
    flights::{Flights, Interrupted},
};
use fetch::{Inner, Load};
use owner_keks::OwnerKeks;

/// Longer than any process lives; later moments might not be expressible.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many owners' keys are renewed at once in the background. At 20 ms for each, that is 3,200 a second.
const REFRESHES: usize = 64;

/// How long and how many keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyringConfig {
    /// How long an owner's keys are used after the read that found them. Within this time a revoked UMK, a
    /// rotation or a shred in another process may go unnoticed. Default: 60 s.
    ///
    /// Keys that are used in the last tenth of it are read and unwrapped again in the background, so that no use waits for
    /// them: an owner in constant use costs one unwrapping in nine tenths of this time.
    ///
    /// An expired key is not given out any more; its memory is overwritten when the cache, in later uses of the
    /// keyring, gets round to it.
    pub ttl: Duration,
    /// How many owners' keys are kept at once; the least recently used give way. Default: 10,000.
    pub capacity: u64,
    /// How long loading, creating or unwrapping a key may take before it is stopped, whoever waits for it.
    /// Default: 30 s.
    pub fetch_timeout: Duration,
    /// How long it is remembered that a key was denied, is disabled, was not found or is not authentic; at most
    /// [`ttl`](Self::ttl). Default: 1 s.
    pub negative_ttl: Duration,
    /// How long a fetch that got no answer is not tried again. It doubles with each further failure, up to
    /// [`negative_ttl`](Self::negative_ttl); the first one is tried again at once. An owner's keys are read again
    /// for an id that is not among them no more often than this either; who asks for it waits. Default: 100 ms.
    pub retry_pause: Duration,
}

impl Default for KeyringConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            capacity: 10_000,
            fetch_timeout: Duration::from_secs(30),
            negative_ttl: Duration::from_secs(1),
            retry_pause: Duration::from_millis(100),
        }
    }
}

/// What a keyring holds at the moment, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyringUsage {
    /// Owners whose keys are kept, as the cache counted them last: it counts in batches, so this lags behind.
    pub owners: u64,
    /// Fetches under way.
    pub fetches: usize,
    /// Owners with a rotated key that the process has sealed under. This is never forgotten; see [`Keyring`].
    pub rotated: usize,
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
///
/// A keyring never goes back to sealing under a lower newest version of an owner than it has sealed under. For that it
/// remembers, beyond [`KeyringConfig::capacity`], some 20 to 40 bytes for each owner with a version above 1.
pub struct Keyring {
    inner: Arc<Inner>,
    /// By the owner, the generation that they began in, and what for.
    loads: Flights<(KeyOwner, u64, Load), Result<Arc<OwnerKeks>, KeyringError>>,
    /// By the place that the key comes to.
    unwraps: Flights<u64, Result<Arc<Kek>, KeyringError>>,
    refreshes: Arc<Semaphore>,
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
        Self {
            inner: Arc::new(Inner::new(namespace, provider, store, config)),
            loads: Flights::new(config.fetch_timeout),
            unwraps: Flights::new(config.fetch_timeout),
            refreshes: Arc::new(Semaphore::new(REFRESHES)),
        }
    }

    /// The key to seal with: the newest version, or a first one if there is none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn sealing_kek(&self, owner: &KeyOwner) -> Result<Arc<Kek>, KeyringError> {
        let mut keks = self.keks(owner).await?;
        if keks.versions.is_empty() {
            // A key that was there and is gone without a tombstone is not replaced in silence.
            self.inner.progress.check(owner, 0)?;
            keks = self.first(owner, keks).await?;
        }
        let found = keks.newest();
        self.inner.progress.check(owner, found)?;
        let newest = keks.versions.len().checked_sub(1);
        let newest =
            newest.ok_or_else(|| KeyringError::Regressed { owner: owner.clone(), seen: 1, found: 0 })?;
        let kek = self.unwrap(owner, &keks, newest).await?;
        // Only now: a version that does not unwrap may be anybody's invention.
        self.inner.progress.note(owner, found);
        Ok(kek)
    }

    /// The key to open with what was read at `read_at` and names `kek_id`. Keys loaded before that moment and
    /// without this id are loaded again, since another process may have added it: at once, or after
    /// [`KeyringConfig::retry_pause`] if the last such load found nothing new.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn opening_kek(
        &self,
        owner: &KeyOwner,
        kek_id: KekId,
        read_at: std::time::Instant,
    ) -> Result<Arc<Kek>, KeyringError> {
        // Nothing was read in the future: no load would ever be late enough.
        let read_at = Instant::from_std(read_at).min(Instant::now());
        let mut keks = self.keks(owner).await?;
        loop {
            if let Some(index) = keks.find(kek_id) {
                return self.unwrap(owner, &keks, index).await;
            }
            if keks.read_at >= read_at {
                return Err(KeyringError::Unknown { owner: owner.clone(), kek_id });
            }
            let reread_after = keks.reread_after();
            keks = if Instant::now() < reread_after {
                sleep_until(reread_after).await;
                self.keks(owner).await?
            } else {
                // It may have been under way for longer than we have: then once more.
                self.again(owner, keks).await?
            };
        }
    }

    /// Drops what is held of an owner, after a rotation or a shred in this process: the next use reads it again. Fetches
    /// that began before do not bring it back. Those that wait for them still get what they bring.
    ///
    /// The memory of the keys is overwritten when the cache, in later uses of the keyring, gets round to it. That the
    /// process has sealed under a version is not forgotten.
    pub fn forget(&self, owner: &KeyOwner) {
        self.inner.generations.next(owner);
        // Its memory alone is at stake: what is of an earlier generation is not given out.
        let _ = self.inner.cache.invalidate(owner).now_or_never();
    }

    /// What it holds at the moment.
    #[must_use]
    pub fn usage(&self) -> KeyringUsage {
        KeyringUsage {
            owners: self.inner.cache.entry_count(),
            fetches: self.loads.under_way() + self.unwraps.under_way(),
            rotated: self.inner.progress.owners(),
        }
    }

    /// The owner's keys, as they are held or else as they are stored.
    async fn keks(&self, owner: &KeyOwner) -> Result<Arc<OwnerKeks>, KeyringError> {
        let generation = self.inner.generations.current(owner);
        let cached = self.inner.cached(owner).await?;
        self.inner.telemetry.looked_up(cached.is_some());
        let keks = match cached {
            Some(keks) => {
                self.refresh_in_time(owner, &keks);
                keks
            }
            None => match self.refreshed(owner, generation).await {
                Some(keks) => keks,
                None => {
                    let (inner, whose) = (self.inner.clone(), owner.clone());
                    let fetch = || async move { inner.load(&whose, generation).await };
                    self.fly(owner, generation, Load::Cached, fetch).await?
                }
            },
        };
        unless_shredded(owner, keks)
    }

    /// What a renewal brings that did not end before the keys did: to begin another load beside it would unwrap them twice.
    async fn refreshed(&self, owner: &KeyOwner, generation: u64) -> Option<Arc<OwnerKeks>> {
        let refresh = (owner.clone(), generation, Load::Refresh);
        self.loads.landing(&refresh).await?.ok()?.ok().filter(|keks| keks.usable())
    }

    /// The owner's keys, read again.
    async fn again(&self, owner: &KeyOwner, known: Arc<OwnerKeks>) -> Result<Arc<OwnerKeks>, KeyringError> {
        let (inner, whose, generation) = (self.inner.clone(), owner.clone(), known.generation);
        let fetch = || async move { inner.load_again(&whose, &known).await };
        unless_shredded(owner, self.fly(owner, generation, Load::Again, fetch).await?)
    }

    /// The owner's keys, with a first one.
    async fn first(&self, owner: &KeyOwner, known: Arc<OwnerKeks>) -> Result<Arc<OwnerKeks>, KeyringError> {
        let (inner, whose, generation) = (self.inner.clone(), owner.clone(), known.generation);
        let fetch = || async move { inner.first(&whose, &known).await };
        unless_shredded(owner, self.fly(owner, generation, Load::First, fetch).await?)
    }

    async fn fly<F>(
        &self,
        owner: &KeyOwner,
        generation: u64,
        load: Load,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<OwnerKeks>, KeyringError>
    where
        F: Future<Output = Result<Arc<OwnerKeks>, KeyringError>> + Send + 'static,
    {
        // What it calls belongs to the operation that needed it first.
        let fetch = || fetch().in_current_span();
        let landed = self.loads.join((owner.clone(), generation, load), fetch).await;
        landed.map_err(|Interrupted| KeyringError::Interrupted { owner: owner.clone() })?
    }

    /// Begins to renew keys that are in use and near their end, if there is room for it. If there is none, the next use tries
    /// again; an owner that finds none until its keys expire waits for them like any other.
    fn refresh_in_time(&self, owner: &KeyOwner, keks: &Arc<OwnerKeks>) {
        if !keks.wants_refresh() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let permit = || self.refreshes.clone().try_acquire_owned().ok();
        let Some(permit) = keks.refreshes.claim(&self.inner.pace, permit) else { return };
        let (inner, whose, old) = (self.inner.clone(), owner.clone(), keks.clone());
        let renewing = self.inner.clone();
        let renewal = async move {
            let _permit = permit;
            let refreshed = inner.refresh(&whose, &old).await;
            if let Err(error) = &refreshed {
                // Its own text names the owner, and that of the store may name an item of the owner's.
                let cause = match error {
                    KeyringError::Provider { source, .. } => {
                        Some(&**source as &(dyn std::error::Error + 'static))
                    }
                    _ => None,
                };
                tracing::warn!(
                    bes.tenant = inner.pseudonym(&whose),
                    cause,
                    "keys in use were not renewed yet"
                );
            }
            refreshed
        };
        let fetch = || renewal.instrument(telemetry::refreshing(&renewing.pseudonym(owner)));
        self.loads.start((owner.clone(), keks.generation, Load::Refresh), fetch);
    }

    async fn unwrap(
        &self,
        owner: &KeyOwner,
        keks: &Arc<OwnerKeks>,
        index: usize,
    ) -> Result<Arc<Kek>, KeyringError> {
        let cell = &keks.versions[index].cell;
        let kek = match cell.peek()? {
            Some(kek) => kek,
            None => {
                let fetch = || {
                    let (inner, owner, keks) = (self.inner.clone(), owner.clone(), keks.clone());
                    let unwrapping = async move {
                        let kek = &keks.versions[index];
                        inner.unwrap(&owner, &kek.stored, &kek.cell).await
                    };
                    unwrapping.in_current_span()
                };
                let landed = self.unwraps.join(cell.id, fetch).await;
                landed.map_err(|Interrupted| KeyringError::Interrupted { owner: owner.clone() })??
            }
        };
        cell.mark_used();
        Ok(kek)
    }
}

fn unless_shredded(owner: &KeyOwner, keks: Arc<OwnerKeks>) -> Result<Arc<OwnerKeks>, KeyringError> {
    match &keks.tombstone {
        Some(Tombstone { time }) => Err(KeyringError::Shredded { owner: owner.clone(), time: time.clone() }),
        None => Ok(keks),
    }
}
