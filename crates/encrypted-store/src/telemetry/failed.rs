//! How errors are told in spans and metrics: by few words that never change, and by nothing else.

use blue_audit::{AppendError, CheckpointError, Outcome, VerifyError};
use blue_keys::KeyError;
use blue_store::{StoreError, TableError};

use crate::{
    AdoptError, AuditLogError, AuditUnavailable, ChangeError, KeyUnavailable, OpenError, ReadError,
    ResetError, RetireError, RewrapError, RootError, RotateError, ShredError, Unanswered, WriteError,
    audit::{Failure, failure_of_provider, key_failure},
    errors::store_error,
};

/// How an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    /// `failure`, `denied`, `unknown` or `cancelled`.
    pub(super) outcome: &'static str,
    /// The value of `error.type`.
    pub(super) kind: &'static str,
}

impl Failed {
    /// Whoever waited for it does not any more.
    pub(super) const CANCELLED: Self = Self { outcome: "cancelled", kind: "cancelled" };
    const UNKNOWN: Self = Self { outcome: "unknown", kind: "outcome_unknown" };

    const fn with(kind: &'static str) -> Self {
        Self { outcome: "failure", kind }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let outcome = if failure.outcome == Outcome::Denied { "denied" } else { "failure" };
        Self { outcome, kind: failure.reason }
    }
}

/// An error of an operation.
pub(crate) trait Failing {
    fn failed(&self) -> Failed;
}

impl Failing for std::convert::Infallible {
    fn failed(&self) -> Failed {
        match *self {}
    }
}

impl Failing for StoreError {
    fn failed(&self) -> Failed {
        match self {
            Self::OutcomeUnknown { .. } => Failed::UNKNOWN,
            Self::Denied { .. } => Failed { outcome: "denied", kind: "denied" },
            Self::Unavailable { .. } => Failed::with("unavailable"),
            Self::TableMissing { .. } => Failed::with("table_missing"),
            Self::Reinitialised { .. } => Failed::with("reinitialised"),
            Self::KeysMissing { .. } | Self::Malformed(_) => Failed::with("tampered"),
            Self::TooManyKeys { .. } => Failed::with("too_many_keys"),
            Self::TooLarge { .. } => Failed::with("too_large"),
            _ => Failed::with("refused"),
        }
    }
}

impl Failing for TableError {
    fn failed(&self) -> Failed {
        match self {
            Self::Store(error) => error.failed(),
            _ => Failed::with("unfit_table"),
        }
    }
}

impl Failing for AppendError {
    fn failed(&self) -> Failed {
        match (self, store_error(self)) {
            (Self::OutcomeUnknown { .. }, _) => Failed::UNKNOWN,
            (Self::Failed { .. }, Some(error)) => error.failed(),
            (Self::Stopped { .. }, _) => Failed::with("audit_stopped"),
            _ => Failed::with("audit_unavailable"),
        }
    }
}

impl Failing for AuditUnavailable {
    fn failed(&self) -> Failed {
        self.source.failed()
    }
}

impl Failing for Unanswered {
    fn failed(&self) -> Failed {
        Failed::UNKNOWN
    }
}

impl Failing for ChangeError {
    fn failed(&self) -> Failed {
        match self {
            Self::Store(error) => error.failed(),
            Self::Audit(error) => error.failed(),
            Self::Unknown(error) => error.failed(),
        }
    }
}

impl Failing for KeyUnavailable {
    fn failed(&self) -> Failed {
        key_failure(self).into()
    }
}

impl Failing for KeyError {
    fn failed(&self) -> Failed {
        failure_of_provider(self).into()
    }
}

impl Failing for OpenError {
    fn failed(&self) -> Failed {
        match self {
            Self::Table(error) => error.failed(),
            Self::Audit(error) => error.failed(),
            Self::WrappedAuditKey(error) => error.failed(),
            Self::AuditKeyMissing => Failed::with("tampered"),
            Self::LocalKeyMissing { .. } | Self::LocalKeyChanged { .. } => Failed::with("key_lost"),
            Self::OtherProvider { .. } | Self::OtherUmk { .. } => Failed::with("key_not_configured"),
            Self::LocalFile(_) | Self::AuditKey(_) => Failed::with("key_unavailable"),
            #[cfg(feature = "aws-kms")]
            Self::Kms(_) => Failed::with("key_unavailable"),
            Self::Incomplete { .. } | Self::NoRegion | Self::Name(_) => Failed::with("bad_input"),
        }
    }
}

impl Failing for ReadError {
    fn failed(&self) -> Failed {
        match self {
            Self::Name(_) => Failed::with("bad_input"),
            Self::Type { .. } => Failed::with("type"),
            Self::Tampered(_) => Failed::with("tampered"),
            Self::Key(error) => error.failed(),
            Self::Shredded(_) => Failed::with("shredded"),
            Self::Store(error) => error.failed(),
            Self::Audit(error) => error.failed(),
        }
    }
}

