//! From the text of a setting to its value.

use std::time::Duration;

use blue_encrypted_store::{
    ChainPolicy, NameError, Namespace, Padding, ReadPolicy, TelemetryNames, WritePolicy,
    blue_audit::{NoteKeyError, NoteVerifier, address::Principal},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::description::Form;

/// The longest duration that can be set: far beyond any use, far below what a clock can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest window of reads under one lease.
const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// Where the master key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// In a file.
    Local,
    /// In AWS KMS.
    #[cfg(feature = "aws-kms")]
    Kms,
}

/// How data is printed, and the log written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As JSON.
    Json,
    /// As a table, or as lines of text.
    Text,
}

/// What is wrong with a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// It is not of the form that the setting takes.
    #[error("it should be {0}")]
    Not(Form),
    /// A key provider that this build does not have.
    #[cfg(not(feature = "aws-kms"))]
    #[error("this build of bes has only \"local\", a key file; it was built without AWS KMS")]
    NotBuilt,
    /// It is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is no public key.
    #[error(transparent)]
    Key(#[from] NoteKeyError),
}

/// A command and its arguments, to be run by no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// What to run.
    pub program: String,
    /// With what.
    pub arguments: Vec<String>,
}

pub(super) const TABLE: Form =
    Form::described("a name of 3 to 255 letters, digits, '_', '-' and '.', as DynamoDB wants it, or an ARN");

pub(super) fn table(text: &str) -> Result<String, Invalid> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let is_name = (3..=255).contains(&text.len()) && text.bytes().all(allowed);
    if is_name || text.starts_with("arn:") {
        return Ok(text.to_owned());
    }
    Err(Invalid::Not(TABLE))
}

pub(super) const NAMESPACE: Form = Form::described("1 to 255 visible ASCII characters, neither '#' nor '/'");

pub(super) fn namespace(text: &str) -> Result<Namespace, Invalid> {
    Ok(Namespace::new(text)?)
}

pub(super) const KEYS: Form =
    Form::one_of(&[("local", "in a file, `key_file`"), ("kms", "in AWS KMS, `kms_key`")]);

pub(super) fn keys(text: &str) -> Result<Keys, Invalid> {
    match text {
        "local" => Ok(Keys::Local),
        #[cfg(feature = "aws-kms")]
        "kms" => Ok(Keys::Kms),
        #[cfg(not(feature = "aws-kms"))]
        "kms" => Err(Invalid::NotBuilt),
        _ => Err(Invalid::Not(KEYS)),
    }
}

pub(super) const KMS_KEY: Form =
    Form::described("a key of AWS KMS: its id, its ARN, an alias (alias/NAME) or the ARN of one");

/// What it names is looked at when it is used.
pub(super) fn kms_key(text: &str) -> Result<String, Invalid> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'_' | b'-');
    if !text.is_empty() && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(Invalid::Not(KMS_KEY))
}

pub(super) const KMS_KEYS: Form = Form::described(
    "keys of AWS KMS with commas between them, each an id, an ARN, an alias (alias/NAME) or the ARN of one",
);

/// Keys with commas between them, at least one.
pub(super) fn kms_keys(text: &str) -> Result<Vec<String>, Invalid> {
    let keys = text.split(',').map(|key| kms_key(key.trim_matches(' ')));
    keys.collect::<Result<_, _>>().map_err(|_| Invalid::Not(KMS_KEYS))
}

pub(super) const URL: Form = Form::described("a URL such as http://127.0.0.1:8000");

pub(super) fn url(text: &str) -> Result<String, Invalid> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.starts_with(['/', ':']) && !host.is_empty() && is_visible(host) => {
            Ok(text.to_owned())
        }
        _ => Err(Invalid::Not(URL)),
    }
}

pub(super) const REGION: Form = Form::described("the name of an AWS Region, such as eu-west-1");

pub(super) fn region(text: &str) -> Result<String, Invalid> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err(Invalid::Not(REGION))
}

pub(super) const PADDING: Form = Form::one_of(&[
    ("none", "not at all: what is sealed tells it exactly"),
    ("padme", "padded by Padmé, which tells its magnitude, for at most 12 % more bytes"),
]);

