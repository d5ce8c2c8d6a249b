//! Every setting, with all that is said of it, and the places where each can be given.

use std::{fmt, path::PathBuf};

use super::{
    description::{Description, Form, Group, Unset},
    value,
};

/// Makes [`Setting`] of descriptions. So it has a variant for each of them, [`Setting::ALL`] lacks none, and what a
/// setting means is said once.
macro_rules! settings {
    ($($setting:ident: $meaning:literal { $($field:ident: $value:expr),* $(,)? })*) => {
        /// What can be set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Setting {
            $(#[doc = $meaning] $setting,)*
        }

        impl Setting {
            /// All of them, in the order in which they are shown.
            pub const ALL: [Self; [$(Self::$setting),*].len()] = [$(Self::$setting),*];

            /// What is said of it.
            #[must_use]
            pub const fn describe(self) -> Description {
                match self {
                    $(Self::$setting => Description { meaning: $meaning, $($field: $value),* },)*
                }
            }
        }
    };
}

settings! {
    Table: "The DynamoDB table that is the store." {
        group: Group::Store, name: "table", flag: Some("table"), variables: &["BES_TABLE"],
        form: value::TABLE,
        unset: Unset::Default("blue-encrypted-store"),
    }
    Namespace: "The namespace of the store. All that is sealed is bound to it, and a table belongs to one." {
        group: Group::Store, name: "namespace", flag: Some("namespace"), variables: &["BES_NAMESPACE"],
        form: value::NAMESPACE,
        unset: Unset::Default(blue_encrypted_store::DEFAULT_NAMESPACE),
    }
    Padding: "How the length of JSON content is hidden. Bytes are never padded." {
        group: Group::Store, name: "padding", flag: None, variables: &["BES_PADDING"],
        form: value::PADDING,
        unset: Unset::Default("none"),
    }
    Keys: "Where the master key is, under which the keys of all tenants are wrapped." {
        group: Group::Keys, name: "keys", flag: None, variables: &["BES_KEYS"],
        form: value::KEYS,
        unset: Unset::Default("local"),
    }
    KeyFile: "The file that holds the master key; not used with `keys = \"kms\"`. `bes init` makes it if it is missing." {
        group: Group::Keys, name: "key_file", flag: Some("key-file"), variables: &["BES_KEY_FILE"],
        form: PATH,
        unset: Unset::Default("~/.blue/keys/umk.key"),
    }
    KmsKey: "The master key in AWS KMS, which `keys = \"kms\"` needs; not used with `keys = \"local\"`. Without a word \
             of `keys` it is refused, since the master key would then be in a file." {
        group: Group::Keys, name: "kms_key", flag: Some("kms-key"), variables: &["BES_KMS_KEY"],
        form: value::KMS_KEY,
        unset: Unset::None { meaning: "not set", example: "alias/notes" },
    }
    KmsPreviousKeys: "Further keys in AWS KMS: what is wrapped under one of them is still accepted, and nothing new is \
                      wrapped under it." {
        group: Group::Keys, name: "kms_previous_keys", flag: None, variables: &["BES_KMS_PREVIOUS_KEYS"],
        form: value::KMS_KEYS,
        unset: Unset::None { meaning: "not set", example: "alias/notes-2025, alias/notes-2024" },
    }
    KekTtl: "How long a tenant's key is used from memory before it is read again." {
        group: Group::Keys, name: "kek_ttl", flag: None, variables: &["BES_KEK_TTL"],
        form: value::TIME,
        unset: Unset::Default("60s"),
    }
    EndpointUrl: "Where DynamoDB is, if not where the Region has it: DynamoDB Local, for instance. It does not lead to \
                  another KMS; `AWS_ENDPOINT_URL_KMS` does." {
        group: Group::Aws, name: "endpoint_url", flag: Some("endpoint-url"),
        variables: &["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"],
        form: value::URL,
        unset: Unset::None { meaning: "the AWS SDK decides", example: "http://127.0.0.1:8000" },
    }
    Region: "The AWS Region of the table, and of KMS unless the ARN of its key names another." {
        group: Group::Aws, name: "region", flag: Some("region"), variables: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        form: value::REGION,
        unset: Unset::None { meaning: "the AWS SDK decides", example: "eu-west-1" },
    }
    WriterRegion: "The one Region in which a table with replicas is used. Without it, and in any other, such a table is \
                   refused." {
        group: Group::Aws, name: "writer_region", flag: None, variables: &["BES_WRITER_REGION"],
        form: value::REGION,
        unset: Unset::None { meaning: "not set", example: "eu-west-1" },
    }
    AttemptTimeout: "How long one attempt of a request may take, with getting credentials. If it is set, it must not be \
                     longer than `deadline`." {
        group: Group::Deadlines, name: "attempt_timeout", flag: None, variables: &["BES_ATTEMPT_TIMEOUT"],
        form: value::TIME,
        unset: Unset::Default("5s"),
    }
    Deadline: "How long one operation may take with all its attempts." {
        group: Group::Deadlines, name: "deadline", flag: None, variables: &["BES_DEADLINE"],
        form: value::TIME,
        unset: Unset::Default("15s"),
    }
    Principal: "Who the audit log says does it. Unless it is set, that is the user of the system, as `USER` names it." {
        group: Group::AuditLog, name: "principal", flag: Some("principal"), variables: &["BES_PRINCIPAL"],
        form: value::PRINCIPAL,
        unset: Unset::None { meaning: "the user of the system, or else nobody", example: "ann" },
    }
    AuditWrites: "When the event of a write is durable." {
        group: Group::AuditLog, name: "audit_writes", flag: None, variables: &["BES_AUDIT_WRITES"],
        form: value::WRITES,
        unset: Unset::Default("strict"),
    }
    AuditReads: "When the event of a read is durable." {
        group: Group::AuditLog, name: "audit_reads", flag: None, variables: &["BES_AUDIT_READS"],
        form: value::READS,
        unset: Unset::Default("strict"),
    }
    AuditChain: "Which chain of the audit log is written to." {
        group: Group::AuditLog, name: "audit_chain", flag: None, variables: &["BES_AUDIT_CHAIN"],
        form: value::CHAIN,
        unset: Unset::Default("shared"),
    }
    CheckpointFile: "The file that new checkpoints are added to, and whose newest one a verification compares the log \
                     with." {
        group: Group::Checkpoints, name: "checkpoint_file", flag: None, variables: &["BES_CHECKPOINT_FILE"],
        form: PATH,
        unset: Unset::None { meaning: "checkpoints are not kept in a file", example: "~/.blue/checkpoints" },
    }
    CheckpointKey: "The file of the key that signs checkpoints. It is made at its first use." {
        group: Group::Checkpoints, name: "checkpoint_key", flag: None, variables: &["BES_CHECKPOINT_KEY"],
        form: PATH,
        unset: Unset::Default("~/.blue/keys/checkpoint.key"),
    }
    CheckpointVerifiers: "The public keys by which checkpoints are believed. Once they are set, no signing key is made." {
        group: Group::Checkpoints, name: "checkpoint_verifiers", flag: None, variables: &["BES_CHECKPOINT_VERIFIERS"],
        form: value::VERIFIERS,
        unset: Unset::None {
            meaning: "that of checkpoint_key",
            example: "bes/prod+da6d567f+AbP29xy7sK6jc139fhcGufWz2CHBQWWdCHCfJNNsNKAf",
        },
    }
    CheckpointCommand: "What is run for each new checkpoint, which it gets on its standard input." {
        group: Group::Checkpoints, name: "checkpoint_command", flag: None, variables: &["BES_CHECKPOINT_COMMAND"],
        form: value::COMMAND,
        unset: Unset::None { meaning: "not set", example: "ssh backup 'cat >> checkpoints'" },
    }
    CheckpointEvents: "After how many events of their chain `import` and `export` make a checkpoint while they run." {
        group: Group::Checkpoints, name: "checkpoint_events", flag: None, variables: &["BES_CHECKPOINT_EVENTS"],
        form: value::COUNT,
        unset: Unset::None { meaning: "not set", example: "10000" },
    }
    CheckpointEvery: "After how much time they make one, if there were any events." {
        group: Group::Checkpoints, name: "checkpoint_every", flag: None, variables: &["BES_CHECKPOINT_EVERY"],
        form: value::TIME,
        unset: Unset::None { meaning: "not set", example: "10m" },
    }
    AlertCommand: "What `bes audit watch` runs for each alert, which it gets on its standard input as JSON." {
        group: Group::Alerts, name: "alert_command", flag: None, variables: &["BES_ALERT_COMMAND"],
        form: value::COMMAND,
        unset: Unset::None { meaning: "not set", example: "mail -s 'audit log' ops@example.com" },
    }
    AlertWebhook: "Where `bes audit watch` posts each alert to, as JSON. `bes config` shows no more than its host." {
        group: Group::Alerts, name: "alert_webhook", flag: None, variables: &["BES_ALERT_WEBHOOK"],
        form: value::URL,
        unset: Unset::None { meaning: "not set", example: "https://hooks.example.com/audit" },
    }
    Output: "How data are printed on standard output." {
        group: Group::Output, name: "output", flag: Some("output"), variables: &["BES_OUTPUT"],
        form: value::OUTPUT,
        unset: Unset::Default("text"),
    }
    Log: "What is logged on standard error; `-v`, `-vv` and `-vvv` win over it. Neither content nor keys are ever logged, at \
          any level." {
        group: Group::Output, name: "log", flag: None, variables: &["BES_LOG"],
        form: LOG,
        unset: Unset::None { meaning: "nothing is logged", example: "info,blue_store=debug" },
    }
    LogFormat: "How the log is written." {
        group: Group::Output, name: "log_format", flag: None, variables: &["BES_LOG_FORMAT"],
        form: value::LOG_FORMAT,
        unset: Unset::Default("text"),
    }
    TelemetryNames: "Whether spans carry the names of tenants' collections and kinds, and the ids of records. Whoever \
                     reads them where they are sent to reads these, too." {
        group: Group::Output, name: "telemetry_names", flag: None, variables: &["BES_TELEMETRY_NAMES"],
        form: value::TELEMETRY_NAMES,
        unset: Unset::Default("hidden"),
    }
}

const PATH: Form = Form::described("a path");

const LOG: Form = Form::described(
    "a filter of the crate tracing-subscriber: levels (error, warn, info, debug, trace), also of single targets",
);

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
    /// Its key in the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.describe().name
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
