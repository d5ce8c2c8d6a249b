//! `bes keys`.

mod ls;
mod moving;
mod retire;
mod root;
mod rotate;
mod shred;

use crate::{cli::Keys, config::Config, failure::Failure, output::Output, stop::Stop};

pub(super) async fn run(
    command: Keys,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        Keys::Ls(arguments) => ls::run(&arguments, config, stop, output).await,
        Keys::Rotate(arguments) => rotate::run(&arguments, config, stop, output).await,
        Keys::Rewrap(arguments) => moving::rewrap(&arguments, config, stop, output).await,
        Keys::Reseal(arguments) => moving::reseal(&arguments, config, stop, output).await,
        Keys::Retire(arguments) => retire::run(&arguments, config, stop, output).await,
        Keys::RewrapRoot(arguments) => root::run(&arguments, config, stop, output).await,
        Keys::Shred(arguments) => shred::run(&arguments, config, stop, output).await,
    }
}

/// A time to wait, in words.
fn seconds(wait: std::time::Duration) -> String {
    match wait.as_secs_f64() {
        whole if whole.fract() == 0.0 => format!("{whole:.0} s"),
        part => format!("{part:.1} s"),
    }
}

/// A number of things, in words.
fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
