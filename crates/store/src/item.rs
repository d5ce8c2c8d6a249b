//! Records as items, and items as records.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_address::{
    Collection, ItemAttributes, Kind, RecordId, RecordPath, Tenant, Value, canonical_integer,
};

use crate::{MalformedItem, StoreError, size};

/// How many bytes at the start of an envelope identify the write that made it.
pub const WRITE_ID_LEN: usize = 37;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
pub(crate) const VERSION: &str = "_v";
pub(crate) const ENVELOPE: &str = "_e";
const PAYLOAD_TYPE: &str = "_t";
const CREATED: &str = "_c";
const UPDATED: &str = "_u";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A record as it lies in the table. Well-formed, but nothing of it is verified: whoever can write the table
/// chose it all.
///
/// Besides those that a [`crate::Store`] reads, it can be made from an item that came another way, say through a
/// DynamoDB stream or out of an export:
///
/// ```
/// use std::collections::HashMap;
///
/// use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
/// use blue_store::StoredRecord;
///
/// let item = HashMap::from([
///     ("pk".to_owned(), AttributeValue::S("R#alice#inbox".into())),
///     ("sk".to_owned(), AttributeValue::S("note#42".into())),
///     ("_v".to_owned(), AttributeValue::N("1700000000000000".into())),
///     ("_e".to_owned(), AttributeValue::B(Blob::new([0; 117]))),
///     ("status".to_owned(), AttributeValue::S("open".into())),
/// ]);
/// let record = StoredRecord::from_item(item.clone())?;
/// assert_eq!(record.path.to_string(), "alice/inbox/note/42");
/// assert_eq!(record.attributes.get("status"), Some(&"open".into()));
/// assert_eq!(record.into_item()?, item);
///
/// let key = [("pk", "META"), ("sk", "store")].map(|(k, v)| (k.to_owned(), AttributeValue::S(v.into())));
/// assert!(StoredRecord::from_item(HashMap::from(key)).is_err(), "no record, but another item of the table");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Where it lies.
    pub path: RecordPath,
    /// `_v`: grows by one with each write.
    pub version: u64,
    /// `_e`: the sealed content.
    pub envelope: Vec<u8>,
    /// All other attributes.
    pub attributes: ItemAttributes,
}

impl StoredRecord {
    /// The record in an item. Every accepted item is its own one encoding: [`Self::into_item`] gives it back, unless
    /// it is larger than DynamoDB allows.
    ///
    /// # Errors
    /// [`MalformedItem`] if this store cannot have written it, as the other items of its table.
    pub fn from_item(item: HashMap<String, AttributeValue>) -> Result<Self, MalformedItem> {
        decode_if(item, |_| true)
    }

    /// The item that this record is in the table.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; [`StoreError::Malformed`] if no item stands for it, since its version is beyond an
    /// `i64` or one of its attributes is named `pk`, `sk`, `_v` or `_e`.
    pub fn into_item(self) -> Result<HashMap<String, AttributeValue>, StoreError> {
        encode(self)
    }
}

/// What the payload is, once opened. It is stored as `_t` and authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadType {
    /// 1: a JSON text.
    Json,
    /// 2: bytes.
    Bytes,
}

/// The attributes that the store itself adds to every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemAttributes {
    /// `_t`.
    pub payload_type: PayloadType,
    /// `_c`: when the record was created, in µs since the Unix epoch.
    pub created: i64,
    /// `_u`: when it was last written, in µs since the Unix epoch.
    pub updated: i64,
}

impl SystemAttributes {
    /// Adds them to a caller's attributes.
    #[must_use]
    pub fn added_to(self, attributes: blue_address::Attributes) -> ItemAttributes {
        let mut all = ItemAttributes::new(attributes);
        let payload_type = match self.payload_type {
            PayloadType::Json => 1,
            PayloadType::Bytes => 2,
        };
        for (name, value) in [(PAYLOAD_TYPE, payload_type), (CREATED, self.created), (UPDATED, self.updated)]
        {
            all.insert(name, value)
                .expect("a caller's attributes hold no reserved name and leave room for these");
        }
        all
    }

    /// Finds them among a record's attributes, or says which is missing or odd.
    ///
    /// # Errors
    /// The name of the first attribute that is not as this store writes it.
    pub fn of(attributes: &ItemAttributes) -> Result<Self, &'static str> {
        let integer = |name| match attributes.get(name) {
            Some(&Value::Integer(number)) => Ok(number),
            _ => Err(name),
        };
        let payload_type = match integer(PAYLOAD_TYPE)? {
            1 => PayloadType::Json,
            2 => PayloadType::Bytes,
            _ => return Err(PAYLOAD_TYPE),
        };
        Ok(Self { payload_type, created: integer(CREATED)?, updated: integer(UPDATED)? })
    }
}

