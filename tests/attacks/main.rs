//! Attacks on the audit log: whoever can write the table edits it at a random place, and verification has to find exactly
//! that, under its right class. Afterwards the edit is undone, and the log verifies clean again. (Runs in which nobody
//! attacks are in `tests/clean`.)
//!
//! [`corpus::corpus`] lists the classes. Each is a function of the good table and of random numbers to an edit and to
//! what has to be found, with the keys and without: it knows docs/audit.md of the repository, and nothing of what the verifier
//! makes of the edit.
//!
//! `BES_ATTACKS_POSITIONS` (else [`plan::POSITIONS`]) says how often each class is tried, `BES_ATTACKS_SEED` (else random)
//! where; `BES_ATTACKS_ONLY` leaves out all classes whose names do not contain it. `cargo xtask attacks --positions 200`
//! is the long form. The seed makes the edits; how the writers' events fall into segments is the clock's doing.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

/// Writes a line to standard error. Not `eprintln!`, which the test harness captures: the seed is to be seen of runs
/// that pass, too.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "attacks: {}", format_args!($($text)*));
    }};
}

mod chains;
mod checkpoints;
mod corpus;
mod edit;
mod fields;
mod good;
mod keyholder;
mod meanwhile;
mod places;
mod plan;
mod records;
mod trial;

use plan::{Plan, Tally};
use trial::Trial;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_is_found_under_its_class_and_nothing_once_it_is_undone() {
    let plan = Plan::from_env();
    say!("{plan}");
    let mut rng = plan.rng();
    let trial = Trial::new(&mut rng).await;
    let corpus = plan.wanted(corpus::corpus());
    let mut tally = Tally::default();
    for _ in 0..plan.positions {
        for attack in &corpus {
            let outcome = trial.attack(attack, &mut rng).await;
            tally.count(&attack.name, outcome);
        }
    }
    say!("{}", tally.summary(&plan));
    assert_eq!(tally.attacks(), u64::from(plan.positions) * u64::try_from(corpus.len()).unwrap());
    assert!(tally.failures().is_empty(), "{plan}\n{}", tally.failures().join("\n"));
}
