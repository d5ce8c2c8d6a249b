//! Faults: processes killed in the middle of what they do, a database killed under load, connections that fail.
//! Afterwards every acknowledged record opens and is what was written, nothing is there by half, nothing hangs; and the
//! audit log has no gap, each record has its event, and each event of a record's last write its record.
//!
//! Kills are SIGKILL, and hit one of four:
//!
//! - `writes`: a process that writes through the library with several tasks, from its first opening of the store on.
//! - `import`: `bes import`, into a store that is empty or holds an older import.
//! - `reset`: `bes reset`, or the reset that `bes init` offers when the key is lost, after the yes on the terminal.
//! - `database`: DynamoDB Local, with its tables on disk, under the load of a process that goes on. It is the Java
//!   process always, so this suite needs a Java even where `BES_SERVICES` is `docker`.
//!
//! A process dies at a moment of the clock after its first request, or when its n-th request has reached a proxy: before
//! the request goes on, or after it was carried out and half of its answer was sent back. What it acknowledged went through a pipe, which
//! outlives it; what it had begun may be there whole or not at all, and nothing else may.
//!
//! Besides, `rewrap` kills `bes keys rewrap` while its records are read.
//!
//! `BES_FAULT_SEED` (a number, else random) and `BES_FAULT_KILLS` (else [`plan::KILLS`]) set the plan, and both are
//! printed; `cargo xtask faults --kills 200` is the long form. `BES_FAULT_KINDS=database`, or any of the names above,
//! leaves the others out, for looking into a failure. The plan is a function of the seed: which kind is killed at which
//! moment of which operations. What the operating system and the database make of it, and therefore at which
//! instruction a kill strikes, is not.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

/// Writes a line to standard error. Not `eprintln!`, which the test harness captures: the seed is to be seen of runs
/// that pass, too.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "faults: {}", format_args!($($text)*));
    }};
}

mod bes;
mod connection;
mod database;
mod full;
mod gate;
mod import;
mod plan;
mod reset;
mod rewrap;
mod writes;

use blue_tests::{Keys, only_with};
use plan::{Kind, Plan, Tally};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_every_kill_and_nothing_is_torn() {
    let plan = Plan::from_env();
    say!("{plan}");
    // Its kind is missing from the plan; all else goes on.
    let _ = only_with!(Keys::Local, "a reset is of local keys");
    let mut tally = Tally::default();
    for mut life in plan.lives() {
        tally.begin(life.kind);
        match life.kind {
            Kind::Writes => writes::live(&mut life, &mut tally).await,
            Kind::Import => import::live(&mut life, &mut tally).await,
            Kind::Reset => reset::live(&mut life, &mut tally).await,
            Kind::Database => database::live(&mut life, &mut tally).await,
        }
    }
    assert_eq!(tally.kills(), plan.kills, "the plan was carried out");
    say!("{}", tally.summary(plan));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_over_a_failing_connection_is_there_and_nothing_is_torn() {
    connection::live(Plan::from_env().seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrap_that_is_killed_again_and_again_ends_complete_and_records_can_be_read_all_the_while() {
    rewrap::live(Plan::from_env().seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_released_and_nothing_is_done_without_its_event() {
    full::live().await;
}