impl Failing for WriteError {
    fn failed(&self) -> Failed {
        match self {
            Self::Name(_) | Self::Attribute(_) | Self::Serialise { .. } | Self::Moved { .. } => {
                Failed::with("bad_input")
            }
            Self::TooLarge { .. } => Failed::with("too_large"),
            Self::Type { .. } => Failed::with("type"),
            Self::Conflict { .. } => Failed::with("conflict"),
            Self::NotFound { .. } => Failed::with("not_found"),
            Self::Busy { .. } => Failed::with("busy"),
            Self::Tampered(_) => Failed::with("tampered"),
            Self::Key(error) => error.failed(),
            Self::Shredded(_) => Failed::with("shredded"),
            Self::Seal { .. } => Failed::with("seal"),
            Self::Store(error) => error.failed(),
            Self::OutcomeUnknown { source, .. } => source.failed(),
            Self::Audit(error) => error.failed(),
            Self::Restored(_) => Failed::with("restored"),
        }
    }
}

impl Failing for RotateError {
    fn failed(&self) -> Failed {
        match self {
            Self::Local => Failed::with("local_key"),
            Self::NoKey { .. } => Failed::with("not_found"),
            Self::Exhausted { .. } => Failed::with("tampered"),
            Self::TooMany { .. } => Failed::with("too_many_keys"),
            Self::Raced { .. } => Failed::with("conflict"),
            Self::Shredded(_) => Failed::with("shredded"),
            Self::Restored(_) => Failed::with("restored"),
            Self::Key(error) => error.failed(),
            Self::Read { source, .. } => source.failed(),
            Self::Change { source, .. } => source.failed(),
        }
    }
}

impl Failing for RewrapError {
    fn failed(&self) -> Failed {
        match self {
            Self::NoKey { .. } => Failed::with("not_found"),
            Self::Shredded(_) => Failed::with("shredded"),
            Self::Restored(_) => Failed::with("restored"),
            Self::Key(error) => error.failed(),
            Self::Tampered { .. } => Failed::with("tampered"),
            Self::Read { source, .. } => source.failed(),
            Self::Stopped { source, .. } => source.failed(),
        }
    }
}

impl Failing for RetireError {
    fn failed(&self) -> Failed {
        match self {
            Self::NoVersion { .. } => Failed::with("not_found"),
            Self::Newest { .. } | Self::InUse { .. } => Failed::with("in_use"),
            Self::Unusable { .. } | Self::Unreadable { .. } => Failed::with("tampered"),
            Self::Key(error) => error.failed(),
            Self::Raced { .. } => Failed::with("conflict"),
            Self::Shredded(_) => Failed::with("shredded"),
            Self::Restored(_) => Failed::with("restored"),
            Self::Read { source, .. } => source.failed(),
            Self::Change { source, .. } => source.failed(),
        }
    }
}

impl Failing for ShredError {
    fn failed(&self) -> Failed {
        match self {
            Self::Restored(_) => Failed::with("restored"),
            Self::Keys { source, .. } => source.failed(),
            Self::NotShredded { .. } => Failed::with("not_shredded"),
            Self::Listing { source, .. } => source.failed(),
            Self::Record { source, .. } => source.failed(),
        }
    }
}

impl Failing for RootError {
    fn failed(&self) -> Failed {
        match self {
            Self::Local => Failed::with("local_key"),
            Self::Restored(_) => Failed::with("restored"),
            Self::Read(error) => error.failed(),
            Self::Key { source, .. } => source.failed(),
            Self::Change { source, .. } | Self::Meta(source) => source.failed(),
            Self::Left { .. } => Failed::with("left"),
            Self::Raced => Failed::with("conflict"),
        }
    }
}

impl Failing for AuditLogError {
    fn failed(&self) -> Failed {
        match self {
            Self::Verify(error) => error.failed(),
            Self::Store(error) => error.failed(),
            Self::Checkpoint(error) => error.failed(),
        }
    }
}

impl Failing for VerifyError {
    fn failed(&self) -> Failed {
        Failed::with("unreadable")
    }
}

impl Failing for CheckpointError {
    fn failed(&self) -> Failed {
        Failed::with("checkpoint")
    }
}

impl Failing for AdoptError {
    fn failed(&self) -> Failed {
        match self {
            Self::Open(error) => error.failed(),
            _ => Failed::with("not_adopted"),
        }
    }
}

impl Failing for ResetError {
    fn failed(&self) -> Failed {
        match self {
            Self::Open(error) => error.failed(),
            Self::Unfinished { source, .. } => source.failed(),
            _ => Failed::with("not_reset"),
        }
    }
}
