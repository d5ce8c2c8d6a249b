//! `attacks`: the attack corpus of the audit log at as many places as wanted, and a seed of one's own to repeat a run.
//!
//! The corpus itself is `tests/attacks`; it prints the seed, and at the end what was found of the attacks.

use anyhow::{Context, ensure};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each class of attacks is tried, each time elsewhere.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    positions: u32,
    /// What decides the places, as a run printed it. Default: at random.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut cargo = crate::cargo();
    cargo.args(["test", "--locked", "--package", "blue-tests", "--test", "attacks"]);
    cargo.env("BES_ATTACKS_POSITIONS", arguments.positions.to_string());
    match arguments.seed {
        Some(seed) => cargo.env("BES_ATTACKS_SEED", seed.to_string()),
        None => cargo.env_remove("BES_ATTACKS_SEED"),
    };
    // A part of the classes is for looking into a failure, not for a run that counts.
    cargo.env_remove("BES_ATTACKS_ONLY");
    let status = cargo.status().context("cargo cannot be run")?;
    ensure!(status.success(), "the attack corpus failed ({status})");
    Ok(())
}
