//! The directory of the tenants and collections that have, or had, records.

use std::{collections::HashSet, str::FromStr, sync::PoisonError};

use blue_address::{Collection, NameError, Tenant};

use crate::{
    MalformedItem, Store, StoreError,
    calls::Deadline,
    item::{self, Item, SK, describe_key},
};

/// How many entries a process remembers to have written. Beyond that it forgets and writes some again.
const REMEMBERED_ENTRIES: usize = 100_000;

/// The partition of the tenants.
pub(crate) const TENANTS: &str = "T";

/// What a process knows to be in the directory.
pub(crate) type Listed = HashSet<(Tenant, Collection)>;

impl Store {
    /// Makes sure that the directory names this tenant and collection, durably. Once it does, this process
    /// remembers and no request is sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ensure_listed(
        &self,
        tenant: &Tenant,
        collection: &Collection,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let entry = (tenant.clone(), collection.clone());
        if self.listed.lock().unwrap_or_else(PoisonError::into_inner).contains(&entry) {
            return Ok(());
        }
        self.table.write_once(tenant_key(tenant), deadline).await?;
        let of_tenant = item::key(collections_of(tenant), collection.as_str());
        self.table.write_once(of_tenant, deadline).await?;
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if listed.len() >= REMEMBERED_ENTRIES {
            listed.clear();
        }
        listed.insert(entry);
        Ok(())
    }

    /// All tenants that ever had a record, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenants(&self, deadline: Deadline) -> Result<Vec<Tenant>, StoreError> {
        self.directory(TENANTS, deadline).await
    }

    /// All collections of a tenant that ever had a record, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collections(
        &self,
        tenant: &Tenant,
        deadline: Deadline,
    ) -> Result<Vec<Collection>, StoreError> {
        self.directory(&collections_of(tenant), deadline).await
    }

    async fn directory<T: FromStr<Err = NameError>>(
        &self,
        partition: &str,
        deadline: Deadline,
    ) -> Result<Vec<T>, StoreError> {
        let items = self.table.query_all(partition, deadline).await?;
        Ok(items.iter().map(entry).collect::<Result<_, _>>()?)
    }
}

/// Where the directory names a tenant.
pub(crate) fn tenant_key(tenant: &Tenant) -> Item {
    item::key(TENANTS, tenant.as_str())
}

fn collections_of(tenant: &Tenant) -> String {
    format!("C#{tenant}")
}

/// The name in an entry: its sort key.
pub(crate) fn entry<T: FromStr<Err = NameError>>(item: &Item) -> Result<T, MalformedItem> {
    let malformed = |reason: String| MalformedItem { key: describe_key(item), reason };
    let sk = item::text(item, SK).ok_or_else(|| malformed("its sort key is no string".to_owned()))?;
    sk.parse().map_err(|error: NameError| malformed(error.to_string()))
}
