//! The database killed and started again on its tables, under the load of a store that is not opened again.
//!
//! The store reaches it through a proxy, which makes the database keep its word as the service does ([`Fate::Settled`]),
//! and which goes and comes back with it, so that connections are refused in between.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blue_encrypted_store::{Builder, Deadlines, EncryptedStore, KeyProvider};
use blue_testkit::Durable;
use blue_tests::{Event, Fate, Findings, Item, Ledger, Load, MasterKey, Proxy, scan};
use tokio::{sync::watch, time};

use crate::{
    gate::{PATIENCE, all_arrived, was_killed},
    plan::{Life, Tally},
};

const TABLE: &str = "faults-database";
/// How much is acknowledged after a restart before the next kill may come: all tasks are at work again then.
const AGAIN: u64 = 30;

pub(crate) async fn live(life: &mut Life, tally: &mut Tally) {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Durable::start(directory.path()).await.unwrap();
    let mut proxy = proxy("127.0.0.1:0", server.endpoint()).await;
    let at = proxy.endpoint().trim_start_matches("http://").to_owned();
    let key = MasterKey::new(directory.path().join("keys/umk.key")).await;
    let builder = |client| -> Builder {
        EncryptedStore::builder()
            .table(TABLE)
            .client(client)
            .keys(key.source())
            .deadlines(Deadlines::default())
    };
    let store = builder(proxy.client(&server.client())).init().await.unwrap();

    let running = Running::start(store, life.rng.u64(..), Deadlines::default());
    let mut before = Vec::new();
    for _ in 0..life.kills {
        running.acknowledge(life.rng.u64(0..100)).await;
        time::sleep(Duration::from_micros(life.rng.u64(0..4_000))).await;
        let ended = server.kill();
        assert!(ended.is_some_and(was_killed), "the database had ended by itself: {ended:?}");
        running.kills.fetch_add(1, SeqCst);
        proxy.refuse();
        before.push(proxy);
        time::sleep(Duration::from_millis(life.rng.u64(0..500))).await;
        server.restart().await.unwrap();
        proxy = self::proxy(&at, server.endpoint()).await;
        running.acknowledge(AGAIN).await;
    }
    let mut ledger = running.stop().await;
    for proxy in before.into_iter().chain([proxy]) {
        all_arrived(&proxy).await;
    }

    let items = scan(&server.client(), TABLE).await;
    let fresh = builder(server.client()).open().await.unwrap();
    let findings = check(&mut ledger, &fresh, &items, &*key.provider()).await;
    assert!(findings.is_empty(), "{findings}");
    tally.checked(ledger.acknowledged());
    (0..life.kills).for_each(|_| tally.survived());
}

/// [`Ledger::check`], which must end.
pub(crate) async fn check(
    ledger: &mut Ledger,
    store: &EncryptedStore,
    items: &[Item],
    keys: &dyn KeyProvider,
) -> Findings {
    time::timeout(PATIENCE, ledger.check(store, items, keys)).await.expect("what is there can be read")
}

async fn proxy(listen_at: &str, upstream: &str) -> Proxy {
    let judge = |request: blue_tests::Request| async move {
        if request.operation == "TransactWriteItems" { Fate::Settled } else { Fate::Forward }
    };
    let until = Instant::now() + PATIENCE;
    loop {
        match Proxy::between(listen_at, upstream, judge).await {
            Ok(proxy) => return proxy,
            // Any program may have been given the port meanwhile.
            Err(_) if Instant::now() < until => time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{listen_at}: {error}"),
        }
    }
}

/// A load in this process.
pub(crate) struct Running {
    /// See [`Load::kills`].
    pub(crate) kills: Arc<AtomicU64>,
    ledger: Arc<Mutex<Ledger>>,
    acknowledged: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
    load: tokio::task::JoinHandle<()>,
    /// Of one operation.
    patience: Duration,
}

impl Running {
    /// On a store that has these deadlines.
    pub(crate) fn start(store: EncryptedStore, seed: u64, deadlines: Deadlines) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (count, acknowledged) = watch::channel(0);
        let noted = ledger.clone();
        let journal = Arc::new(move |event: Event| {
            let done = matches!(event, Event::Done(..));
            noted.lock().unwrap().note(event);
            count.send_modify(|count| *count += u64::from(done));
        });
        let (stop, stopped) = watch::channel(false);
        let (patience, kills) = (Load::patience(deadlines), Arc::<AtomicU64>::default());
        let load = Load { store, journal, seed, patience, kills: kills.clone() };
        let load = tokio::spawn(load.run(stopped));
        Self { kills, ledger, acknowledged, stop, load, patience }
    }

    /// Waits for so many more acknowledgements, for each as long as one operation may take to fail and the next to
    /// succeed.
    pub(crate) async fn acknowledge(&self, more: u64) {
        let mut acknowledged = self.acknowledged.clone();
        let goal = *acknowledged.borrow_and_update() + more;
        let mut reached = goal - more;
        while reached < goal {
            let next = acknowledged.wait_for(|&count| count > reached);
            match time::timeout(self.patience * 2, next).await {
                Ok(next) => reached = *next.expect("the load goes on until it is stopped"),
                Err(_) => {
                    panic!("{reached} acknowledgements, and no more: {:#?}", self.ledger.lock().unwrap())
                }
            }
        }
    }

    /// How many operations ended with an error that says that nothing was written.
    pub(crate) fn not_done(&self) -> u64 {
        self.ledger.lock().unwrap().not_done()
    }

    /// Lets every operation end, and gives back what they came to.
    pub(crate) async fn stop(self) -> Ledger {
        self.stop.send_replace(true);
        // A step is four operations at most, each of which ends within its own patience.
        time::timeout(self.patience * 5, self.load).await.expect("nothing hangs").unwrap();
        std::mem::take(&mut self.ledger.lock().unwrap())
    }
}
