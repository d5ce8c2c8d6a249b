//! Checkpoints as the settings have them: which are believed, and where new ones go.

use std::path::Path;

use blue_encrypted_store::{
    AuditLog, AuditLogError,
    blue_audit::{Checkpoint, CheckpointSink, NoteSigner, NoteVerifier, Report, Verdict},
    checkpoints::{
        Checkpoints, CommandSink, FileSink, LogSink, SigningKeyError, TrustedCheckpoints, create_signing_key,
        open_signing_key,
    },
};

use crate::{
    config::{CommandLine, Config, ConfigError},
    failure::Failure,
    output::printable,
    session,
    stop::Stop,
};

/// What is known of the log from outside the table.
#[derive(Default)]
pub(in crate::commands) struct Trusted {
    /// The newest checkpoint.
    pub(in crate::commands) latest: Option<Checkpoint>,
}

/// Whether what is verified is to be signed: if it is to be kept anywhere. Who believes the keys of others, and has none,
/// only verifies.
pub(super) fn are_made(config: &Config) -> Result<bool, Failure> {
    if config.checkpoint_file.is_none() && config.checkpoint_command.is_none() {
        return Ok(false);
    }
    Ok(config.checkpoint_verifiers.is_none() || own_key(config)?.is_some())
}

/// What the configured file says. Where none is configured, nothing is known; where there is no such file, it must be
/// the first time, which the missing signing key shows, or `begin` says.
pub(in crate::commands) async fn trusted(
    config: &Config,
    verifiers: &[NoteVerifier],
    begin: bool,
) -> Result<Trusted, Failure> {
    let Some(file) = config.checkpoint_file.as_ref().map(|set| set.value.as_path()) else {
        return Ok(Trusted::default());
    };
    let known = known(config, verifiers)?;
    // What cannot be read is there.
    let is_there =
        file.symlink_metadata().map_or_else(|e| e.kind() != std::io::ErrorKind::NotFound, |_| true);
    if !is_there && (begin || known.is_empty()) {
        return Ok(Trusted::default());
    }
    read(file, config, &known).await
}

/// What a file says that was named, and so has to be there.
pub(in crate::commands) async fn trusted_in(
    file: &Path,
    config: &Config,
    verifiers: &[NoteVerifier],
) -> Result<Trusted, Failure> {
    read(file, config, &known(config, verifiers)?).await
}

async fn read(file: &Path, config: &Config, known: &[NoteVerifier]) -> Result<Trusted, Failure> {
    if known.is_empty() {
        return Err(Failure::NoVerifier { path: file.to_owned() });
    }
    let read = TrustedCheckpoints::read(file, &config.namespace.value, known).await?;
    match read.latest() {
        Some(latest) => Ok(Trusted { latest: Some(latest.clone()) }),
        None => Err(Failure::NoCheckpoint { path: file.to_owned() }),
    }
}

/// The keys that checkpoints are believed by: those typed, else those configured, else the own one.
fn known(config: &Config, typed: &[NoteVerifier]) -> Result<Vec<NoteVerifier>, Failure> {
    if !typed.is_empty() {
        return Ok(typed.to_vec());
    }
    if let Some(configured) = &config.checkpoint_verifiers {
        return Ok(configured.value.clone());
    }
    Ok(own_key(config)?.map(|signer| signer.verifier().clone()).into_iter().collect())
}

