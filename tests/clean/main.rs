//! Clean runs: nobody attacks, and nothing may be found.
//!
//! A run is one verification of the log: whole, from the last trusted end on, or deep, in turn. It is made while 64 tasks
//! in four processes write one table, some of them through chains of their own; the processes are killed (SIGKILL) and
//! started again, DynamoDB throttles and refuses in the words of the real service, and the clocks of the processes,
//! and of one of three verifiers, step by seconds to hours. After some runs all is stopped and verified once more, each
//! record is held against its events, and the next table begins.
//!
//! Tables differ in what their processes may lose ([`plan::Policy`]). A deep verification waits for events that are in memory
//! yet, but takes those that were lost there for tampering. So where processes that record writes buffered are killed, none is
//! deep. On the other tables every third run is.
//!
//! `BES_CLEAN_RUNS` (else [`plan::RUNS`]) and `BES_CLEAN_SEED` (else random) set the plan, and both are printed;
//! `cargo xtask clean-runs` is the long form. The seed makes who does what, and the order of kills and steps; the
//! moments are the machine's doing.
//!
//! Clocks are stepped by libfaketime (Debian: `faketime`). Where it is not installed, that is said, and the clocks run
//! true; with `BES_CLEAN_CLOCKS=required` it is a failure.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

/// Writes a line to standard error. Not `eprintln!`, which the test harness captures: the seed is to be seen of runs
/// that pass, too.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "clean runs: {}", format_args!($($text)*));
    }};
}

mod clock;
mod plan;
mod round;
mod throttle;
mod verifiers;
mod writers;

use plan::{Plan, Tally};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_attacks_nothing_is_found_whatever_is_killed_throttled_or_out_of_time() {
    let plan = Plan::from_env();
    say!("{plan}");
    let clocks = clock::library();
    let mut tally = Tally::new(plan.clone());
    for round in plan.rounds() {
        tally.begin(&round);
        let counts = round::live(round, clocks.as_deref()).await;
        tally.end(counts);
    }
    assert_eq!(tally.total.runs, plan.runs, "the plan was carried out");
    // A suite that disturbs nothing would find nothing, too.
    let total = &tally.total;
    assert!(total.kills > 0 && total.throttled > 0, "nothing was killed or throttled: {total:?}");
    assert!(clocks.is_none() || total.untimely > 0, "the clocks were not stepped: {total:?}");
    say!("{}", tally.summary(clocks.is_some()));
}
