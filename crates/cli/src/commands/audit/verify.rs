//! `bes audit verify` and `bes audit checkpoint`.

use std::{path::Path, sync::Arc};

use blue_encrypted_store::{
    AuditLog, AuditLogError,
    blue_audit::{self, Baseline, Checkpoint, Observer, Report, Verdict, VerifyOptions},
};

use super::{
    checkpoints::{self, Trusted},
    open_export,
    progress::Progress,
};
use crate::{
    cli::{AuditCheckpoint, AuditVerify},
    config::{Config, Format},
    failure::Failure,
    output::{Output, printable},
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &AuditVerify,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let json = arguments.json || output.format == Format::Json;
    let progress = Arc::new(Progress::default());
    if let Some(path) = &arguments.file {
        let report = progress.unless_told(stop, verify_export(path, arguments, config, &progress)).await?;
        return conclude(&report, json, output);
    }
    let verified = async {
        let trusted = match &arguments.checkpoint {
            Some(path) => checkpoints::trusted_in(path, config, &arguments.verifier).await?,
            None => checkpoints::trusted(config, &arguments.verifier, false).await?,
        };
        let log = session::open_audit(config, !arguments.without_key, arguments.patience).await?;
        note_other_table(&log, trusted.latest.as_ref());
        let depth = Depth { full: arguments.full, deep: arguments.deep };
        let report = verify(&log, depth, trusted.latest.as_ref(), &progress).await?;
        Ok((trusted, log, report))
    };
    let (trusted, log, report) = progress.unless_told(stop, verified).await?;
    // From here on a signal finds it all but done: what is published, is published everywhere.
    conclude(&report, json, output)?;
    // What nobody with the keys has checked is not signed.
    if log.checks_macs() && checkpoints::are_made(config)? {
        checkpoints::publish(config, &log, &report, trusted.latest.as_ref()).await?;
    }
    Ok(())
}

pub(super) async fn checkpoint(
    arguments: &AuditCheckpoint,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let progress = Arc::new(Progress::default());
    let verified = async {
        let trusted = checkpoints::trusted(config, &[], arguments.begin).await?;
        let log = session::open_audit(config, true, None).await?;
        let depth = Depth { full: arguments.full, deep: false };
        let report = verify(&log, depth, trusted.latest.as_ref(), &progress).await?;
        Ok((trusted, log, report))
    };
    let (trusted, log, report) = progress.unless_told(stop, verified).await?;
    if report.verdict() != Verdict::Verified {
        say!("{report}");
        return Err(Failure::Verdict(report.verdict()));
    }
    let (note, _) = checkpoints::publish(config, &log, &report, trusted.latest.as_ref()).await?;
    match output.format {
        Format::Json => output.json(&serde_json::json!({ "checkpoint": note })),
        Format::Text => output.bytes(note.as_bytes()),
    }
}

/// A table that was restored is another one, and its log ends where the backup did.
fn note_other_table(log: &AuditLog, trusted: Option<&Checkpoint>) {
    let Some(trusted) = trusted else { return };
    let here = log.options().table_id;
    if here.as_deref() != trusted.table_id() {
        say!(
            "note: the checkpoint is of the table with the id {}, and this one has the id {}: it was restored or copied.",
            trusted.table_id().unwrap_or("(none)"),
            printable(here.as_deref().unwrap_or("(none)"))
        );
    }
}

/// How much is verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    /// All of each chain.
    pub(super) full: bool,
    /// The records and keys of the table too.
    pub(super) deep: bool,
}

async fn verify_export(
    path: &Path,
    arguments: &AuditVerify,
    config: &Config,
    progress: &Arc<Progress>,
) -> Result<Report, Failure> {
    // An export is as old as it is: only a checkpoint that was named says how long it has to be.
    let trusted = match &arguments.checkpoint {
        Some(path) => checkpoints::trusted_in(path, config, &arguments.verifier).await?,
        None => Trusted::default(),
    };
    let file = open_export(path).await?;
    let options = VerifyOptions {
        trusted: trusted.latest.map(Into::into),
        full: arguments.full,
        observer: Some(progress.clone()),
        ..file.options(config.namespace.value.clone())
    };
    Ok(blue_audit::verify(Arc::new(file), &options).await.map_err(AuditLogError::from)?)
}

async fn verify(
    log: &AuditLog,
    depth: Depth,
    trusted: Option<&Checkpoint>,
    progress: &Arc<Progress>,
) -> Result<Report, Failure> {
    verify_from(log, depth, trusted.cloned().map(Into::into), progress).await
}

pub(super) async fn verify_from(
    log: &AuditLog,
    depth: Depth,
    trusted: Option<Baseline>,
    progress: &Arc<Progress>,
) -> Result<Report, Failure> {
    let observer: Option<Arc<dyn Observer>> = Some(progress.clone());
    let options = VerifyOptions { trusted, full: depth.full, observer, ..log.options() };
    if depth.deep {
        return Ok(log.verify_deep(&options).await?);
    }
    Ok(log.verify(&options).await.map_err(AuditLogError::from)?)
}

/// Prints the report. Its verdict goes before whatever happens to the printing.
fn conclude(report: &Report, json: bool, output: &mut Output) -> Result<(), Failure> {
    let printed = print(report, json, output);
    match report.verdict() {
        Verdict::Verified => match printed {
            Err(Failure::ClosedPipe) => Ok(()),
            other => other,
        },
        verdict => Err(Failure::Verdict(verdict)),
    }
}

pub(super) fn print(report: &Report, json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        output.json(report)?;
    } else {
        output.line(&report.to_string())?;
    }
    output.flush()
}
