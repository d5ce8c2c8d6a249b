//! From the text of a setting to its value.

use std::time::Duration;

use blue_encrypted_store::{NameError, Namespace, Padding};

/// The longest duration that can be set: far beyond any use, far below what a clock can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As JSON.
    Json,
    /// As a table, or plain lines.
    Text,
}

/// What is wrong with a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// It is not of the form that the setting takes.
    #[error("it should be {0}")]
    Not(&'static str),
    /// A key provider that this version does not have.
    #[error("this version has only \"local\", a key file; AWS KMS is yet to come")]
    NotYet,
    /// It is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

pub(super) fn table(text: &str) -> Result<String, Invalid> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let is_name = (3..=255).contains(&text.len()) && text.bytes().all(allowed);
    if is_name || text.starts_with("arn:") {
        return Ok(text.to_owned());
    }
    Err(Invalid::Not("3 to 255 letters, digits, '_', '-' and '.', as DynamoDB wants it"))
}

pub(super) fn namespace(text: &str) -> Result<Namespace, Invalid> {
    Ok(Namespace::new(text)?)
}

pub(super) fn keys(text: &str) -> Result<(), Invalid> {
    match text {
        "local" => Ok(()),
        "kms" => Err(Invalid::NotYet),
        _ => Err(Invalid::Not("local")),
    }
}

pub(super) fn endpoint_url(text: &str) -> Result<String, Invalid> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.starts_with(['/', ':']) && !host.is_empty() && is_visible(host) => {
            Ok(text.to_owned())
        }
        _ => Err(Invalid::Not("a URL such as http://127.0.0.1:8000")),
    }
}

pub(super) fn region(text: &str) -> Result<String, Invalid> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err(Invalid::Not("the name of an AWS Region, such as eu-west-1"))
}

pub(super) fn padding(text: &str) -> Result<Padding, Invalid> {
    match text {
        "none" => Ok(Padding::None),
        "padme" => Ok(Padding::Padme),
        _ => Err(Invalid::Not("none or padme")),
    }
}

pub(super) fn format(text: &str) -> Result<Format, Invalid> {
    match text {
        "json" => Ok(Format::Json),
        "text" => Ok(Format::Text),
        _ => Err(Invalid::Not("json or text")),
    }
}

/// A whole number and its unit: `500ms`, `60s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, Invalid> {
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
        _ => Err(Invalid::Not("a time such as 500ms, 60s, 2m or 1h, up to 24h")),
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_endpoint_is_a_url_with_a_host() {
        for good in ["http://127.0.0.1:8000", "https://dynamodb.eu-west-1.amazonaws.com", "http://[::1]:8000"]
        {
            assert!(endpoint_url(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost:8000", "http://", "http://:8000", "ftp://x", "http://a b"] {
            assert!(endpoint_url(bad).is_err(), "{bad}");
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
