//! Appending to a chain: one task for each chain and process puts what waits together into segments.
//!
//! The rules, in the words of docs/audit.md ("Appending"): a segment is only ever put where none is; two writers that race
//! for a sequence are told apart by that condition, and the loser links anew; what an unanswered attempt became is
//! decided by what lies at its sequence, never guessed.

mod actor;
mod error;
mod group;
mod slot;
mod telemetry;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use blue_address::{Chain, Namespace};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::Span;

use crate::{AuditKeys, Cause, Details, JoinedWrite, SegmentLog};

use self::{
    actor::Actor,
    telemetry::{Queued, Telemetry},
};
pub use self::{
    error::{AppendError, Stopped},
    group::{MAX_GROUP_WRITES, MAX_REQUEST_LEN, MAX_SEGMENT_LEN},
};

/// How an appender works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppenderConfig {
    /// How much may wait in this process, in KiB of events and joined writes, each counted as 1 KiB at least.
    /// Default: 65,536 (64 MiB).
    pub waiting_kib: u32,
    /// How long one attempt may take. Default: 5 s. (The facade takes its own deadline of an attempt if that is less.)
    pub attempt: Duration,
    /// How often the end of the chain is looked at again, so that one that was cut back is noticed. Default: 1 s.
    pub look_again: Duration,
    /// How long buffered events wait for others, to share a segment with them, while there is room for more in it and nobody
    /// waits for what was submitted before or after them. Default: 200 ms. A crash loses what waits.
    pub linger: Duration,
}

impl Default for AppenderConfig {
    fn default() -> Self {
        Self {
            waiting_kib: 65_536,
            attempt: Duration::from_secs(5),
            look_again: Duration::from_secs(1),
            linger: Duration::from_millis(200),
        }
    }
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The sequence that the next event gets.
    pub next: u64,
    /// The hash of the last event; [`crate::GENESIS`] if there is none.
    pub hash: [u8; 32],
}

/// How a write that joined its events ended.
#[derive(Debug)]
pub enum Committed<F> {
    /// It is done, and its events are in the chain, the first of them at this sequence.
    Done(u64),
    /// What it expects is not there, but this. Neither the write nor its events were written.
    Conflict(F),
}

/// Appends to one chain. Several processes may append to the same one, each through an appender of its own. Clones
/// share the task; it ends, once everything that waits is written, when the last of them is dropped.
pub struct Appender<L: SegmentLog> {
    chain: Chain,
    submissions: mpsc::UnboundedSender<Message<L>>,
    room: Arc<Semaphore>,
    room_kib: u32,
    shared: Arc<Shared>,
    head: watch::Receiver<Option<Head>>,
}

impl<L: SegmentLog> Clone for Appender<L> {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            submissions: self.submissions.clone(),
            room: self.room.clone(),
            room_kib: self.room_kib,
            shared: self.shared.clone(),
            head: self.head.clone(),
        }
    }
}

impl<L: SegmentLog> fmt::Debug for Appender<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// What an appender and its task both see.
#[derive(Default)]
struct Shared {
    stopped: OnceLock<Stopped>,
    /// What keeps the task from getting on, for the errors of those who wait.
    trouble: Mutex<Option<Cause>>,
    telemetry: Telemetry,
}

impl Shared {
    fn trouble(&self) -> Option<Cause> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, cause: Option<Cause>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }
}

enum Message<L: SegmentLog> {
    Submission(Submission<L>),
    /// Asks to be told when everything submitted before it is durable.
    Flush(oneshot::Sender<()>),
}

/// Events that go into one segment, with the write that joins them, if one does.
struct Submission<L: SegmentLog> {
    events: Vec<Details>,
    /// The bytes that the events take in a segment.
    events_len: usize,
    write: Option<L::Write>,
    /// Who waits for it; nobody, if it is buffered.
    waiter: Option<Waiter<L::Found>>,
    /// How often another transaction was in its way.
    busy: u32,
    /// That of whoever waits for it.
    span: Span,
    queued: Queued,
    _room: OwnedSemaphorePermit,
}

struct Waiter<F> {
    state: Arc<State>,
    deadline: Instant,
    reply: oneshot::Sender<Result<Committed<F>, AppendError>>,
}

/// Whether a submission may still be taken back by whoever waits for it.
#[derive(Default)]
struct State(AtomicU8);

