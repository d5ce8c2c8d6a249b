//! Reading, creating and unwrapping keys: what happens inside a flight.

use std::sync::Arc;

use blue_envelope::{Kek, KekId, address::Namespace};
use moka::{future::Cache, ops::compute::Op, policy::EvictionPolicy};
use tokio::time::Instant;

use super::{
    FAR, KeyringConfig, KeyringError,
    owner_keks::{KekCell, OwnerKeks, Read, Slot, UntilExpiry},
    pace::{Pace, Setback},
    progress::{Generations, Progress},
    telemetry::Telemetry,
};
use crate::{Inserted, KekStore, KeyContext, KeyError, KeyOwner, KeyProvider, StoredKek};

/// What all flights share.
pub(super) struct Inner {
    namespace: Namespace,
    provider: Arc<dyn KeyProvider>,
    store: Arc<dyn KekStore>,
    ttl: std::time::Duration,
    pub(super) pace: Pace,
    pub(super) cache: Cache<KeyOwner, Slot>,
    pub(super) progress: Progress,
    pub(super) generations: Generations,
    pub(super) telemetry: Telemetry,
}

/// What a load is for: those of one purpose share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Load {
    /// The keys as they are stored, from the cache if they are in it.
    Cached,
    /// The keys as they are stored now: the cached ones lack one.
    Again,
    /// The keys with at least one version: the first is created if there is none.
    First,
    /// The keys as they are stored now, and those in use unwrapped anew, ahead of the time when they expire.
    Refresh,
}

impl Inner {
    pub(super) fn new(
        namespace: Namespace,
        provider: Arc<dyn KeyProvider>,
        store: Arc<dyn KekStore>,
        config: KeyringConfig,
    ) -> Self {
        let ttl = config.ttl.min(FAR);
        let negative_ttl = config.negative_ttl.min(ttl);
        let pace = Pace { negative_ttl, retry_pause: config.retry_pause.min(negative_ttl) };
        let telemetry = Telemetry::new();
        let removed = telemetry.clone();
        let cache = Cache::builder()
            .max_capacity(config.capacity)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(UntilExpiry)
            .eviction_listener(move |_, _, cause| removed.removed(cause))
            .build();
        let (progress, generations) = (Progress::default(), Generations::for_capacity(config.capacity));
        Self { namespace, provider, store, ttl, pace, cache, progress, generations, telemetry }
    }

    /// The keys that are held and may be used, or why they could not be read just now.
    pub(super) async fn cached(&self, owner: &KeyOwner) -> Result<Option<Arc<OwnerKeks>>, KeyringError> {
        let slot = self.cache.get(owner).await;
        match slot.filter(|slot| slot.generation() == self.generations.current(owner)) {
            Some(Slot::Keks(keks)) => Ok(Some(keks).filter(|keks| keks.usable())),
            Some(Slot::Setback { setback, .. }) => setback.holds().map_or(Ok(None), Err),
            None => Ok(None),
        }
    }

    /// For [`Load::Cached`].
    pub(super) async fn load(
        &self,
        owner: &KeyOwner,
        generation: u64,
    ) -> Result<Arc<OwnerKeks>, KeyringError> {
        // Another flight may have landed between the caller's look into the cache and this one's start.
        if let Some(keks) = self.cached(owner).await? {
            return Ok(keks);
        }
        match self.read(owner, generation).await {
            Ok(read) => Ok(self.take_in(owner, read).await),
            Err(error) => {
                self.note_setback(owner, generation, &error).await;
                Err(error)
            }
        }
    }

    /// For [`Load::Again`], `known` being the keys that lack one.
    pub(super) async fn load_again(
        &self,
        owner: &KeyOwner,
        known: &OwnerKeks,
    ) -> Result<Arc<OwnerKeks>, KeyringError> {
        if let Some(keks) = self.cached(owner).await?.filter(|keks| keks.read_at > known.read_at) {
            return Ok(keks);
        }
        match self.read(owner, known.generation).await {
            Ok(read) => Ok(self.take_in(owner, read).await),
            Err(error) => {
                known.postpone_reread(&self.pace);
                Err(error)
            }
        }
    }

    /// For [`Load::First`], `known` being no keys.
    pub(super) async fn first(
        &self,
        owner: &KeyOwner,
        known: &OwnerKeks,
    ) -> Result<Arc<OwnerKeks>, KeyringError> {
        if let Some(keks) = self.cached(owner).await?.filter(|keks| !keks.versions.is_empty()) {
            return Ok(keks);
        }
        known.first.check()?;
        let created = self.create_first(owner, known.generation).await;
        if let Err(error) = &created {
            known.first.note(error.clone(), &self.pace);
        }
        created
    }

    /// For [`Load::Refresh`]: puts a newer read in the place of `old`, with the keys that were in use unwrapped by the
    /// provider, so that a revoked UMK is noticed. Without an answer `old` stays. One that is final takes effect.
    pub(super) async fn refresh(
        &self,
        owner: &KeyOwner,
        old: &OwnerKeks,
    ) -> Result<Arc<OwnerKeks>, KeyringError> {
        let read = self.read(owner, old.generation).await?;
        let fresh = OwnerKeks::new(read, self.ttl, &self.pace, None);
        let (mut passing, mut definite) = (None, fresh.tombstone.is_some());
        if !definite {
            for kek in old.in_use_of(&fresh) {
                match self.unwrap(owner, &kek.stored, &kek.cell).await {
                    Ok(_) => {}
                    Err(error) if error.is_definite() => definite = true,
                    Err(error) => passing = Some(error),
                }
            }
        }
        match passing {
            Some(error) if !definite => Err(error),
            _ => Ok(self.install(owner, old.generation, |_| fresh).await),
        }
    }

