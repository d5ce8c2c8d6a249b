//! `bes audit export`.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write},
    path::PathBuf,
};

use blue_encrypted_store::{
    AuditLog, AuditLogError,
    blue_audit::{Start, Step, address::Chain},
};

use super::{Met, chains, event::EventJson};
use crate::{cli::AuditExport, config::Config, failure::Failure, output::Output, session};

pub(super) async fn run(arguments: AuditExport, config: &Config, output: &mut Output) -> Result<(), Failure> {
    let log = session::open_audit(config, true, None).await?;
    let mut met = Met::default();
    let chains = match arguments.chain {
        Some(chain) => vec![chain],
        // What is found in the registry is met again when it is exported itself.
        None => chains::all(&log, |_| ()).await?,
    };
    let mut to = match arguments.file {
        Some(path) => Destination::create(path)?,
        None => Destination::Output(output),
    };
    for chain in chains {
        write_chain(&log, chain, &mut to, &mut met).await?;
    }
    to.finish()?;
    met.outcome()
}

async fn write_chain(
    log: &AuditLog,
    chain: Chain,
    to: &mut Destination<'_>,
    met: &mut Met,
) -> Result<(), Failure> {
    let mut reader = log.read(chain, Start::Beginning);
    while let Some(step) = reader.next().await.map_err(AuditLogError::from)? {
        match step {
            Step::Segment(segment) => {
                segment.events().iter().try_for_each(|event| to.line(&EventJson::of(event)))?;
            }
            Step::Finding(finding) => met.note(&finding),
        }
    }
    Ok(())
}

enum Destination<'a> {
    Output(&'a mut Output),
    File { path: PathBuf, file: BufWriter<File> },
}

impl Destination<'_> {
    /// A new file, private: the log names who did what.
    fn create(path: PathBuf) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => Ok(Self::File { path, file: BufWriter::new(file) }),
            Err(source) => Err(unwritten(&path, source)),
        }
    }

    fn line(&mut self, event: &EventJson) -> Result<(), Failure> {
        match self {
            Self::Output(output) => output.json(event),
            Self::File { path, file } => {
                let written = serde_json::to_writer(&mut *file, event).map_err(Into::into);
                written.and_then(|()| file.write_all(b"\n")).map_err(|source| unwritten(path, source))
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Output(output) => output.flush(),
            Self::File { path, mut file } => {
                let done = file.flush().and_then(|()| file.get_ref().sync_all());
                done.map_err(|source| unwritten(&path, source))
            }
        }
    }
}

fn unwritten(path: &std::path::Path, source: std::io::Error) -> Failure {
    Failure::Io { what: format!("cannot write {}", path.display()), source }
}
