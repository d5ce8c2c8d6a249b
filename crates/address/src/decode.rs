//! The canonical attributes, read back. That every encoding has one reading, and every reading one encoding, is what
//! makes the bytes that an envelope authenticates stand for one set of attributes only.

use std::str;

use crate::{ItemAttributes, Value, split_length_prefixed};

/// The bytes are not the canonical encoding of a version and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no canonical attributes: {reason}")]
pub struct MalformedAttributes {
    reason: &'static str,
}

impl ItemAttributes {
    /// Reads back what [`ItemAttributes::encode_into`] wrote: the version and the attributes. Whatever it accepts is
    /// its own encoding.
    ///
    /// Nothing in the store needs it to open a record. It is for those who keep the authenticated bytes, and for
    /// checking the encoding.
    ///
    /// # Errors
    /// [`MalformedAttributes`] for anything but one canonical encoding, with no bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<(u64, Self), MalformedAttributes> {
        let malformed = |reason| MalformedAttributes { reason };
        let short = malformed("they end within a field");

        let (version, bytes) = bytes.split_first_chunk().ok_or(short)?;
        let (count, mut bytes) = bytes.split_first_chunk().ok_or(short)?;
        let mut attributes = Self::default();
        let mut last = None;
        for _ in 0..u16::from_be_bytes(*count) {
            let (name, rest) = split_length_prefixed(bytes).ok_or(short)?;
            let (&kind, rest) = rest.split_first().ok_or(short)?;
            let (value, rest) = split_length_prefixed(rest).ok_or(short)?;
            bytes = rest;
            if last.is_some_and(|last| last >= name) {
                return Err(malformed("the names are not strictly ascending"));
            }
            last = Some(name);
            let name = str::from_utf8(name).map_err(|_| malformed("a name is not UTF-8"))?;
            let value = decode_value(kind, value).ok_or(malformed("a value is not canonical"))?;
            attributes.insert(name, value).map_err(|_| malformed("a name is empty or too long"))?;
        }
        if !bytes.is_empty() {
            return Err(malformed("bytes are left over"));
        }
        Ok((u64::from_be_bytes(*version), attributes))
    }
}

fn decode_value(kind: u8, value: &[u8]) -> Option<Value> {
    match (kind, value) {
        (0x01, text) => str::from_utf8(text).ok().map(Value::from),
        (0x02, digits) => str::from_utf8(digits).ok().and_then(canonical_integer).map(Value::Integer),
        (0x03, [bit @ (0 | 1)]) => Some(Value::Bool(*bit == 1)),
        (0x04, bytes) => Some(Value::from(bytes)),
        _ => None,
    }
}

/// The `i64` whose one decimal text this is: no plus, no leading zero, no `-0`.
#[must_use]
pub fn canonical_integer(digits: &str) -> Option<i64> {
    digits.parse().ok().filter(|number: &i64| itoa::Buffer::new().format(*number) == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(attributes: &ItemAttributes) -> Vec<u8> {
        let mut out = Vec::new();
        attributes.encode_into(7, &mut out);
        out
    }

    fn example() -> ItemAttributes {
        let mut attributes = ItemAttributes::default();
        for (name, value) in [
            ("b", Value::Bool(true)),
            ("i", Value::Integer(-3)),
            ("s", Value::from("é")),
            ("x", Value::from(vec![0, 255])),
        ] {
            attributes.insert(name, value).unwrap();
        }
        attributes
    }

    #[test]
    fn what_was_encoded_reads_back() {
        for attributes in [example(), ItemAttributes::default()] {
            assert_eq!(ItemAttributes::decode(&encode(&attributes)), Ok((7, attributes)));
        }
    }

    #[test]
    fn every_truncation_and_every_longer_input_is_refused() {
        let bytes = encode(&example());
        for length in 0..bytes.len() {
            assert!(ItemAttributes::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert!(ItemAttributes::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn what_is_not_canonical_is_refused_and_says_why() {
        let one = |name: &[u8], kind, value: &[u8]| {
            let mut out = vec![0, 0, 0, 0, 0, 0, 0, 7, 0, 1];
            crate::push_length_prefixed(&mut out, name);
            out.push(kind);
            crate::push_length_prefixed(&mut out, value);
            out
        };
        assert!(ItemAttributes::decode(&one(b"n", 2, b"-7")).is_ok());
        let value = "the bytes are no canonical attributes: a value is not canonical";
        for (bytes, message) in [
            (one(b"n", 2, b"-0"), value),
            (one(b"n", 2, b"07"), value),
            (one(b"n", 2, b"9223372036854775808"), value),
            (one(b"n", 1, b"\xff"), value),
            (one(b"n", 3, b"\x02"), value),
            (one(b"n", 3, b""), value),
            (one(b"n", 0, b""), value),
            (one(b"n", 5, b""), value),
            (one(b"", 1, b""), "the bytes are no canonical attributes: a name is empty or too long"),
            (one(b"\xc3", 1, b""), "the bytes are no canonical attributes: a name is not UTF-8"),
        ] {
            assert_eq!(ItemAttributes::decode(&bytes).unwrap_err().to_string(), message, "{bytes:?}");
        }
        for (first, second) in [(b"b", b"a"), (b"a", b"a")] {
            let mut out = one(first, 1, b"");
            out[9] = 2;
            out.extend_from_slice(&one(second, 1, b"")[10..]);
            let error = ItemAttributes::decode(&out).unwrap_err().to_string();
            assert_eq!(error, "the bytes are no canonical attributes: the names are not strictly ascending");
        }
    }
}
