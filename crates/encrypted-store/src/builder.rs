//! From configuration to an opened store.

use std::{path::PathBuf, sync::Arc};

use aws_sdk_dynamodb::Client;
use blue_address::{Namespace, Principal};
#[cfg(feature = "aws-kms")]
use blue_keys::AwsKmsConfig;
use blue_keys::{KeyFile, KeyProvider, KeyringConfig, LocalFile, UmkId};
use blue_store::{Deadlines, Examined, Meta, Table, TableError};

use crate::{
    AuditConfig, AuditLog, EncryptedStore, LocalReset, OpenError, Padding, ResetError, TraceContext,
    audit::Caller,
    aws::Aws,
    checkpoints::Checkpoints,
    keks::now_micros,
    opening::{Found, Key, Keys},
    telemetry::{Operation, Subject, Telemetry, TelemetryNames},
};

/// The namespace of a store whose builder names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Where the user master key comes from.
pub enum KeySource {
    /// A key file, or the place for one.
    File(KeyFile),
    /// Keys of AWS KMS, looked up when the store is opened: with the SDK's own configuration, as DynamoDB is reached by, and an
    /// endpoint of their own (`AWS_ENDPOINT_URL_KMS`).
    #[cfg(feature = "aws-kms")]
    Kms(AwsKmsConfig),
    /// Any provider.
    Provider(Arc<dyn KeyProvider>),
}

impl From<KeyFile> for KeySource {
    fn from(file: KeyFile) -> Self {
        Self::File(file)
    }
}

impl From<LocalFile> for KeySource {
    fn from(file: LocalFile) -> Self {
        Self::File(KeyFile::Present(file))
    }
}

#[cfg(feature = "aws-kms")]
impl From<AwsKmsConfig> for KeySource {
    fn from(config: AwsKmsConfig) -> Self {
        Self::Kms(config)
    }
}

impl From<Arc<dyn KeyProvider>> for KeySource {
    fn from(provider: Arc<dyn KeyProvider>) -> Self {
        Self::Provider(provider)
    }
}

impl<P: KeyProvider + 'static> From<Arc<P>> for KeySource {
    fn from(provider: Arc<P>) -> Self {
        Self::Provider(provider)
    }
}

/// Configures and opens an [`EncryptedStore`]. Table and keys are required; the rest has defaults.
///
/// Where DynamoDB is reached follows the AWS SDK's own configuration: Region, credentials, profiles, and an endpoint
/// override such as `AWS_ENDPOINT_URL_DYNAMODB`, which alone sends it to DynamoDB Local.
#[derive(Default)]
pub struct Builder {
    pub(crate) table: Option<String>,
    namespace: Option<String>,
    pub(crate) keys: Option<KeySource>,
    pub(crate) client: Option<Client>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) writer_region: Option<String>,
    pub(crate) deadlines: Deadlines,
    keyring: KeyringConfig,
    padding: Padding,
    audit: AuditConfig,
    principal: Option<String>,
    checkpoints: Option<Checkpoints>,
    names: TelemetryNames,
}

