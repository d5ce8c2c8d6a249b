//! `faults`: the fault-injection suite with as many kills as wanted, and a seed of one's own to repeat a run.
//!
//! The suite itself is `tests/faults`; it prints the seed, and at the end what came of the kills.

use anyhow::{Context, ensure};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many processes and databases are killed.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// What decides the kinds and moments of the kills, as a run printed it. Default: at random.
    #[arg(long)]
    seed: Option<u64>,
    /// How many records the killed rewrap moves.
    #[arg(long, default_value_t = 10_000)]
    rewrap_records: u32,
    /// How often it is killed.
    #[arg(long, default_value_t = 10)]
    rewrap_kills: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut cargo = crate::cargo();
    cargo.args(["test", "--locked", "--package", "blue-tests", "--test", "faults"]);
    cargo.env("BES_FAULT_KILLS", arguments.kills.to_string());
    cargo.env("BES_REWRAP_RECORDS", arguments.rewrap_records.to_string());
    cargo.env("BES_REWRAP_KILLS", arguments.rewrap_kills.to_string());
    match arguments.seed {
        Some(seed) => cargo.env("BES_FAULT_SEED", seed.to_string()),
        None => cargo.env_remove("BES_FAULT_SEED"),
    };
    // A part of the kinds is for looking into a failure, not for a run that counts.
    cargo.env_remove("BES_FAULT_KINDS");
    let status = cargo.status().context("cargo cannot be run")?;
    ensure!(status.success(), "the fault-injection suite failed ({status})");
    Ok(())
}
