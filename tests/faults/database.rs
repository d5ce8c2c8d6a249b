//! The database killed and started again on its tables, under the load of a store that is not opened again.
//!
//! The store reaches it through a proxy, which makes the database keep its word as the service does ([`Fate::Settled`]),
//! and which goes and comes back with it, so that connections are refused in between.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use blue_encrypted_store::{Builder, EncryptedStore, LocalFile};
use blue_testkit::Durable;
use blue_tests::{Event, Fate, Ledger, Load, Proxy, scan};
use tokio::{sync::watch, time};

use crate::{
    gate::PATIENCE,
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
    let builder = |client| -> Builder {
        let keys = LocalFile::open_or_create(directory.path().join("keys/umk.key")).unwrap();
        EncryptedStore::builder().table(TABLE).client(client).keys(keys)
    };
    let store = builder(proxy.client(&server.client())).init().await.unwrap();

    let running = Running::start(store, life.rng.u64(..), PATIENCE);
    for _ in 0..life.kills {
        running.acknowledge(life.rng.u64(0..100)).await;
        time::sleep(Duration::from_micros(life.rng.u64(0..4_000))).await;
        server.kill();
        drop(proxy);
        time::sleep(Duration::from_millis(life.rng.u64(0..500))).await;
        server.restart().await.unwrap();
        proxy = self::proxy(&at, server.endpoint()).await;
        running.acknowledge(AGAIN).await;
    }
    let mut ledger = running.stop().await;

    let items = scan(&server.client(), TABLE).await;
    let fresh = builder(server.client()).open().await.unwrap();
    let findings = ledger.check(&fresh, &items).await;
    assert!(findings.is_empty(), "{findings}");
    tally.checked(ledger.acknowledged());
    (0..life.kills).for_each(|_| tally.survived());
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
    ledger: Arc<Mutex<Ledger>>,
    acknowledged: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
    load: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(store: EncryptedStore, seed: u64, patience: Duration) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (count, acknowledged) = watch::channel(0);
        let noted = ledger.clone();
        let journal = Arc::new(move |event: Event| {
            let done = matches!(event, Event::Done(..));
            noted.lock().unwrap().note(event);
            count.send_modify(|count| *count += u64::from(done));
        });
        let (stop, stopped) = watch::channel(false);
        let load = tokio::spawn(Load { store, journal, seed, patience }.run(stopped));
        Self { ledger, acknowledged, stop, load }
    }

    /// Waits for so many more acknowledgements.
    pub(crate) async fn acknowledge(&self, more: u64) {
        let mut acknowledged = self.acknowledged.clone();
        let goal = *acknowledged.borrow() + more;
        let reached = acknowledged.wait_for(|&count| count >= goal);
        match time::timeout(PATIENCE, reached).await {
            Ok(reached) => drop(reached.expect("the load goes on until it is stopped")),
            Err(_) => {
                panic!("no {more} acknowledgements in {PATIENCE:?}: {:#?}", self.ledger.lock().unwrap())
            }
        }
    }

    /// Lets every operation end, and gives back what they came to.
    pub(crate) async fn stop(self) -> Ledger {
        self.stop.send_replace(true);
        // Each operation ends within its own patience, and there is one a task.
        time::timeout(PATIENCE * 3, self.load).await.expect("nothing hangs").unwrap();
        std::mem::take(&mut self.ledger.lock().unwrap())
    }
}
