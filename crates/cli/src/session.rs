//! From the configuration to an opened store.

use std::time::Duration;

use blue_encrypted_store::{
    AuditLog, Builder, Collection, EncryptedStore, KeyFile, KeySource, LocalFile, LocalFileError, OpenError,
    RootError, checkpoints::Checkpoints,
};

use crate::{
    advice, commands,
    config::Config,
    failure::{self, Failure},
    lost_key,
    output::printable,
    stop::Stop,
};

/// The path of a collection as it is typed, `TENANT/COLLECTION`.
pub(crate) struct CollectionPath<'a> {
    tenant: &'a str,
    collection: &'a str,
}

impl<'a> CollectionPath<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Failure> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [tenant, collection] => {
                blue_encrypted_store::TenantName::new(tenant)?;
                blue_encrypted_store::CollectionName::new(collection)?;
                Ok(Self { tenant, collection })
            }
            ref parts => Err(Failure::Usage(format!(
                "a collection has two parts, TENANT/COLLECTION; {text:?} has {}",
                parts.len()
            ))),
        }
    }

    pub(crate) fn within(&self, store: &EncryptedStore) -> Result<Collection, Failure> {
        Ok(store.tenant(self.tenant)?.collection(self.collection)?)
    }
}

/// Opens the store, does something with it, and sees to it that the audit log has all of that, even if it failed. What is to
/// become of it if it is told to stop is its own affair: two that wait for the same signal would race for what is said.
pub(crate) async fn with_store<T>(
    config: &Config,
    stop: &Stop,
    work: impl AsyncFnOnce(&EncryptedStore) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let store = open(config, None, stop).await?;
    let done = work(&store).await;
    conclude(&store, done).await
}

/// The same for what may take long, and so makes checkpoints meanwhile, if that is configured. That they cannot be made is no
/// reason to do nothing.
pub(crate) async fn with_store_for_long<T>(
    config: &Config,
    stop: &Stop,
    work: impl AsyncFnOnce(&EncryptedStore) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let checkpoints = match commands::checkpoints_while_writing(config, stop).await {
        Ok(checkpoints) => checkpoints,
        Err(stopped @ Failure::Stopped(_)) => return Err(stopped),
        Err(failure) => {
            say!("warning: no checkpoints are made: {}", printable(&failure.to_string()));
            failure::causes(&failure);
            None
        }
    };
    let store = open(config, checkpoints, stop).await?;
    let done = work(&store).await;
    conclude(&store, done).await
}

/// The same for keys that are moved to this KMS key, which must be the one that new keys are made under: here as everywhere. With
/// a local key there is none to move.
pub(crate) async fn with_store_under<T>(
    config: &Config,
    stop: &Stop,
    key: &str,
    work: impl AsyncFnOnce(&EncryptedStore) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let configured = configured_key(config).ok_or_else(|| Failure::Root(Box::new(RootError::Local)))?;
    if configured != key {
        return Err(Failure::Usage(format!(
            "keys are moved to {key:?} once every process makes new ones under it, and here kms_key is {configured:?}: set kms_key \
             to the new key and kms_previous_keys to the old one, everywhere, and then repeat it"
        )));
    }
    with_store_for_long(config, stop, work).await
}

#[cfg(feature = "aws-kms")]
fn configured_key(config: &Config) -> Option<String> {
    Some(config.kms()?.key)
}

#[cfg(not(feature = "aws-kms"))]
fn configured_key(_: &Config) -> Option<String> {
    None
}

/// Waits until the audit log has everything that was done.
pub(crate) async fn conclude<T>(store: &EncryptedStore, done: Result<T, Failure>) -> Result<T, Failure> {
    let Err(error) = store.flush().await else { return done };
    let unflushed = Failure::Unflushed(error);
    match done {
        // Closing the pipe is how a reader says that it has enough.
        Ok(_) | Err(Failure::ClosedPipe) => Err(unflushed),
        Err(failure) => {
            failure::report(&unflushed);
            Err(failure)
        }
    }
}

