//! What the text of a setting means.

use std::{path::PathBuf, time::Duration};

use blue_encrypted_store_cli::config::{CommandLine, Config, Format, Set, Setting, Source};

use super::{
    Given, HOME, Place,
    documented::{count, kms_keys, lease, time, words},
};

/// Asserts that a setting has the value that its text means, and gives back where the configuration says it is from.
pub(super) fn has_value<'c>(
    given: &Given<'_>,
    config: &'c Config,
    setting: Setting,
    text: Option<&str>,
    place: Place,
) -> Option<&'c Source> {
    let optional =
        |set: &'c Option<Set<String>>| (set.as_ref().map(|set| &*set.value) == text, source_of(set));
    let timed = |set: &'c Set<Duration>| (text.and_then(time) == Some(set.value), Some(&set.source));
    let command = |set: &'c Option<Set<CommandLine>>| {
        let found = set.as_ref().map(|set| command_words(&set.value));
        let meant = text.map(|text| words(text).expect("it is a command"));
        (
            found.is_some() == meant.is_some() && found.iter().flatten().eq(meant.iter().flatten()),
            source_of(set),
        )
    };
    let path = |set: &'c Set<PathBuf>| {
        (text.is_some_and(|text| set.value == path(given, text, place)), Some(&set.source))
    };
    let (is_right, source) = match setting {
        Setting::Table => (text == Some(&config.table.value), Some(&config.table.source)),
        Setting::Namespace => (text == Some(config.namespace.value.as_str()), Some(&config.namespace.source)),
        Setting::Keys => {
            let named = format!("{:?}", config.keys.value).to_lowercase();
            (text == Some(&named), Some(&config.keys.source))
        }
        Setting::KmsKey => optional(&config.kms_key),
        Setting::KmsPreviousKeys => {
            let found = config.kms_previous_keys.as_ref().map(|set| &set.value);
            (found == text.map(kms_keys).as_ref(), source_of(&config.kms_previous_keys))
        }
        Setting::KeyFile => path(&config.key_file),
        Setting::CheckpointKey => path(&config.checkpoint_key),
        Setting::CheckpointFile => match &config.checkpoint_file {
            Some(set) => path(set),
            None => (text.is_none(), None),
        },
        Setting::EndpointUrl => optional(&config.endpoint_url),
        Setting::Region => optional(&config.region),
        Setting::WriterRegion => optional(&config.writer_region),
        Setting::Principal => optional(&config.principal),
        Setting::AlertWebhook => optional(&config.alert_webhook),
        Setting::Log => optional(&config.log),
        Setting::CheckpointCommand => command(&config.checkpoint_command),
        Setting::AlertCommand => command(&config.alert_command),
        Setting::CheckpointVerifiers => {
            // A key has one text.
            let keys = config.checkpoint_verifiers.as_ref().map(|set| &set.value);
            let found = keys.map(|keys| keys.iter().map(ToString::to_string).collect::<Vec<_>>());
            let meant = text.map(|text| text.split_whitespace().map(str::to_owned).collect());
            (found == meant, source_of(&config.checkpoint_verifiers))
        }
        Setting::AuditWrites => {
            let named = format!("{:?}", config.audit_writes.value).to_lowercase();
            (text == Some(&named), Some(&config.audit_writes.source))
        }
        Setting::AuditReads => {
            let named = match text.and_then(lease) {
                Some(window) => format!("lease {{ window: {window:?} }}"),
                None => text.unwrap_or_default().to_owned(),
            };
            let found = format!("{:?}", config.audit_reads.value).to_lowercase();
            (found == named, Some(&config.audit_reads.source))
        }
        Setting::AuditChain => {
            let named = text.unwrap_or_default().replace('-', "");
            let found = format!("{:?}", config.audit_chain.value).to_lowercase();
            (found == named, Some(&config.audit_chain.source))
        }
        Setting::CheckpointEvents => {
            let found = config.checkpoint_events.as_ref().map(|set| set.value);
            (found == text.and_then(count), source_of(&config.checkpoint_events))
        }
        Setting::CheckpointEvery => {
            let found = config.checkpoint_every.as_ref().map(|set| set.value);
            (found == text.and_then(time), source_of(&config.checkpoint_every))
        }
        Setting::KekTtl => timed(&config.kek_ttl),
        Setting::AttemptTimeout => timed(&config.attempt_timeout),
        Setting::Deadline => timed(&config.deadline),
        Setting::Padding => {
            let named = format!("{:?}", config.padding.value).to_lowercase();
            (text == Some(&named), Some(&config.padding.source))
        }
        Setting::Output => (text == Some(named(config.output.value)), Some(&config.output.source)),
        Setting::LogFormat => (text == Some(named(config.log_format.value)), Some(&config.log_format.source)),
        Setting::TelemetryNames => {
            let named = format!("{:?}", config.telemetry_names.value).to_lowercase();
            (text == Some(&named), Some(&config.telemetry_names.source))
        }
    };
    assert!(is_right, "{setting:?} is not {text:?}: {config:?}");
    source
}

fn named(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Text => "text",
    }
}

fn source_of<T>(set: &Option<Set<T>>) -> Option<&Source> {
    set.as_ref().map(|set| &set.source)
}

/// "`~/` in `key_file`, `checkpoint_file` and `checkpoint_key` is the home directory", and a relative one "starts where
/// the file is".
fn path(given: &Given<'_>, text: &str, place: Place) -> PathBuf {
    let mut path = match (text.strip_prefix("~/"), place) {
        (Some(rest), _) => return format!("{HOME}/{rest}").into(),
        (None, Place::File) if !text.starts_with('/') => given.path(),
        (None, _) => return text.into(),
    };
    // The root is no file, and is in no directory.
    if !path.pop() {
        path.clear();
    }
    path.push(text);
    path
}

/// What is run, and with what.
pub(super) fn command_words(command: &CommandLine) -> Vec<&str> {
    [&command.program].into_iter().chain(&command.arguments).map(String::as_str).collect()
}
