//! Wrapped keys as items. To this crate they are bytes.

use std::fmt;

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ConditionCheck, Put, TransactWriteItem},
};
use blue_address::Tenant;
use uuid::Uuid;

use crate::{
    MalformedItem, Store, StoreError,
    calls::{Answered, Deadline, GaveUp, call, failed_condition},
    item::{Condition, Item, SK, describe_key, integer, key, plain_text},
    meta,
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
#[derive(Clone, PartialEq, Eq)]
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

/// Without the wrapped key.
impl fmt::Debug for KeyItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, kek_id: _, provider, umk_id, wrapped, created } = self;
        f.debug_struct("KeyItem")
            .field("version", version)
            .field("provider", provider)
            .field("umk_id", umk_id)
            .field("wrapped", &format_args!("[{} bytes]", wrapped.len()))
            .field("created", created)
            .finish_non_exhaustive()
    }
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

    /// Adds a version, in one transaction with these conditions: the version is absent; there is no tombstone; and,
    /// for a tenant's version 1, the directory does not name the tenant yet, since its keys were made before its
    /// records and must have been taken away. Before it, META is read: the table must still be the store that was
    /// opened, not one made anew in its place. (Not within the transaction, where all first keys would contend for
    /// that one item.)
    ///
    /// # Errors
    /// [`StoreError::Reinitialised`] or [`StoreError::KeysMissing`] if one of the last two does not hold; after
    /// [`StoreError::OutcomeUnknown`] the version may be there; else [`StoreError`].
    pub async fn insert_key(
        &self,
        partition: &KeyPartition,
        item: &KeyItem,
        deadline: Deadline,
    ) -> Result<KeyInserted, StoreError> {
        self.check_still_the_same(deadline).await?;
        let absent = Condition::absent();
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(encode(partition, item)))
            .condition_expression(&absent.expression)
            .set_expression_attribute_names(Some(absent.names))
            .build()
            .expect("table and item are set");
        let mut request = self
            .table
            .client
            .transact_write_items()
            .client_request_token(Uuid::new_v4().to_string())
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(self.is_absent(partition.key(0)));
        if let (KeyPartition::Tenant(tenant), 1) = (partition, item.version) {
            request = request.transact_items(self.is_absent(key("T", tenant.as_str())));
        }
        let transacted = call("TransactWriteItems", deadline, || request.clone().send()).await;
        let Answered { answer, sent } = transacted.map_err(GaveUp::of_write)?;
        let error = match answer {
            Ok(_) => return Ok(KeyInserted::Done),
            Err(error) => error,
        };
        match failed_condition(&error) {
            Some((0 | 1, _)) => Ok(KeyInserted::Lost),
            Some(_) => Err(StoreError::KeysMissing { partition: partition.pk() }),
            None => Err(sent.write_failed(&self.table.name, error)),
        }
    }

    async fn check_still_the_same(&self, deadline: Deadline) -> Result<(), StoreError> {
        let meta = self.table.read_item(meta::meta_key(), deadline).await?;
        if meta.and_then(|meta| integer(&meta, meta::CREATED)) == Some(self.created) {
            Ok(())
        } else {
            Err(StoreError::Reinitialised { table: self.table.name.clone() })
        }
    }

    fn is_absent(&self, key: Item) -> TransactWriteItem {
        let absent = Condition::absent();
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(key))
            .condition_expression(absent.expression)
            .set_expression_attribute_names(Some(absent.names))
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
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
    Ok(KeyItem {
        version,
        kek_id: bytes(KEK_ID)?.try_into().map_err(|_| format!("{KEK_ID} has not 16 bytes"))?,
        provider: text(item, PROVIDER)?,
        umk_id: text(item, UMK_ID)?,
        wrapped: bytes(WRAPPED)?,
        created: integer(item, CREATED).ok_or_else(|| format!("{CREATED} is no time"))?,
    })
}

fn text(item: &Item, name: &str) -> Result<String, String> {
    let text = plain_text(item, name).map(str::to_owned);
    text.ok_or_else(|| format!("{name} is missing or not as this store writes it"))
}
