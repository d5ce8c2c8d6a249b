//! The text of a record's path, and its parts.

use blue_address::{
    AddressError, Collection, Kind, NameError, Namespace, RecordId, RecordPath, Tenant, push_length_prefixed,
};

use crate::{
    Verdict,
    names::{is_id, is_name},
};

pub(crate) fn law(data: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(data);
    parts(&text);
    let parsed = text.parse::<RecordPath>();
    // "Everything after the third `/` is the id, which may itself contain `/`."
    let split: Vec<&str> = text.splitn(4, '/').collect();
    let expected =
        split.len() == 4 && is_name(split[0]) && is_name(split[1]) && is_name(split[2]) && is_id(split[3]);
    assert_eq!(parsed.is_ok(), expected, "{text:?} gave {parsed:?}");
    match parsed {
        Ok(path) => accepted(&path, &text, &split),
        Err(AddressError::Parts { found, .. }) => assert_eq!(found, split.len()),
        Err(AddressError::Name(error)) => {
            assert_eq!(split.len(), 4);
            assert!(split.iter().any(|part| names_the_fault(&error, part)), "{error}");
        }
        Err(other) => panic!("an error that is not documented: {other}"),
    }
    Verdict::of(expected)
}

fn accepted(path: &RecordPath, text: &str, split: &[&str]) {
    assert_eq!(path.to_string(), text, "a path prints as it was given");
    let parts = [path.tenant.as_str(), path.collection.as_str(), path.kind.as_str(), path.id.as_str()];
    assert_eq!(parts[..], *split);

    let namespace = Namespace::new(parts[2]).expect("what is a kind is a namespace");
    let address = path.clone().within(namespace);
    assert_eq!(address.to_string(), text);
    let mut encoded = vec![0xee];
    address.encode_into(&mut encoded);
    // Whatever reads back as these parts alone is the encoding of no other address.
    let mut rest = encoded.strip_prefix(&[0xee]).expect("it appends");
    for part in [&[parts[2]][..], split].concat() {
        let (length, after) = rest.split_first_chunk().expect("a length");
        let (found, after) = after.split_at(u32::from_be_bytes(*length).try_into().expect("a short part"));
        assert_eq!(found, part.as_bytes());
        rest = after;
    }
    assert!(rest.is_empty());
}

/// Each constructor by itself takes what its rule allows.
fn parts(text: &str) {
    let names = [
        Namespace::new(text).map(|name| name.to_string()),
        Tenant::new(text).map(|name| name.to_string()),
        Collection::new(text).map(|name| name.to_string()),
        Kind::new(text).map(|name| name.to_string()),
    ];
    for name in names {
        judge(name, is_name(text), text);
    }
    judge(RecordId::new(text).map(|id| id.to_string()), is_id(text), text);
    if let Some((x, y)) = text.split_once('/') {
        let mut encoded = Vec::new();
        push_length_prefixed(&mut encoded, x.as_bytes());
        push_length_prefixed(&mut encoded, y.as_bytes());
        let (first, rest) = blue_address::split_length_prefixed(&encoded).expect("one part");
        let (second, rest) = blue_address::split_length_prefixed(rest).expect("another");
        assert_eq!((first, second, rest), (x.as_bytes(), y.as_bytes(), &[][..]));
    }
}

fn judge(made: Result<String, NameError>, expected: bool, text: &str) {
    match made {
        Ok(name) => assert!(expected && name == text, "{text:?} was accepted as {name:?}"),
        Err(error) => {
            assert!(!expected, "{text:?} was refused: {error}");
            assert!(names_the_fault(&error, text), "{error}");
        }
    }
}

/// Whether what an error says is true of a text.
fn names_the_fault(error: &NameError, text: &str) -> bool {
    match error {
        NameError::Empty { .. } => text.is_empty(),
        NameError::TooLong { length, limit, .. } => text.len() == *length && length > limit,
        NameError::Forbidden { character, position, .. } => {
            text.get(*position..).is_some_and(|rest| rest.starts_with(*character))
        }
        _ => false,
    }
}
