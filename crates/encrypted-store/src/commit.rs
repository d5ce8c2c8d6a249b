//! Writing: what a write expects, retries, and the one function through which every write leaves.

use blue_address::{Attributes, RecordPath};
use blue_audit::{AppendError, CryptoOp, Details, resource};
use blue_envelope::{Context, Envelope, KekId, TAG_LEN, seal_in_place};
use blue_keys::KeyOwner;
use blue_store::{Current, Deadline, RecordWrite, Revision, StoreError, SystemAttributes, check_size};

use crate::{
    Delete, Entry, KeyUnavailable, Padding, Payload, Put, WriteError,
    audit::{Caller, Changed, Failure, Origin, RecordChange, Unrecorded, key_failure},
    keks::now_micros,
    payload::SealingBuffer,
    read::{NotOpened, Unopened, Unsealed, kek_id_of},
    store::Inner,
    telemetry::{Operation, Subject},
};

/// One change of one record.
enum Change<'a> {
    Create { content: Content },
    Replace { content: Content, previous: &'a Previous },
    Delete { expected: &'a Revision, kek_id: Option<KekId> },
}

/// What a record is to become. It is sealed in the buffer that it stands in, so each attempt at a write makes it anew.
pub(crate) struct Content {
    pub(crate) plaintext: SealingBuffer,
    pub(crate) attributes: Attributes,
}

impl Content {
    pub(crate) fn of_payload(payload: &Payload, attributes: Attributes, padding: Padding) -> Self {
        Self { plaintext: SealingBuffer::of_payload(payload, padding), attributes }
    }
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

/// One write as its caller sees it, however many attempts it takes.
struct Act {
    origin: Origin,
    deadline: Deadline,
    /// What was opened on the way and is not recorded yet. Nobody but this store has seen it.
    opened: Vec<Details>,
}

impl Inner {
    fn begin(&self, caller: &Caller) -> Result<Act, WriteError> {
        self.check_writable()?;
        let origin = self.trail.begin(caller);
        Ok(Act { origin, deadline: self.deadlines.start(), opened: Vec::new() })
    }

    /// Records a failure, unless it came before anything was tried.
    async fn end<T>(
        &self,
        act: Act,
        operation: CryptoOp,
        path: &RecordPath,
        result: Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let Act { origin, deadline, opened: mut events } = act;
        if let Err(error) = &result
            && let Some(failure) = failure_of(error)
        {
            events.push(failure.of(origin.event(operation, resource(&self.address(path)))));
        }
        self.trail.failed(events, deadline).await;
        result
    }

    /// Every write leaves through here: sealed, conditional, recorded, and with a known outcome or an error that says
    /// that it is not known.
    async fn commit(
        &self,
        act: &mut Act,
        path: &RecordPath,
        change: Change<'_>,
    ) -> Result<Committed, WriteError> {
        let failed = |error: StoreError| write_error(path, error);
        let deadline = act.deadline;
        let now = now_micros();
        let (content, version, created, put) = match change {
            Change::Delete { expected, kek_id } => {
                let version = expected.version().unwrap_or_default();
                let event = Details {
                    version,
                    key_id: kek_id.map(|id| id.to_string()).unwrap_or_default(),
                    ..act.origin.event(CryptoOp::Delete, resource(&self.address(path)))
                };
                let change = RecordChange::Delete(path, expected);
                return self.send(act, path, change, event, Written { version, updated: now }).await;
            }
            Change::Create { content } => (content, now.unsigned_abs(), now, blue_store::Put::Create),
            Change::Replace { content, previous } => {
                let put = blue_store::Put::Replace(&previous.revision);
                (content, previous.entry.version + 1, previous.entry.created, put)
            }
        };
        let Content { plaintext: SealingBuffer { payload_type, bytes: mut envelope }, attributes } = content;
        let updated = now.max(created);
        let system = SystemAttributes { payload_type, created, updated };
        let attributes = system.added_to(attributes);
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
        let sealed = Envelope::parse(&envelope).expect("what was sealed is an envelope");
        let event = Details {
            version,
            key_id: kek.id().to_string(),
            content_digest: Some(sealed.content_digest()),
            ..act.origin.event(CryptoOp::Encrypt, resource(&self.address(path)))
        };

        let write = RecordWrite { path: path.clone(), version, envelope, attributes };
        self.store.ensure_listed(&path.tenant, &path.collection, deadline).await.map_err(failed)?;
        self.send(act, path, RecordChange::Put(write, put), event, Written { version, updated }).await
    }

    async fn send(
        &self,
        act: &mut Act,
        path: &RecordPath,
        change: RecordChange<'_>,
        event: Details,
        written: Written,
    ) -> Result<Committed, WriteError> {
        let events = act.opened.iter().cloned().chain([event]).collect();
        // Boxed, so that futures built upon a write stay within what the compiler follows.
        match Box::pin(self.trail.change(change, events, act.deadline)).await {
            Ok(Changed::Done) => {
                act.opened.clear();
                Ok(Committed::Done(written))
            }
            Ok(Changed::Conflict(current)) => Ok(Committed::Conflict(current)),
            Err(error) => Err(not_sent(path, error)),
        }
    }

    /// Writes a record and returns its version.
    pub(crate) async fn put(
        &self,
        caller: &Caller,
        path: &RecordPath,
        content: impl Fn() -> Result<Content, WriteError>,
        put: Put,
    ) -> Result<u64, WriteError> {
        let watched = self.telemetry.begin(Operation::Put, Subject::Record(path), caller);
        let putting = async {
            let mut act = self.begin(&watched.caller)?;
            let result = match put {
                Put::Create => self.create(&mut act, path, content).await,
                Put::Replace(expected) => self.replace(&mut act, path, content, expected).await,
                Put::Upsert => self.upsert(&mut act, path, content).await,
            };
            self.end(act, CryptoOp::Encrypt, path, result).await
        };
        watched.watch(putting).await
    }

    async fn create(
        &self,
        act: &mut Act,
        path: &RecordPath,
        content: impl Fn() -> Result<Content, WriteError>,
    ) -> Result<u64, WriteError> {
        let content = content()?;
        match self.commit(act, path, Change::Create { content }).await? {
            Committed::Done(written) => Ok(written.version),
            Committed::Conflict(current) => Err(self.conflict(path, current)),
        }
    }

    async fn replace(
        &self,
        act: &mut Act,
        path: &RecordPath,
        content: impl Fn() -> Result<Content, WriteError>,
        expected: u64,
    ) -> Result<u64, WriteError> {
        let content = content()?;
        let previous = self.previous(act, path).await?.ok_or_else(|| not_found(path))?;
        if previous.entry.version != expected {
            let found = Some(previous.entry.version);
            return Err(WriteError::Conflict { address: path.to_string(), found });
        }
        match self.commit(act, path, Change::Replace { content, previous: &previous }).await? {
            Committed::Done(written) => Ok(written.version),
            Committed::Conflict(current) => Err(self.conflict(path, current)),
        }
    }

    /// Creates the record; if one is there, replaces it; until one of both succeeds. A new record costs one
    /// request, an existing one two.
    async fn upsert(
        &self,
        act: &mut Act,
        path: &RecordPath,
        content: impl Fn() -> Result<Content, WriteError>,
    ) -> Result<u64, WriteError> {
        let mut previous: Option<Previous> = None;
        for attempt in 0.. {
            let content = content()?;
            let change = match &previous {
                None => Change::Create { content },
                Some(previous) => Change::Replace { content, previous },
            };
            let current = match self.commit(act, path, change).await? {
                Committed::Done(written) => return Ok(written.version),
                Committed::Conflict(current) => current,
            };
            // The first conflict only says that the record exists.
            if attempt > 0 && !self.may_try_again(act.deadline, attempt - 1).await {
                return Err(conflict(path, current));
            }
            previous = match current {
                Some(current) => Some(self.verified(act, path, current).await?),
                None => None,
            };
        }
        unreachable!("the deadline ends the loop")
    }

    /// Reads a record, lets `edit` change it, and writes it if it is still the same, as often as it takes.
    /// Returns what was written, and what `edit` last returned.
    pub(crate) async fn update<T>(
        &self,
        caller: &Caller,
        path: &RecordPath,
        edit: impl FnMut(Entry<Payload>) -> Result<(Content, T), WriteError>,
    ) -> Result<(Written, T), WriteError> {
        let watched = self.telemetry.begin(Operation::Update, Subject::Record(path), caller);
        let updating = async {
            let mut act = self.begin(&watched.caller)?;
            let result = Box::pin(self.edit(&mut act, path, edit)).await;
            self.end(act, CryptoOp::Encrypt, path, result).await
        };
        watched.watch(updating).await
    }

    async fn edit<T>(
        &self,
        act: &mut Act,
        path: &RecordPath,
        mut edit: impl FnMut(Entry<Payload>) -> Result<(Content, T), WriteError>,
    ) -> Result<(Written, T), WriteError> {
        let turn = self.turns.wait(path, act.deadline).await;
        let _turn = turn.ok_or_else(|| WriteError::Busy { address: path.to_string() })?;
        for attempt in 0.. {
            let current = self.current(path, act.deadline).await?.ok_or_else(|| not_found(path))?;
            let revision = current.revision();
            let unsealed = self.unsealed(act, path, current).await?;
            // `edit` is the caller's: it sees the content, so this is a read.
            let released = self.release(&act.origin, vec![Ok(unsealed)], act.deadline).await;
            let entry = match released.map_err(WriteError::Audit)?.into_iter().next() {
                Some(entry) => entry?,
                None => unreachable!("one was released"),
            };
            let previous = Previous { revision, entry };
            let (content, result) = edit(previous.entry.clone())?;
            let change = Change::Replace { content, previous: &previous };
            match self.commit(act, path, change).await? {
                Committed::Done(written) => return Ok((written, result)),
                Committed::Conflict(current) => {
                    if !self.may_try_again(act.deadline, attempt).await {
                        return Err(conflict(path, current));
                    }
                }
            }
        }
        unreachable!("the deadline ends the loop")
    }

    /// Deletes a record; says whether there was one.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        path: &RecordPath,
        delete: Delete,
    ) -> Result<bool, WriteError> {
        let watched = self.telemetry.begin(Operation::Delete, Subject::Record(path), caller);
        let deleting = async {
            let mut act = self.begin(&watched.caller)?;
            let result = self.remove(&mut act, path, delete).await;
            self.end(act, CryptoOp::Delete, path, result).await
        };
        watched.watch(deleting).await
    }

    async fn remove(&self, act: &mut Act, path: &RecordPath, delete: Delete) -> Result<bool, WriteError> {
        for attempt in 0.. {
            let current = match (self.current(path, act.deadline).await?, delete) {
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
            let kek_id = current.into_record().ok().as_ref().and_then(kek_id_of);
            match (self.commit(act, path, Change::Delete { expected: &revision, kek_id }).await?, delete) {
                (Committed::Done(_), _) => return Ok(true),
                (Committed::Conflict(current), Delete::Version(_)) => {
                    return Err(self.conflict(path, current));
                }
                (Committed::Conflict(current), Delete::Any) => {
                    if !self.may_try_again(act.deadline, attempt).await {
                        return Err(conflict(path, current));
                    }
                }
            }
        }
        unreachable!("the deadline ends the loop")
    }

    /// After a conflict that is to be overcome: waits before the next attempt. Says `false` if there is no time for it.
    pub(crate) async fn may_try_again(&self, deadline: Deadline, attempt: u32) -> bool {
        self.telemetry.conflict();
        deadline.pause(attempt).await
    }

    /// A conflict that is the caller's.
    fn conflict(&self, path: &RecordPath, current: Option<Current>) -> WriteError {
        self.telemetry.conflict();
        conflict(path, current)
    }

    async fn current(&self, path: &RecordPath, deadline: Deadline) -> Result<Option<Current>, WriteError> {
        self.store.get(path, deadline).await.map_err(|error| write_error(path, error))
    }

    async fn previous(&self, act: &mut Act, path: &RecordPath) -> Result<Option<Previous>, WriteError> {
        match self.current(path, act.deadline).await? {
            None => Ok(None),
            Some(current) => self.verified(act, path, current).await.map(Some),
        }
    }

    /// Opens what is to be replaced. Its creation time goes into the next version; taken from a record that
    /// does not open, it would be an edit of somebody else's made authentic.
    async fn verified(
        &self,
        act: &mut Act,
        path: &RecordPath,
        current: Current,
    ) -> Result<Previous, WriteError> {
        let revision = current.revision();
        let unsealed = self.unsealed(act, path, current).await?;
        act.opened.push(unsealed.event.clone());
        Ok(Previous { revision, entry: unsealed.into_entry() })
    }

    async fn unsealed(
        &self,
        act: &mut Act,
        path: &RecordPath,
        current: Current,
    ) -> Result<Unsealed, WriteError> {
        let opened = self.open_current(&act.origin, path, current, act.deadline).await;
        opened.map_err(|Unopened { failure, event }| {
            act.opened.push(event);
            failure.into()
        })
    }
}

/// How the event of a write says that it failed. What was refused before a key or the table was asked for is no event,
/// nor is what the table did not answer: nothing was done.
pub(crate) fn failure_of(error: &WriteError) -> Option<Failure> {
    match error {
        WriteError::Conflict { .. } => Some(Failure::failed("conflict")),
        WriteError::Busy { .. } => Some(Failure::failed("busy")),
        WriteError::Tampered(_) => Some(Failure::failed("tampered")),
        WriteError::Shredded(_) => Some(Failure::denied("shredded")),
        WriteError::Key(error) => Some(key_failure(error)),
        WriteError::Seal { .. } => Some(Failure::failed("seal")),
        WriteError::OutcomeUnknown { .. } => Some(Failure::failed("outcome_unknown")),
        WriteError::Store(StoreError::Denied { .. }) => Some(Failure::denied("store_denied")),
        _ => None,
    }
}

fn write_error(path: &RecordPath, error: StoreError) -> WriteError {
    let address = path.to_string();
    match error {
        StoreError::TooLarge { .. } => WriteError::TooLarge { address, source: error },
        StoreError::OutcomeUnknown { .. } => WriteError::OutcomeUnknown { address, source: error.into() },
        error => WriteError::Store(error),
    }
}

pub(crate) fn not_sent(path: &RecordPath, error: Unrecorded) -> WriteError {
    match error {
        Unrecorded::Store(error) => write_error(path, error),
        Unrecorded::Audit(error @ AppendError::OutcomeUnknown { .. }) => {
            WriteError::OutcomeUnknown { address: path.to_string(), source: error.into() }
        }
        Unrecorded::Audit(error) => WriteError::Audit(error.into()),
    }
}

fn not_found(path: &RecordPath) -> WriteError {
    WriteError::NotFound { address: path.to_string() }
}

pub(crate) fn conflict(path: &RecordPath, current: Option<Current>) -> WriteError {
    let found = current.and_then(|current| current.revision().version());
    WriteError::Conflict { address: path.to_string(), found }
}
