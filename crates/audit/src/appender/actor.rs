//! The task that appends to one chain.

use std::{collections::VecDeque, error::Error, iter, sync::Arc, time::Duration};

use blue_address::{Chain, Namespace};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::Instrument;

use crate::{Appended, AuditKeys, Cause, GENESIS, NotARun, Refusal, Segment, SegmentLog, Stored};

use super::{
    AppendError, AppenderConfig, Committed, Head, Message, Shared, State, Stopped, Submission,
    group::{Group, NotAdmitted},
    slot::{Attempt, Fate, Slot},
    telemetry::span_of,
    waiting::Waiting,
};

/// So many submissions may be passed over in the search for one that fits into a group.
const PASSED_OVER: usize = 1_000;

/// After so many lost races in a row the end of the chain is looked for each time, instead of following the winners one by
/// one: after the pause that this then makes, theirs is the end no more.
const LOST_RACES: u32 = 2;

pub(super) struct Actor<L: SegmentLog> {
    log: Arc<L>,
    keys: AuditKeys,
    namespace: Namespace,
    chain: Chain,
    config: AppenderConfig,
    received: mpsc::UnboundedReceiver<Message<L>>,
    shared: Arc<Shared>,
    head_changed: watch::Sender<Option<Head>>,
    head: Option<Head>,
    looked_at: Instant,
    waiting: Waiting<L>,
    /// What other transactions were in the way of, each to be sent alone, not before its time.
    alone: VecDeque<(Instant, Submission<L>)>,
    /// In a row.
    lost_races: u32,
}

const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// How far one round came.
enum Round {
    /// Something was settled.
    Settled,
    /// Nothing can be done at the moment.
    Stuck(Cause),
}

