//! How many requests are under way at once, whatever is asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::{
    Deadlines,
    table::{MAX_REQUESTS_AT_ONCE, Put, StoreError},
};
use blue_tests::{Fate, Proxy};
use futures::future::join_all;
use tokio::sync::Barrier;

use super::{Setting, deadline, path, record};

/// As many as may be, twice, and each waits until that many are under way: not one fewer would do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_requests_are_under_way_as_may_be_and_no_more() {
    let setting = Setting::new("turns").await;
    let (under_way, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let full = Arc::new(Barrier::new(MAX_REQUESTS_AT_ONCE));
    let (counted, peak) = (under_way.clone(), most.clone());
    let proxy = Proxy::start(move |_| {
        let (under_way, most, full) = (counted.clone(), peak.clone(), full.clone());
        async move {
            most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            full.wait().await;
            // Those that ought not to come have time to.
            tokio::time::sleep(Duration::from_millis(100)).await;
            under_way.fetch_sub(1, SeqCst);
            Fate::Forward
        }
    })
    .await;
    let (store, path) = (setting.through(&proxy), path("1"));
    let all = join_all((0..2 * MAX_REQUESTS_AT_ONCE).map(|_| store.get(&path, deadline()))).await;
    assert!(all.iter().all(|read| matches!(read, Ok(None))));
    assert_eq!(most.load(SeqCst), MAX_REQUESTS_AT_ONCE);
}

/// What never had its turn was not done, and says so; what had it says that nobody answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_has_no_turn_before_its_deadline_was_not_done() {
    let setting = Setting::new("no-turn").await;
    let proxy = Proxy::start(|_| async { Fate::Silence }).await;
    let store = setting.through(&proxy);
    let soon = Deadlines { attempt: Duration::from_secs(3), operation: Duration::from_secs(3) }.start();
    let writes =
        (0..2 * MAX_REQUESTS_AT_ONCE).map(|i| store.put(record(&i.to_string(), 1, 200), Put::Create, soon));
    let (mut unknown, mut not_done) = (0, 0);
    for ended in join_all(writes).await {
        match ended.unwrap_err() {
            StoreError::OutcomeUnknown { .. } => unknown += 1,
            StoreError::Unavailable { source, .. } => {
                assert!(source.to_string().contains("as many other requests"), "{source}");
                not_done += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((unknown, not_done), (MAX_REQUESTS_AT_ONCE, MAX_REQUESTS_AT_ONCE));
    assert!(proxy.seen("PutItem") <= u32::try_from(MAX_REQUESTS_AT_ONCE).unwrap());
}