/// One exact state of one record, as a conditional write expects to find it: its version and the first
/// [`WRITE_ID_LEN`] bytes of its envelope. A record whose `_v` or `_e` somebody mangled has one too, so that it
/// can be deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    version: Option<AttributeValue>,
    /// The write id, or, of an item that has none, whatever stands in its place.
    envelope: Option<AttributeValue>,
}

impl Revision {
    pub(crate) fn of_item(item: &Item) -> Self {
        let envelope = match item.get(ENVELOPE) {
            Some(AttributeValue::B(bytes)) if bytes.as_ref().len() >= WRITE_ID_LEN => {
                Some(AttributeValue::B(Blob::new(&bytes.as_ref()[..WRITE_ID_LEN])))
            }
            other => other.cloned(),
        };
        Self { version: item.get(VERSION).cloned(), envelope }
    }

    /// The version, if the item has one.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.version.as_ref().and_then(version)
    }

    /// The condition that the item is in this state.
    pub(crate) fn condition(&self) -> Condition {
        let mut condition = Condition::default();
        let mut parts = vec!["attribute_exists(#pk)".to_owned()];
        condition.names.insert("#pk".to_owned(), PK.to_owned());
        for (name, alias, value) in [(VERSION, "v", &self.version), (ENVELOPE, "e", &self.envelope)] {
            condition.names.insert(format!("#{alias}"), name.to_owned());
            let part = match value {
                None => format!("attribute_not_exists(#{alias})"),
                Some(write_id @ AttributeValue::B(bytes)) if bytes.as_ref().len() == WRITE_ID_LEN => {
                    condition.values.insert(format!(":{alias}"), write_id.clone());
                    format!("begins_with(#{alias}, :{alias})")
                }
                Some(value) => {
                    condition.values.insert(format!(":{alias}"), value.clone());
                    format!("#{alias} = :{alias}")
                }
            };
            parts.push(part);
        }
        condition.expression = parts.join(" AND ");
        condition
    }
}

/// A condition expression; every name in it is an alias.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl Condition {
    pub(crate) fn absent() -> Self {
        Self {
            expression: "attribute_not_exists(#pk)".to_owned(),
            names: HashMap::from([("#pk".to_owned(), PK.to_owned())]),
            values: HashMap::new(),
        }
    }

    pub(crate) fn present() -> Self {
        Self { expression: "attribute_exists(#pk)".to_owned(), ..Self::absent() }
    }

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// `R#tenant#collection`.
pub(crate) fn partition(tenant: &Tenant, collection: &Collection) -> String {
    format!("R#{tenant}#{collection}")
}

/// `pk` and `sk` of a record.
pub(crate) fn record_key(path: &RecordPath) -> Item {
    key(partition(&path.tenant, &path.collection), sort_key(path))
}

/// `kind#id`.
pub(crate) fn sort_key(path: &RecordPath) -> String {
    format!("{}#{}", path.kind, path.id)
}

pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([
        (PK.to_owned(), AttributeValue::S(pk.into())),
        (SK.to_owned(), AttributeValue::S(sk.into())),
    ])
}

pub(crate) fn encode(record: StoredRecord) -> Result<Item, StoreError> {
    let StoredRecord { path, version, envelope, attributes } = &record;
    let malformed = |reason: String| MalformedItem { key: describe_key(&record_key(path)), reason };
    // What is written must be readable.
    if i64::try_from(*version).is_err() {
        return Err(malformed(format!("{VERSION} would be {version}, which is no i64")).into());
    }
    if let Some(name) = [PK, SK, VERSION, ENVELOPE].into_iter().find(|name| attributes.get(name).is_some()) {
        return Err(malformed(format!("an attribute cannot be named {name:?}")).into());
    }
    check_size(path, *version, attributes, envelope.len())?;
    let attributes = record.attributes.into_entries();
    let mut item = Item::with_capacity([PK, SK, VERSION, ENVELOPE].len() + attributes.len());
    item.extend(record_key(&record.path));
    item.insert(VERSION.to_owned(), AttributeValue::N(record.version.to_string()));
    item.insert(ENVELOPE.to_owned(), AttributeValue::B(Blob::new(record.envelope)));
    for (name, value) in attributes {
        let value = match value {
            Value::String(text) => AttributeValue::S(text),
            Value::Integer(number) => AttributeValue::N(number.to_string()),
            Value::Bool(bit) => AttributeValue::Bool(bit),
            Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
        };
        item.insert(name, value);
    }
    Ok(item)
}

/// Whether a record with an envelope of so many bytes fits into an item, asked before it is sealed.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub fn check_size(
    path: &RecordPath,
    version: u64,
    attributes: &ItemAttributes,
    envelope_len: usize,
) -> Result<(), StoreError> {
    match size::record_size(path, version, attributes, envelope_len) {
        size if size > size::MAX_ITEM_SIZE => Err(StoreError::TooLarge { size }),
        _ => Ok(()),
    }
}

