//! `configuration`: the documents that are made of the settings of `bes`.
//!
//! The settings are in the crate of `bes`, which this one does not depend on; so an example of that crate does the work.

use anyhow::ensure;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if one of them is not what would be written.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut cargo = crate::cargo();
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "blue-encrypted-store-cli",
        "--example",
        "configuration",
    ]);
    if arguments.check {
        cargo.args(["--", "--check"]);
    }
    let status = cargo.status()?;
    ensure!(status.success(), "the documents of the configuration were not {}", arguments.outcome());
    Ok(())
}

impl Arguments {
    fn outcome(&self) -> &'static str {
        if self.check { "found current" } else { "written" }
    }
}