pub(super) fn padding(text: &str) -> Result<Padding, Invalid> {
    match text {
        "none" => Ok(Padding::None),
        "padme" => Ok(Padding::Padme),
        _ => Err(Invalid::Not(PADDING)),
    }
}

pub(super) const PRINCIPAL: Form = Form::described("1 to 1,024 bytes of UTF-8 without control characters");

pub(super) fn principal(text: &str) -> Result<String, Invalid> {
    Ok(Principal::new(text)?.to_string())
}

pub(super) const WRITES: Form = Form::one_of(&[
    ("strict", "with the write, in one transaction"),
    ("buffered", "soon after; a crash can lose the events of the last second"),
]);

pub(super) fn writes(text: &str) -> Result<WritePolicy, Invalid> {
    match text {
        "strict" => Ok(WritePolicy::Strict),
        "buffered" => Ok(WritePolicy::Buffered),
        _ => Err(Invalid::Not(WRITES)),
    }
}

pub(super) const READS: Form = Form {
    words: &[
        ("strict", "before the content is shown"),
        ("buffered", "soon after; a crash can lose the events of the last second"),
        (
            "lease",
            "an event that grants the principal its reads of a collection for a time, before the first of them; the \
             others soon after. The time is 60 s",
        ),
    ],
    other: "lease: and a time of whole seconds up to 60s, such as lease:30s",
};

pub(super) fn reads(text: &str) -> Result<ReadPolicy, Invalid> {
    let form = || Invalid::Not(READS);
    match (text, text.strip_prefix("lease:")) {
        ("strict", _) => Ok(ReadPolicy::Strict),
        ("buffered", _) => Ok(ReadPolicy::Buffered),
        ("lease", _) => Ok(ReadPolicy::Lease { window: LONGEST_LEASE }),
        (_, Some(window)) => {
            let window = duration(window).map_err(|_| form())?;
            let fits = window <= LONGEST_LEASE && window.subsec_millis() == 0;
            if fits { Ok(ReadPolicy::Lease { window }) } else { Err(form()) }
        }
        _ => Err(form()),
    }
}

pub(super) const CHAIN: Form = Form::one_of(&[
    ("shared", "that of all processes, which take turns in it"),
    ("per-writer", "a new one for each run"),
]);

pub(super) fn chain(text: &str) -> Result<ChainPolicy, Invalid> {
    match text {
        "shared" => Ok(ChainPolicy::Shared),
        "per-writer" => Ok(ChainPolicy::PerWriter),
        _ => Err(Invalid::Not(CHAIN)),
    }
}

pub(super) const VERIFIERS: Form = Form::described("public keys with spaces between them");

/// Public keys with spaces between them, at least one: their names contain none.
pub(super) fn verifiers(text: &str) -> Result<Vec<NoteVerifier>, Invalid> {
    let keys = text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(Invalid::Not(VERIFIERS)) } else { Ok(keys) }
}

pub(super) const COMMAND: Form = Form::described("a command with its arguments, every quote closed");

/// Words as a POSIX shell would split them. Nothing else of a shell is understood.
pub(super) fn command(text: &str) -> Result<CommandLine, Invalid> {
    let mut words = shlex::split(text).unwrap_or_default().into_iter();
    let program = words.next().filter(|program| !program.is_empty());
    let program = program.ok_or(Invalid::Not(COMMAND))?;
    Ok(CommandLine { program, arguments: words.collect() })
}

pub(super) const OUTPUT: Form = Form::one_of(&[
    ("text", "for people and line tools: a table on a terminal, else plain lines"),
    ("json", "for programs: one JSON value a line"),
]);

pub(super) fn output(text: &str) -> Result<Format, Invalid> {
    match text {
        "json" => Ok(Format::Json),
        "text" => Ok(Format::Text),
        _ => Err(Invalid::Not(OUTPUT)),
    }
}

pub(super) const LOG_FORMAT: Form =
    Form::one_of(&[("text", "lines for people"), ("json", "one JSON object a line, with its spans")]);

