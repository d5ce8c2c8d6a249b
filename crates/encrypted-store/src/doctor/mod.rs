//! An examination of everything that a store depends on, which changes nothing: for `bes doctor`, and for whoever starts or
//! watches a service.
//!
//! - [`Doctor`], made by [`Builder::doctor`]: what is examined.
//! - [`Examination`]: a [`Check`] for each [`Subject`], in the order in which one depends on another.
//! - [`Finding`]: what was found, as facts. What to do about it is the reader's.
//!
//! ```no_run
//! use blue_encrypted_store::{EncryptedStore, doctor::Status};
//!
//! # async fn example() {
//! let examination = EncryptedStore::builder().table("notes").doctor().key_file("umk.key").examine().await;
//! for check in examination.checks() {
//!     println!("{} {}: {}", check.status(), check.subject, check.finding);
//! }
//! let ready = examination.worst() != Status::Failure;
//! # }
//! ```

mod finding;
mod keys;
mod log;
mod reach;
mod table;
mod text;

use std::{fmt, path::PathBuf, time::Duration};

use blue_audit::NoteVerifier;
use blue_keys::LocalFile;

use crate::{Builder, KeySource, OpenError, aws::Aws};

pub use finding::{Finding, Origin};

/// Above it, a difference of clocks is a warning.
const MUCH_SKEW: Duration = Duration::from_secs(30);
/// Above it, AWS refuses what was signed.
const TOO_MUCH_SKEW: Duration = Duration::from_secs(5 * 60);
/// A verification a day, and time for one that took long.
const LONG_AGO: Duration = Duration::from_secs(26 * 60 * 60);

/// What told the builder, if nobody says more.
const BUILDER: &str = "the builder";

/// What is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// What the builder was told.
    Configuration,
    /// The AWS Region.
    Region,
    /// The credentials of AWS.
    Credentials,
    /// The endpoint of DynamoDB.
    Endpoint,
    /// The clock here, held against the service's.
    Clock,
    /// The table: that it is there, active, and of our schema.
    Table,
    /// Its time to live.
    TimeToLive,
    /// Its point-in-time recovery.
    Recovery,
    /// Its deletion protection.
    DeletionProtection,
    /// Its replicas.
    Replicas,
    /// What the table says of itself, held against the configuration.
    Meta,
    /// The key provider.
    Keys,
    /// The audit log, held against the last checkpoint.
    AuditHead,
    /// When the log was last verified.
    LastVerification,
}

impl Subject {
    /// All of them, in the order in which one depends on another.
    pub const ALL: [Self; 14] = [
        Self::Configuration,
        Self::Region,
        Self::Credentials,
        Self::Endpoint,
        Self::Clock,
        Self::Table,
        Self::TimeToLive,
        Self::Recovery,
        Self::DeletionProtection,
        Self::Replicas,
        Self::Meta,
        Self::Keys,
        Self::AuditHead,
        Self::LastVerification,
    ];

    /// Its name, of lower-case letters and hyphens. It stays.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Region => "region",
            Self::Credentials => "credentials",
            Self::Endpoint => "endpoint",
            Self::Clock => "clock",
            Self::Table => "table",
            Self::TimeToLive => "time-to-live",
            Self::Recovery => "point-in-time-recovery",
            Self::DeletionProtection => "deletion-protection",
            Self::Replicas => "replicas",
            Self::Meta => "meta",
            Self::Keys => "keys",
            Self::AuditHead => "audit-head",
            Self::LastVerification => "last-verification",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a check ended, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// As it should be.
    Ok,
    /// It was not looked at, since something before it failed.
    Skipped,
    /// The store works, and something should be done.
    Warning,
    /// The store does not work as it is, or not as it should.
    Failure,
}

impl Status {
    /// Its name, in lower case. It stays.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One subject, and what was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Check {
    /// What was looked at.
    pub subject: Subject,
    /// What was found.
    pub finding: Finding,
}

impl Check {
    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.finding.status()
    }
}

/// What an examination found.
#[derive(Debug)]
pub struct Examination {
    checks: Vec<Check>,
}

impl Examination {
    /// One check for each subject, in the order in which one depends on another.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What was found of a subject.
    #[must_use]
    pub fn of(&self, subject: Subject) -> Option<&Finding> {
        self.checks.iter().find(|check| check.subject == subject).map(|check| &check.finding)
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status() == status).count()
    }

    /// How the worst check ended.
    #[must_use]
    pub fn worst(&self) -> Status {
        self.checks.iter().map(Check::status).max().unwrap_or(Status::Ok)
    }

    fn note(&mut self, subject: Subject, finding: Finding) {
        self.checks.push(Check { subject, finding });
    }
}