impl State {
    const WAITING: u8 = 0;
    const SENT: u8 = 1;
    const WITHDRAWN: u8 = 2;

    fn change(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Takes a submission back when nobody waits for it any more, if it was not sent.
struct Withdrawal(Arc<State>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.0.change(State::WAITING, State::WITHDRAWN);
    }
}

impl<L: SegmentLog> Appender<L> {
    /// Starts the task that appends to `chain`, on the current tokio runtime. Nothing is read or written before
    /// something is submitted.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(
        log: Arc<L>,
        keys: AuditKeys,
        namespace: Namespace,
        chain: Chain,
        config: AppenderConfig,
    ) -> Self {
        let (submissions, received) = mpsc::unbounded_channel();
        let (head_changed, head) = watch::channel(None);
        let shared = Arc::new(Shared::default());
        let room_kib = config.waiting_kib.max(1_024);
        let room = Arc::new(Semaphore::new(usize::try_from(room_kib).unwrap_or(Semaphore::MAX_PERMITS)));
        let actor =
            Actor::new(log, keys, namespace, chain.clone(), config, received, shared.clone(), head_changed);
        tokio::spawn(actor.run());
        Self { chain, submissions, room, room_kib, shared, head }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The end of the chain as this process last saw it; `None` until it has looked.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        *self.head.borrow()
    }

    /// The same, and every change of it, for as long as this appender or a clone of it is there.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Option<Head>> {
        self.head.clone()
    }

    /// Does a write together with the events that tell of it, or neither.
    ///
    /// # Errors
    /// [`AppendError`], at the deadline at the latest.
    ///
    /// # Panics
    /// Without an event.
    pub async fn commit(
        &self,
        events: Vec<Details>,
        write: L::Write,
        deadline: Instant,
    ) -> Result<Committed<L::Found>, AppendError> {
        assert!(!events.is_empty(), "a write is told of by an event");
        let events_len = self.checked_len(&events)?;
        if events_len > MAX_SEGMENT_LEN {
            return Err(AppendError::TooLarge { size: events_len, limit: MAX_SEGMENT_LEN });
        }
        self.submit(events, events_len, Some(write), deadline).await?.await
    }

    /// Appends events, and returns once they are durable. Many take several segments; after an error some of them may
    /// be there.
    ///
    /// # Errors
    /// [`AppendError`], at the deadline at the latest.
    pub async fn append(&self, events: Vec<Details>, deadline: Instant) -> Result<(), AppendError> {
        let mut sent = Vec::new();
        for (run, len) in self.runs(events)? {
            sent.push(self.submit(run, len, None, deadline).await?);
        }
        for run in sent {
            run.await?;
        }
        Ok(())
    }

    /// Makes room for buffered events. Waits for nothing but room, and for that until the deadline at most.
    ///
    /// # Errors
    /// [`AppendError::Full`], [`AppendError::Stopped`] or [`AppendError::Closed`].
    pub async fn reserve(&self, events: usize, deadline: Instant) -> Result<Reservation<L>, AppendError> {
        // An event that is yet to come is about half a KiB.
        let room = self.room(kib(events.saturating_mul(512)), deadline).await?;
        Ok(Reservation { appender: self.clone(), room })
    }

    /// Returns once everything that was submitted before is durable, or was answered with an error.
    ///
    /// # Errors
    /// [`AppendError::Deadline`], [`AppendError::Stopped`] or [`AppendError::Closed`].
    pub async fn flush(&self, deadline: Instant) -> Result<(), AppendError> {
        let (reply, flushed) = oneshot::channel();
        self.send(Message::Flush(reply))?;
        let late = || AppendError::Deadline { chain: self.chain.clone(), source: self.shared.trouble() };
        match tokio::time::timeout_at(deadline.into(), flushed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.ended()),
            Err(_) => Err(late()),
        }
    }

    async fn submit(
        &self,
        events: Vec<Details>,
        events_len: usize,
        write: Option<L::Write>,
        deadline: Instant,
    ) -> Result<impl Future<Output = Result<Committed<L::Found>, AppendError>> + use<L>, AppendError> {
        let size = write.as_ref().map_or(0, JoinedWrite::size).saturating_add(events_len);
        let room = self.room(kib(size), deadline).await?;
        let state = Arc::new(State::default());
        let withdrawal = Withdrawal(state.clone());
        let (reply, answer) = oneshot::channel();
        let waiter = Some(Waiter { state: state.clone(), deadline, reply });
        self.send(Message::Submission(Submission {
            events,
            events_len,
            write,
            waiter,
            busy: 0,
            span: Span::current(),
            queued: self.shared.telemetry.queued(),
            _room: room,
        }))?;
        let (chain, shared) = (self.chain.clone(), self.shared.clone());
        Ok(async move {
            let _withdrawal = withdrawal;
            match tokio::time::timeout_at(deadline.into(), answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(ended(&chain, &shared)),
                Err(_) => {
                    let source = shared.trouble();
                    Err(if state.change(State::WAITING, State::WITHDRAWN) {
                        AppendError::Deadline { chain, source }
                    } else {
                        AppendError::OutcomeUnknown { chain, source }
                    })
                }
            }
        })
    }

    async fn room(&self, kib: u32, deadline: Instant) -> Result<OwnedSemaphorePermit, AppendError> {
        if let Some(stopped) = self.shared.stopped.get() {
            return Err(AppendError::Stopped { chain: self.chain.clone(), source: stopped.clone() });
        }
        let room = self.room.clone().acquire_many_owned(kib.min(self.room_kib));
        match tokio::time::timeout_at(deadline.into(), room).await {
            Ok(room) => Ok(room.expect("the semaphore is never closed")),
            Err(_) => Err(AppendError::Full { chain: self.chain.clone(), source: self.shared.trouble() }),
        }
    }

    fn send(&self, message: Message<L>) -> Result<(), AppendError> {
        self.submissions.send(message).map_err(|_| self.ended())
    }

    fn ended(&self) -> AppendError {
        ended(&self.chain, &self.shared)
    }

    /// Cuts events into runs that fit into a segment each.
    fn runs(&self, events: Vec<Details>) -> Result<Vec<(Vec<Details>, usize)>, AppendError> {
        self.checked_len(&events)?;
        let mut runs: Vec<(Vec<Details>, usize)> = Vec::new();
        for event in events {
            let len = event.stored_len(&self.chain);
            match runs.last_mut() {
                Some((run, total)) if *total + len <= MAX_SEGMENT_LEN => {
                    run.push(event);
                    *total += len;
                }
                _ => runs.push((vec![event], len)),
            }
        }
        Ok(runs)
    }

    /// The bytes of all events in a segment, if each fits into one.
    fn checked_len(&self, events: &[Details]) -> Result<usize, AppendError> {
        let mut total = 0;
        for event in events {
            let size = event.stored_len(&self.chain);
            if size > MAX_SEGMENT_LEN {
                return Err(AppendError::TooLarge { size, limit: MAX_SEGMENT_LEN });
            }
            total += size;
        }
        Ok(total)
    }
}

