//! A restored table becomes the store: what was shredded after its backup is shredded again, and META takes its id.

use crate::{
    AuditUnavailable, Builder, EncryptedStore, OpenError, Restored, Unanswered, WriteError,
    audit::{Caller, Unrecorded},
    telemetry::{Operation, Subject},
    tenant_keys::{Erased, NotErased},
};
use blue_address::{Chain, Namespace, Tenant};
use blue_audit::{AppendError, Checkpoint, Report, Verdict, VerifyError};
use blue_store::{Meta, StoreError};

/// What is known beside the table when it is adopted.
#[derive(Debug, Clone, Default)]
pub struct Adoption {
    /// The last checkpoint of the table that it was restored from.
    pub checkpoint: Option<Checkpoint>,
    /// Do without one. Then nobody knows which tenants were shredded after the backup: their keys and records are back.
    pub without_checkpoint: bool,
    /// Take the checkpoint though it is of another table than this was restored from: of one that was restored from the same
    /// before, say, and had tenants shredded since.
    pub any_table: bool,
    /// Adopt a table whose audit log was tampered with or, as in a backup that is not of one moment, has holes.
    pub despite_findings: bool,
}

/// What an adoption did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Adopted {
    /// The table, as it was.
    pub restored: Restored,
    /// The tenants whose keys were there again and were erased.
    pub shredded: Vec<Tenant>,
    /// How many records of shredded tenants were deleted.
    pub records: u64,
    /// How many items among them are no records, and were left.
    pub left: u64,
    /// The chains that end before the checkpoint knows them to: what they tell of after the backup is only in the table that
    /// it was restored from, if that is still there.
    pub behind: Vec<Behind>,
    /// What the verification of the log found before.
    pub report: Report,
}

/// A chain of a restored table that ends before the checkpoint knows it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Which chain.
    pub chain: Chain,
    /// The sequence that comes next in the restored table.
    pub next: u64,
    /// The sequence that came next when the checkpoint was made.
    pub known: u64,
}

