//! Cleartext attributes: stored readable beside the envelope, and authenticated by it.

use std::fmt;

use crate::push_length_prefixed;

/// The longest attribute name, in bytes of UTF-8 (DynamoDB's own limit: 64 KB).
pub const MAX_ATTRIBUTE_NAME_LEN: usize = 65_535;

/// The most attributes a caller can give a record. An item has three more, the store's own; together their count
/// fits the u16 that it is encoded as.
pub const MAX_ATTRIBUTES: usize = MAX_ITEM_ATTRIBUTES - 3;

const MAX_ITEM_ATTRIBUTES: usize = 65_535;

/// The value of a cleartext attribute. These four types are all there are: each has exactly one encoding in
/// DynamoDB and in the authenticated bytes. A number is an `i64`, so that DynamoDB's rewriting of numbers
/// (`1.0` to `1`, `-0` to `0`) never changes what was authenticated.
///
/// An empty string or byte string is a value; it is not the same as an absent attribute.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// UTF-8 text (DynamoDB `S`).
    String(String),
    /// A whole number (DynamoDB `N`).
    Integer(i64),
    /// True or false (DynamoDB `BOOL`).
    Bool(bool),
    /// Raw bytes (DynamoDB `B`).
    Bytes(Vec<u8>),
}

impl Value {
    /// The type byte and `lp(value)` of the attribute encoding.
    fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::String(text) => {
                out.push(0x01);
                push_length_prefixed(out, text.as_bytes());
            }
            Self::Integer(number) => {
                out.push(0x02);
                push_length_prefixed(out, itoa::Buffer::new().format(*number).as_bytes());
            }
            Self::Bool(bit) => {
                out.push(0x03);
                push_length_prefixed(out, &[u8::from(*bit)]);
            }
            Self::Bytes(bytes) => {
                out.push(0x04);
                push_length_prefixed(out, bytes);
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bool(bit) => write!(f, "{bit}"),
            Self::Bytes(bytes) => write!(f, "[{} bytes]", bytes.len()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<bool> for Value {
    fn from(bit: bool) -> Self {
        Self::Bool(bit)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

/// Why an attribute is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// The name is one the store keeps for itself.
    #[error(
        "the attribute name {name:?} is reserved: pk, sk, names that start with gsi1 and names that start with _ \
         belong to the store"
    )]
    Reserved {
        /// The refused name.
        name: String,
    },
    /// The name is empty.
    #[error("an attribute name is empty")]
    EmptyName,
    /// The name is longer than [`MAX_ATTRIBUTE_NAME_LEN`].
    #[error("an attribute name has {length} bytes, {MAX_ATTRIBUTE_NAME_LEN} are allowed")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The name was given before.
    #[error("the attribute {name:?} is given twice")]
    Duplicate {
        /// The repeated name.
        name: String,
    },
    /// More than [`MAX_ATTRIBUTES`].
    #[error("a record has more than {MAX_ATTRIBUTES} attributes")]
    TooMany,
}

/// The cleartext attributes that a caller gives a record: readable and queryable in the table, unchangeable
/// without the key. Names are unique and none is reserved.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Attributes(Entries);

impl Attributes {
    /// No attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, by value, for building in one expression.
    ///
    /// # Errors
    /// [`AttributeError`] if the name is reserved, empty, too long or already there.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Result<Self, AttributeError> {
        self.insert(name, value)?;
        Ok(self)
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`AttributeError`] if the name is reserved, empty, too long or already there.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Result<(), AttributeError> {
        let name = name.into();
        if is_reserved(&name) {
            return Err(AttributeError::Reserved { name });
        }
        self.0.insert(name, value.into(), MAX_ATTRIBUTES)
    }

    /// The value under `name`, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Names and values, ascending by the bytes of the name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// All attributes of an item but `pk`, `sk`, `_e` and `_v`: the caller's, the store's own (`_t`, `_c`, `_u`)
/// and, in an item that somebody tampered with, whatever they added. This is what an envelope authenticates.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ItemAttributes(Entries);

impl ItemAttributes {
    /// Starts from the caller's attributes.
    #[must_use]
    pub fn new(attributes: Attributes) -> Self {
        Self(attributes.0)
    }

    /// Those of an item, under any names, in any order.
    ///
    /// # Errors
    /// [`AttributeError`] if a name is empty, too long or there twice, or there are more than 65,535.
    pub fn from_entries(entries: Vec<(String, Value)>) -> Result<Self, AttributeError> {
        Entries::new(entries, MAX_ITEM_ATTRIBUTES).map(Self)
    }

    /// Adds one under any name.
    ///
    /// # Errors
    /// [`AttributeError`] if the name is empty, too long or already there.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Result<(), AttributeError> {
        self.0.insert(name.into(), value.into(), MAX_ITEM_ATTRIBUTES)
    }

    /// The value under `name`, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Names and values, ascending by the bytes of the name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter()
    }

