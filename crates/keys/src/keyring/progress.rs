//! What a process remembers of owners beyond their keys: what it has sealed under, and what it was told to forget.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::KeyringError;
use crate::KeyOwner;

/// The newest version that this process has sealed under, for each owner whose newest version was ever above 1.
///
/// It outlives the cache and is never cut: what it forgot, an edit of the table could bring back. An entry is a 64-bit
/// hash under a random key and a version, 20 to 40 bytes with the map's spare room, so a million rotated owners cost some
/// 35 MB at most. Two owners of one hash (one chance in 37 million among a million of them) share the higher version: the other
/// is then refused to seal, and never allowed to.
#[derive(Default)]
pub(super) struct Progress {
    hasher: RandomState,
    newest_sealed: Mutex<HashMap<u64, u32>>,
}

impl Progress {
    /// A process never seals under a lower newest version than it has sealed under before: what was taken out of
    /// use must not come back by an edit of the table.
    pub(super) fn check(&self, owner: &KeyOwner, found: u32) -> Result<(), KeyringError> {
        let newest_sealed = self.newest_sealed.lock().unwrap_or_else(PoisonError::into_inner);
        match newest_sealed.get(&self.hasher.hash_one(owner)) {
            Some(&seen) if found < seen => Err(KeyringError::Regressed { owner: owner.clone(), seen, found }),
            _ => Ok(()),
        }
    }

    /// Version 1 needs no entry: below it there is no key at all, and a store adds no first key for an owner that has
    /// records.
    pub(super) fn note(&self, owner: &KeyOwner, newest: u32) {
        if newest > 1 {
            let mut newest_sealed = self.newest_sealed.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = newest_sealed.entry(self.hasher.hash_one(owner)).or_default();
            *seen = newest.max(*seen);
        }
    }

    /// How many owners it holds.
    pub(super) fn owners(&self) -> usize {
        self.newest_sealed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Counts how often owners were forgotten. What was read in one generation of an owner is not used in the next.
///
/// Owners share a fixed number of counts by hash: forgetting one may forget another, which costs that one another read.
pub(super) struct Generations {
    hasher: RandomState,
    counts: Vec<AtomicU64>,
}

impl Generations {
    /// Twice as many counts as owners are cached, so that few of them share one; half a megabyte at most.
    pub(super) fn for_capacity(capacity: u64) -> Self {
        let counts = capacity.saturating_mul(2).clamp(64, 65_536);
        Self { hasher: RandomState::new(), counts: (0..counts).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn current(&self, owner: &KeyOwner) -> u64 {
        self.count(owner).load(Ordering::SeqCst)
    }

    pub(super) fn next(&self, owner: &KeyOwner) {
        self.count(owner).fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self, owner: &KeyOwner) -> &AtomicU64 {
        let count = u64::try_from(self.counts.len()).expect("at most 65,536");
        let index = usize::try_from(self.hasher.hash_one(owner) % count).expect("below 65,536");
        &self.counts[index]
    }
}
