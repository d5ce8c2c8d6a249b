//! Answers that are lost on their way back: a proxy cuts the connection after DynamoDB has done its work.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blue_encrypted_store::{
    Collection, Deadlines, Delete, EncryptedStore, OpenError, Put, ReadError, WriteError,
    table::{StoreError, TableError},
};
use blue_tests::{Fate, Item, Note, Proxy, Request, Sandbox};
use futures::{StreamExt, stream};

const REPETITIONS: usize = 200;
/// How many repetitions are under way at once; each has a record of its own.
const AT_ONCE: usize = 8;

/// A table, and another writer that reaches it directly.
struct Setting {
    sandbox: Sandbox,
    other: Collection,
}

impl Setting {
    async fn new(name: &str) -> Self {
        let sandbox = Sandbox::new(name).await;
        let other = sandbox.collection("alice", "inbox").await;
        // From here on key and directory are there, and requests are those of the operation alone.
        other.put(&Note::new("warm-up", "text")).await.unwrap();
        Self { sandbox, other }
    }

    async fn through(&self, proxy: &Proxy, deadlines: Deadlines) -> Collection {
        let builder = self.sandbox.builder().client(proxy.client(&self.sandbox.client)).deadlines(deadlines);
        let ours = builder.open().await.unwrap().tenant("alice").unwrap().collection("inbox").unwrap();
        ours.get::<Note>("warm-up").await.unwrap().unwrap();
        ours.put(&Note::new("warm-up-of-ours", "text")).await.unwrap();
        ours
    }

    async fn stored(&self, id: &str) -> Option<Item> {
        self.sandbox.item("R#alice#inbox", &format!("note#{id}")).await
    }

    async fn text(&self, id: &str) -> Option<(u64, String)> {
        let entry = self.other.get_entry::<Note>(id).await.unwrap();
        entry.map(|entry| (entry.version, entry.value.text))
    }
}

fn patient() -> Deadlines {
    Deadlines { attempt: Duration::from_secs(20), operation: Duration::from_secs(120) }
}

/// Whether this is a write of a record of the test, and which attempt.
fn write_of(request: &Request) -> Option<u32> {
    let of_record = request.sk().starts_with("note#") && !request.sk().starts_with("note#warm-up");
    let writes = matches!(request.operation.as_str(), "PutItem" | "TransactWriteItems");
    (of_record && writes).then_some(request.attempt)
}

/// How many requests to write records the proxy has seen.
fn writes(proxy: &Proxy) -> u32 {
    ["PutItem", "TransactWriteItems"].map(|operation| proxy.seen_at(operation, "R#")).iter().sum()
}

fn id_of(request: &Request) -> String {
    request.sk().trim_start_matches("note#").to_owned()
}

/// Loses the answer of the first attempt to write each record.
async fn losing_first_answers() -> Proxy {
    Proxy::start(|request| async move {
        if write_of(&request) == Some(1) { Fate::LoseAnswer } else { Fate::Forward }
    })
    .await
}

/// Runs the same scenario for ids `0`, `1`, …, some at a time, and counts the runs.
async fn repeat<F: Future<Output = ()>>(scenario: impl Fn(String) -> F) -> usize {
    stream::iter(0..REPETITIONS)
        .map(|i| scenario(i.to_string()))
        .buffer_unordered(AT_ONCE)
        .fold(0, |count, ()| async move { count + 1 })
        .await
}

