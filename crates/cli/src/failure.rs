//! Every way to end, and its exit code.

mod keys;

use std::{error::Error, io, path::PathBuf, process::ExitCode};

#[cfg(feature = "aws-kms")]
use blue_encrypted_store::AwsKmsError;
use blue_encrypted_store::{
    AddressError, AdoptError, AttributeError, AuditLogError, AuditUnavailable, ChangeError, KeyUnavailable,
    LocalFileError, NameError, OpenError, ReadError, ResetError, RetireError, RewrapError, RootError,
    RotateError, ShredError, WriteError,
    blue_audit::{AppendError, SinkError, Verdict, VerifyError},
    checkpoints::{SigningKeyError, TrustedCheckpointsError},
    keys::KeyringError,
    table::{StoreError, TableError},
};

use crate::{
    config::ConfigError,
    output::printable,
    stop::{Signal, Stopped},
};

/// How a run ends. The numbers are documented and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Other = 1,
    Usage = 2,
    NotFound = 3,
    Conflict = 4,
    Tampered = 5,
    Key = 6,
    Service = 7,
    Unknown = 8,
    Partial = 9,
    Shredded = 10,
    Table = 11,
    Stopped = 12,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// What was to be stored is no JSON.
    #[error("{what} is no JSON value")]
    NotJson { what: String, source: serde_json::Error },
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{what}")]
    Io { what: String, source: io::Error },
    /// Whoever read standard output reads no more.
    #[error("standard output was closed")]
    ClosedPipe,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Reset(#[from] ResetError),
    #[error("there is no record {address}")]
    NotFound { address: String },
    /// Each of them was reported when it happened.
    #[error("{0}")]
    Partial(String),
    /// The local key is lost, and the database was not reset.
    #[error("{0}")]
    KeyLost(Box<KeyLost>),
    /// The local key was lost and the database reset; the command itself was not done.
    #[error("the command was not done, because the database it was for is gone")]
    ResetInstead,
    /// A reset could not be asked for.
    #[error("a reset deletes everything in the local database; without a terminal to ask on, it needs --yes")]
    NotConfirmed,
    #[error("the database was not reset")]
    Declined,
    #[error(transparent)]
    Adopt(Box<AdoptError>),
    #[error(transparent)]
    Rotate(Box<RotateError>),
    #[error(transparent)]
    Rewrap(Box<RewrapError>),
    #[error(transparent)]
    Retire(Box<RetireError>),
    #[error(transparent)]
    Root(Box<RootError>),
    #[error(transparent)]
    Shred(Box<ShredError>),
    /// Another name was typed.
    #[error("that is not the tenant's name: nothing was done")]
    NotShredded,
    /// What was asked is no record, and the database did not answer.
    #[error("the table could not be read")]
    Store(#[source] StoreError),
    /// The command may be done, but not all of it is in the audit log.
    #[error("the audit log may lack the last of what was done")]
    Unflushed(#[source] AuditUnavailable),
    /// The audit log cannot be read.
    #[error(transparent)]
    OpenAudit(Box<OpenError>),
    /// The audit log was not read to its end.
    #[error(transparent)]
    AuditLog(#[from] AuditLogError),
    /// The audit log was read, and this is what it came to: not that it is verified.
    #[error("{}", said(*.0))]
    Verdict(Verdict),
    /// What was read of the audit log is not all sound. Each finding was reported when it was met.
    #[error("{0} in the audit log")]
    Findings(String),
    /// The checkpoints that were to be compared with are not there, or not to be trusted.
    #[error(transparent)]
    Checkpoints(#[from] TrustedCheckpointsError),
    #[error("the file of checkpoints {} holds none", path.display())]
    NoCheckpoint { path: PathBuf },
    #[error("no public key is known by which the checkpoints of {} could be believed", path.display())]
    NoVerifier { path: PathBuf },
    #[error("the file of checkpoints {} went back behind what this process has verified", path.display())]
    WentBack { path: PathBuf },
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error("the key {} is none of checkpoint_verifiers, so its checkpoints would not be believed", path.display())]
    OtherSigner { path: PathBuf },
    /// A checkpoint cannot be made, or does not come after the one before.
    #[error("no checkpoint was signed")]
    Unsigned(#[source] Box<dyn Error + Send + Sync>),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("the verification did not end within {}", .0)]
    TooSlow(String),
    /// Each was printed.
    #[error("{} failed", if *failures == 1 { "1 check".to_owned() } else { format!("{failures} checks") })]
    Unwell { failures: usize },
    #[error("the alert was not delivered to {to}")]
    Alert { to: String, source: Box<dyn Error + Send + Sync> },
    /// What `OTEL_*` says is no place to export to.
    #[error("{what} cannot be exported as the variables OTEL_EXPORTER_OTLP_* say")]
    Exporter { what: &'static str, source: Box<dyn Error + Send + Sync> },
    /// A signal told it to stop.
    #[error("{0}")]
    Stopped(Box<Stopped>),
}

/// A local key that is lost: what was met, and what can be done about it.
#[derive(Debug)]
pub(crate) struct KeyLost {
    pub(crate) error: OpenError,
    pub(crate) remedy: Remedy,
    /// Whether the error was printed already, before the question.
    pub(crate) told: bool,
}

/// What can be done about a lost key besides finding it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// `bes reset` would do.
    Reset,
    /// Nothing: the table is not DynamoDB Local's.
    None { arn: String },
    /// It is not known, since the table was not reached.
    NotKnown,
}

impl std::fmt::Display for KeyLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl Failure {
    /// A signal told it to stop: how far it came, and how to go on, line by line.
    pub(crate) fn stopped(signal: Signal, came_to: Option<String>, go_on: Vec<String>) -> Self {
        Self::Stopped(Box::new(Stopped { signal, came_to, go_on }))
    }

    /// If it was told to stop: with this to say of how far it came, and of how to go on.
    pub(crate) fn having_come_to(self, came_to: impl Into<String>, go_on: Vec<String>) -> Self {
        match self {
            Self::Stopped(stopped) => Self::stopped(stopped.signal, Some(came_to.into()), go_on),
            other => other,
        }
    }

    /// The exit code of a command whose own the verdict is.
    pub(crate) fn verdict_code(&self) -> u8 {
        match self {
            Self::Verdict(verdict) => verdict.exit_code(),
            Self::ClosedPipe => 0,
            _ => NOT_RUN,
        }
    }

    /// The exit code. It follows from what the caller can do, not from where the failure arose.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Address(_)
            | Self::Name(_)
            | Self::Attribute(_)
            | Self::Usage(_)
            | Self::NotConfirmed
            | Self::NotJson { .. }
            | Self::Exporter { .. }
            | Self::Unreadable { .. } => Exit::Usage,
            Self::Io { .. } | Self::Declined | Self::NotShredded | Self::Unwell { .. } => Exit::Other,
            Self::ClosedPipe => Exit::Ok,
            Self::Open(error) => of_open(error),
            Self::Read(error) => of_read(error),
            Self::Write(error) => of_write(error),
            Self::Adopt(error) => of_adopt(error),
            Self::Rotate(error) => keys::of_rotate(error),
            Self::Rewrap(error) => keys::of_rewrap(error),
            Self::Retire(error) => keys::of_retire(error),
            Self::Root(error) => keys::of_root(error),
            Self::Shred(error) => keys::of_shred(error),
            Self::Store(error) => of_store(error),
            Self::Reset(ResetError::NotLocalTable { .. }) => Exit::Table,
            Self::Reset(ResetError::NotLocalKey) => Exit::Key,
            Self::Reset(ResetError::Open(error)) => of_open(error),
            Self::Reset(ResetError::Unfinished { source, .. }) => of_open(source),
            Self::Reset(_) => Exit::Other,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Partial(_) => Exit::Partial,
            Self::KeyLost(_) | Self::ResetInstead => Exit::Key,
            Self::Unflushed(error) => of_audit(error),
            Self::OpenAudit(error) => of_open(error),
            Self::AuditLog(error) => of_audit_log(error),
            Self::Verdict(_) | Self::Findings(_) | Self::WentBack { .. } => Exit::Tampered,
            Self::Checkpoints(TrustedCheckpointsError::Io { .. }) => Exit::Other,
            Self::Checkpoints(_) | Self::NoCheckpoint { .. } | Self::Unsigned(_) => Exit::Tampered,
            Self::NoVerifier { .. } | Self::OtherSigner { .. } => Exit::Usage,
            Self::SigningKey(_) => Exit::Key,
            Self::Sink(_) | Self::TooSlow(_) | Self::Alert { .. } => Exit::Other,
            Self::Stopped(_) => Exit::Stopped,
        }
    }
}

/// The exit code of a verification that could not run.
pub(crate) const NOT_RUN: u8 = 3;

fn said(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "the audit log is verified",
        Verdict::Incomplete => "the audit log is empty, or shorter than it was known to be",
        Verdict::Tampered => "the audit log, or the table, is not as it was written",
    }
}

/// Prints the failure and its causes, one a line, unless that was done already.
pub(crate) fn report(failure: &Failure) {
    if matches!(failure, Failure::KeyLost(lost) if lost.told) {
        return;
    }
    // What lies in the table, anybody may have put there.
    say!("error: {}", printable(&failure.to_string()));
    causes(failure);
}

/// Prints the causes of an error, one a line.
pub(crate) fn causes(error: &dyn Error) {
    let mut next = error.source();
    while let Some(cause) = next {
        say!("  because {}", printable(&cause.to_string()));
        next = cause.source();
    }
}

fn of_open(error: &OpenError) -> Exit {
    match error {
        OpenError::Name(_) | OpenError::NoRegion => Exit::Usage,
        OpenError::Table(TableError::Store(StoreError::Malformed(_))) => Exit::Table,
        OpenError::Table(TableError::Store(error)) => of_store(error),
        OpenError::Table(_) => Exit::Table,
        #[cfg(feature = "aws-kms")]
        OpenError::Kms(AwsKmsError::Name { .. } | AwsKmsError::NoRegion { .. }) => Exit::Usage,
        #[cfg(feature = "aws-kms")]
        OpenError::Kms(_) => Exit::Key,
        OpenError::LocalFile(LocalFileError::Randomness(_)) => Exit::Other,
        OpenError::LocalFile(_)
        | OpenError::LocalKeyMissing { .. }
        | OpenError::LocalKeyChanged { .. }
        | OpenError::OtherUmk { .. }
        | OpenError::OtherProvider { .. } => Exit::Key,
        OpenError::AuditKey(error) => of_keyring(error),
        OpenError::WrappedAuditKey(_) => Exit::Key,
        OpenError::AuditKeyMissing => Exit::Tampered,
        OpenError::Audit(error) => of_audit(error),
        _ => Exit::Other,
    }
}

fn of_adopt(error: &AdoptError) -> Exit {
    match error {
        AdoptError::Open(error) => of_open(error),
        AdoptError::NoCheckpoint | AdoptError::OtherNamespace { .. } | AdoptError::OtherTable { .. } => {
            Exit::Usage
        }
        AdoptError::Findings(_) => Exit::Tampered,
        AdoptError::Verify(error) => of_verify(error),
        AdoptError::Keys { source, .. } | AdoptError::Meta(source) => of_change(source),
        AdoptError::Listing { source, .. } => of_store(source),
        AdoptError::Record { source, .. } => of_write(source),
        AdoptError::Raced { .. } => Exit::Conflict,
        _ => Exit::Other,
    }
}

fn of_change(error: &ChangeError) -> Exit {
    match error {
        ChangeError::Store(error) => of_store(error),
        ChangeError::Audit(error) => of_audit(error),
        ChangeError::Unknown(_) => Exit::Unknown,
        _ => Exit::Other,
    }
}

fn of_read(error: &ReadError) -> Exit {
    match error {
        ReadError::Name(_) => Exit::Usage,
        ReadError::Tampered(_) => Exit::Tampered,
        ReadError::Key(error) => of_key(error),
        ReadError::Shredded(_) => Exit::Shredded,
        ReadError::Store(error) => of_store(error),
        ReadError::Audit(error) => of_audit(error),
        _ => Exit::Other,
    }
}

pub(crate) fn of_write(error: &WriteError) -> Exit {
    match error {
        WriteError::Name(_) | WriteError::Attribute(_) | WriteError::TooLarge { .. } => Exit::Usage,
        WriteError::Conflict { .. } => Exit::Conflict,
        WriteError::NotFound { .. } => Exit::NotFound,
        WriteError::Tampered(_) => Exit::Tampered,
        WriteError::Key(error) => of_key(error),
        WriteError::Shredded(_) => Exit::Shredded,
        WriteError::Store(error) => of_store(error),
        WriteError::Audit(error) => of_audit(error),
        WriteError::OutcomeUnknown { .. } => Exit::Unknown,
        WriteError::Restored(_) => Exit::Table,
        _ => Exit::Other,
    }
}

fn of_key(error: &KeyUnavailable) -> Exit {
    match error {
        KeyUnavailable::Keyring(error) => of_keyring(error),
        KeyUnavailable::Deadline => Exit::Service,
        _ => Exit::Key,
    }
}

fn of_keyring(error: &KeyringError) -> Exit {
    match error {
        // The table of keys is the service's, and whether a key was written does not matter to a record.
        KeyringError::Store { source, .. } => match source.downcast_ref() {
            Some(StoreError::OutcomeUnknown { .. }) | None => Exit::Service,
            Some(error) => of_store(error),
        },
        _ => Exit::Key,
    }
}

/// What the log did not take, the service did not, unless the log is not as it was written.
fn of_audit(error: &AuditUnavailable) -> Exit {
    match (&error.source, error.store_error()) {
        (AppendError::Stopped { .. }, _) => Exit::Tampered,
        (AppendError::TooLarge { .. }, _) => Exit::Usage,
        (_, Some(error)) => of_store(error),
        _ => Exit::Service,
    }
}

fn of_audit_log(error: &AuditLogError) -> Exit {
    match error {
        AuditLogError::Store(error) => of_store(error),
        AuditLogError::Verify(error) => of_verify(error),
        _ => Exit::Other,
    }
}

fn of_verify(error: &VerifyError) -> Exit {
    match error {
        VerifyError::Source { source, .. } => source.downcast_ref().map_or(Exit::Other, of_store),
        _ => Exit::Other,
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Unavailable { .. } | StoreError::Denied { .. } => Exit::Service,
        StoreError::OutcomeUnknown { .. } => Exit::Unknown,
        StoreError::TableMissing { .. } => Exit::Table,
        StoreError::TooLarge { .. } => Exit::Usage,
        StoreError::Malformed(_) => Exit::Tampered,
        _ => Exit::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The facade makes these only under conditions that a test of the binary cannot bring about.
    #[test]
    fn an_unknown_outcome_has_its_own_exit_code() {
        let source =
            || StoreError::OutcomeUnknown { operation: "PutItem", attempts: 1, source: "cut".into() };
        let failure =
            Failure::Write(WriteError::OutcomeUnknown { address: "a/b/c/d".into(), source: source().into() });
        assert_eq!(failure.exit(), Exit::Unknown);
    }

    #[test]
    fn a_reset_that_is_not_complete_ends_as_what_stopped_it_does() {
        let stopped = StoreError::Unavailable { operation: "DeleteTable", attempts: 5, source: "cut".into() };
        let failure = Failure::Reset(ResetError::Unfinished {
            table: "notes".to_owned(),
            wiped: false,
            old_key: Some("/keys/umk.key.old-1".into()),
            source: Box::new(TableError::from(stopped).into()),
        });
        assert_eq!(failure.exit(), Exit::Service);
        assert_eq!(
            failure.to_string(),
            "the reset is not complete: it is not known whether the table notes is wiped; \
             the old key file is now /keys/umk.key.old-1"
        );
    }

    #[test]
    fn a_key_that_the_table_did_not_give_is_a_matter_of_the_service() {
        let source: std::sync::Arc<dyn Error + Send + Sync> = std::sync::Arc::new(StoreError::Unavailable {
            operation: "Query",
            attempts: 5,
            source: "refused".into(),
        });
        let owner = blue_encrypted_store::keys::KeyOwner::Audit;
        let error = KeyUnavailable::Keyring(KeyringError::Store { owner, source });
        assert_eq!(Failure::Read(ReadError::Key(error)).exit(), Exit::Service);
    }
}
