//! Records and attributes as JSON.

use std::{borrow::Cow, fmt};

use blue_encrypted_store::{Attributes, Entry, Payload, Value};
use data_encoding::BASE64;
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap},
};
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

pub(crate) const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// A record: what identifies it (an address, or kind and id), and the rest.
#[derive(Serialize)]
pub(crate) struct RecordJson<'a, I: Serialize> {
    #[serde(flatten)]
    identity: I,
    version: u64,
    created: Time,
    updated: Time,
    attributes: AttributesJson<'a>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<PayloadJson<'a>>,
}

/// The identity of a record by its whole address.
#[derive(Serialize)]
pub(crate) struct ByAddress<'a> {
    pub(crate) address: &'a str,
}

/// The identity of a record within its collection.
#[derive(Serialize)]
pub(crate) struct ByKey<'a> {
    kind: &'a str,
    id: &'a str,
}

impl<'a> ByKey<'a> {
    pub(crate) fn of<T>(entry: &'a Entry<T>) -> Self {
        Self { kind: entry.key.kind.as_str(), id: entry.key.id.as_str() }
    }
}

impl<'a, I: Serialize> RecordJson<'a, I> {
    /// Everything about a record.
    pub(crate) fn whole(identity: I, entry: &'a Entry<Payload>) -> Self {
        Self { value: Some(PayloadJson(&entry.value)), ..Self::outside(identity, entry) }
    }

    /// Everything but the content.
    pub(crate) fn outside(identity: I, entry: &'a Entry<Payload>) -> Self {
        Self {
            identity,
            version: entry.version,
            created: Time(entry.created),
            updated: Time(entry.updated),
            attributes: AttributesJson(&entry.attributes),
            r#type: match entry.value {
                Payload::Json(_) => "json",
                Payload::Bytes(_) => "bytes",
            },
            value: None,
        }
    }
}

/// A time as an audit event has it.
pub(crate) fn time_text(time: OffsetDateTime) -> String {
    // An event's time is within the years that the format has.
    time.format(TIME).unwrap_or_default()
}

/// µs since the Unix epoch, as RFC 3339.
pub(crate) struct Time(pub(crate) i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000).ok();
        match time.and_then(|time| time.format(TIME).ok()) {
            Some(text) => f.write_str(&text),
            // A clock beyond the year 9999.
            None => write!(f, "{} µs", self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Attributes: strings, integers and booleans as such, bytes as `{"base64": "..."}`.
pub(crate) struct AttributesJson<'a>(pub(crate) &'a Attributes);

impl Serialize for AttributesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            match value {
                Value::String(text) => map.serialize_entry(name, text)?,
                Value::Integer(number) => map.serialize_entry(name, number)?,
                Value::Bool(bit) => map.serialize_entry(name, bit)?,
                Value::Bytes(bytes) => {
                    map.serialize_entry(name, &Base64 { base64: BASE64.encode(bytes) })?;
                }
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Base64 {
    base64: String,
}

/// Content: JSON as it was stored but on one line, bytes in Base64.
struct PayloadJson<'a>(&'a Payload);

impl Serialize for PayloadJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Payload::Json(text) => match one_line(text.get()) {
                Cow::Borrowed(_) => text.serialize(serializer),
                Cow::Owned(text) => {
                    RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
                }
            },
            Payload::Bytes(bytes) => serializer.serialize_str(&BASE64.encode(bytes)),
        }
    }
}

/// The same JSON without line breaks, which within strings are always escaped.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_microseconds() {
        assert_eq!(Time(1_700_000_000_000_001).to_string(), "2023-11-14T22:13:20.000001Z");
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Time(i64::MAX).to_string(), "9223372036854775807 µs");
    }

    #[test]
    fn every_type_of_attribute_has_its_json() {
        let attributes = Attributes::new()
            .with("s", "a\tb")
            .and_then(|all| all.with("i", i64::MIN))
            .and_then(|all| all.with("b", true))
            .and_then(|all| all.with("x", vec![0, 255]))
            .unwrap();
        let json = serde_json::to_string(&AttributesJson(&attributes)).unwrap();
        let expected = r#"{"b":true,"i":-9223372036854775808,"s":"a\tb","x":{"base64":"AP8="}}"#;
        assert_eq!(json, expected);
    }
}
