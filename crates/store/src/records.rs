//! Records: read consistently, written conditionally, listed page by page; and the directory of where they are.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, Delete, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use blue_address::{Collection, ItemAttributes, Kind, RecordPath, Tenant};
use uuid::Uuid;

use crate::{
    MalformedItem, Revision, StoreError, StoredRecord, SystemAttributes, Table,
    calls::{Answered, Deadline, GaveUp, ask, call, failed_condition},
    item::{self, Condition, Item, PK, SK, WRITE_ID_LEN},
    outcome::{Ours, Resolution, resolve},
};

/// How many directory entries a process remembers to have written. Beyond that it forgets and writes some again.
const REMEMBERED_ENTRIES: usize = 100_000;

/// How long a request token counts as remembered. DynamoDB keeps it for ten minutes.
const TOKEN_LIFE: Duration = Duration::from_secs(9 * 60);

/// The records, key items and directory of one initialised table.
#[derive(Debug)]
pub struct Store {
    pub(crate) table: Table,
    /// When the store was initialised: tells it from one made anew in the same table.
    pub(crate) created: i64,
    listed: Mutex<HashSet<(Tenant, Collection)>>,
}

/// An item as it stands in the table at this moment.
#[derive(Debug, Clone)]
pub struct Current {
    asked: RecordPath,
    item: Item,
}

impl Current {
    /// The state that a conditional write may name as what it expects.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision::of_item(&self.item)
    }

    /// The record.
    ///
    /// # Errors
    /// [`MalformedItem`] if this store cannot have written it, or if it is not the one that was asked for: a
    /// record that is authentic where it lies must not be taken for another.
    pub fn into_record(self) -> Result<StoredRecord, MalformedItem> {
        let Self { asked, item } = self;
        item::decode_if(item, |path| *path == asked)
    }
}

/// A record to be written.
#[derive(Debug, Clone)]
pub struct RecordWrite {
    /// Where to.
    pub path: RecordPath,
    /// Its new version.
    pub version: u64,
    /// Its sealed content, at least [`WRITE_ID_LEN`] bytes.
    pub envelope: Vec<u8>,
    /// All its cleartext attributes, [`SystemAttributes`] among them.
    pub attributes: ItemAttributes,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy)]
pub enum Put<'a> {
    /// No record at that address.
    Create,
    /// The record in exactly this state.
    Replace(&'a Revision),
}

/// How a put ended. After a conflict nothing was written.
#[derive(Debug)]
pub enum PutOutcome {
    /// The record is written.
    Done,
    /// Something else was there: this, or (to a Replace) nothing.
    Conflict(Option<Current>),
}

/// How a delete ended. After a conflict nothing was deleted.
#[derive(Debug)]
pub enum DeleteOutcome {
    /// The record is deleted.
    Done,
    /// Something else was there: this, or nothing.
    Conflict(Option<Current>),
}

enum Transacted {
    Done,
    ConditionFailed(Option<Item>),
}

/// Where the next page of a listing begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

/// Some of a listing's records, ascending by the bytes of kind and id.
#[derive(Debug)]
pub struct Page {
    /// One entry for each item, also for one that cannot be read.
    pub records: Vec<Result<StoredRecord, MalformedItem>>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Store {
    pub(crate) fn new(table: Table, created: i64) -> Self {
        Self { table, created, listed: Mutex::default() }
    }

    /// The table it lies in.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Reads one record, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, path: &RecordPath, deadline: Deadline) -> Result<Option<Current>, StoreError> {
        let item = self.table.read_item(item::record_key(path), deadline).await?;
        Ok(item.map(|item| Current { asked: path.clone(), item }))
    }

    /// Writes one record if what it expects is there.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] before anything is sent; [`StoreError::OutcomeUnknown`] if it cannot be told
    /// whether it was written; else [`StoreError`].
    ///
    /// # Panics
    /// If the envelope is shorter than [`WRITE_ID_LEN`].
    pub async fn put(
        &self,
        write: RecordWrite,
        put: Put<'_>,
        deadline: Deadline,
    ) -> Result<PutOutcome, StoreError> {
        match put {
            Put::Create => self.create(write, deadline).await,
            Put::Replace(expected) => self.replace(write, expected, deadline).await,
        }
    }