fn own_key(config: &Config) -> Result<Option<NoteSigner>, Failure> {
    // Its default is under a home directory that there may not be.
    if config.checkpoint_key.value.starts_with("~") {
        return Err(ConfigError::NoHome.into());
    }
    match open_signing_key(&config.checkpoint_key.value) {
        Ok(signer) => Ok(Some(signer)),
        Err(SigningKeyError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The key that signs. It is made at its first use, unless it is settled already which keys are believed.
fn signer(config: &Config) -> Result<NoteSigner, Failure> {
    let path = &config.checkpoint_key.value;
    let signer = match (own_key(config)?, &config.checkpoint_verifiers) {
        (Some(signer), _) => signer,
        (None, Some(_)) => return Err(SigningKeyError::NotFound { path: path.clone() }.into()),
        (None, None) => {
            let signer = create_signing_key(path, &config.namespace.value)?;
            say!("Made the key that signs checkpoints, {}.", path.display());
            say!("Who verifies them elsewhere needs its public key: {}", signer.verifier());
            signer
        }
    };
    match &config.checkpoint_verifiers {
        Some(known) if !known.value.contains(signer.verifier()) => {
            Err(Failure::OtherSigner { path: path.clone() })
        }
        _ => Ok(signer),
    }
}

/// Signs what was verified, and delivers it to every place that is configured. A place that fails keeps no other from
/// getting it.
pub(super) async fn publish(
    config: &Config,
    log: &AuditLog,
    report: &Report,
    before: Option<&Checkpoint>,
) -> Result<(String, Checkpoint), Failure> {
    let signer = signer(config)?;
    let checkpoint = log.checkpoint(report, before).map_err(|error| Failure::Unsigned(error.into()))?;
    if let Some(before) = before {
        checkpoint.comes_after(before).map_err(|error| Failure::Unsigned(error.into()))?;
    }
    let note = checkpoint.sign(&signer).map_err(|error| Failure::Unsigned(error.into()))?;

    let sinks = sinks(config, &signer);
    let mut outcome = Ok((note.clone(), checkpoint));
    for sink in sinks {
        if let Err(error) = sink.publish(&note).await {
            if let Err(earlier) = &outcome {
                crate::failure::report(earlier);
            }
            outcome = Err(error.into());
        }
    }
    outcome
}

/// Every place that is configured.
fn sinks(config: &Config, signer: &NoteSigner) -> Vec<Box<dyn CheckpointSink>> {
    let mut sinks: Vec<Box<dyn CheckpointSink>> = vec![Box::new(LogSink::tracing())];
    if let Some(file) = &config.checkpoint_file {
        let known = match &config.checkpoint_verifiers {
            Some(known) => known.value.clone(),
            None => vec![signer.verifier().clone()],
        };
        sinks.push(Box::new(FileSink::new(&file.value, config.namespace.value.clone(), known)));
    }
    if let Some(command) = &config.checkpoint_command {
        sinks.push(Box::new(command_sink(&command.value)));
    }
    sinks
}

/// The checkpoints that a command makes while it writes, if that is configured.
pub(crate) async fn while_writing(config: &Config, stop: &Stop) -> Result<Option<Checkpoints>, Failure> {
    if (config.checkpoint_events.is_none() && config.checkpoint_every.is_none()) || !are_made(config)? {
        return Ok(None);
    }
    let is_first = own_key(config)?.is_none();
    let trusted = trusted(config, &[], false).await?;
    let mut latest = trusted.latest;
    if is_first {
        // With the key there have to be checkpoints, or somebody took them away.
        let verified = async {
            let log = session::open_audit(config, true, None).await?;
            let report = log.verify(&log.options()).await.map_err(AuditLogError::from)?;
            Ok((log, report))
        };
        let (log, report) = stop.unless_told(verified).await?;
        if report.verdict() != Verdict::Verified {
            return Err(Failure::Verdict(report.verdict()));
        }
        latest = Some(publish(config, &log, &report, latest.as_ref()).await?.1);
    }
    let signer = signer(config)?;
    let sinks = sinks(config, &signer);
    let mut checkpoints = Checkpoints::signed_by(signer).on_failure(|error| {
        say!("warning: {}", printable(&error.to_string()));
        crate::failure::causes(error);
    });
    for sink in sinks {
        checkpoints = checkpoints.to(sink);
    }
    if let Some(latest) = latest {
        checkpoints = checkpoints.after(latest);
    }
    if let Some(events) = &config.checkpoint_events {
        checkpoints = checkpoints.every_events(events.value);
    }
    if let Some(every) = &config.checkpoint_every {
        checkpoints = checkpoints.every(every.value);
    }
    Ok(Some(checkpoints))
}

pub(super) fn command_sink(command: &CommandLine) -> CommandSink {
    CommandSink::new(&command.program).args(&command.arguments)
}
