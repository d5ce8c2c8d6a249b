//! From an item to a verified entry: the one way by which content comes out.

use std::time::Instant;

use blue_address::RecordPath;
use blue_audit::{CryptoOp, Details, resource};
use blue_envelope::{Context, Envelope, KekId, open_in_place};
use blue_keys::KeyOwner;
use blue_store::{Current, Deadline, StoredRecord, SystemAttributes};

use crate::{
    AuditUnavailable, Entry, Key, KeyUnavailable, Payload, ReadError, Shredded, Tampered, TamperedCause,
    WriteError,
    audit::{Caller, Failure, Opened, Origin, key_failure},
    errors::KeyFailure,
    store::Inner,
    telemetry::{Operation, Subject},
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

    /// How an event says it.
    pub(crate) fn as_event(&self) -> Failure {
        match self {
            Self::Tampered(_) => Failure::failed("tampered"),
            Self::Shredded(_) => Failure::denied("shredded"),
            Self::Key(error) => key_failure(error),
        }
    }

    pub(crate) fn key(address: impl ToString, failure: impl Into<KeyFailure>) -> Self {
        match failure.into() {
            KeyFailure::Shredded(error) => Self::Shredded(error),
            KeyFailure::Unavailable(error) => Self::Key(error),
            KeyFailure::Tampered(cause) => Self::tampered(address, cause),
        }
    }
}

/// A record that opened, and what is to be recorded before it is released.
pub(crate) struct Unsealed {
    entry: Entry<Payload>,
    path: RecordPath,
    kek_id: KekId,
    pub(crate) event: Details,
}

/// A record that did not open, and the event that says so.
pub(crate) struct Unopened {
    pub(crate) failure: NotOpened,
    pub(crate) event: Details,
}

impl Unsealed {
    /// The entry, whose event somebody else sees to.
    pub(crate) fn into_entry(self) -> Entry<Payload> {
        self.entry
    }
}

/// The key that a record needs; `None` if it holds no envelope.
pub(crate) fn kek_id_of(record: &StoredRecord) -> Option<KekId> {
    Envelope::parse(&record.envelope).ok().map(|envelope| envelope.kek_id())
}

impl Inner {
    /// Reads and opens one record.
    pub(crate) async fn read(
        &self,
        caller: &Caller,
        path: &RecordPath,
    ) -> Result<Option<Entry<Payload>>, ReadError> {
        let watched = self.telemetry.begin(Operation::Get, Subject::Record(path), caller);
        watched.watch(self.read_for(&watched.caller, path)).await
    }

    async fn read_for(
        &self,
        caller: &Caller,
        path: &RecordPath,
    ) -> Result<Option<Entry<Payload>>, ReadError> {
        let deadline = self.deadlines.start();
        let Some(current) = self.store.get(path, deadline).await.map_err(ReadError::Store)? else {
            return Ok(None);
        };
        let origin = self.trail.begin(caller);
        match self.open_current(&origin, path, current, deadline).await {
            Ok(unsealed) => {
                let entries = self.release(&origin, vec![Ok(unsealed)], deadline).await?;
                entries.into_iter().next().transpose().map_err(ReadError::from)
            }
            Err(Unopened { failure, event }) => {
                self.trail.failed(vec![event], deadline).await;
                Err(failure.into())
            }
        }
    }

    /// Lets go of what was opened, once the policy of reads is satisfied. The events of what was not opened go with it.
    pub(crate) async fn release(
        &self,
        origin: &Origin,
        read: Vec<Result<Unsealed, Unopened>>,
        deadline: Deadline,
    ) -> Result<Vec<Result<Entry<Payload>, NotOpened>>, AuditUnavailable> {
        let event = |record: &Result<Unsealed, Unopened>| match record {
            Ok(unsealed) => unsealed.event.clone(),
            Err(unopened) => unopened.event.clone(),
        };
        let events = read.iter().map(event).collect();
        let opened: Vec<Opened<'_>> = read
            .iter()
            .flatten()
            .map(|unsealed| Opened { path: &unsealed.path, kek_id: unsealed.kek_id })
            .collect();
        self.trail.release(origin, &opened, events, deadline).await?;
        let entry = |record: Result<Unsealed, Unopened>| match record {
            Ok(unsealed) => Ok(unsealed.entry),
            Err(unopened) => Err(unopened.failure),
        };
        Ok(read.into_iter().map(entry).collect())
    }

    /// Opens what was read at `path` just now.
    pub(crate) async fn open_current(
        &self,
        origin: &Origin,
        path: &RecordPath,
        current: Current,
        deadline: Deadline,
    ) -> Result<Unsealed, Unopened> {
        match current.into_record() {
            Ok(record) => self.open_record(origin, record, Instant::now(), deadline).await,
            Err(error) => {
                let event = origin.event(CryptoOp::Decrypt, resource(&self.address(path)));
                Err(self.unopened(NotOpened::tampered(path, error), event))
            }
        }
    }

    /// Opens a record that was read at `read_at`.
    pub(crate) async fn open_record(
        &self,
        origin: &Origin,
        record: StoredRecord,
        read_at: Instant,
        deadline: Deadline,
    ) -> Result<Unsealed, Unopened> {
        let mut event = Details {
            version: record.version,
            ..origin.event(CryptoOp::Decrypt, resource(&self.address(&record.path)))
        };
        match self.unseal(record, read_at, deadline, &mut event).await {
            Ok((entry, path, kek_id)) => Ok(Unsealed { entry, path, kek_id, event }),
            Err(failure) => Err(self.unopened(failure, event)),
        }
    }

    /// What did not open, counted, with the event that says so.
    pub(crate) fn unopened(&self, failure: NotOpened, event: Details) -> Unopened {
        let why = failure.as_event();
        self.telemetry.unopened(why.reason);
        Unopened { event: why.of(event), failure }
    }

    /// Says in `event` which key and content it is about, as far as it comes.
    async fn unseal(
        &self,
        record: StoredRecord,
        read_at: Instant,
        deadline: Deadline,
        event: &mut Details,
    ) -> Result<(Entry<Payload>, RecordPath, KekId), NotOpened> {
        let StoredRecord { path, version, mut envelope, attributes } = record;
        let tampered = |cause: TamperedCause| NotOpened::tampered(&path, cause);
        let parsed = Envelope::parse(&envelope)
            .map_err(|error| tampered(blue_envelope::OpenError::from(error).into()))?;
        let kek_id = parsed.kek_id();
        event.key_id = kek_id.to_string();
        event.content_digest = Some(parsed.content_digest());

        let owner = KeyOwner::Tenant(path.tenant.clone());
        let kek = self.keyring.opening_kek(&owner, kek_id, read_at);
        let kek = tokio::time::timeout(deadline.remaining(), kek)
            .await
            .map_err(|_| NotOpened::Key(KeyUnavailable::Deadline))?
            .map_err(|error| NotOpened::key(&path, error))?;

        let context = Context::new(&self.address(&path), version, &attributes);
        open_in_place(&kek, &context, &mut envelope).map_err(|error| tampered(error.into()))?;
        let plaintext = envelope;
        // From here on everything is as this store once sealed it.
        let system = SystemAttributes::of(&attributes).map_err(|_| tampered(TamperedCause::Content))?;
        let value = Payload::of_plaintext(system.payload_type, plaintext)
            .ok_or_else(|| tampered(TamperedCause::Content))?;
        let entry = Entry {
            key: Key { kind: path.kind.clone(), id: path.id.clone() },
            version,
            created: system.created,
            updated: system.updated,
            attributes: attributes.into_callers(),
            value,
        };
        Ok((entry, path, kek_id))
    }
}
