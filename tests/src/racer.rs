//! Honest work of one process: tasks that write, read, update, delete and list, in records of their own and in some
//! that everybody writes, until they are told to stop or the process is killed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::{
    AuditConfig, ChainPolicy, Collection, Deadlines, Delete, EncryptedStore, Put, ReadError, ReadPolicy,
    WriteError, WritePolicy, table::StoreError,
};
use fastrand::Rng;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time};

use crate::{KeyPlace, MasterKey, Note, load};

/// Longer than throttling and a busy machine take together.
const DEADLINES: Deadlines =
    Deadlines { attempt: Duration::from_secs(15), operation: Duration::from_secs(120) };

/// Who has records. A new name has its key made at some moment of the work.
const TENANTS: u8 = 16;
/// How many records all write.
const SHARED: u8 = 6;
/// The longest pause between two operations of a task.
const PAUSE: u64 = 60;

/// What a process does, given to it as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Racer {
    /// Where.
    pub table: String,
    /// The master key.
    pub key: KeyPlace,
    /// Which of the processes it is: those with one number write the same records, one after the other.
    pub number: u8,
    /// How many tasks.
    pub tasks: u8,
    /// What they do.
    pub seed: u64,
    /// Whether it writes to a chain of its own.
    pub own_chain: bool,
    /// Whether the events of writes follow later.
    pub buffered_writes: bool,
    /// When the events of reads are durable.
    pub reads: Reads,
}

/// When the events of reads are durable.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Reads {
    /// Before the content is released.
    Strict,
    /// Later, after a lease of some seconds.
    Leased,
    /// Later.
    Buffered,
}

/// What it tells, one a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Said {
    /// The store is open.
    Opened,
    /// So many operations were acknowledged since it last said so.
    Done(u64),
    /// An operation failed, and may: it says why.
    Failed(String),
    /// Something that must not be, though everybody is honest.
    Wrong(String),
    /// It was told to stop, and everything that it recorded is durable.
    Ended,
}

/// Where [`Said`] goes.
pub type Say = Arc<dyn Fn(Said) + Send + Sync>;

impl Racer {
    /// Works until `stop` is true, and then until everything that was recorded is durable.
    pub async fn race(self, stop: Arc<AtomicBool>, say: Say) {
        let opened = async {
            let key = MasterKey::at(self.key.clone()).await.provider();
            let builder = EncryptedStore::builder().table(&self.table).keys(key).deadlines(DEADLINES);
            let principal = format!("racer-{}", self.number);
            let store = builder.audit(self.audit()).principal(principal).open().await;
            store.map_err(|error| load::chain(&error))
        };
        let store = match opened.await {
            Ok(store) => store,
            Err(error) => return say(Said::Wrong(format!("the store was not opened: {error}"))),
        };
        say(Said::Opened);
        let mut rng = Rng::with_seed(self.seed);
        let mut tasks = JoinSet::new();
        for task in 0..self.tasks {
            let (store, name) = (store.clone(), format!("{}-{task}", self.number));
            tasks.spawn(work(store, name, rng.fork(), stop.clone(), say.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                say(Said::Wrong(error.to_string()));
            }
        }
        match store.flush().await {
            Ok(()) => say(Said::Ended),
            Err(error) => say(Said::Wrong(format!("flushing: {}", load::chain(&error)))),
        }
    }

    fn audit(&self) -> AuditConfig {
        let reads = match self.reads {
            Reads::Strict => ReadPolicy::Strict,
            Reads::Leased => ReadPolicy::Lease { window: Duration::from_secs(2) },
            Reads::Buffered => ReadPolicy::Buffered,
        };
        let writes = if self.buffered_writes { WritePolicy::Buffered } else { WritePolicy::Strict };
        let chain = if self.own_chain { ChainPolicy::PerWriter } else { ChainPolicy::Shared };
        AuditConfig { writes, reads, chain, ..AuditConfig::default() }
    }
}

async fn work(store: EncryptedStore, name: String, mut rng: Rng, stop: Arc<AtomicBool>, say: Say) {
    let mut done = 0;
    while !stop.load(SeqCst) {
        let tenant = store.tenant(format!("t{:02}", rng.u8(0..TENANTS))).expect("a valid name");
        let inbox = tenant.collection("inbox").expect("a valid name");
        match step(&inbox, &name, &mut rng).await {
            Ok(()) => done += 1,
            Err(Failed::Meanwhile(why)) => say(Said::Failed(why)),
            Err(Failed::Wrong(what)) => say(Said::Wrong(format!("{name} in {}: {what}", tenant.name()))),
        }
        if done >= 8 {
            say(Said::Done(std::mem::take(&mut done)));
        }
        time::sleep(Duration::from_millis(rng.u64(0..PAUSE))).await;
    }
    say(Said::Done(done));
}

async fn step(inbox: &Collection, name: &str, rng: &mut Rng) -> Result<(), Failed> {
    let own = format!("{name}-{}", rng.u8(0..2));
    let shared = format!("shared-{}", rng.u8(0..SHARED));
    let note = |id: &str, rng: &mut Rng| Note::new(id, &format!("{name} {}", rng.u64(..)));
    match rng.u8(0..100) {
        0..25 => inbox.put(&note(&own, rng)).await.map(drop)?,
        25..45 => inbox.put(&note(&shared, rng)).await.map(drop)?,
        45..50 => inbox.put_if(&note(&shared, rng), Put::Create).await.map(drop)?,
        50..60 => inbox.delete::<Note>(&own, Delete::Any).await.map(drop)?,
        60..67 => inbox.delete::<Note>(&shared, Delete::Any).await.map(drop)?,
        67..80 => {
            inbox.update(&shared, |note: &mut Note| note.text.push('+')).await.map(drop)?;
        }
        80..97 => {
            inbox.get::<Note>(if rng.bool() { &own } else { &shared }).await.map(drop)?;
        }
        _ => inbox.list::<Note>().try_collect::<Vec<_>>().await.map(drop)?,
    }
    Ok(())
}

/// Why an operation was not done.
enum Failed {
    /// Others were first, or the service was busy.
    Meanwhile(String),
    Wrong(String),
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        use WriteError::{Audit, Busy, Conflict, Key, NotFound, OutcomeUnknown, Store};
        let text = load::chain(&error);
        match &error {
            Conflict { .. } | NotFound { .. } | OutcomeUnknown { .. } | Busy { .. } | Key(_) => {
                Self::Meanwhile(text)
            }
            Store(StoreError::Unavailable { .. }) => Self::Meanwhile(text),
            Audit(error) if load::is_late(error) => Self::Meanwhile(text),
            _ => Self::Wrong(text),
        }
    }
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        let text = load::chain(&error);
        match &error {
            ReadError::Store(StoreError::Unavailable { .. }) | ReadError::Key(_) => Self::Meanwhile(text),
            ReadError::Audit(error) if load::is_late(error) => Self::Meanwhile(text),
            _ => Self::Wrong(text),
        }
    }
}