/// Why a table was not adopted. What was done until then stays done, and to adopt it again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is the table that was made a store, or was adopted before. There is nothing to do.
    #[error("the table {table} is the one that META knows: there is nothing to adopt")]
    NotRestored {
        /// Its name.
        table: String,
    },
    /// There is no checkpoint, and nobody said to do without one.
    #[error("there is no checkpoint that says which tenants were shredded after the backup")]
    NoCheckpoint,
    /// The checkpoint is of another store.
    #[error("the checkpoint is of the namespace {found}, the table of {namespace}")]
    OtherNamespace {
        /// The table's.
        namespace: Namespace,
        /// The checkpoint's.
        found: Namespace,
    },
    /// The checkpoint is of another table than the one that this was restored from.
    #[error(
        "the checkpoint is of the table with the id {}, but this one was restored from {}",
        found.as_deref().unwrap_or("(none)"),
        recorded.as_deref().unwrap_or("(none)")
    )]
    OtherTable {
        /// The id that META has.
        recorded: Option<String>,
        /// The id that the checkpoint has.
        found: Option<String>,
    },
    /// The audit log in it is not sound, and nothing was done.
    #[error("the audit log of the restored table is not sound, but {}", .0.verdict())]
    Findings(Box<Report>),
    /// The audit log in it could not be read.
    #[error("the audit log of the restored table could not be verified")]
    Verify(#[from] VerifyError),
    /// The keys of a tenant could not be erased.
    #[error("the keys of {tenant} could not be erased")]
    Keys {
        /// Whose.
        tenant: Tenant,
        /// Why.
        source: ChangeError,
    },
    /// A shredded tenant's records could not be found.
    #[error("the records of {tenant} could not be listed")]
    Listing {
        /// Whose.
        tenant: Tenant,
        /// Why.
        source: StoreError,
    },
    /// A shredded tenant's record could not be deleted.
    #[error("a record of {tenant} could not be deleted")]
    Record {
        /// Whose.
        tenant: Tenant,
        /// Why.
        source: WriteError,
    },
    /// META was changed by somebody else.
    #[error("META was changed meanwhile: look who else adopts the table {table}")]
    Raced {
        /// The table's name.
        table: String,
    },
    /// META could not be written.
    #[error("the table's id could not be recorded")]
    Meta(#[source] ChangeError),
}

/// Why something was not changed together with its event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The table.
    #[error(transparent)]
    Store(StoreError),
    /// The audit log.
    #[error(transparent)]
    Audit(AuditUnavailable),
    /// Its answer was lost, and it is not known whether it was done. To do it again finds out.
    #[error("it is not known whether it was done")]
    Unknown(#[source] Unanswered),
}

impl From<Unrecorded> for ChangeError {
    fn from(error: Unrecorded) -> Self {
        match error {
            Unrecorded::Store(error @ StoreError::OutcomeUnknown { .. }) => Self::Unknown(error.into()),
            Unrecorded::Store(error) => Self::Store(error),
            Unrecorded::Audit(error @ AppendError::OutcomeUnknown { .. }) => Self::Unknown(error.into()),
            Unrecorded::Audit(error) => Self::Audit(error.into()),
        }
    }
}

impl Builder {
    /// Makes a table that was restored from a backup the store: it can be written from then on, by whoever opens it.
    ///
    /// First the audit log in it is verified. Then every tenant that the checkpoint says was shredded is shredded again:
    /// its keys are erased, and its records deleted. At last META takes the table's id, together with an event `adopt`.
    /// All of it is recorded in the chain `main`. Nobody should write the table that it was restored from any more.
    ///
    /// # Errors
    /// [`AdoptError`]. What was done until then stays done; to adopt it again goes on from there.
    pub async fn adopt(self, adoption: Adoption) -> Result<Adopted, AdoptError> {
        let telemetry = self.telemetry();
        let watched = telemetry.begin(Operation::Adopt, Subject::Store, &Caller::default());
        watched.watch(self.adopt_found(adoption)).await
    }

    async fn adopt_found(self, adoption: Adoption) -> Result<Adopted, AdoptError> {
        let Adoption { checkpoint, without_checkpoint, any_table, despite_findings } = adoption;
        let found = self.find(false, false).await?;
        let name = found.store.table().name().to_owned();
        let restored = found.restored().ok_or(AdoptError::NotRestored { table: name.clone() })?;
        match &checkpoint {
            Some(checkpoint) => is_of(checkpoint, &found.namespace, &restored, any_table)?,
            None if without_checkpoint => {}
            None => return Err(AdoptError::NoCheckpoint),
        }
        let log = found.audit_log().await?;
        let report = log.verify(&log.options()).await?;
        if report.verdict() == Verdict::Tampered && !despite_findings {
            return Err(AdoptError::Findings(Box::new(report)));
        }
        let meta = found.meta.clone();
        let store = Box::pin(found.open_to_adopt()).await?;

        // Of those, too, that the backup's own log tells of: it need not be of one moment.
        let mut to_shred = report.shredded.clone();
        to_shred.extend(checkpoint.iter().flat_map(|checkpoint| checkpoint.shredded().clone()));
        let (mut shredded, mut erased) = (Vec::new(), Erased::default());
        for (tenant, time) in &to_shred {
            let inner = &store.inner;
            let deadline = inner.deadlines.start();
            let keys =
                inner.trail.erase_keys(&Caller::default(), &meta.umk_id, tenant, *time, deadline).await;
            if keys.map_err(|error| AdoptError::Keys { tenant: tenant.clone(), source: error.into() })? {
                shredded.push(tenant.clone());
            }
            let Erased { records, left } = inner
                .erase_records(&Caller::default(), tenant)
                .await
                .map_err(|error| not_erased(tenant, error))?;
            erased.records += records;
            erased.left += left;
        }
        store.take_id(&meta, &restored).await?;
        let of_it =
            checkpoint.iter().filter(|checkpoint| checkpoint.table_id() == restored.recorded.as_deref());
        let behind = of_it.flat_map(|checkpoint| behind(checkpoint, &report)).collect();
        let Erased { records, left } = erased;
        Ok(Adopted { restored, shredded, records, left, behind, report })
    }
}

fn not_erased(tenant: &Tenant, error: NotErased) -> AdoptError {
    let tenant = tenant.clone();
    match error {
        NotErased::Listing(source) => AdoptError::Listing { tenant, source },
        NotErased::Record(source) => AdoptError::Record { tenant, source },
    }
}

fn is_of(
    checkpoint: &Checkpoint,
    namespace: &Namespace,
    restored: &Restored,
    any_table: bool,
) -> Result<(), AdoptError> {
    if checkpoint.namespace() != namespace {
        let (namespace, found) = (namespace.clone(), checkpoint.namespace().clone());
        return Err(AdoptError::OtherNamespace { namespace, found });
    }
    let (recorded, found) = (restored.recorded.clone(), checkpoint.table_id().map(str::to_owned));
    if any_table || recorded == found { Ok(()) } else { Err(AdoptError::OtherTable { recorded, found }) }
}

fn behind(checkpoint: &Checkpoint, report: &Report) -> Vec<Behind> {
    let next =
        |chain: &Chain| report.chains.iter().find(|read| read.chain == *chain).map_or(0, |read| read.next);
    let chains = checkpoint.chains().iter();
    let all =
        chains.map(|(chain, head)| Behind { chain: chain.clone(), next: next(chain), known: head.next });
    all.filter(|chain| chain.next < chain.known).collect()
}

impl EncryptedStore {
    async fn take_id(&self, meta: &Meta, restored: &Restored) -> Result<(), AdoptError> {
        let deadline = self.inner.deadlines.start();
        let adopted = self.inner.trail.adopt(meta, restored.found.as_deref(), deadline).await;
        if adopted.map_err(|error| AdoptError::Meta(error.into()))? {
            Ok(())
        } else {
            Err(AdoptError::Raced { table: restored.table.clone() })
        }
    }
}