    /// A record that is there may be our own first attempt's work, replaced since; one that is absent may be our own,
    /// deleted since. So this is a transaction of one item, whose token lets DynamoDB recognise a repeated request.
    async fn create(&self, write: RecordWrite, deadline: Deadline) -> Result<PutOutcome, StoreError> {
        let RecordWrite { path, version, envelope, attributes } = write;
        let write_id: [u8; WRITE_ID_LEN] =
            *envelope.first_chunk().expect("an envelope is longer than its write id");
        let asked = path.clone();
        let condition = Condition::absent();
        let put = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item::encode(StoredRecord { path, version, envelope, attributes })?))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .expect("table and item are set");
        match self.transact(TransactWriteItem::builder().put(put).build(), deadline).await? {
            Transacted::Done => Ok(PutOutcome::Done),
            Transacted::ConditionFailed(Some(item)) if item::trace(&item).write_id == Some(&write_id) => {
                Ok(PutOutcome::Done)
            }
            Transacted::ConditionFailed(item) => {
                Ok(PutOutcome::Conflict(item.map(|item| Current { asked, item })))
            }
        }
    }

    /// A lost answer is resolved by what stands in the table after it.
    async fn replace(
        &self,
        write: RecordWrite,
        expected: &Revision,
        deadline: Deadline,
    ) -> Result<PutOutcome, StoreError> {
        let RecordWrite { path, version, envelope, attributes } = write;
        let write_id: [u8; WRITE_ID_LEN] =
            *envelope.first_chunk().expect("an envelope is longer than its write id");
        let created = SystemAttributes::of(&attributes).map_or(i64::MIN, |system| system.created);
        let asked = path.clone();
        let condition = expected.condition();
        let request = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item::encode(StoredRecord { path, version, envelope, attributes })?))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(condition.values())
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld);
        let put = call("PutItem", deadline, || request.clone().send()).await;
        let Answered { answer, sent } = put.map_err(GaveUp::of_write)?;
        let found = match answer {
            Ok(_) => return Ok(PutOutcome::Done),
            Err(PutItemError::ConditionalCheckFailedException(failed)) => failed.item,
            Err(error) => return Err(sent.write_failed(&self.table.name, error)),
        };
        let resolution = if sent.unanswered_before {
            resolve(&Ours { write_id: &write_id, version, created }, found.as_ref())
        } else {
            Resolution::Theirs
        };
        match resolution {
            Resolution::Ours => Ok(PutOutcome::Done),
            Resolution::Theirs => Ok(PutOutcome::Conflict(found.map(|item| Current { asked, item }))),
            Resolution::Unknown => {
                Err(sent.unknown("the record was changed again before its state could be compared"))
            }
        }
    }

    /// Deletes one record if it is in exactly this state. An absent record does not tell who deleted it, so this is
    /// a transaction of one item as creating is.
    ///
    /// # Errors
    /// [`StoreError::OutcomeUnknown`] if no answer came; else [`StoreError`].
    pub async fn delete(
        &self,
        path: &RecordPath,
        expected: &Revision,
        deadline: Deadline,
    ) -> Result<DeleteOutcome, StoreError> {
        let condition = expected.condition();
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(item::record_key(path)))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(condition.values())
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .expect("table and key are set");
        match self.transact(TransactWriteItem::builder().delete(delete).build(), deadline).await? {
            Transacted::Done => Ok(DeleteOutcome::Done),
            Transacted::ConditionFailed(item) => {
                Ok(DeleteOutcome::Conflict(item.map(|item| Current { asked: path.clone(), item })))
            }
        }
    }

    /// A transaction of one item. Repeated under its token it is not carried out twice, and succeeds if it did at
    /// first, as long as DynamoDB remembers the token.
    async fn transact(&self, item: TransactWriteItem, deadline: Deadline) -> Result<Transacted, StoreError> {
        let request = self
            .table
            .client
            .transact_write_items()
            .client_request_token(Uuid::new_v4().to_string())
            .transact_items(item);
        // By the clock on the wall: the one that deadlines go by may stand still while a machine sleeps.
        let started = SystemTime::now();
        let transacted = call("TransactWriteItems", deadline, || request.clone().send()).await;
        let Answered { answer, sent } = transacted.map_err(GaveUp::of_write)?;
        let error = match answer {
            Ok(_) => return Ok(Transacted::Done),
            Err(error) => error,
        };
        let Some((_, reason)) = failed_condition(&error) else {
            return Err(sent.write_failed(&self.table.name, error));
        };
        let remembered = started.elapsed().is_ok_and(|elapsed| elapsed < TOKEN_LIFE);
        if remembered || !sent.unanswered_before {
            return Ok(Transacted::ConditionFailed(reason.item.clone()));
        }
        Err(sent.unknown("it was repeated too late for the database to remember it"))
    }

    /// Some records of a collection, of one kind or of all, strongly consistent: at most `limit`, and at most
    /// 1 MB, after `from`.
    ///
    /// # Errors
    /// [`StoreError`]. A record that cannot be read is an entry of the page, not an error.
    pub async fn list(
        &self,
        tenant: &Tenant,
        collection: &Collection,
        kind: Option<&Kind>,
        from: Option<&Cursor>,
        limit: i32,
        deadline: Deadline,
    ) -> Result<Page, StoreError> {
        let prefix = kind.map(|kind| format!("{kind}#"));
        let partition = item::partition(tenant, collection);
        let (items, next) = self.query(partition, prefix.as_deref(), from, Some(limit), deadline).await?;
        let here = |path: &RecordPath| {
            path.tenant == *tenant
                && path.collection == *collection
                && kind.is_none_or(|kind| path.kind == *kind)
        };
        Ok(Page { records: items.into_iter().map(|item| item::decode_if(item, here)).collect(), next })
    }

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
        self.table.write_once(item::key("T", tenant.as_str()), deadline).await?;
        self.table.write_once(item::key(format!("C#{tenant}"), collection.as_str()), deadline).await?;
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
        self.directory("T".to_owned(), Tenant::new, deadline).await
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
        self.directory(format!("C#{tenant}"), Collection::new, deadline).await
    }

    async fn directory<T>(
        &self,
        partition: String,
        name: impl Fn(String) -> Result<T, blue_address::NameError>,
        deadline: Deadline,
    ) -> Result<Vec<T>, StoreError> {
        let mut names = Vec::new();
        for item in self.query_all(partition, deadline).await? {
            let malformed = |reason: String| MalformedItem { key: item::describe_key(&item), reason };
            let Some(AttributeValue::S(sk)) = item.get(SK) else {
                return Err(malformed("its sort key is no string".to_owned()).into());
            };
            names.push(name(sk.clone()).map_err(|error| malformed(error.to_string()))?);
        }
        Ok(names)
    }

    pub(crate) async fn query_all(
        &self,
        partition: String,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        let mut all = Vec::new();
        let mut from = None;
        loop {
            let (items, next) = self.query(partition.clone(), None, from.as_ref(), None, deadline).await?;
            all.extend(items);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(all),
            }
        }
    }

    async fn query(
        &self,
        partition: String,
        prefix: Option<&str>,
        from: Option<&Cursor>,
        limit: Option<i32>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<Cursor>), StoreError> {
        let mut names = HashMap::from([("#pk".to_owned(), PK.to_owned())]);
        let mut values = HashMap::from([(":pk".to_owned(), AttributeValue::S(partition.clone()))]);
        let mut condition = "#pk = :pk".to_owned();
        if let Some(prefix) = prefix {
            names.insert("#sk".to_owned(), SK.to_owned());
            values.insert(":sk".to_owned(), AttributeValue::S(prefix.to_owned()));
            condition.push_str(" AND begins_with(#sk, :sk)");
        }
        let request = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .set_exclusive_start_key(from.map(|cursor| item::key(partition, &cursor.0)))
            .set_limit(limit)
            .consistent_read(true);
        let answer = ask("Query", &self.table.name, deadline, || request.clone().send()).await?;
        let next = match answer.last_evaluated_key.as_ref().and_then(|key| key.get(SK)) {
            Some(AttributeValue::S(sk)) => Some(Cursor(sk.clone())),
            _ => None,
        };
        Ok((answer.items.unwrap_or_default(), next))
    }
}
