//! Addresses, attributes and content as vectors write them.

use blue_envelope::address::{
    Address, Collection, ItemAttributes, Kind, Namespace, RecordId, Tenant, Value, canonical_integer,
};
use serde::Deserialize;

use crate::vector::Hex;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressText {
    namespace: String,
    tenant: String,
    collection: String,
    kind: String,
    id: String,
}

impl AddressText {
    pub(crate) fn read(&self) -> Result<Address, String> {
        let read = || {
            Ok(Address {
                namespace: Namespace::new(&self.namespace)?,
                tenant: Tenant::new(&self.tenant)?,
                collection: Collection::new(&self.collection)?,
                kind: Kind::new(&self.kind)?,
                id: RecordId::new(&self.id)?,
            })
        };
        read().map_err(|error: blue_envelope::address::NameError| error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attribute {
    name: String,
    r#type: Type,
    value: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    String,
    Integer,
    Bool,
    Bytes,
}

impl Attribute {
    fn read(&self) -> Result<Value, String> {
        let text = self.value.as_str();
        let value = match self.r#type {
            Type::String => text.map(Value::from),
            Type::Integer => text.and_then(canonical_integer).map(Value::Integer),
            Type::Bool => self.value.as_bool().map(Value::Bool),
            Type::Bytes => {
                serde_json::from_value(self.value.clone()).ok().map(|Hex(bytes)| Value::Bytes(bytes))
            }
        };
        value.ok_or_else(|| format!("{} is no value of its type", self.value))
    }
}

pub(crate) fn item(attributes: &[Attribute]) -> Result<ItemAttributes, String> {
    let mut item = ItemAttributes::default();
    for attribute in attributes {
        item.insert(&attribute.name, attribute.read()?).map_err(|error| error.to_string())?;
    }
    Ok(item)
}

/// A plaintext: written out, or byte i is i mod 251.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Bytes(Hex),
    Counted(Counted),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counted {
    length: usize,
}

impl Content {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(Hex(bytes)) => bytes.clone(),
            Self::Counted(Counted { length }) => (0..=250).cycle().take(*length).collect(),
        }
    }
}
