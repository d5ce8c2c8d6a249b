//! `bes`: the command line of blue-encrypted-store.
//!
//! This library target is no stable API: it is there for the binary, for the fuzz targets and for the tables in
//! the documentation, and changes without notice. A program of your own wants the facade, `blue-encrypted-store`.
//!
//! - [`main`]: the whole command. [`config`]: every setting, with where it comes from. [`attr`]: cleartext
//!   attributes as they are typed.
//! - `cli`: what can be typed; `commands`: one module each.
//! - `failure`: every way to end, with its exit code; `advice`: what to do about it.
//! - `stop`: the signals that tell it to stop.
//! - `session`: from the configuration to an opened store; `lost_key`: what happens when that fails for want of
//!   its key.
//!
//! It knows nothing of cryptography or of DynamoDB's requests: all that is behind the facade's API.

/// Writes a message to standard error. Not `eprintln!`, which panics when nobody reads it any more.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod advice;
pub mod attr;
mod cli;
mod commands;
pub mod config;
mod failure;
mod http;
mod json;
mod lost_key;
mod output;
mod session;
mod stop;
mod telemetry;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use tracing::Instrument;

use crate::{
    cli::{Arguments, Command},
    config::{Config, Misspelt},
    failure::{Exit, Failure},
    stop::Stop,
};

/// How long a command that was told to stop waits for what it dropped, and what blocks a thread.
const DROPPED: Duration = Duration::from_secs(2);

/// Does what the arguments of this process say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    // A script for a shell depends on no setting.
    if let Command::Completions { shell } = arguments.command {
        return commands::completions::run(shell).into();
    }
    warn_of_misspelt_variables();
    let gives_a_verdict = matches!(&arguments.command, Command::Audit(audit) if audit.gives_a_verdict());
    let code =
        |failure: &Failure| if gives_a_verdict { failure.verdict_code() } else { failure.exit() as u8 };
    let failed = |failure: &Failure, config: Option<&Config>| {
        tell(failure, config);
        ExitCode::from(code(failure))
    };
    let config = match Config::load(&arguments.global) {
        Ok(config) => config,
        Err(error) => return failed(&Failure::Config(error), None),
    };
    match run(arguments, &config, code) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => failed(&failure, Some(&config)),
    }
}

/// Before any setting is looked at: whatever is then missing, is missing because of these.
fn warn_of_misspelt_variables() {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    for Misspelt { name, nearest } in config::misspelt(set.filter_map(|(name, _)| name.into_string().ok())) {
        say!("warning: the variable {} sets nothing; did you mean {nearest}?", output::printable(&name));
    }
}

/// Help, or what is wrong with what was typed. Of a verification it must not look like a verdict.
fn misused(error: &clap::Error) -> ExitCode {
    // Whoever closed the pipe has what they wanted.
    let _ = error.print();
    let mut typed = std::env::args_os().skip_while(|typed| typed != "audit").skip(1);
    let gives_a_verdict = typed.any(|typed| {
        typed.to_str().is_some_and(|typed| ["verify", "report", "checkpoint", "watch"].contains(&typed))
    });
    match error.exit_code() {
        0 => Exit::Ok.into(),
        _ if gives_a_verdict => failure::NOT_RUN.into(),
        _ => Exit::Usage.into(),
    }
}

fn run(arguments: Arguments, config: &Config, code: impl Fn(&Failure) -> u8) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Io { what: "the runtime cannot be started".to_owned(), source })?;
    let telemetry = {
        let _entered = runtime.enter();
        telemetry::start(config)?
    };
    let run = telemetry.begin(arguments.command.name());
    let commanded = async {
        let stop = Stop::listen()?;
        commands::run(arguments.command, config, &stop).await
    };
    let done = runtime.block_on(commanded.instrument(run.span()));
    // However it ended: what is not delivered yet needs the runtime still.
    run.end(done.as_ref().err().map_or(Exit::Ok as u8, code));
    telemetry.end();
    // Nothing is awaited any more; what hangs in a thread, as a look-up of a name may, is not waited for.
    runtime.shutdown_timeout(DROPPED);
    done
}

/// Says what happened, and what can be done about it.
fn tell(failure: &Failure, config: Option<&Config>) {
    // Whoever closed the pipe has what they wanted.
    if matches!(failure, Failure::ClosedPipe) {
        return;
    }
    failure::report(failure);
    for line in advice::of(failure, config) {
        say!("help: {}", output::printable(&line));
    }
}
