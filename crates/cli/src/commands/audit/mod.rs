//! `bes audit`: what is done with the log besides writing it.

mod alert;
mod chains;
pub(super) mod checkpoints;
mod export;
mod new_file;
mod progress;
mod report;
mod tail;
mod verify;
mod watch;

use std::path::Path;

use blue_encrypted_store::{blue_audit::Finding, export::ExportFile};

use crate::{cli::Audit, config::Config, failure::Failure, output::Output, stop::Stop};

pub(super) async fn run(
    arguments: Audit,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    match arguments {
        Audit::Verify(arguments) => verify::run(&arguments, config, stop, output).await,
        Audit::Report(arguments) => report::run(&arguments, config, stop, output).await,
        Audit::Tail(arguments) => tail::run(&arguments, config, stop, output).await,
        Audit::Export(arguments) => export::run(arguments, config, stop, output).await,
        Audit::Checkpoint(arguments) => verify::checkpoint(&arguments, config, stop, output).await,
        Audit::Watch(arguments) => watch::run(&arguments, config, stop, output).await,
    }
}

/// An export that is to be verified.
async fn open_export(path: &Path) -> Result<ExportFile, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    ExportFile::open(path).await.map_err(unreadable)
}

/// Findings that were met while reading for another purpose than to verify.
#[derive(Default)]
struct Met(u64);

impl Met {
    fn note(&mut self, finding: &Finding) {
        self.0 += 1;
        say!("finding: {finding}");
    }

    /// How the reading ends. That something was found goes before that it was told to stop.
    fn conclude(self, read: Result<(), Failure>) -> Result<(), Failure> {
        match read {
            Err(stopped @ Failure::Stopped(_)) => self.outcome().and(Err(stopped)),
            Err(failure) => Err(failure),
            Ok(()) => self.outcome(),
        }
    }

    /// How the reading ends.
    fn outcome(self) -> Result<(), Failure> {
        match self.0 {
            0 => Ok(()),
            1 => Err(Failure::Findings("1 finding".to_owned())),
            count => Err(Failure::Findings(format!("{count} findings"))),
        }
    }
}
