//! What an examination can find, and how bad it is.

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use blue_address::{Chain, Namespace};
use blue_keys::{KeyError, UmkId};
use blue_store::{StoreError, TableError};
use time::OffsetDateTime;

use super::{LONG_AGO, MUCH_SKEW, Status, Subject, TOO_MUCH_SKEW};
use crate::{
    OpenError, Restored,
    checkpoints::{SigningKeyError, TrustedCheckpointsError},
};

/// Where a setting of the AWS SDK comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The builder was told.
    Builder {
        /// By what, in words.
        by: String,
    },
    /// The client that the builder was given has it.
    Client,
    /// This variable of the environment.
    Environment(&'static str),
    /// A profile of the AWS SDK's configuration files.
    Profile,
    /// The metadata service of the instance or container.
    Metadata,
    /// Nothing: it is what AWS has for the Region.
    Aws,
}

/// What was found of one subject. Its text states the fact, of its causes only the outermost; [`Finding::cause`] has the rest.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// It was not looked at, since this subject failed or was itself skipped.
    Skipped {
        /// Which.
        because: Subject,
    },
    /// The builder knows what it has to.
    Configured {
        /// The table's name.
        table: String,
        /// The store's namespace.
        namespace: Namespace,
    },
    /// It does not.
    Misconfigured(OpenError),

    /// A Region is known.
    Region {
        /// Which.
        region: String,
        /// Where it comes from.
        origin: Origin,
    },
    /// None is.
    NoRegion,
    /// The AWS SDK's own configuration was not found in time.
    NoSdkConfiguration {
        /// How long it was waited for.
        waited: Duration,
    },

    /// There are credentials, and the service took them or was not reached.
    Credentials {
        /// The last four characters of the access key id.
        ends_in: String,
        /// What gave them, in words; empty if they do not say.
        source: String,
        /// When they expire, if they do.
        expires: Option<SystemTime>,
    },
    /// The builder's client has its own, and does not show them. The service took them or was not reached.
    CredentialsOfClient,
    /// There are none.
    NoCredentials {
        /// What the provider said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service does not take them.
    CredentialsRefused {
        /// The last four characters of the access key id; empty if it is not known.
        ends_in: String,
        /// What gave them, in words; empty if they do not say.
        source: String,
        /// What the service said.
        error: StoreError,
    },

    /// DynamoDB answers.
    Endpoint {
        /// Scheme, host and port.
        url: String,
        /// What says so.
        origin: Origin,
        /// How long the last request took.
        round_trip: Duration,
    },
    /// It does not.
    Unreachable {
        /// Scheme, host and port, if anything was sent, and what says so.
        url: Option<(String, Origin)>,
        /// What was met.
        error: StoreError,
    },
    /// Something answers that is no DynamoDB.
    NotDynamoDb {
        /// Scheme, host and port.
        url: String,
        /// What says so.
        origin: Origin,
        /// What was met.
        error: StoreError,
    },

    /// The clocks differ by so much. Both go into it with an error of half a round trip, and half a second.
    Clock {
        /// By how much.
        skew: Duration,
        /// Whether the clock here is ahead of the service's.
        ahead: bool,
    },
    /// The service's answer had no date.
    ClockUnknown,

    /// The table is there, and of our schema.
    Table {
        /// Its ARN.
        arn: String,
        /// Whether it is one of DynamoDB Local.
        is_local: bool,
    },
    /// It is not, or is not to be described.
    TableUnfit(TableError),

    /// DynamoDB Local has no such thing.
    NotInDynamoDbLocal,

    /// No item is deleted by time to live.
    NoTimeToLive,
    /// Items may be, or it is not known.
    TimeToLive(TableError),

    /// The table can be restored to any moment between these two, in RFC 3339.
    Recovery {
        /// The first.
        from: String,
        /// The last.
        to: String,
    },
    /// It cannot.
    NoRecovery,
    /// The service does not say.
    RecoveryUnknown(StoreError),

    /// No single call deletes the table.
    DeletionProtected,
    /// One does.
    NotDeletionProtected,

    /// The table is in no other Region.
    NoReplicas,
    /// It is, and this process is in the Region that writes.
    Replicas {
        /// The other Regions.
        replicas: Vec<String>,
    },
    /// It is, and this process may not write.
    Replicated(TableError),

    /// The table says what the configuration says.
    Meta {
        /// The master key that its keys are wrapped under.
        umk_id: UmkId,
        /// Whether the configured key could be held against it.
        compared: bool,
    },
    /// The table is empty: whoever opens it first makes it a store.
    NotYetAStore,
    /// It is another store than is configured, or none, or cannot be read.
    NotThisStore(TableError),
    /// It is wrapped under a previous key that is accepted, and not under the one that is configured.
    UnderPreviousKey {
        /// The master key that the table remembers.
        recorded: UmkId,
        /// The configured one.
        configured: UmkId,
    },
    /// It is wrapped under another key than is configured.
    OtherKey(OpenError),
    /// It was restored or copied, and can only be read.
    Restored(Restored),

    /// A key was generated under the master key and unwrapped again.
    KeyWorks {
        /// The master key.
        umk_id: UmkId,
        /// How long both took.
        took: Duration,
    },
    /// There is no key file, and the store that would need it was not found.
    NoKeyFile {
        /// Where it would be.
        path: PathBuf,
        /// Whether there is no store yet, so that nothing needs it: whoever makes the one makes the other. Otherwise it is not
        /// known.
        is_new: bool,
    },
    /// There is no key provider.
    NoProvider(OpenError),
    /// No key was generated.
    NotGenerated(KeyError),
    /// What was generated does not unwrap.
    NotUnwrapped(KeyError),
    /// What was unwrapped is not what was generated.
    OtherKeyUnwrapped {
        /// The master key.
        umk_id: UmkId,
    },

    /// Every chain goes at least as far as the last checkpoint says, and through the event that it names.
    AuditHead {
        /// How many chains the checkpoint has.
        chains: usize,
        /// How many events they had then.
        events: u64,
    },
    /// No file of checkpoints is configured: that the log was cut short would not be seen.
    NoCheckpointFile,
    /// There is no checkpoint yet.
    NoCheckpointYet {
        /// The file that would have it.
        path: PathBuf,
    },
    /// The file of checkpoints has none.
    NoCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// Nobody is known whose checkpoints would be believed.
    NoVerifier {
        /// The file.
        path: PathBuf,
    },
    /// The file of checkpoints is not there, or not to be trusted.
    Checkpoints(TrustedCheckpointsError),
    /// The key that signs checkpoints cannot be read.
    SigningKey(SigningKeyError),
    /// A chain is shorter than the last checkpoint says.
    AuditShorter {
        /// Which; of several, the first by name.
        chain: Chain,
        /// How many events it has.
        events: u64,
        /// How many it had.
        known: u64,
    },
    /// A chain is as long, and another one.
    AuditForked {
        /// Which; of several, the first by name.
        chain: Chain,
        /// How many events the checkpoint has of it.
        known: u64,
    },
    /// The log could not be read.
    AuditUnread(StoreError),

    /// When the log was verified last, by the clock of whoever did.
    Verified {
        /// When.
        time: OffsetDateTime,
        /// How long ago, by the clock here; nothing if that is yet to come.
        age: Option<Duration>,
    },
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Skipped { .. } => Status::Skipped,
            Self::Configured { .. }
            | Self::Region { .. }
            | Self::Credentials { .. }
            | Self::CredentialsOfClient
            | Self::Endpoint { .. }
            | Self::Table { .. }
            | Self::NotInDynamoDbLocal
            | Self::NoTimeToLive
            | Self::Recovery { .. }
            | Self::DeletionProtected
            | Self::NoReplicas
            | Self::Replicas { .. }
            | Self::Meta { .. }
            | Self::KeyWorks { .. }
            | Self::AuditHead { .. } => Status::Ok,
            Self::Clock { skew, .. } if *skew > TOO_MUCH_SKEW => Status::Failure,
            Self::Clock { skew, .. } if *skew > MUCH_SKEW => Status::Warning,
            Self::Clock { .. } => Status::Ok,
            Self::Verified { age: Some(age), .. } if *age <= LONG_AGO => Status::Ok,
            Self::Verified { .. }
            | Self::ClockUnknown
            | Self::NoRecovery
            | Self::RecoveryUnknown(_)
            | Self::NotDeletionProtected
            | Self::NotYetAStore
            | Self::UnderPreviousKey { .. }
            | Self::NoKeyFile { .. }
            | Self::NoCheckpointFile
            | Self::NoCheckpointYet { .. } => Status::Warning,
            Self::Misconfigured(_)
            | Self::NoRegion
            | Self::NoSdkConfiguration { .. }
            | Self::NoCredentials { .. }
            | Self::CredentialsRefused { .. }
            | Self::Unreachable { .. }
            | Self::NotDynamoDb { .. }
            | Self::TableUnfit(_)
            | Self::TimeToLive(_)
            | Self::Replicated(_)
            | Self::NotThisStore(_)
            | Self::OtherKey(_)
            | Self::Restored(_)
            | Self::NoProvider(_)
            | Self::NotGenerated(_)
            | Self::NotUnwrapped(_)
            | Self::OtherKeyUnwrapped { .. }
            | Self::NoCheckpoint { .. }
            | Self::NoVerifier { .. }
            | Self::Checkpoints(_)
            | Self::SigningKey(_)
            | Self::AuditShorter { .. }
            | Self::AuditForked { .. }
            | Self::AuditUnread(_) => Status::Failure,
        }
    }

    /// The error that was met, if one was.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Misconfigured(error) | Self::OtherKey(error) | Self::NoProvider(error) => error,
            Self::NoCredentials { source } => source.as_ref(),
            Self::CredentialsRefused { error, .. }
            | Self::Unreachable { error, .. }
            | Self::NotDynamoDb { error, .. }
            | Self::RecoveryUnknown(error)
            | Self::AuditUnread(error) => error,
            Self::TableUnfit(error)
            | Self::TimeToLive(error)
            | Self::Replicated(error)
            | Self::NotThisStore(error) => error,
            Self::Restored(restored) => restored,
            Self::NotGenerated(error) | Self::NotUnwrapped(error) => error,
            Self::Checkpoints(error) => error,
            Self::SigningKey(error) => error,
            _ => return None,
        })
    }

    /// The first cause that the text does not state already.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Their texts say what that means, not what it was.
            Self::NoCredentials { .. }
            | Self::CredentialsRefused { .. }
            | Self::Unreachable { .. }
            | Self::NotDynamoDb { .. }
            | Self::RecoveryUnknown(_)
            | Self::NotGenerated(_)
            | Self::NotUnwrapped(_)
            | Self::AuditUnread(_) => self.error(),
            _ => self.error()?.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(seconds: u64) -> Finding {
        Finding::Clock { skew: Duration::from_secs(seconds), ahead: true }
    }

    #[test]
    fn a_clock_is_as_bad_as_it_is_wrong() {
        assert_eq!([0, 30, 31, 300, 301].map(|skew| clock(skew).status()), {
            [Status::Ok, Status::Ok, Status::Warning, Status::Warning, Status::Failure]
        });
        assert_eq!(clock(0).to_string(), "as the service's");
        assert_eq!(clock(200).to_string(), "3 min ahead of the service's");
    }

    #[test]
    fn a_verification_is_old_after_a_day_and_two_hours_and_never_a_failure() {
        let verified = |age: Option<u64>| Finding::Verified {
            time: OffsetDateTime::UNIX_EPOCH,
            age: age.map(Duration::from_secs),
        };
        let hours = |hours: u64| Some(hours * 3_600);
        let statuses = [hours(0), hours(26), hours(27), hours(26 * 365 * 24), None];
        assert_eq!(statuses.map(|age| verified(age).status()), {
            [Status::Ok, Status::Ok, Status::Warning, Status::Warning, Status::Warning]
        });
        assert_eq!(verified(hours(27)).to_string(), "27 h ago, at 1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_text_repeats_nothing_of_its_cause() {
        let error = || StoreError::TableMissing { table: "notes".to_owned() };
        for finding in [
            Finding::AuditUnread(error()),
            Finding::TableUnfit(error().into()),
            Finding::Unreachable { url: None, error: error() },
        ] {
            let cause = finding.cause().map(ToString::to_string);
            assert!(cause.is_none_or(|cause| !finding.to_string().contains(&cause)), "{finding:?}");
        }
    }
}
