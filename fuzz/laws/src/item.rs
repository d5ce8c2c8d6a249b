//! DynamoDB items that may be records.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_store::{StoreError, StoredRecord, SystemAttributes};

use crate::{
    Verdict,
    attributes::is_integer,
    choices::Choices,
    names::{self, is_id, is_name, is_reserved},
};

type Item = HashMap<String, AttributeValue>;

pub(crate) fn law(data: &[u8]) -> Verdict {
    let mut choices = Choices::new(data);
    let item = item(&mut choices);
    let expected = is_record(&item);
    let read = StoredRecord::from_item(item.clone());
    assert_eq!(read.is_ok(), expected, "{item:?} gave {read:?}");
    match read {
        Ok(record) => {
            system_attributes(&record);
            writes_back(record, item);
        }
        Err(error) => assert!(!error.reason.is_empty() && error.to_string().starts_with("the item ")),
    }
    Verdict::of(expected)
}

/// An accepted record is the item it was read from, unless DynamoDB would not take it.
fn writes_back(record: StoredRecord, item: Item) {
    let size = size(&item);
    let mut named_as_a_key = record.clone();
    match record.into_item() {
        Ok(written) => {
            assert!(size <= 409_600, "{size}");
            assert_eq!(written, item, "an accepted item is its own encoding");
        }
        Err(StoreError::TooLarge { size: told }) => {
            assert!(size > 409_600 && told == size, "{told}, not {size}")
        }
        Err(other) => panic!("it was read, and is not written: {other}"),
    }
    for name in ["pk", "sk", "_v", "_e"] {
        named_as_a_key.attributes.insert(name, 0).expect("an item's own names are no attributes");
        assert!(matches!(named_as_a_key.clone().into_item(), Err(StoreError::Malformed(_))), "{name}");
    }
}

/// What the store adds to every record is found again, and adding it again changes nothing.
fn system_attributes(record: &StoredRecord) {
    let Ok(system) = SystemAttributes::of(&record.attributes) else { return };
    let callers = record.attributes.clone().into_callers();
    let others = record.attributes.iter().filter(|(name, _)| is_reserved(name)).count();
    let all = system.added_to(callers);
    assert_eq!(all == record.attributes, others == 3);
    assert_eq!(SystemAttributes::of(&all), Ok(system));
}

/// "record", in the table of items, and the rules below it.
fn is_record(item: &Item) -> bool {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let Some((pk, sk)) = text("pk").zip(text("sk")) else { return false };
    let Some((tenant, collection)) = pk.strip_prefix("R#").and_then(|rest| rest.split_once('#')) else {
        return false;
    };
    let Some((kind, id)) = sk.split_once('#') else { return false };
    let addressed = is_name(tenant) && is_name(collection) && is_name(kind) && is_id(id);
    let version = |value: &AttributeValue| matches!(value, AttributeValue::N(digits) if is_integer(digits.as_bytes()) && !digits.starts_with('-'));
    let sealed = item.get("_v").is_some_and(version) && matches!(item.get("_e"), Some(AttributeValue::B(_)));
    addressed
        && sealed
        && item.iter().all(|(name, value)| !name.is_empty() && name.len() <= 65_535 && is_value(value))
}

/// "Attribute values: string, whole number (i64), bool, bytes."
fn is_value(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::S(_) | AttributeValue::Bool(_) | AttributeValue::B(_) => true,
        AttributeValue::N(digits) => is_integer(digits.as_bytes()),
        _ => false,
    }
}

/// "counted as DynamoDB counts them: strings and names in bytes of UTF-8, a bool one byte, a number one byte and one
/// for each pair of significant digits, one more if negative"
fn size(item: &Item) -> usize {
    let number = |digits: &str| {
        let positive = digits.trim_start_matches('-');
        // Pairs count from the decimal point, so an odd zero at the end is part of one.
        let mut significant = positive.len();
        while significant >= 2 && positive[..significant].ends_with("00") {
            significant -= 2;
        }
        let pairs = if positive == "0" { 0 } else { significant.div_ceil(2) };
        1 + pairs + usize::from(digits.starts_with('-'))
    };
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bool(_) => 1,
        other => panic!("no record has {other:?}"),
    };
    item.iter().map(|(name, held)| name.len() + value(held)).sum()
}

/// An item: that of a record, or an empty one, and then whatever is chosen to stand in it.
fn item(choices: &mut Choices<'_>) -> Item {
    let mut item = Item::new();
    if choices.below(8) > 0 {
        for (name, value) in [
            ("pk", AttributeValue::S(format!("R#{}#{}", names::name(choices), names::name(choices)))),
            ("sk", AttributeValue::S(format!("{}#{}", names::name(choices), names::name(choices)))),
            ("_v", AttributeValue::N(choices.number().to_string())),
            ("_e", AttributeValue::B(Blob::new(choices.bytes()))),
            ("_t", AttributeValue::N(choices.byte().to_string())),
            ("_c", AttributeValue::N(i64::from_be_bytes(choices.array()).to_string())),
            ("_u", AttributeValue::N(i64::from_be_bytes(choices.array()).to_string())),
        ] {
            item.insert(name.to_owned(), value);
        }
    }
    while !choices.is_empty() {
        let name = match choices.below(12) {
            0 => "pk".to_owned(),
            1 => "sk".to_owned(),
            2 => "_v".to_owned(),
            3 => "_e".to_owned(),
            4 => "_t".to_owned(),
            5 => "_c".to_owned(),
            6 => "_u".to_owned(),
            7 => "gsi1pk".to_owned(),
            8 => "a".repeat(choices.index(1 << 16) + 1),
            9 => names::name(choices),
            _ => choices.text(),
        };
        if choices.below(16) == 15 {
            item.remove(&name);
        } else {
            item.insert(name, value(choices, 3));
        }
    }
    item
}

/// A value of any type that DynamoDB has.
fn value(choices: &mut Choices<'_>, depth: u8) -> AttributeValue {
    let many = |choices: &mut Choices<'_>| (0..choices.below(3)).map(|_| choices.text()).collect();
    match choices.below(14) {
        0 => AttributeValue::S(choices.text()),
        1 => AttributeValue::S(format!("R#{}", choices.text())),
        2 => AttributeValue::S(format!("{}#{}", choices.text(), choices.text())),
        3 => AttributeValue::N(choices.text()),
        4 => AttributeValue::N(i64::from_be_bytes(choices.array()).to_string()),
        5 => AttributeValue::N(choices.number().to_string()),
        6 => AttributeValue::Bool(choices.coin()),
        7 => AttributeValue::B(Blob::new(choices.bytes())),
        // As large as an item may be, more or less.
        8 => AttributeValue::B(Blob::new(vec![7; 409_600 - choices.index(512)])),
        9 => AttributeValue::Null(choices.coin()),
        10 => AttributeValue::Ss(many(choices)),
        11 => AttributeValue::Ns(many(choices)),
        12 if depth > 0 => {
            AttributeValue::L((0..choices.below(3)).map(|_| value(choices, depth - 1)).collect())
        }
        13 if depth > 0 => {
            let entries = (0..choices.below(3)).map(|_| (choices.text(), value(choices, depth - 1)));
            AttributeValue::M(entries.collect())
        }
        _ => AttributeValue::Bs(vec![Blob::new(choices.bytes())]),
    }
}
