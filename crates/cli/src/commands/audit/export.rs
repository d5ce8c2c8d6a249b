//! `bes audit export`.

use std::io::Write;

use blue_encrypted_store::{
    AuditLog, AuditLogError,
    blue_audit::{Start, Step, address::Chain},
    export::ExportedEvent,
};

use super::{Met, chains, new_file::NewFile};
use crate::{cli::AuditExport, config::Config, failure::Failure, output::Output, session, stop::Stop};

pub(super) async fn run(
    arguments: AuditExport,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut met = Met::default();
    let exported = stop.unless_told(export(arguments, config, output, &mut met)).await;
    met.conclude(
        exported.map_err(|failure| failure.having_come_to("not all events were exported", Vec::new())),
    )
}

async fn export(
    arguments: AuditExport,
    config: &Config,
    output: &mut Output,
    met: &mut Met,
) -> Result<(), Failure> {
    let log = session::open_audit(config, true, None).await?;
    let chains = match arguments.chain {
        Some(chain) => vec![chain],
        // What is found in the registry is met again when it is exported itself.
        None => chains::all(&log, |_| ()).await?,
    };
    let mut to = match arguments.file {
        Some(path) => Destination::File(NewFile::create(path)?),
        None => Destination::Output(output),
    };
    for chain in chains {
        write_chain(&log, chain, &mut to, met).await?;
    }
    to.finish()
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
                segment.events().try_for_each(|event| to.line(&ExportedEvent::of(&event)))?;
            }
            Step::Finding(finding) => met.note(&finding),
        }
    }
    Ok(())
}

enum Destination<'a> {
    Output(&'a mut Output),
    File(NewFile),
}

impl Destination<'_> {
    fn line(&mut self, event: &ExportedEvent) -> Result<(), Failure> {
        match self {
            Self::Output(output) => output.json(event),
            Self::File(file) => file.write(|file| {
                serde_json::to_writer(&mut *file, event)?;
                file.write_all(b"\n")
            }),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Output(output) => output.flush(),
            Self::File(file) => file.finish(),
        }
    }
}