    /// Names and values by value, ascending by the bytes of the name.
    pub fn into_entries(self) -> impl ExactSizeIterator<Item = (String, Value)> {
        self.0.0.into_iter()
    }

    /// The caller's part: all that are not reserved.
    #[must_use]
    pub fn into_callers(self) -> Attributes {
        let Self(Entries(mut entries)) = self;
        entries.retain(|(name, _)| !is_reserved(name));
        Attributes(Entries(entries))
    }

    /// Appends `u64 BE version ‖ u16 BE count ‖ for each, names strictly ascending: lp(name) ‖ type byte ‖
    /// lp(value)`, the bytes that an envelope authenticates.
    ///
    /// # Panics
    /// Never: `insert` and `from_entries` keep the count within a u16.
    pub fn encode_into(&self, version: u64, out: &mut Vec<u8>) {
        let count = u16::try_from(self.0.0.len()).expect("the count is kept within a u16");
        out.extend_from_slice(&version.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        for (name, value) in self.iter() {
            push_length_prefixed(out, name.as_bytes());
            value.encode_into(out);
        }
    }
}

impl fmt::Debug for ItemAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Whether the store keeps `name` for itself.
fn is_reserved(name: &str) -> bool {
    matches!(name, "pk" | "sk") || name.starts_with("gsi1") || name.starts_with('_')
}

fn check_name(name: &str) -> Result<(), AttributeError> {
    match name.len() {
        0 => Err(AttributeError::EmptyName),
        length if length > MAX_ATTRIBUTE_NAME_LEN => Err(AttributeError::NameTooLong { length }),
        _ => Ok(()),
    }
}

/// Names and values, strictly ascending by the bytes of the name.
#[derive(Clone, PartialEq, Eq, Default)]
struct Entries(Vec<(String, Value)>);

impl Entries {
    /// Sorted at once: one by one, each would move those behind it.
    fn new(mut entries: Vec<(String, Value)>, limit: usize) -> Result<Self, AttributeError> {
        if entries.len() > limit {
            return Err(AttributeError::TooMany);
        }
        entries.iter().try_for_each(|(name, _)| check_name(name))?;
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(AttributeError::Duplicate { name: pair[0].0.clone() }),
            None => Ok(Self(entries)),
        }
    }

