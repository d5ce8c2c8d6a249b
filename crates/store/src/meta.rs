//! The item that says what a table is.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    MalformedItem, TableError,
    item::{Item, describe_key, integer, key, plain_text},
};

/// The layout that this version writes and reads.
pub(crate) const SCHEMA_VERSION: i64 = 1;

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
    key("META", "store")
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
        let store = crate::StoreError::from;
        match integer(SCHEMA).map_err(store)? {
            SCHEMA_VERSION => {}
            found => return Err(TableError::Layout { table: table.to_owned(), found }),
        }
        Ok(Self {
            namespace: text(NAMESPACE).map_err(store)?,
            provider: text(PROVIDER).map_err(store)?,
            umk_id: text(UMK_ID).map_err(store)?,
            created: integer(CREATED).map_err(store)?,
            table_id: text(TABLE_ID).ok(),
        })
    }
}
