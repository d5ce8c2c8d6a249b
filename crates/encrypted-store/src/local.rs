//! Starting a local database over after its key was lost.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use blue_address::Namespace;
use blue_keys::{KeyProvider, LocalFile, LocalFileError};
use blue_store::{StoreError, Table, TableError};

use crate::{OpenError, builder::initial_meta, keks::now_micros};

/// Why a database is not reset. Nothing was changed, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The key is not in a file; other keys outlive a table and are not made anew.
    #[error("only a database whose key is a local file can be reset")]
    NotLocalKey,
    /// The table is not one of DynamoDB Local, whatever the endpoint.
    #[error("the table {arn} is not one of DynamoDB Local, and is not wiped")]
    NotLocalTable {
        /// Its ARN.
        arn: String,
    },
    /// The table could not be reached.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The table is wiped, and another process made it a store again, under another key, before this one could.
    #[error("the table {table} is wiped, but another process took it over under another key; stop it first")]
    Overtaken {
        /// Its name.
        table: String,
    },
    /// The old key file could not be put aside. If it is a key file at all, the table is wiped already.
    #[error("the old key file {} could not be moved", path.display())]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<TableError> for ResetError {
    fn from(error: TableError) -> Self {
        Self::Open(error.into())
    }
}

impl From<StoreError> for ResetError {
    fn from(error: StoreError) -> Self {
        Self::Open(TableError::from(error).into())
    }
}

impl From<LocalFileError> for ResetError {
    fn from(error: LocalFileError) -> Self {
        Self::Open(error.into())
    }
}

/// A local database that may be wiped: its key is a file, and its table is there and one of DynamoDB Local.
/// Nothing is changed before [`LocalReset::wipe`].
#[derive(Debug)]
pub struct LocalReset {
    table: Table,
    namespace: Namespace,
    key_path: PathBuf,
}

/// What a reset did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResetReport {
    /// Where the file that was in the key's place is now, if there was one.
    pub old_key: Option<PathBuf>,
    /// The fresh key file.
    pub new_key: PathBuf,
}

impl LocalReset {
    pub(crate) async fn prepare(
        table: Table,
        namespace: Namespace,
        key_path: PathBuf,
    ) -> Result<Self, ResetError> {
        let reset = Self { table, namespace, key_path };
        reset.check().await?;
        Ok(reset)
    }

    /// The table that would be wiped.
    #[must_use]
    pub fn table(&self) -> &str {
        self.table.name()
    }

    /// The key file that would be made anew.
    #[must_use]
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// Deletes the table with everything in it, makes a fresh key and an empty store. A file that is in the
    /// key's place is kept beside it under another name, since it may belong to another database.
    ///
    /// # Errors
    /// [`ResetError`]. If the table was deleted already, [`crate::Builder::init`] completes what is missing.
    pub async fn wipe(self) -> Result<ResetReport, ResetError> {
        self.check().await?;
        // Whatever ends this half-way, `init` goes on with a missing table and a usable key, and a reset with a table
        // and no key. With a missing table and a damaged key neither would: that file goes first.
        let damaged = match LocalFile::open(&self.key_path) {
            Err(LocalFileError::Malformed { .. }) => self.put_old_key_aside()?,
            _ => None,
        };
        self.table.delete().await?;
        let old_key = match damaged {
            Some(aside) => Some(aside),
            None => self.put_old_key_aside()?,
        };
        let key = LocalFile::create(&self.key_path)?;
        self.table.create().await?;
        let table_id = self.table.describe().await?.and_then(|description| description.table_id);
        let meta = self.table.initialise(&initial_meta(&self.namespace, key.umk_id(), table_id)).await?;
        self.table.check_namespace(&meta, &self.namespace)?;
        if meta.umk_id != key.umk_id().as_str() {
            return Err(ResetError::Overtaken { table: self.table.name().to_owned() });
        }
        Ok(ResetReport { old_key, new_key: self.key_path })
    }

    async fn check(&self) -> Result<(), ResetError> {
        match self.table.describe().await? {
            // Nothing says where it would be made, and `init` makes it without wiping anything.
            None => Err(StoreError::TableMissing { table: self.table.name().to_owned() }.into()),
            Some(description) if !description.is_dynamodb_local() => {
                Err(ResetError::NotLocalTable { arn: description.arn })
            }
            Some(_) => Ok(()),
        }
    }

    fn put_old_key_aside(&self) -> Result<Option<PathBuf>, ResetError> {
        if self.key_path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let mut aside = self.key_path.clone().into_os_string();
        aside.push(format!(".old-{}", now_micros()));
        let aside = PathBuf::from(aside);
        fs::rename(&self.key_path, &aside)
            .map_err(|source| ResetError::KeyFile { path: self.key_path.clone(), source })?;
        Ok(Some(aside))
    }
}