/// Room for buffered events, got before they happen: whoever holds it can always record them.
pub struct Reservation<L: SegmentLog> {
    appender: Appender<L>,
    room: OwnedSemaphorePermit,
}

impl<L: SegmentLog> Reservation<L> {
    /// Hands events over to be appended. They are in memory until then, and lost if the process ends first.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`], or the error that ended the appender.
    pub fn buffer(self, events: Vec<Details>) -> Result<(), AppendError> {
        let mut room = Some(self.room);
        for (events, events_len) in self.appender.runs(events)? {
            let _room = match room.take() {
                Some(room) => room,
                // The one permit stands for all of them: the first holds it.
                None => self.appender.room.clone().try_acquire_many_owned(0).expect("nothing is asked for"),
            };
            let submission = Submission {
                events,
                events_len,
                write: None,
                waiter: None,
                busy: 0,
                span: Span::none(),
                queued: self.appender.shared.telemetry.queued(),
                _room,
            };
            self.appender.send(Message::Submission(submission))?;
        }
        Ok(())
    }
}

fn ended(chain: &Chain, shared: &Shared) -> AppendError {
    match shared.stopped.get() {
        Some(stopped) => AppendError::Stopped { chain: chain.clone(), source: stopped.clone() },
        None => AppendError::Closed { chain: chain.clone() },
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1_024).max(1)).unwrap_or(u32::MAX)
}
