//! What can go wrong, one type for each kind of operation, sorted by what the caller can do.

use std::path::PathBuf;

use blue_address::{AttributeError, NameError};
use blue_audit::AppendError;
use blue_envelope::SealError;
#[cfg(feature = "aws-kms")]
use blue_keys::AwsKmsError;
use blue_keys::{KeyError, KeyringError, LocalFileError, UmkId};
use blue_store::{MalformedItem, StoreError, TableError};

/// Why a store was not opened. A key file was generated only for a table that depends on none yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The builder lacks something it cannot do without.
    #[error("the builder was not told the {what}")]
    Incomplete {
        /// What it lacks.
        what: &'static str,
    },
    /// The SDK's configuration names no Region, nor does the builder. Requests cannot be signed without one, not
    /// even to DynamoDB Local.
    #[error("no AWS Region is configured")]
    NoRegion,
    /// The namespace breaks the rules of names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The table is missing or cannot serve as a store.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The key file cannot be used.
    #[error(transparent)]
    LocalFile(#[from] LocalFileError),
    /// The keys of KMS cannot be used, or are not named as such are.
    #[cfg(feature = "aws-kms")]
    #[error(transparent)]
    Kms(#[from] AwsKmsError),
    /// The table's keys are wrapped under a key file that is not there.
    #[error("the table {table} was encrypted under {recorded}, and there is no key file {}", path.display())]
    LocalKeyMissing {
        /// The table.
        table: String,
        /// Where the key file should be.
        path: PathBuf,
        /// The UMK that the table remembers.
        recorded: UmkId,
    },
    /// The table's keys are wrapped under another key file.
    #[error("the table {table} was encrypted under {recorded}, but the key file {} holds {found}", path.display())]
    LocalKeyChanged {
        /// The table.
        table: String,
        /// The key file.
        path: PathBuf,
        /// The UMK that the table remembers.
        recorded: UmkId,
        /// The UMK in the file.
        found: UmkId,
    },
    /// The table's keys are wrapped by another provider than the configured key file.
    #[error("the table {table} was encrypted under {recorded}, which is no local key file")]
    OtherProvider {
        /// The table.
        table: String,
        /// The UMK that the table remembers.
        recorded: UmkId,
    },
    /// The table's keys are wrapped under another UMK than the provider's.
    #[error("the table {table} was encrypted under {recorded}, but the key provider uses {found}")]
    OtherUmk {
        /// The table.
        table: String,
        /// The UMK that the table remembers.
        recorded: UmkId,
        /// The UMK of the configured provider.
        found: UmkId,
    },
    /// The audit key cannot be used, or was taken away.
    #[error("the audit log cannot be opened")]
    AuditKey(#[source] KeyringError),
    /// A wrapped audit key does not unwrap.
    #[error("the audit key cannot be unwrapped")]
    WrappedAuditKey(#[source] KeyError),
    /// There is an audit log and no audit key: somebody took it away.
    #[error("the table holds an audit log, and its key is missing")]
    AuditKeyMissing,
    /// The audit log cannot be begun.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
}

impl OpenError {
    /// Whether the local key is lost: missing, or not the one the table was encrypted under.
    #[must_use]
    pub fn is_local_key_lost(&self) -> bool {
        matches!(self, Self::LocalKeyMissing { .. } | Self::LocalKeyChanged { .. })
    }
}

/// Why a record was not read. No unverified content was released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The kind or id breaks the rules of names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The record is authentic, but not of the type that was asked for.
    #[error("the record {address} is not of the type that was asked for")]
    Type {
        /// Which record.
        address: String,
        /// Where it does not fit; `None` if it holds bytes where JSON was expected, or the reverse.
        source: Option<JsonMismatch>,
    },
    /// What lies in the table is not what was written.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// The key cannot be used now.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The tenant's keys were erased.
    #[error(transparent)]
    Shredded(#[from] Shredded),
    /// DynamoDB denied or did not answer.
    #[error("the record could not be read")]
    Store(#[source] StoreError),
    /// The event of the read could not be recorded, so the content was not released.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
}

/// Why a record was not written, updated or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The kind or id breaks the rules of names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A cleartext attribute is refused.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The value does not serialise as JSON.
    #[error("the record {address} cannot be written as JSON")]
    Serialise {
        /// Which record.
        address: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// An update gave the record another kind or id.
    #[error("the update changed the id of {address} to {id}")]
    Moved {
        /// Which record.
        address: String,
        /// The id that it would have now.
        id: String,
    },
    /// It would not fit into an item of DynamoDB (409,600 bytes, padding included). Nothing was written.
    #[error("the record {address} is too large")]
    TooLarge {
        /// Which record.
        address: String,
        /// Its size and the limit.
        source: StoreError,
    },
    /// The stored record is authentic, but not of the type that was to be updated.
    #[error("the record {address} is not of the type that was asked for")]
    Type {
        /// Which record.
        address: String,
        /// Where it does not fit; `None` if it holds bytes.
        source: Option<JsonMismatch>,
    },
    /// The record is there already, has another version, or is gone. Nothing was written.
    #[error("{}", conflict(address, *found))]
    Conflict {
        /// Which record.
        address: String,
        /// The version that is there, if one is and it can be read.
        found: Option<u64>,
    },
    /// There is no such record. Nothing was written.
    #[error("there is no record {address}")]
    NotFound {
        /// Which record.
        address: String,
    },
    /// Other updates of the record in this process took until the deadline. Nothing was written.
    #[error("the record {address} was busy with other updates until the deadline")]
    Busy {
        /// Which record.
        address: String,
    },
    /// What lies in the table is not what was written, and is not built upon. It can be deleted.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// The key cannot be used now. Nothing was written.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The tenant's keys were erased. Nothing was written.
    #[error(transparent)]
    Shredded(#[from] Shredded),
    /// The record could not be sealed. Nothing was written.
    #[error("the record {address} could not be sealed")]
    Seal {
        /// Which record.
        address: String,
        /// Why.
        source: SealError,
    },
    /// DynamoDB denied or did not answer. Nothing was written.
    #[error("the record could not be written")]
    Store(#[source] StoreError),
    /// A write was sent and its answer was lost, and nothing tells any more whether it was done. Read the record to
    /// know.
    #[error("it is not known whether {address} was written")]
    OutcomeUnknown {
        /// Which record.
        address: String,
        /// What happened.
        source: Unanswered,
    },
    /// The event of the write could not be recorded. Nothing was written.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// The table was restored or copied, and is not adopted yet. Nothing was written.
    #[error(transparent)]
    Restored(#[from] Restored),
}

/// The table is not the one that was made a store, but restored from its backup or copied from it: the service gives it
/// another id than META has. It can be read, and each process that does so records it in a chain of its own. It cannot be
/// written until it is adopted ([`Builder::adopt`](crate::Builder::adopt)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the table {table} has the id {}, but was made a store as {}: it was restored or copied, and can only be read until it \
     is adopted",
    found.as_deref().unwrap_or("(none)"),
    recorded.as_deref().unwrap_or("(none)")
)]
#[non_exhaustive]
pub struct Restored {
    /// Its name.
    pub table: String,
    /// The id that META has.
    pub recorded: Option<String>,
    /// The id that the service gives.
    pub found: Option<String>,
}

/// The audit log did not take an event that had to be in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the audit log did not take the event")]
pub struct AuditUnavailable {
    /// Why.
    #[from]
    pub source: AppendError,
}

impl AuditUnavailable {
    /// What the table said, if that was the cause.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        store_error(&self.source)
    }
}

/// Why an answer did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// The write itself was not answered.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The transaction with the audit log was not answered.
    #[error(transparent)]
    Audit(#[from] AppendError),
}

pub(crate) fn store_error(error: &AppendError) -> Option<&StoreError> {
    match error {
        AppendError::Failed { source, .. }
        | AppendError::Full { source: Some(source), .. }
        | AppendError::Deadline { source: Some(source), .. }
        | AppendError::OutcomeUnknown { source: Some(source), .. } => source.downcast_ref(),
        _ => None,
    }
}

/// Where a JSON text does not fit a type. What stands there is not said: it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSON does not fit the type at line {line}, column {column}")]
#[non_exhaustive]
pub struct JsonMismatch {
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
}

impl From<serde_json::Error> for JsonMismatch {
    fn from(error: serde_json::Error) -> Self {
        Self { line: error.line(), column: error.column() }
    }
}

/// A record, or the key it depends on, is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the record {address} was tampered with, or is damaged")]
#[non_exhaustive]
pub struct Tampered {
    /// Which record.
    pub address: String,
    /// As far as it can be said: nothing about the cryptography.
    pub source: TamperedCause,
}

/// What is not as it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TamperedCause {
    /// The item cannot have been written by this store.
    #[error(transparent)]
    Item(#[from] MalformedItem),
    /// The envelope does not open: content, address, version, attributes or keys are not as they were sealed.
    #[error(transparent)]
    Envelope(#[from] blue_envelope::OpenError),
    /// The envelope names a key that its tenant does not have, or a wrapped key is not authentic.
    #[error(transparent)]
    Key(#[from] KeyringError),
    /// The envelope opens, but its content is not of the type it declares.
    #[error("the content is not of the type it declares")]
    Content,
}

/// A tenant's key cannot be used at the moment.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUnavailable {
    /// The key service or the table of wrapped keys denied or did not answer.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// It did not come within the operation's deadline.
    #[error("the key did not come within the deadline")]
    Deadline,
}

/// The tenant's keys were erased: its records can never be read again, and its name not be used anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{owner} was shredded at {time}")]
#[non_exhaustive]
pub struct Shredded {
    /// Whose keys.
    pub owner: String,
    /// When, in RFC 3339.
    pub time: String,
}

/// A failure of the keyring, sorted by what the caller can do.
pub(crate) enum KeyFailure {
    Shredded(Shredded),
    Unavailable(KeyUnavailable),
    Tampered(TamperedCause),
}

impl From<KeyringError> for KeyFailure {
    fn from(error: KeyringError) -> Self {
        match &error {
            KeyringError::Shredded { owner, time } => {
                Self::Shredded(Shredded { owner: owner.to_string(), time: time.clone() })
            }
            KeyringError::Unknown { .. } | KeyringError::Regressed { .. } => Self::Tampered(error.into()),
            KeyringError::Provider { source, .. }
                if matches!(**source, KeyError::Authentication | KeyError::Malformed) =>
            {
                Self::Tampered(error.into())
            }
            KeyringError::Store { source, .. }
                if matches!(
                    source.downcast_ref(),
                    Some(StoreError::Malformed(_) | StoreError::KeysMissing { .. })
                ) =>
            {
                Self::Tampered(error.into())
            }
            _ => Self::Unavailable(error.into()),
        }
    }
}

fn conflict(address: &str, found: Option<u64>) -> String {
    match found {
        Some(version) => format!("the record {address} is there with version {version}"),
        None => format!("the record {address} was changed or deleted meanwhile"),
    }
}
