//! Wrapped keys as items. To this crate they are bytes.

use std::fmt;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_address::{Chain, Tenant};
use uuid::Uuid;

use crate::{
    MalformedItem, Meta, Store, StoreError, TableError, Tombstone,
    calls::{Answered, Deadline, GaveUp, call, failed_condition},
    directory::tenant_key,
    item::{self, Condition, Item, SK, describe_key, integer, key, plain_text},
    meta,
    segments::segment_key,
};

pub(crate) const KEK_ID: &str = "kek_id";
pub(crate) const PROVIDER: &str = "provider";
pub(crate) const UMK_ID: &str = "umk_id";
pub(crate) const WRAPPED: &str = "wrapped_kek";
const CREATED: &str = "created";
pub(crate) const TIME: &str = "time";

/// The chains that one of the first segments of any audit log lies in.
const ROOT_CHAINS: [&str; 2] = ["main", "registry"];

/// Whose key items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPartition {
    /// `K#tenant`.
    Tenant(Tenant),
    /// `S#audit`.
    Audit,
}

impl KeyPartition {
    pub(crate) fn pk(&self) -> String {
        match self {
            Self::Tenant(tenant) => format!("K#{tenant}"),
            Self::Audit => "S#audit".to_owned(),
        }
    }

    pub(crate) fn key(&self, version: u32) -> Item {
        key(self.pk(), format!("{version:010}"))
    }

    /// What is in the table only after a key was: the tenant in the directory, or the audit log's first segments.
    fn traces_of_a_key(&self) -> Vec<Item> {
        match self {
            Self::Tenant(tenant) => vec![tenant_key(tenant)],
            Self::Audit => ROOT_CHAINS
                .iter()
                .map(|chain| segment_key(&Chain::new(chain).expect("a valid name"), 0))
                .collect(),
        }
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
    /// The whole of it, if it is as this store writes one. Nothing of it is verified.
    pub proof: Option<Tombstone>,
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
        let (found, malformed) = self.key_items_and_others(partition, deadline).await?;
        match malformed.into_iter().next() {
            Some(malformed) => Err(malformed.into()),
            None => Ok(found),
        }
    }

    /// The same, with what lies among them and is not as this store writes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_items_and_others(
        &self,
        partition: &KeyPartition,
        deadline: Deadline,
    ) -> Result<(KeyItems, Vec<MalformedItem>), StoreError> {
        let (mut found, mut malformed) = (KeyItems::default(), Vec::new());
        for item in self.table.query_all(&partition.pk(), deadline).await? {
            match entry(&item) {
                Ok(KeyEntry::Version(key)) => found.versions.push(key),
                Ok(KeyEntry::Tombstone { time, tombstone }) => {
                    (found.tombstone, found.proof) = (Some(time), tombstone);
                }
                Err(error) => malformed.push(error),
            }
        }
        Ok((found, malformed))
    }

    /// Adds a version, in one transaction with these conditions: the version is absent; there is no tombstone; and,
    /// for version 1, nothing is there yet that was written under a key which must have been taken away: of a tenant
    /// its entry in the directory, made before its records; of the audit key the first segment of the chains `main` and
    /// `registry`. Before it, META is read: the table must still be the store that was opened, not one made anew in
    /// its place. (Not within the transaction, where all first keys would contend for that one item.)
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
        let mut request = self
            .table
            .client
            .transact_write_items()
            .client_request_token(Uuid::new_v4().to_string())
            .transact_items(self.table.transact_put(encode(partition, item), Condition::absent()))
            .transact_items(self.table.transact_absent(partition.key(0)));
        if item.version == 1 {
            for trace in partition.traces_of_a_key() {
                request = request.transact_items(self.table.transact_absent(trace));
            }
        }
        let transacted = call("TransactWriteItems", &self.table, deadline, || request.clone().send()).await;
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

    /// META as it is now.
    ///
    /// # Errors
    /// [`StoreError::Reinitialised`] if it is not that of the store that was opened; else [`StoreError`].
    pub async fn meta(&self, deadline: Deadline) -> Result<Meta, StoreError> {
        let item = self.table.read_item(meta::meta_key(), deadline).await?;
        match item.map(|item| Meta::decode(&self.table.name, &item)) {
            Some(Ok(meta)) if meta.created == self.created => Ok(meta),
            Some(Err(TableError::Store(error))) => Err(error),
            _ => Err(StoreError::Reinitialised { table: self.table.name.clone() }),
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
}

/// What a key item says, whatever partition it lies in.
pub(crate) enum KeyEntry {
    Version(KeyItem),
    /// Its time counts, also if the rest is not as this store writes it: who refuses what was erased needs no proof.
    Tombstone {
        time: String,
        tombstone: Option<Tombstone>,
    },
}

pub(crate) fn entry(item: &Item) -> Result<KeyEntry, MalformedItem> {
    let digits = |sk: &&str| sk.len() == 10 && sk.bytes().all(|b| b.is_ascii_digit());
    let version = item::text(item, SK).filter(digits).and_then(|sk| sk.parse::<u32>().ok());
    let entry = match version {
        None => Err("its sort key is no key version".to_owned()),
        Some(0) => {
            text(item, TIME).map(|time| KeyEntry::Tombstone { time, tombstone: Tombstone::from_item(item) })
        }
        Some(version) => decode(item, version).map(KeyEntry::Version),
    };
    entry.map_err(|reason| MalformedItem { key: describe_key(item), reason })
}

pub(crate) fn encode(partition: &KeyPartition, item: &KeyItem) -> Item {
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
