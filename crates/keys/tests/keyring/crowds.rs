//! Many tasks at once.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};

use crate::counting::{Counted, owner};

/// As long as a call to a KMS, so that whoever does not wait its turn is seen.
const CALL: Duration = Duration::from_millis(20);

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn workers(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

#[test]
fn a_cold_key_costs_one_load_and_one_unwrapping_for_a_thousand_readers() {
    for runtime in [current_thread(), workers(1), workers(4)] {
        let counted = Counted::new(CALL);
        let alice = owner("alice");
        let kek_id = counted.store.rotate(&alice);
        let counted = Arc::new(counted);
        runtime.block_on(async {
            let readers = (0..1_000).map(|_| {
                let (counted, alice) = (counted.clone(), alice.clone());
                tokio::spawn(async move { counted.open(&alice, kek_id).await.unwrap().id() })
            });
            for read in join_all(readers).await {
                assert_eq!(read.unwrap(), kek_id);
            }
        });
        assert_eq!(counted.counts(), (1, 0, 1));
        assert_eq!(counted.keyring.usage().fetches, 0, "nothing is left under way");
    }
}

#[test]
fn readers_that_give_up_neither_stop_nor_repeat_what_others_wait_for() {
    for runtime in [current_thread(), workers(4)] {
        let counted = Arc::new(Counted::new(CALL));
        let alice = owner("alice");
        let kek_id = counted.store.rotate(&alice);
        runtime.block_on(async {
            let reader = |_| {
                let (counted, alice) = (counted.clone(), alice.clone());
                tokio::spawn(async move { counted.open(&alice, kek_id).await.unwrap().id() })
            };
            // The first to come, who begins the flight, is among those that go.
            let going: Vec<_> = (0..1_000).map(reader).collect();
            let staying: Vec<_> = (0..1_000).map(reader).collect();
            tokio::task::yield_now().await;
            for reader in &going {
                reader.abort();
            }
            for read in join_all(staying).await {
                assert_eq!(read.unwrap(), kek_id);
            }
        });
        assert_eq!(counted.counts(), (1, 0, 1));
        assert_eq!(counted.keyring.usage().fetches, 0);
    }
}

#[test]
fn a_thousand_first_writers_make_one_key() {
    for runtime in [current_thread(), workers(4)] {
        let counted = Arc::new(Counted::new(CALL));
        runtime.block_on(async {
            let writers = (0..1_000).map(|_| {
                let counted = counted.clone();
                tokio::spawn(async move { counted.keyring.sealing_kek(&owner("alice")).await.unwrap().id() })
            });
            let ids: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
            assert!(ids.iter().all(|id| *id == ids[0]));
        });
        assert_eq!(counted.counts(), (1, 1, 0));
    }
}

/// 10,000 tasks over 100 owners, every third opening what is sealed by the others.
#[test]
fn more_tasks_than_threads_all_finish() {
    for runtime in [current_thread(), workers(1), workers(8)] {
        let counted = Arc::new(Counted::new(CALL));
        let owners: Vec<_> = (0..100).map(|i| owner(&format!("tenant-{i}"))).collect();
        let ids: Vec<_> = owners[..50].iter().map(|owner| counted.store.rotate(owner)).collect();
        let finished = runtime.block_on(async {
            let operations = (0..10_000).map(|i| {
                let (counted, owner, id) =
                    (counted.clone(), owners[i % 100].clone(), ids.get(i % 100).copied());
                tokio::spawn(async move {
                    match id {
                        Some(id) if i % 3 == 0 => counted.open(&owner, id).await.unwrap().id(),
                        _ => counted.keyring.sealing_kek(&owner).await.unwrap().id(),
                    }
                })
            });
            join_all(operations).await.into_iter().filter(Result::is_ok).count()
        });
        assert_eq!(finished, 10_000);
        assert_eq!(counted.counts(), (100, 50, 50));
        assert_eq!(counted.keyring.usage().fetches, 0);
    }
}
