//! An owner's keys in memory.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use blue_envelope::{Kek, KekId};
use moka::Expiry;
use tokio::time::Instant;

use super::{
    KeyringError,
    pace::{Attempts, Pace, Setback, Setbacks},
};
use crate::{KeyOwner, StoredKek, StoredKeks, Tombstone};

/// What is held of an owner.
#[derive(Clone)]
pub(super) enum Slot {
    Keks(Arc<OwnerKeks>),
    /// The keys could not be read.
    Setback {
        generation: u64,
        setback: Arc<Setback>,
        /// When it says nothing any more.
        until: Instant,
    },
}

impl Slot {
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Keks(keks) => keks.generation,
            Self::Setback { generation, .. } => *generation,
        }
    }

    fn until(&self) -> Instant {
        match self {
            Self::Keks(keks) => keks.expires_at,
            Self::Setback { until, .. } => *until,
        }
    }
}

/// Lets the cache drop what says nothing any more. It goes by the machine's clock and only frees memory; whether keys
/// may be used is asked of [`OwnerKeks::usable`].
pub(super) struct UntilExpiry;

impl Expiry<KeyOwner, Slot> for UntilExpiry {
    fn expire_after_create(&self, _: &KeyOwner, slot: &Slot, _: std::time::Instant) -> Option<Duration> {
        Some(slot.until().saturating_duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        owner: &KeyOwner,
        slot: &Slot,
        now: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(owner, slot, now)
    }
}

/// What one read found, and in which generation of the owner it began.
pub(super) struct Read {
    pub(super) generation: u64,
    pub(super) read_at: Instant,
    pub(super) found: StoredKeks,
}

/// An owner's keys as one read found them.
pub(super) struct OwnerKeks {
    pub(super) generation: u64,
    pub(super) read_at: Instant,
    /// When they may no longer be used. Keys that were taken over from an earlier read keep its time.
    expires_at: Instant,
    /// From when on a use has them read again in the background.
    refresh_at: Instant,
    /// Ascending.
    pub(super) versions: Vec<CachedKek>,
    pub(super) tombstone: Option<Tombstone>,
    /// When this process had added their first key, if they are what it added.
    added_at: Option<Instant>,
    pub(super) refreshes: Attempts,
    /// Why there is no first key.
    pub(super) first: Setbacks,
    /// When they may be read again for the sake of a key that is not among them.
    reread_after: Mutex<Instant>,
}

pub(super) struct CachedKek {
    pub(super) stored: StoredKek,
    pub(super) cell: Arc<KekCell>,
}

/// The place of an unwrapped key.
pub(super) struct KekCell {
    /// One place has one unwrapping at a time, and no two share one: another read or version may hold a forged key under
    /// the same id.
    pub(super) id: u64,
    kek: OnceLock<Arc<Kek>>,
    used: AtomicBool,
    pub(super) setbacks: Setbacks,
}

impl OwnerKeks {
    /// As `read` found them, to be used until `ttl` after it. What `previous` has unwrapped of them is taken over, for as
    /// long as it was to be used.
    pub(super) fn new(read: Read, ttl: Duration, pace: &Pace, previous: Option<&Self>) -> Self {
        let Read { generation, read_at, found: StoredKeks { mut versions, tombstone } } = read;
        versions.sort_by_key(|kek| kek.version);
        let known = |stored: &StoredKek| previous?.versions.iter().find(|kek| kek.stored == *stored);
        let mut fruitless = previous.is_some_and(|keks| keks.tombstone == tombstone);
        let versions = versions
            .into_iter()
            .map(|stored| {
                let known = known(&stored);
                fruitless &= known.is_some();
                CachedKek { cell: known.map_or_else(KekCell::empty, |kek| kek.cell.clone()), stored }
            })
            .collect();
        let (expires_at, refresh_at) = match previous {
            Some(keks) => (keks.expires_at, keks.refresh_at),
            None => (read_at + ttl, read_at + (ttl - ttl / 10)),
        };
        let pause = if fruitless { pace.retry_pause } else { Duration::ZERO };
        Self {
            generation,
            read_at,
            expires_at,
            refresh_at,
            versions,
            tombstone,
            added_at: None,
            refreshes: Attempts::default(),
            first: Setbacks::default(),
            reread_after: Mutex::new(Instant::now() + pause),
        }
    }

