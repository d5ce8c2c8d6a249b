//! Where wrapped KEKs are kept, as far as the keyring needs to know.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use blue_envelope::KekId;

use crate::{KeyOwner, WrappedKek};

/// What a store of wrapped KEKs reports when it cannot answer. The keyring passes it on unread.
pub type KekStoreError = Arc<dyn Error + Send + Sync>;

/// Keeps wrapped KEKs, durably and for all processes. It sees no key.
#[async_trait]
pub trait KekStore: Send + Sync {
    /// All versions of an owner's KEK and its tombstone, as of now: an eventually consistent answer is wrong.
    ///
    /// # Errors
    /// Whatever kept it from answering.
    async fn load(&self, owner: &KeyOwner) -> Result<StoredKeks, KekStoreError>;

    /// Adds one version if it is absent and the owner has no tombstone, both checked with the write. Version 1 is
    /// refused, by an error, for an owner that has records already: its keys were taken away.
    ///
    /// # Errors
    /// Whatever kept it from writing. It may have been written all the same.
    async fn insert(&self, owner: &KeyOwner, kek: &StoredKek) -> Result<Inserted, KekStoreError>;
}

/// How an insert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The version is there, and it is this one.
    Done,
    /// Another version or a tombstone was there before.
    Lost,
}

/// One version of an owner's KEK as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKek {
    /// From 1.
    pub version: u32,
    /// The id that envelopes name.
    pub kek_id: KekId,
    /// The KEK itself, wrapped.
    pub wrapped: WrappedKek,
}

/// All that is stored of an owner's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredKeks {
    /// The versions, in any order.
    pub versions: Vec<StoredKek>,
    /// There if the owner was shredded.
    pub tombstone: Option<Tombstone>,
}

/// What remains of a shredded owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// When, in RFC 3339 as it was recorded.
    pub time: String,
}
