//! `bes audit report`: what a verification came to, as one HTML page that needs nothing else.
//!
//! - [`counts`]: how many events there are of each kind on each day, in bounded memory.
//! - [`plot`]: these as bars; [`strip`]: one chain as a line, with what was found in its place.
//! - [`page`]: all of it in words, and the template `report.html`.

mod counts;
mod page;
mod plot;
mod strip;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use askama::Template;
use blue_encrypted_store::{
    AuditLogError,
    blue_audit::{self, Checkpoint, Observer, Report, Verdict, VerifyOptions},
};

use self::{counts::Counter, page::Page};
use super::{
    checkpoints::{self, Trusted},
    new_file::{self, NewFile},
    open_export,
    progress::Progress,
};
use crate::{
    cli::AuditReport,
    config::Config,
    failure::{self, Failure},
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &AuditReport,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    // A verification may take long, and all would be for nothing.
    arguments.to.as_deref().map_or(Ok(()), new_file::vacant)?;
    let counter = Arc::new(Counter::default());
    let progress = Arc::new(Progress::passing_on_to(counter.clone()));
    let verified = async {
        match &arguments.file {
            Some(path) => verify_export(path, arguments, config, &counter, progress.clone()).await,
            None => verify_table(arguments, config, &counter, progress.clone()).await,
        }
    };
    let verified = progress.unless_told(stop, verified).await?;
    let page = Page::of(&verified);
    let written = match &arguments.to {
        Some(path) => write_file(path, &page),
        None => print(output, &page),
    };
    match (verified.report.verdict(), written) {
        (Verdict::Verified, Err(Failure::ClosedPipe)) => Ok(()),
        (Verdict::Verified, written) => written,
        // The verdict goes before whatever happened to the page.
        (verdict, written) => {
            if let Some(failure) = written.err().filter(|failure| !matches!(failure, Failure::ClosedPipe)) {
                failure::report(&failure);
            }
            Err(Failure::Verdict(verdict))
        }
    }
}

/// A log that was read, with all that the page says of it.
struct Verified {
    report: Report,
    counts: counts::Counts,
    read: Source,
    deep: bool,
    /// What it was compared with, and where that was kept.
    trusted: Option<(Checkpoint, PathBuf)>,
}

/// What was read.
enum Source {
    Table { name: String, id: Option<String> },
    Export(PathBuf),
}

async fn verify_table(
    arguments: &AuditReport,
    config: &Config,
    counter: &Counter,
    observer: Arc<dyn Observer>,
) -> Result<Verified, Failure> {
    let (trusted, file) = match &arguments.checkpoint {
        Some(path) => (checkpoints::trusted_in(path, config, &arguments.verifier).await?, Some(path.clone())),
        None => {
            let configured = config.checkpoint_file.as_ref().map(|set| set.value.clone());
            (checkpoints::trusted(config, &arguments.verifier, false).await?, configured)
        }
    };
    let log = session::open_audit(config, !arguments.without_key, arguments.patience).await?;
    let options = VerifyOptions {
        trusted: trusted.latest.clone().map(Into::into),
        full: true,
        observer: Some(observer),
        ..log.options()
    };
    let report = if arguments.deep {
        log.verify_deep(&options).await?
    } else {
        log.verify(&options).await.map_err(AuditLogError::from)?
    };
    Ok(Verified {
        report,
        counts: counter.counts(),
        read: Source::Table { name: config.table.value.clone(), id: options.table_id },
        deep: arguments.deep,
        trusted: trusted.latest.zip(file),
    })
}

async fn verify_export(
    path: &Path,
    arguments: &AuditReport,
    config: &Config,
    counter: &Counter,
    observer: Arc<dyn Observer>,
) -> Result<Verified, Failure> {
    // As for `verify`: only a checkpoint that was named says how long an export has to be.
    let trusted = match &arguments.checkpoint {
        Some(path) => checkpoints::trusted_in(path, config, &arguments.verifier).await?,
        None => Trusted::default(),
    };
    let file = open_export(path).await?;
    let options = VerifyOptions {
        trusted: trusted.latest.clone().map(Into::into),
        full: true,
        observer: Some(observer),
        ..file.options(config.namespace.value.clone())
    };
    let report = blue_audit::verify(Arc::new(file), &options).await.map_err(AuditLogError::from)?;
    Ok(Verified {
        report,
        counts: counter.counts(),
        read: Source::Export(path.to_owned()),
        deep: false,
        trusted: trusted.latest.zip(arguments.checkpoint.clone()),
    })
}

fn print(output: &mut Output, page: &Page<'_>) -> Result<(), Failure> {
    let text = page.render().map_err(|error| Failure::Io {
        what: "the page cannot be made".to_owned(),
        source: io::Error::other(error),
    })?;
    output.bytes(text.as_bytes())?;
    output.flush()
}

fn write_file(path: &Path, page: &Page<'_>) -> Result<(), Failure> {
    let mut file = NewFile::create(path.to_owned())?;
    file.write(|file| page.write_into(file))?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use blue_encrypted_store::blue_audit::address::Namespace;

    use super::*;

    #[tokio::test]
    async fn findings_that_are_not_listed_are_said_to_be_left_out() {
        let export = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(export.path(), "{}\n".repeat(1_234)).unwrap();
        let file = open_export(export.path()).await.unwrap();
        let options = VerifyOptions {
            listed_findings: 1_000,
            ..VerifyOptions::new(Namespace::new("default").unwrap(), None)
        };
        let report = blue_audit::verify(Arc::new(file), &options).await.unwrap();
        let verified = Verified {
            report,
            counts: Counter::default().counts(),
            read: Source::Export(export.path().to_owned()),
            deep: false,
            trusted: None,
        };
        let page = Page::of(&verified).render().unwrap();
        assert!(page.contains("These are the first 1,000; 234 more were counted and are not listed."));
        assert!(page.contains("and 1,214 more"), "of those that the line of the chain names");
        assert_eq!(
            page.matches("class=\"unlisted\"").count(),
            2,
            "in the key, and behind the last that is listed"
        );
    }
}