impl<L: SegmentLog> Actor<L> {
    #[expect(clippy::too_many_arguments, reason = "made in one place only")]
    pub(super) fn new(
        log: Arc<L>,
        keys: AuditKeys,
        namespace: Namespace,
        chain: Chain,
        config: AppenderConfig,
        received: mpsc::UnboundedReceiver<Message<L>>,
        shared: Arc<Shared>,
        head_changed: watch::Sender<Option<Head>>,
    ) -> Self {
        Self {
            log,
            keys,
            namespace,
            chain,
            config,
            received,
            shared,
            head_changed,
            head: None,
            looked_at: Instant::now(),
            waiting: Waiting::new(),
            alone: VecDeque::new(),
            lost_races: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let mut stuck = 0;
        while self.work_is_there().await {
            match self.round().await {
                Ok(Round::Settled) => {
                    stuck = 0;
                    self.shared.set_trouble(None);
                }
                Ok(Round::Stuck(cause)) => {
                    tracing::warn!(chain = %self.chain, %cause, "the audit log does not get on");
                    self.shared.set_trouble(Some(cause));
                    tokio::time::sleep(backoff(stuck)).await;
                    stuck += 1;
                }
                Err(stopped) => return self.stop(stopped),
            }
        }
    }

    /// Waits until there is something to send. Says `false` once nothing ever will be.
    async fn work_is_there(&mut self) -> bool {
        loop {
            while let Ok(message) = self.received.try_recv() {
                self.waiting.push_back(message);
            }
            let alone = self.alone.front().map(|(due, _)| *due);
            // Before a flush is answered, what is sent alone is.
            let waiting = match alone {
                Some(_) if self.waiting.begins_with_flush() => None,
                _ => self.waiting.due(self.config.linger),
            };
            let due = match (waiting, alone) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            if due.is_some_and(|due| due <= Instant::now()) {
                return true;
            }
            let message = match due {
                None => self.received.recv().await,
                Some(due) => match tokio::time::timeout_at(due, self.received.recv()).await {
                    // There are no others to wait for.
                    Ok(None) if waiting.is_some() => return true,
                    Ok(None) => {
                        tokio::time::sleep_until(due).await;
                        continue;
                    }
                    Ok(message) => message,
                    Err(_) => continue,
                },
            };
            match message {
                Some(message) => self.waiting.push_back(message),
                None => return false,
            }
        }
    }

    async fn round(&mut self) -> Result<Round, Stopped> {
        let members = self.gather();
        if members.is_empty() {
            return Ok(Round::Settled);
        }
        let span = span_of(self.chain.as_str(), &members);
        self.append(members).instrument(span).await
    }

    async fn append(&mut self, members: Vec<Submission<L>>) -> Result<Round, Stopped> {
        let head = match self.head {
            Some(head) if self.lost_races < LOST_RACES && !self.is_to_look_again() => head,
            _ => match self.look().await {
                Ok(Ok(head)) => head,
                Ok(Err(cause)) => {
                    self.put_back(members);
                    return Ok(Round::Stuck(cause));
                }
                Err(stopped) => {
                    self.put_back(members);
                    return Err(stopped);
                }
            },
        };
        self.fill(head, Slot::new(members)).await
    }

    /// What goes into the next segment.
    fn gather(&mut self) -> Vec<Submission<L>> {
        if self.alone.front().is_some_and(|(due, _)| *due <= Instant::now())
            && let Some((_, submission)) = self.alone.pop_front()
        {
            if submission.take() {
                return vec![submission];
            }
            self.expire(submission);
        }
        let mut group = Group::after(self.lost_races);
        let mut passed_over = Vec::new();
        while let Some(message) = self.waiting.pop_front() {
            match message {
                Message::Flush(reply)
                    if group.is_empty() && passed_over.is_empty() && self.alone.is_empty() =>
                {
                    let _ = reply.send(());
                }
                Message::Flush(_) => {
                    passed_over.push(message);
                    break;
                }
                Message::Submission(submission) if submission.take() => match group.admit(submission) {
                    Ok(()) => {}
                    Err((submission, why)) => {
                        submission.put_back();
                        passed_over.push(Message::Submission(submission));
                        if matches!(why, NotAdmitted::Full) || passed_over.len() == PASSED_OVER {
                            break;
                        }
                    }
                },
                Message::Submission(submission) => self.expire(submission),
            }
        }
        for message in passed_over.into_iter().rev() {
            self.waiting.push_front(message);
        }
        group.into_members()
    }

    /// It was taken back, or its time is over.
    fn expire(&self, submission: Submission<L>) {
        let source = self.shared.trouble();
        submission.answer(Err(AppendError::Deadline { chain: self.chain.clone(), source }));
    }

    fn put_back(&mut self, members: Vec<Submission<L>>) {
        for submission in members.into_iter().rev() {
            submission.put_back();
            self.waiting.push_front(Message::Submission(submission));
        }
    }

    /// Sends what is in the slot until it is known what lies in its place.
    async fn fill(&mut self, head: Head, mut slot: Slot<L>) -> Result<Round, Stopped> {
        let mut attempt: Option<Attempt> = None;
        let mut retries = 0;
        loop {
            let mut current = match attempt.take() {
                Some(attempt) if slot.is_current(&attempt) => attempt,
                stale => {
                    if let Some(stale) = stale {
                        slot.put_aside(stale);
                    }
                    match slot.next_attempt(head, &self.chain, &self.namespace, self.keys.newest()) {
                        Ok(Some(attempt)) => attempt,
                        Ok(None) => {
                            self.settle(slot, None);
                            return Ok(Round::Settled);
                        }
                        Err(NotARun) => {
                            self.settle(slot, None);
                            return Err(Stopped::Exhausted { next: head.next });
                        }
                    }
                }
            };
            let writes = slot.writes(&current);
            let patience = self.config.attempt;
            let appended = self.log.append(&current.segment, &writes, current.token, patience).await;
            let joined = writes.len();
            drop(writes);
            let may_be_done = current.unanswered || slot.is_undecided();
            let cause = match appended {
                Appended::Done => {
                    self.lost_races = 0;
                    self.shared.telemetry.appended(&current.segment, joined);
                    self.advance(after(&current.segment));
                    self.settle(slot, Some(&current));
                    return Ok(Round::Settled);
                }
                Appended::Taken(stored) => return self.taken(head, slot, current, &stored).await,
                Appended::Refused(refusals) => {
                    if slot.refuse(&current, refusals) {
                        slot.put_aside(current);
                        continue;
                    }
                    // A store that refuses a group must say because of which of its writes.
                    cause("the group was refused without a reason")
                }
                Appended::Failed(cause) if !may_be_done => {
                    self.failed(slot, &cause);
                    return Ok(Round::Settled);
                }
                Appended::NotDone(cause) | Appended::Failed(cause) => cause,
                Appended::Unanswered(cause) => {
                    current.unanswered = true;
                    cause
                }
            };
            if !current.unanswered && !slot.is_undecided() {
                self.settle(slot, None);
                return Ok(Round::Stuck(cause));
            }
            tracing::warn!(
                chain = %self.chain, sequence = head.next, retries, %cause,
                "it is not known yet whether the audit log took a segment"
            );
            self.shared.set_trouble(Some(cause));
            attempt = Some(current);
            tokio::time::sleep(backoff(retries)).await;
            retries += 1;
        }
    }

    /// Something lies in the place: an attempt of ours, or somebody else's segment, to link to.
    async fn taken(
        &mut self,
        head: Head,
        mut slot: Slot<L>,
        current: Attempt,
        stored: &Stored,
    ) -> Result<Round, Stopped> {
        if let Some(ours) = slot.lies(current, stored) {
            self.shared.telemetry.appended(&ours.segment, slot.writes(&ours).len());
            self.advance(after(&ours.segment));
            self.settle(slot, Some(&ours));
            return Ok(Round::Settled);
        }
        let verified = self.verify(stored, head.next);
        self.settle(slot, None);
        let (theirs, previous) = verified?;
        if previous != head.hash {
            return Err(Stopped::Rewritten { next: head.next });
        }
        self.advance(theirs);
        self.lost_races += 1;
        self.shared.telemetry.lost_race();
        tracing::debug!(chain = %self.chain, sequence = head.next, "another writer was first; linking anew");
        if self.lost_races >= LOST_RACES {
            tokio::time::sleep(backoff(0).mul_f64(f64::from(self.lost_races.min(8)) / 8.0)).await;
        }
        Ok(Round::Settled)
    }

    /// Tells everybody what became of their part of a slot.
    fn settle(&mut self, slot: Slot<L>, done: Option<&Attempt>) {
        let mut again = Vec::new();
        for fate in slot.settle(done) {
            match fate {
                Fate::Done(submission, sequence) => {
                    self.shared.telemetry.durable(&submission.queued);
                    submission.answer(Ok(Committed::Done(sequence)));
                }
                Fate::Denied(submission) if submission.write.is_none() => {
                    submission.answer(Ok(Committed::Done(done.map_or(0, |attempt| attempt.segment.first))));
                }
                Fate::Denied(submission) => {
                    let source = self.shared.trouble();
                    submission.answer(Err(AppendError::Deadline { chain: self.chain.clone(), source }));
                }
                Fate::Refused(submission, Refusal::Condition(found)) => {
                    submission.answer(Ok(Committed::Conflict(found)));
                }
                Fate::Refused(mut submission, Refusal::Busy(cause)) => {
                    tracing::debug!(chain = %self.chain, %cause, "a write is to be sent alone");
                    self.shared.set_trouble(Some(cause));
                    let pause = backoff(submission.busy);
                    submission.busy += 1;
                    self.send_alone(submission, pause);
                }
                Fate::Again(submission) => again.push(submission),
                Fate::Forsaken(submission) => again.push(submission.into_denial()),
            }
        }
        self.put_back(again);
    }

    /// The store refused for good. If that may be the fault of one write among several, each is sent alone.
    fn failed(&mut self, slot: Slot<L>, cause: &Cause) {
        let told_apart = slot.is_single() || !slot.has_writes();
        let mut again = Vec::new();
        for fate in slot.settle(None) {
            match fate {
                Fate::Again(submission) if !told_apart => match &submission.write {
                    Some(_) => self.send_alone(submission, Duration::ZERO),
                    None => again.push(submission),
                },
                Fate::Again(submission) if submission.waiter.is_some() => {
                    let source = cause.clone();
                    submission.answer(Err(AppendError::Failed { chain: self.chain.clone(), source }));
                }
                // Buffered events are kept until the store takes them; what waits is bounded.
                Fate::Again(submission) => {
                    tracing::error!(chain = %self.chain, %cause, "the audit log cannot be written");
                    self.shared.set_trouble(Some(cause.clone()));
                    self.send_alone(submission, LONGEST_BACKOFF);
                }
                Fate::Refused(submission, Refusal::Condition(found)) => {
                    submission.answer(Ok(Committed::Conflict(found)));
                }
                Fate::Refused(submission, Refusal::Busy(_)) => self.send_alone(submission, Duration::ZERO),
                Fate::Done(..) | Fate::Denied(..) | Fate::Forsaken(..) => {
                    unreachable!("nothing of this slot can have been done")
                }
            }
        }
        self.put_back(again);
    }

    fn send_alone(&mut self, submission: Submission<L>, pause: Duration) {
        submission.put_back();
        self.alone.push_back((Instant::now() + pause, submission));
    }

    fn is_to_look_again(&self) -> bool {
        self.looked_at.elapsed() >= self.config.look_again
    }

    /// Looks where the chain ends, and whether that is in keeping with what this process has seen of it.
    async fn look(&mut self) -> Result<Result<Head, Cause>, Stopped> {
        let last = tokio::time::timeout(self.config.attempt, self.log.last(&self.chain, None)).await;
        let found = match last.unwrap_or_else(|_| Err(cause("the end of the chain was not read in time"))) {
            Err(cause) => return Ok(Err(cause)),
            Ok(None) => Head { next: 0, hash: GENESIS },
            Ok(Some(stored)) => {
                let first = stored.first().unwrap_or_default();
                self.verify(&stored, first)?.0
            }
        };
        if let Some(seen) = self.head {
            if found.next < seen.next {
                return Err(Stopped::Regressed { seen: seen.next, found: found.next });
            }
            if found.next == seen.next && found.hash != seen.hash {
                return Err(Stopped::Rewritten { next: seen.next });
            }
        }
        self.looked_at = Instant::now();
        self.advance(found);
        Ok(Ok(found))
    }

    /// The end of the chain after what lies at `sequence`, and the hash that it links to.
    fn verify(&self, stored: &Stored, sequence: u64) -> Result<(Head, [u8; 32]), Stopped> {
        let segment = match stored {
            Stored::Segment(segment) => segment,
            Stored::Malformed { reason, .. } => {
                return Err(Stopped::Malformed { sequence, reason: reason.clone() });
            }
        };
        let key = self.keys.find(&segment.audit_kek_id).ok_or(Stopped::UnknownKey { sequence })?;
        let shape = segment
            .check(key, &self.namespace)
            .map_err(|source| Stopped::NotAuthentic { sequence, source })?;
        Ok((after(segment), shape.ends.previous_hash))
    }

    fn advance(&mut self, head: Head) {
        self.head = Some(head);
        self.head_changed.send_replace(Some(head));
    }

    /// Ends the task: whoever waits, and whoever comes, is told why.
    fn stop(mut self, stopped: Stopped) {
        tracing::error!(
            chain = %self.chain, error = %stopped,
            "the audit chain is not as this process knew it; it writes no more to it"
        );
        let _ = self.shared.stopped.set(stopped.clone());
        self.received.close();
        while let Ok(message) = self.received.try_recv() {
            self.waiting.push_back(message);
        }
        let alone = self.alone.drain(..).map(|(_, submission)| Message::Submission(submission));
        for message in iter::from_fn(|| self.waiting.pop_front()).chain(alone) {
            if let Message::Submission(submission) = message {
                let source = stopped.clone();
                submission.answer(Err(AppendError::Stopped { chain: self.chain.clone(), source }));
            }
        }
    }
}

impl<L: SegmentLog> Submission<L> {
    /// Before it is sent. Says `false` if it was taken back, or nobody waits for it.
    fn take(&self) -> bool {
        let Some(waiter) = &self.waiter else { return true };
        !waiter.reply.is_closed()
            && Instant::from_std(waiter.deadline) > Instant::now()
            && waiter.state.change(State::WAITING, State::SENT)
    }

    /// Once it is known that it was not done.
    fn put_back(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.state.change(State::SENT, State::WAITING);
        }
    }

    fn answer(self, answer: Result<Committed<L::Found>, AppendError>) {
        if let Some(waiter) = self.waiter {
            // Who does not wait any more was told that the outcome is not known.
            let _ = waiter.reply.send(answer);
        }
    }
}

fn cause(text: &str) -> Cause {
    Box::<dyn Error + Send + Sync>::from(text).into()
}

/// The end of a chain after a segment.
fn after(segment: &Segment) -> Head {
    Head { next: segment.first.saturating_add(segment.count.into()), hash: segment.head_hash }
}

/// 25 ms doubled with each retry up to 1 s, times a random number from 0 to 1.
fn backoff(retry: u32) -> Duration {
    let bound = Duration::from_millis(25).saturating_mul(1 << retry.min(6)).min(LONGEST_BACKOFF);
    bound.mul_f64(fastrand::f64())
}