impl Builder {
    /// The table's name.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// The namespace, fixed with the table's first use. Default: [`DEFAULT_NAMESPACE`].
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// The source of the user master key: [`LocalFile::open_or_create`], `AwsKmsConfig::new`, or an `Arc` of any provider.
    #[must_use]
    pub fn keys(mut self, keys: impl Into<KeySource>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// A DynamoDB client of your own. Its retries are switched off; [`Self::endpoint_url`] and
    /// [`Self::region`] do not touch it. Keys of KMS are looked up with the SDK's own configuration all the same; a client of
    /// your own for them goes into a provider (`AwsKms::connect`).
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Overrides the endpoint of DynamoDB that the SDK's configuration gives, and no other.
    #[must_use]
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Overrides the Region that the SDK's configuration gives.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The one Region that writes a replicated table. A table with replicas is refused without it, and outside
    /// it.
    #[must_use]
    pub fn writer_region(mut self, region: impl Into<String>) -> Self {
        self.writer_region = Some(region.into());
        self
    }

    /// How long requests and operations may take.
    #[must_use]
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// How long and how many keys are kept in memory.
    #[must_use]
    pub fn keyring(mut self, config: KeyringConfig) -> Self {
        self.keyring = config;
        self
    }

    /// Whether JSON content is padded. Default: it is not.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// How the audit log is written. Default: strictly.
    #[must_use]
    pub fn audit(mut self, config: AuditConfig) -> Self {
        self.audit = config;
        self
    }

    /// Has checkpoints of the audit log made while this process writes. Default: none are. (Nor are any of a table that
    /// can only be read.)
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Who the audit log says does what is done through the store, unless a handle says otherwise
    /// ([`EncryptedStore::with_principal`]): 1–1,024 bytes of UTF-8 without control characters. Without it, an event
    /// names nobody.
    #[must_use]
    pub fn principal(mut self, name: impl Into<String>) -> Self {
        self.principal = Some(name.into());
        self
    }

    /// Whether spans show the names of collections and records. Default: they do not.
    #[must_use]
    pub fn telemetry_names(mut self, names: TelemetryNames) -> Self {
        self.names = names;
        self
    }

    /// Opens an existing table. An empty one becomes a store, with a fresh key file if its place is vacant; a
    /// missing table is never created. One that was restored from a backup can only be read
    /// ([`EncryptedStore::restored`]).
    ///
    /// # Errors
    /// [`OpenError`]. Nothing was generated or written then, but for an empty table: its fresh key file, and META, may
    /// be there if what came after them failed. Opening again goes on from there.
    pub async fn open(self) -> Result<EncryptedStore, OpenError> {
        let telemetry = self.telemetry();
        let watched = telemetry.begin(Operation::Open, Subject::Store, &Caller::default());
        watched.watch(async { Box::pin(self.find(false, true).await?.open()).await }).await
    }

    /// Creates the table if it is missing (on-demand capacity), then opens it as [`Self::open`] does. Safe to
    /// repeat.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn init(self) -> Result<EncryptedStore, OpenError> {
        let telemetry = self.telemetry();
        let watched = telemetry.begin(Operation::Init, Subject::Store, &Caller::default());
        watched.watch(async { Box::pin(self.find(true, true).await?.open()).await }).await
    }

