//! Which checkpoint comes after which.

use blue_address::{Chain, Namespace, Tenant};

use crate::{Checkpoint, Head};

/// Why one checkpoint does not come after another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GoesBack {
    /// It is of another store.
    #[error("the checkpoint is of the namespace {found}, the one before it of {before}")]
    Namespace {
        /// The namespace before.
        before: Namespace,
        /// The namespace of the one that should come after.
        found: Namespace,
    },
    /// It is not later.
    #[error("the checkpoint is not later than the one before it")]
    Time,
    /// A chain is gone.
    #[error("the chain {chain} is gone from the checkpoint")]
    Vanished {
        /// Which chain.
        chain: Chain,
    },
    /// A chain has fewer events.
    #[error("the chain {chain} has {found} events in the checkpoint, and had {before} before")]
    Shorter {
        /// Which chain.
        chain: Chain,
        /// How many events it had.
        before: u64,
        /// How many it has.
        found: u64,
    },
    /// A chain has as many events, and another head.
    #[error("the chain {chain} has as many events as before, and another head")]
    Altered {
        /// Which chain.
        chain: Chain,
    },
    /// A tenant that was shredded no longer is, or was at another time.
    #[error("the tenant {tenant} is not shredded in the checkpoint as before")]
    Shredded {
        /// Which tenant.
        tenant: Tenant,
    },
}

