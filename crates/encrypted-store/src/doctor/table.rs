//! The table, and what it says of itself.

use std::sync::Arc;

use blue_address::Namespace;
use blue_keys::UmkId;
use blue_store::{Inspected, Meta, Store, StoreError, Table, TableError};

use super::{
    Examination, Finding, Subject,
    keys::{Found, Provider},
    reach::Reached,
};
use crate::Restored;

/// What the rest of the examination needs of the table.
#[derive(Default)]
pub(super) struct Inside {
    /// Whether nothing depends on any key yet, since the table is missing or empty.
    pub(super) is_new: bool,
    /// What it says of itself, if it is the store that is configured.
    pub(super) meta: Option<Meta>,
    /// The store in it, if so.
    pub(super) store: Option<Arc<Store>>,
}

pub(super) async fn examine(
    found: &mut Examination,
    reached: Option<Reached>,
    keys: &Found,
    namespace: &Namespace,
) -> Inside {
    let Some(Reached { table, described }) = reached else {
        // The table itself was passed over already.
        return skip(found);
    };
    let inspected = match described {
        Ok(Some(inspected)) => inspected,
        Ok(None) => {
            let missing = StoreError::TableMissing { table: table.name().to_owned() };
            found.note(Subject::Table, Finding::TableUnfit(missing.into()));
            return Inside { is_new: true, ..skip(found) };
        }
        Err(error) => {
            found.note(Subject::Table, Finding::TableUnfit(error.into()));
            return skip(found);
        }
    };
    let Inspected { description, status, shape, replicas, writer, deletion_protection, .. } = inspected;
    let is_local = description.is_dynamodb_local();
    let shape = shape.and_then(|()| match status.as_str() {
        "active" | "updating" => Ok(()),
        // Archived, or encrypted under a key that DynamoDB cannot use any more.
        _ => Err(TableError::NotActive { table: table.name().to_owned(), status }),
    });
    let is_fit = shape.is_ok();
    found.note(
        Subject::Table,
        match shape {
            Ok(()) => Finding::Table { arn: description.arn.clone(), is_local },
            Err(error) => Finding::TableUnfit(error),
        },
    );
    let time_to_live = table.check_time_to_live().await;
    found
        .note(Subject::TimeToLive, time_to_live.map_or_else(Finding::TimeToLive, |()| Finding::NoTimeToLive));
    found.note(Subject::Recovery, recovery(&table, is_local).await);
    found.note(
        Subject::DeletionProtection,
        match deletion_protection {
            true => Finding::DeletionProtected,
            false if is_local => Finding::NotInDynamoDbLocal,
            false => Finding::NotDeletionProtected,
        },
    );
    found.note(
        Subject::Replicas,
        match writer {
            Err(error) => Finding::Replicated(error),
            Ok(()) if replicas.is_empty() => Finding::NoReplicas,
            Ok(()) => Finding::Replicas { replicas },
        },
    );
    if !is_fit {
        found.note(Subject::Meta, Finding::Skipped { because: Subject::Table });
        return Inside::default();
    }
    meta(found, table, keys, namespace, description.table_id).await
}

fn skip(found: &mut Examination) -> Inside {
    let because = match found.of(Subject::Table) {
        Some(Finding::Skipped { because }) => *because,
        _ => Subject::Table,
    };
    let subjects = [
        Subject::TimeToLive,
        Subject::Recovery,
        Subject::DeletionProtection,
        Subject::Replicas,
        Subject::Meta,
    ];
    for subject in subjects {
        found.note(subject, Finding::Skipped { because });
    }
    Inside::default()
}

async fn recovery(table: &Table, is_local: bool) -> Finding {
    if is_local {
        return Finding::NotInDynamoDbLocal;
    }
    match table.point_in_time().await {
        Ok(Some((from, to))) => Finding::Recovery { from, to },
        Ok(None) => Finding::NoRecovery,
        Err(error) => Finding::RecoveryUnknown(error),
    }
}

async fn meta(
    found: &mut Examination,
    table: Table,
    keys: &Found,
    namespace: &Namespace,
    table_id: Option<String>,
) -> Inside {
    let meta = match read(&table).await {
        Ok(Some(meta)) => meta,
        Ok(None) => {
            found.note(Subject::Meta, Finding::NotYetAStore);
            return Inside { is_new: true, ..Inside::default() };
        }
        Err(error) => {
            found.note(Subject::Meta, Finding::NotThisStore(error));
            return Inside::default();
        }
    };
    if let Err(error) = table.check_namespace(&meta, namespace) {
        // Of a store that is not ours, the key is not ours either.
        found.note(Subject::Meta, Finding::NotThisStore(error));
        return Inside::default();
    }
    let name = table.name().to_owned();
    let finding = if meta.table_id == table_id {
        under_its_key(&name, &meta, keys)
    } else {
        let recorded = meta.table_id.clone();
        Finding::Restored(Restored { table: name, recorded, found: table_id })
    };
    found.note(Subject::Meta, finding);
    // Its namespace was just compared.
    let store = table.open(&meta, namespace).ok().map(Arc::new);
    Inside { is_new: false, meta: Some(meta), store }
}

/// `None` if the table is empty.
async fn read(table: &Table) -> Result<Option<Meta>, TableError> {
    if let Some(meta) = table.read_meta().await? {
        return Ok(Some(meta));
    }
    // Another process may have made it a store between the two looks: META is its first item.
    if table.is_empty().await? {
        return Ok(None);
    }
    match table.read_meta().await? {
        Some(meta) => Ok(Some(meta)),
        None => Err(TableError::NotOurs { table: table.name().to_owned() }),
    }
}

/// The key that META names, held against the configured one.
fn under_its_key(table: &str, meta: &Meta, keys: &Found) -> Finding {
    let recorded = UmkId::new(&meta.umk_id);
    let Ok(Provider::Key(key)) = keys else { return Finding::Meta { umk_id: recorded, compared: false } };
    let configured = key.provider().umk_id().clone();
    match key.check(table, meta) {
        Err(error) => Finding::OtherKey(error),
        Ok(()) if recorded == configured || are_replicas(&recorded, &configured) => {
            Finding::Meta { umk_id: recorded, compared: true }
        }
        Ok(()) => Finding::UnderPreviousKey { recorded, configured },
    }
}

/// Whether they name one multi-Region key of KMS in two Regions.
fn are_replicas(one: &UmkId, other: &UmkId) -> bool {
    let id = |umk_id: &UmkId| umk_id.as_str().rsplit('/').next().map(str::to_owned);
    let (one, other) = (id(one), id(other));
    one == other && one.is_some_and(|id| id.starts_with("mrk-"))
}
