//! Why the settings cannot be used.

use std::{io, path::PathBuf, time::Duration};

use super::{Description, Set, Setting, Source, Unset, description::nearest, value::Invalid};

/// In how many places a name may differ from the one that is proposed.
const MOST: usize = 3;

/// A setting that is not understood, with the place where it stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such file, or it cannot be read as UTF-8.
    #[error("cannot read the configuration file {}{}", path.display(), named_by_whom(named_by))]
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
    /// The file has a key twice.
    #[error("{}:{line}: {name} is set already, in line {first}", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// Where the second is, counted from 1.
        line: usize,
        /// The key.
        name: String,
        /// The line of the first.
        first: usize,
    },
    /// The file has a section: a `[header]`, a dotted key or an inline table.
    #[error("{}:{line}: {}", path.display(), in_section(section, name.as_deref()))]
    InSection {
        /// The file.
        path: PathBuf,
        /// Where its first key is, counted from 1; or the section itself, if that is empty.
        line: usize,
        /// The section, with those around it before it, and dots between them.
        section: String,
        /// Its first key, if it has one.
        name: Option<String>,
    },
    /// A value of the file is no string.
    #[error("{}:{line}: {} must be a text in quotes, such as {}", path.display(), setting.name(), line_of(*setting))]
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
            Self::NotToml { .. } => {
                Some(format!("a line is a setting and a text in quotes, such as {}", line_of(Setting::Table)))
            }
            Self::InSection { .. } => Some(
                "write each setting on a line of its own, with no [header] above it and no dot in it".to_owned(),
            ),
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

/// What a setting looks like in the file.
fn line_of(setting: Setting) -> String {
    let Description { name, unset: Unset::Default(text) | Unset::None { example: text, .. }, .. } =
        setting.describe();
    format!("{name} = {text:?}")
}

fn named_by_whom(named_by: &Source) -> String {
    match named_by {
        Source::Default => String::new(),
        named_by => format!(", which {named_by} names"),
    }
}

fn nearest_setting(name: &str) -> String {
    let name = name.to_lowercase();
    // The variable's name is not the setting's.
    let name = name.strip_prefix("bes_").unwrap_or(&name);
    did_you_mean(nearest(name, Setting::ALL.into_iter().map(Setting::name), MOST))
}

fn in_section(section: &str, name: Option<&str>) -> String {
    let Some(name) = name else {
        return format!("[{section}] begins a section, and no setting stands in one");
    };
    // `[audit]` and `writes` mean audit_writes; under `[bes]`, or `[keys]`, the whole name may stand.
    let joined = format!("{section}_{name}").to_lowercase().replace('.', "_");
    let alone = name.to_lowercase();
    let near = |text: &str, most| nearest(text, Setting::ALL.into_iter().map(Setting::name), most);
    let meant = near(&joined, 0).or_else(|| near(&alone, 0));
    let meant = meant.or_else(|| near(&joined, MOST)).or_else(|| near(&alone, MOST));
    let whole = format!("{section}.{name}");
    format!("there is no setting {whole:?}: no setting stands in a section{}", did_you_mean(meant))
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
