//! Single flight: of many who ask for the same thing at once, one task fetches it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::sync::oneshot;

/// The fetch gave no value: it took too long or panicked, or the runtime is shutting down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupted;

/// Runs at most one fetch for each key at a time, in a task of its own, and gives its result to all who ask while
/// it is under way. Who stops waiting does not stop it: with a slow service, callers that give up one after the
/// other would otherwise each begin anew. The fetch itself is stopped after `limit`.
pub(crate) struct Flights<K, V> {
    limit: Duration,
    under_way: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

type Flight<V> = Shared<BoxFuture<'static, Result<V, Interrupted>>>;

impl<K, V> Flights<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, under_way: Arc::default() }
    }

    /// The result of the fetch that is under way for `key`, or of `fetch`.
    pub(crate) async fn join<F>(&self, key: K, fetch: impl FnOnce() -> F) -> Result<V, Interrupted>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let (flight, start) = {
            let mut under_way = lock(&self.under_way);
            match under_way.get(&key) {
                Some(flight) => (flight.clone(), None),
                None => {
                    let (landed, landing) = oneshot::channel();
                    let flight = landing.map(|value| value.unwrap_or(Err(Interrupted))).boxed().shared();
                    under_way.insert(key.clone(), flight.clone());
                    (flight, Some(landed))
                }
            }
        };
        // Without the lock: a runtime that is shutting down drops the task at once, and the task takes the lock.
        if let Some(landed) = start {
            let landing = Landing { under_way: self.under_way.clone(), key };
            let fetch = tokio::time::timeout(self.limit, fetch());
            tokio::spawn(async move {
                let value = fetch.await.map_err(|_| Interrupted);
                drop(landing);
                // Whether anybody still waits is not the fetch's concern.
                let _ = landed.send(value);
            });
        }
        flight.await
    }

    /// Begins a fetch that nobody waits for, unless one is under way for `key`.
    pub(crate) fn start<F>(&self, key: K, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = V> + Send + 'static,
    {
        // Polled once, a join has begun its flight, and that goes on without it.
        let _ = self.join(key, fetch).now_or_never();
    }

    /// The result of the fetch that is under way for `key`, if one is.
    pub(crate) async fn landing(&self, key: &K) -> Option<Result<V, Interrupted>> {
        let flight = lock(&self.under_way).get(key).cloned()?;
        Some(flight.await)
    }

    /// How many fetches are under way.
    pub(crate) fn under_way(&self) -> usize {
        lock(&self.under_way).len()
    }
}

/// Takes a flight off the list when it ends, also by a panic.
struct Landing<K: Hash + Eq, F> {
    under_way: Arc<Mutex<HashMap<K, F>>>,
    key: K,
}

impl<K: Hash + Eq, F> Drop for Landing<K, F> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock, and every state of the map is sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_fetch() {
        let flights = Arc::new(Flights::new(LIMIT));
        let fetched = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (flights, fetched) = (flights.clone(), fetched.clone());
                tokio::spawn(async move {
                    let fetch = || async move {
                        sleep(Duration::from_millis(50)).await;
                        fetched.fetch_add(1, Ordering::SeqCst)
                    };
                    flights.join("key", fetch).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 0);
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn who_gives_up_does_not_stop_the_fetch() {
        let flights = Flights::new(LIMIT);
        let fetched = Arc::new(AtomicU32::new(0));
        let fetch = |delay| {
            let fetched = fetched.clone();
            move || async move {
                sleep(Duration::from_millis(delay)).await;
                fetched.fetch_add(1, Ordering::SeqCst);
            }
        };
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(1), flights.join("key", fetch(200))).await.is_err());
        }
        flights.join("key", fetch(0)).await.unwrap();
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_fetch_that_hangs_is_stopped_and_the_next_begins_anew() {
        let flights = Flights::new(Duration::from_millis(20));
        assert!(flights.join("key", std::future::pending::<u8>).await.is_err());
        assert_eq!(flights.join("key", || async { 7 }).await.unwrap(), 7);
    }

    #[test]
    fn a_runtime_that_ends_does_not_hang_those_who_wait() {
        let flights = Arc::new(Flights::<_, u8>::new(LIMIT));
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ending, waiting) = (runtime(), runtime());
        ending.block_on(async {
            let flight = flights.join("key", std::future::pending);
            assert!(timeout(Duration::from_millis(1), flight).await.is_err());
        });
        let waiter = waiting.spawn({
            let flights = flights.clone();
            async move { flights.join("key", || async { 7 }).await.is_err() }
        });
        waiting.block_on(async { sleep(Duration::from_millis(10)).await });
        drop(ending);
        assert!(waiting.block_on(waiter).unwrap(), "the fetch went with its runtime");
        assert_eq!(waiting.block_on(flights.join("key", || async { 7 })).unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_flight_only() {
        let flights = Flights::new(LIMIT);
        assert!(flights.join("key", || async { panic!("as it should") }).await.is_err());
        assert_eq!(flights.join("key", || async { 7 }).await.unwrap(), 7);
    }
}
