//! How large an item is.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::Item;

/// The size of an item as the service documents it, independent of the product's own count.
///
/// # Panics
/// If it holds a type that no store writes.
#[must_use]
pub fn documented_size(item: &Item) -> usize {
    let size = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bool(_) => 1,
        AttributeValue::N(text) => {
            let digits = text.trim_start_matches('-');
            let zeros = digits.len() - digits.trim_end_matches('0').len();
            1 + (digits.len() - zeros / 2 * 2).div_ceil(2) + usize::from(digits.len() < text.len())
        }
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}
