//! Records moved to the newest version of their tenant's key.

use std::{
    future,
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use blue_audit::{CryptoOp, Details, resource};
use blue_envelope::{Envelope, OpenError, rewrap};
use blue_keys::{KeyError, KeyOwner, KeyringError};
use blue_store::{GroupWrite, StoredRecord, SystemAttributes};
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::{KeyVersion, RewrapError, TenantKeys, records::Listed};
use crate::{
    Entry, KeyUnavailable, Payload, Tampered, WriteError,
    audit::{Caller, Changed, Origin},
    commit::{Content, conflict, failure_of, not_sent},
    errors::KeyFailure,
    read::{NotOpened, kek_id_of},
    store::Inner,
    telemetry::Operation,
};

/// What became of one record.
#[derive(Debug)]
#[non_exhaustive]
pub enum Moved {
    /// It lies under the newest key now.
    Done,
    /// It did already.
    Already,
    /// It was deleted meanwhile.
    Gone,
    /// It could not be moved: it was tampered with, its own key cannot be used, or others kept changing it. It is as it was,
    /// unless the error says that this is not known. The rest goes on.
    Failed(WriteError),
}

/// What became of a tenant's records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrapped {
    /// The key that was the newest when it began.
    pub newest: KeyVersion,
    /// How many lie under the newest key now, and did not before.
    pub moved: u64,
    /// How many lay under it already.
    pub already: u64,
    /// How many were deleted meanwhile.
    pub gone: u64,
    /// How many could not be moved. `seen` was told of each.
    pub failed: u64,
    /// Whether it was told to stop before it had looked at all of them: what is counted here is done, the rest is as it was.
    pub stopped: bool,
}

/// How a record is moved.
#[derive(Debug, Clone, Copy)]
enum How {
    /// Its data key is wrapped anew.
    Rewrap,
    /// It is opened, and sealed under a new data key, unless it was written at this time or later.
    Reseal { before: i64 },
}

impl TenantKeys {
    /// Moves every record of the tenant to its newest key, `concurrency` (at least 1) at a time: unwraps its data key under the
    /// old KEK and wraps it under the new one. The content is not decrypted, and neither its version nor its times change. Each is
    /// written on condition that it is still exactly what was read, together with an event `rewrap`, so others may read and
    /// write meanwhile. `seen` is told of each record, by its address.
    ///
    /// It can be stopped at any moment. To do it again goes on from there: what lies under the newest key is left. Another
    /// process may still seal under an older one for [`Self::settling_time`] after a rotation. To stop it and know what became
    /// of every record that was begun: [`Self::rewrap_until`].
    ///
    /// # Errors
    /// [`RewrapError`] if something stopped it. What concerns one record alone is told to `seen`.
    pub async fn rewrap(
        &self,
        concurrency: usize,
        seen: impl Fn(&str, &Moved) + Send + Sync,
    ) -> Result<Rewrapped, RewrapError> {
        self.rewrap_until(concurrency, future::pending(), seen).await
    }

    /// As [`Self::rewrap`], until `stop` is ready. Then no further record is begun, those that were are finished, each within
    /// the deadline of one operation, and the report says how far it came and that it was [stopped](Rewrapped::stopped).
    ///
    /// ```no_run
    /// # async fn example(keys: blue_encrypted_store::TenantKeys) -> Result<(), Box<dyn std::error::Error>> {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// // Elsewhere, when this process has to end: stop.send(()).
    /// # drop(stop);
    /// let report = keys.rewrap_until(16, async { drop(stopped.await) }, |_, _| ()).await?;
    /// if report.stopped {
    ///     println!("{} moved; done again, it goes on from there", report.moved);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RewrapError`].
    pub async fn rewrap_until(
        &self,
        concurrency: usize,
        stop: impl Future<Output = ()> + Send,
        seen: impl Fn(&str, &Moved) + Send + Sync,
    ) -> Result<Rewrapped, RewrapError> {
        let watched = self.begin(Operation::KeysRewrap);
        let this = self.on_behalf_of(&watched.caller);
        watched.watch(this.move_all(How::Rewrap, concurrency, stop, seen)).await
    }

    /// Opens every record of the tenant that was written before a time (in µs since the Unix epoch), and seals it under a new
    /// data key and the newest KEK: for the day after a compromise, when an old data key may be known to somebody.
    /// It is a new version of the record, with the same content and attributes, and a new time of its last change. Otherwise
    /// as [`Self::rewrap`]; to go on where it stopped, give it the same time.
    ///
    /// # Errors
    /// [`RewrapError`].
    pub async fn reseal(
        &self,
        before: i64,
        concurrency: usize,
        seen: impl Fn(&str, &Moved) + Send + Sync,
    ) -> Result<Rewrapped, RewrapError> {
        self.reseal_until(before, concurrency, future::pending(), seen).await
    }

