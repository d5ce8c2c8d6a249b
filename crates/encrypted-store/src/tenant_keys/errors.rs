//! What can go wrong with a tenant's key, one type for each operation.

use blue_keys::UmkId;
use blue_store::StoreError;

use crate::{ChangeError, KeyUnavailable, Restored, Shredded, TamperedCause, WriteError};

/// Why a tenant's key was not rotated. Unless it says that this is not known, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The store's master key is a file.
    #[error("local keys are never rotated: local data is disposable")]
    Local,
    /// The tenant has no key: its first write makes one.
    #[error("{tenant} has no key to rotate: its first write makes one")]
    NoKey {
        /// Whose.
        tenant: String,
    },
    /// The newest has the highest number that there is, which no rotation gave it: somebody planted it.
    #[error("version {version} of the key of {tenant} has the highest number that there is")]
    Exhausted {
        /// Whose.
        tenant: String,
        /// Which.
        version: u32,
    },
    /// There are as many versions as one shred can erase. Retire old ones first.
    #[error("{tenant} has {count} versions of its key, and no more than that can be erased at once")]
    TooMany {
        /// Whose.
        tenant: String,
        /// How many.
        count: usize,
    },
    /// Somebody else changed the tenant's key at the same moment: rotated it, in all likelihood.
    #[error("the key of {tenant} was changed by somebody else at the same moment")]
    Raced {
        /// Whose.
        tenant: String,
    },
    /// The tenant's keys were erased.
    #[error(transparent)]
    Shredded(#[from] Shredded),
    /// The table was restored, and is not adopted.
    #[error(transparent)]
    Restored(#[from] Restored),
    /// The master key gave no key, or the fresh one was not recorded.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The keys could not be read.
    #[error("the keys of {tenant} could not be read")]
    Read {
        /// Whose.
        tenant: String,
        /// Why.
        source: StoreError,
    },
    /// The version could not be added.
    #[error("the key of {tenant} could not be added")]
    Change {
        /// Whose.
        tenant: String,
        /// Why.
        source: ChangeError,
    },
}

/// Why the records of a tenant were not all looked at. Those that were moved stay moved, and to do it again goes on from
/// there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The tenant has no key, hence no records.
    #[error("{tenant} has no key: its first write makes one")]
    NoKey {
        /// Whose.
        tenant: String,
    },
    /// The tenant's keys were erased.
    #[error(transparent)]
    Shredded(#[from] Shredded),
    /// The table was restored, and is not adopted.
    #[error(transparent)]
    Restored(#[from] Restored),
    /// The newest key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The newest key is not as it was made: its item was changed, or planted.
    #[error("the newest key of {tenant} was tampered with, or is damaged")]
    Tampered {
        /// Whose.
        tenant: String,
        /// As far as it can be said.
        source: TamperedCause,
    },
    /// The keys or records could not be read.
    #[error("the keys and records of {tenant} could not be read")]
    Read {
        /// Whose.
        tenant: String,
        /// Why.
        source: StoreError,
    },
    /// Something that would have stopped every other record too.
    #[error("the records of {tenant} could not be moved")]
    Stopped {
        /// Whose.
        tenant: String,
        /// What it was for the first record that it stopped.
        source: WriteError,
    },
}

/// Why a version of a tenant's key was not retired. Unless it says that this is not known, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetireError {
    /// There is no such version.
    #[error("{tenant} has no version {version} of its key")]
    NoVersion {
        /// Whose.
        tenant: String,
        /// Which.
        version: u32,
    },
    /// It is the newest, which seals.
    #[error("version {version} is the newest key of {tenant}, and seals its records")]
    Newest {
        /// Whose.
        tenant: String,
        /// Which.
        version: u32,
    },
    /// A record lies under it, or under a key that the tenant does not have.
    #[error("version {version} of the key of {tenant} is needed by {address}, and maybe others")]
    InUse {
        /// Whose.
        tenant: String,
        /// Which.
        version: u32,
        /// One record that lies under it.
        address: String,
    },
    /// What is to be the newest is not the key that seals: somebody planted or changed it, or rotated at this moment.
    #[error("version {version} of the key of {tenant} is not the one that seals its records")]
    Unusable {
        /// Whose.
        tenant: String,
        /// Which.
        version: u32,
    },
    /// The newest version does not unwrap.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// Something lies among the tenant's records that cannot be read as one, so that nobody knows which key it needs.
    #[error("{address} cannot be read as a record, and so may need any key")]
    Unreadable {
        /// Where.
        address: String,
    },
    /// Somebody else changed the tenant's keys at the same moment.
    #[error("the key of {tenant} was changed by somebody else at the same moment")]
    Raced {
        /// Whose.
        tenant: String,
    },
    /// The tenant's keys were erased.
    #[error(transparent)]
    Shredded(#[from] Shredded),
    /// The table was restored, and is not adopted.
    #[error(transparent)]
    Restored(#[from] Restored),
    /// The keys or records could not be read.
    #[error("the keys and records of {tenant} could not be read")]
    Read {
        /// Whose.
        tenant: String,
        /// Why.
        source: StoreError,
    },
    /// The version could not be taken away.
    #[error("the key of {tenant} could not be taken away")]
    Change {
        /// Whose.
        tenant: String,
        /// Why.
        source: ChangeError,
    },
}

/// Why a tenant was not shredded, or not all of its records deleted. To do it again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShredError {
    /// The table was restored, and is not adopted.
    #[error(transparent)]
    Restored(#[from] Restored),
    /// The keys could not be erased.
    #[error("the keys of {tenant} could not be erased")]
    Keys {
        /// Whose.
        tenant: String,
        /// Why.
        source: ChangeError,
    },
    /// Its keys were not erased, so its records are not deleted.
    #[error("{tenant} was not shredded")]
    NotShredded {
        /// Who.
        tenant: String,
    },
    /// The keys are erased, and the records could not be listed.
    #[error("the keys of {tenant} are erased, but its records could not be listed")]
    Listing {
        /// Whose.
        tenant: String,
        /// Why.
        source: StoreError,
    },
    /// The keys are erased, and a record could not be deleted.
    #[error("the keys of {tenant} are erased, but a record could not be deleted")]
    Record {
        /// Whose.
        tenant: String,
        /// Why.
        source: WriteError,
    },
}

/// Why the keys of a store were not all moved to another master key. Those that were stay moved, and to do it again goes on
/// from there; both master keys are needed until it is done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The store's master key is a file.
    #[error("local keys are never rotated: local data is disposable")]
    Local,
    /// The table was restored, and is not adopted.
    #[error(transparent)]
    Restored(#[from] Restored),
    /// The table could not be read.
    #[error("the key items could not be read")]
    Read(#[source] StoreError),
    /// A key could not be wrapped anew.
    #[error("the key {key} could not be moved to {umk_id}")]
    Key {
        /// Which, as the audit log names it.
        key: String,
        /// To which master key.
        umk_id: UmkId,
        /// Why.
        source: KeyUnavailable,
    },
    /// A key item could not be written.
    #[error("the key {key} could not be written")]
    Change {
        /// Which, as the audit log names it.
        key: String,
        /// Why.
        source: ChangeError,
    },
    /// Some keys stay under another master key, so the store's is not changed: each was told of.
    #[error("{left} keys could not be moved")]
    Left {
        /// How many.
        left: u64,
    },
    /// Others added keys under another master key, or changed META, each time.
    #[error("other processes still make keys under another master key")]
    Raced,
    /// META could not be written.
    #[error("the store's master key could not be recorded")]
    Meta(#[source] ChangeError),
}
