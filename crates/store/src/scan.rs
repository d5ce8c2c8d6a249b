//! Reading the whole table, in parts that can be read at the same time.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use blue_address::{Chain, Collection, Tenant};

use crate::{
    KeyItem, KeyPartition, MalformedItem, Meta, Store, StoreError, StoredRecord, TableError, Tombstone,
    calls::{Deadline, ask},
    directory::{self, TENANTS},
    item::{self, Condition, Item, PK, SK, describe_key},
    keys::{KeyEntry, entry},
    meta, segments,
};

/// What an item of the table is. Well-formed, but nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScannedItem {
    /// A record.
    Record(StoredRecord),
    /// An item of a chain of the audit log. Whether it is a segment is not said: whoever verifies the chain reads it.
    Segment {
        /// The chain that it lies in.
        chain: Chain,
        /// The sequence that it lies at; none if its sort key is not one in twenty digits.
        first: Option<u64>,
    },
    /// A version of a tenant's key.
    TenantKey {
        /// Whose.
        tenant: Tenant,
        /// The item.
        key: KeyItem,
    },
    /// What stands in the place of a shredded tenant's keys.
    Tombstone {
        /// Whose.
        tenant: Tenant,
        /// When it was shredded, as the tombstone says it.
        time: String,
        /// The whole; `None` if it is not as this store writes it.
        tombstone: Option<Tombstone>,
    },
    /// A version of the audit key.
    AuditKey(KeyItem),
    /// An entry of the directory.
    Directory {
        /// The tenant that it names, or names a collection of.
        tenant: Tenant,
        /// The collection.
        collection: Option<Collection>,
    },
    /// What the table says of itself.
    Meta(Meta),
    /// It lies where this store puts its items, and this store cannot have written it.
    Malformed(MalformedItem),
    /// It lies where this store puts nothing.
    Unknown {
        /// Its partition key, as it is: show it escaped.
        pk: String,
        /// Its sort key, as it is: show it escaped.
        sk: String,
    },
}

/// Where the next page of a scan begins.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanCursor(Item);

/// Some of a part's items, in no order.
#[derive(Debug)]
pub struct ScanPage {
    /// One entry for each item.
    pub items: Vec<ScannedItem>,
    /// Where to go on; `None` at the end.
    pub next: Option<ScanCursor>,
}

impl Store {
    /// Reads a page (1 MB) of one part of the whole table, each item as it stands at that moment (strongly consistent);
    /// the pages together are no snapshot. `part` counts from 0; each item is in exactly one of the `parts` parts, of
    /// which there are at most 1,000,000.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if there is no such part; else [`StoreError`]. An item that cannot be read is an entry of
    /// the page, not an error.
    pub async fn scan(
        &self,
        part: u32,
        parts: u32,
        from: Option<&ScanCursor>,
        deadline: Deadline,
    ) -> Result<ScanPage, StoreError> {
        self.scan_if(None, part, parts, from, deadline).await
    }

