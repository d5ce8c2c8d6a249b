//! The settings as `docs/configuration.md` has them: what gives each, and what it takes.

use std::time::Duration;

use blue_audit::NoteVerifier;
use blue_encrypted_store_cli::config::Setting;

use crate::names::is_name;

/// A row of the table of settings.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) setting: Setting,
    pub(super) name: &'static str,
    pub(super) flag: Option<&'static str>,
    pub(super) variables: &'static [&'static str],
    pub(super) default: Option<&'static str>,
}

/// The table, in its order.
pub(super) const ROWS: [Row; 29] = [
    row(Setting::Table, "table", Some("table"), &["BES_TABLE"], Some("blue-encrypted-store")),
    row(Setting::Namespace, "namespace", Some("namespace"), &["BES_NAMESPACE"], Some("default")),
    row(Setting::Padding, "padding", None, &["BES_PADDING"], Some("none")),
    row(Setting::Keys, "keys", None, &["BES_KEYS"], Some("local")),
    row(Setting::KeyFile, "key_file", Some("key-file"), &["BES_KEY_FILE"], Some("~/.blue/keys/umk.key")),
    row(Setting::KmsKey, "kms_key", Some("kms-key"), &["BES_KMS_KEY"], None),
    row(Setting::KmsPreviousKeys, "kms_previous_keys", None, &["BES_KMS_PREVIOUS_KEYS"], None),
    row(Setting::KekTtl, "kek_ttl", None, &["BES_KEK_TTL"], Some("60s")),
    row(
        Setting::EndpointUrl,
        "endpoint_url",
        Some("endpoint-url"),
        &["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"],
        None,
    ),
    row(Setting::Region, "region", Some("region"), &["AWS_REGION", "AWS_DEFAULT_REGION"], None),
    row(Setting::WriterRegion, "writer_region", None, &["BES_WRITER_REGION"], None),
    row(Setting::AttemptTimeout, "attempt_timeout", None, &["BES_ATTEMPT_TIMEOUT"], Some("5s")),
    row(Setting::Deadline, "deadline", None, &["BES_DEADLINE"], Some("15s")),
    // Its default is the user, whom only the surroundings tell.
    row(Setting::Principal, "principal", Some("principal"), &["BES_PRINCIPAL"], None),
    row(Setting::AuditWrites, "audit_writes", None, &["BES_AUDIT_WRITES"], Some("strict")),
    row(Setting::AuditReads, "audit_reads", None, &["BES_AUDIT_READS"], Some("strict")),
    row(Setting::AuditChain, "audit_chain", None, &["BES_AUDIT_CHAIN"], Some("shared")),
    row(Setting::CheckpointFile, "checkpoint_file", None, &["BES_CHECKPOINT_FILE"], None),
    row(
        Setting::CheckpointKey,
        "checkpoint_key",
        None,
        &["BES_CHECKPOINT_KEY"],
        Some("~/.blue/keys/checkpoint.key"),
    ),
    row(Setting::CheckpointVerifiers, "checkpoint_verifiers", None, &["BES_CHECKPOINT_VERIFIERS"], None),
    row(Setting::CheckpointCommand, "checkpoint_command", None, &["BES_CHECKPOINT_COMMAND"], None),
    row(Setting::CheckpointEvents, "checkpoint_events", None, &["BES_CHECKPOINT_EVENTS"], None),
    row(Setting::CheckpointEvery, "checkpoint_every", None, &["BES_CHECKPOINT_EVERY"], None),
    row(Setting::AlertCommand, "alert_command", None, &["BES_ALERT_COMMAND"], None),
    row(Setting::AlertWebhook, "alert_webhook", None, &["BES_ALERT_WEBHOOK"], None),
    row(Setting::Output, "output", Some("output"), &["BES_OUTPUT"], Some("text")),
    row(Setting::Log, "log", None, &["BES_LOG"], None),
    row(Setting::LogFormat, "log_format", None, &["BES_LOG_FORMAT"], Some("text")),
    row(Setting::TelemetryNames, "telemetry_names", None, &["BES_TELEMETRY_NAMES"], Some("hidden")),
];

const fn row(
    setting: Setting,
    name: &'static str,
    flag: Option<&'static str>,
    variables: &'static [&'static str],
    default: Option<&'static str>,
) -> Row {
    Row { setting, name, flag, variables, default }
}

/// A number of events.
pub(super) fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|&number: &u64| digits && number >= 1)
}

/// The row of a setting.
pub(super) fn row_of(setting: Setting) -> &'static Row {
    ROWS.iter().find(|row| row.setting == setting).expect("every setting is documented")
}

