//! Why the settings cannot be used.

use std::{io, path::PathBuf, time::Duration};

use super::{Set, Setting, Source, description::nearest, value::Invalid};

/// A setting that is not understood, with the place where it stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such file, or it cannot be read as UTF-8.
    #[error("cannot read the configuration file {}, which {named_by} names", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What named it.
        named_by: Source,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}:{line}: this is no TOML: {reason}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
        /// What the TOML parser said.
        reason: String,
    },
    /// A key of the file is no setting.
    #[error("{}:{line}: there is no setting {name:?}{}", path.display(), nearest_setting(name))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
        /// The key.
        name: String,
    },
    /// A value of the file is no string.
    #[error("{}:{line}: {} must be a text in quotes, such as {} = \"...\"", path.display(), setting.name(), setting.name())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
        /// The setting.
        setting: Setting,
    },
    /// A variable of the environment is not UTF-8.
    #[error("the variable {name} is no UTF-8")]
    NotUnicode {
        /// The variable.
        name: &'static str,
    },
    /// A value that the setting does not take.
    #[error("{} cannot be {text:?} (from {place}): {reason}{}", setting.name(), nearest_word(reason, text))]
    Invalid {
        /// The setting.
        setting: Setting,
        /// What was given.
        text: String,
        /// Where.
        place: Source,
        /// What is wrong with it.
        reason: Invalid,
    },
    /// An attempt that was given more time than the whole operation.
    #[error(
        "attempt_timeout ({:?}, from {}) is longer than deadline ({:?}, from {})",
        attempt_timeout.value, attempt_timeout.source, deadline.value, deadline.source
    )]
    AttemptAfterDeadline {
        /// The time of an attempt.
        attempt_timeout: Set<Duration>,
        /// The time of an operation.
        deadline: Set<Duration>,
    },
    /// The keys are in KMS, and nothing says which.
    #[error("keys is kms (from {place}), and kms_key is not set")]
    NoKmsKey {
        /// Where `keys` stands.
        place: Source,
    },
    /// A key of KMS is named, and nothing says that keys are to be there. Without a word, they would be in a local file.
    #[error("{} is set (from {place}), and keys is not", setting.name())]
    KmsKeyUnused {
        /// The setting that names it.
        setting: Setting,
        /// Where.
        place: Source,
    },
    /// A place under `~` is needed, and nothing says where that is.
    #[error("there is no home directory to look for ~/.blue in: HOME is not set")]
    NoHome,
}

impl ConfigError {
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => {
                let names: Vec<_> = Setting::ALL.into_iter().map(Setting::name).collect();
                Some(format!("the settings are {}", names.join(", ")))
            }
            Self::NoKmsKey { .. } => Some(
                "name the key with kms_key, BES_KMS_KEY or --kms-key: its id, its ARN, an alias (alias/NAME) or the ARN \
                 of one"
                    .to_owned(),
            ),
            Self::KmsKeyUnused { .. } => Some(
                "set keys to kms (BES_KEYS=kms) to use it, or to local if the master key is to be in a file".to_owned(),
            ),
            Self::NoHome => Some("set HOME, or give the place of the key file with --key-file".to_owned()),
            _ => None,
        }
    }
}

fn nearest_setting(name: &str) -> String {
    did_you_mean(nearest(&name.to_lowercase(), Setting::ALL.into_iter().map(Setting::name), 3))
}

fn nearest_word(reason: &Invalid, text: &str) -> String {
    match reason {
        Invalid::Not(form) => did_you_mean(form.nearest_word(text)),
        _ => String::new(),
    }
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
