//! From a table that was found to a store that is open.

use std::sync::Arc;

use blue_address::{Namespace, Principal};
use blue_keys::{KeyFile, KeyProvider, Keyring, KeyringConfig, LocalFile, LocalFileError, UmkId};
use blue_store::{Deadlines, Meta, Store};

use crate::{
    AuditConfig, AuditLog, ChainPolicy, EncryptedStore, KeySource, OpenError, Padding, Restored,
    TraceContext,
    audit::{AuditedProvider, Recorder, Trail},
    aws::Aws,
    checkpoints::Checkpoints,
    keks::TableKeks,
    store::{Inner, Turns},
    telemetry::{Telemetry, TelemetryNames},
};

/// A table that is a store, its key, and how it is to be opened.
pub(crate) struct Found {
    pub(crate) namespace: Namespace,
    pub(crate) principal: Option<Principal>,
    pub(crate) store: Arc<Store>,
    pub(crate) meta: Meta,
    /// The id that the service gives the table.
    pub(crate) table_id: Option<String>,
    pub(crate) provider: Arc<dyn KeyProvider>,
    pub(crate) deadlines: Deadlines,
    pub(crate) keyring: KeyringConfig,
    pub(crate) padding: Padding,
    pub(crate) audit: AuditConfig,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) names: TelemetryNames,
}

impl Found {
    /// Whether it is another table than META was written to.
    pub(crate) fn restored(&self) -> Option<Restored> {
        (self.meta.table_id != self.table_id).then(|| Restored {
            table: self.store.table().name().to_owned(),
            recorded: self.meta.table_id.clone(),
            found: self.table_id.clone(),
        })
    }

    /// Its audit log, to be read.
    pub(crate) async fn audit_log(&self) -> Result<AuditLog, OpenError> {
        let (store, namespace, provider) =
            (self.store.clone(), self.namespace.clone(), self.provider.clone());
        let (deadlines, table_id) = (self.deadlines, self.table_id.clone());
        let telemetry = self.telemetry(&Recorder::default());
        AuditLog::open(store, namespace, Some(provider), deadlines, table_id, telemetry).await
    }

    fn telemetry(&self, recorder: &Recorder) -> Arc<Telemetry> {
        Telemetry::of_store(self.namespace.clone(), self.names, self.provider.umk_id(), recorder)
    }

    /// Opens it to be read and written, or only to be read if it was restored: then what is recorded goes into a chain of
    /// its own, so that the chains stay as the backup has them.
    pub(crate) async fn open(self) -> Result<EncryptedStore, OpenError> {
        let restored = self.restored();
        let audit = match &restored {
            Some(_) => AuditConfig { chain: ChainPolicy::PerWriter, ..self.audit },
            None => self.audit,
        };
        self.begin(audit, restored).await
    }

    /// Opens it to be adopted: everything is recorded in the shared chain, before or with what it tells of.
    pub(crate) async fn open_to_adopt(self) -> Result<EncryptedStore, OpenError> {
        let audit = AuditConfig { appender: self.audit.appender, ..AuditConfig::default() };
        self.begin(audit, None).await
    }

    async fn begin(
        self,
        audit: AuditConfig,
        restored: Option<Restored>,
    ) -> Result<EncryptedStore, OpenError> {
        let recorder = Recorder { principal: self.principal.clone(), environment: TraceContext::from_env() };
        let telemetry = self.telemetry(&recorder);
        let Self { namespace, store, provider, deadlines, keyring, padding, .. } = self;
        let checkpoints = self.checkpoints.filter(|_| restored.is_none());
        let keks = Arc::new(TableKeks { store: store.clone(), deadlines });
        let provider = Arc::new(AuditedProvider::new(provider, recorder.clone()));
        let keyring_ttl = keyring.ttl;
        let keyring = Keyring::new(namespace.clone(), provider.clone(), keks, keyring);
        let trail =
            Trail::open(store.clone(), &namespace, &keyring, audit, deadlines, recorder, telemetry.clone())
                .await?;
        trail.take_over(&provider).await?;
        if let Some(checkpoints) = checkpoints {
            trail.keep(checkpoints, self.table_id);
        }
        let turns = Turns::new();
        Ok(EncryptedStore::new(Inner {
            namespace,
            store,
            provider,
            keyring,
            keyring_ttl,
            deadlines,
            padding,
            turns,
            trail,
            telemetry,
            restored,
        }))
    }
}