/// Whether the setting takes this text.
pub(super) fn is_valid(setting: Setting, text: &str) -> bool {
    let only = |allowed: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || allowed.contains(&b));
    match setting {
        Setting::Table => text.starts_with("arn:") || ((3..=255).contains(&text.len()) && only(b"_-.")),
        Setting::Namespace => is_name(text),
        Setting::Keys => ["local", "kms"].contains(&text),
        Setting::KmsKey => is_kms_key(text),
        Setting::KmsPreviousKeys => kms_keys(text).iter().all(|key| is_kms_key(key)),
        Setting::EndpointUrl | Setting::AlertWebhook => is_url(text),
        Setting::Region | Setting::WriterRegion => !text.is_empty() && only(b"-"),
        Setting::Padding => ["none", "padme"].contains(&text),
        Setting::KekTtl | Setting::AttemptTimeout | Setting::Deadline | Setting::CheckpointEvery => {
            time(text).is_some()
        }
        Setting::CheckpointEvents => count(text).is_some(),
        Setting::Output | Setting::LogFormat => ["json", "text"].contains(&text),
        Setting::TelemetryNames => ["hidden", "shown"].contains(&text),
        Setting::Principal => is_principal(text),
        Setting::AuditWrites => ["strict", "buffered"].contains(&text),
        Setting::AuditReads => ["strict", "buffered"].contains(&text) || lease(text).is_some(),
        Setting::AuditChain => ["shared", "per-writer"].contains(&text),
        Setting::CheckpointVerifiers => {
            let mut keys = text.split_whitespace().map(str::parse::<NoteVerifier>).peekable();
            keys.peek().is_some() && keys.all(|key| key.is_ok())
        }
        Setting::CheckpointCommand | Setting::AlertCommand => words(text).is_some(),
        Setting::KeyFile | Setting::CheckpointFile | Setting::CheckpointKey | Setting::Log => true,
    }
}

/// The characters of key ids, aliases and ARNs, at least one.
fn is_kms_key(text: &str) -> bool {
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
    !text.is_empty() && text.chars().all(is_of_one)
}

/// "with commas between them", and spaces around them.
pub(super) fn kms_keys(text: &str) -> Vec<String> {
    text.split(',').map(|key| key.trim_matches(' ').to_owned()).collect()
}

/// 1–1,024 bytes of UTF-8 without control characters.
pub(super) fn is_principal(text: &str) -> bool {
    (1..=1_024).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// "`lease`, `lease:30s`: one event before for a window of reads, up to 60 s", in whole seconds.
pub(super) fn lease(text: &str) -> Option<Duration> {
    let window = match text.strip_prefix("lease")? {
        "" => Duration::from_secs(60),
        window => time(window.strip_prefix(':')?)?,
    };
    (window <= Duration::from_secs(60) && window.subsec_nanos() == 0).then_some(window)
}

/// "Commands are split into words as a POSIX shell would", and the first names what is run.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    shlex::split(text).filter(|words| words.first().is_some_and(|program| !program.is_empty()))
}

/// "`bes config` does not show its path", nor a name and a password.
pub(super) fn shown_webhook(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("it is a URL");
    let host = rest.split(['/', '\\', '?', '#']).next().filter(|host| !host.contains('@'));
    format!("{scheme}://{}/...", host.unwrap_or_default())
}

/// A scheme of the web, a host, and nothing that is not visible ASCII.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    ["http", "https"].contains(&scheme) && !host.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic())
}

/// "A whole number with `ms`, `s`, `m` or `h`, up to `24h`", and not nothing.
pub(super) fn time(text: &str) -> Option<Duration> {
    // `ms` ends with `s`, too.
    let units = [("ms", 1_u128), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    if number.is_empty() {
        return None;
    }
    let number = number.chars().try_fold(0_u128, |number, c| {
        Some(number.saturating_mul(10).saturating_add(u128::from(c.to_digit(10)?)))
    })?;
    let milliseconds = u64::try_from(number.saturating_mul(*unit)).ok()?;
    (1..=24 * 3_600_000).contains(&milliseconds).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_setting_in_its_order() {
        assert_eq!(ROWS.map(|row| row.setting), Setting::ALL);
    }

    #[test]
    fn a_lease_is_of_whole_seconds_up_to_a_minute() {
        for (text, seconds) in [("lease", 60), ("lease:1s", 1), ("lease:2000ms", 2), ("lease:1m", 60)] {
            assert_eq!(lease(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "lease:", "leases", "lease30s", "lease:61s", "lease:1500ms", "lease:0s", "lease:9"] {
            assert_eq!(lease(text), None, "{text}");
        }
    }

    #[test]
    fn a_webhook_is_shown_without_what_lets_others_post_to_it() {
        let shown = [
            ("https://hooks.example:8443/services/secret", "https://hooks.example:8443/..."),
            ("https://hooks.example?secret", "https://hooks.example/..."),
            ("https://hooks.example#secret", "https://hooks.example/..."),
            ("https://me:secret@hooks.example/", "https:///..."),
        ];
        for (url, expected) in shown {
            assert_eq!(shown_webhook(url), expected);
        }
    }

    #[test]
    fn a_time_is_its_number_times_its_unit() {
        let times =
            [("1ms", 1), ("60s", 60_000), ("007m", 420_000), ("24h", 86_400_000), ("86400000ms", 86_400_000)];
        for (text, milliseconds) in times {
            assert_eq!(time(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        let none =
            ["", "s", "ms", "5", "0s", "25h", "86400001ms", "+1s", "-1s", "1.5s", "1 s", "1S", "1sm", "٣s"];
        for text in none.into_iter().chain(["99999999999999999999999999999999999999999h"]) {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