    /// Opens the audit log of an existing store to be read, and writes nothing. The key source may be left out: MACs are
    /// not checked then.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_audit(self) -> Result<AuditLog, OpenError> {
        let telemetry = self.telemetry();
        let watched = telemetry.begin(Operation::OpenAudit, Subject::Store, &Caller::default());
        watched.watch(self.find_audit(telemetry.clone())).await
    }

    async fn find_audit(self, telemetry: Arc<Telemetry>) -> Result<AuditLog, OpenError> {
        let namespace = self.checked_namespace()?;
        let (table, aws) = self.connect().await?;
        let Self { keys, writer_region, deadlines, .. } = self;
        let Examined { meta, description, .. } = table.examine(writer_region.as_deref()).await?;
        let name = table.name().to_owned();
        let meta = meta.ok_or_else(|| TableError::NotOurs { table: name.clone() })?;
        table.check_namespace(&meta, &namespace)?;
        let provider = match keys {
            Some(keys) => {
                let keys = Keys::of(keys, &aws).await?;
                Some(Key::for_existing_table(keys, &name, &meta)?.checked(&name, &meta)?)
            }
            None => None,
        };
        let store = Arc::new(table.open(&meta, &namespace)?);
        AuditLog::open(store, namespace, provider, deadlines, description.table_id, telemetry).await
    }

    /// Prepares to wipe a local database whose key is lost: looks whether that may be done at all, changes
    /// nothing.
    ///
    /// # Errors
    /// [`ResetError`] unless the key is a file and the table is there and one of DynamoDB Local (its ARN decides).
    pub async fn local_reset(self) -> Result<LocalReset, ResetError> {
        let path = match &self.keys {
            Some(KeySource::File(KeyFile::Present(file))) => file.path().to_owned(),
            Some(KeySource::File(KeyFile::Vacant(path))) => path.clone(),
            _ => return Err(ResetError::NotLocalKey),
        };
        self.local_reset_at(path).await
    }

    /// As [`Self::local_reset`], for a key file that cannot even be opened.
    ///
    /// # Errors
    /// [`ResetError`].
    pub async fn local_reset_at(self, key_path: PathBuf) -> Result<LocalReset, ResetError> {
        if !matches!(&self.keys, None | Some(KeySource::File(_))) {
            return Err(ResetError::NotLocalKey);
        }
        let (table, _) = self.connect().await?;
        let namespace = self.checked_namespace()?;
        LocalReset::prepare(table, namespace, key_path, self.telemetry()).await
    }

    /// Connects, and finds the table fit to be a store. Creates it if it is missing, and makes an empty one a store, if told to.
    pub(crate) async fn find(self, create: bool, begin: bool) -> Result<Found, OpenError> {
        let namespace = self.checked_namespace()?;
        let principal = self.principal.as_deref().map(Principal::new).transpose()?;
        let (table, aws) = self.connect().await?;
        let Self { keys, writer_region, deadlines, keyring, padding, audit, checkpoints, names, .. } = self;
        let keys = keys.ok_or(OpenError::Incomplete { what: "key source" })?;
        // Before a table is created that nothing could be done with.
        let keys = Keys::of(keys, &aws).await?;

        if create {
            table.create().await?;
        }
        let Examined { meta, description, .. } = table.examine(writer_region.as_deref()).await?;
        let name = table.name().to_owned();
        let (meta, key) = match meta {
            Some(meta) => {
                // The namespace before the key: of a store that is not ours, the key is not ours either.
                table.check_namespace(&meta, &namespace)?;
                let key = Key::for_existing_table(keys, &name, &meta)?;
                (meta, key)
            }
            None if !begin => return Err(TableError::NotOurs { table: name }.into()),
            None => {
                let key = Key::for_new_table(keys)?;
                let meta = initial_meta(&namespace, key.provider().umk_id(), description.table_id.clone());
                // What another process wrote first counts, and its key may be another.
                (table.initialise(&meta).await?, key)
            }
        };
        let store = Arc::new(table.open(&meta, &namespace)?);
        let provider = key.checked(&name, &meta)?;
        let table_id = description.table_id;
        Ok(Found {
            namespace,
            principal,
            store,
            meta,
            table_id,
            provider,
            deadlines,
            keyring,
            padding,
            audit,
            checkpoints,
            names,
        })
    }

    /// Before anything is known of the store. A namespace that breaks the rules is told of later.
    pub(crate) fn telemetry(&self) -> Arc<Telemetry> {
        let namespace = self.checked_namespace().ok();
        Arc::new(Telemetry::new(namespace, self.names, TraceContext::from_env()))
    }

    pub(crate) fn checked_namespace(&self) -> Result<Namespace, OpenError> {
        Ok(Namespace::new(self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE))?)
    }

    async fn connect(&self) -> Result<(Table, Aws), OpenError> {
        let name = self.table.clone().ok_or(OpenError::Incomplete { what: "table" })?;
        let aws = Aws::new(self.region.clone());
        let client = match &self.client {
            Some(client) => client.clone(),
            None => aws.dynamodb(self.endpoint_url.as_deref()).await,
        };
        if client.config().region().is_none() {
            return Err(OpenError::NoRegion);
        }
        Ok((Table::new(&client, name, self.deadlines), aws))
    }
}

pub(crate) fn initial_meta(namespace: &Namespace, umk_id: &UmkId, table_id: Option<String>) -> Meta {
    Meta {
        namespace: namespace.to_string(),
        provider: umk_id.provider().to_owned(),
        umk_id: umk_id.as_str().to_owned(),
        created: now_micros(),
        table_id,
    }
}