    /// A first key that was added just now, by a write that began after `read_at`.
    pub(super) fn first(
        generation: u64,
        read_at: Instant,
        ttl: Duration,
        pace: &Pace,
        stored: StoredKek,
        kek: Kek,
    ) -> Self {
        let found = StoredKeks { versions: vec![stored], tombstone: None };
        let mut keks = Self::new(Read { generation, read_at, found }, ttl, pace, None);
        keks.versions[0].cell.put(kek);
        keks.added_at = Some(Instant::now());
        keks
    }

    pub(super) fn usable(&self) -> bool {
        Instant::now() < self.expires_at
    }

    /// Whether little of their time is left, and some of them were used.
    pub(super) fn wants_refresh(&self) -> bool {
        self.refresh_at <= Instant::now() && self.versions.iter().any(|kek| kek.cell.was_used())
    }

    /// Those of a newer read that are to be unwrapped before it takes the place of this one: what was in use, and a newest
    /// version that was not there.
    pub(super) fn in_use_of<'a>(&self, fresh: &'a Self) -> impl Iterator<Item = &'a CachedKek> {
        let newest = fresh.newest();
        fresh.versions.iter().filter(move |kek| match self.find(kek.stored.kek_id) {
            Some(index) => self.versions[index].cell.was_used(),
            None => kek.stored.version == newest,
        })
    }

    /// 0 if there is none.
    pub(super) fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |kek| kek.stored.version)
    }

    pub(super) fn find(&self, kek_id: KekId) -> Option<usize> {
        self.versions.iter().position(|kek| kek.stored.kek_id == kek_id)
    }

    pub(super) fn reread_after(&self) -> Instant {
        *self.reread_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn postpone_reread(&self, pace: &Pace) {
        *self.reread_after.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + pace.retry_pause;
    }

    /// Puts `self` in the place of `other`, unless that is a newer read. A newer one that found the same gives way as well
    /// if its time is over sooner. A read that missed the first key, which was being added, never stands in its way.
    pub(super) fn replacing(self, other: &Self) -> Option<Self> {
        let confirmed = other.expires_at < self.expires_at && self.found_the_same(other);
        if self.missed(other) {
            None
        } else if other.read_at <= self.read_at || other.missed(&self) {
            Some(self)
        } else if confirmed {
            Some(Self { read_at: other.read_at, ..self })
        } else {
            None
        }
    }

    /// Whether it found no key because that of `other` was still being added.
    fn missed(&self, other: &Self) -> bool {
        let none = self.versions.is_empty() && self.tombstone.is_none();
        none && other.added_at.is_some_and(|added_at| self.read_at < added_at)
    }

    fn found_the_same(&self, other: &Self) -> bool {
        let stored = |keks: &Self| keks.versions.iter().map(|kek| kek.stored.clone()).collect::<Vec<_>>();
        self.tombstone == other.tombstone && stored(self) == stored(other)
    }
}

impl KekCell {
    pub(super) fn empty() -> Arc<Self> {
        static CELLS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: CELLS.fetch_add(1, Ordering::Relaxed),
            kek: OnceLock::new(),
            used: AtomicBool::new(false),
            setbacks: Setbacks::default(),
        })
    }

    /// The key, if it is here; why not, if that is known.
    pub(super) fn peek(&self) -> Result<Option<Arc<Kek>>, KeyringError> {
        match self.kek.get() {
            Some(kek) => Ok(Some(kek.clone())),
            None => self.setbacks.check().map(|()| None),
        }
    }

    pub(super) fn put(&self, kek: Kek) -> Arc<Kek> {
        self.kek.get_or_init(|| Arc::new(kek)).clone()
    }

    pub(super) fn mark_used(&self) {
        // Read first: all who use a key share this line of memory.
        if !self.was_used() {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}