/// The record in an item that lies where `asked` allows. Where it lies is part of what its envelope
/// authenticates, so without this an answer with another record would open.
pub(crate) fn decode_if(
    item: Item,
    asked: impl FnOnce(&RecordPath) -> bool,
) -> Result<StoredRecord, MalformedItem> {
    let path = match decode_key(&item) {
        Ok(path) => path,
        Err(reason) => return Err(MalformedItem { key: describe_key(&item), reason }),
    };
    let malformed = |reason: String| MalformedItem { key: describe_key(&record_key(&path)), reason };
    if !asked(&path) {
        return Err(malformed("another item was asked for".to_owned()));
    }
    let (mut version, mut envelope, mut attributes) = (None, None, Vec::with_capacity(item.len()));
    for (name, value) in item {
        match (name.as_str(), value) {
            (PK | SK, _) => {}
            (VERSION, value) => version = self::version(&value),
            (ENVELOPE, AttributeValue::B(bytes)) => envelope = Some(bytes.into_inner()),
            (ENVELOPE, _) => {}
            (_, value) => {
                let value = decode_value(value).ok_or_else(|| {
                    malformed(format!("the attribute {name:?} has a type that this store does not write"))
                })?;
                attributes.push((name, value));
            }
        }
    }
    let attributes =
        ItemAttributes::from_entries(attributes).map_err(|error| malformed(error.to_string()))?;
    let version = version.ok_or_else(|| malformed(format!("{VERSION} is no version")))?;
    let envelope = envelope.ok_or_else(|| malformed(format!("{ENVELOPE} is missing or no byte string")))?;
    Ok(StoredRecord { path, version, envelope, attributes })
}

/// The envelope's write id and the record's version and creation time, read without any check: what a write
/// whose answer was lost compares with its own.
pub(crate) struct Trace<'a> {
    pub(crate) write_id: Option<&'a [u8]>,
    pub(crate) version: Option<u64>,
    pub(crate) created: Option<i64>,
}

impl Trace<'_> {
    /// Its version among those of the record that was created then.
    pub(crate) fn place(&self) -> Option<(i64, u64)> {
        self.created.zip(self.version)
    }
}

pub(crate) fn trace(item: &Item) -> Trace<'_> {
    let write_id = match item.get(ENVELOPE) {
        Some(AttributeValue::B(bytes)) => bytes.as_ref().get(..WRITE_ID_LEN),
        _ => None,
    };
    Trace { write_id, version: item.get(VERSION).and_then(version), created: integer(item, CREATED) }
}

/// A record's version, as an attribute.
fn version(value: &AttributeValue) -> Option<u64> {
    match value {
        AttributeValue::N(digits) => canonical_integer(digits).and_then(|number| u64::try_from(number).ok()),
        _ => None,
    }
}

/// The text under a name, if there is one.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

/// The whole number under a name, if there is one.
pub(crate) fn integer(item: &Item, name: &str) -> Option<i64> {
    match item.get(name) {
        Some(AttributeValue::N(digits)) => canonical_integer(digits),
        _ => None,
    }
}

/// The text under a name, if there is one of visible ASCII alone, as all are that this store writes into its own
/// items. Messages show these texts, so nothing in them may steer a terminal.
pub(crate) fn plain_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    text(item, name).filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()))
}

fn decode_key(item: &Item) -> Result<RecordPath, String> {
    let text = |name| text(item, name).ok_or_else(|| format!("{name} is no string"));
    let (tenant, collection) = text(PK)?
        .strip_prefix("R#")
        .and_then(|rest| rest.split_once('#'))
        .ok_or_else(|| "its partition key is not R#tenant#collection".to_owned())?;
    let (kind, id) = text(SK)?.split_once('#').ok_or_else(|| "its sort key is not kind#id".to_owned())?;
    let name = |error: blue_address::NameError| error.to_string();
    Ok(RecordPath {
        tenant: Tenant::new(tenant).map_err(name)?,
        collection: Collection::new(collection).map_err(name)?,
        kind: Kind::new(kind).map_err(name)?,
        id: RecordId::new(id).map_err(name)?,
    })
}

fn decode_value(value: AttributeValue) -> Option<Value> {
    match value {
        AttributeValue::S(text) => Some(Value::String(text)),
        AttributeValue::N(digits) => canonical_integer(&digits).map(Value::Integer),
        AttributeValue::Bool(bit) => Some(Value::Bool(bit)),
        AttributeValue::B(bytes) => Some(Value::Bytes(bytes.into_inner())),
        _ => None,
    }
}

/// `pk/sk`, for messages.
pub(crate) fn describe_key(item: &Item) -> String {
    let text = |name| text(item, name).unwrap_or("?");
    format!("{:?} {:?}", text(PK), text(SK))
}

#[cfg(test)]
mod tests;
