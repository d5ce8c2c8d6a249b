//! A newer version.

use blue_envelope::KekId;
use blue_keys::{KeyContext, KeyProvider, KeyringError, StoredKek};
use blue_store::{KeyItem, KeyItems, MAX_ERASED_KEYS};

use super::{KeyVersion, RotateError, TenantKeys};
use crate::{KeyUnavailable, Shredded, keks::fresh_item, telemetry::Operation};

impl TenantKeys {
    /// Makes the next version of the tenant's key. Records are sealed under it from then on: by this process at once, by
    /// others once their keyrings read the keys again, within its time to live. Records that are there stay as they are until
    /// [`Self::rewrap`]. Of several who rotate at the same moment, one does.
    ///
    /// # Errors
    /// [`RotateError`].
    pub async fn rotate(&self) -> Result<KeyVersion, RotateError> {
        let watched = self.begin(Operation::KeysRotate);
        watched.watch(self.on_behalf_of(&watched.caller).make_next()).await
    }

    async fn make_next(&self) -> Result<KeyVersion, RotateError> {
        self.inner.check_writable()?;
        if self.inner.provider.umk_id().is_local() {
            return Err(RotateError::Local);
        }
        let tenant = self.name();
        let found = self.items().await;
        let KeyItems { versions, tombstone, .. } =
            found.map_err(|source| RotateError::Read { tenant: tenant.clone(), source })?;
        if let Some(time) = tombstone {
            return Err(Shredded { owner: self.owner().to_string(), time }.into());
        }
        let Some(newest) = versions.last() else { return Err(RotateError::NoKey { tenant }) };
        if versions.len() >= MAX_ERASED_KEYS {
            return Err(RotateError::TooMany { tenant, count: versions.len() });
        }
        let Some(next) = newest.version.checked_add(1) else {
            return Err(RotateError::Exhausted { tenant, version: newest.version });
        };

        let item = self.made(next).await?;
        let origin = self.inner.trail.begin(&self.caller);
        let deadline = self.inner.deadlines.start();
        let added = self.inner.trail.add_key(&origin, &self.tenant, &item, newest, deadline).await;
        // It may be there, too, if the answer was lost.
        self.inner.keyring.forget(&self.owner());
        match added {
            Ok(true) => Ok(KeyVersion::of(&item)),
            Ok(false) => Err(RotateError::Raced { tenant }),
            Err(error) => Err(RotateError::Change { tenant, source: error.into() }),
        }
    }

    /// A fresh key, wrapped. Nobody has it until its item is written.
    async fn made(&self, version: u32) -> Result<KeyItem, KeyUnavailable> {
        let owner = self.owner();
        let unavailable = |error: KeyringError| KeyUnavailable::Keyring(error);
        let context = KeyContext {
            namespace: self.inner.namespace.clone(),
            purpose: owner.clone().into(),
            version,
            kek_id: KekId::generate().map_err(|error| unavailable(error.into()))?,
        };
        let (_, wrapped) = self.inner.provider.generate_kek(&context).await.map_err(|error| {
            unavailable(KeyringError::Provider { owner, source: std::sync::Arc::new(error) })
        })?;
        Ok(fresh_item(&StoredKek { version, kek_id: context.kek_id, wrapped }))
    }
}
