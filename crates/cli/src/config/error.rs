//! Why the settings cannot be used.

use std::{io, path::PathBuf, time::Duration};

use super::{Set, Setting, Source, value::Invalid};

/// A setting that is not understood, with the place where it stands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {}, which {named_by} names", path.display())]
    Unreadable { path: PathBuf, named_by: Source, source: io::Error },
    #[error("{}:{line}: this is no TOML: {reason}", path.display())]
    NotToml { path: PathBuf, line: usize, reason: String },
    #[error("{}:{line}: there is no setting {name:?}{}", path.display(), nearest(name))]
    Unknown { path: PathBuf, line: usize, name: String },
    #[error("{}:{line}: {} must be a text in quotes, such as {} = \"...\"", path.display(), setting.name(), setting.name())]
    NotText { path: PathBuf, line: usize, setting: Setting },
    #[error("the variable {name} is no UTF-8")]
    NotUnicode { name: &'static str },
    #[error("{} cannot be {text:?} (from {place}): {reason}", setting.name())]
    Invalid { setting: Setting, text: String, place: Source, reason: Invalid },
    #[error(
        "attempt_timeout ({:?}, from {}) is longer than deadline ({:?}, from {})",
        attempt_timeout.value, attempt_timeout.source, deadline.value, deadline.source
    )]
    AttemptAfterDeadline { attempt_timeout: Set<Duration>, deadline: Set<Duration> },
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
            Self::NoHome => Some("set HOME, or give the place of the key file with --key-file".to_owned()),
            _ => None,
        }
    }
}

fn nearest(name: &str) -> String {
    let distance = |setting: &Setting| strsim::damerau_levenshtein(&name.to_lowercase(), setting.name());
    match Setting::ALL.into_iter().min_by_key(distance) {
        Some(setting) if distance(&setting) <= 3 => format!("; did you mean {}?", setting.name()),
        _ => String::new(),
    }
}