/// Runs a scenario that writes one record through a proxy which loses the first answer to each write.
async fn each_sent_twice(name: &str, scenario: impl AsyncFn(&Setting, &Collection, &str)) {
    let setting = Setting::new(name).await;
    let proxy = losing_first_answers().await;
    let ours = setting.through(&proxy, patient()).await;
    let before = writes(&proxy);
    let runs = repeat(|id| {
        let (setting, ours, scenario) = (&setting, &ours, &scenario);
        async move { scenario(setting, ours, &id).await }
    })
    .await;
    assert_eq!(runs, REPETITIONS);
    assert_eq!(writes(&proxy) - before, 2 * 200, "each was sent twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_a_success_if_it_was_done() {
    each_sent_twice("lost-create", async |setting, ours, id| {
        let version = ours.put_if(&Note::new(id, "ours"), Put::Create).await.unwrap();
        assert_eq!(setting.text(id).await, Some((version, "ours".into())), "{id}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replace_whose_answer_is_lost_is_a_success_if_it_was_done() {
    each_sent_twice("lost-replace", async |setting, ours, id| {
        let first = setting.other.put_if(&Note::new(id, "before"), Put::Create).await.unwrap();
        let second = ours.put_if(&Note::new(id, "ours"), Put::Replace(first)).await.unwrap();
        assert_eq!(second, first + 1);
        assert_eq!(setting.text(id).await, Some((second, "ours".into())), "{id}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_whose_answer_is_lost_is_a_success_if_it_was_done() {
    each_sent_twice("lost-delete", async |setting, ours, id| {
        let version = setting.other.put_if(&Note::new(id, "before"), Put::Create).await.unwrap();
        assert!(ours.delete::<Note>(id, Delete::Version(version)).await.unwrap(), "{id}");
        assert_eq!(setting.stored(id).await, None, "{id}");
    })
    .await;
}

/// What the other writer does to a record just before our first attempt reaches DynamoDB.
#[derive(Debug, Clone, Copy)]
enum Other {
    Creates,
    Replaces,
    Deletes,
    DeletesAndCreates,
}

/// The other writer acts, our first attempt fails its condition, and the answer that says so is lost.
async fn overtaken(other: Collection, act: Other) -> Proxy {
    let other = Arc::new(other);
    Proxy::start(move |request| {
        let other = other.clone();
        async move {
            if write_of(&request) != Some(1) {
                return Fate::Forward;
            }
            let id = id_of(&request);
            if matches!(act, Other::Deletes | Other::DeletesAndCreates) {
                assert!(other.delete::<Note>(&id, Delete::Any).await.unwrap());
            }
            let note = Note::new(&id, "theirs");
            match act {
                Other::Creates | Other::DeletesAndCreates => {
                    other.put_if(&note, Put::Create).await.unwrap();
                }
                Other::Replaces => {
                    other.put(&note).await.unwrap();
                }
                Other::Deletes => {}
            }
            Fate::LoseAnswer
        }
    })
    .await
}

fn is_conflict<T: std::fmt::Debug>(result: &Result<T, WriteError>) -> bool {
    matches!(result, Err(WriteError::Conflict { .. }))
}

fn is_unknown<T: std::fmt::Debug>(result: &Result<T, WriteError>) -> bool {
    matches!(result, Err(WriteError::OutcomeUnknown { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_a_conflict_if_the_record_was_there() {
    let setting = Setting::new("late-create").await;
    let proxy = losing_first_answers().await;
    let ours = setting.through(&proxy, patient()).await;
    let runs = repeat(|id| {
        let (setting, ours) = (&setting, &ours);
        async move {
            let theirs = setting.other.put_if(&Note::new(&id, "theirs"), Put::Create).await.unwrap();
            let result = ours.put_if(&Note::new(&id, "ours"), Put::Create).await;
            assert!(is_conflict(&result), "{id}: {result:?}");
            assert_eq!(setting.text(&id).await, Some((theirs, "theirs".into())), "{id}");
        }
    })
    .await;
    assert_eq!(runs, REPETITIONS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replace_whose_answer_is_lost_is_a_conflict_if_somebody_else_replaced() {
    let setting = Setting::new("late-replace").await;
    let proxy = overtaken(setting.other.clone(), Other::Replaces).await;
    let ours = setting.through(&proxy, patient()).await;
    let runs = repeat(|id| {
        let (setting, ours) = (&setting, &ours);
        async move {
            let first = setting.other.put_if(&Note::new(&id, "before"), Put::Create).await.unwrap();
            let result = ours.put_if(&Note::new(&id, "ours"), Put::Replace(first)).await;
            assert!(is_conflict(&result), "{id}: {result:?}");
            assert_eq!(setting.text(&id).await, Some((first + 1, "theirs".into())), "{id}");
        }
    })
    .await;
    assert_eq!(runs, REPETITIONS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_whose_answer_is_lost_is_a_conflict_if_somebody_else_was_before_it() {
    let mut cases = 0;
    for act in [Other::Deletes, Other::Replaces, Other::DeletesAndCreates] {
        let setting = Setting::new("late-delete").await;
        let proxy = overtaken(setting.other.clone(), act).await;
        let ours = setting.through(&proxy, patient()).await;
        cases += repeat(|id| {
            let (setting, ours) = (&setting, &ours);
            async move {
                let version = setting.other.put_if(&Note::new(&id, "before"), Put::Create).await.unwrap();
                let result = ours.delete::<Note>(&id, Delete::Version(version)).await;
                assert!(is_conflict(&result), "{act:?} {id}: {result:?}");
                let left = setting.text(&id).await.map(|(_, text)| text);
                let expected = (!matches!(act, Other::Deletes)).then(|| "theirs".to_owned());
                assert_eq!(left, expected, "{act:?} {id}");
            }
        })
        .await;
    }
    assert_eq!(cases, 3 * REPETITIONS);
}

/// Here nothing that is stored can tell: an honest answer is that it is not known, and never a wrong one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_that_nothing_can_replace_is_unknown() {
    // Nothing of ours was done, and nothing that stands there says so.
    for act in [Other::Deletes, Other::DeletesAndCreates] {
        let setting = Setting::new("unknown-replace").await;
        let proxy = overtaken(setting.other.clone(), act).await;
        let ours = setting.through(&proxy, patient()).await;
        let first = setting.other.put_if(&Note::new("1", "before"), Put::Create).await.unwrap();
        let result = ours.put_if(&Note::new("1", "ours"), Put::Replace(first)).await;
        assert!(is_unknown(&result) || is_conflict(&result), "{act:?}: {result:?}");
        assert_ne!(setting.text("1").await.map(|(_, text)| text), Some("ours".into()), "{act:?}");
    }
    // Created by somebody else after our own creation time was taken.
    let setting = Setting::new("unknown-create").await;
    let proxy = overtaken(setting.other.clone(), Other::Creates).await;
    let ours = setting.through(&proxy, patient()).await;
    let result = ours.put_if(&Note::new("1", "ours"), Put::Create).await;
    assert!(is_unknown(&result) || is_conflict(&result), "{result:?}");
    assert_eq!(setting.text("1").await.unwrap().1, "theirs");
}

/// Our write was done; before we ask again, somebody else changes what we wrote. To call that a conflict, after
/// which nothing was written, would be wrong, and so would be to write again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_done_and_then_overwritten_is_never_called_a_conflict() {
    let mut cases = 0;
    for act in [Other::Replaces, Other::Deletes, Other::DeletesAndCreates] {
        for replace in [false, true] {
            let setting = Setting::new("overwritten").await;
            let other = setting.other.clone();
            let proxy = Proxy::start(move |request| {
                let other = other.clone();
                async move {
                    let id = id_of(&request);
                    match write_of(&request) {
                        Some(1) => return Fate::LoseAnswer,
                        Some(2) if matches!(act, Other::Replaces) => {
                            other.put(&Note::new(&id, "theirs")).await.unwrap();
                        }
                        Some(2) => {
                            assert!(other.delete::<Note>(&id, Delete::Any).await.unwrap());
                            if matches!(act, Other::DeletesAndCreates) {
                                other.put_if(&Note::new(&id, "theirs"), Put::Create).await.unwrap();
                            }
                        }
                        _ => {}
                    }
                    Fate::Forward
                }
            })
            .await;
            let ours = setting.through(&proxy, patient()).await;
            for i in 0..10 {
                let id = i.to_string();
                let put = if replace {
                    Put::Replace(setting.other.put_if(&Note::new(&id, "before"), Put::Create).await.unwrap())
                } else {
                    Put::Create
                };
                let result = ours.put_if(&Note::new(&id, "ours"), put).await;
                match &result {
                    Err(WriteError::OutcomeUnknown { .. }) | Ok(_) => {}
                    other => panic!("{act:?} {put:?}: {other:?}"),
                }
                let stored = setting.text(&id).await.map(|(_, text)| text);
                let expected = (!matches!(act, Other::Deletes)).then(|| "theirs".to_owned());
                assert_eq!(stored, expected, "{act:?} {put:?}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_arrived_is_repeated_and_done_once() {
    let setting = Setting::new("lost-requests").await;
    let proxy = Proxy::start(|request| async move {
        if write_of(&request) == Some(1) { Fate::LoseRequest } else { Fate::Forward }
    })
    .await;
    let ours = setting.through(&proxy, patient()).await;
    let runs = repeat(|id| {
        let (setting, ours) = (&setting, &ours);
        async move {
            let (once, twice) = (format!("once-{id}"), format!("twice-{id}"));
            let version = ours.put_if(&Note::new(&once, "ours"), Put::Create).await.unwrap();
            assert_eq!(setting.text(&once).await, Some((version, "ours".into())));

            let version = setting.other.put_if(&Note::new(&twice, "before"), Put::Create).await.unwrap();
            let replaced = ours.put_if(&Note::new(&twice, "ours"), Put::Replace(version)).await.unwrap();
            assert_eq!(setting.text(&twice).await, Some((version + 1, "ours".into())));
            assert!(ours.delete::<Note>(&twice, Delete::Version(replaced)).await.unwrap());
            assert_eq!(setting.stored(&twice).await, None);
        }
    })
    .await;
    assert_eq!(runs, REPETITIONS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_and_upserts_over_lost_answers_are_applied_once() {
    let setting = Setting::new("lost-updates").await;
    // Every third request of any kind loses its answer.
    let count = Arc::new(AtomicUsize::new(1));
    let proxy = Proxy::start(move |_| {
        let nth = count.fetch_add(1, SeqCst);
        async move { if nth.is_multiple_of(3) { Fate::LoseAnswer } else { Fate::Forward } }
    })
    .await;
    let ours = setting.through(&proxy, patient()).await;
    let first = ours.put(&Note::new("1", "")).await.unwrap();
    for i in 0..100 {
        ours.update("1", |note: &mut Note| note.text.push('x')).await.unwrap();
        let version = ours.put(&Note::new("2", &i.to_string())).await.unwrap();
        assert_eq!(setting.text("2").await, Some((version, i.to_string())));
    }
    assert_eq!(setting.text("1").await, Some((first + 100, "x".repeat(100))));
    assert_eq!(setting.text("2").await.unwrap().1, "99");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_key_whose_answer_is_lost_is_used() {
    let sandbox = Sandbox::new("lost-key").await;
    sandbox.store().await;
    let proxy = Proxy::start(|request| async move {
        let keys = request.operation == "TransactWriteItems" && request.pk().starts_with("K#");
        if keys && request.attempt == 1 { Fate::LoseAnswer } else { Fate::Forward }
    })
    .await;
    let store = sandbox.builder().client(proxy.client(&sandbox.client)).open().await.unwrap();
    for tenant in 0..20 {
        let tenant = format!("tenant-{tenant}");
        let inbox = store.tenant(&tenant).unwrap().collection("inbox").unwrap();
        inbox.put_if(&Note::new("1", "text"), Put::Create).await.unwrap();
        assert_eq!(sandbox.partition(&format!("K#{tenant}")).await.len(), 1);
        let fresh = sandbox.collection(&tenant, "inbox").await;
        assert!(fresh.get::<Note>("1").await.unwrap().is_some());
    }
    assert_eq!(proxy.seen_at("TransactWriteItems", "K#"), 40);
}

/// Short, and yet long enough for a request on a busy machine. How long things took is compared with much more.
fn short() -> Deadlines {
    Deadlines { attempt: Duration::from_millis(800), operation: Duration::from_secs(3) }
}

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_never_answered_ends_as_unknown_within_its_deadline() {
    let setting = Setting::new("never-answered").await;
    let mut cases = 0;
    for fate in [Fate::LoseAnswer, Fate::Silence] {
        for id in ["create", "replace", "delete"] {
            let version = match id {
                "create" => None,
                _ => Some(setting.other.put(&Note::new(id, "before")).await.unwrap()),
            };
            let lost = fate.clone();
            let proxy = Proxy::start(move |request| {
                let fate = if write_of(&request).is_some() { lost.clone() } else { Fate::Forward };
                async move { fate }
            })
            .await;
            let ours = short_lived(&setting.sandbox, &proxy).await;
            let started = Instant::now();
            let note = Note::new(id, "ours");
            let result = match (id, version) {
                (_, None) => ours.put_if(&note, Put::Create).await.map(drop),
                ("replace", Some(version)) => ours.put_if(&note, Put::Replace(version)).await.map(drop),
                (_, Some(version)) => ours.delete::<Note>(id, Delete::Version(version)).await.map(drop),
            };
            assert!(is_unknown(&result), "{fate:?} {id}: {result:?}");
            assert!(started.elapsed() < SOON, "{fate:?} {id}: {:?}", started.elapsed());
            if matches!(fate, Fate::LoseAnswer) {
                let stored = setting.text(id).await.map(|(_, text)| text);
                assert_eq!(stored, (id != "delete").then(|| "ours".to_owned()), "{id} was done all the same");
            }
            setting.other.delete::<Note>(id, Delete::Any).await.unwrap();
            cases += 1;
        }
    }
    assert_eq!(cases, 6);
}

/// A collection with short deadlines that has its key and has read the table before.
async fn short_lived(sandbox: &Sandbox, proxy: &Proxy) -> Collection {
    for _ in 0..20 {
        let opened = sandbox.builder().client(proxy.client(&sandbox.client)).deadlines(short()).open().await;
        let Ok(store) = opened else { continue };
        let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
        let ready = inbox.put(&Note::new("warm-up-of-ours", "text")).await;
        if ready.is_ok() {
            return inbox;
        }
    }
    panic!("this machine is too busy for a request in {:?}", short().attempt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_never_answers_is_a_typed_error_within_the_deadline() {
    let setting = Setting::new("silence").await;
    let silent = Arc::new(AtomicBool::new(false));
    let switch = silent.clone();
    let proxy = Proxy::start(move |_| {
        let silent = switch.load(SeqCst);
        async move { if silent { Fate::Silence } else { Fate::Forward } }
    })
    .await;
    let ours = short_lived(&setting.sandbox, &proxy).await;
    silent.store(true, SeqCst);

    let started = Instant::now();
    let read = ours.get::<Note>("warm-up").await;
    assert!(matches!(&read, Err(ReadError::Store(StoreError::Unavailable { .. }))), "{read:?}");
    let listed: Vec<_> = ours.list::<Note>().collect().await;
    assert!(matches!(&listed[..], [Err(ReadError::Store(StoreError::Unavailable { .. }))]), "{listed:?}");
    let update = ours.update("warm-up", |_: &mut Note| panic!("nothing was read")).await;
    assert!(matches!(&update, Err(WriteError::Store(StoreError::Unavailable { .. }))), "{update:?}");
    let deleted = ours.delete::<Note>("warm-up", Delete::Any).await;
    assert!(matches!(&deleted, Err(WriteError::Store(StoreError::Unavailable { .. }))), "{deleted:?}");
    let upsert = ours.put(&Note::new("warm-up", "text")).await;
    assert!(is_unknown(&upsert), "{upsert:?}");
    let opened = open_through(&setting.sandbox, &proxy).await;
    assert!(
        matches!(&opened, Err(OpenError::Table(TableError::Store(StoreError::Unavailable { .. })))),
        "{opened:?}"
    );
    assert!(started.elapsed() < SOON * 2, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_read_is_unavailable_and_nothing_is_written() {
    let setting = Setting::new("no-key").await;
    let proxy = Proxy::start(|request| async move {
        let keys = request.body.pointer("/ExpressionAttributeValues/:pk/S");
        let keys = keys.and_then(|pk| pk.as_str()).is_some_and(|pk| pk == "K#bob" || pk == "K#alice-2");
        if keys { Fate::Silence } else { Fate::Forward }
    })
    .await;
    setting.sandbox.collection("bob", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    let store = open_short(&setting.sandbox, &proxy).await;
    let before = setting.sandbox.scan().await.len();
    let started = Instant::now();
    let bob = store.tenant("bob").unwrap().collection("inbox").unwrap();
    let read = bob.get::<Note>("1").await;
    assert!(matches!(read, Err(ReadError::Key(_))), "{read:?}");
    let new = store.tenant("alice-2").unwrap().collection("inbox").unwrap();
    let write = new.put(&Note::new("1", "text")).await;
    assert!(matches!(write, Err(WriteError::Key(_))), "{write:?}");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(setting.sandbox.scan().await.len(), before);
}

async fn open_through(sandbox: &Sandbox, proxy: &Proxy) -> Result<EncryptedStore, OpenError> {
    sandbox.builder().client(proxy.client(&sandbox.client)).deadlines(short()).open().await
}

async fn open_short(sandbox: &Sandbox, proxy: &Proxy) -> EncryptedStore {
    for _ in 0..20 {
        if let Ok(store) = open_through(sandbox, proxy).await {
            return store;
        }
    }
    panic!("this machine is too busy for a request in {:?}", short().attempt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plea_to_try_later_is_heeded_and_errors_of_the_server_are_repeated() {
    let setting = Setting::new("throttled").await;
    for (status, code) in [
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (400, "RequestLimitExceeded"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        let proxy = Proxy::start(move |request| async move {
            match write_of(&request) {
                Some(1 | 2) => Fate::refusal(status, code),
                _ => Fate::Forward,
            }
        })
        .await;
        let ours = setting.through(&proxy, patient()).await;
        let version = ours.put_if(&Note::new(code, "ours"), Put::Create).await.unwrap();
        assert_eq!(setting.text(code).await, Some((version, "ours".into())), "{code}");
        assert!(ours.delete::<Note>(code, Delete::Version(version)).await.unwrap());
        assert_eq!(setting.stored(code).await, None, "{code}");
    }
    // Refused for good: no repetition, and an error that says what the service said.
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not allowed"}"#;
    let proxy = Proxy::start(move |request| async move {
        if write_of(&request).is_some() { Fate::Answer(400, denied.into()) } else { Fate::Forward }
    })
    .await;
    let ours = setting.through(&proxy, patient()).await;
    let before = writes(&proxy);
    let write = ours.put_if(&Note::new("denied", "ours"), Put::Create).await;
    let Err(WriteError::Store(StoreError::Denied { source, .. })) = &write else { panic!("{write:?}") };
    assert_eq!(source.to_string(), "AccessDeniedException: not allowed");
    assert_eq!(writes(&proxy) - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_after_a_lost_answer_leaves_the_outcome_unknown() {
    let setting = Setting::new("refused-later").await;
    let expired = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}"#;
    let proxy = Proxy::start(move |request| async move {
        let is_first_of_replaced = request.operation != "PutItem" && id_of(&request) == "replaced";
        match write_of(&request) {
            Some(1) if !is_first_of_replaced => Fate::LoseAnswer,
            Some(2..) => Fate::Answer(400, expired.into()),
            _ => Fate::Forward,
        }
    })
    .await;
    let ours = setting.through(&proxy, patient()).await;
    let create = ours.put_if(&Note::new("created", "done"), Put::Create).await;
    assert!(matches!(create, Err(WriteError::OutcomeUnknown { .. })), "{create:?}");
    assert!(setting.stored("created").await.is_some(), "it was done, and nobody said otherwise");
    let version = ours.put_if(&Note::new("replaced", "before"), Put::Create).await.unwrap();
    let replace = ours.put_if(&Note::new("replaced", "after"), Put::Replace(version)).await;
    assert!(matches!(replace, Err(WriteError::OutcomeUnknown { .. })), "{replace:?}");
    assert_eq!(setting.text("replaced").await, Some((version + 1, "after".into())));
}

/// The real service's words for what DynamoDB Local never says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contention_of_transactions_is_waited_out_whatever_else_they_say() {
    let setting = Setting::new("contention").await;
    let cancelled = |reasons: &[&str]| {
        let reasons: Vec<_> = reasons.iter().map(|code| format!(r#"{{"Code":"{code}"}}"#)).collect();
        format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{}],"Message":"cancelled"}}"#,
            reasons.join(",")
        )
    };
    let in_progress =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException","Message":"later"}"#;
    let bodies =
        [cancelled(&["TransactionConflict"]), cancelled(&["ThrottlingError"]), in_progress.to_owned()];
    let keys = cancelled(&["TransactionConflict", "None", "ConditionalCheckFailed"]);
    let proxy = Proxy::start(move |request| {
        let (body, keys) = (bodies[(request.attempt as usize).min(3) - 1].clone(), keys.clone());
        async move {
            match (request.operation.as_str(), request.attempt) {
                ("TransactWriteItems", 1) if request.body.to_string().contains("K#") => {
                    Fate::Answer(400, keys)
                }
                ("TransactWriteItems", 1..=3) if write_of(&request).is_some() => Fate::Answer(400, body),
                _ => Fate::Forward,
            }
        }
    })
    .await;
    let ours = setting.through(&proxy, patient()).await;
    let version = ours.put_if(&Note::new("1", "text"), Put::Create).await.unwrap();
    assert_eq!(setting.text("1").await, Some((version, "text".into())));
    assert!(proxy.seen_at("TransactWriteItems", "R#") >= 4, "three refusals and a success");
}
