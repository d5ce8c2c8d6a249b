//! The rules of names and ids, as `docs/table.md` states them, and names made to fit.

use blue_address::{Address, Collection, ItemAttributes, Kind, Namespace, RecordId, Tenant, Value};

use crate::choices::Choices;

/// "1–255 bytes of 0x21–0x7E except `#` and `/`".
pub(crate) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'#' && b != b'/')
}

/// "1–768 bytes of UTF-8 without control characters": general category Cc, which is C0, DEL and C1.
pub(crate) fn is_id(text: &str) -> bool {
    let is_control = |c: char| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}');
    (1..=768).contains(&text.len()) && !text.chars().any(is_control)
}

/// "Attribute names reserved by the store: `pk`, `sk`, `gsi1*`, and all that start with `_`."
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "pk" || name == "sk" || name.starts_with("gsi1") || name.starts_with('_')
}

/// A name of up to three letters.
pub(crate) fn name(choices: &mut Choices<'_>) -> String {
    let length = usize::from(choices.below(3)) + 1;
    choices.array::<3>()[..length].iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// An address of short names.
pub(crate) fn address(choices: &mut Choices<'_>) -> Address {
    let mut next = || name(choices);
    Address {
        namespace: Namespace::new(next()).expect("letters are a name"),
        tenant: Tenant::new(next()).expect("letters are a name"),
        collection: Collection::new(next()).expect("letters are a name"),
        kind: Kind::new(next()).expect("letters are a name"),
        id: RecordId::new(next()).expect("letters are an id"),
    }
}

/// A value of one of the four types.
pub(crate) fn value(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => choices.text().into(),
        1 => i64::from_be_bytes(choices.array()).into(),
        2 => choices.coin().into(),
        _ => choices.bytes().into(),
    }
}

/// Up to three attributes under short names.
pub(crate) fn attributes(choices: &mut Choices<'_>) -> ItemAttributes {
    let mut attributes = ItemAttributes::default();
    for _ in 0..choices.below(4) {
        // The same name twice is refused, and then there is one fewer.
        let _ = attributes.insert(name(choices), value(choices));
    }
    attributes
}
