//! What is recorded, and when somebody waits for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use blue_address::{Namespace, RecordPath};
use blue_audit::{AppendError, Appender, AuditKeys, CryptoOp, Details, collection_resource};
use blue_envelope::KekId;
use blue_store::{
    Current, Deadline, Deadlines, DeleteOutcome, GroupWrite, Put, PutOutcome, RecordWrite, Revision, Store,
    StoreError,
};

use super::{
    AuditConfig, Caller, Origin, ReadPolicy, Recorder, WritePolicy,
    lease::{Lease, Leases, whole_seconds},
    log::TableLog,
};
use crate::{
    AuditLog, AuditUnavailable, checkpoints::Checkpoints, errors::store_error, telemetry::Telemetry,
};

/// Records what is done with keys.
pub(crate) struct Trail {
    pub(super) namespace: Namespace,
    pub(super) config: AuditConfig,
    pub(super) deadlines: Deadlines,
    pub(super) store: Arc<Store>,
    pub(super) appender: Appender<TableLog>,
    pub(super) recorder: Recorder,
    pub(super) keys: AuditKeys,
    pub(super) leases: Leases,
    pub(super) telemetry: Arc<Telemetry>,
}

/// A change of a record, ready to be sent.
pub(crate) enum RecordChange<'a> {
    Put(RecordWrite, Put<'a>),
    Delete(&'a RecordPath, &'a Revision),
}

/// How a change ended.
pub(crate) enum Changed {
    Done,
    /// Something else was there, and nothing was changed or recorded.
    Conflict(Option<Current>),
}

/// Why a change was not made.
pub(crate) enum Unrecorded {
    Store(StoreError),
    Audit(AppendError),
}

/// A record that was opened.
pub(crate) struct Opened<'a> {
    pub(crate) path: &'a RecordPath,
    pub(crate) kek_id: KekId,
}

impl Trail {
    pub(crate) fn begin(&self, caller: &Caller) -> Origin {
        Origin::of(caller, &self.recorder)
    }

    /// Makes a change and records it, as the policy of writes says.
    pub(crate) async fn change(
        &self,
        change: RecordChange<'_>,
        events: Vec<Details>,
        deadline: Deadline,
    ) -> Result<Changed, Unrecorded> {
        match self.config.writes {
            WritePolicy::Strict => {
                let write = match change {
                    RecordChange::Put(write, put) => {
                        GroupWrite::put(write, put).map_err(Unrecorded::Store)?
                    }
                    RecordChange::Delete(path, expected) => GroupWrite::delete(path, expected),
                };
                self.together(events, write, deadline).await
            }
            WritePolicy::Buffered => {
                // First the room: what is done must not be left without a place to be told.
                let room = self.appender.reserve(events.len(), at(deadline)).await.map_err(unrecorded)?;
                let changed = match change {
                    RecordChange::Put(write, put) => match self.store.put(write, put, deadline).await {
                        Ok(PutOutcome::Done) => Changed::Done,
                        Ok(PutOutcome::Conflict(current)) => Changed::Conflict(current),
                        Err(error) => return Err(Unrecorded::Store(error)),
                    },
                    RecordChange::Delete(path, expected) => {
                        match self.store.delete(path, expected, deadline).await {
                            Ok(DeleteOutcome::Done) => Changed::Done,
                            Ok(DeleteOutcome::Conflict(current)) => Changed::Conflict(current),
                            Err(error) => return Err(Unrecorded::Store(error)),
                        }
                    }
                };
                if matches!(changed, Changed::Done)
                    && let Err(error) = room.buffer(events)
                {
                    // It is done all the same, and to deny it would be worse.
                    lost(&error);
                }
                Ok(changed)
            }
        }
    }

