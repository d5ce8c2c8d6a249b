//! Where alerts go: the log, standard error, a command and a webhook.

use std::{error::Error, time::Duration};

use blue_encrypted_store::{
    blue_audit::{CheckpointSink, Report, SinkError},
    verification_did_not_run,
};
use serde::Serialize;
use time::OffsetDateTime;

use super::checkpoints::command_sink;
use crate::{
    config::{Config, host_of},
    failure::{self, Failure},
    http::agent,
    json::time_text,
};

/// How long one attempt to post may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before each further attempt.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// A verification that did not end as it should, as JSON.
pub(super) struct Alert(String);

/// What stands for the report of a verification that could not run.
#[derive(Serialize)]
struct NotRun<'a> {
    verdict: &'static str,
    namespace: &'a str,
    started: String,
    error: String,
    causes: Vec<String>,
}

impl Alert {
    pub(super) fn of_report(report: &Report) -> Result<Self, Failure> {
        let findings = report.totals().findings;
        say!("alert: {}, {findings} found", report.verdict());
        Self::of(report)
    }

    pub(super) fn of_failure(config: &Config, failure: &Failure) -> Result<Self, Failure> {
        tracing::error!(target: "bes::audit", verdict = "not-run", error = %failure, "the audit log was not verified");
        // A verification that was begun counts itself.
        if !matches!(failure, Failure::AuditLog(_)) {
            verification_did_not_run(&config.namespace.value);
        }
        failure::report(failure);
        let causes = std::iter::successors(Error::source(failure), |&error| error.source());
        Self::of(&NotRun {
            verdict: "not-run",
            namespace: config.namespace.value.as_str(),
            started: time_text(OffsetDateTime::now_utc()),
            error: failure.to_string(),
            causes: causes.map(ToString::to_string).collect(),
        })
    }

    fn of(value: &impl Serialize) -> Result<Self, Failure> {
        let json = serde_json::to_string(value)
            .map_err(|source| Failure::Alert { to: "anybody".to_owned(), source: source.into() })?;
        Ok(Self(json))
    }

    /// Delivers it to whoever is configured. One that fails keeps no other from getting it.
    pub(super) async fn deliver(&self, config: &Config) -> Result<(), Failure> {
        let (by_command, by_webhook) = tokio::join!(self.run(config), self.post(config));
        match (by_command, by_webhook) {
            (Err(one), Err(other)) => {
                failure::report(&one);
                Err(other)
            }
            (Err(failure), Ok(())) | (Ok(()), Err(failure)) => Err(failure),
            (Ok(()), Ok(())) => Ok(()),
        }
    }

    async fn run(&self, config: &Config) -> Result<(), Failure> {
        let Some(command) = &config.alert_command else { return Ok(()) };
        let outcome = command_sink(&command.value).publish(&self.0).await;
        outcome.map_err(|error| {
            // Its text is about checkpoints, its cause about the command.
            let (SinkError::Undelivered { source, .. } | SinkError::Refused { source, .. }) = error else {
                return error.into();
            };
            Failure::Alert { to: format!("the command {}", command.value.program), source: source.into() }
        })
    }

    async fn post(&self, config: &Config) -> Result<(), Failure> {
        let Some(url) = &config.alert_webhook else { return Ok(()) };
        let failed =
            |source| Failure::Alert { to: format!("the webhook at {}", host_of(&url.value)), source };
        let agent = agent(&url.value, PATIENCE).map_err(failed)?;
        let mut waits = BACKOFF.iter();
        loop {
            let (agent, url, body) = (agent.clone(), url.value.clone(), self.0.clone());
            let attempt = tokio::task::spawn_blocking(move || {
                let request = agent.post(&url).header("content-type", "application/json");
                match request.send(&body) {
                    Ok(answer) if answer.status().is_success() => Ok(()),
                    Ok(answer) => Err(ureq::Error::StatusCode(answer.status().as_u16())),
                    Err(error) => Err(error),
                }
            });
            let error: Box<dyn Error + Send + Sync> = match attempt.await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.into(),
                Err(error) => error.into(),
            };
            let Some(wait) = waits.next() else { return Err(failed(error)) };
            tracing::warn!(target: "bes::audit", %error, "an alert was not delivered yet");
            tokio::time::sleep(*wait).await;
        }
    }
}
