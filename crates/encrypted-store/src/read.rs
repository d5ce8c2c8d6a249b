//! From an item to a verified entry: the one way by which content comes out.

use std::time::Instant;

use blue_address::RecordPath;
use blue_envelope::{Context, Envelope, open};
use blue_keys::KeyOwner;
use blue_store::{Current, Deadline, StoredRecord, SystemAttributes};

use crate::{
    Entry, Key, KeyUnavailable, Payload, ReadError, Shredded, Tampered, TamperedCause, WriteError,
    errors::KeyFailure, store::Inner,
};

/// Why a stored record did not open.
pub(crate) enum NotOpened {
    Tampered(Tampered),
    Key(KeyUnavailable),
    Shredded(Shredded),
}

impl From<NotOpened> for ReadError {
    fn from(failure: NotOpened) -> Self {
        match failure {
            NotOpened::Tampered(error) => error.into(),
            NotOpened::Key(error) => error.into(),
            NotOpened::Shredded(error) => error.into(),
        }
    }
}

impl From<NotOpened> for WriteError {
    fn from(failure: NotOpened) -> Self {
        match failure {
            NotOpened::Tampered(error) => error.into(),
            NotOpened::Key(error) => error.into(),
            NotOpened::Shredded(error) => error.into(),
        }
    }
}

impl NotOpened {
    pub(crate) fn tampered(address: impl ToString, cause: impl Into<TamperedCause>) -> Self {
        Self::Tampered(Tampered { address: address.to_string(), source: cause.into() })
    }

    pub(crate) fn key(address: impl ToString, failure: impl Into<KeyFailure>) -> Self {
        match failure.into() {
            KeyFailure::Shredded(error) => Self::Shredded(error),
            KeyFailure::Unavailable(error) => Self::Key(error),
            KeyFailure::Tampered(cause) => Self::tampered(address, cause),
        }
    }
}

impl Inner {
    /// Reads and opens one record.
    pub(crate) async fn read(&self, path: &RecordPath) -> Result<Option<Entry<Payload>>, ReadError> {
        let deadline = self.deadlines.start();
        match self.store.get(path, deadline).await.map_err(ReadError::Store)? {
            None => Ok(None),
            Some(current) => Ok(Some(self.open_current(path, current, deadline).await?)),
        }
    }

    /// Opens what was read at `path` just now.
    pub(crate) async fn open_current(
        &self,
        path: &RecordPath,
        current: Current,
        deadline: Deadline,
    ) -> Result<Entry<Payload>, NotOpened> {
        let record = current.into_record().map_err(|error| NotOpened::tampered(path, error))?;
        self.open_record(record, Instant::now(), deadline).await
    }

    /// Opens a record that was read at `read_at`.
    pub(crate) async fn open_record(
        &self,
        record: StoredRecord,
        read_at: Instant,
        deadline: Deadline,
    ) -> Result<Entry<Payload>, NotOpened> {
        let StoredRecord { path, version, envelope, attributes } = record;
        let tampered = |cause: TamperedCause| NotOpened::tampered(&path, cause);
        let parsed = Envelope::parse(&envelope)
            .map_err(|error| tampered(blue_envelope::OpenError::from(error).into()))?;

        let owner = KeyOwner::Tenant(path.tenant.clone());
        let kek = self.keyring.opening_kek(&owner, parsed.kek_id(), read_at);
        let kek = tokio::time::timeout(deadline.remaining(), kek)
            .await
            .map_err(|_| NotOpened::Key(KeyUnavailable::Deadline))?
            .map_err(|error| NotOpened::key(&path, error))?;

        let context = Context::new(&self.address(&path), version, &attributes);
        let plaintext = open(&kek, &context, &envelope).map_err(|error| tampered(error.into()))?;
        // From here on everything is as this store once sealed it.
        let system = SystemAttributes::of(&attributes).map_err(|_| tampered(TamperedCause::Content))?;
        let value = Payload::of_plaintext(system.payload_type, plaintext)
            .ok_or_else(|| tampered(TamperedCause::Content))?;
        Ok(Entry {
            key: Key { kind: path.kind, id: path.id },
            version,
            created: system.created,
            updated: system.updated,
            attributes: attributes.into_callers(),
            value,
        })
    }
}
