//! What can go wrong with the table, sorted by what the caller can do about it.

use std::error::Error;

use crate::size::MAX_ITEM_SIZE;

/// What the SDK said, kept as a cause.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// What the service answered, as a cause.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ServiceCause {
    pub(crate) code: Option<String>,
    pub(crate) text: String,
}

/// Why an operation on the store failed. Conflicts are no errors here but outcomes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The service throttled or failed until the deadline, or could not be connected to. A record was not written.
    #[error("the database did not answer {operation} ({attempts} attempts)")]
    Unavailable {
        /// The DynamoDB operation.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt met.
        source: Cause,
    },
    /// A write was sent and its answer was lost, and nothing tells any more whether it was done.
    #[error("it is not known whether {operation} was done ({attempts} attempts)")]
    OutcomeUnknown {
        /// The DynamoDB operation.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt met.
        source: Cause,
    },
    /// The credentials are missing, expired or not allowed to do this.
    #[error("the database denied {operation}")]
    Denied {
        /// The DynamoDB operation.
        operation: &'static str,
        /// What the service said.
        source: Cause,
    },
    /// There is no such table.
    #[error("there is no table {table}")]
    TableMissing {
        /// Its name.
        table: String,
    },
    /// The service refused the request as invalid.
    #[error("the database refused {operation}")]
    Refused {
        /// The DynamoDB operation.
        operation: &'static str,
        /// What the service said.
        source: Cause,
    },
    /// The table was wiped and made anew since it was opened. Open it again.
    #[error("the table {table} was made anew since it was opened")]
    Reinitialised {
        /// Its name.
        table: String,
    },
    /// A tenant whose records are there has no key any more, and no tombstone; or the audit log has none. Somebody took
    /// them away, and no other is made in their place.
    #[error("the keys of {partition} are missing, and what was written under them is there")]
    KeysMissing {
        /// The partition of the key items.
        partition: String,
    },
    /// A tenant has more keys than one transaction can take away ([`MAX_ERASED_KEYS`](crate::MAX_ERASED_KEYS)). Nothing was
    /// sent.
    #[error("{tenant} has {count} keys, and {} can be erased at once", crate::MAX_ERASED_KEYS)]
    TooManyKeys {
        /// Whose.
        tenant: String,
        /// How many.
        count: usize,
    },
    /// The item would be larger than DynamoDB allows. It was not sent.
    #[error("the item has {size} bytes with its names, DynamoDB allows {MAX_ITEM_SIZE}")]
    TooLarge {
        /// Its size in bytes, counted as DynamoDB counts.
        size: usize,
    },
    /// What lies in the table is not what this store writes.
    #[error(transparent)]
    Malformed(#[from] MalformedItem),
}

impl StoreError {
    /// The service's code, such as `AccessDeniedException`, if it was answered with one.
    #[must_use]
    pub fn service_code(&self) -> Option<&str> {
        let (Self::Unavailable { source, .. }
        | Self::OutcomeUnknown { source, .. }
        | Self::Denied { source, .. }
        | Self::Refused { source, .. }) = self
        else {
            return None;
        };
        source.downcast_ref::<ServiceCause>()?.code.as_deref()
    }
}

/// For those who learn of one failure together. The cause is kept as its text.
impl Clone for StoreError {
    fn clone(&self) -> Self {
        let text = |cause: &Cause| -> Cause {
            match cause.downcast_ref::<ServiceCause>() {
                Some(said) => Box::new(said.clone()),
                None => cause.to_string().into(),
            }
        };
        match self {
            &Self::Unavailable { operation, attempts, ref source } => {
                Self::Unavailable { operation, attempts, source: text(source) }
            }
            &Self::OutcomeUnknown { operation, attempts, ref source } => {
                Self::OutcomeUnknown { operation, attempts, source: text(source) }
            }
            &Self::Denied { operation, ref source } => Self::Denied { operation, source: text(source) },
            &Self::Refused { operation, ref source } => Self::Refused { operation, source: text(source) },
            Self::TableMissing { table } => Self::TableMissing { table: table.clone() },
            Self::Reinitialised { table } => Self::Reinitialised { table: table.clone() },
            Self::KeysMissing { partition } => Self::KeysMissing { partition: partition.clone() },
            &Self::TooManyKeys { ref tenant, count } => Self::TooManyKeys { tenant: tenant.clone(), count },
            &Self::TooLarge { size } => Self::TooLarge { size },
            Self::Malformed(item) => Self::Malformed(item.clone()),
        }
    }
}

/// An item of the table that this store cannot have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item {key} is malformed: {reason}")]
#[non_exhaustive]
pub struct MalformedItem {
    /// Its partition and sort key.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a table cannot serve as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Its keys are not `pk` and `sk`, both strings.
    #[error("the table {table} has another schema: {difference}")]
    Schema {
        /// Its name.
        table: String,
        /// How it differs.
        difference: String,
    },
    /// It deletes items on its own (time to live), which no audit log would see.
    #[error("the table {table} has time to live enabled on the attribute {attribute}")]
    TimeToLive {
        /// Its name.
        table: String,
        /// The attribute that holds the expiry.
        attribute: String,
    },
    /// It has replicas, and this process is not in the one Region that may write.
    #[error(
        "the table {table} has replicas in {}, and {}",
        replicas.join(", "),
        writer(writer_region.as_deref(), region)
    )]
    Replicated {
        /// Its name.
        table: String,
        /// The Regions of its replicas.
        replicas: Vec<String>,
        /// The configured writing Region.
        writer_region: Option<String>,
        /// The Region this process talks to.
        region: String,
    },
    /// It holds items but none that says it is a store of ours.
    #[error("the table {table} is not empty and is no store: it has no META item")]
    NotOurs {
        /// Its name.
        table: String,
    },
    /// It was made by a version that lays its items out otherwise.
    #[error("the table {table} has layout {found}, this version knows {}", crate::meta::SCHEMA_VERSION)]
    Layout {
        /// Its name.
        table: String,
        /// The layout recorded in it.
        found: i64,
    },
    /// It belongs to another namespace.
    #[error("the table {table} holds the namespace {found}, not {configured}")]
    Namespace {
        /// Its name.
        table: String,
        /// The namespace recorded in it.
        found: String,
        /// The namespace configured.
        configured: String,
    },
    /// It was created, or is being deleted, and did not settle in time.
    #[error("the table {table} is still {status}")]
    NotActive {
        /// Its name.
        table: String,
        /// The status DynamoDB gives.
        status: String,
    },
    /// The table could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn writer(writer_region: Option<&str>, region: &str) -> String {
    match writer_region {
        None => "no writing Region is configured".to_owned(),
        Some(writer) => format!("the writing Region is {writer}, not {region}"),
    }
}
