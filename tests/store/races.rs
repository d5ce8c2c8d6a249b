//! Many tasks and several processes at once: nothing is lost, nothing is done twice, there is one key.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use blue_encrypted_store::{
    Collection, EncryptedStore, KeyProvider, KeyringConfig, Namespace, Put, ReadError, Record, Tampered,
    TamperedCause, TenantName, WriteError,
    envelope::{Kek, KekId},
    keys::{KeyContext, KeyError, KeyOwner, KeyringError, UmkId, WrappedKek},
    table::StoreError,
};
use blue_tests::{Fate, Item, Note, Proxy, Sandbox, b, n, s};
use futures::{TryStreamExt, future::join_all};
use serde::{Deserialize, Serialize};

const V1: &str = "0000000001";
const V2: &str = "0000000002";
const TOMBSTONE: &str = "0000000000";
const SHREDDED_AT: &str = "2026-11-23T12:00:00.000000Z";

/// A provider that counts what is asked of it, for tenants and for the audit log apart.
struct Counting {
    inner: Arc<dyn KeyProvider>,
    generated: AtomicUsize,
    unwrapped: AtomicUsize,
    audit: AtomicUsize,
}

impl Counting {
    fn new(sandbox: &Sandbox) -> Arc<Self> {
        Arc::new(Self {
            inner: sandbox.provider(),
            generated: AtomicUsize::new(0),
            unwrapped: AtomicUsize::new(0),
            audit: AtomicUsize::new(0),
        })
    }

    /// How many keys of tenants were generated and unwrapped. That of the audit log is kept while the store is open.
    fn counts(&self) -> (usize, usize) {
        assert_eq!(self.audit.load(SeqCst), 1, "the audit key is asked for once");
        (self.generated.load(SeqCst), self.unwrapped.load(SeqCst))
    }

    fn count<'a>(&'a self, tenants: &'a AtomicUsize, context: &KeyContext) {
        let counter = if context.purpose == KeyOwner::Audit.into() { &self.audit } else { tenants };
        counter.fetch_add(1, SeqCst);
    }
}

#[async_trait]
impl KeyProvider for Counting {
    fn umk_id(&self) -> &UmkId {
        self.inner.umk_id()
    }

    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        self.count(&self.generated, context);
        // As long as a call to a KMS, so that whoever does not wait its turn is seen.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.inner.generate_kek(context).await
    }

    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        self.count(&self.unwrapped, context);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.inner.unwrap_kek(wrapped, context).await
    }
}

async fn counted(sandbox: &Sandbox, ttl: Duration) -> (EncryptedStore, Arc<Counting>) {
    let counting = Counting::new(sandbox);
    let keyring = KeyringConfig { ttl, ..KeyringConfig::default() };
    let provider: Arc<dyn KeyProvider> = counting.clone();
    (sandbox.builder().keys(provider).keyring(keyring).open().await.unwrap(), counting)
}

const LONG: Duration = Duration::from_secs(3_600);

fn inbox(store: &EncryptedStore, tenant: &str) -> Collection {
    store.tenant(tenant).unwrap().collection("inbox").unwrap()
}

#[derive(Serialize, Deserialize)]
struct Counter {
    id: String,
    count: u64,
}

impl Record for Counter {
    const KIND: &'static str = "counter";
    fn id(&self) -> &str {
        &self.id
    }
}

