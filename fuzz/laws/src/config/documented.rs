//! The settings as `docs/cli.md` has them: what gives each, and what it takes.

use std::time::Duration;

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
pub(super) const ROWS: [Row; 13] = [
    row(Setting::Table, "table", Some("table"), &["BES_TABLE"], Some("blue-encrypted-store")),
    row(Setting::Namespace, "namespace", Some("namespace"), &["BES_NAMESPACE"], Some("default")),
    row(Setting::Keys, "keys", None, &["BES_KEYS"], Some("local")),
    row(Setting::KeyFile, "key_file", Some("key-file"), &["BES_KEY_FILE"], Some("~/.blue/keys/umk.key")),
    row(
        Setting::EndpointUrl,
        "endpoint_url",
        Some("endpoint-url"),
        &["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"],
        None,
    ),
    row(Setting::Region, "region", Some("region"), &["AWS_REGION", "AWS_DEFAULT_REGION"], None),
    row(Setting::WriterRegion, "writer_region", None, &["BES_WRITER_REGION"], None),
    row(Setting::Padding, "padding", None, &["BES_PADDING"], Some("none")),
    row(Setting::KekTtl, "kek_ttl", None, &["BES_KEK_TTL"], Some("60s")),
    row(Setting::AttemptTimeout, "attempt_timeout", None, &["BES_ATTEMPT_TIMEOUT"], Some("5s")),
    row(Setting::Deadline, "deadline", None, &["BES_DEADLINE"], Some("15s")),
    row(Setting::Output, "output", Some("output"), &["BES_OUTPUT"], Some("text")),
    row(Setting::Log, "log", None, &["BES_LOG"], None),
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
        Setting::Keys => text == "local",
        Setting::EndpointUrl => is_url(text),
        Setting::Region | Setting::WriterRegion => !text.is_empty() && only(b"-"),
        Setting::Padding => ["none", "padme"].contains(&text),
        Setting::KekTtl | Setting::AttemptTimeout | Setting::Deadline => time(text).is_some(),
        Setting::Output => ["json", "text"].contains(&text),
        Setting::KeyFile | Setting::Log => true,
    }
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