    fn insert(&mut self, name: String, value: Value, limit: usize) -> Result<(), AttributeError> {
        check_name(&name)?;
        match self.position(&name) {
            Ok(_) => Err(AttributeError::Duplicate { name }),
            Err(_) if self.0.len() >= limit => Err(AttributeError::TooMany),
            Err(index) => {
                self.0.insert(index, (name, value));
                Ok(())
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).ok().map(|index| &self.0[index].1)
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_attributes_of_an_item_are_the_same_in_any_order_and_each_is_there_once() {
        let entries = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), 1.into())).collect();
        let all = ItemAttributes::from_entries(entries(&["b", "_t", "a"])).unwrap();
        let mut one_by_one = ItemAttributes::default();
        for name in ["a", "b", "_t"] {
            one_by_one.insert(name, 1).unwrap();
        }
        assert_eq!(all, one_by_one);
        assert_eq!(ItemAttributes::from_entries(Vec::new()), Ok(ItemAttributes::default()));
        let refused = |names: &[&str]| ItemAttributes::from_entries(entries(names)).unwrap_err();
        assert_eq!(refused(&["a", "b", "a"]), AttributeError::Duplicate { name: "a".to_owned() });
        assert_eq!(refused(&["a", ""]), AttributeError::EmptyName);
        let long = "x".repeat(MAX_ATTRIBUTE_NAME_LEN + 1);
        assert_eq!(refused(&[&long]), AttributeError::NameTooLong { length: MAX_ATTRIBUTE_NAME_LEN + 1 });
        let many: Vec<_> = (0..=MAX_ITEM_ATTRIBUTES).map(|number| (number.to_string(), 1.into())).collect();
        assert_eq!(ItemAttributes::from_entries(many.clone()), Err(AttributeError::TooMany));
        assert_eq!(
            ItemAttributes::from_entries(many[1..].to_vec()).unwrap().iter().len(),
            MAX_ITEM_ATTRIBUTES
        );
    }

    #[test]
    fn the_stores_own_names_are_refused() {
        for name in ["pk", "sk", "_e", "_", "_anything", "gsi1", "gsi1pk"] {
            assert!(
                matches!(Attributes::new().with(name, 1), Err(AttributeError::Reserved { .. })),
                "{name}"
            );
        }
        for name in ["PK", "gsi2", "e_", "a b", "é"] {
            assert!(Attributes::new().with(name, 1).is_ok(), "{name}");
        }
    }

    #[test]
    fn empty_long_and_repeated_names_are_refused() {
        assert_eq!(Attributes::new().with("", 1), Err(AttributeError::EmptyName));
        assert_eq!(
            Attributes::new().with("x".repeat(65_536), 1),
            Err(AttributeError::NameTooLong { length: 65_536 })
        );
        assert!(Attributes::new().with("x".repeat(65_535), 1).is_ok());
        let twice = Attributes::new().with("a", 1).unwrap().with("a", 2);
        assert_eq!(twice, Err(AttributeError::Duplicate { name: "a".into() }));
    }

    #[test]
    fn what_was_given_is_found_and_counted() {
        let none = Attributes::new();
        assert_eq!((none.len(), none.is_empty(), none.get("a")), (0, true, None));
        let two = none.with("b", true).unwrap().with("a", "x").unwrap();
        assert_eq!((two.len(), two.is_empty()), (2, false));
        assert_eq!((two.get("a"), two.get("c")), (Some(&Value::from("x")), None));
        assert_eq!(two.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_callers_part_is_what_the_caller_gave() {
        let callers = Attributes::new().with("b", true).unwrap().with("a", "x").unwrap();
        let mut item = ItemAttributes::new(callers.clone());
        item.insert("_t", 1).unwrap();
        item.insert("gsi1pk", "y").unwrap();
        assert_eq!((item.get("_t"), item.get("_c")), (Some(&Value::Integer(1)), None));
        assert_eq!(item.into_callers(), callers);
    }

    #[test]
    fn attributes_print_their_names_and_values_but_of_bytes_only_how_many() {
        let callers = Attributes::new().with("b", vec![1, 2, 3]).unwrap().with("a", "x").unwrap();
        let callers = callers.with("n", -3).unwrap().with("t", true).unwrap();
        let shown = r#"{"a": "x", "b": [3 bytes], "n": -3, "t": true}"#;
        assert_eq!(format!("{callers:?}"), shown);
        assert_eq!(format!("{:?}", ItemAttributes::new(callers)), shown);
    }

    #[test]
    #[cfg_attr(miri, ignore = "65,532 attributes take Miri hours")]
    fn there_is_always_room_for_the_stores_own() {
        let mut full = Attributes::new();
        for index in 0..MAX_ATTRIBUTES {
            full.insert(format!("{index:05}"), true).unwrap();
        }
        assert_eq!(full.insert("x", true), Err(AttributeError::TooMany));
        let mut item = ItemAttributes::new(full);
        for name in ["_t", "_c", "_u"] {
            item.insert(name, 1).unwrap();
        }
        assert_eq!(item.insert("_x", 1), Err(AttributeError::TooMany));
    }

    #[test]
    fn the_encoding_is_the_specified_bytes() {
        let mut attributes =
            ItemAttributes::new(Attributes::new().with("b", true).unwrap().with("a", "é").unwrap());
        attributes.insert("_t", -7).unwrap();
        let mut out = Vec::new();
        attributes.encode_into(0x0102, &mut out);
        let expected = [
            &[0, 0, 0, 0, 0, 0, 1, 2, 0, 3][..],
            &[0, 0, 0, 2, b'_', b't', 2, 0, 0, 0, 2, b'-', b'7'],
            &[0, 0, 0, 1, b'a', 1, 0, 0, 0, 2, 0xc3, 0xa9],
            &[0, 0, 0, 1, b'b', 3, 0, 0, 0, 1, 1],
        ]
        .concat();
        assert_eq!(out, expected);
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::String),
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Bool),
            any::<Vec<u8>>().prop_map(Value::Bytes),
        ]
    }

    fn item() -> impl Strategy<Value = ItemAttributes> {
        proptest::collection::btree_map(".{1,4}", value(), 0..5).prop_map(|map: BTreeMap<String, Value>| {
            let mut item = ItemAttributes::default();
            for (name, value) in map {
                item.insert(name, value).unwrap();
            }
            item
        })
    }

    proptest! {
        #[test]
        fn different_attributes_or_versions_never_share_their_bytes(
            a in item(), b in item(), va in 0u64..3, vb in 0u64..3,
        ) {
            let encode = |item: &ItemAttributes, version| {
                let mut out = Vec::new();
                item.encode_into(version, &mut out);
                out
            };
            prop_assert_eq!(encode(&a, va) == encode(&b, vb), a == b && va == vb);
        }

        #[test]
        fn the_encoding_reads_back_as_what_was_encoded(item in item(), version: u64) {
            let mut out = Vec::new();
            item.encode_into(version, &mut out);
            prop_assert_eq!(ItemAttributes::decode(&out), Ok((version, item)));
        }

        #[test]
        fn the_order_of_insertion_does_not_matter(names in proptest::collection::btree_set("[a-j]{1,3}", 1..8)) {
            let forward = names.iter().fold(Attributes::new(), |a, n| a.with(n, 1).unwrap());
            let backward = names.iter().rev().fold(Attributes::new(), |a, n| a.with(n, 1).unwrap());
            prop_assert_eq!(forward, backward);
        }
    }
}