/// Opens the store, which must exist. If its local key is lost, says so, and on a terminal offers a reset.
async fn open(
    config: &Config,
    checkpoints: Option<Checkpoints>,
    stop: &Stop,
) -> Result<EncryptedStore, Failure> {
    let mut was_vacant = false;
    let opened = match keys(config) {
        Ok(keys) => {
            was_vacant = is_vacant(&keys);
            let mut builder = builder(config).keys(keys);
            if let Some(checkpoints) = checkpoints {
                builder = builder.checkpoints(checkpoints);
            }
            stop.unless_told(async { Ok(builder.open().await) }).await?
        }
        Err(error) => Err(error.into()),
    };
    match opened {
        Ok(store) => {
            if was_vacant {
                let path = config.key_file.value.display();
                say!("The table was empty and is a store now. Keep a copy of its fresh key file: {path}");
            }
            warn_if_restored(&store);
            Ok(store)
        }
        Err(error) if is_key_lost(&error) => {
            Err(lost_key::offer_reset(config, error, stop).await.unwrap_or(Failure::ResetInstead))
        }
        Err(error) => Err(error.into()),
    }
}

/// Says so if the store can only be read.
pub(crate) fn warn_if_restored(store: &EncryptedStore) {
    if let Some(restored) = store.restored() {
        say!("warning: {}", printable(&restored.to_string()));
        say!("help: {}", advice::ADOPT);
    }
}

/// The builder with all but the keys.
pub(crate) fn builder(config: &Config) -> Builder {
    let mut builder = EncryptedStore::builder()
        .table(&config.table.value)
        .namespace(config.namespace.value.as_str())
        .deadlines(config.deadlines())
        .keyring(config.keyring())
        .padding(config.padding.value)
        .audit(config.audit())
        .telemetry_names(config.telemetry_names.value);
    if let Some(principal) = &config.principal {
        builder = builder.principal(&principal.value);
    }
    // What stands in the environment the SDK finds by itself, by rules of its own.
    if let Some(url) = config.endpoint_url.as_ref().filter(|set| !set.source.is_environment()) {
        builder = builder.endpoint_url(&url.value);
    }
    if let Some(region) = config.region.as_ref().filter(|set| !set.source.is_environment()) {
        builder = builder.region(&region.value);
    }
    if let Some(region) = &config.writer_region {
        builder = builder.writer_region(&region.value);
    }
    builder
}

/// Opens the audit log to be read, with the keys or without. Nothing is created, and no reset offered.
pub(crate) async fn open_audit(
    config: &Config,
    with_keys: bool,
    patience: Option<Duration>,
) -> Result<AuditLog, Failure> {
    let mut builder = builder(config);
    if with_keys {
        builder = builder.keys(keys(config).map_err(OpenError::from)?);
    }
    let log = builder.open_audit().await.map_err(|error| Failure::OpenAudit(Box::new(error)))?;
    Ok(match patience {
        Some(patience) => log.patience(patience),
        None => log,
    })
}

/// The keys of KMS; or the key file, or its vacant place. Nothing is created or asked here.
pub(crate) fn keys(config: &Config) -> Result<KeySource, LocalFileError> {
    #[cfg(feature = "aws-kms")]
    if let Some(kms) = config.kms() {
        return Ok(kms.into());
    }
    Ok(LocalFile::open_or_create(&config.key_file.value)?.into())
}

/// Whether the key file is yet to be made.
pub(crate) fn is_vacant(keys: &KeySource) -> bool {
    matches!(keys, KeySource::File(KeyFile::Vacant(_)))
}

/// Whether what the table was encrypted under cannot be had from the key file: it is missing, another one, or
/// damaged. A file that is merely not to be read (its permissions, the file system) is not lost.
pub(crate) fn is_key_lost(error: &OpenError) -> bool {
    error.is_local_key_lost() || matches!(error, OpenError::LocalFile(LocalFileError::Malformed { .. }))
}
