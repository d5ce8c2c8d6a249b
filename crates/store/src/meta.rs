//! The item that says what a table is.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use crate::{
    MalformedItem, StoreError, Table, TableError,
    item::{Condition, Item, PK, SK, describe_key, integer, key, plain_text},
};

/// The layout that this version writes and reads.
pub(crate) const SCHEMA_VERSION: i64 = 1;

pub(crate) const PARTITION: &str = "META";
pub(crate) const SORT_KEY: &str = "store";

const SCHEMA: &str = "schema";
const NAMESPACE: &str = "namespace";
const PROVIDER: &str = "provider";
const UMK_ID: &str = "umk_id";
pub(crate) const CREATED: &str = "created";
const TABLE_ID: &str = "table_id";

/// What was fixed when a table became a store. Nothing in it is secret, and nothing of it is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The namespace of all its records.
    pub namespace: String,
    /// The name of the key provider.
    pub provider: String,
    /// The id of the user master key that its key items are wrapped under.
    pub umk_id: String,
    /// When, in µs since the Unix epoch.
    pub created: i64,
    /// The table's own id, if the service gives one (DynamoDB Local does not).
    pub table_id: Option<String>,
}

pub(crate) fn meta_key() -> Item {
    key(PARTITION, SORT_KEY)
}

impl Meta {
    pub(crate) fn encode(&self) -> Item {
        let Self { namespace, provider, umk_id, created, table_id } = self;
        let mut item = meta_key();
        item.insert(SCHEMA.to_owned(), AttributeValue::N(SCHEMA_VERSION.to_string()));
        item.insert(CREATED.to_owned(), AttributeValue::N(created.to_string()));
        let texts = [
            (NAMESPACE, Some(namespace)),
            (PROVIDER, Some(provider)),
            (UMK_ID, Some(umk_id)),
            (TABLE_ID, table_id.as_ref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                item.insert(name.to_owned(), AttributeValue::S(text.clone()));
            }
        }
        item
    }

    pub(crate) fn decode(table: &str, item: &Item) -> Result<Self, TableError> {
        let malformed = |name: &str| MalformedItem {
            key: describe_key(item),
            reason: format!("{name} is missing or not as this store writes it"),
        };
        let text = |name| plain_text(item, name).map(str::to_owned).ok_or_else(|| malformed(name));
        let integer = |name| integer(item, name).ok_or_else(|| malformed(name));
        let store = StoreError::from;
        match integer(SCHEMA).map_err(store)? {
            SCHEMA_VERSION => {}
            found => return Err(TableError::Layout { table: table.to_owned(), found }),
        }
        Ok(Self {
            namespace: text(NAMESPACE).map_err(store)?,
            provider: text(PROVIDER).map_err(store)?,
            umk_id: text(UMK_ID).map_err(store)?,
            created: integer(CREATED).map_err(store)?,
            table_id: item.contains_key(TABLE_ID).then(|| text(TABLE_ID)).transpose().map_err(store)?,
        })
    }

    /// The change of META to one with this id of the table.
    pub(crate) fn adoption(&self, table_id: Option<String>) -> Result<MetaUpdate, StoreError> {
        let encoded = Self { table_id, ..self.clone() }.encode();
        let mut condition = self.condition();
        condition.names.insert("#table_id".to_owned(), TABLE_ID.to_owned());
        let expression = match encoded.get(TABLE_ID) {
            Some(table_id) => {
                if plain_text(&encoded, TABLE_ID).is_none() {
                    let reason = format!("{TABLE_ID} is not visible ASCII");
                    return Err(MalformedItem { key: describe_key(&encoded), reason }.into());
                }
                condition.values.insert(":table_id".to_owned(), table_id.clone());
                "SET #table_id = :table_id"
            }
            None => "REMOVE #table_id",
        };
        Ok(MetaUpdate { expression, condition })
    }

    /// The change of META to one with this UMK.
    pub(crate) fn change_of_root(&self, provider: &str, umk_id: &str) -> Result<MetaUpdate, StoreError> {
        let (provider, umk_id) = (provider.to_owned(), umk_id.to_owned());
        let encoded = Self { provider, umk_id, ..self.clone() }.encode();
        let mut condition = self.condition();
        for (name, alias) in [(PROVIDER, "provider"), (UMK_ID, "umk_id")] {
            if plain_text(&encoded, name).is_none() {
                let reason = format!("{name} is not visible ASCII");
                return Err(MalformedItem { key: describe_key(&encoded), reason }.into());
            }
            condition.names.insert(format!("#{alias}"), name.to_owned());
            condition.values.insert(format!(":{alias}"), encoded[name].clone());
        }
        Ok(MetaUpdate { expression: "SET #provider = :provider, #umk_id = :umk_id", condition })
    }

    /// The condition that META is this and nothing else.
    fn condition(&self) -> Condition {
        let mut condition = Condition::default();
        let mut parts = Vec::new();
        let attributes = self.encode().into_iter().filter(|(name, _)| name != PK && name != SK);
        for (i, (name, value)) in attributes.enumerate() {
            condition.names.insert(format!("#a{i}"), name);
            condition.values.insert(format!(":a{i}"), value);
            parts.push(format!("#a{i} = :a{i}"));
        }
        if self.table_id.is_none() {
            condition.names.insert("#table_id".to_owned(), TABLE_ID.to_owned());
            parts.push("attribute_not_exists(#table_id)".to_owned());
        }
        condition.expression = parts.join(" AND ");
        condition
    }
}

/// A change of META to what it says from now on, if it is still what was read.
#[derive(Debug, Clone)]
pub(crate) struct MetaUpdate {
    expression: &'static str,
    condition: Condition,
}

impl MetaUpdate {
    pub(crate) fn in_transaction(&self, table: &Table) -> TransactWriteItem {
        table.transact_update(meta_key(), self.expression, self.condition.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(table_id: Option<&str>) -> Meta {
        let [namespace, provider, umk_id] = ["default", "local", "local:00"].map(str::to_owned);
        Meta { namespace, provider, umk_id, created: 5, table_id: table_id.map(str::to_owned) }
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for meta in [meta(None), meta(Some("00000000-0000-0000-0000-000000000001"))] {
            assert_eq!(Meta::decode("notes", &meta.encode()).unwrap(), meta);
        }
    }

    #[test]
    fn a_table_id_that_cannot_be_read_is_not_taken_for_none() {
        for odd in [AttributeValue::S("\u{1b}[2J".into()), AttributeValue::N("1".into())] {
            let mut item = meta(None).encode();
            item.insert(TABLE_ID.to_owned(), odd);
            let error = Meta::decode("notes", &item).unwrap_err();
            assert!(matches!(&error, TableError::Store(StoreError::Malformed(_))), "{error:?}");
        }
    }

    #[test]
    fn the_condition_names_every_attribute_once() {
        for (meta, parts) in [(meta(None), 6), (meta(Some("id")), 6)] {
            let Condition { expression, names, values } = meta.condition();
            assert_eq!(expression.split(" AND ").count(), parts, "{expression}");
            assert_eq!(expression.contains("attribute_not_exists(#table_id)"), meta.table_id.is_none());
            for (alias, value) in values {
                let name = &names[&alias.replace(':', "#")];
                assert_eq!(meta.encode().get(name), Some(&value), "{name}");
            }
        }
    }
}
