//! One cleartext attribute as it is typed after `bes put --attr`: `NAME=TEXT` or `NAME:TYPE=VALUE`.

use blue_address::Value;
use blue_encrypted_store_cli::attr::{Attr, AttrError};
use data_encoding::BASE64;

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
            assert_eq!(canonical(&attr).parse(), Ok(attr), "an attribute types back as it is");
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
        Err(AttrError::Bytes { text }) => assert_eq!((kind, &*text), ("bytes", given)),
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
        Value::Bytes(bytes) => assert_eq!((kind, given), ("bytes", &*BASE64.encode(bytes))),
    }
}

/// The attribute with its type, as one would type it.
fn canonical(attr: &Attr) -> String {
    let (kind, text) = match attr.value() {
        Value::String(text) => ("string", text.clone()),
        Value::Integer(number) => ("int", number.to_string()),
        Value::Bool(bit) => ("bool", bit.to_string()),
        Value::Bytes(bytes) => ("bytes", BASE64.encode(bytes)),
    };
    format!("{}:{kind}={text}", attr.name())
}
