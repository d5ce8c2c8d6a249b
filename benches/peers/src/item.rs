use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

/// An item as DynamoDB takes it.
pub type Item = HashMap<String, AttributeValue>;

/// An item whose `data` has that many bytes.
pub fn item(data: usize) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S("tenant#acme".to_owned())),
        ("sk".to_owned(), AttributeValue::S("invoice#2026-0001".to_owned())),
        ("status".to_owned(), AttributeValue::S("open".to_owned())),
        ("data".to_owned(), AttributeValue::B(Blob::new(vec![0x5a; data]))),
    ])
}

/// Bytes of `item` by DynamoDB's rules for item sizes: names and values. A number is estimated, as DynamoDB
/// documents it: a byte for two digits, and one more.
///
/// # Panics
/// For sets, lists, maps and null: no peer writes them.
pub fn stored_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::Bool(_) => 1,
        other => panic!("no peer writes {other:?}"),
    }
}