    /// As [`Self::reseal`], until `stop` is ready, which is as for [`Self::rewrap_until`].
    ///
    /// # Errors
    /// [`RewrapError`].
    pub async fn reseal_until(
        &self,
        before: i64,
        concurrency: usize,
        stop: impl Future<Output = ()> + Send,
        seen: impl Fn(&str, &Moved) + Send + Sync,
    ) -> Result<Rewrapped, RewrapError> {
        let watched = self.begin(Operation::KeysReseal);
        let this = self.on_behalf_of(&watched.caller);
        watched.watch(this.move_all(How::Reseal { before }, concurrency, stop, seen)).await
    }

    async fn move_all(
        &self,
        how: How,
        concurrency: usize,
        stop: impl Future<Output = ()> + Send,
        seen: impl Fn(&str, &Moved) + Send + Sync,
    ) -> Result<Rewrapped, RewrapError> {
        let newest = self.newest().await?;
        let concurrency = NonZeroUsize::new(concurrency).unwrap_or(NonZeroUsize::MIN);
        let read = |source| RewrapError::Read { tenant: self.name(), source };
        let stopped = AtomicBool::new(false);
        let stop = stop.map(|()| stopped.store(true, Ordering::Relaxed));
        // What is told to stop is the listing; what came of it before is moved to the end.
        let all = self.inner.records_of(&self.tenant).map_err(read).take_until(stop);
        let moving = all.map_ok(|listed| self.move_one(how, listed)).try_buffer_unordered(concurrency.get());
        let mut moving = std::pin::pin!(moving);
        let mut report = Rewrapped { newest, moved: 0, already: 0, gone: 0, failed: 0, stopped: false };
        while let Some((address, moved)) = moving.try_next().await? {
            match moved {
                Moved::Done => report.moved += 1,
                Moved::Already => report.already += 1,
                Moved::Gone => report.gone += 1,
                Moved::Failed(_) => report.failed += 1,
            }
            seen(&address, &moved);
        }
        report.stopped = stopped.load(Ordering::Relaxed);
        Ok(report)
    }

    /// The newest version, which must unwrap.
    async fn newest(&self) -> Result<KeyVersion, RewrapError> {
        self.inner.check_writable()?;
        let tenant = self.name();
        let items = self.items().await;
        let items = items.map_err(|source| RewrapError::Read { tenant: tenant.clone(), source })?;
        if items.versions.is_empty() && items.tombstone.is_none() {
            return Err(RewrapError::NoKey { tenant });
        }
        self.inner.keyring.forget(&self.owner());
        match self.inner.keyring.sealing_kek(&self.owner()).await {
            Ok(kek) => {
                let newest = items.versions.iter().find(|item| item.kek_id == *kek.id().as_bytes());
                newest.or(items.versions.last()).map(KeyVersion::of).ok_or(RewrapError::NoKey { tenant })
            }
            Err(error) => Err(match KeyFailure::from(error) {
                KeyFailure::Shredded(error) => error.into(),
                KeyFailure::Unavailable(error) => error.into(),
                KeyFailure::Tampered(source) => RewrapError::Tampered { tenant, source },
            }),
        }
    }

    async fn move_one(&self, how: How, listed: Listed) -> Result<(String, Moved), RewrapError> {
        let Listed { record, read_at } = listed;
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let address = error.key.clone();
                let tampered = Tampered { address: address.clone(), source: error.into() };
                return Ok((address, Moved::Failed(tampered.into())));
            }
        };
        let address = record.path.to_string();
        let moved = match how {
            How::Rewrap => self.inner.rewrap(&self.caller, record, read_at).await,
            How::Reseal { before } => self.inner.reseal(&self.caller, record, before).await,
        };
        match moved {
            Ok(moved) => Ok((address, moved)),
            Err(error) if concerns_one_record(&error) => Ok((address, Moved::Failed(error))),
            Err(WriteError::Shredded(error)) => Err(error.into()),
            Err(source) => Err(RewrapError::Stopped { tenant: self.name(), source }),
        }
    }
}

fn concerns_one_record(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::Tampered(_)
            | WriteError::Conflict { .. }
            | WriteError::Busy { .. }
            | WriteError::TooLarge { .. }
            | WriteError::Seal { .. }
            | WriteError::OutcomeUnknown { .. }
    )
}

/// Whether asking again would be answered the same.
fn is_definite(error: &KeyringError) -> bool {
    matches!(error, KeyringError::Provider { source, .. } if !matches!(**source, KeyError::Unavailable { .. }))
        || matches!(error, KeyringError::Unknown { .. })
}

