//! One table.

use std::{
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use blue_encrypted_store::blue_audit::Verdict;
use blue_tests::{Sandbox, VerifiedLog};
use futures::{FutureExt, future::join_all};
use time::OffsetDateTime;

use crate::{
    plan::{Counts, Policy, Round},
    verifiers::{Runs, VERIFIERS, verify},
    writers::Writers,
};

/// How long anything may take. A busy machine needs a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// How far from the time of its table an event's may be on a clock that is right.
const RIGHT: time::Duration = time::Duration::seconds(2);

pub(crate) async fn live(round: Round, library: Option<&Path>) -> Counts {
    let sandbox = Sandbox::new("clean").await;
    let number = round.number;
    match AssertUnwindSafe(on(&sandbox, round, library)).catch_unwind().await {
        Ok(counts) => counts,
        Err(panic) => {
            keep(&sandbox, number).await;
            resume_unwind(panic)
        }
    }
}

async fn on(sandbox: &Sandbox, round: Round, library: Option<&Path>) -> Counts {
    let Round { number, policy, runs, mut rng } = round;
    sandbox.store().await.flush().await.unwrap();
    let begun = OffsetDateTime::now_utc();
    let mut writers = Writers::start(sandbox, policy, library, rng.fork()).await;
    let offset = u64::try_from(number).unwrap();
    let runs = Runs { policy, left: AtomicU64::new(runs), offset };
    let done = AtomicBool::new(false);
    let verifiers: Vec<_> =
        (0..VERIFIERS).map(|number| verify(sandbox, number, &runs, library, rng.fork())).collect();
    let verifying = async {
        let counts = join_all(verifiers).await;
        done.store(true, SeqCst);
        counts
    };
    let (mut counts, ()) = tokio::join!(verifying, writers.harass(&done));
    let mut all = counts.pop().unwrap();
    for of in counts {
        all.add(&of);
    }
    all.kills += writers.kills;
    all.steps += writers.steps;
    let sums = writers.sums.clone();
    all.throttled += writers.stop().await;
    all.done = sums.done.load(SeqCst);
    all.failed = sums.failed.load(SeqCst);
    at_rest(sandbox, policy, begun, &mut all).await;
    all
}

/// Everything is stopped.
async fn at_rest(sandbox: &Sandbox, policy: Policy, begun: OffsetDateTime, counts: &mut Counts) {
    let log = sandbox.builder().open_audit().await.unwrap();
    let report = if policy.is_deep() {
        log.verify_deep(&log.options()).await.unwrap()
    } else {
        log.verify(&log.options()).await.unwrap()
    };
    let (verdict, found) = (report.verdict(), report.findings.listed());
    assert!(verdict == Verdict::Verified && found.is_empty(), "at rest: {report}\n{found:#?}");
    let items = sandbox.scan().await;
    let log = VerifiedLog::read(&items, &*sandbox.provider()).await;
    let log = log.unwrap_or_else(|found| panic!("at rest: {found:#?}"));
    if policy.is_deep() {
        let differences = log.differences(&items);
        assert!(differences.is_empty(), "at rest: {differences:#?}");
    }
    let times = begun - RIGHT..OffsetDateTime::now_utc() + RIGHT;
    for event in log.events() {
        counts.events += 1;
        counts.untimely += u64::from(!times.contains(&event.timestamp));
    }
    // The first event of a chain whose process was killed before the registry named it is no part of the report.
    assert!(counts.events >= report.totals().events, "{} events of {report}", counts.events);
}

/// Writes down what lies in the table, so that it can be looked into after the table is gone.
async fn keep(sandbox: &Sandbox, number: usize) {
    let mut lines: Vec<String> = sandbox.scan().await.iter().map(|item| format!("{item:?}\n")).collect();
    lines.sort();
    let path = std::env::temp_dir().join(format!("{}-table-{number}.txt", sandbox.table));
    fs::write(&path, lines.concat()).unwrap();
    say!("what lies in the table is written to {}", path.display());
}
