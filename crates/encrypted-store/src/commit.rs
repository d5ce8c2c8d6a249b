//! Writing: what a write expects, retries, and the one function through which every write leaves.

use blue_address::{Attributes, RecordPath};
use blue_envelope::{Context, TAG_LEN, seal_in_place};
use blue_keys::KeyOwner;
use blue_store::{
    Current, Deadline, DeleteOutcome, PutOutcome, RecordWrite, Revision, StoreError, SystemAttributes,
    check_size,
};

use crate::{
    Delete, Entry, KeyUnavailable, Payload, Put, WriteError, keks::now_micros, read::NotOpened, store::Inner,
};

/// One change of one record.
enum Change<'a> {
    Create { content: &'a Content },
    Replace { content: &'a Content, previous: &'a Previous },
    Delete { expected: &'a Revision },
}

/// What a record is to become.
pub(crate) struct Content {
    pub(crate) payload: Payload,
    pub(crate) attributes: Attributes,
}

/// The state of a record that was opened, hence is authentic, and is now to be replaced.
struct Previous {
    revision: Revision,
    entry: Entry<Payload>,
}

/// A change that was made.
pub(crate) struct Written {
    /// The version that was written or deleted; 0 if what was deleted had none.
    pub(crate) version: u64,
    /// When, in µs since the Unix epoch.
    pub(crate) updated: i64,
}

/// How a change ended.
enum Committed {
    /// It is done.
    Done(Written),
    /// Something else was there, and nothing was changed.
    Conflict(Option<Current>),
}

impl Inner {
    /// Every write leaves through here: sealed, conditional, and with a known outcome or an error that says
    /// that it is not known.
    async fn commit(
        &self,
        path: &RecordPath,
        change: Change<'_>,
        deadline: Deadline,
    ) -> Result<Committed, WriteError> {
        let failed = |error: StoreError| write_error(path, error);
        let now = now_micros();
        let (content, version, created, put) = match change {
            Change::Delete { expected } => {
                let outcome = self.store.delete(path, expected, deadline).await.map_err(failed)?;
                return Ok(match outcome {
                    DeleteOutcome::Done => Committed::Done(Written {
                        version: expected.version().unwrap_or_default(),
                        updated: now,
                    }),
                    DeleteOutcome::Conflict(current) => Committed::Conflict(current),
                });
            }
            Change::Create { content } => (content, now.unsigned_abs(), now, blue_store::Put::Create),
            Change::Replace { content, previous } => {
                let put = blue_store::Put::Replace(&previous.revision);
                (content, previous.entry.version + 1, previous.entry.created, put)
            }
        };
        let Content { payload, attributes } = content;
        let updated = now.max(created);
        let system = SystemAttributes { payload_type: payload.payload_type(), created, updated };
        let attributes = system.added_to(attributes.clone());
        let mut envelope = payload.to_sealing_buffer(self.padding);
        // Before the tenant gets a key and a place in the directory for a record that cannot be written.
        check_size(path, version, &attributes, envelope.len() + TAG_LEN).map_err(failed)?;

        let owner = KeyOwner::Tenant(path.tenant.clone());
        let kek = tokio::time::timeout(deadline.remaining(), self.keyring.sealing_kek(&owner))
            .await
            .map_err(|_| WriteError::Key(KeyUnavailable::Deadline))?
            .map_err(|error| NotOpened::key(path, error))?;
        let context = Context::new(&self.address(path), version, &attributes);
        seal_in_place(&kek, &context, &mut envelope)
            .map_err(|source| WriteError::Seal { address: path.to_string(), source })?;

        let write = RecordWrite { path: path.clone(), version, envelope, attributes };
        self.store.ensure_listed(&path.tenant, &path.collection, deadline).await.map_err(failed)?;
        Ok(match self.store.put(write, put, deadline).await.map_err(failed)? {
            PutOutcome::Done => Committed::Done(Written { version, updated }),
            PutOutcome::Conflict(current) => Committed::Conflict(current),
        })
    }

    /// Writes a record and returns its version.
    pub(crate) async fn put(
        &self,
        path: &RecordPath,
        content: &Content,
        put: Put,
    ) -> Result<u64, WriteError> {
        let deadline = self.deadlines.start();
        match put {
            Put::Create => match self.commit(path, Change::Create { content }, deadline).await? {
                Committed::Done(written) => Ok(written.version),
                Committed::Conflict(current) => Err(conflict(path, current)),
            },
            Put::Replace(expected) => {
                let previous = self.previous(path, deadline).await?.ok_or_else(|| not_found(path))?;
                if previous.entry.version != expected {
                    return Err(WriteError::Conflict {
                        address: path.to_string(),
                        found: Some(previous.entry.version),
                    });
                }
                match self.commit(path, Change::Replace { content, previous: &previous }, deadline).await? {
                    Committed::Done(written) => Ok(written.version),
                    Committed::Conflict(current) => Err(conflict(path, current)),
                }
            }
            Put::Upsert => self.upsert(path, content, deadline).await,
        }
    }

    /// Creates the record; if one is there, replaces it; until one of both succeeds. A new record costs one
    /// request, an existing one two.
    async fn upsert(
        &self,
        path: &RecordPath,
        content: &Content,
        deadline: Deadline,
    ) -> Result<u64, WriteError> {
        let mut previous: Option<Previous> = None;
        for attempt in 0.. {
            let change = match &previous {
                None => Change::Create { content },
                Some(previous) => Change::Replace { content, previous },
            };
            let current = match self.commit(path, change, deadline).await? {
                Committed::Done(written) => return Ok(written.version),
                Committed::Conflict(current) => current,
            };
            // The first conflict only says that the record exists.
            if attempt > 0 && !deadline.pause(attempt - 1).await {
                return Err(conflict(path, current));
            }
            previous = match current {
                Some(current) => Some(self.verified(path, current, deadline).await?),
                None => None,
            };
        }
        unreachable!("the deadline ends the loop")
    }

    /// Reads a record, lets `edit` change it, and writes it if it is still the same, as often as it takes.
    /// Returns what was written, and what `edit` last returned.
    pub(crate) async fn update<T>(
        &self,
        path: &RecordPath,
        mut edit: impl FnMut(Entry<Payload>) -> Result<(Content, T), WriteError>,
    ) -> Result<(Written, T), WriteError> {
        let deadline = self.deadlines.start();
        let turn = self.turns.wait(path, deadline).await;
        let _turn = turn.ok_or_else(|| WriteError::Busy { address: path.to_string() })?;
        for attempt in 0.. {
            let previous = self.previous(path, deadline).await?.ok_or_else(|| not_found(path))?;
            let (content, result) = edit(previous.entry.clone())?;
            let change = Change::Replace { content: &content, previous: &previous };
            match self.commit(path, change, deadline).await? {
                Committed::Done(written) => return Ok((written, result)),
                Committed::Conflict(current) => {
                    if !deadline.pause(attempt).await {
                        return Err(conflict(path, current));
                    }
                }
            }
        }
        unreachable!("the deadline ends the loop")
    }

    /// Deletes a record; says whether there was one.
    pub(crate) async fn delete(&self, path: &RecordPath, delete: Delete) -> Result<bool, WriteError> {
        let deadline = self.deadlines.start();
        for attempt in 0.. {
            let current = self.store.get(path, deadline).await.map_err(|error| write_error(path, error))?;
            let current = match (current, delete) {
                (Some(current), _) => current,
                (None, Delete::Any) => return Ok(false),
                (None, Delete::Version(_)) => return Err(not_found(path)),
            };
            let revision = current.revision();
            if let Delete::Version(expected) = delete
                && revision.version() != Some(expected)
            {
                return Err(conflict(path, Some(current)));
            }
            match (self.commit(path, Change::Delete { expected: &revision }, deadline).await?, delete) {
                (Committed::Done(_), _) => return Ok(true),
                (Committed::Conflict(current), Delete::Version(_)) => return Err(conflict(path, current)),
                (Committed::Conflict(current), Delete::Any) => {
                    if !deadline.pause(attempt).await {
                        return Err(conflict(path, current));
                    }
                }
            }
        }
        unreachable!("the deadline ends the loop")
    }

    async fn previous(&self, path: &RecordPath, deadline: Deadline) -> Result<Option<Previous>, WriteError> {
        match self.store.get(path, deadline).await.map_err(|error| write_error(path, error))? {
            None => Ok(None),
            Some(current) => self.verified(path, current, deadline).await.map(Some),
        }
    }

    /// Opens what is to be replaced. Its creation time goes into the next version; taken from a record that
    /// does not open, it would be an edit of somebody else's made authentic.
    async fn verified(
        &self,
        path: &RecordPath,
        current: Current,
        deadline: Deadline,
    ) -> Result<Previous, WriteError> {
        let revision = current.revision();
        let entry = self.open_current(path, current, deadline).await?;
        Ok(Previous { revision, entry })
    }
}

fn write_error(path: &RecordPath, error: StoreError) -> WriteError {
    let address = path.to_string();
    match error {
        StoreError::TooLarge { .. } => WriteError::TooLarge { address, source: error },
        StoreError::OutcomeUnknown { .. } => WriteError::OutcomeUnknown { address, source: error },
        error => WriteError::Store(error),
    }
}

fn not_found(path: &RecordPath) -> WriteError {
    WriteError::NotFound { address: path.to_string() }
}

fn conflict(path: &RecordPath, current: Option<Current>) -> WriteError {
    let found = current.and_then(|current| current.revision().version());
    WriteError::Conflict { address: path.to_string(), found }
}
