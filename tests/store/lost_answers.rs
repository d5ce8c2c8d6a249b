//! Answers that are lost on their way back: a proxy cuts the connection after DynamoDB has done its work.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blue_encrypted_store::{
    AuditConfig, Builder, ChainPolicy, Collection, Deadlines, Delete, EncryptedStore, OpenError, Put,
    ReadError, ReadPolicy, WriteError, WritePolicy,
    blue_audit::{CryptoOp, Outcome},
    table::{StoreError, TableError},
};
use blue_tests::{Fate, Item, Note, Proxy, Request, Sandbox, VerifiedLog};
use futures::{StreamExt, future::join_all, stream};

const REPETITIONS: usize = 100;
/// How many repetitions are under way at once; each has a record of its own.
const AT_ONCE: usize = 8;

/// Buffered, a write is a request of its own; strict, it is a transaction with its event, and with the writes that wait
/// beside it.
fn policies() -> [AuditConfig; 2] {
    let buffered = WritePolicy::Buffered;
    [
        AuditConfig { writes: buffered, reads: ReadPolicy::Buffered, ..AuditConfig::default() },
        AuditConfig::default(),
    ]
}

/// What was acknowledged of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    /// The versions that were written, ascending.
    written: Vec<u64>,
    deletions: usize,
    /// Writes of which nobody knows.
    unknown: usize,
}

/// A writer to the table; all writers of a test share what they were told.
#[derive(Clone)]
struct Writer {
    store: EncryptedStore,
    inbox: Collection,
    told: Arc<Mutex<BTreeMap<String, Told>>>,
}

impl Writer {
    fn new(store: EncryptedStore, told: &Arc<Mutex<BTreeMap<String, Told>>>) -> Self {
        let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
        Self { store, inbox, told: told.clone() }
    }

    fn tell<T>(&self, id: &str, result: &Result<T, WriteError>, done: impl FnOnce(&mut Told, &T)) {
        let mut told = self.told.lock().unwrap();
        let told = told.entry(id.to_owned()).or_default();
        match result {
            Ok(value) => done(told, value),
            Err(WriteError::OutcomeUnknown { .. }) => told.unknown += 1,
            Err(_) => {}
        }
        told.written.sort_unstable();
    }

    async fn put_if(&self, note: &Note, put: Put) -> Result<u64, WriteError> {
        let result = self.inbox.put_if(note, put).await;
        self.tell(&note.id, &result, |told, version| told.written.push(*version));
        result
    }

    async fn put(&self, note: &Note) -> Result<u64, WriteError> {
        self.put_if(note, Put::Upsert).await
    }

    async fn append_x(&self, id: &str) {
        let result = self.inbox.update(id, |note: &mut Note| note.text.push('x')).await;
        self.tell(id, &result, |told, entry| told.written.push(entry.version));
        result.unwrap();
    }

    async fn delete(&self, id: &str, delete: Delete) -> Result<bool, WriteError> {
        let result = self.inbox.delete::<Note>(id, delete).await;
        self.tell(id, &result, |told, deleted| told.deletions += usize::from(*deleted));
        result
    }

    /// Until everything that this writer began has come to its end.
    async fn flush(&self) {
        let mut flushed = self.store.flush().await;
        for _ in 0..20 {
            if flushed.is_ok() {
                break;
            }
            flushed = self.store.flush().await;
        }
        flushed.expect("what this store began comes to an end");
    }
}

/// A table, and another writer that reaches it directly.
struct Setting {
    sandbox: Sandbox,
    policy: AuditConfig,
    other: Writer,
}

impl Setting {
    async fn new(name: &str, policy: AuditConfig) -> Self {
        Self::with_other(name, policy, policy).await
    }

    /// The other writer has a chain of its own, so that it takes no place in ours: what we send is done at once.
    async fn apart(name: &str, policy: AuditConfig) -> Self {
        Self::with_other(name, policy, AuditConfig { chain: ChainPolicy::PerWriter, ..policy }).await
    }

    async fn with_other(name: &str, policy: AuditConfig, of_other: AuditConfig) -> Self {
        let sandbox = Sandbox::new(name).await;
        let other = Writer::new(sandbox.builder().audit(of_other).init().await.unwrap(), &Arc::default());
        // From here on key and directory are there, and requests are those of the operation alone.
        other.put(&Note::new("warm-up", "text")).await.unwrap();
        Self { sandbox, policy, other }
    }

