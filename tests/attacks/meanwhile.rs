//! A record that is changed at a chosen moment of a deep verification: it is no finding.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::{
    AuditConfig, ChainPolicy, Collection, Delete, WritePolicy,
    blue_audit::{Class, Events, Observer, Report, Verdict, VerifyOptions, address::Chain},
};
use blue_tests::{Fate, Note, Proxy, Sandbox};
use tokio::{runtime::Handle, task};

fn clean(report: Report, how: &str) -> Report {
    assert!(report.verdict() == Verdict::Verified && report.findings.count() == 0, "{how}: {report}");
    report
}

/// Two who write: one to `main`, the other to a chain of its own.
struct Writers {
    sandbox: Sandbox,
    ours: Collection,
    theirs: Collection,
}

impl Writers {
    async fn new() -> Self {
        let sandbox = Sandbox::new("attacks-meanwhile").await;
        let per_writer = AuditConfig { chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
        let theirs = sandbox.builder().audit(per_writer).init().await.unwrap();
        let ours = sandbox.builder().open().await.unwrap();
        let [ours, theirs] =
            [ours, theirs].map(|store| store.tenant("alice").unwrap().collection("inbox").unwrap());
        Self { sandbox, ours, theirs }
    }

    /// Verifies deep, one chain after the other (the other's, then `main`), while `act` is told of each segment and its
    /// number, counted from 1.
    async fn verify(&self, act: impl Fn(u64, u64, &Chain) + Send + Sync + 'static) {
        let log = self.sandbox.builder().open_audit().await.unwrap();
        let before = clean(log.verify(&log.options()).await.unwrap(), "before");
        let all = before.totals().segments;
        let observer = Arc::new(Meanwhile { act, all, heard: AtomicU64::new(0) });
        let options = VerifyOptions {
            observer: Some(observer.clone()),
            parallelism: NonZeroUsize::MIN,
            ..log.options()
        };
        clean(log.verify_deep(&options).await.unwrap(), "while a record changes");
        assert!(observer.heard.load(SeqCst) > all, "the record was looked at again");
    }
}

struct Meanwhile<F> {
    act: F,
    /// How many segments there are at first.
    all: u64,
    heard: AtomicU64,
}

impl<F: Fn(u64, u64, &Chain) + Send + Sync> Observer for Meanwhile<F> {
    fn segment(&self, chain: &Chain, _: Events<'_>) {
        (self.act)(self.heard.fetch_add(1, SeqCst) + 1, self.all, chain);
    }
}

fn put(inbox: &Collection) {
    let written = async { inbox.put(&Note::new("shared", "meanwhile")).await.unwrap() };
    task::block_in_place(|| Handle::current().block_on(written));
}

fn delete(inbox: &Collection) {
    let deleted = async { inbox.delete::<Note>("shared", Delete::Any).await.unwrap() };
    assert!(task::block_in_place(|| Handle::current().block_on(deleted)));
}

/// The last segment of one chain tells of a version that another chain, further back, tells was followed. Read again from
/// where the log was known, it tells so a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_two_chains_that_is_written_meanwhile_is_no_finding() {
    let writers = Writers::new().await;
    writers.theirs.put(&Note::new("shared", "written in their chain")).await.unwrap();
    writers.ours.put(&Note::new("shared", "followed in ours")).await.unwrap();
    writers.ours.put(&Note::new("another", "behind that")).await.unwrap();
    let ours = writers.ours.clone();
    let act = move |heard, all, _: &Chain| {
        if heard == all {
            put(&ours);
        }
    };
    writers.verify(act).await;
}

/// It is gone before the log is read again and after that, and was there between: the chain that tells of its making is read
/// behind that, the one that tells of its deletion before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_made_and_deleted_between_two_looks_is_no_finding() {
    let writers = Writers::new().await;
    writers.theirs.put(&Note::new("another", "in their chain")).await.unwrap();
    writers.ours.put(&Note::new("shared", "in ours")).await.unwrap();
    let (ours, theirs) = (writers.ours.clone(), writers.theirs.clone());
    let step = AtomicU64::new(0);
    let act = move |heard, all, chain: &Chain| match (step.load(SeqCst), chain.as_str()) {
        (0, _) if heard == all => {
            delete(&ours);
            step.store(1, SeqCst);
        }
        (1, chain) if !["main", "registry"].contains(&chain) => {
            put(&ours);
            step.store(2, SeqCst);
        }
        (2, "main") => {
            delete(&theirs);
            step.store(3, SeqCst);
        }
        _ => {}
    };
    writers.verify(act).await;
}

/// A writer that records buffered keeps events in memory while the service refuses to take them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_late_is_no_finding() {
    let sandbox = Sandbox::new("attacks-late").await;
    sandbox.store().await.flush().await.unwrap();
    let throttling = Arc::new(AtomicBool::new(true));
    let throttled = throttling.clone();
    let proxy = Proxy::start(move |request| {
        let appends = request.writes().iter().any(|(pk, ..)| pk.starts_with("A#"));
        let refuse = appends && throttled.load(SeqCst);
        std::future::ready(if refuse { Fate::throttled(1) } else { Fate::Forward })
    })
    .await;
    let audit = AuditConfig { writes: WritePolicy::Buffered, ..AuditConfig::default() };
    let store = sandbox.builder().client(proxy.client(&sandbox.client)).audit(audit).open().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    inbox.put(&Note::new("1", "its key is new, too")).await.unwrap();
    // Made, deleted by the one whose events are late, and made again.
    let strict = sandbox.builder().open().await.unwrap().tenant("bob").unwrap().collection("inbox").unwrap();
    strict.put(&Note::new("2", "first")).await.unwrap();
    let late = store.tenant("bob").unwrap().collection("inbox").unwrap();
    assert!(late.delete::<Note>("2", Delete::Any).await.unwrap());
    strict.put(&Note::new("2", "again")).await.unwrap();

    // However long it is patient, until the last look: then nothing tells of the record, nor of its key, nor that the first of
    // the other was deleted.
    let impatient = sandbox.builder().open_audit().await.unwrap().patience(Duration::ZERO);
    let report = impatient.verify_deep(&impatient.options()).await.unwrap();
    assert_eq!(report.findings.count(), 3, "{report}");
    let stale = report.findings.listed().iter().filter(|finding| finding.class == Class::StaleRecord);
    assert_eq!(stale.count(), 1, "{report}");
    let log = sandbox.builder().open_audit().await.unwrap().patience(Duration::from_secs(600));
    let options = log.options();
    let (report, ()) = tokio::join!(log.verify_deep(&options), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        throttling.store(false, SeqCst);
    });
    clean(report.unwrap(), "while events are late");
    store.flush().await.unwrap();
}
