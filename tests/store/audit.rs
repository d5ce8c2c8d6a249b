//! What the audit log says of what was done: which events, when they are durable, and that nothing is done without them.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use blue_encrypted_store::{
    AuditConfig, ChainPolicy, Collection, Deadlines, Delete, EncryptedStore, KeyProvider, OpenError, Put,
    ReadError, ReadPolicy, TraceContext, WriteError, WritePolicy,
    blue_audit::{AppendError, AppenderConfig, CryptoOp, Details, Outcome},
    envelope::{Envelope, Kek},
    keys::{KeyContext, KeyError, KeyOwner, UmkId, WrappedKek},
};
use blue_tests::{Fate, Item, Note, Proxy, Request, Sandbox, VerifiedLog, b, s};
use futures::{StreamExt, TryStreamExt, future::join_all, stream};

fn inbox(store: &EncryptedStore, tenant: &str) -> Collection {
    store.tenant(tenant).unwrap().collection("inbox").unwrap()
}

fn path(id: &str) -> String {
    format!("alice/inbox/note/{id}")
}

/// Operation, outcome and reason of each event.
fn said<'a>(events: &[&'a Details]) -> Vec<(CryptoOp, Outcome, &'a str)> {
    events.iter().map(|event| (event.operation, event.outcome, event.reason.as_str())).collect()
}

const ENCRYPTED: (CryptoOp, Outcome, &str) = (CryptoOp::Encrypt, Outcome::Success, "");
const DECRYPTED: (CryptoOp, Outcome, &str) = (CryptoOp::Decrypt, Outcome::Success, "");
const DELETED: (CryptoOp, Outcome, &str) = (CryptoOp::Delete, Outcome::Success, "");

/// The id of the key and the digest that a stored record has.
async fn sealed(sandbox: &Sandbox, id: &str) -> (String, Option<[u8; 32]>) {
    let item = sandbox.item("R#alice#inbox", &format!("note#{id}")).await.unwrap();
    let envelope = Envelope::parse(item["_e"].as_b().unwrap().as_ref()).unwrap();
    (envelope.kek_id().to_string(), Some(envelope.content_digest()))
}

