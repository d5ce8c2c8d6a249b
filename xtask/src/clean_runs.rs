//! `clean-runs`: verifications of logs that nobody attacks, as many as wanted, and a seed of one's own to repeat a run.
//!
//! The suite itself is `tests/clean`; it prints the seed, and at the end what was done meanwhile.

use anyhow::{Context, ensure};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many verifications are made while others write.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// What decides who does what, as a run printed it. Default: at random.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut cargo = crate::cargo();
    cargo.args(["test", "--locked", "--package", "blue-tests", "--test", "clean"]);
    cargo.env("BES_CLEAN_RUNS", arguments.runs.to_string());
    match arguments.seed {
        Some(seed) => cargo.env("BES_CLEAN_SEED", seed.to_string()),
        None => cargo.env_remove("BES_CLEAN_SEED"),
    };
    // A run that counts is one whose clocks were stepped.
    cargo.env("BES_CLEAN_CLOCKS", "required");
    let status = cargo.status().context("cargo cannot be run")?;
    ensure!(status.success(), "the clean runs failed ({status})");
    Ok(())
}
