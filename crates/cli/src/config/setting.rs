//! The names of the settings, and the places where each can be given.

use std::{fmt, path::PathBuf};

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The DynamoDB table.
    Table,
    /// The namespace of the store.
    Namespace,
    /// The kind of key provider.
    Keys,
    /// The file of the local key provider.
    KeyFile,
    /// The key of AWS KMS.
    KmsKey,
    /// Further keys of AWS KMS, which wrapped before.
    KmsPreviousKeys,
    /// Where DynamoDB is.
    EndpointUrl,
    /// The AWS Region.
    Region,
    /// The one Region that may write to a table with replicas.
    WriterRegion,
    /// How the length of JSON payloads is hidden.
    Padding,
    /// How long an unwrapped key is kept.
    KekTtl,
    /// How long one attempt of a request may take.
    AttemptTimeout,
    /// How long an operation may take with all its attempts.
    Deadline,
    /// Who the audit log says does it.
    Principal,
    /// When the event of a write is durable.
    AuditWrites,
    /// When the event of a read is durable.
    AuditReads,
    /// Which chain of the audit log is written to.
    AuditChain,
    /// The file of checkpoints.
    CheckpointFile,
    /// The file of the key that signs checkpoints.
    CheckpointKey,
    /// The public keys that checkpoints are believed by.
    CheckpointVerifiers,
    /// What is run for each checkpoint.
    CheckpointCommand,
    /// After how many events a writing command makes a checkpoint.
    CheckpointEvents,
    /// After how much time it does.
    CheckpointEvery,
    /// What is run if a verification found something, or could not run.
    AlertCommand,
    /// Where that is posted to.
    AlertWebhook,
    /// How data is printed.
    Output,
    /// What is logged, as a tracing filter.
    Log,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag, its name without the two dashes.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A line of the configuration file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Nowhere: it is what holds if nothing is set.
    Default,
}

impl Setting {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 27] = [
        Self::Table,
        Self::Namespace,
        Self::Keys,
        Self::KeyFile,
        Self::KmsKey,
        Self::KmsPreviousKeys,
        Self::EndpointUrl,
        Self::Region,
        Self::WriterRegion,
        Self::Padding,
        Self::KekTtl,
        Self::AttemptTimeout,
        Self::Deadline,
        Self::Principal,
        Self::AuditWrites,
        Self::AuditReads,
        Self::AuditChain,
        Self::CheckpointFile,
        Self::CheckpointKey,
        Self::CheckpointVerifiers,
        Self::CheckpointCommand,
        Self::CheckpointEvents,
        Self::CheckpointEvery,
        Self::AlertCommand,
        Self::AlertWebhook,
        Self::Output,
        Self::Log,
    ];

    /// Its key in the configuration file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Namespace => "namespace",
            Self::Keys => "keys",
            Self::KeyFile => "key_file",
            Self::KmsKey => "kms_key",
            Self::KmsPreviousKeys => "kms_previous_keys",
            Self::EndpointUrl => "endpoint_url",
            Self::Region => "region",
            Self::WriterRegion => "writer_region",
            Self::Padding => "padding",
            Self::KekTtl => "kek_ttl",
            Self::AttemptTimeout => "attempt_timeout",
            Self::Deadline => "deadline",
            Self::Principal => "principal",
            Self::AuditWrites => "audit_writes",
            Self::AuditReads => "audit_reads",
            Self::AuditChain => "audit_chain",
            Self::CheckpointFile => "checkpoint_file",
            Self::CheckpointKey => "checkpoint_key",
            Self::CheckpointVerifiers => "checkpoint_verifiers",
            Self::CheckpointCommand => "checkpoint_command",
            Self::CheckpointEvents => "checkpoint_events",
            Self::CheckpointEvery => "checkpoint_every",
            Self::AlertCommand => "alert_command",
            Self::AlertWebhook => "alert_webhook",
            Self::Output => "output",
            Self::Log => "log",
        }
    }

    /// Its flag, if it has one, without the two dashes.
    #[must_use]
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::Table => Some("table"),
            Self::Namespace => Some("namespace"),
            Self::KeyFile => Some("key-file"),
            Self::KmsKey => Some("kms-key"),
            Self::EndpointUrl => Some("endpoint-url"),
            Self::Region => Some("region"),
            Self::Principal => Some("principal"),
            Self::Output => Some("output"),
            _ => None,
        }
    }

    /// Its variables, the first that is set wins.
    #[must_use]
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Table => &["BES_TABLE"],
            Self::Namespace => &["BES_NAMESPACE"],
            Self::Keys => &["BES_KEYS"],
            Self::KeyFile => &["BES_KEY_FILE"],
            Self::KmsKey => &["BES_KMS_KEY"],
            Self::KmsPreviousKeys => &["BES_KMS_PREVIOUS_KEYS"],
            Self::EndpointUrl => &["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"],
            Self::Region => &["AWS_REGION", "AWS_DEFAULT_REGION"],
            Self::WriterRegion => &["BES_WRITER_REGION"],
            Self::Padding => &["BES_PADDING"],
            Self::KekTtl => &["BES_KEK_TTL"],
            Self::AttemptTimeout => &["BES_ATTEMPT_TIMEOUT"],
            Self::Deadline => &["BES_DEADLINE"],
            Self::Principal => &["BES_PRINCIPAL"],
            Self::AuditWrites => &["BES_AUDIT_WRITES"],
            Self::AuditReads => &["BES_AUDIT_READS"],
            Self::AuditChain => &["BES_AUDIT_CHAIN"],
            Self::CheckpointFile => &["BES_CHECKPOINT_FILE"],
            Self::CheckpointKey => &["BES_CHECKPOINT_KEY"],
            Self::CheckpointVerifiers => &["BES_CHECKPOINT_VERIFIERS"],
            Self::CheckpointCommand => &["BES_CHECKPOINT_COMMAND"],
            Self::CheckpointEvents => &["BES_CHECKPOINT_EVENTS"],
            Self::CheckpointEvery => &["BES_CHECKPOINT_EVERY"],
            Self::AlertCommand => &["BES_ALERT_COMMAND"],
            Self::AlertWebhook => &["BES_ALERT_WEBHOOK"],
            Self::Output => &["BES_OUTPUT"],
            Self::Log => &["BES_LOG"],
        }
    }

    /// The setting of this name in the configuration file.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }
}

impl Source {
    pub(crate) fn is_environment(&self) -> bool {
        matches!(self, Self::Environment(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}