/// 64 tasks, spread over the collections, update one record 10 times each.
async fn count_up(collections: Vec<Collection>) {
    let first = collections[0].put(&Counter { id: "1".into(), count: 0 }).await.unwrap();
    let tasks = (0..64).map(|task| {
        let collection = collections[task % collections.len()].clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                collection.update("1", |counter: &mut Counter| counter.count += 1).await.unwrap();
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    let entry = collections[0].get_entry::<Counter>("1").await.unwrap().unwrap();
    assert_eq!(entry.value.count, 640);
    assert_eq!(entry.version, first + 640, "each change was written once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_update_of_64_tasks_is_applied_once() {
    let sandbox = Sandbox::new("updates").await;
    count_up(vec![sandbox.collection("alice", "inbox").await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_update_of_two_processes_is_applied_once() {
    let sandbox = Sandbox::new("updates-2").await;
    let one = sandbox.collection("alice", "inbox").await;
    let other = sandbox.collection("alice", "inbox").await;
    count_up(vec![one, other]).await;
}

/// 256 first writes to a new tenant, spread over so many processes.
async fn first_writes(processes: usize) {
    let sandbox = Sandbox::new("first-writes").await;
    sandbox.store().await;
    let stores = join_all((0..processes).map(|_| counted(&sandbox, LONG))).await;
    let writes = (0..256).map(|task| {
        let inbox = inbox(&stores[task % processes].0, "alice");
        tokio::spawn(async move { inbox.put_if(&Note::new(&task.to_string(), "text"), Put::Create).await })
    });
    for write in join_all(writes).await {
        write.unwrap().unwrap();
    }
    let keys = sandbox.partition("K#alice").await;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["sk"], s(V1));
    let mut generated = 0;
    for (store, counting) in &stores {
        let (own, unwrapped) = counting.counts();
        assert_eq!(own.max(1), 1, "at most one call to generate a key in each process");
        assert_eq!(unwrapped.max(1), 1, "at most one call to unwrap it");
        generated += own;
        assert!(own + unwrapped >= 1, "and it has its key from somewhere");
        let all: Vec<Note> = inbox(store, "alice").list().try_collect().await.unwrap();
        assert_eq!(all.len(), 256, "all read all");
    }
    assert!((1..=processes).contains(&generated), "{generated}");
    let fresh = sandbox.collection("alice", "inbox").await;
    assert_eq!(fresh.list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), 256);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_writes_of_256_tasks_make_one_key_with_one_call() {
    first_writes(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_writes_of_two_processes_make_one_key() {
    first_writes(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_writes_of_four_processes_make_one_key() {
    first_writes(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creates_at_one_address_one_wins() {
    let sandbox = Sandbox::new("creates").await;
    let collections =
        [sandbox.collection("alice", "inbox").await, sandbox.collection("alice", "inbox").await];
    for round in 0..8 {
        let id = round.to_string();
        let creates = (0..24).map(|task| {
            let (inbox, note) = (collections[task % 2].clone(), Note::new(&id, &task.to_string()));
            tokio::spawn(async move { inbox.put_if(&note, Put::Create).await })
        });
        let results: Vec<_> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = (0..24).filter(|&task| results[task].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        let entry = collections[0].get_entry::<Note>(&id).await.unwrap().unwrap();
        assert_eq!(entry.value.text, winners[0].to_string());
        for result in results {
            match result {
                Ok(version) => assert_eq!(version, entry.version),
                Err(WriteError::Conflict { found, .. }) => assert_eq!(found, Some(entry.version)),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_upserts_at_one_address_all_succeed_one_after_the_other() {
    let sandbox = Sandbox::new("upserts").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let upserts = (0..24).map(|task| {
        let (inbox, note) = (inbox.clone(), Note::new("1", &task.to_string()));
        tokio::spawn(async move { inbox.put(&note).await })
    });
    let mut versions: Vec<_> = join_all(upserts).await.into_iter().map(|put| put.unwrap().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (versions[0]..versions[0] + 24).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_first_openings_agree_on_one_store_and_one_key() {
    let mut rounds = 0;
    for _ in 0..4 {
        let sandbox = Sandbox::new("inits").await;
        let builders: Vec<_> = (0..8).map(|_| sandbox.builder()).collect();
        assert!(!sandbox.key_path().exists(), "all of them have yet to make the key");
        let inits = builders.into_iter().map(|builder| tokio::spawn(builder.init()));
        let stores: Vec<_> = join_all(inits).await.into_iter().map(|store| store.unwrap().unwrap()).collect();
        let meta = sandbox.item("META", "store").await.unwrap();
        assert_eq!(meta["umk_id"], s(sandbox.provider().umk_id().as_str()));
        join_all(stores.iter().enumerate().map(|(i, store)| async move {
            inbox(store, "alice").put(&Note::new(&i.to_string(), "text")).await.unwrap();
        }))
        .await;
        for store in &stores {
            assert_eq!(inbox(store, "alice").list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), 8);
        }
        rounds += 1;
    }
    assert_eq!(rounds, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_key_is_unwrapped_once_however_many_wait_for_it() {
    let sandbox = Sandbox::new("cold").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    let (store, counting) = counted(&sandbox, LONG).await;
    let reads = (0..200).map(|_| {
        let inbox = inbox(&store, "alice");
        tokio::spawn(async move { inbox.get::<Note>("1").await.unwrap().unwrap() })
    });
    assert_eq!(join_all(reads).await.len(), 200);
    assert_eq!(counting.counts(), (0, 1));
}

#[tokio::test]
async fn a_key_is_read_and_unwrapped_again_when_its_time_is_over() {
    let sandbox = Sandbox::new("ttl").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    for (ttl, unwraps) in [(Duration::from_millis(50), 3), (LONG, 1)] {
        let (store, counting) = counted(&sandbox, ttl).await;
        for _ in 0..3 {
            inbox(&store, "alice").get::<Note>("1").await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert_eq!(counting.counts(), (0, unwraps), "{ttl:?}");
    }
}

fn tombstone(tenant: &str) -> Item {
    let item = [("pk", s(format!("K#{tenant}"))), ("sk", s(TOMBSTONE)), ("time", s(SHREDDED_AT))];
    item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// As a shred leaves it.
async fn shred(sandbox: &Sandbox, tenant: &str) {
    sandbox.put_item(tombstone(tenant)).await;
    for item in sandbox.partition(&format!("K#{tenant}")).await {
        let sk = item["sk"].as_s().unwrap();
        if sk != TOMBSTONE {
            sandbox.delete_item(&format!("K#{tenant}"), sk).await;
        }
    }
}

fn is_shredded(error: &WriteError) -> bool {
    matches!(error, WriteError::Shredded(shredded)
        if shredded.time == SHREDDED_AT && shredded.owner.contains("alice"))
}

#[tokio::test]
async fn a_shredded_tenant_is_shredded_for_reads_and_writes_within_the_ttl() {
    let sandbox = Sandbox::new("shred").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    let (store, _) = counted(&sandbox, Duration::from_millis(300)).await;
    let inbox = inbox(&store, "alice");
    inbox.get::<Note>("1").await.unwrap().unwrap();
    shred(&sandbox, "alice").await;
    tokio::time::sleep(Duration::from_millis(400)).await;

    let read = inbox.get::<Note>("1").await.unwrap_err();
    assert!(matches!(&read, ReadError::Shredded(shredded) if shredded.time == SHREDDED_AT), "{read:?}");
    let listed = inbox.list::<Note>().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(listed, ReadError::Shredded(_)), "{listed:?}");
    let note = Note::new("2", "text");
    for error in [
        inbox.put(&note).await.unwrap_err(),
        inbox.put_if(&note, Put::Create).await.unwrap_err(),
        inbox.put(&Note::new("1", "text")).await.unwrap_err(),
        inbox.update("1", |note: &mut Note| note.text.clear()).await.unwrap_err(),
    ] {
        assert!(is_shredded(&error), "{error:?}");
    }
    assert_eq!(sandbox.partition("K#alice").await, [tombstone("alice")], "no new key");
    assert_eq!(sandbox.partition("R#alice#inbox").await.len(), 1, "no new record");
}

#[tokio::test]
async fn a_tombstone_that_appears_while_a_key_is_made_wins() {
    let sandbox = Sandbox::new("shred-race").await;
    sandbox.store().await;
    let (client, table) = (sandbox.client.clone(), sandbox.table.clone());
    // Put after the store has looked for keys, and before its own reaches the table.
    let proxy = Proxy::start(move |request| {
        let put = client.put_item().table_name(&table).set_item(Some(tombstone("alice")));
        async move {
            if request.operation == "TransactWriteItems" {
                put.send().await.unwrap();
            }
            Fate::Forward
        }
    })
    .await;
    let store = sandbox.builder().client(proxy.client(&sandbox.client)).open().await.unwrap();
    let writes = (0..32).map(|i| {
        let inbox = inbox(&store, "alice");
        async move { inbox.put(&Note::new(&i.to_string(), "text")).await.unwrap_err() }
    });
    for error in join_all(writes).await {
        assert!(is_shredded(&error), "{error:?}");
    }
    assert!(proxy.seen("TransactWriteItems") >= 1);
    assert_eq!(sandbox.partition("K#alice").await, [tombstone("alice")]);
    assert_eq!(sandbox.partition("R#alice#inbox").await, []);
}

/// What a rotation by another process leaves: the next version.
async fn rotate(sandbox: &Sandbox) -> KekId {
    let provider = sandbox.provider();
    let context = KeyContext {
        namespace: Namespace::new("default").unwrap(),
        purpose: KeyOwner::Tenant(TenantName::new("alice").unwrap()).into(),
        version: 2,
        kek_id: KekId::generate().unwrap(),
    };
    let (kek, wrapped) = provider.generate_kek(&context).await.unwrap();
    let item = [
        ("pk", s("K#alice")),
        ("sk", s(V2)),
        ("kek_id", b(*kek.id().as_bytes())),
        ("provider", s(provider.umk_id().provider())),
        ("umk_id", s(provider.umk_id().as_str())),
        ("wrapped_kek", b(wrapped.as_bytes())),
        ("created", n(1)),
    ];
    sandbox.put_item(item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).await;
    kek.id()
}

/// The id of the key that a stored record names.
async fn kek_of(sandbox: &Sandbox, id: &str) -> [u8; 16] {
    let item = sandbox.item("R#alice#inbox", &format!("note#{id}")).await.unwrap();
    item["_e"].as_b().unwrap().as_ref()[37..53].try_into().unwrap()
}

#[tokio::test]
async fn the_newest_key_seals_and_every_key_opens_at_once() {
    let sandbox = Sandbox::new("rotation").await;
    sandbox.store().await;
    let (old, counting) = counted(&sandbox, LONG).await;
    inbox(&old, "alice").put(&Note::new("1", "under version 1")).await.unwrap();
    let second = rotate(&sandbox).await;
    assert_ne!(kek_of(&sandbox, "1").await, *second.as_bytes());

    let (new, _) = counted(&sandbox, LONG).await;
    inbox(&new, "alice").put(&Note::new("2", "under version 2")).await.unwrap();
    assert_eq!(kek_of(&sandbox, "2").await, *second.as_bytes(), "the newest version seals");
    assert!(inbox(&new, "alice").get::<Note>("1").await.unwrap().is_some(), "the older one opens");

    // The old process holds version 1 alone for another hour, and yet:
    assert!(inbox(&old, "alice").get::<Note>("2").await.unwrap().is_some(), "an unknown key is looked for");
    assert_eq!(inbox(&old, "alice").list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    inbox(&old, "alice").put(&Note::new("1", "written anew")).await.unwrap();
    assert_eq!(kek_of(&sandbox, "1").await, *second.as_bytes(), "what it found, it uses");
    assert_eq!(counting.counts().0, 1);
}

fn regressed(tampered: &Tampered) -> Option<(u32, u32)> {
    match &tampered.source {
        TamperedCause::Key(KeyringError::Regressed { seen, found, .. }) => Some((*seen, *found)),
        _ => None,
    }
}

fn keys_missing(tampered: &Tampered) -> bool {
    let TamperedCause::Key(KeyringError::Store { source, .. }) = &tampered.source else { return false };
    matches!(source.downcast_ref(), Some(StoreError::KeysMissing { .. }))
}

async fn seals_nothing(inbox: &Collection, seen: u32, found: u32) {
    let write = inbox.put(&Note::new("new", "text")).await;
    assert!(
        matches!(&write, Err(WriteError::Tampered(t)) if regressed(t) == Some((seen, found))),
        "{write:?}"
    );
}

#[tokio::test]
async fn a_process_never_seals_under_an_older_key_than_before() {
    let sandbox = Sandbox::new("regression").await;
    sandbox.store().await;
    let (store, _) = counted(&sandbox, Duration::ZERO).await;
    let alice = inbox(&store, "alice");
    alice.put(&Note::new("1", "under version 1")).await.unwrap();
    rotate(&sandbox).await;
    alice.put(&Note::new("2", "under version 2")).await.unwrap();
    let second = sandbox.item("K#alice", V2).await.unwrap();

    sandbox.delete_item("K#alice", V2).await;
    seals_nothing(&alice, 2, 1).await;
    assert!(alice.get::<Note>("1").await.unwrap().is_some(), "what version 1 sealed is as authentic as ever");
    assert!(matches!(alice.get::<Note>("2").await, Err(ReadError::Tampered(_))));

    // A process that never saw version 2 opens what version 1 sealed, and the rest is tampered with.
    let (fresh, _) = counted(&sandbox, LONG).await;
    assert!(inbox(&fresh, "alice").get::<Note>("1").await.unwrap().is_some());
    assert!(matches!(inbox(&fresh, "alice").get::<Note>("2").await, Err(ReadError::Tampered(_))));

    sandbox.put_item(second).await;
    assert!(alice.get::<Note>("2").await.unwrap().is_some(), "it goes on when the key is back");
}

#[tokio::test]
async fn a_key_that_vanishes_without_a_tombstone_is_not_replaced() {
    let sandbox = Sandbox::new("vanished").await;
    sandbox.store().await;
    let (store, _) = counted(&sandbox, Duration::ZERO).await;
    let alice = inbox(&store, "alice");
    alice.put(&Note::new("1", "text")).await.unwrap();
    sandbox.delete_item("K#alice", V1).await;
    // Not by the process that used it, nor by one that never saw it.
    for store in [store, sandbox.store().await] {
        let alice = inbox(&store, "alice");
        assert!(matches!(alice.get::<Note>("1").await, Err(ReadError::Tampered(_))));
        let write = alice.put(&Note::new("new", "text")).await;
        assert!(matches!(&write, Err(WriteError::Tampered(t)) if keys_missing(t)), "{write:?}");
    }
    assert_eq!(sandbox.partition("K#alice").await, [], "no new key");
    assert_eq!(sandbox.partition("R#alice#inbox").await.len(), 1, "no new record");
}

/// An older key, taken out of use, under a version of its own: the id is the same, the wrapping is of another
/// version. Whoever waits for the one must not be given the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_key_under_a_new_version_seals_nothing_and_spoils_nothing() {
    let sandbox = Sandbox::new("old-key").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "under version 1")).await.unwrap();
    rotate(&sandbox).await;
    let mut third = sandbox.item("K#alice", V1).await.unwrap();
    third.insert("sk".into(), s("0000000003"));
    sandbox.put_item(third).await;
    for round in 0..10 {
        let (store, _) = counted(&sandbox, LONG).await;
        let (reads, writes) = (inbox(&store, "alice"), inbox(&store, "alice"));
        let read = tokio::spawn(async move { reads.get::<Note>("1").await });
        // At different times of the other's unwrapping, which takes 20 ms.
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        let write = tokio::spawn(async move { writes.put(&Note::new("new", "text")).await });
        let (read, write) = (read.await.unwrap(), write.await.unwrap());
        assert!(read.as_ref().is_ok_and(Option::is_some), "{round}: {read:?}");
        assert!(matches!(&write, Err(WriteError::Tampered(_))), "{round}: {write:?}");
    }
    assert_eq!(sandbox.partition("R#alice#inbox").await.len(), 1);
}
