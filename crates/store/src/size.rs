//! How large an item is, before it is sent.

use aws_sdk_dynamodb::types::AttributeValue;
use blue_address::{ItemAttributes, RecordPath, Value};

use crate::item::{ENVELOPE, Item, PK, SK, VERSION};

/// The most bytes an item may have, names included: 400 KiB.
pub const MAX_ITEM_SIZE: usize = 409_600;

/// The size of a record's item as DynamoDB counts it: names and strings in bytes of UTF-8, binary values in raw
/// bytes, a bool one byte, a number one byte and one for each pair of significant digits, one more if it is negative.
pub(crate) fn record_size(
    path: &RecordPath,
    version: u64,
    attributes: &ItemAttributes,
    envelope_len: usize,
) -> usize {
    let names = VERSION.len() + ENVELOPE.len();
    let attributes: usize = attributes.iter().map(|(name, value)| name.len() + value_size(value)).sum();
    record_key_size(path)
        + names
        + number_size(itoa::Buffer::new().format(version))
        + envelope_len
        + attributes
}

/// The size of what tells a record's item from others.
pub(crate) fn record_key_size(path: &RecordPath) -> usize {
    let RecordPath { tenant, collection, kind, id } = path;
    let partition = "R##".len() + tenant.as_str().len() + collection.as_str().len();
    let sort_key = "#".len() + kind.as_str().len() + id.as_str().len();
    PK.len() + partition + SK.len() + sort_key
}

/// The same count, of an item as it is sent.
pub(crate) fn item_size(item: &Item) -> usize {
    let value_size = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => number_size(digits),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bool(_) => 1,
        other => unreachable!("this store never writes {other:?}"),
    };
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

/// The size of an item's key, names included.
pub(crate) fn key_size(pk: &str, sk: &str) -> usize {
    PK.len() + pk.len() + SK.len() + sk.len()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Integer(number) => number_size(itoa::Buffer::new().format(*number)),
        Value::Bool(_) => 1,
        Value::Bytes(bytes) => bytes.len(),
    }
}

/// The size of a canonical whole number. DynamoDB keeps pairs of decimal digits, so trailing zeros count only
/// where they share a pair with another digit.
pub(crate) fn number_size(number: &str) -> usize {
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits == "0" {
        return 1;
    }
    let mut significant = digits;
    while let Some(shorter) = significant.strip_suffix("00") {
        significant = shorter;
    }
    let sign = usize::from(digits.len() < number.len());
    1 + significant.len().div_ceil(2) + sign
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by growing an item to the limit in DynamoDB Local.
    #[test]
    fn numbers_are_counted_in_pairs_of_digits() {
        for (number, size) in [
            ("0", 1),
            ("1", 2),
            ("12", 2),
            ("123", 3),
            ("1234", 3),
            ("-1234", 4),
            ("1000", 2),
            ("1700000000000000", 2),
            ("9223372036854775807", 11),
            ("-9223372036854775808", 12),
        ] {
            assert_eq!(number_size(number), size, "{number}");
        }
    }
}