    /// Unwraps a key into its place.
    pub(super) async fn unwrap(
        &self,
        owner: &KeyOwner,
        stored: &StoredKek,
        cell: &KekCell,
    ) -> Result<Arc<Kek>, KeyringError> {
        if let Some(kek) = cell.peek()? {
            return Ok(kek);
        }
        let context = self.context(owner, stored.version, stored.kek_id);
        match self.provider.unwrap_kek(&stored.wrapped, &context).await {
            // Before the flight lands: whoever comes after it finds the key here.
            Ok(kek) => Ok(cell.put(kek)),
            Err(error) => {
                let error = provider_error(owner, error);
                cell.setbacks.note(error.clone(), &self.pace);
                Err(error)
            }
        }
    }

    async fn read(&self, owner: &KeyOwner, generation: u64) -> Result<Read, KeyringError> {
        let read_at = Instant::now();
        let store_error = |source| KeyringError::Store { owner: owner.clone(), source };
        let found = self.store.load(owner).await.map_err(store_error)?;
        tracing::debug!(bes.tenant = self.pseudonym(owner), versions = found.versions.len(), "loaded keys");
        Ok(Read { generation, read_at, found })
    }

    /// Makes version 1, or adopts what another process made first.
    async fn create_first(&self, owner: &KeyOwner, generation: u64) -> Result<Arc<OwnerKeks>, KeyringError> {
        let read_at = Instant::now();
        let context = self.context(owner, 1, KekId::generate()?);
        let provider_error = |error| provider_error(owner, error);
        let (kek, wrapped) = self.provider.generate_kek(&context).await.map_err(provider_error)?;
        let stored = StoredKek { version: 1, kek_id: kek.id(), wrapped };
        let inserted = self.store.insert(owner, &stored).await;
        match inserted.map_err(|source| KeyringError::Store { owner: owner.clone(), source })? {
            Inserted::Done => {
                tracing::info!(bes.tenant = self.pseudonym(owner), kek_id = %stored.kek_id, "created the first key");
                let added = OwnerKeks::first(generation, read_at, self.ttl, &self.pace, stored, kek);
                Ok(self.install(owner, generation, |_| added).await)
            }
            Inserted::Lost => {
                tracing::debug!(bes.tenant = self.pseudonym(owner), "another process created the first key");
                let read = self.read(owner, generation).await?;
                Ok(self.take_in(owner, read).await)
            }
        }
    }

    /// Holds what was read, with the keys that are unwrapped already.
    async fn take_in(&self, owner: &KeyOwner, read: Read) -> Arc<OwnerKeks> {
        let (ttl, pace, generation) = (self.ttl, self.pace, read.generation);
        self.install(owner, generation, |held| OwnerKeks::new(read, ttl, &pace, held)).await
    }

    /// Holds what `build` makes of what is held, and gives that back, or what takes precedence over it.
    async fn install(
        &self,
        owner: &KeyOwner,
        generation: u64,
        build: impl FnOnce(Option<&OwnerKeks>) -> OwnerKeks,
    ) -> Arc<OwnerKeks> {
        let mut landed = None;
        let landing = |entry: Option<moka::Entry<KeyOwner, Slot>>| {
            let held = match entry.map(moka::Entry::into_value) {
                Some(Slot::Keks(keks)) if keks.generation == generation && keks.usable() => Some(keks),
                _ => None,
            };
            let built = build(held.as_deref());
            let (keks, op) = match held {
                Some(held) => match built.replacing(&held) {
                    Some(keks) => put(keks),
                    None => (held, Op::Nop),
                },
                // What was forgotten meanwhile serves those who waited for it, and nobody else.
                None if generation != self.generations.current(owner) => (Arc::new(built), Op::Nop),
                None => put(built),
            };
            landed = Some(keks);
            std::future::ready(op)
        };
        self.cache.entry_by_ref(owner).and_compute_with(landing).await;
        landed.expect("the closure was run")
    }

    async fn note_setback(&self, owner: &KeyOwner, generation: u64, error: &KeyringError) {
        let landing = |entry: Option<moka::Entry<KeyOwner, Slot>>| {
            let held = entry.map(moka::Entry::into_value).filter(|slot| slot.generation() == generation);
            let previous = match &held {
                _ if generation != self.generations.current(owner) => return std::future::ready(Op::Nop),
                Some(Slot::Keks(keks)) if keks.usable() => return std::future::ready(Op::Nop),
                Some(Slot::Setback { setback, .. }) => Some(&**setback),
                _ => None,
            };
            let setback = Setback::after(previous, error.clone(), &self.pace);
            let until = setback.forgotten_at(&self.pace);
            let slot = Slot::Setback { generation, setback: Arc::new(setback), until };
            std::future::ready(Op::Put(slot))
        };
        self.cache.entry_by_ref(owner).and_compute_with(landing).await;
    }

    /// How logs and traces name an owner.
    pub(super) fn pseudonym(&self, owner: &KeyOwner) -> String {
        owner.pseudonym(&self.namespace)
    }

    fn context(&self, owner: &KeyOwner, version: u32, kek_id: KekId) -> KeyContext {
        KeyContext { namespace: self.namespace.clone(), purpose: owner.clone().into(), version, kek_id }
    }
}

fn put(keks: OwnerKeks) -> (Arc<OwnerKeks>, Op<Slot>) {
    let keks = Arc::new(keks);
    (keks.clone(), Op::Put(Slot::Keks(keks)))
}

fn provider_error(owner: &KeyOwner, error: KeyError) -> KeyringError {
    KeyringError::Provider { owner: owner.clone(), source: Arc::new(error) }
}
