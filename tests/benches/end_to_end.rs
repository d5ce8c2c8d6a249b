//! The store against the SDK alone, on one DynamoDB Local and one table: `cargo bench -p blue-tests --bench end_to_end`.
//!
//! The SDK puts and gets items of the same bytes, without conditions and without a log. Both sides take turns, some
//! operations or some seconds at a time, so that what else happens on the machine happens to both. What is said is the median
//! of the rounds' ratios, ours to theirs. What the store buffers is written within its own time: where single operations are
//! timed, beside them, and where many are counted, up to the last event. One JSON object a line.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark: counts are far below 2⁵²")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use blue_encrypted_store::{AuditConfig, ChainPolicy, Collection, EncryptedStore, ReadPolicy, WritePolicy};
use blue_tests::{Item, Note, Sandbox, s};
use blue_turns::{median, say};
use futures::future::join_all;

/// How many tasks go on at once where throughput is measured.
const TASKS: usize = 64;
/// How long each side goes on in a round of those.
const SLICE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 7;
/// How many operations each side does in a round of single ones: longer than events are buffered.
const BLOCK: usize = 400;
const BLOCKS: usize = 10;
/// How many records are read, in turn.
const RECORDS: usize = 1_000;

#[tokio::main]
async fn main() {
    let sandbox = Sandbox::new("end-to-end-bench").await;
    let text = "x".repeat(1 << 10);
    let buffered =
        AuditConfig { writes: WritePolicy::Buffered, reads: ReadPolicy::Buffered, ..AuditConfig::default() };
    let per_writer = AuditConfig { chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
    let buffered = Side::new(sandbox.builder().audit(buffered).init().await.unwrap(), "buffered", &text);
    for number in 0..RECORDS {
        buffered.put(&id(number)).await;
    }
    let raw = Raw::new(&sandbox).await;

    single("put, audit buffered, p50 at 1 task", &buffered, Kind::Put, &raw).await;
    single("get, audit buffered, p50 at 1 task", &buffered, Kind::Get, &raw).await;
    at_once("put, audit buffered, 64 tasks", &buffered, Kind::Put, &raw).await;
    at_once("get, audit buffered, 64 tasks", &buffered, Kind::Get, &raw).await;
    // A new record is a transaction of one item, so that a lost answer can be told. What of a put's cost is that one's:
    let raw_transactions = Raw::of_transactions(&raw);
    single("put, audit buffered, p50 at 1 task, transactions", &buffered, Kind::Put, &raw_transactions).await;
    at_once("put, audit buffered, 64 tasks, transactions", &buffered, Kind::Put, &raw_transactions).await;
    let default = Side::new(sandbox.builder().open().await.unwrap(), "default", &text);
    single("put, audit strict, p50 at 1 task", &default, Kind::Put, &raw).await;
    single("get, audit strict, p50 at 1 task", &default, Kind::Get, &raw).await;
    let per_writer = sandbox.builder().audit(per_writer).open().await.unwrap();
    let per_writer = Side::new(per_writer, "per-writer", &text);
    at_once("put, audit strict, 64 tasks, per-writer chain", &per_writer, Kind::Put, &raw).await;
    at_once("get, audit strict, 64 tasks, per-writer chain", &per_writer, Kind::Get, &raw).await;
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Get,
}

/// The store.
struct Side {
    store: EncryptedStore,
    inbox: Collection,
    /// What the ids of its new records begin with.
    mark: &'static str,
    text: String,
    next: AtomicUsize,
}

impl Side {
    fn new(store: EncryptedStore, mark: &'static str, text: &str) -> Arc<Self> {
        let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
        Arc::new(Self { store, inbox, mark, text: text.to_owned(), next: AtomicUsize::new(0) })
    }

    async fn operate(&self, kind: Kind) {
        match kind {
            Kind::Put => {
                let number = self.next.fetch_add(1, Relaxed);
                self.put(&format!("{}-{}", self.mark, id(number))).await;
            }
            Kind::Get => {
                let number = self.next.fetch_add(1, Relaxed) % RECORDS;
                let note: Note = self.inbox.get(id(number)).await.unwrap().unwrap();
                assert_eq!(note.text.len(), self.text.len());
            }
        }
    }

    async fn put(&self, id: &str) {
        self.inbox.put(&Note::new(id, &self.text)).await.unwrap();
    }
}

/// The SDK alone.
struct Raw {
    client: aws_sdk_dynamodb::Client,
    table: String,
    item: Item,
    next: AtomicUsize,
    /// Whether it puts by transactions of one item, into a partition of their own.
    in_transactions: bool,
}

impl Raw {
    async fn new(sandbox: &Sandbox) -> Arc<Self> {
        let item = sandbox.item("R#alice#inbox", &format!("note#{}", id(0))).await.unwrap();
        let (client, table) = (sandbox.client.clone(), sandbox.table.clone());
        Arc::new(Self { client, table, item, next: AtomicUsize::new(0), in_transactions: false })
    }

    fn of_transactions(raw: &Self) -> Arc<Self> {
        let Self { client, table, item, .. } = raw;
        let (client, table, item) = (client.clone(), table.clone(), item.clone());
        Arc::new(Self { client, table, item, next: AtomicUsize::new(0), in_transactions: true })
    }

    fn name(&self) -> &'static str {
        if self.in_transactions { "the SDK alone, an item a transaction" } else { "the SDK alone" }
    }

    async fn operate(&self, kind: Kind) {
        let number = self.next.fetch_add(1, Relaxed);
        match kind {
            Kind::Put => {
                let mut item = self.item.clone();
                let pk = if self.in_transactions { "R#raw#transactions" } else { "R#raw#inbox" };
                item.insert("pk".to_owned(), s(pk));
                item.insert("sk".to_owned(), s(format!("note#{}", id(number))));
                if self.in_transactions {
                    let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().unwrap();
                    let part = TransactWriteItem::builder().put(put).build();
                    self.client.transact_write_items().transact_items(part).send().await.unwrap();
                } else {
                    let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
                    put.send().await.unwrap();
                }
            }
            Kind::Get => {
                let get = self.client.get_item().table_name(&self.table).consistent_read(true);
                let sk = format!("note#{}", id(number % RECORDS));
                let got = get.key("pk", s("R#alice#inbox")).key("sk", s(sk)).send().await.unwrap();
                assert_eq!(got.item.unwrap().len(), self.item.len());
            }
        }
    }
}

