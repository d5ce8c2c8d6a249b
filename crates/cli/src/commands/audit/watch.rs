//! `bes audit watch`.

use std::{sync::Arc, time::Duration};

use blue_encrypted_store::{
    AuditLog,
    blue_audit::{Baseline, Checkpoint, Report, Verdict},
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    alert::Alert,
    checkpoints,
    progress::Progress,
    verify::{self, Depth},
};
use crate::{
    cli::AuditWatch,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &AuditWatch,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    match watch(arguments, config, stop, output).await {
        // That is how it ends. One verification was to come to a verdict.
        Err(Failure::Stopped(_)) if !arguments.once => {
            say!("stopped");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Told to stop, it drops the verification that is under way, and waits for nothing. An alert, or a checkpoint, is delivered first.
async fn watch(
    arguments: &AuditWatch,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    if config.alert_command.is_none() && config.alert_webhook.is_none() {
        say!(
            "Neither alert_command nor alert_webhook is set: alerts go to the log and to standard error alone."
        );
    }
    let mut watcher = Watcher { config, stop, deep: arguments.deep, before: None };
    let mut full = arguments.full || !arguments.once;
    loop {
        let begun = Instant::now();
        let outcome = match timeout(arguments.every, watcher.round(full)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TooSlow(seconds(arguments.every))),
        };
        let outcome = match outcome {
            Ok(report) if report.verdict() == Verdict::Verified => {
                full = false;
                // A watch goes on whether anybody reads it or not.
                let _ = verify::print(&report, output.format == Format::Json, output);
                Ok(())
            }
            Ok(report) => {
                let _ = verify::print(&report, output.format == Format::Json, output);
                Alert::of_report(&report)?.deliver(config).await?;
                Err(Failure::Verdict(report.verdict()))
            }
            Err(stopped @ Failure::Stopped(_)) => return Err(stopped),
            Err(failure) => {
                Alert::of_failure(config, &failure)?.deliver(config).await?;
                Err(failure)
            }
        };
        if arguments.once {
            return outcome;
        }
        let next = async {
            sleep_until(begun + arguments.every).await;
            Ok(())
        };
        stop.unless_told(next).await?;
    }
}

/// What one process has verified so far.
struct Watcher<'a> {
    config: &'a Config,
    stop: &'a Stop,
    deep: bool,
    before: Option<Known>,
}

/// How far the log is known.
struct Known {
    reached: Baseline,
    /// The checkpoint that was signed of it, if any was.
    checkpoint: Option<Checkpoint>,
}

/// What was verified, and the checkpoint that it was compared with.
struct Round {
    log: AuditLog,
    trusted: Option<Checkpoint>,
    report: Report,
}

impl Watcher<'_> {
    async fn round(&mut self, full: bool) -> Result<Report, Failure> {
        let progress = Arc::new(Progress::default());
        let verified = progress.unless_told(self.stop, self.verify(full, &progress)).await?;
        let Round { log, trusted, report } = verified;
        if report.verdict() != Verdict::Verified {
            return Ok(report);
        }
        let mut known = Known { reached: report.reached.clone(), checkpoint: None };
        if checkpoints::are_made(self.config)? {
            let (_, checkpoint) = checkpoints::publish(self.config, &log, &report, trusted.as_ref()).await?;
            known.reached = checkpoint.clone().into();
            known.checkpoint = Some(checkpoint);
        }
        self.before = Some(known);
        Ok(report)
    }

    async fn verify(&self, full: bool, progress: &Arc<Progress>) -> Result<Round, Failure> {
        let config = self.config;
        let from_file = checkpoints::trusted(config, &[], false).await?.latest;
        if let (Some(file), Some(before)) = (&config.checkpoint_file, &self.before)
            && from_file
                .as_ref()
                .is_none_or(|latest| Baseline::from(latest.clone()).is_older_than(&before.reached))
        {
            return Err(Failure::WentBack { path: file.value.clone() });
        }
        let log = session::open_audit(config, true, None).await?;
        let known = self.before.as_ref().and_then(|before| before.checkpoint.clone());
        let trusted = from_file.or(known);
        let baseline = match (&trusted, &self.before) {
            (Some(checkpoint), _) => Some(checkpoint.clone().into()),
            (None, before) => before.as_ref().map(|before| before.reached.clone()),
        };
        let report = verify::verify_from(&log, Depth { full, deep: self.deep }, baseline, progress).await?;
        Ok(Round { log, trusted, report })
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