#[tokio::test]
async fn every_operation_is_told_with_its_version_key_and_content() {
    let sandbox = Sandbox::new("operations").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let first = inbox.put_if(&Note::new("1", "text"), Put::Create).await.unwrap();
    let created = sealed(&sandbox, "1").await;
    inbox.get::<Note>("1").await.unwrap().unwrap();
    let updated = inbox.update("1", |note: &mut Note| note.text.push('x')).await.unwrap().version;
    let after_update = sealed(&sandbox, "1").await;
    let upserted = inbox.put(&Note::new("1", "other")).await.unwrap();
    let after_upsert = sealed(&sandbox, "1").await;
    assert!(inbox.delete::<Note>("1", Delete::Any).await.unwrap());

    let log = sandbox.audit_log().await;
    let about = log.about(&path("1"));
    let expected = [
        (ENCRYPTED, first, &created),
        (DECRYPTED, first, &created),
        // An update shows the content to its caller first, an upsert opens what it replaces.
        (DECRYPTED, first, &created),
        (ENCRYPTED, updated, &after_update),
        (DECRYPTED, updated, &after_update),
        (ENCRYPTED, upserted, &after_upsert),
    ];
    assert_eq!(about.len(), expected.len() + 1, "{about:#?}");
    for (event, (what, version, (key, digest))) in about.iter().zip(expected) {
        assert_eq!(said(&[event]), [what], "{event:?}");
        assert_eq!(
            (event.version, &event.key_id, event.content_digest),
            (version, key, *digest),
            "{event:?}"
        );
    }
    let deleted = about.last().unwrap();
    assert_eq!(said(&[deleted]), [DELETED]);
    assert_eq!((deleted.version, &deleted.key_id), (upserted, &after_upsert.0));
    assert_eq!(log.differences(&sandbox.scan().await), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_there_is_not_told() {
    let sandbox = Sandbox::new("absent").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    inbox.put(&Note::new("1", "text")).await.unwrap();
    let before = sandbox.audit_log().await.chain("main").len();
    assert_eq!(inbox.get::<Note>("2").await.unwrap(), None);
    assert!(!inbox.delete::<Note>("2", Delete::Any).await.unwrap());
    let update = inbox.update("2", |_: &mut Note| ()).await;
    assert!(matches!(update, Err(WriteError::NotFound { .. })), "{update:?}");
    assert_eq!(sandbox.audit_log().await.chain("main").len(), before);
}

#[tokio::test]
async fn a_key_is_told_where_it_was_made_and_unwrapped() {
    let sandbox = Sandbox::new("keys-told").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    sandbox.collection("alice", "inbox").await.get::<Note>("1").await.unwrap().unwrap();
    let (kek, _) = sealed(&sandbox, "1").await;
    let umk = sandbox.provider().umk_id().as_str().to_owned();
    let log = sandbox.audit_log().await;
    let of_keks: Vec<_> = log.events().filter(|event| event.resource.contains("/%23kek/")).collect();
    let is_audit = |event: &&Details| event.resource.starts_with("bes:default/%23audit/%23kek/");
    let (audit, alice): (Vec<&Details>, Vec<&Details>) = of_keks.into_iter().partition(is_audit);
    let expected =
        [CryptoOp::GenerateKek, CryptoOp::UnwrapKek].map(|operation| (operation, Outcome::Success, ""));
    assert_eq!((said(&audit), said(&alice)), (expected.to_vec(), expected.to_vec()));
    assert!(
        alice.iter().all(|event| event.resource == format!("bes:default/alice/%23kek/{kek}")),
        "{alice:?}"
    );
    assert!(audit.iter().chain(&alice).all(|event| event.key_id == umk), "by the master key");
    // A key is told of before anything is sealed under it.
    let operations: Vec<_> = log.events().map(|event| event.operation).collect();
    let at = |operation| operations.iter().position(|&found| found == operation).unwrap();
    assert!(
        at(CryptoOp::GenerateKek) < at(CryptoOp::Encrypt) && at(CryptoOp::UnwrapKek) < at(CryptoOp::Decrypt)
    );
}

#[tokio::test]
async fn an_event_names_the_principal_of_its_handle_or_that_of_the_builder() {
    let sandbox = Sandbox::new("principals").await;
    let store = sandbox.builder().principal("service").init().await.unwrap();
    inbox(&store, "alice").put(&Note::new("1", "text")).await.unwrap();
    let ann = store.with_principal("ann@example.org").unwrap();
    inbox(&ann, "alice").get::<Note>("1").await.unwrap().unwrap();
    let bob = inbox(&ann, "alice").with_principal("bob").unwrap();
    bob.get::<Note>("1").await.unwrap().unwrap();
    inbox(&store, "alice").get::<Note>("1").await.unwrap().unwrap();
    let nobody = sandbox.collection("alice", "inbox").await;
    nobody.get::<Note>("1").await.unwrap().unwrap();

    let log = sandbox.audit_log().await;
    let principals: Vec<_> = log.about(&path("1")).iter().map(|event| event.principal.as_str()).collect();
    assert_eq!(principals, ["service", "ann@example.org", "bob", "service", ""]);
    for bad in ["", "a\nb", &"x".repeat(1_025)] {
        assert!(store.with_principal(bad).is_err(), "{bad:?}");
        let open = sandbox.builder().principal(bad).open().await;
        assert!(matches!(open, Err(OpenError::Name(_))), "{bad:?}: {open:?}");
    }
}

#[tokio::test]
async fn an_event_is_of_the_trace_that_it_was_given_or_of_one_of_its_own() {
    let sandbox = Sandbox::new("traces").await;
    let store = sandbox.store().await;
    let trace = TraceContext::new([0xab; 16], [0xcd; 8]).unwrap();
    inbox(&store.in_trace(trace), "alice").put(&Note::new("1", "text")).await.unwrap();
    inbox(&store, "alice").in_trace(trace).get::<Note>("1").await.unwrap().unwrap();
    for _ in 0..2 {
        inbox(&store, "alice").get::<Note>("1").await.unwrap().unwrap();
    }
    let log = sandbox.audit_log().await;
    let traces: Vec<_> =
        log.about(&path("1")).iter().map(|event| (event.trace_id.as_str(), event.span_id.as_str())).collect();
    let given = ("ab".repeat(16), "cd".repeat(8));
    assert_eq!(traces[..2], [(given.0.as_str(), given.1.as_str()); 2]);
    let fresh: BTreeSet<_> = traces[2..].iter().collect();
    assert_eq!(fresh.len(), 2, "{traces:?}");
    for (trace_id, span_id) in fresh {
        let text = format!("00-{trace_id}-{span_id}-01");
        assert!(text.parse::<TraceContext>().is_ok() && *trace_id != given.0, "{text}");
    }
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason_and_is_no_success() {
    let sandbox = Sandbox::new("failures").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let version = inbox.put_if(&Note::new("1", "text"), Put::Create).await.unwrap();
    let conflict = [
        inbox.put_if(&Note::new("1", "again"), Put::Create).await.map(drop),
        inbox.put_if(&Note::new("1", "again"), Put::Replace(version + 5)).await.map(drop),
        inbox.delete::<Note>("1", Delete::Version(version + 5)).await.map(drop),
    ];
    for result in conflict {
        assert!(matches!(result, Err(WriteError::Conflict { .. })), "{result:?}");
    }
    let log = sandbox.audit_log().await;
    let failed = |operation, reason| (operation, Outcome::Failure, reason);
    let (encrypt, delete) = (failed(CryptoOp::Encrypt, "conflict"), failed(CryptoOp::Delete, "conflict"));
    // To compare versions, a replace opens what is there.
    assert_eq!(said(&log.about(&path("1"))), [ENCRYPTED, encrypt, DECRYPTED, encrypt, delete]);

    // Tampered with: seen by a read, a listing, and a write that would build upon it; a delete need not open it.
    let mut item = sandbox.item("R#alice#inbox", "note#1").await.unwrap();
    item.insert("status".into(), s("edited"));
    sandbox.put_item(item).await;
    assert!(matches!(inbox.get::<Note>("1").await, Err(ReadError::Tampered(_))));
    assert!(matches!(inbox.list::<Note>().next().await, Some(Err(ReadError::Tampered(_)))));
    assert!(matches!(inbox.put(&Note::new("1", "new")).await, Err(WriteError::Tampered(_))));
    assert!(inbox.delete::<Note>("1", Delete::Any).await.unwrap());
    let log = sandbox.audit_log().await;
    let about = log.about(&path("1"));
    let read = failed(CryptoOp::Decrypt, "tampered");
    assert_eq!(said(&about[5..]), [read, read, read, failed(CryptoOp::Encrypt, "tampered"), DELETED]);
    assert!(about[5..8].iter().all(|event| event.version == version), "{about:#?}");
}

#[tokio::test]
async fn a_shredded_tenant_is_denied_and_told() {
    let sandbox = Sandbox::new("shredded").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    for item in sandbox.partition("K#alice").await {
        sandbox.delete_item("K#alice", item["sk"].as_s().unwrap()).await;
    }
    let tombstone = [("pk", "K#alice"), ("sk", "0000000000"), ("time", "2026-11-23T12:00:00.000000Z")];
    sandbox.put_item(tombstone.map(|(name, text)| (name.to_owned(), s(text))).into()).await;
    let inbox = sandbox.collection("alice", "inbox").await;
    assert!(matches!(inbox.get::<Note>("1").await, Err(ReadError::Shredded(_))));
    assert!(matches!(inbox.put_if(&Note::new("2", "text"), Put::Create).await, Err(WriteError::Shredded(_))));
    let log = sandbox.audit_log().await;
    let denied = |operation| (operation, Outcome::Denied, "shredded");
    assert_eq!(said(&log.about(&path("1"))), [ENCRYPTED, denied(CryptoOp::Decrypt)]);
    assert_eq!(said(&log.about(&path("2"))), [denied(CryptoOp::Encrypt)]);
}

/// A provider whose use for tenants may be denied.
struct Denying {
    inner: Arc<dyn KeyProvider>,
    denied: AtomicBool,
}

impl Denying {
    fn check(&self, context: &KeyContext) -> Result<(), KeyError> {
        let denied = self.denied.load(SeqCst) && context.purpose != KeyOwner::Audit.into();
        let umk_id = self.inner.umk_id().clone();
        if denied { Err(KeyError::Denied { umk_id, source: "not you".into() }) } else { Ok(()) }
    }
}

#[async_trait]
impl KeyProvider for Denying {
    fn umk_id(&self) -> &UmkId {
        self.inner.umk_id()
    }

    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        self.check(context)?;
        self.inner.generate_kek(context).await
    }

    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        self.check(context)?;
        self.inner.unwrap_kek(wrapped, context).await
    }
}

#[tokio::test]
async fn a_key_that_is_denied_is_told_as_denied() {
    let sandbox = Sandbox::new("denied").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    let keys = Arc::new(Denying { inner: sandbox.provider(), denied: AtomicBool::new(true) });
    let store = sandbox.builder().keys(keys).open().await.unwrap();
    let read = inbox(&store, "alice").get::<Note>("1").await;
    assert!(matches!(read, Err(ReadError::Key(_))), "{read:?}");
    let write = inbox(&store, "new").put(&Note::new("1", "text")).await;
    assert!(matches!(write, Err(WriteError::Key(_))), "{write:?}");
    let log = sandbox.audit_log().await;
    let denied = |operation| (operation, Outcome::Denied, "key_denied");
    assert_eq!(said(&log.about(&path("1"))), [ENCRYPTED, denied(CryptoOp::Decrypt)]);
    assert_eq!(said(&log.about("new/inbox/note/1")), [denied(CryptoOp::Encrypt)]);
    let keks: Vec<_> = log.events().filter(|event| event.outcome == Outcome::Denied).collect();
    let of_keks: Vec<_> = keks.into_iter().filter(|event| event.resource.contains("/%23kek/")).collect();
    assert_eq!(said(&of_keks), [denied(CryptoOp::UnwrapKek), denied(CryptoOp::GenerateKek)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_of_n_records_is_n_events_in_as_few_segments_as_hold_them() {
    const RECORDS: usize = 600;
    let sandbox = Sandbox::new("listing").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let writes = (0..RECORDS).map(|i| {
        let inbox = inbox.clone();
        tokio::spawn(async move { inbox.put_if(&Note::new(&format!("{i:04}"), "text"), Put::Create).await })
    });
    for write in join_all(writes).await {
        write.unwrap().unwrap();
    }
    let before = sandbox.audit_log().await;
    // Writes that wait together share a segment.
    assert!(before.segments("main").len() < RECORDS / 4, "{:?}", before.segments("main"));
    assert_eq!(inbox.list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), RECORDS);
    let after = sandbox.audit_log().await;
    let events: Vec<_> = after.chain("main")[before.chain("main").len()..].iter().collect();
    assert_eq!(events.len(), RECORDS);
    for (i, event) in events.iter().enumerate() {
        assert_eq!(said(&[event.details()]), [DECRYPTED]);
        assert_eq!(
            event.details().resource,
            format!("bes:default/alice/inbox/note/{i:04}"),
            "in their order"
        );
    }
    let traces: BTreeSet<_> = events.iter().map(|event| &event.details().trace_id).collect();
    // A page is at most 256 records, and each is recorded before it is released, in segments of at most 64 KiB.
    let pages = RECORDS.div_ceil(256);
    assert_eq!(traces.len(), pages);
    let segments = &after.segments("main")[before.segments("main").len()..];
    let bytes: usize = events.iter().map(|event| event.event_bytes().len() + 4).sum();
    let fewest = bytes.div_ceil(65_536).max(pages);
    assert!(
        (fewest..=fewest + pages).contains(&segments.len()),
        "{segments:?} for {bytes} bytes in {pages} pages"
    );
}

fn reading(reads: ReadPolicy) -> AuditConfig {
    AuditConfig { reads, ..AuditConfig::default() }
}

#[tokio::test]
async fn a_lease_is_told_once_for_principal_collection_and_key_before_the_reads() {
    let sandbox = Sandbox::new("leases").await;
    let writer = sandbox.store().await;
    for (tenant, id) in [("alice", "1"), ("alice", "2"), ("bob", "1")] {
        inbox(&writer, tenant).put(&Note::new(id, "text")).await.unwrap();
    }
    let lease = ReadPolicy::Lease { window: Duration::from_secs(3_600) };
    let store = sandbox.builder().audit(reading(lease)).open().await.unwrap();
    let ann = store.with_principal("ann").unwrap();
    let leases = async || {
        let log = sandbox.audit_log().await;
        let leases = log.events().filter(|event| event.operation == CryptoOp::Lease).cloned();
        leases.collect::<Vec<Details>>()
    };
    inbox(&ann, "alice").get::<Note>("1").await.unwrap().unwrap();
    let first = leases().await;
    assert_eq!(first.len(), 1, "durable before the content is released");
    let (kek, _) = sealed(&sandbox, "1").await;
    let event = &first[0];
    assert_eq!((event.principal.as_str(), event.outcome), ("ann", Outcome::Success));
    assert_eq!((event.resource.as_str(), event.reason.as_str()), ("bes:default/alice/inbox", "60s"));
    assert_eq!(event.key_id, kek);

    // Within it no further one, whatever is read; a listing neither.
    for id in ["1", "2", "1"] {
        inbox(&ann, "alice").get::<Note>(id).await.unwrap().unwrap();
    }
    assert_eq!(inbox(&ann, "alice").list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(leases().await.len(), 1);
    // Another principal, another tenant: another lease each.
    inbox(&store.with_principal("ben").unwrap(), "alice").get::<Note>("1").await.unwrap().unwrap();
    inbox(&ann, "bob").get::<Note>("1").await.unwrap().unwrap();
    let all = leases().await;
    let of: Vec<_> = all.iter().map(|lease| (lease.principal.as_str(), lease.resource.as_str())).collect();
    let expected = [
        ("ann", "bes:default/alice/inbox"),
        ("ben", "bes:default/alice/inbox"),
        ("ann", "bes:default/bob/inbox"),
    ];
    assert_eq!(of, expected);

    store.flush().await.unwrap();
    let log = sandbox.audit_log().await;
    let reads = |path: &str, principal: &str| {
        let reads = log.successes(CryptoOp::Decrypt, path);
        reads.iter().filter(|event| event.principal == principal).count()
    };
    assert_eq!((reads(&path("1"), "ann"), reads(&path("2"), "ann"), reads(&path("1"), "ben")), (4, 2, 1));
    assert_eq!(reads("bob/inbox/note/1", "ann"), 1);
    let at = |operation, principal: &str| {
        let of = |event: &Details| event.operation == operation && event.principal == principal;
        log.events().position(of).unwrap()
    };
    assert!(at(CryptoOp::Lease, "ann") < at(CryptoOp::Decrypt, "ann"));
}

#[tokio::test]
async fn a_lease_that_is_over_is_granted_anew() {
    let sandbox = Sandbox::new("lease-ends").await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    let lease = ReadPolicy::Lease { window: Duration::from_millis(1) };
    let store = sandbox.builder().audit(reading(lease)).open().await.unwrap();
    for _ in 0..2 {
        inbox(&store, "alice").get::<Note>("1").await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let log = sandbox.audit_log().await;
    let leases: Vec<_> = log.events().filter(|event| event.operation == CryptoOp::Lease).collect();
    assert_eq!(leases.len(), 2);
    assert!(leases.iter().all(|lease| lease.reason == "1s"), "the shortest there is: {leases:#?}");
}

#[tokio::test]
async fn buffered_events_are_there_after_a_flush() {
    let sandbox = Sandbox::new("buffered").await;
    let audit =
        AuditConfig { writes: WritePolicy::Buffered, reads: ReadPolicy::Buffered, ..AuditConfig::default() };
    let store = sandbox.builder().audit(audit).init().await.unwrap();
    let inbox = inbox(&store, "alice");
    let mut written = Vec::new();
    for _ in 0..20 {
        written.push(inbox.put(&Note::new("1", "text")).await.unwrap());
        inbox.get::<Note>("1").await.unwrap().unwrap();
    }
    assert!(inbox.delete::<Note>("1", Delete::Any).await.unwrap());
    store.flush().await.unwrap();
    let log = sandbox.audit_log().await;
    assert_eq!(log.written(&path("1")), written);
    // Each read, and for each upsert but the first that of what it replaced.
    assert_eq!(log.successes(CryptoOp::Decrypt, &path("1")).len(), 20 + 19);
    assert_eq!(log.successes(CryptoOp::Delete, &path("1")).len(), 1);
    let keks = log.events().filter(|event| event.operation == CryptoOp::GenerateKek);
    assert_eq!(keks.count(), 2);
}

/// Short, and yet long enough for a request on a busy machine.
fn short() -> Deadlines {
    Deadlines { attempt: Duration::from_secs(1), operation: Duration::from_secs(3) }
}

const SOON: Duration = Duration::from_secs(30);

fn writes_to_the_log(request: &Request) -> bool {
    request.writes().iter().any(|(pk, _, _)| pk.starts_with("A#"))
}

/// A proxy that treats requests to write the audit log so, once it is told to.
async fn refusing(fate: Fate) -> (Proxy, Arc<AtomicBool>) {
    let refusing = Arc::new(AtomicBool::new(false));
    let switch = refusing.clone();
    let proxy = Proxy::start(move |request| {
        let is_refused = switch.load(SeqCst) && writes_to_the_log(&request);
        let fate = if is_refused { fate.clone() } else { Fate::Forward };
        async move { fate }
    });
    (proxy.await, refusing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_released_or_written_while_the_log_cannot_be_written() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not allowed"}"#;
    let fates = [
        Fate::Answer(400, denied.into()),
        Fate::refusal(400, "ThrottlingException"),
        Fate::LoseRequest,
        Fate::Silence,
    ];
    let cases = fates.iter().flat_map(|fate| [(fate, false), (fate, true)]);
    let cases = stream::iter(cases).map(|(fate, lease)| unwritable(fate, lease)).buffer_unordered(8);
    assert_eq!(cases.count().await, 8);
}

async fn unwritable(fate: &Fate, lease: bool) {
    let sandbox = Sandbox::new("unwritable").await;
    let direct = sandbox.collection("alice", "inbox").await;
    let version = direct.put(&Note::new("1", "text")).await.unwrap();
    let (proxy, refused) = refusing(fate.clone()).await;
    let reads = if lease { ReadPolicy::Lease { window: SOON } } else { ReadPolicy::Strict };
    let appender = AppenderConfig { attempt: short().attempt, ..AppenderConfig::default() };
    let audit = AuditConfig { appender, ..reading(reads) };
    let builder = || sandbox.builder().client(proxy.client(&sandbox.client)).deadlines(short()).audit(audit);
    let store = builder().open().await.unwrap();
    let ours = inbox(&store, "alice");
    // Its key is in memory then, and the chain known.
    let mut ready = ours.put(&Note::new("warm-up", "text")).await;
    for _ in 0..20 {
        if ready.is_ok() {
            break;
        }
        ready = ours.put(&Note::new("warm-up", "text")).await;
    }
    ready.unwrap();
    refused.store(true, SeqCst);
    let before = (sandbox.scan().await.len(), sandbox.item("R#alice#inbox", "note#1").await);

    let case = format!("{fate:?}, lease: {lease}");
    let started = Instant::now();
    let read = ours.get::<Note>("1").await;
    assert!(matches!(read, Err(ReadError::Audit(_))), "{case}: {read:?}");
    let listed: Vec<_> = ours.list::<Note>().collect().await;
    assert!(matches!(&listed[..], [Err(ReadError::Audit(_))]), "{case}: {listed:?}");
    let updated = ours.update("1", |_: &mut Note| panic!("nothing is released")).await;
    assert!(matches!(updated, Err(WriteError::Audit(_))), "{case}: {updated:?}");
    let writes = [
        ours.put_if(&Note::new("2", "text"), Put::Create).await.map(drop),
        ours.put(&Note::new("1", "new")).await.map(drop),
        ours.put_if(&Note::new("1", "new"), Put::Replace(version)).await.map(drop),
        ours.delete::<Note>("1", Delete::Any).await.map(drop),
    ];
    for write in writes {
        // A read before them may have been recorded or not. They were never sent, and that is known.
        assert!(matches!(write, Err(WriteError::Store(_) | WriteError::Audit(_))), "{case}: {write:?}");
    }
    assert!(started.elapsed() < SOON * 2, "{case}: {:?}", started.elapsed());
    let after = (sandbox.scan().await.len(), sandbox.item("R#alice#inbox", "note#1").await);
    assert_eq!(after, before, "{case}: nothing was written");

    refused.store(false, SeqCst);
    // What never came gives way to what says so.
    let mut flushed = store.flush().await;
    for _ in 0..20 {
        if flushed.is_ok() {
            break;
        }
        flushed = store.flush().await;
    }
    flushed.unwrap();
    assert!(ours.get::<Note>("1").await.unwrap().is_some(), "{case}: it goes on when the log is back");
    let log = sandbox.audit_log().await;
    assert_eq!(log.written(&path("2")), Vec::<u64>::new(), "{case}");
    assert_eq!(log.written(&path("1")), [version], "{case}");
    assert_eq!(log.differences(&sandbox.scan().await), Vec::<String>::new(), "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_log_cannot_be_begun_does_not_open() {
    let sandbox = Sandbox::new("no-log").await;
    let (proxy, refused) = refusing(Fate::refusal(400, "ThrottlingException")).await;
    refused.store(true, SeqCst);
    let opened = sandbox.builder().client(proxy.client(&sandbox.client)).deadlines(short()).init().await;
    assert!(matches!(opened, Err(OpenError::Audit(_))), "{opened:?}");
    refused.store(false, SeqCst);
    let store = sandbox.builder().client(proxy.client(&sandbox.client)).open().await.unwrap();
    inbox(&store, "alice").put(&Note::new("1", "text")).await.unwrap();
    assert_eq!(sandbox.audit_log().await.differences(&sandbox.scan().await), Vec::<String>::new());
}

#[tokio::test]
async fn a_chain_of_its_own_begins_with_its_opening_and_the_registry_names_it() {
    let sandbox = Sandbox::new("per-writer").await;
    sandbox.store().await;
    let audit = AuditConfig { chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
    let mut chains = BTreeSet::new();
    for writer in 0..3 {
        let store = sandbox.builder().audit(audit).open().await.unwrap();
        inbox(&store, "alice").put(&Note::new(&writer.to_string(), "text")).await.unwrap();
        let log = sandbox.audit_log().await;
        let found: BTreeSet<String> = log.chains().into_iter().map(str::to_owned).collect();
        let mut new =
            found.difference(&chains).filter(|chain| !["main", "registry"].contains(&chain.as_str()));
        let (own, None) = (new.next().unwrap(), new.next()) else { panic!("{found:?}") };
        let opening = log.chain(own)[0].details();
        let opened = (CryptoOp::OpenChain, Outcome::Success, "");
        assert_eq!(said(&[opening]), [opened]);
        assert_eq!(opening.resource, format!("bes:default/%23audit/{own}"));
        let registered = log.chain("registry").last().unwrap().details();
        assert_eq!((said(&[registered]), &registered.resource), (vec![opened], &opening.resource));
        let written = log.chain(own).iter().any(|event| event.details().operation == CryptoOp::Encrypt);
        assert!(written, "its events are in it");
        let version = u8::from_str_radix(&own[14..15], 16).unwrap();
        assert_eq!((own.len(), version), (36, 7), "a UUIDv7: {own}");
        chains = found;
    }
    assert_eq!(sandbox.audit_log().await.chain("registry").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_race_on_one_chain_leave_no_gap_and_tell_of_every_success_once() {
    let sandbox = Sandbox::new("races").await;
    let stores = join_all((0..4).map(|_| sandbox.store())).await;
    let tasks = (0..32).map(|task| {
        let inbox = inbox(&stores[task % 4], "alice");
        tokio::spawn(async move {
            let mut done: Vec<(String, CryptoOp, u64)> = Vec::new();
            for turn in 0..8 {
                // Some records are one task's own, and some every task writes to.
                let id = if turn % 2 == 0 { format!("{task}-{turn}") } else { format!("shared-{turn}") };
                match inbox.put_if(&Note::new(&id, &task.to_string()), Put::Create).await {
                    Ok(version) => done.push((id.clone(), CryptoOp::Encrypt, version)),
                    Err(WriteError::Conflict { .. }) => {
                        let entry = inbox.update(&id, |note: &mut Note| note.text.push('x')).await.unwrap();
                        done.push((id.clone(), CryptoOp::Encrypt, entry.version));
                    }
                    Err(error) => panic!("{id}: {error:?}"),
                }
                let entry = inbox.get_entry::<Note>(&id).await.unwrap().unwrap();
                done.push((id.clone(), CryptoOp::Decrypt, entry.version));
                if turn % 4 == 0 {
                    assert!(inbox.delete::<Note>(&id, Delete::Version(entry.version)).await.unwrap());
                    done.push((id, CryptoOp::Delete, entry.version));
                }
            }
            done
        })
    });
    let mut done: BTreeMap<(String, &str, u64), u32> = BTreeMap::new();
    for task in join_all(tasks).await {
        for (id, operation, version) in task.unwrap() {
            *done.entry((id, operation.as_str(), version)).or_default() += 1;
        }
    }
    let log = sandbox.audit_log().await;
    assert_eq!(log.chains(), ["main"]);
    let mut told: BTreeMap<(String, &str, u64), u32> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in log.events() {
        assert!(ids.insert(event.event_id), "twice: {event:?}");
        let Some(id) = event.resource.strip_prefix("bes:default/alice/inbox/note/") else { continue };
        if event.outcome == Outcome::Success {
            *told.entry((id.to_owned(), event.operation.as_str(), event.version)).or_default() += 1;
        }
    }
    for (what, times) in &done {
        let told = told.get(what).copied().unwrap_or_default();
        // An update reads what it changes, as often as it takes.
        let is_told = if what.1 == CryptoOp::Decrypt.as_str() { told >= *times } else { told == *times };
        assert!(is_told, "{what:?} was done {times} times and told {told} times");
    }
    let strange: Vec<_> =
        told.keys().filter(|what| what.1 != "decrypt" && !done.contains_key(*what)).collect();
    assert!(strange.is_empty(), "told and not done: {strange:?}");
    let writes =
        |of: &BTreeMap<(String, &str, u64), u32>| of.keys().filter(|what| what.1 != "decrypt").count();
    assert!(writes(&done) > 32 * 8, "{}", writes(&done));
    assert_eq!(log.differences(&sandbox.scan().await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_was_cut_back_takes_nothing_more_from_who_has_seen_it_longer() {
    let sandbox = Sandbox::new("cut-back").await;
    let audit = AuditConfig {
        appender: AppenderConfig { look_again: Duration::ZERO, ..AppenderConfig::default() },
        ..AuditConfig::default()
    };
    let store = sandbox.builder().audit(audit).init().await.unwrap();
    let ours = inbox(&store, "alice");
    for id in ["1", "2", "3"] {
        ours.put(&Note::new(id, "text")).await.unwrap();
    }
    let mut segments: Vec<_> = sandbox.partition("A#main").await;
    segments.sort_by_key(|item| item["sk"].as_s().unwrap().clone());
    sandbox.delete_item("A#main", segments.last().unwrap()["sk"].as_s().unwrap()).await;
    let read = ours.get::<Note>("1").await;
    let Err(ReadError::Audit(error)) = &read else { panic!("{read:?}") };
    assert!(matches!(error.source, AppendError::Stopped { .. }), "{error:?}");
    let write = ours.put_if(&Note::new("4", "text"), Put::Create).await;
    assert!(matches!(write, Err(WriteError::Audit(_))), "{write:?}");
    assert_eq!(sandbox.partition("A#main").await.len(), segments.len() - 1, "nothing was added");
    assert!(sandbox.item("R#alice#inbox", "note#4").await.is_none());
}

/// The check that other suites rely on sees what it is for.
#[tokio::test]
async fn a_log_that_lacks_a_segment_and_records_that_differ_from_it_are_seen() {
    let sandbox = Sandbox::new("control").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    inbox.put(&Note::new("1", "text")).await.unwrap();
    let old = sandbox.item("R#alice#inbox", "note#1").await.unwrap();
    inbox.put(&Note::new("1", "newer")).await.unwrap();
    inbox.put(&Note::new("2", "text")).await.unwrap();
    let gone = sandbox.item("R#alice#inbox", "note#2").await.unwrap();
    assert!(inbox.delete::<Note>("2", Delete::Any).await.unwrap());
    let (items, key) = (sandbox.scan().await, sandbox.provider());
    assert_eq!(VerifiedLog::findings(&items, &*key).await, Vec::<String>::new());

    let is_first = |item: &Item| item["pk"] == old["pk"] && item["sk"] == old["sk"];
    let without: Vec<Item> = items.iter().filter(|item| !is_first(item)).cloned().collect();
    let rolled_back: Vec<Item> = without.iter().chain([&old]).cloned().collect();
    let restored: Vec<Item> = items.iter().chain([&gone]).cloned().collect();
    for (what, items) in [("deleted", &without), ("rolled back", &rolled_back), ("restored", &restored)] {
        let findings = VerifiedLog::findings(items, &*key).await;
        assert_eq!(findings.len(), 1, "{what}: {findings:#?}");
    }
    let mut edited = items.clone();
    let record = edited.iter_mut().find(|item| is_first(item)).unwrap();
    let mut envelope = record["_e"].as_b().unwrap().as_ref().to_vec();
    *envelope.last_mut().unwrap() ^= 1;
    record.insert("_e".into(), b(envelope));
    assert_eq!(VerifiedLog::findings(&edited, &*key).await.len(), 1, "another content digest");

    let segments = items.iter().filter(|item| item["pk"] == s("A#main")).count();
    for cut in 0..segments - 1 {
        let mut sks: Vec<_> = items.iter().filter(|item| item["pk"] == s("A#main")).collect();
        sks.sort_by_key(|item| item["sk"].as_s().unwrap());
        let cut = sks[cut].clone();
        let left: Vec<Item> = items.iter().filter(|item| **item != cut).cloned().collect();
        assert!(VerifiedLog::read(&left, &*key).await.is_err(), "without {cut:?}");
    }
    assert!(segments > 3, "{segments}");
}
