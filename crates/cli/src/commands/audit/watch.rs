//! `bes audit watch`.

use std::time::Duration;

use blue_encrypted_store::blue_audit::{Baseline, Checkpoint, Report, Verdict};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    alert::Alert,
    checkpoints,
    verify::{self, Depth},
};
use crate::{
    cli::AuditWatch,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
};

pub(super) async fn run(arguments: &AuditWatch, config: &Config, output: &mut Output) -> Result<(), Failure> {
    let ended = ended()?;
    tokio::select! {
        outcome = watch(arguments, config, output) => outcome,
        () = ended => {
            say!("stopped");
            Ok(())
        }
    }
}

async fn watch(arguments: &AuditWatch, config: &Config, output: &mut Output) -> Result<(), Failure> {
    if config.alert_command.is_none() && config.alert_webhook.is_none() {
        say!(
            "Neither alert_command nor alert_webhook is set: alerts go to the log and to standard error alone."
        );
    }
    let mut watcher = Watcher { config, before: None };
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
            Err(failure) => {
                Alert::of_failure(config, &failure)?.deliver(config).await?;
                Err(failure)
            }
        };
        if arguments.once {
            return outcome;
        }
        sleep_until(begun + arguments.every).await;
    }
}

/// What one process has verified so far.
struct Watcher<'a> {
    config: &'a Config,
    before: Option<Known>,
}

/// How far the log is known.
struct Known {
    reached: Baseline,
    /// The checkpoint that was signed of it, if any was.
    checkpoint: Option<Checkpoint>,
}

impl Watcher<'_> {
    async fn round(&mut self, full: bool) -> Result<Report, Failure> {
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
        let report = verify::verify_from(&log, Depth { full, deep: false }, baseline).await?;
        if report.verdict() != Verdict::Verified {
            return Ok(report);
        }
        let mut known = Known { reached: report.reached.clone(), checkpoint: None };
        if checkpoints::are_made(config)? {
            let (_, checkpoint) = checkpoints::publish(config, &log, &report, trusted.as_ref()).await?;
            known.reached = checkpoint.clone().into();
            known.checkpoint = Some(checkpoint);
        }
        self.before = Some(known);
        Ok(report)
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Waits for whoever wants this process to end.
#[cfg(unix)]
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |source| Failure::Io { what: "signals cannot be waited for".to_owned(), source };
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => (),
            _ = terminated.recv() => (),
        }
    })
}

#[cfg(not(unix))]
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        // Without signals it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
