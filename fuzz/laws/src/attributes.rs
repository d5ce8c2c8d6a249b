//! Cleartext attributes and their canonical bytes.

use std::collections::BTreeMap;

use blue_address::{AttributeError, Attributes, ItemAttributes, Value};

use crate::{
    Verdict,
    audit_event::prefixed,
    choices::Choices,
    names::{is_reserved, value},
};

/// Accepted bytes are canonical, and encode back to themselves.
pub(crate) fn decoding(data: &[u8]) -> Verdict {
    let decoded = ItemAttributes::decode(data);
    assert_eq!(decoded.is_ok(), is_canonical(data).is_some(), "{decoded:?}");
    if let Ok((version, attributes)) = &decoded {
        let mut encoded = Vec::new();
        attributes.encode_into(*version, &mut encoded);
        assert_eq!(encoded, data, "accepted bytes are their own encoding");
    }
    Verdict::of(decoded.is_ok())
}

/// Sets built from the data keep their rules, encode to canonical bytes, and read back.
pub(crate) fn building(data: &[u8]) {
    let mut choices = Choices::new(data);
    let version = choices.number();
    let mut model: BTreeMap<String, Value> = BTreeMap::new();
    let mut all = ItemAttributes::default();
    let mut callers = Attributes::new();
    while !choices.is_empty() {
        let (name, value) = (name(&mut choices), value(&mut choices));
        let refusal = refusal(&name, model.contains_key(&name));
        assert_eq!(all.insert(name.clone(), value.clone()).err(), refusal);
        let refused = callers.insert(name.clone(), value.clone()).err();
        if is_reserved(&name) {
            assert_eq!(refused, Some(AttributeError::Reserved { name: name.clone() }));
        } else {
            assert_eq!(refused, refusal);
        }
        if refusal.is_none() {
            model.insert(name, value);
        }
    }
    let pairs = |reserved: bool| {
        model
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(move |(name, _)| reserved || !is_reserved(name))
    };
    assert!(all.iter().eq(pairs(true)), "ascending, and all that were accepted");
    assert!(callers.iter().eq(pairs(false)));
    assert_eq!(all.clone().into_callers(), callers);

    let mut backwards = ItemAttributes::default();
    for (name, value) in all.iter().collect::<Vec<_>>().into_iter().rev() {
        backwards.insert(name, value.clone()).expect("it was accepted before");
    }
    assert_eq!(backwards, all, "the order of insertion does not matter");
    let mut encoded = Vec::new();
    all.encode_into(version, &mut encoded);
    assert!(is_canonical(&encoded).is_some());
    assert_eq!(ItemAttributes::decode(&encoded), Ok((version, all)));
}

fn refusal(name: &str, known: bool) -> Option<AttributeError> {
    if name.is_empty() {
        Some(AttributeError::EmptyName)
    } else if known {
        Some(AttributeError::Duplicate { name: name.to_owned() })
    } else {
        None
    }
}

fn name(choices: &mut Choices<'_>) -> String {
    match choices.below(4) {
        0 => choices.text(),
        1 => format!("_{}", choices.text()),
        2 => ["pk", "sk", "_v", "_e", "gsi1", "gsi2"][usize::from(choices.below(6))].to_owned(),
        _ => crate::names::name(choices),
    }
}

/// Whether the bytes follow the grammar of `docs/envelope.md`, "attributes", to the last.
fn is_canonical(data: &[u8]) -> Option<()> {
    let (_version, data) = data.split_at_checked(8)?;
    let (count, mut data) = data.split_at_checked(2)?;
    let mut before: &[u8] = &[];
    for _ in 0..u16::from_be_bytes(count.try_into().ok()?) {
        let (name, rest) = prefixed(data)?;
        let (kind, rest) = rest.split_at_checked(1)?;
        let (value, rest) = prefixed(rest)?;
        data = rest;
        // Strictly ascending; that an empty one comes first is why there is none at all.
        if name <= before || name.len() > 65_535 || std::str::from_utf8(name).is_err() {
            return None;
        }
        before = name;
        let fits = match kind[0] {
            1 => std::str::from_utf8(value).is_ok(),
            2 => is_integer(value),
            3 => value == [0] || value == [1],
            4 => true,
            _ => false,
        };
        if !fits {
            return None;
        }
    }
    data.is_empty().then_some(())
}

/// "canonical decimal text of an i64: no plus, no leading zero, no `-0`", digit by digit.
pub(crate) fn is_integer(text: &[u8]) -> bool {
    let (digits, greatest) = match text.strip_prefix(b"-") {
        Some(digits) => (digits, &b"9223372036854775808"[..]),
        None => (text, &b"9223372036854775807"[..]),
    };
    if text == b"0" {
        return true;
    }
    let (true, Some(b'1'..=b'9')) = (digits.iter().all(u8::is_ascii_digit), digits.first()) else {
        return false;
    };
    digits.len() < greatest.len() || (digits.len() == greatest.len() && digits <= greatest)
}