impl Checkpoint {
    /// Checks that this checkpoint can come after `before`: it is of the same store and later; no chain is gone, is
    /// shorter, or has another head at the same length; and whoever was shredded still is. (Whether a longer chain has
    /// the events of the shorter one, only the events tell.)
    ///
    /// The table's id may differ: a restored table has another. If the backup is older than `before`, its chains are
    /// shorter all the same.
    ///
    /// # Errors
    /// [`GoesBack`]: the first of these that does not hold.
    pub fn comes_after(&self, before: &Self) -> Result<(), GoesBack> {
        if self.namespace != before.namespace {
            let (before, found) = (before.namespace.clone(), self.namespace.clone());
            return Err(GoesBack::Namespace { before, found });
        }
        if self.time <= before.time {
            return Err(GoesBack::Time);
        }
        for (chain, &Head { next, hash }) in &before.chains {
            let chain = || chain.clone();
            match self.chains.get(&chain()) {
                None => return Err(GoesBack::Vanished { chain: chain() }),
                Some(found) if found.next < next => {
                    return Err(GoesBack::Shorter { chain: chain(), before: next, found: found.next });
                }
                Some(found) if found.next == next && found.hash != hash => {
                    return Err(GoesBack::Altered { chain: chain() });
                }
                Some(_) => {}
            }
        }
        match before.shredded.iter().find(|&(tenant, time)| self.shredded.get(tenant) != Some(time)) {
            Some((tenant, _)) => Err(GoesBack::Shredded { tenant: tenant.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::{Duration, OffsetDateTime, macros::datetime};

    use super::*;
    use crate::GENESIS;

    const TIME: OffsetDateTime = datetime!(2026-01-02 03:04:05.678901 UTC);

    /// Chains by name, length and a byte that stands for the head; tenants by name and the second of their shredding.
    fn checkpoint(seconds: i64, chains: &[(&str, u64, u8)], shredded: &[(&str, i64)]) -> Checkpoint {
        of("prod", seconds, None, chains, shredded)
    }

    fn of(
        namespace: &str,
        seconds: i64,
        table_id: Option<&str>,
        chains: &[(&str, u64, u8)],
        shredded: &[(&str, i64)],
    ) -> Checkpoint {
        let at = |seconds| TIME + Duration::seconds(seconds);
        let chains = chains
            .iter()
            .map(|&(chain, next, head)| (Chain::new(chain).unwrap(), Head { next, hash: [head; 32] }));
        let shredded = shredded.iter().map(|&(tenant, seconds)| (Tenant::new(tenant).unwrap(), at(seconds)));
        let (chains, shredded): (BTreeMap<_, _>, BTreeMap<_, _>) = (chains.collect(), shredded.collect());
        let namespace = Namespace::new(namespace).unwrap();
        Checkpoint::new(namespace, at(seconds), table_id.map(str::to_owned), chains, shredded).unwrap()
    }

    fn chain(name: &str) -> Chain {
        Chain::new(name).unwrap()
    }

    #[test]
    fn a_later_checkpoint_may_have_more_of_everything_and_need_not() {
        let before = checkpoint(0, &[("a", 3, 1), ("b", 0, 0)], &[("t", -5)]);
        for after in [
            checkpoint(1, &[("a", 3, 1), ("b", 0, 0)], &[("t", -5)]),
            checkpoint(1, &[("a", 4, 2), ("b", 1, 7), ("c", 1, 9)], &[("s", -4), ("t", -5)]),
            of("prod", 1, Some("another"), &[("a", 3, 1), ("b", 0, 0)], &[("t", -5)]),
        ] {
            assert_eq!(after.comes_after(&before), Ok(()));
            assert!(before.comes_after(&after).is_err());
        }
    }

    #[test]
    fn each_way_of_going_back_has_its_name() {
        let before = checkpoint(0, &[("a", 3, 1), ("b", 2, 1)], &[("s", -5), ("t", -5)]);
        let kept: &[(&str, i64)] = &[("s", -5), ("t", -5)];
        for (after, error) in [
            (checkpoint(0, &[("a", 3, 1), ("b", 2, 1)], kept), GoesBack::Time),
            (checkpoint(-1, &[("a", 4, 1), ("b", 2, 1)], kept), GoesBack::Time),
            (checkpoint(1, &[("a", 3, 1)], kept), GoesBack::Vanished { chain: chain("b") }),
            (
                checkpoint(1, &[("a", 9, 9), ("b", 1, 1)], kept),
                GoesBack::Shorter { chain: chain("b"), before: 2, found: 1 },
            ),
            (checkpoint(1, &[("a", 3, 2), ("b", 2, 1)], kept), GoesBack::Altered { chain: chain("a") }),
            (
                checkpoint(1, &[("a", 3, 1), ("b", 2, 1)], &[("s", -5)]),
                GoesBack::Shredded { tenant: Tenant::new("t").unwrap() },
            ),
            (
                checkpoint(1, &[("a", 3, 1), ("b", 2, 1)], &[("s", -4), ("t", -5)]),
                GoesBack::Shredded { tenant: Tenant::new("s").unwrap() },
            ),
        ] {
            assert_eq!(after.comes_after(&before), Err(error));
        }
        let elsewhere = of("test", 1, None, &[("a", 3, 1), ("b", 2, 1)], kept);
        let error = elsewhere.comes_after(&before).unwrap_err();
        assert_eq!(error.to_string(), "the checkpoint is of the namespace test, the one before it of prod");
    }

    #[test]
    fn the_first_thing_that_goes_back_is_named() {
        let before = checkpoint(0, &[("a", 3, 1), ("b", 2, 1)], &[("t", -5)]);
        // Wrong in every way, and mended one by one.
        let namespace = of("test", 0, None, &[("b", 1, 1)], &[]).comes_after(&before);
        assert!(matches!(namespace, Err(GoesBack::Namespace { .. })), "{namespace:?}");
        assert_eq!(checkpoint(0, &[("b", 1, 1)], &[]).comes_after(&before), Err(GoesBack::Time));
        let vanished = Err(GoesBack::Vanished { chain: chain("a") });
        assert_eq!(checkpoint(1, &[("b", 1, 1)], &[]).comes_after(&before), vanished);
        let altered = Err(GoesBack::Altered { chain: chain("a") });
        assert_eq!(checkpoint(1, &[("a", 3, 2), ("b", 1, 1)], &[]).comes_after(&before), altered);
        let shorter = Err(GoesBack::Shorter { chain: chain("b"), before: 2, found: 1 });
        assert_eq!(checkpoint(1, &[("a", 3, 1), ("b", 1, 1)], &[]).comes_after(&before), shorter);
        let shredded = Err(GoesBack::Shredded { tenant: Tenant::new("t").unwrap() });
        assert_eq!(checkpoint(1, &[("a", 3, 1), ("b", 2, 1)], &[]).comes_after(&before), shredded);
    }

    #[test]
    fn a_chain_that_lost_all_its_events_is_shorter() {
        let (before, after) =
            (checkpoint(0, &[("a", 1, 1)], &[]), checkpoint(1, &[("a", 0, GENESIS[0])], &[]));
        let shorter = GoesBack::Shorter { chain: chain("a"), before: 1, found: 0 };
        assert_eq!(after.comes_after(&before), Err(shorter));
    }
}