    /// The same of key items alone: tenants' keys, their tombstones, and audit keys. The service reads the whole table all the
    /// same, and counts it; only what it sends is less.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub async fn scan_keys(
        &self,
        part: u32,
        parts: u32,
        from: Option<&ScanCursor>,
        deadline: Deadline,
    ) -> Result<ScanPage, StoreError> {
        let audit = KeyPartition::Audit.pk();
        let keys = Condition {
            expression: "begins_with(#pk, :tenants) OR #pk = :audit".to_owned(),
            names: HashMap::from([("#pk".to_owned(), PK.to_owned())]),
            values: HashMap::from([
                (":tenants".to_owned(), AttributeValue::S("K#".to_owned())),
                (":audit".to_owned(), AttributeValue::S(audit)),
            ]),
        };
        self.scan_if(Some(keys), part, parts, from, deadline).await
    }

    async fn scan_if(
        &self,
        filter: Option<Condition>,
        part: u32,
        parts: u32,
        from: Option<&ScanCursor>,
        deadline: Deadline,
    ) -> Result<ScanPage, StoreError> {
        let filter = filter.unwrap_or_default();
        // What is beyond an i32 is far beyond what the service takes, and it says so.
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let request = self
            .table
            .client
            .scan()
            .table_name(&self.table.name)
            .segment(number(part))
            .total_segments(number(parts))
            .set_exclusive_start_key(from.map(|cursor| cursor.0.clone()))
            .set_expression_attribute_values(filter.values())
            .set_filter_expression(Some(filter.expression).filter(|expression| !expression.is_empty()))
            .set_expression_attribute_names(Some(filter.names).filter(|names| !names.is_empty()))
            .consistent_read(true);
        let answer = ask("Scan", &self.table, deadline, || request.clone().send()).await?;
        let items = answer.items.unwrap_or_default();
        Ok(ScanPage {
            items: items.into_iter().map(|item| classify(&self.table.name, item)).collect(),
            next: answer.last_evaluated_key.map(ScanCursor),
        })
    }
}

/// Sorts an item by its partition key, which says what it claims to be.
fn classify(table: &str, item: Item) -> ScannedItem {
    let [pk, sk] = [PK, SK].map(|name| item::text(&item, name).unwrap_or_default().to_owned());
    let known = match pk.split_once('#') {
        Some(("R", _)) => StoredRecord::from_item(item).map(ScannedItem::Record),
        Some(("A", chain)) => segment(chain, &item, &sk),
        Some(("K", tenant)) => tenant_key(tenant, &item),
        Some(("S", "audit")) => audit_key(&item),
        Some(("C", tenant)) => collection(tenant, &item),
        None if pk == TENANTS => {
            directory::entry(&item).map(|tenant| ScannedItem::Directory { tenant, collection: None })
        }
        None if pk == meta::PARTITION => meta(table, &item),
        _ => Ok(ScannedItem::Unknown { pk, sk }),
    };
    known.unwrap_or_else(ScannedItem::Malformed)
}

fn segment(chain: &str, item: &Item, sk: &str) -> Result<ScannedItem, MalformedItem> {
    let chain = Chain::new(chain).map_err(|error| malformed(item, error))?;
    Ok(ScannedItem::Segment { chain, first: segments::sequence(sk) })
}

fn tenant_key(tenant: &str, item: &Item) -> Result<ScannedItem, MalformedItem> {
    let tenant = Tenant::new(tenant).map_err(|error| malformed(item, error))?;
    Ok(match entry(item)? {
        KeyEntry::Version(key) => ScannedItem::TenantKey { tenant, key },
        KeyEntry::Tombstone { time, tombstone } => ScannedItem::Tombstone { tenant, time, tombstone },
    })
}

fn audit_key(item: &Item) -> Result<ScannedItem, MalformedItem> {
    match entry(item)? {
        KeyEntry::Version(key) => Ok(ScannedItem::AuditKey(key)),
        KeyEntry::Tombstone { .. } => Err(malformed(item, "the audit log has no tombstone")),
    }
}

fn collection(tenant: &str, item: &Item) -> Result<ScannedItem, MalformedItem> {
    let tenant = Tenant::new(tenant).map_err(|error| malformed(item, error))?;
    Ok(ScannedItem::Directory { tenant, collection: Some(directory::entry(item)?) })
}

fn meta(table: &str, item: &Item) -> Result<ScannedItem, MalformedItem> {
    if item::text(item, SK) != Some(meta::SORT_KEY) {
        return Err(malformed(item, format!("its sort key is not {}", meta::SORT_KEY)));
    }
    Meta::decode(table, item).map(ScannedItem::Meta).map_err(|error| match error {
        TableError::Store(StoreError::Malformed(malformed)) => malformed,
        error => malformed(item, error),
    })
}

fn malformed(item: &Item, reason: impl ToString) -> MalformedItem {
    MalformedItem { key: describe_key(item), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
