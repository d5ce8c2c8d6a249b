//! `bes doctor`.

use std::error::Error;

use blue_encrypted_store::doctor::{Check, Doctor, Status};
use serde::Serialize;

use crate::{
    advice,
    config::{Config, Format},
    failure::Failure,
    output::{Output, printable},
    session,
};

/// A check as it is printed.
#[derive(Serialize)]
struct Line {
    check: &'static str,
    status: &'static str,
    found: String,
    because: Vec<String>,
    help: Vec<String>,
}

pub(super) async fn run(config: &Config, output: &mut Output) -> Result<(), Failure> {
    let examination = doctor(config).examine().await;
    for check in examination.checks() {
        let line = Line {
            check: check.subject.as_str(),
            status: check.status().as_str(),
            found: check.finding.to_string(),
            because: causes(check),
            help: advice::of_finding(check, &examination, config),
        };
        match output.format {
            Format::Json => output.json(&line)?,
            Format::Text => print(&line, output)?,
        }
    }
    output.flush()?;
    match examination.count(Status::Failure) {
        0 => Ok(()),
        failures => Err(Failure::Unwell { failures }),
    }
}

/// What is examined is what the other commands would use. Nothing is opened or made here.
fn doctor(config: &Config) -> Doctor {
    let builder = session::builder(config);
    #[cfg(feature = "aws-kms")]
    let (builder, is_file) = match config.kms() {
        Some(kms) => (builder.keys(kms), false),
        None => (builder, true),
    };
    #[cfg(not(feature = "aws-kms"))]
    let is_file = true;
    let mut doctor = builder.doctor().checkpoint_key(&config.checkpoint_key.value);
    if is_file {
        doctor = doctor.key_file(&config.key_file.value);
    }
    if let Some(file) = &config.checkpoint_file {
        doctor = doctor.checkpoint_file(&file.value);
    }
    if let Some(known) = &config.checkpoint_verifiers {
        doctor = doctor.verifiers(known.value.iter().cloned());
    }
    if let Some(region) = &config.region {
        doctor = doctor.region_from(region.source.to_string());
    }
    if let Some(url) = &config.endpoint_url {
        doctor = doctor.endpoint_from(url.source.to_string());
    }
    doctor
}

/// The causes, each on one line: the SDK writes some on several.
fn causes(check: &Check) -> Vec<String> {
    let first: Option<&dyn Error> = check.finding.cause();
    let on_one_line =
        |error: &dyn Error| error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; ");
    std::iter::successors(first, |&error| error.source()).map(on_one_line).collect()
}

fn print(line: &Line, output: &mut Output) -> Result<(), Failure> {
    let Line { check, status, found, because, help } = line;
    output.line(&printable(&format!("{status:<8} {check}: {found}")))?;
    for cause in because {
        output.line(&printable(&format!("         because {cause}")))?;
    }
    for line in help {
        output.line(&printable(&format!("         help: {line}")))?;
    }
    Ok(())
}
