//! Every item among a tenant's records, page after page.

use std::{collections::HashMap, time::Instant};

use blue_address::{Collection, Tenant};
use blue_envelope::KekId;
use blue_store::{Cursor, MalformedItem, Page, StoreError, StoredRecord};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::TenantKeys;
use crate::{read::kek_id_of, store::Inner, telemetry::Operation};

/// How many records are read at once: at most 1 MB comes back.
const PAGE: i32 = 256;

/// What lies in a record's place, and when it was read at the latest.
pub(crate) struct Listed {
    pub(crate) record: Result<StoredRecord, MalformedItem>,
    pub(crate) read_at: Instant,
}

/// How many of a tenant's records lie under which of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUse {
    /// By the id that their envelopes name. It need not be one that the tenant has.
    pub records: HashMap<KekId, u64>,
    /// What cannot be read as a record or an envelope.
    pub unreadable: u64,
}

impl TenantKeys {
    /// Reads every record of the tenant, without opening any, and counts them by key: read units for all of its data.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self) -> Result<KeyUse, StoreError> {
        let counting = async {
            let mut found = KeyUse::default();
            let mut listed = Box::pin(self.inner.records_of(&self.tenant));
            while let Some(Listed { record, .. }) = listed.try_next().await? {
                match kek_of(&record) {
                    Some(kek_id) => *found.records.entry(kek_id).or_default() += 1,
                    None => found.unreadable += 1,
                }
            }
            Ok(found)
        };
        self.begin(Operation::KeysCount).watch(counting).await
    }
}

impl Inner {
    /// Every item among the records of a tenant, in the collections that the directory names, strongly consistent: what was
    /// there before it began and is still there, is among them.
    pub(crate) fn records_of<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> impl Stream<Item = Result<Listed, StoreError>> + Send + 'a {
        let collections = async move {
            let collections = self.store.collections(tenant, self.deadlines.start()).await?;
            Ok::<_, StoreError>(stream::iter(collections.into_iter().map(Ok::<_, StoreError>)))
        };
        let of_collection = move |collection| {
            let pages = stream::try_unfold((collection, Some(None)), move |(collection, from)| async move {
                let Some(from) = from else { return Ok(None) };
                let page = self.page(tenant, &collection, from).await?;
                let (listed, next) = page;
                Ok::<_, StoreError>(Some((listed, (collection, next.map(Some)))))
            });
            pages.try_flatten()
        };
        stream::once(collections).try_flatten().map_ok(of_collection).try_flatten().boxed()
    }

    async fn page(
        &self,
        tenant: &Tenant,
        collection: &Collection,
        from: Option<Cursor>,
    ) -> Result<(impl Stream<Item = Result<Listed, StoreError>> + use<>, Option<Cursor>), StoreError> {
        let deadline = self.deadlines.start();
        let page = self.store.list(tenant, collection, None, from.as_ref(), PAGE, deadline).await;
        let Page { records, next } = page?;
        let read_at = Instant::now();
        let listed = records.into_iter().map(move |record| Ok(Listed { record, read_at }));
        Ok((stream::iter(listed), next))
    }
}

/// The key that a record needs; `None` if what lies there is none, or holds no envelope.
pub(super) fn kek_of(record: &Result<StoredRecord, MalformedItem>) -> Option<KekId> {
    record.as_ref().ok().and_then(kek_id_of)
}