/// What is examined: the configuration of a store, and where checkpoints of it are.
pub struct Doctor {
    builder: Builder,
    key_file: Option<PathBuf>,
    checkpoint_file: Option<PathBuf>,
    checkpoint_key: Option<PathBuf>,
    verifiers: Option<Vec<NoteVerifier>>,
    told: Told,
}

/// What told the builder.
struct Told {
    region: String,
    endpoint: String,
}

impl Builder {
    /// Examines what a store of this configuration depends on, instead of opening it.
    #[must_use]
    pub fn doctor(self) -> Doctor {
        Doctor {
            builder: self,
            key_file: None,
            checkpoint_file: None,
            checkpoint_key: None,
            verifiers: None,
            told: Told { region: BUILDER.to_owned(), endpoint: BUILDER.to_owned() },
        }
    }
}

impl Doctor {
    /// The key file, instead of what [`Builder::keys`] was told. That it is missing, or no key file, is a finding.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// The file of checkpoints that the audit log is held against. Without one, that there is none is a finding.
    #[must_use]
    pub fn checkpoint_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint_file = Some(path.into());
        self
    }

    /// Believes checkpoints that the key in this file signed, if there is such a file, unless [`Self::verifiers`] says which
    /// are believed.
    #[must_use]
    pub fn checkpoint_key(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint_key = Some(path.into());
        self
    }

    /// Believes checkpoints that one of these keys signed.
    #[must_use]
    pub fn verifiers(mut self, known: impl IntoIterator<Item = NoteVerifier>) -> Self {
        self.verifiers = Some(known.into_iter().collect());
        self
    }

    /// What told the builder its Region: words for [`Origin::Builder`].
    #[must_use]
    pub fn region_from(mut self, source: impl Into<String>) -> Self {
        self.told.region = source.into();
        self
    }

    /// What told the builder its endpoint: words for [`Origin::Builder`].
    #[must_use]
    pub fn endpoint_from(mut self, source: impl Into<String>) -> Self {
        self.told.endpoint = source.into();
        self
    }

    /// Looks at everything, and changes nothing: no table, key or event is made. A key is generated to be unwrapped again, and
    /// thrown away; the audit log tells nothing of it.
    ///
    /// It never waits without end: whatever a service is asked has the time of an operation ([`Builder::deadlines`]) at most.
    ///
    /// Rights beyond those of a reader of the audit log: `dynamodb:DescribeContinuousBackups`; with keys of KMS,
    /// `kms:GenerateDataKey` and `kms:Decrypt` for the purpose `doctor`.
    pub async fn examine(self) -> Examination {
        let mut found = Examination { checks: Vec::new() };
        let Self { builder, key_file, checkpoint_file, checkpoint_key, verifiers, told } = self;
        let deadlines = builder.deadlines;
        let (namespace, table) = match (builder.checked_namespace(), builder.table.clone()) {
            (Ok(namespace), Some(table)) => (namespace, table),
            (Err(error), _) => return found.unconfigured(error),
            (Ok(_), None) => return found.unconfigured(OpenError::Incomplete { what: "table" }),
        };
        let configured = Finding::Configured { table: table.clone(), namespace: namespace.clone() };
        found.note(Subject::Configuration, configured);

        let aws = Aws::new(builder.region.clone());
        let reached = reach::examine(&mut found, &builder, &told, &aws).await;
        let source = match key_file {
            Some(path) => match LocalFile::open_or_create(path) {
                Ok(file) => Ok(KeySource::from(file)),
                Err(error) => Err(error.into()),
            },
            None => builder.keys.ok_or(OpenError::Incomplete { what: "key source" }),
        };
        let keys = keys::find(source, &aws, &found, deadlines).await;
        let inside = table::examine(&mut found, reached, &keys, &namespace).await;
        let finding = keys::examine(keys, &inside, &table, &namespace, deadlines).await;
        found.note(Subject::Keys, finding);
        let known = log::known(verifiers, checkpoint_key);
        log::examine(&mut found, inside.store, checkpoint_file, known, &namespace, deadlines).await;
        found
    }
}

impl Examination {
    /// Nothing can be looked at without a name.
    fn unconfigured(mut self, error: OpenError) -> Self {
        self.note(Subject::Configuration, Finding::Misconfigured(error));
        for subject in Subject::ALL.into_iter().skip(1) {
            self.note(subject, Finding::Skipped { because: Subject::Configuration });
        }
        self
    }

    /// The first of these subjects that failed, or was itself skipped.
    #[cfg(feature = "aws-kms")]
    fn obstacle(&self, subjects: &[Subject]) -> Option<Subject> {
        let stands_in_the_way = |subject: &&Subject| {
            self.of(**subject)
                .is_some_and(|finding| matches!(finding.status(), Status::Failure | Status::Skipped))
        };
        subjects.iter().find(stands_in_the_way).copied()
    }
}

#[cfg(test)]
mod tests;
