//! Records: read consistently, written conditionally, listed page by page.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::TransactWriteItem};
use blue_address::{Collection, Kind, RecordPath, Tenant};
use uuid::Uuid;

use crate::{
    MalformedItem, Put, RecordWrite, Revision, StoreError, StoredRecord, Table,
    calls::{Answered, Deadline, GaveUp, call, failed_condition},
    directory::Listed,
    item::{self, Item, trace},
    outcome::{Resolution, resolve},
    query::{Query, Range},
    write,
};

/// How long a request token counts as remembered. DynamoDB keeps it for ten minutes.
const TOKEN_LIFE: Duration = Duration::from_secs(9 * 60);

/// The records, key items, directory and audit segments of one initialised table.
#[derive(Debug)]
pub struct Store {
    pub(crate) table: Table,
    /// When the store was initialised: tells it from one made anew in the same table.
    pub(crate) created: i64,
    pub(crate) listed: Mutex<Listed>,
}

/// An item as it stands in the table at this moment.
#[derive(Debug, Clone)]
pub struct Current {
    asked: RecordPath,
    item: Item,
}

impl Current {
    pub(crate) fn found(asked: &RecordPath, item: Option<Item>) -> Option<Self> {
        item.map(|item| Self { asked: asked.clone(), item })
    }

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
        Ok(Current::found(path, item))
    }

    /// Writes one record if what it expects is there.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] before anything is sent; [`StoreError::OutcomeUnknown`] if it cannot be told
    /// whether it was written; else [`StoreError`].
    ///
    /// # Panics
    /// If the envelope is shorter than [`WRITE_ID_LEN`](crate::WRITE_ID_LEN).
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
        let asked = write.path.clone();
        let (item, condition) = write::encode(write, Put::Create)?;
        match self.transact(self.table.transact_put(item.clone(), condition), deadline).await? {
            Transacted::Done => Ok(PutOutcome::Done),
            Transacted::ConditionFailed(Some(found)) if trace(&found).write_id == trace(&item).write_id => {
                Ok(PutOutcome::Done)
            }
            Transacted::ConditionFailed(found) => Ok(PutOutcome::Conflict(Current::found(&asked, found))),
        }
    }

    /// A lost answer is resolved by what stands in the table after it.
    async fn replace(
        &self,
        write: RecordWrite,
        expected: &Revision,
        deadline: Deadline,
    ) -> Result<PutOutcome, StoreError> {
        let asked = write.path.clone();
        let (item, condition) = write::encode(write, Put::Replace(expected))?;
        let request = self.table.put_item(item.clone(), condition);
        let put = call("PutItem", &self.table, deadline, || request.clone().send()).await;
        let Answered { answer, sent } = put.map_err(GaveUp::of_write)?;
        let found = match answer {
            Ok(_) => return Ok(PutOutcome::Done),
            Err(PutItemError::ConditionalCheckFailedException(failed)) => failed.item,
            Err(error) => return Err(sent.write_failed(&self.table.name, error)),
        };
        let resolution =
            if sent.unanswered_before { resolve(&item, found.as_ref()) } else { Resolution::Theirs };
        match resolution {
            Resolution::Ours => Ok(PutOutcome::Done),
            Resolution::Theirs => Ok(PutOutcome::Conflict(Current::found(&asked, found))),
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
        let delete = self.table.transact_delete(item::record_key(path), expected.condition());
        match self.transact(delete, deadline).await? {
            Transacted::Done => Ok(DeleteOutcome::Done),
            Transacted::ConditionFailed(found) => Ok(DeleteOutcome::Conflict(Current::found(path, found))),
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
        let transacted = call("TransactWriteItems", &self.table, deadline, || request.clone().send()).await;
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
        let partition = item::partition(tenant, collection);
        let prefix = kind.map(|kind| format!("{kind}#"));
        let query = Query {
            range: prefix.as_deref().map_or(Range::All, Range::StartingWith),
            from: from.map(|cursor| cursor.0.as_str()),
            limit: Some(limit),
            ..Query::of(&partition)
        };
        let (items, next) = self.table.query(query, deadline).await?;
        let here = |path: &RecordPath| {
            path.tenant == *tenant
                && path.collection == *collection
                && kind.is_none_or(|kind| path.kind == *kind)
        };
        let records = items.into_iter().map(|item| item::decode_if(item, here)).collect();
        Ok(Page { records, next: next.map(Cursor) })
    }
}