    /// Records what was opened, as the policy of reads says, before it is released.
    pub(crate) async fn release(
        &self,
        origin: &Origin,
        opened: &[Opened<'_>],
        events: Vec<Details>,
        deadline: Deadline,
    ) -> Result<(), AppendError> {
        if events.is_empty() {
            return Ok(());
        }
        match self.config.reads {
            ReadPolicy::Strict => self.appender.append(events, at(deadline)).await,
            ReadPolicy::Buffered => self.buffer(events, deadline).await,
            ReadPolicy::Lease { window } => {
                self.lease(origin, opened, whole_seconds(window), deadline).await?;
                self.buffer(events, deadline).await
            }
        }
    }

    /// Records an event of a key, before it is used.
    pub(super) async fn release_key(&self, event: Details) -> Result<(), AppendError> {
        let deadline = self.deadlines.start();
        let strict = match event.operation {
            CryptoOp::UnwrapKek => self.config.reads == ReadPolicy::Strict,
            _ => self.config.writes == WritePolicy::Strict,
        };
        if strict {
            self.appender.append(vec![event], at(deadline)).await
        } else {
            self.buffer(vec![event], deadline).await
        }
    }

    /// Records what was done for something that failed, and that it did. It failed already, so if this fails too, that is only logged.
    pub(crate) async fn failed(&self, events: Vec<Details>, deadline: Deadline) {
        if events.is_empty() {
            return;
        }
        let strict = self.config.writes == WritePolicy::Strict || self.config.reads == ReadPolicy::Strict;
        let recorded = if strict && !deadline.remaining().is_zero() {
            self.appender.append(events, at(deadline)).await
        } else {
            self.buffer(events, deadline).await
        };
        if let Err(error) = recorded {
            lost(&error);
        }
    }

    /// Makes checkpoints from now on, until the last handle of this store is dropped.
    pub(crate) fn keep(&self, checkpoints: Checkpoints, table_id: Option<String>) {
        let (chain, head) = (self.appender.chain().clone(), self.appender.watch_head());
        tokio::spawn(checkpoints.run(AuditLog::of(self, table_id), chain, head));
    }

    /// Returns once everything that was recorded is durable.
    pub(crate) async fn flush(&self) -> Result<(), AuditUnavailable> {
        Ok(self.appender.flush(at(self.deadlines.start())).await?)
    }

    pub(super) async fn buffer(&self, events: Vec<Details>, deadline: Deadline) -> Result<(), AppendError> {
        self.appender.reserve(events.len(), at(deadline)).await?.buffer(events)
    }

    /// Makes sure that every lease is durable that these reads need.
    async fn lease(
        &self,
        origin: &Origin,
        opened: &[Opened<'_>],
        window: Duration,
        deadline: Deadline,
    ) -> Result<(), AppendError> {
        let mut needed: Vec<Lease> = Vec::new();
        for Opened { path, kek_id } in opened {
            let lease = Lease {
                principal: origin.principal().to_owned(),
                tenant: path.tenant.clone(),
                collection: path.collection.clone(),
                kek_id: *kek_id,
            };
            if !needed.contains(&lease) && !self.leases.is_open(&lease) {
                needed.push(lease);
            }
        }
        if needed.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + window;
        let events = needed.iter().map(|lease| Details {
            key_id: lease.kek_id.to_string(),
            reason: format!("{}s", window.as_secs()),
            ..origin.event(
                CryptoOp::Lease,
                collection_resource(&self.namespace, &lease.tenant, &lease.collection),
            )
        });
        self.appender.append(events.collect(), at(deadline)).await?;
        for lease in needed {
            self.leases.note(lease, until);
        }
        Ok(())
    }
}

/// What lies in the way of the segment lies in the way of the record: they are one request.
pub(super) fn unrecorded(error: AppendError) -> Unrecorded {
    match (&error, store_error(&error)) {
        (AppendError::Failed { .. } | AppendError::Deadline { .. }, Some(store)) => {
            Unrecorded::Store(not_done(store.clone()))
        }
        _ => Unrecorded::Audit(error),
    }
}

/// What was in its way may have no known outcome; it was not sent itself.
fn not_done(in_the_way: StoreError) -> StoreError {
    match in_the_way {
        StoreError::OutcomeUnknown { operation, attempts, source } => {
            StoreError::Unavailable { operation, attempts, source }
        }
        error => error,
    }
}

fn lost(error: &AppendError) {
    tracing::error!(%error, source = ?std::error::Error::source(error), "an event was not recorded");
}

pub(super) fn at(deadline: Deadline) -> Instant {
    Instant::now() + deadline.remaining()
}