    fn is_strict(&self) -> bool {
        self.policy.writes == WritePolicy::Strict
    }

    fn builder(&self, proxy: &Proxy, deadlines: Deadlines) -> Builder {
        let builder = self.sandbox.builder().client(proxy.client(&self.sandbox.client));
        builder.deadlines(deadlines).audit(self.policy)
    }

    async fn through(&self, proxy: &Proxy, deadlines: Deadlines) -> Writer {
        let store = self.builder(proxy, deadlines).open().await.unwrap();
        let ours = Writer::new(store, &self.other.told);
        ours.inbox.get::<Note>("warm-up").await.unwrap().unwrap();
        ours.put(&Note::new("warm-up-of-ours", "text")).await.unwrap();
        ours
    }

    async fn stored(&self, id: &str) -> Option<Item> {
        self.sandbox.item("R#alice#inbox", &format!("note#{id}")).await
    }

    async fn text(&self, id: &str) -> Option<(u64, String)> {
        let entry = self.other.inbox.get_entry::<Note>(id).await.unwrap();
        entry.map(|entry| (entry.version, entry.value.text))
    }

    /// The audit log has no gap and tells of exactly the writes that were done: of those that were acknowledged and,
    /// if recorded strictly, of those whose outcome nobody was told, if they were done.
    async fn audited(&self, ours: &Writer) -> VerifiedLog {
        ours.flush().await;
        self.other.flush().await;
        let items = self.sandbox.scan().await;
        let log = VerifiedLog::read(&items, &*self.sandbox.provider()).await.unwrap();
        let mut recorded: BTreeMap<String, Told> = BTreeMap::new();
        for event in log.events().filter(|event| event.outcome == Outcome::Success) {
            let Some(id) = event.resource.strip_prefix("bes:default/alice/inbox/note/") else { continue };
            let told = recorded.entry(id.to_owned()).or_default();
            match event.operation {
                CryptoOp::Encrypt => told.written.push(event.version),
                CryptoOp::Delete => told.deletions += 1,
                _ => {}
            }
            told.written.sort_unstable();
        }
        let told = self.other.told.lock().unwrap().clone();
        for (id, told) in &told {
            let recorded = recorded.remove(id).unwrap_or_default();
            if self.is_strict() && told.unknown > 0 {
                let is_there = |version| recorded.written.contains(version);
                assert!(told.written.iter().all(is_there), "{id}: {told:?}, {recorded:?}");
                let done = told.written.len() + told.deletions;
                let extra = recorded.written.len() + recorded.deletions - done;
                assert!(extra <= told.unknown, "{id}: {told:?}, {recorded:?}");
            } else {
                assert_eq!(recorded, Told { unknown: 0, ..told.clone() }, "{id}");
            }
        }
        assert_eq!(recorded, BTreeMap::new(), "nothing else was written");
        if self.is_strict() {
            assert_eq!(log.differences(&items), Vec::<String>::new());
        }
        log
    }
}

fn patient() -> Deadlines {
    Deadlines { attempt: Duration::from_secs(20), operation: Duration::from_secs(120) }
}

/// How often each write of a record was sent. A repeated one has the same bytes.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<HashMap<String, u32>>>);

impl Sent {
    /// The records of the test that a request writes, each with how often this write was sent by now.
    fn count(&self, request: &Request) -> Vec<(String, u32)> {
        let mut sent = self.0.lock().unwrap();
        let writes = request.writes().into_iter().filter_map(|(pk, sk, part)| {
            let id =
                sk.strip_prefix("note#").filter(|id| pk.starts_with("R#") && !id.starts_with("warm-up"))?;
            let times = sent.entry(part.to_string()).or_default();
            *times += 1;
            Some((id.to_owned(), *times))
        });
        writes.collect()
    }

    /// Whether a request sends a write for the first time.
    fn is_first(&self, request: &Request) -> bool {
        self.count(request).iter().any(|(_, times)| *times == 1)
    }

    fn times(&self) -> Vec<u32> {
        self.0.lock().unwrap().values().copied().collect()
    }
}

/// Whether a request writes a record of the test.
fn is_write(request: &Request) -> bool {
    !Sent::default().count(request).is_empty()
}