pub(super) fn log_format(text: &str) -> Result<Format, Invalid> {
    match text {
        "json" => Ok(Format::Json),
        "text" => Ok(Format::Text),
        _ => Err(Invalid::Not(LOG_FORMAT)),
    }
}

pub(super) const TELEMETRY_NAMES: Form =
    Form::one_of(&[("hidden", "no names; a tenant has a pseudonym"), ("shown", "names and ids as they are")]);

pub(super) fn telemetry_names(text: &str) -> Result<TelemetryNames, Invalid> {
    match text {
        "hidden" => Ok(TelemetryNames::Hidden),
        "shown" => Ok(TelemetryNames::Shown),
        _ => Err(Invalid::Not(TELEMETRY_NAMES)),
    }
}

pub(super) const COUNT: Form = Form::described("a whole number from 1, such as 10000");

/// A whole number from 1.
pub(super) fn count(text: &str) -> Result<u64, Invalid> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|&number| digits && number > 0);
    number.ok_or(Invalid::Not(COUNT))
}

pub(super) const TIME: Form = Form::described("a time such as 500ms, 60s, 2m or 1h, up to 24h");

/// A whole number and its unit: `500ms`, `60s`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, Invalid> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let duration = milliseconds
        .and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit))
        .map(Duration::from_millis);
    match duration {
        Some(duration) if !duration.is_zero() && duration <= LONGEST => Ok(duration),
        _ => Err(Invalid::Not(TIME)),
    }
}

/// A moment in RFC 3339, in µs since the Unix epoch.
pub(crate) fn moment(text: &str) -> Result<i64, Invalid> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    let micros = moment.and_then(|moment| i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok());
    micros.ok_or(Invalid::Not(Form::described("a time such as 2026-01-02T03:04:05Z")))
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_whole_number_from_1() {
        assert_eq!(count("10000").ok(), Some(10_000));
        for bad in ["", "0", "-1", "+1", "1.0", "1 ", "ten", "18446744073709551616"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_a_time_with_its_offset() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00.000001+01:00", 1),
            ("2026-01-02T03:04:05.678901Z", 1_767_323_045_678_901),
        ] {
            assert_eq!(moment(text).ok(), Some(micros), "{text}");
        }
        for bad in ["", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_a_whole_number_with_its_unit() {
        for (text, seconds) in [("60s", 60.0), ("500ms", 0.5), ("2m", 120.0), ("24h", 86_400.0)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
        for bad in ["", "60", "s", "0s", "-1s", "1.5s", "1 s", "25h", "99999999999999999999s", "1S"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lease_has_a_window_of_whole_seconds_up_to_a_minute() {
        let window = |seconds| ReadPolicy::Lease { window: Duration::from_secs(seconds) };
        assert_eq!(reads("lease").unwrap(), window(60));
        assert_eq!(reads("lease:30s").unwrap(), window(30));
        assert_eq!(reads("lease:1m").unwrap(), window(60));
        for bad in ["", "lease:", "lease:61s", "lease:1500ms", "lease:0s", "lease:30", "Strict"] {
            assert!(reads(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_command_is_split_as_a_shell_would_and_quotes_close() {
        let split = command("aws s3 cp - 's3://a b/\"x\"'").unwrap();
        assert_eq!(split.program, "aws");
        assert_eq!(split.arguments, ["s3", "cp", "-", "s3://a b/\"x\""]);
        for bad in ["", "  ", "sh -c 'open", "''"] {
            assert!(command(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_a_url_with_a_host() {
        for good in ["http://127.0.0.1:8000", "https://dynamodb.eu-west-1.amazonaws.com", "http://[::1]:8000"]
        {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost:8000", "http://", "http://:8000", "ftp://x", "http://a b"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_table_has_a_name_that_dynamodb_takes() {
        for good in ["abc", "a_b-c.D1", "arn:aws:dynamodb:eu-west-1:123456789012:table/notes"] {
            assert!(table(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "a b c", "täble", &"x".repeat(256)] {
            assert!(table(bad).is_err(), "{bad}");
        }
    }
}