/// A key source of which everything is known that does not depend on the table.
pub(crate) enum Keys {
    File(KeyFile),
    Provider(Arc<dyn KeyProvider>),
}

impl Keys {
    /// Keys of KMS are looked up, with the SDK's own configuration.
    #[cfg_attr(not(feature = "aws-kms"), expect(unused_variables, reason = "they alone need it"))]
    pub(crate) async fn of(source: KeySource, aws: &Aws) -> Result<Self, OpenError> {
        match source {
            KeySource::File(file) => Ok(Self::File(file)),
            #[cfg(feature = "aws-kms")]
            KeySource::Kms(config) => Ok(Self::Provider(aws.kms(config).await?)),
            KeySource::Provider(provider) => Ok(Self::Provider(provider)),
        }
    }
}

/// A source that has a key.
pub(crate) enum Key {
    File(LocalFile),
    Provider(Arc<dyn KeyProvider>),
}

impl Key {
    /// For a table that depends on a key already. None is generated.
    pub(crate) fn for_existing_table(keys: Keys, table: &str, meta: &Meta) -> Result<Self, OpenError> {
        match keys {
            Keys::Provider(provider) => Ok(Self::Provider(provider)),
            Keys::File(KeyFile::Present(file)) => Ok(Self::File(file)),
            // Another process may have filled the place since it was looked at.
            Keys::File(KeyFile::Vacant(path)) => match LocalFile::open(path) {
                Ok(file) => Ok(Self::File(file)),
                Err(LocalFileError::NotFound { path }) => {
                    let (table, recorded) = (table.to_owned(), UmkId::new(&meta.umk_id));
                    if recorded.is_local() {
                        Err(OpenError::LocalKeyMissing { table, path, recorded })
                    } else {
                        Err(OpenError::OtherProvider { table, recorded })
                    }
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    /// For a table that depends on no key yet.
    pub(crate) fn for_new_table(keys: Keys) -> Result<Self, OpenError> {
        match keys {
            Keys::Provider(provider) => Ok(Self::Provider(provider)),
            Keys::File(KeyFile::Present(file)) => Ok(Self::File(file)),
            Keys::File(KeyFile::Vacant(path)) => match LocalFile::create(path) {
                Ok(file) => Ok(Self::File(file)),
                Err(LocalFileError::AlreadyExists { path }) => Ok(Self::File(LocalFile::open(path)?)),
                Err(error) => Err(error.into()),
            },
        }
    }

    pub(crate) fn provider(&self) -> &dyn KeyProvider {
        match self {
            Self::File(file) => file,
            Self::Provider(provider) => provider.as_ref(),
        }
    }

    /// The provider, if the table depends on its UMK.
    pub(crate) fn checked(self, table: &str, meta: &Meta) -> Result<Arc<dyn KeyProvider>, OpenError> {
        self.check(table, meta)?;
        Ok(match self {
            Self::File(file) => Arc::new(file),
            Self::Provider(provider) => provider,
        })
    }

    /// Whether the table depends on this UMK.
    pub(crate) fn check(&self, table: &str, meta: &Meta) -> Result<(), OpenError> {
        let (recorded, found) = (UmkId::new(&meta.umk_id), self.provider().umk_id().clone());
        let table = table.to_owned();
        match self {
            Self::File(_) if recorded == found => Ok(()),
            Self::Provider(provider) if provider.accepts(&recorded) => Ok(()),
            Self::File(file) if recorded.is_local() => {
                Err(OpenError::LocalKeyChanged { table, path: file.path().to_owned(), recorded, found })
            }
            _ => Err(OpenError::OtherUmk { table, recorded, found }),
        }
    }
}