/// Loses the answer of the first attempt to write each record.
async fn losing_first_answers() -> (Proxy, Sent) {
    let sent = Sent::default();
    let counted = sent.clone();
    let proxy = Proxy::start(move |request| {
        let is_first = counted.is_first(&request);
        async move { if is_first { Fate::LoseAnswer } else { Fate::Forward } }
    });
    (proxy.await, sent)
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
async fn each_sent_twice(name: &str, scenario: impl AsyncFn(&Setting, &Writer, &str)) {
    for policy in policies() {
        let setting = Setting::new(name, policy).await;
        let (proxy, sent) = losing_first_answers().await;
        let ours = setting.through(&proxy, patient()).await;
        let runs = repeat(|id| {
            let (setting, ours, scenario) = (&setting, &ours, &scenario);
            async move { scenario(setting, ours, &id).await }
        })
        .await;
        assert_eq!(runs, REPETITIONS);
        let times = sent.times();
        assert_eq!(times.len(), REPETITIONS, "each was written once");
        // Strict, the other writer may have taken its place in the chain, and it is sent for the next one.
        let is_expected = |&times: &u32| times == 2 || (setting.is_strict() && times > 2);
        assert!(times.iter().all(is_expected), "each was sent twice: {times:?}");
        setting.audited(&ours).await;
    }
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
        assert!(ours.delete(id, Delete::Version(version)).await.unwrap(), "{id}");
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
async fn overtaken(other: Writer, act: Other) -> Proxy {
    let sent = Sent::default();
    Proxy::start(move |request| {
        let (other, writes) = (other.clone(), sent.count(&request));
        async move {
            let mut fate = Fate::Forward;
            for (id, _) in writes.into_iter().filter(|(_, times)| *times == 1) {
                acts(&other, act, &id).await;
                fate = Fate::LoseAnswer;
            }
            fate
        }
    })
    .await
}

async fn acts(other: &Writer, act: Other, id: &str) {
    if matches!(act, Other::Deletes | Other::DeletesAndCreates) {
        assert!(other.delete(id, Delete::Any).await.unwrap());
    }
    let note = Note::new(id, "theirs");
    match act {
        Other::Creates | Other::DeletesAndCreates => {
            other.put_if(&note, Put::Create).await.unwrap();
        }
        Other::Replaces => {
            other.put(&note).await.unwrap();
        }
        Other::Deletes => {}
    }
}

fn is_conflict<T: Debug>(result: &Result<T, WriteError>) -> bool {
    matches!(result, Err(WriteError::Conflict { .. }))
}

fn is_unknown<T: Debug>(result: &Result<T, WriteError>) -> bool {
    matches!(result, Err(WriteError::OutcomeUnknown { .. }))
}

/// Runs a scenario under both policies, for each of these deeds of the other writer before our first attempt.
async fn each_overtaken(name: &str, acts: &[Other], scenario: impl AsyncFn(&Setting, &Writer, Other, &str)) {
    let mut cases = 0;
    for policy in policies() {
        for &act in acts {
            let setting = Setting::new(name, policy).await;
            let proxy = overtaken(setting.other.clone(), act).await;
            let ours = setting.through(&proxy, patient()).await;
            cases += repeat(|id| {
                let (setting, ours, scenario) = (&setting, &ours, &scenario);
                async move { scenario(setting, ours, act, &id).await }
            })
            .await;
            setting.audited(&ours).await;
        }
    }
    assert_eq!(cases, policies().len() * acts.len() * REPETITIONS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_a_conflict_if_the_record_was_there() {
    for policy in policies() {
        let setting = Setting::new("late-create", policy).await;
        let (proxy, _) = losing_first_answers().await;
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
        setting.audited(&ours).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replace_whose_answer_is_lost_is_a_conflict_if_somebody_else_replaced() {
    each_overtaken("late-replace", &[Other::Replaces], async |setting, ours, _, id| {
        let first = setting.other.put_if(&Note::new(id, "before"), Put::Create).await.unwrap();
        let result = ours.put_if(&Note::new(id, "ours"), Put::Replace(first)).await;
        assert!(is_conflict(&result), "{id}: {result:?}");
        assert_eq!(setting.text(id).await, Some((first + 1, "theirs".into())), "{id}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_whose_answer_is_lost_is_a_conflict_if_somebody_else_was_before_it() {
    let acts = [Other::Deletes, Other::Replaces, Other::DeletesAndCreates];
    each_overtaken("late-delete", &acts, async |setting, ours, act, id| {
        let version = setting.other.put_if(&Note::new(id, "before"), Put::Create).await.unwrap();
        let result = ours.delete(id, Delete::Version(version)).await;
        assert!(is_conflict(&result), "{act:?} {id}: {result:?}");
        let left = setting.text(id).await.map(|(_, text)| text);
        let expected = (!matches!(act, Other::Deletes)).then(|| "theirs".to_owned());
        assert_eq!(left, expected, "{act:?} {id}");
    })
    .await;
}

/// Buffered, nothing that is stored can tell here: an honest answer is that it is not known, and never a wrong one.
/// Strict, what lies in the segment's place tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_that_nothing_can_replace_is_unknown() {
    let expected = |setting: &Setting, result: &Result<u64, WriteError>| {
        is_conflict(result) || (!setting.is_strict() && is_unknown(result))
    };
    for policy in policies() {
        // Nothing of ours was done, and nothing that stands there says so.
        for act in [Other::Deletes, Other::DeletesAndCreates] {
            let setting = Setting::new("unknown-replace", policy).await;
            let proxy = overtaken(setting.other.clone(), act).await;
            let ours = setting.through(&proxy, patient()).await;
            let first = setting.other.put_if(&Note::new("1", "before"), Put::Create).await.unwrap();
            let result = ours.put_if(&Note::new("1", "ours"), Put::Replace(first)).await;
            assert!(expected(&setting, &result), "{policy:?} {act:?}: {result:?}");
            let text = setting.text("1").await.map(|(_, text)| text);
            assert_eq!(text, (!matches!(act, Other::Deletes)).then(|| "theirs".to_owned()), "{act:?}");
            setting.audited(&ours).await;
        }
        // Created by somebody else after our own creation time was taken.
        let setting = Setting::new("unknown-create", policy).await;
        let proxy = overtaken(setting.other.clone(), Other::Creates).await;
        let ours = setting.through(&proxy, patient()).await;
        let result = ours.put_if(&Note::new("1", "ours"), Put::Create).await;
        assert!(expected(&setting, &result), "{policy:?}: {result:?}");
        assert_eq!(setting.text("1").await.unwrap().1, "theirs");
        setting.audited(&ours).await;
    }
}

/// Our write was done; before we ask again, somebody else changes what we wrote. To call that a conflict, after
/// which nothing was written, would be wrong, and so would be to write again. Strict, it is known to be done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_done_and_then_overwritten_is_never_called_a_conflict() {
    let mut cases = 0;
    for policy in policies() {
        for act in [Other::Replaces, Other::Deletes, Other::DeletesAndCreates] {
            for replace in [false, true] {
                let setting = Setting::apart("overwritten", policy).await;
                let proxy = overwriting(setting.other.clone(), act).await;
                let ours = setting.through(&proxy, patient()).await;
                for i in 0..10 {
                    let id = i.to_string();
                    let put = if replace {
                        let before = Note::new(&id, "before");
                        Put::Replace(setting.other.put_if(&before, Put::Create).await.unwrap())
                    } else {
                        Put::Create
                    };
                    let result = ours.put_if(&Note::new(&id, "ours"), put).await;
                    let is_honest = result.is_ok() || (!setting.is_strict() && is_unknown(&result));
                    assert!(is_honest, "{policy:?} {act:?} {put:?}: {result:?}");
                    let stored = setting.text(&id).await.map(|(_, text)| text);
                    let expected = (!matches!(act, Other::Deletes)).then(|| "theirs".to_owned());
                    assert_eq!(stored, expected, "{policy:?} {act:?} {put:?}");
                    cases += 1;
                }
                setting.audited(&ours).await;
            }
        }
    }
    assert_eq!(cases, 120);
}

/// Loses the first answer to each write, and lets the other writer act before the second attempt.
async fn overwriting(other: Writer, act: Other) -> Proxy {
    let sent = Sent::default();
    Proxy::start(move |request| {
        let (other, writes) = (other.clone(), sent.count(&request));
        async move {
            for (id, times) in writes {
                match times {
                    1 => return Fate::LoseAnswer,
                    2 => acts(&other, act, &id).await,
                    _ => {}
                }
            }
            Fate::Forward
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_arrived_is_repeated_and_done_once() {
    for policy in policies() {
        let setting = Setting::new("lost-requests", policy).await;
        let sent = Sent::default();
        let proxy = Proxy::start(move |request| {
            let is_first = sent.is_first(&request);
            async move { if is_first { Fate::LoseRequest } else { Fate::Forward } }
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
                assert!(ours.delete(&twice, Delete::Version(replaced)).await.unwrap());
                assert_eq!(setting.stored(&twice).await, None);
            }
        })
        .await;
        assert_eq!(runs, REPETITIONS);
        setting.audited(&ours).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_and_upserts_over_lost_answers_are_applied_once() {
    for policy in policies() {
        let setting = Setting::new("lost-updates", policy).await;
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
            ours.append_x("1").await;
            let version = ours.put(&Note::new("2", &i.to_string())).await.unwrap();
            assert_eq!(setting.text("2").await, Some((version, i.to_string())));
        }
        assert_eq!(setting.text("1").await, Some((first + 100, "x".repeat(100))));
        assert_eq!(setting.text("2").await.unwrap().1, "99");
        setting.audited(&ours).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_key_whose_answer_is_lost_is_used() {
    for policy in policies() {
        let sandbox = Sandbox::new("lost-key").await;
        sandbox.store().await;
        let proxy = Proxy::start(|request| async move {
            let keys = request.operation == "TransactWriteItems" && request.pk().starts_with("K#");
            if keys && request.attempt == 1 { Fate::LoseAnswer } else { Fate::Forward }
        })
        .await;
        let builder = sandbox.builder().client(proxy.client(&sandbox.client)).audit(policy);
        let store = builder.open().await.unwrap();
        for tenant in 0..20 {
            let tenant = format!("tenant-{tenant}");
            let inbox = store.tenant(&tenant).unwrap().collection("inbox").unwrap();
            inbox.put_if(&Note::new("1", "text"), Put::Create).await.unwrap();
            assert_eq!(sandbox.partition(&format!("K#{tenant}")).await.len(), 1);
            let fresh = sandbox.collection(&tenant, "inbox").await;
            assert!(fresh.get::<Note>("1").await.unwrap().is_some());
        }
        assert_eq!(proxy.seen_at("TransactWriteItems", "K#"), 40);
        store.flush().await.unwrap();
        let log = sandbox.audit_log().await;
        let generated = log.events().filter(|event| event.operation == CryptoOp::GenerateKek);
        assert_eq!(generated.count(), 1 + 20, "one for the audit log, one for each tenant");
    }
}

/// Short, and yet long enough for a request on a busy machine. How long things took is compared with much more.
fn short() -> Deadlines {
    Deadlines { attempt: Duration::from_millis(800), operation: Duration::from_secs(3) }
}

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_never_answered_ends_as_unknown_within_its_deadline() {
    let cases =
        policies().into_iter().flat_map(|policy| [(policy, Fate::LoseAnswer), (policy, Fate::Silence)]);
    let cases = cases.map(async |(policy, fate)| {
        let setting = Setting::apart("never-answered", policy).await;
        for id in ["create", "replace", "delete"] {
            never_answered(&setting, &fate, id).await;
        }
    });
    assert_eq!(join_all(cases).await.len(), 4);
}

async fn never_answered(setting: &Setting, fate: &Fate, id: &str) {
    let version = match id {
        "create" => None,
        _ => Some(setting.other.put(&Note::new(id, "before")).await.unwrap()),
    };
    let lost = fate.clone();
    let proxy = Proxy::start(move |request| {
        let fate = if is_write(&request) { lost.clone() } else { Fate::Forward };
        async move { fate }
    })
    .await;
    let ours = short_lived(setting, &proxy).await;
    let before = setting.audited(&ours).await.about(&path(id)).len();
    let started = Instant::now();
    let note = Note::new(id, "ours");
    let result = match (id, version) {
        (_, None) => ours.put_if(&note, Put::Create).await.map(drop),
        ("replace", Some(version)) => ours.put_if(&note, Put::Replace(version)).await.map(drop),
        (_, Some(version)) => ours.delete(id, Delete::Version(version)).await.map(drop),
    };
    assert!(is_unknown(&result), "{fate:?} {id}: {result:?}");
    assert!(started.elapsed() < SOON, "{fate:?} {id}: {:?}", started.elapsed());
    let is_done = matches!(fate, Fate::LoseAnswer);

    // In the end the log says what became of it: strict, the truth; buffered, that nobody knows.
    let log = setting.audited(&ours).await;
    let said: Vec<_> = log.about(&path(id)).into_iter().skip(before).collect();
    let operation = if id == "delete" { CryptoOp::Delete } else { CryptoOp::Encrypt };
    let said = |outcome, reason: &str| {
        let said = said.iter().filter(|event| event.operation == operation && event.outcome == outcome);
        said.filter(|event| event.reason == reason).count()
    };
    assert_eq!(said(Outcome::Failure, "outcome_unknown"), 1, "{fate:?} {id}: {:#?}", log.about(&path(id)));
    assert_eq!(said(Outcome::Success, ""), usize::from(setting.is_strict() && is_done), "{fate:?} {id}");
    assert_eq!(
        said(Outcome::Failure, "not_done"),
        usize::from(setting.is_strict() && !is_done),
        "{fate:?} {id}"
    );

    let stored = setting.text(id).await.map(|(_, text)| text);
    let expected = match (id, is_done) {
        ("delete", true) | ("create", false) => None,
        (_, true) => Some("ours".to_owned()),
        (_, false) => Some("before".to_owned()),
    };
    assert_eq!(stored, expected, "{fate:?} {id}");
    setting.other.delete(id, Delete::Any).await.unwrap();
}

fn path(id: &str) -> String {
    format!("alice/inbox/note/{id}")
}

/// A writer with short deadlines that has its key and has read the table before.
async fn short_lived(setting: &Setting, proxy: &Proxy) -> Writer {
    for _ in 0..20 {
        let Ok(store) = setting.builder(proxy, short()).open().await else { continue };
        let ours = Writer::new(store, &setting.other.told);
        if ours.put(&Note::new("warm-up-of-ours", "text")).await.is_ok() {
            return ours;
        }
    }
    panic!("this machine is too busy for a request in {:?}", short().attempt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_never_answers_is_a_typed_error_within_the_deadline() {
    join_all(policies().map(service_that_never_answers)).await;
}

async fn service_that_never_answers(policy: AuditConfig) {
    let setting = Setting::new("silence", policy).await;
    let silent = Arc::new(AtomicBool::new(false));
    let switch = silent.clone();
    let proxy = Proxy::start(move |_| {
        let silent = switch.load(SeqCst);
        async move { if silent { Fate::Silence } else { Fate::Forward } }
    })
    .await;
    let ours = short_lived(&setting, &proxy).await;
    silent.store(true, SeqCst);

    let started = Instant::now();
    let read = ours.inbox.get::<Note>("warm-up").await;
    assert!(matches!(&read, Err(ReadError::Store(StoreError::Unavailable { .. }))), "{read:?}");
    let listed: Vec<_> = ours.inbox.list::<Note>().collect().await;
    assert!(matches!(&listed[..], [Err(ReadError::Store(StoreError::Unavailable { .. }))]), "{listed:?}");
    let update = ours.inbox.update("warm-up", |_: &mut Note| panic!("nothing was read")).await;
    assert!(matches!(&update, Err(WriteError::Store(StoreError::Unavailable { .. }))), "{update:?}");
    let deleted = ours.delete("warm-up", Delete::Any).await;
    assert!(matches!(&deleted, Err(WriteError::Store(StoreError::Unavailable { .. }))), "{deleted:?}");
    let upsert = ours.put(&Note::new("warm-up", "text")).await;
    assert!(is_unknown(&upsert), "{upsert:?}");
    let opened = setting.builder(&proxy, short()).open().await;
    assert!(
        matches!(&opened, Err(OpenError::Table(TableError::Store(StoreError::Unavailable { .. })))),
        "{opened:?}"
    );
    assert!(started.elapsed() < SOON * 2, "{:?}", started.elapsed());

    // What could not be told meanwhile is told when the service is back.
    silent.store(false, SeqCst);
    let log = setting.audited(&ours).await;
    let about = log.about(&path("warm-up"));
    assert!(about.iter().any(|event| event.reason == "outcome_unknown"), "{about:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_read_is_unavailable_and_nothing_is_written() {
    for policy in policies() {
        let setting = Setting::new("no-key", policy).await;
        let proxy = Proxy::start(|request| async move {
            let keys = request.body.pointer("/ExpressionAttributeValues/:pk/S");
            let keys = keys.and_then(|pk| pk.as_str()).is_some_and(|pk| pk == "K#bob" || pk == "K#alice-2");
            if keys { Fate::Silence } else { Fate::Forward }
        })
        .await;
        let bob = setting.sandbox.collection("bob", "inbox").await;
        bob.put(&Note::new("1", "text")).await.unwrap();
        let store = open_short(&setting, &proxy).await;
        let before = setting.sandbox.scan_without_audit().await.len();
        let started = Instant::now();
        let bob = store.tenant("bob").unwrap().collection("inbox").unwrap();
        let read = bob.get::<Note>("1").await;
        assert!(matches!(read, Err(ReadError::Key(_))), "{read:?}");
        let new = store.tenant("alice-2").unwrap().collection("inbox").unwrap();
        let write = new.put(&Note::new("1", "text")).await;
        assert!(matches!(write, Err(WriteError::Key(_))), "{write:?}");
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        assert_eq!(setting.sandbox.scan_without_audit().await.len(), before);

        store.flush().await.unwrap();
        let log = setting.sandbox.audit_log().await;
        for (id, operation) in
            [("bob/inbox/note/1", CryptoOp::Decrypt), ("alice-2/inbox/note/1", CryptoOp::Encrypt)]
        {
            let about = log.about(id);
            let event = about.last().unwrap();
            let said = (event.operation, event.outcome, event.reason.as_str());
            assert_eq!(said, (operation, Outcome::Failure, "key_unavailable"), "{id}");
        }
    }
}

async fn open_short(setting: &Setting, proxy: &Proxy) -> EncryptedStore {
    for _ in 0..20 {
        if let Ok(store) = setting.builder(proxy, short()).open().await {
            return store;
        }
    }
    panic!("this machine is too busy for a request in {:?}", short().attempt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plea_to_try_later_is_heeded_and_errors_of_the_server_are_repeated() {
    for policy in policies() {
        let setting = Setting::new("throttled", policy).await;
        for (status, code) in [
            (400, "ProvisionedThroughputExceededException"),
            (400, "ThrottlingException"),
            (400, "RequestLimitExceeded"),
            (500, "InternalServerError"),
            (503, "ServiceUnavailable"),
        ] {
            let sent = Sent::default();
            let proxy = Proxy::start(move |request| {
                let is_refused = sent.count(&request).iter().any(|(_, times)| *times <= 2);
                async move { if is_refused { Fate::refusal(status, code) } else { Fate::Forward } }
            })
            .await;
            let ours = setting.through(&proxy, patient()).await;
            let version = ours.put_if(&Note::new(code, "ours"), Put::Create).await.unwrap();
            assert_eq!(setting.text(code).await, Some((version, "ours".into())), "{code}");
            assert!(ours.delete(code, Delete::Version(version)).await.unwrap());
            assert_eq!(setting.stored(code).await, None, "{code}");
            setting.audited(&ours).await;
        }
        refused_for_good(&setting).await;
    }
}

/// No repetition, and an error that says what the service said.
async fn refused_for_good(setting: &Setting) {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not allowed"}"#;
    let sent = Sent::default();
    let counted = sent.clone();
    let proxy = Proxy::start(move |request| {
        let is_write = !counted.count(&request).is_empty();
        async move { if is_write { Fate::Answer(400, denied.into()) } else { Fate::Forward } }
    })
    .await;
    let ours = setting.through(&proxy, patient()).await;
    let write = ours.put_if(&Note::new("denied", "ours"), Put::Create).await;
    let Err(WriteError::Store(StoreError::Denied { source, .. })) = &write else { panic!("{write:?}") };
    assert_eq!(source.to_string(), "AccessDeniedException: not allowed");
    assert_eq!(sent.times(), [1]);
    let log = setting.audited(&ours).await;
    let about = log.about(&path("denied"));
    let said: Vec<_> =
        about.iter().map(|event| (event.operation, event.outcome, event.reason.as_str())).collect();
    assert_eq!(said, [(CryptoOp::Encrypt, Outcome::Denied, "store_denied")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_after_a_lost_answer_leaves_the_outcome_unknown() {
    let expired = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}"#;
    for policy in policies() {
        let setting = Setting::apart("refused-later", policy).await;
        let sent = Sent::default();
        let proxy = Proxy::start(move |request| {
            let writes = sent.count(&request);
            async move {
                match &writes[..] {
                    [(_, 1)] => Fate::LoseAnswer,
                    [_] => Fate::Answer(400, expired.into()),
                    _ => Fate::Forward,
                }
            }
        })
        .await;
        // Strict, an answer is waited for until the deadline.
        let ours = short_lived(&setting, &proxy).await;
        let create = ours.put_if(&Note::new("created", "done"), Put::Create).await;
        assert!(is_unknown(&create), "{create:?}");
        assert!(setting.stored("created").await.is_some(), "it was done, and nobody said otherwise");
        // Each by itself: the event that says so must not wait in the segment of the next write.
        ours.flush().await;
        let version = setting.other.put_if(&Note::new("replaced", "before"), Put::Create).await.unwrap();
        let replace = ours.put_if(&Note::new("replaced", "after"), Put::Replace(version)).await;
        assert!(is_unknown(&replace), "{replace:?}");
        assert_eq!(setting.text("replaced").await, Some((version + 1, "after".into())));
        let log = setting.audited(&ours).await;
        // Strict, the log knows better than the writer.
        let known = usize::from(setting.is_strict());
        assert_eq!(log.written(&path("created")).len(), known);
        assert_eq!(log.written(&path("replaced")).len(), 1 + known);
    }
}

/// The real service's words for what DynamoDB Local never says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contention_of_transactions_is_waited_out_whatever_else_they_say() {
    let in_progress =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException","Message":"later"}"#;
    let keys = cancelled(&["TransactionConflict", "None", "ConditionalCheckFailed"]);
    let alone = vec![cancelled(&["TransactionConflict"]), cancelled(&["ThrottlingError"])];
    // The segment comes first, then the record.
    let with_segment = [
        ["TransactionConflict", "None"],
        ["None", "TransactionConflict"],
        ["ThrottlingError", "None"],
        ["None", "ThrottlingError"],
        ["TransactionConflict", "ConditionalCheckFailed"],
        ["TransactionConflict", "TransactionConflict"],
        ["None", "ProvisionedThroughputExceeded"],
    ];
    let with_segment: Vec<_> = with_segment.iter().map(|reasons| cancelled(reasons)).collect();
    for policy in policies() {
        let setting = Setting::new("contention", policy).await;
        let mut bodies = if setting.is_strict() { with_segment.clone() } else { alone.clone() };
        bodies.push(in_progress.to_owned());
        let expected = u32::try_from(bodies.len()).unwrap() + 1;
        let (sent, keys) = (Sent::default(), keys.clone());
        let counted = sent.clone();
        let proxy = Proxy::start(move |request| {
            let answer = match &counted.count(&request)[..] {
                [] if request.pk().starts_with("K#") && request.attempt == 1 => Some(keys.clone()),
                [(_, times), ..] => bodies.get(*times as usize - 1).cloned(),
                _ => None,
            };
            async move { answer.map_or(Fate::Forward, |body| Fate::Answer(400, body)) }
        })
        .await;
        let ours = setting.through(&proxy, patient()).await;
        let version = ours.put_if(&Note::new("1", "text"), Put::Create).await.unwrap();
        assert_eq!(setting.text("1").await, Some((version, "text".into())));
        assert_eq!(sent.times(), [expected], "each refusal, and a success");
        let store = setting.builder(&proxy, patient()).open().await.unwrap();
        let new = store.tenant("bob").unwrap().collection("inbox").unwrap();
        new.put_if(&Note::new("warm-up", "text"), Put::Create).await.unwrap();
        assert_eq!(proxy.seen_at("TransactWriteItems", "K#bob"), 2, "and of the key");
        setting.audited(&ours).await;
    }
}

fn cancelled(reasons: &[&str]) -> String {
    let reasons: Vec<_> = reasons.iter().map(|code| format!(r#"{{"Code":"{code}"}}"#)).collect();
    format!(
        r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{}],"Message":"cancelled"}}"#,
        reasons.join(",")
    )
}
