//! Runs in which nobody attacks: many tasks write, read and delete through several stores, and three who verify see
//! nothing in it.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Instant,
};

use blue_encrypted_store::{
    AuditConfig, AuditLog, ChainPolicy, Collection, Delete, EncryptedStore, WriteError,
    blue_audit::{Report, Verdict},
};
use blue_tests::{Note, Sandbox};
use fastrand::Rng;
use futures::future::join_all;

/// How many runs there are unless `BES_CLEAN_RUNS` says otherwise.
pub(crate) const RUNS: u64 = 4;

const TASKS: u64 = 64;
const OPERATIONS: u64 = 6;

/// How often the log was verified while it was written.
#[derive(Default)]
struct Verified {
    whole: u64,
    onward: u64,
    deep: u64,
}

pub(crate) async fn live() {
    let runs = crate::plan::number("BES_CLEAN_RUNS").unwrap_or(RUNS);
    assert!(runs > 0, "BES_CLEAN_RUNS is none");
    let (begun, mut rng, mut all) = (Instant::now(), Rng::new(), Verified::default());
    for _ in 0..runs {
        let verified = run(&mut rng).await;
        all.whole += verified.whole;
        all.onward += verified.onward;
        all.deep += verified.deep;
    }
    let Verified { whole, onward, deep } = all;
    say!(
        "{runs} clean runs of {TASKS} tasks: {whole} verifications of the whole log, {onward} from the last end on, {deep} deep, \
         no finding, in {} s",
        begun.elapsed().as_secs()
    );
}

async fn run(rng: &mut Rng) -> Verified {
    let sandbox = Sandbox::new("attacks-clean").await;
    let per_writer = AuditConfig { chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
    let mut stores = vec![sandbox.builder().init().await.unwrap()];
    for config in [AuditConfig::default(), per_writer, per_writer] {
        stores.push(sandbox.builder().audit(config).open().await.unwrap());
    }
    let log = sandbox.builder().open_audit().await.unwrap();
    let done = AtomicBool::new(false);
    let tasks = (0..TASKS).map(|number| {
        let store = &stores[usize::try_from(number).unwrap() % stores.len()];
        caller(store, number, rng.fork())
    });
    let tasks: Vec<_> = tasks.collect();
    let work = async {
        join_all(tasks).await;
        done.store(true, SeqCst);
    };
    let ((), whole, onward, deep) =
        tokio::join!(work, whole(&log, &done), onward(&log, &done), deep(&log, &done));
    let last = clean(log.verify_deep(&log.options()).await.unwrap(), "at the end");
    assert!(last.totals().events > TASKS * OPERATIONS, "{last}");
    Verified { whole, onward, deep }
}

/// What one caller does: in records of its own, and in some that all write.
async fn caller(store: &EncryptedStore, number: u64, mut rng: Rng) {
    let tenant = ["alice", "bob", "carol"][rng.usize(0..3)];
    let inbox = store.tenant(tenant).unwrap().collection("inbox").unwrap();
    for round in 0..OPERATIONS {
        let own = format!("{number}-{}", round % 2);
        inbox.put(&Note::new(&own, &format!("round {round}"))).await.unwrap();
        match rng.u8(0..4) {
            0 => assert!(inbox.delete::<Note>(&own, Delete::Any).await.unwrap()),
            1 => assert!(inbox.get::<Note>(&own).await.unwrap().is_some()),
            _ => contended(&inbox, &mut rng).await,
        }
    }
}

/// Others write the same at the same moment: who comes too late is told so.
async fn contended(inbox: &Collection, rng: &mut Rng) {
    let shared = format!("shared-{}", rng.u8(0..4));
    let outcome = match rng.u8(0..3) {
        0 => inbox.delete::<Note>(&shared, Delete::Any).await.map(drop),
        _ => inbox.put(&Note::new(&shared, "anybody's")).await.map(drop),
    };
    if let Err(error) = outcome {
        assert!(matches!(error, WriteError::Conflict { .. }), "{error:?}");
    }
}

pub(crate) fn clean(report: Report, how: &str) -> Report {
    // The first look may come before the first event.
    let verdict = report.verdict();
    assert!(verdict == Verdict::Verified && report.findings.count() == 0, "{how}: {report}");
    report
}

async fn whole(log: &AuditLog, done: &AtomicBool) -> u64 {
    let mut times = 0;
    while times == 0 || !done.load(SeqCst) {
        clean(log.verify(&log.options()).await.unwrap(), "the whole log");
        times += 1;
    }
    times
}

/// Each from where the one before it ended.
async fn onward(log: &AuditLog, done: &AtomicBool) -> u64 {
    let mut options = log.options();
    let mut times = 0;
    while times == 0 || !done.load(SeqCst) {
        let report = clean(log.verify(&options).await.unwrap(), "from the last end on");
        options.trusted = Some(report.reached);
        times += 1;
    }
    times
}

async fn deep(log: &AuditLog, done: &AtomicBool) -> u64 {
    let mut times = 0;
    while times == 0 || !done.load(SeqCst) {
        clean(log.verify_deep(&log.options()).await.unwrap(), "deep");
        times += 1;
    }
    times
}
