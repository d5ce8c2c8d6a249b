//! An old version taken away.

use std::time::Duration;

use blue_envelope::KekId;
use blue_store::{KeyItem, KeyItems};
use futures::TryStreamExt;

use super::{
    KeyVersion, RetireError, TenantKeys,
    records::{Listed, kek_of},
};
use crate::{KeyUnavailable, Shredded, telemetry::Operation};

/// A tenant's keys, one of which is to go.
struct Versions {
    item: KeyItem,
    newest: KeyItem,
    /// The ids of all the others.
    stay: Vec<KekId>,
}

impl TenantKeys {
    /// Takes an old version of the tenant's key away, once no record needs it.
    ///
    /// It looks through all records (strongly consistent) whether each lies under a version that stays, waits
    /// [`Self::settling_time`], in which another process may still have sealed under this one, and looks again. The newest must
    /// unwrap. The version is deleted together with an event `retire`. A backup that was made
    /// before the records were rewrapped brings the version back with them.
    ///
    /// # Errors
    /// [`RetireError`]; [`RetireError::InUse`] while a single record needs it.
    pub async fn retire(&self, version: u32) -> Result<KeyVersion, RetireError> {
        self.retire_after(version, self.settling_time()).await
    }

    /// The same with another time to wait: a longer one, if other processes have longer times to live or deadlines than this
    /// one; a shorter one only if no other process is running.
    ///
    /// # Errors
    /// [`RetireError`].
    pub async fn retire_after(&self, version: u32, wait: Duration) -> Result<KeyVersion, RetireError> {
        let watched = self.begin(Operation::KeysRetire);
        watched.watch(self.on_behalf_of(&watched.caller).take_away(version, wait)).await
    }

    async fn take_away(&self, version: u32, wait: Duration) -> Result<KeyVersion, RetireError> {
        self.inner.check_writable()?;
        let versions = self.with_old(version).await?;
        // Before waiting: most often it is simply too early.
        self.check_unused(&versions).await?;
        tokio::time::sleep(wait).await;
        let versions = self.with_old(version).await?;
        self.check_unused(&versions).await?;
        let Versions { item, newest, .. } = versions;
        self.check_usable(&newest).await?;

        let tenant = self.name();
        let origin = self.inner.trail.begin(&self.caller);
        let deadline = self.inner.deadlines.start();
        let removed = self.inner.trail.remove_key(&origin, &self.tenant, &item, &newest, deadline).await;
        self.inner.keyring.forget(&self.owner());
        match removed {
            Ok(true) => Ok(KeyVersion::of(&item)),
            Ok(false) => Err(RetireError::Raced { tenant }),
            Err(error) => Err(RetireError::Change { tenant, source: error.into() }),
        }
    }

    /// The version, which must be there and not be the newest, and those that stay.
    async fn with_old(&self, version: u32) -> Result<Versions, RetireError> {
        let tenant = self.name();
        let items = self.items().await;
        let KeyItems { mut versions, tombstone, .. } =
            items.map_err(|source| RetireError::Read { tenant: tenant.clone(), source })?;
        if let Some(time) = tombstone {
            return Err(Shredded { owner: self.owner().to_string(), time }.into());
        }
        let Some(index) = versions.iter().position(|item| item.version == version) else {
            return Err(RetireError::NoVersion { tenant, version });
        };
        let item = versions.remove(index);
        let stay = versions.iter().map(|item| KekId::from_bytes(item.kek_id)).collect();
        match versions.pop() {
            Some(newest) if newest.version > version => Ok(Versions { item, newest, stay }),
            _ => Err(RetireError::Newest { tenant, version }),
        }
    }

    /// What is to be the newest must be a key: not somebody's invention, under which nothing could be opened.
    async fn check_usable(&self, newest: &KeyItem) -> Result<(), RetireError> {
        let unusable = || RetireError::Unusable { tenant: self.name(), version: newest.version };
        self.inner.keyring.forget(&self.owner());
        let kek = self.inner.keyring.sealing_kek(&self.owner()).await;
        let kek = kek.map_err(|source| RetireError::Key(KeyUnavailable::from(source)))?;
        if *kek.id().as_bytes() == newest.kek_id { Ok(()) } else { Err(unusable()) }
    }

    /// Every record lies under a version that stays. (Not: none lies under this one. Nobody vouches for the id that its item
    /// has.)
    async fn check_unused(&self, versions: &Versions) -> Result<(), RetireError> {
        let Versions { item, stay, .. } = versions;
        let mut listed = std::pin::pin!(self.inner.records_of(&self.tenant));
        let read = |source| RetireError::Read { tenant: self.name(), source };
        while let Some(Listed { record, .. }) = listed.try_next().await.map_err(read)? {
            let address = match &record {
                Ok(record) => record.path.to_string(),
                Err(error) => error.key.clone(),
            };
            match kek_of(&record) {
                None => return Err(RetireError::Unreadable { address }),
                Some(needed) if stay.contains(&needed) => {}
                Some(_) => {
                    return Err(RetireError::InUse { tenant: self.name(), version: item.version, address });
                }
            }
        }
        Ok(())
    }
}
