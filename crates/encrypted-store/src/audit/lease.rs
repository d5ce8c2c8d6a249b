//! Leases: windows in which a principal reads a collection under one key.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use blue_address::{Collection, Tenant};
use blue_envelope::KekId;

/// The longest window.
const LONGEST: Duration = Duration::from_secs(60);

/// So many leases are remembered; beyond that, those that are over are forgotten, and then all of them.
const REMEMBERED: usize = 100_000;

/// What a lease is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    pub(super) principal: String,
    pub(super) tenant: Tenant,
    pub(super) collection: Collection,
    pub(super) kek_id: KekId,
}

/// The leases whose events are durable.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<Lease, Instant>>);

/// A window in whole seconds, 1 to 60.
pub(super) fn whole_seconds(window: Duration) -> Duration {
    Duration::from_secs(window.clamp(Duration::from_secs(1), LONGEST).as_secs())
}

impl Leases {
    /// Whether the window of a lease is open.
    pub(super) fn is_open(&self, lease: &Lease) -> bool {
        self.lock().get(lease).is_some_and(|&until| Instant::now() < until)
    }

    /// Notes that the event of a lease is durable, whose window ends at `until`.
    pub(super) fn note(&self, lease: Lease, until: Instant) {
        let mut leases = self.lock();
        if leases.len() >= REMEMBERED {
            let now = Instant::now();
            leases.retain(|_, &mut until| now < until);
            if leases.len() >= REMEMBERED {
                leases.clear();
            }
        }
        leases.insert(lease, until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lease, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(principal: &str, kek: u8) -> Lease {
        Lease {
            principal: principal.to_owned(),
            tenant: Tenant::new("alice").expect("a name"),
            collection: Collection::new("inbox").expect("a name"),
            kek_id: KekId::from_bytes([kek; 16]),
        }
    }

    #[test]
    fn a_lease_is_for_one_principal_and_key_and_ends() {
        let leases = Leases::default();
        assert!(!leases.is_open(&lease("ann", 1)));
        leases.note(lease("ann", 1), Instant::now() + LONGEST);
        assert!(leases.is_open(&lease("ann", 1)));
        assert!(!leases.is_open(&lease("bob", 1)));
        assert!(!leases.is_open(&lease("ann", 2)));
        leases.note(lease("ann", 1), Instant::now());
        assert!(!leases.is_open(&lease("ann", 1)));
    }

    #[test]
    fn a_window_is_a_whole_number_of_seconds_up_to_sixty() {
        let seconds = |millis| whole_seconds(Duration::from_millis(millis)).as_secs();
        assert_eq!([0, 999, 1_999, 60_000, 3_600_000].map(seconds), [1, 1, 1, 60, 60]);
    }
}
