//! The commands, one module each.

mod adopt;
mod audit;
pub(crate) mod completions;
mod doctor;
mod export;
mod get;
mod import;
mod init;
mod keys;
mod ls;
mod put;
mod reset;
mod rm;
mod settings;

pub(crate) use self::audit::checkpoints::while_writing as checkpoints_while_writing;
use crate::{cli::Command, config::Config, failure::Failure, output::Output, stop::Stop};

/// Does what was typed, as far as it is not told to stop.
pub(crate) async fn run(command: Command, config: &Config, stop: &Stop) -> Result<(), Failure> {
    let mut output = Output::new(config);
    // Each on the heap: one future of them all would be nested more deeply than the compiler follows.
    match command {
        Command::Init => Box::pin(init::run(config, stop, &mut output)).await,
        Command::Put(arguments) => Box::pin(put::run(arguments, config, stop, &mut output)).await,
        Command::Get(arguments) => Box::pin(get::run(&arguments, config, stop, &mut output)).await,
        Command::Ls(arguments) => Box::pin(ls::run(&arguments, config, stop, &mut output)).await,
        Command::Rm(arguments) => Box::pin(rm::run(&arguments, config, stop, &mut output)).await,
        Command::Import(arguments) => Box::pin(import::run(&arguments, config, stop, &mut output)).await,
        Command::Export(arguments) => Box::pin(export::run(&arguments, config, stop, &mut output)).await,
        Command::Audit(arguments) => Box::pin(audit::run(arguments, config, stop, &mut output)).await,
        Command::Keys(arguments) => Box::pin(keys::run(arguments, config, stop, &mut output)).await,
        Command::Adopt(arguments) => Box::pin(adopt::run(&arguments, config, stop, &mut output)).await,
        Command::Doctor => Box::pin(stop.unless_told(doctor::run(config, &mut output))).await,
        Command::Reset(arguments) => Box::pin(reset::run(&arguments, config, stop, &mut output)).await,
        Command::Config => settings::run(config, &mut output),
        Command::Completions { shell } => {
            completions::run(shell);
            Ok(())
        }
    }?;
    output.finish()
}
