//! `cargo xtask`: the project's own commands. One module each; this file only hands over to them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod attacks;
mod bench;
mod claims;
mod clean_runs;
mod configuration;
mod faults;
mod fuzz;
mod image;
mod instructions;
mod kat;
mod layering;
mod miri;
mod mutants;
mod quickstart;
mod report_page;
mod tools;
mod up;
mod vectors;
mod verify_table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way on real data: import, read back, look at the table, tamper with it. Sets up all it needs.
    Quickstart,
    /// Keep a DynamoDB Local running for use by hand, and print the variables that lead to it.
    ///
    /// Messages go to standard error, the variables to standard output: eval "$(cargo xtask up)".
    Up(up::Arguments),
    /// Stop what `up` started, and nothing else. The tables stay on disk.
    Down,
    /// Build a Docker image of DynamoDB Local, or of moto, where none can be pulled (as root, on Debian).
    Image(image::Arguments),
    /// Run the benchmarks, and make docs/benchmarks.md of what they say.
    Bench(bench::Arguments),
    /// Edit the audit log at random places, and see that verification finds each edit under its class.
    Attacks(attacks::Arguments),
    /// See that every claim of docs/threat-model.md has a test that is there, and that it ran.
    Claims(claims::Arguments),
    /// Verify logs that nobody attacks, while their writers are killed, throttled and out of time.
    CleanRuns(clean_runs::Arguments),
    /// Make docs/configuration.md and docs/config.example.toml of the settings of `bes`, or compare them.
    Configuration(configuration::Arguments),
    /// Kill processes and databases in the middle of their work, and see that nothing is lost or torn.
    Faults(faults::Arguments),
    /// Run the fuzz targets live, each for some seconds (needs nightly Rust).
    Fuzz(fuzz::Arguments),
    /// Count the instructions of sealing and opening, and compare with what is committed (Linux on x86_64, valgrind).
    Instructions(instructions::Arguments),
    /// Run the known-answer tests and show what each source came to.
    Kat,
    /// Check that every crate depends on what it may, and on nothing else.
    Layering,
    /// Run the pure code under Miri (nightly).
    Miri,
    /// Change the code that makes the formats, in copies, and see that the tests notice each change.
    Mutants(mutants::Arguments),
    /// Open the page of `bes audit report` in Chromium, and see that it fetches nothing and says nothing.
    ReportPage,
    /// Make the test vectors of the Python script anew, or compare them with what is committed.
    Vectors(vectors::Arguments),
    /// Fill a table's audit log, verify it with `bes`, and see that memory does not grow with it (Linux).
    VerifyTable(verify_table::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Quickstart => block_on(quickstart::run()).and_then(|outcome| outcome),
        Command::Up(arguments) => up::up(&arguments),
        Command::Down => up::down(),
        Command::Image(arguments) => image::run(&arguments),
        Command::Attacks(arguments) => attacks::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Claims(arguments) => claims::run(&arguments),
        Command::CleanRuns(arguments) => clean_runs::run(&arguments),
        Command::Configuration(arguments) => configuration::run(&arguments),
        Command::Faults(arguments) => faults::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments),
        Command::Kat => kat::run(),
        Command::Layering => layering::run(),
        Command::Miri => miri::run(),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::ReportPage => block_on(report_page::run()).and_then(|outcome| outcome),
        Command::Vectors(arguments) => vectors::run(&arguments),
        Command::VerifyTable(arguments) => {
            block_on(verify_table::run(&arguments)).and_then(|outcome| outcome)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root directory.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that runs this command, at the root.
fn cargo() -> std::process::Command {
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// A runtime for a command that needs one.
fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}
