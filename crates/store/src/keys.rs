//! Wrapped keys as items. To this crate they are bytes.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ConditionCheck, Put, TransactWriteItem},
};
use blue_address::Tenant;
use uuid::Uuid;

use crate::{
    MalformedItem, Store, StoreError,
    calls::{Deadline, GaveUp, call, failed_condition, service_error},
    item::{Condition, Item, SK, canonical_integer, describe_key, key},
};

const KEK_ID: &str = "kek_id";
const PROVIDER: &str = "provider";
const UMK_ID: &str = "umk_id";
const WRAPPED: &str = "wrapped_kek";
const CREATED: &str = "created";
const TIME: &str = "time";

/// Whose key items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPartition {
    /// `K#tenant`.
    Tenant(Tenant),
    /// `S#audit`.
    Audit,
}

impl KeyPartition {
    fn pk(&self) -> String {
        match self {
            Self::Tenant(tenant) => format!("K#{tenant}"),
            Self::Audit => "S#audit".to_owned(),
        }
    }

    fn key(&self, version: u32) -> Item {
        key(self.pk(), format!("{version:010}"))
    }
}

/// One version of a wrapped key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyItem {
    /// From 1; the sort key, in ten digits.
    pub version: u32,
    /// The key's id, 16 bytes.
    pub kek_id: [u8; 16],
    /// The name of the provider that wrapped it.
    pub provider: String,
    /// The id of the user master key that wrapped it.
    pub umk_id: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When, in µs since the Unix epoch.
    pub created: i64,
}

/// All key items of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyItems {
    /// Ascending by version.
    pub versions: Vec<KeyItem>,
    /// The time in the tombstone (version 0), if there is one.
    pub tombstone: Option<String>,
}

/// How an insert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyInserted {
    /// The item is there.
    Done,
    /// That version, or a tombstone, was there before.
    Lost,
}

impl Store {
    /// All key items of a partition, by a strongly consistent query.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Malformed`] if one of them is not as this store writes it.
    pub async fn key_items(
        &self,
        partition: &KeyPartition,
        deadline: Deadline,
    ) -> Result<KeyItems, StoreError> {
        let mut found = KeyItems::default();
        for item in self.query_all(partition.pk(), deadline).await? {
            let malformed =
                |reason: &str| MalformedItem { key: describe_key(&item), reason: reason.to_owned() };
            let version = match item.get(SK) {
                Some(AttributeValue::S(sk)) if sk.len() == 10 && sk.bytes().all(|b| b.is_ascii_digit()) => {
                    sk.parse::<u32>().ok()
                }
                _ => None,
            };
            match version.ok_or_else(|| malformed("its sort key is no key version"))? {
                0 => found.tombstone = Some(text(&item, TIME).map_err(|e| malformed(&e))?),
                version => found.versions.push(decode(&item, version).map_err(|e| malformed(&e))?),
            }
        }
        Ok(found)
    }

    /// Adds a version if it is absent and there is no tombstone, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]; after [`StoreError::OutcomeUnknown`] it may be there.
    pub async fn insert_key(
        &self,
        partition: &KeyPartition,
        item: &KeyItem,
        deadline: Deadline,
    ) -> Result<KeyInserted, StoreError> {
        let absent = Condition::absent();
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(encode(partition, item)))
            .condition_expression(&absent.expression)
            .set_expression_attribute_names(Some(absent.names.clone()))
            .build()
            .expect("table and item are set");
        let no_tombstone = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(partition.key(0)))
            .condition_expression(&absent.expression)
            .set_expression_attribute_names(Some(absent.names))
            .build()
            .expect("table, key and condition are set");
        let request = self
            .table
            .client
            .transact_write_items()
            .client_request_token(Uuid::new_v4().to_string())
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().condition_check(no_tombstone).build());
        let sent = call("TransactWriteItems", deadline, || request.clone().send()).await;
        match sent.map_err(GaveUp::of_write)?.answer {
            Ok(_) => Ok(KeyInserted::Done),
            Err(error) if failed_condition(&error).is_some() => Ok(KeyInserted::Lost),
            Err(error) => Err(service_error("TransactWriteItems", &self.table.name, error)),
        }
    }
}

fn encode(partition: &KeyPartition, item: &KeyItem) -> Item {
    let KeyItem { version, kek_id, provider, umk_id, wrapped, created } = item;
    let mut out = partition.key(*version);
    out.extend([
        (KEK_ID.to_owned(), AttributeValue::B(Blob::new(kek_id.to_vec()))),
        (PROVIDER.to_owned(), AttributeValue::S(provider.clone())),
        (UMK_ID.to_owned(), AttributeValue::S(umk_id.clone())),
        (WRAPPED.to_owned(), AttributeValue::B(Blob::new(wrapped.clone()))),
        (CREATED.to_owned(), AttributeValue::N(created.to_string())),
    ]);
    out
}

fn decode(item: &Item, version: u32) -> Result<KeyItem, String> {
    let bytes = |name: &str| match item.get(name) {
        Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref().to_vec()),
        _ => Err(format!("{name} is missing or no byte string")),
    };
    let created = match item.get(CREATED) {
        Some(AttributeValue::N(digits)) => canonical_integer(digits),
        _ => None,
    };
    Ok(KeyItem {
        version,
        kek_id: bytes(KEK_ID)?.try_into().map_err(|_| format!("{KEK_ID} has not 16 bytes"))?,
        provider: text(item, PROVIDER)?,
        umk_id: text(item, UMK_ID)?,
        wrapped: bytes(WRAPPED)?,
        created: created.ok_or_else(|| format!("{CREATED} is no time"))?,
    })
}

fn text(item: &Item, name: &str) -> Result<String, String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.clone()),
        _ => Err(format!("{name} is missing or no string")),
    }
}