impl Inner {
    async fn rewrap(
        &self,
        caller: &Caller,
        record: StoredRecord,
        read_at: Instant,
    ) -> Result<Moved, WriteError> {
        let origin = self.trail.begin(caller);
        let path = record.path.clone();
        let moved = Box::pin(self.wrap_anew(&origin, record, read_at)).await;
        if let Err(error) | Ok(Moved::Failed(error)) = &moved
            && let Some(failure) = failure_of(error)
        {
            let event = origin.event(CryptoOp::Rewrap, resource(&self.address(&path)));
            self.trail.failed(vec![failure.of(event)], self.deadlines.start()).await;
        }
        moved
    }

    async fn reseal(&self, caller: &Caller, record: StoredRecord, before: i64) -> Result<Moved, WriteError> {
        // Whoever changed the time has a record that does not open, whatever is done with it; whoever knows an old key could
        // make one that does, but not under the newest.
        let is_late = SystemAttributes::of(&record.attributes).is_ok_and(|system| system.updated >= before);
        if is_late && self.is_under_newest(&record).await? {
            return Ok(Moved::Already);
        }
        let same = |entry: Entry<Payload>| {
            Ok((Content::of_payload(&entry.value, entry.attributes, self.padding), ()))
        };
        match Box::pin(self.update(caller, &record.path, same)).await {
            Ok(_) => Ok(Moved::Done),
            Err(WriteError::NotFound { .. }) => Ok(Moved::Gone),
            Err(error) => Err(error),
        }
    }

    async fn is_under_newest(&self, record: &StoredRecord) -> Result<bool, WriteError> {
        let key = |error| WriteError::from(NotOpened::key(&record.path, error));
        let owner = KeyOwner::Tenant(record.path.tenant.clone());
        let newest = self.keyring.sealing_kek(&owner);
        let newest = tokio::time::timeout(self.deadlines.operation, newest).await;
        let newest = newest.map_err(|_| WriteError::Key(KeyUnavailable::Deadline))?.map_err(key)?;
        Ok(kek_id_of(record) == Some(newest.id()))
    }

    async fn wrap_anew(
        &self,
        origin: &Origin,
        mut record: StoredRecord,
        mut read_at: Instant,
    ) -> Result<Moved, WriteError> {
        let path = record.path.clone();
        let owner = KeyOwner::Tenant(path.tenant.clone());
        let deadline = self.deadlines.start();
        let late = |_| WriteError::Key(KeyUnavailable::Deadline);
        let key = |error| WriteError::from(NotOpened::key(&path, error));
        let tampered = |error: OpenError| WriteError::from(NotOpened::tampered(&path, error));
        for attempt in 0.. {
            let mut envelope = record.envelope.clone();
            let kek_id = Envelope::parse(&envelope).map_err(|error| tampered(error.into()))?.kek_id();
            // First the record's own key: if another process added it since the keys were read, they are read again, and what
            // comes after it is the newest of those. So no record is ever moved back.
            let from = self.keyring.opening_kek(&owner, kek_id, read_at);
            let from = tokio::time::timeout(deadline.remaining(), from).await.map_err(late)?;
            // Asked for anew each time: a shred, or a master key that is revoked, is noticed within the time to live.
            let to = self.keyring.sealing_kek(&owner);
            let to = tokio::time::timeout(deadline.remaining(), to).await.map_err(late)?.map_err(key)?;
            if kek_id == to.id() {
                return Ok(Moved::Already);
            }
            let from = match from {
                Ok(from) => from,
                // Of this version alone. What is passing stops the run, and is tried again.
                Err(error) if is_definite(&error) => return Ok(Moved::Failed(key(error))),
                Err(error) => return Err(key(error)),
            };
            rewrap(&from, &to, &mut envelope).map_err(tampered)?;
            let sealed = Envelope::parse(&envelope).expect("what was rewrapped is an envelope");
            let event = Details {
                version: record.version,
                key_id: to.id().to_string(),
                content_digest: Some(sealed.content_digest()),
                ..origin.event(CryptoOp::Rewrap, resource(&self.address(&path)))
            };
            let changed =
                self.trail.together(vec![event], GroupWrite::rewrap(&record, envelope), deadline).await;
            match changed.map_err(|error| not_sent(&path, error))? {
                Changed::Done => return Ok(Moved::Done),
                Changed::Conflict(None) => return Ok(Moved::Gone),
                Changed::Conflict(Some(current)) => {
                    read_at = Instant::now();
                    if !self.may_try_again(deadline, attempt).await {
                        return Err(conflict(&path, Some(current)));
                    }
                    record = current.into_record().map_err(|error| NotOpened::tampered(&path, error))?;
                }
            }
        }
        unreachable!("the deadline ends the loop")
    }
}