fn id(number: usize) -> String {
    format!("{number:08}")
}

/// One operation after the other.
async fn single(what: &str, ours: &Side, kind: Kind, raw: &Raw) {
    let our_turn = async || {
        let time = each(|| ours.operate(kind)).await;
        // What is left of it is not to be written in their time.
        ours.store.flush().await.unwrap();
        time
    };
    let their_turn = async || each(|| raw.operate(kind)).await;
    say(what, raw.name(), "µs", &in_turns(BLOCKS, our_turn, their_turn).await);
}

/// The median of a block's operations, in microseconds.
async fn each<F: Future<Output = ()>>(operate: impl Fn() -> F) -> f64 {
    let mut times = Vec::with_capacity(BLOCK);
    for _ in 0..BLOCK {
        let begun = Instant::now();
        operate().await;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}

/// Many at once.
async fn at_once(what: &str, ours: &Arc<Side>, kind: Kind, raw: &Arc<Raw>) {
    let our_turn = async || {
        let begun = Instant::now();
        let done = many(ours, move |ours| async move { ours.operate(kind).await }).await;
        ours.store.flush().await.unwrap();
        done as f64 / begun.elapsed().as_secs_f64()
    };
    let their_turn = async || {
        let begun = Instant::now();
        let done = many(raw, move |raw| async move { raw.operate(kind).await }).await;
        done as f64 / begun.elapsed().as_secs_f64()
    };
    say(what, raw.name(), "operations/s", &in_turns(ROUNDS, our_turn, their_turn).await);
}

/// So many rounds, after one that warms both up. Who begins changes with each.
async fn in_turns(
    rounds: usize,
    ours: impl AsyncFn() -> f64,
    theirs: impl AsyncFn() -> f64,
) -> Vec<(f64, f64)> {
    let mut measured = Vec::new();
    for round in 0..=rounds {
        let both = if round % 2 == 0 {
            let ours = ours().await;
            (ours, theirs().await)
        } else {
            let theirs = theirs().await;
            (ours().await, theirs)
        };
        if round > 0 {
            measured.push(both);
        }
    }
    measured
}

/// How many operations so many tasks do in a slice.
async fn many<T, F>(side: &Arc<T>, operate: impl Fn(Arc<T>) -> F + Copy + Send + 'static) -> usize
where
    T: Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let until = Instant::now() + SLICE;
    let tasks = (0..TASKS).map(|_| {
        let side = Arc::clone(side);
        tokio::spawn(async move {
            let mut done = 0;
            while Instant::now() < until {
                operate(Arc::clone(&side)).await;
                done += 1;
            }
            done
        })
    });
    join_all(tasks).await.into_iter().map(|done: Result<usize, _>| done.unwrap()).sum()
}
