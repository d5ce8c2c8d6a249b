//! Starting a local database over after its key was lost.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use blue_address::Namespace;
use blue_keys::{KeyProvider, LocalFile};
use blue_store::{StoreError, Table, TableError};

use crate::{
    OpenError,
    audit::Caller,
    builder::initial_meta,
    keks::now_micros,
    telemetry::{Operation, Subject, Telemetry},
};

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
    #[error(
        "the table {table} is wiped, but another process took it over under another key; stop it first{}",
        moved(old_key.as_deref())
    )]
    Overtaken {
        /// Its name.
        table: String,
        /// Where the file that was in the key's place is now, if there was one.
        old_key: Option<PathBuf>,
    },
    /// What is in the key's place could not be put aside, and is there still.
    #[error(
        "{}the old key file {} could not be moved",
        if *wiped { "the table is wiped, but " } else { "" }, path.display()
    )]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// Whether the table is wiped. If not, nothing was changed. If it is, the file holds a usable key.
        wiped: bool,
        /// What the system said.
        source: io::Error,
    },
    /// The reset was begun. [`crate::Builder::init`] makes what is missing; if the table is there still, another reset
    /// does it all.
    #[error(
        "the reset is not complete: {}{}",
        if *wiped { format!("the table {table} is wiped") }
        else { format!("it is not known whether the table {table} is wiped") },
        moved(old_key.as_deref())
    )]
    Unfinished {
        /// The name of the table.
        table: String,
        /// Whether the table is wiped. If not, its deletion failed, or was done and the answer lost.
        wiped: bool,
        /// Where the file that was in the key's place is now, if it was moved.
        old_key: Option<PathBuf>,
        /// What went wrong.
        source: Box<OpenError>,
    },
}

/// The end of a sentence.
fn moved(old_key: Option<&Path>) -> String {
    old_key.map(|path| format!("; the old key file is now {}", path.display())).unwrap_or_default()
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

/// A local database that may be wiped: its key is a file, and its table is there and one of DynamoDB Local.
/// Nothing is changed before [`LocalReset::wipe`].
#[derive(Debug)]
pub struct LocalReset {
    table: Table,
    namespace: Namespace,
    key_path: PathBuf,
    telemetry: Arc<Telemetry>,
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
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, ResetError> {
        let reset = Self { table, namespace, key_path, telemetry };
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
    /// [`ResetError`], which says how far it came.
    pub async fn wipe(self) -> Result<ResetReport, ResetError> {
        let telemetry = self.telemetry.clone();
        let watched = telemetry.begin(Operation::Reset, Subject::Store, &Caller::default());
        watched.watch(self.begin_over()).await
    }

    async fn begin_over(self) -> Result<ResetReport, ResetError> {
        self.check().await?;
        // Whatever ends this half-way, `init` goes on with a missing table and a usable key, and a reset with a table
        // and no key. With a missing table and a file that is no usable key neither would: that file goes first. A
        // link that leads nowhere is one, too.
        let unusable = match LocalFile::open(&self.key_path) {
            Ok(_) => None,
            Err(_) => self.put_old_key_aside(false)?,
        };
        if let Err(error) = self.table.delete().await {
            // It may be done all the same, so the file does not go back.
            return Err(self.unfinished(false, unusable, error.into()));
        }
        let old_key = match unusable {
            Some(aside) => Some(aside),
            None => self.put_old_key_aside(true)?,
        };
        match self.begin_again().await {
            Ok(true) => Ok(ResetReport { old_key, new_key: self.key_path }),
            Ok(false) => Err(ResetError::Overtaken { table: self.table.name().to_owned(), old_key }),
            Err(error) => Err(self.unfinished(true, old_key, error)),
        }
    }

    /// A fresh key and an empty store. Says whether the one depends on the other.
    async fn begin_again(&self) -> Result<bool, OpenError> {
        let key = LocalFile::create(&self.key_path)?;
        self.table.create().await?;
        let description = self.table.describe().await.map_err(TableError::from)?;
        let table_id = description.and_then(|description| description.table_id);
        let meta = self.table.initialise(&initial_meta(&self.namespace, key.umk_id(), table_id)).await?;
        self.table.check_namespace(&meta, &self.namespace)?;
        Ok(meta.umk_id == key.umk_id().as_str())
    }

    fn unfinished(&self, wiped: bool, old_key: Option<PathBuf>, source: OpenError) -> ResetError {
        ResetError::Unfinished {
            table: self.table.name().to_owned(),
            wiped,
            old_key,
            source: Box::new(source),
        }
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

    fn put_old_key_aside(&self, wiped: bool) -> Result<Option<PathBuf>, ResetError> {
        let failed = |source| ResetError::KeyFile { path: self.key_path.clone(), wiped, source };
        match self.key_path.symlink_metadata() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let mut aside = self.key_path.clone().into_os_string();
        aside.push(format!(".old-{}", now_micros()));
        let aside = PathBuf::from(aside);
        fs::rename(&self.key_path, &aside).map_err(failed)?;
        Ok(Some(aside))
    }
}
