//! One cleartext attribute as it is typed after `bes put --attr`: `NAME=TEXT` or `NAME:TYPE=VALUE`.

use blue_address::Value;
use blue_encrypted_store_cli::attr::{Attr, AttrError};

use crate::names::is_reserved;

pub(crate) fn law(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // "The name ends at the first `=`"; its type, if it has one, stands after its last `:`.
    let typed = text.find('=').map(|at| (&text[..at], &text[at + 1..]));
    let parsed = text.parse::<Attr>();
    let Some((typed, given)) = typed else {
        assert_eq!(parsed, Err(AttrError::NoValue));
        return;
    };
    let (name, kind) = match typed.rfind(':') {
        Some(at) => (&typed[..at], &typed[at + 1..]),
        None => (typed, "string"),
    };
    match parsed {
        Ok(attr) => {
            assert_eq!(attr.name(), name);
            assert!(!name.is_empty() && name.len() <= 65_535 && !is_reserved(name));
            fits(attr.value(), kind, given);
            assert_eq!(canonical(&attr, given).parse(), Ok(attr), "an attribute types back as it is");
        }
        Err(AttrError::NoValue) => panic!("there is a '='"),
        Err(AttrError::Type { found, .. }) => {
            assert_eq!(found, kind);
            assert!(!matches!(kind, "string" | "int" | "bool" | "bytes"));
        }
        Err(AttrError::Integer { text }) => {
            assert_eq!((kind, &*text), ("int", given));
            let number = given.parse::<i128>();
            assert!(number.is_err() || number.is_ok_and(|number| i64::try_from(number).is_err()));
        }
        Err(AttrError::Bool { text }) => {
            assert!(kind == "bool" && text == given && given != "true" && given != "false")
        }
        Err(AttrError::Bytes { text }) => {
            assert_eq!((kind, &*text, from_base64(given)), ("bytes", given, None));
        }
        Err(AttrError::Name(_)) => {
            assert!(name.is_empty() || name.len() > 65_535 || is_reserved(name), "{name:?}")
        }
        Err(other) => panic!("an error that is not documented: {other}"),
    }
}

fn fits(value: &Value, kind: &str, given: &str) {
    match value {
        Value::String(text) => assert_eq!(("string", given), (kind, &**text)),
        Value::Integer(number) => assert_eq!((kind, given.parse::<i128>()), ("int", Ok(i128::from(*number)))),
        Value::Bool(bit) => assert_eq!((kind, given), ("bool", if *bit { "true" } else { "false" })),
        Value::Bytes(bytes) => assert_eq!((kind, from_base64(given)), ("bytes", Some(bytes.clone()))),
    }
}

/// The attribute with its type, as one would type it.
fn canonical(attr: &Attr, given: &str) -> String {
    let (kind, text) = match attr.value() {
        Value::String(text) => ("string", text.clone()),
        Value::Integer(number) => ("int", number.to_string()),
        Value::Bool(bit) => ("bool", bit.to_string()),
        // The bytes have but one text.
        Value::Bytes(_) => ("bytes", given.to_owned()),
    };
    format!("{}:{kind}={text}", attr.name())
}

/// The bytes whose padded Base64 this is, as in RFC 4648, §4: digits of six bits in groups of four, the last with one or
/// two `=` in the place of digits, and no bit set that belongs to no byte (§3.5).
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut left, mut bits) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        left = left << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(left >> bits).expect("eight bits"));
            left &= (1 << bits) - 1;
        }
    }
    (left == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_texts_for_some_bytes_one_is_their_base64() {
        // The examples of RFC 4648, §10.
        let examples = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in examples {
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(from_base64("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for text in ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zg= =", "Zm-_", " Zm9v", "é=="]
        {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }
}
