//! One place in a chain, and everything that was sent for it.
//!
//! An attempt that was sent and not answered may be carried out at any time, until something lies at its sequence. So
//! what is sent next is for the same sequence, and nobody is told of a success or a failure before it is known what lies
//! there: an attempt of ours, then all of it is done and nothing of the others; or somebody else's segment, then none is.

use blue_address::{Chain, Namespace};
use uuid::Uuid;

use crate::{AuditKey, Details, NotARun, Outcome, Refusal, Segment, SegmentBuilder, SegmentLog, Stored};

use super::{Head, Submission};

/// The reason of the event that tells of a write which was sent, not answered, and is known now not to have been done.
const NOT_DONE: &str = "not_done";

/// What is known of one submission in a slot.
struct Op<L: SegmentLog> {
    submission: Submission<L>,
    /// It kept an attempt from being done, and takes part in no other at this place.
    refusal: Option<Refusal<L::Found>>,
}

/// One segment with the writes that join it, sent under one token.
pub(super) struct Attempt {
    pub(super) segment: Segment,
    pub(super) token: Uuid,
    /// The submissions whose writes and events are in it, each with the sequence of its first event.
    members: Vec<(usize, u64)>,
    /// The submissions of which it says that they were not done.
    denied: Vec<usize>,
    pub(super) unanswered: bool,
}

/// What became of one submission.
pub(super) enum Fate<L: SegmentLog> {
    /// It is done; this is the sequence of its first event.
    Done(Submission<L>, u64),
    /// It was not done, cannot be any more, and the chain says so.
    Denied(Submission<L>),
    /// It was not done and kept an attempt from being done.
    Refused(Submission<L>, Refusal<L::Found>),
    /// It was not done, and may be sent again for another place.
    Again(Submission<L>),
    /// It was sent and not done, nobody waits for it any more, and the chain does not say so yet.
    Forsaken(Submission<L>),
}

pub(super) struct Slot<L: SegmentLog> {
    ops: Vec<Op<L>>,
    undecided: Vec<Attempt>,
}

impl<L: SegmentLog> Slot<L> {
    pub(super) fn new(members: Vec<Submission<L>>) -> Self {
        let ops = members.into_iter().map(|submission| Op { submission, refusal: None });
        Self { ops: ops.collect(), undecided: Vec::new() }
    }

    /// Whether an attempt was sent that may be done.
    pub(super) fn is_undecided(&self) -> bool {
        !self.undecided.is_empty()
    }

    pub(super) fn is_single(&self) -> bool {
        self.ops.len() == 1
    }

    pub(super) fn has_writes(&self) -> bool {
        self.ops.iter().any(|op| op.submission.write.is_some())
    }

    /// Whether it is of use to send an attempt again as it is: not if it has writes and nobody waits for any of them. (What
    /// is buffered is awaited always, and goes into the next attempt as well.)
    pub(super) fn is_current(&self, attempt: &Attempt) -> bool {
        let mut writers = self.writers(attempt).peekable();
        writers.peek().is_none() || writers.any(|op| self.ops[op].submission.is_awaited())
    }

    /// Puts an attempt aside that is not sent again.
    pub(super) fn put_aside(&mut self, attempt: Attempt) {
        if attempt.unanswered {
            self.undecided.push(attempt);
        }
    }

    /// Notes why an attempt was not done. Says `false` if no write of it was named.
    pub(super) fn refuse(&mut self, attempt: &Attempt, refusals: Vec<(usize, Refusal<L::Found>)>) -> bool {
        let writers: Vec<usize> = self.writers(attempt).collect();
        let mut named = false;
        for (position, refusal) in refusals {
            if let Some(&op) = writers.get(position) {
                self.ops[op].refusal = Some(refusal);
                named = true;
            }
        }
        named
    }

    /// The submissions whose writes are in an attempt, in the order in which they were sent.
    fn writers<'a>(&'a self, attempt: &'a Attempt) -> impl Iterator<Item = usize> + 'a {
        let members = attempt.members.iter().map(|&(op, _)| op);
        members.filter(|&op| self.ops[op].submission.write.is_some())
    }

    pub(super) fn writes<'a>(&'a self, attempt: &'a Attempt) -> Vec<&'a L::Write> {
        self.writers(attempt).filter_map(|op| self.ops[op].submission.write.as_ref()).collect()
    }

    /// The submissions that may be done.
    fn sent(&self) -> Vec<usize> {
        self.undecided.iter().flat_map(|attempt| attempt.members.iter().map(|&(op, _)| op)).collect()
    }

    /// The next attempt at this place: everything that somebody still waits for, and what is to be said of the rest.
    /// `None` if there is nothing to send and nothing to decide.
    ///
    /// # Errors
    /// [`NotARun`]: the chain has not as many sequences left.
    pub(super) fn next_attempt(
        &self,
        head: Head,
        chain: &Chain,
        namespace: &Namespace,
        key: &AuditKey,
    ) -> Result<Option<Attempt>, NotARun> {
        let sent = self.sent();
        let mut members = Vec::new();
        let mut denied = Vec::new();
        for (index, op) in self.ops.iter().enumerate() {
            if op.refusal.is_some() {
                continue;
            }
            if op.submission.is_awaited() {
                members.push(index);
            } else if sent.contains(&index) {
                denied.push(index);
            }
        }
        if members.is_empty() && denied.is_empty() {
            // What may be done is still to be decided, and a segment needs an event.
            denied.extend(sent.first());
        }
        if members.is_empty() && denied.is_empty() {
            return Ok(None);
        }

        let mut builder = SegmentBuilder::new(chain.clone(), head);
        let mut placed = Vec::new();
        for &index in &members {
            let mut first = None;
            for event in &self.ops[index].submission.events {
                let sequence = builder.push(event)?;
                first.get_or_insert(sequence);
            }
            placed.extend(first.map(|first| (index, first)));
        }
        for &index in &denied {
            for event in self.ops[index].submission.denials() {
                builder.push(&event)?;
            }
        }
        let segment = builder.finish(key, namespace)?;
        Ok(Some(Attempt { segment, token: Uuid::new_v4(), members: placed, denied, unanswered: false }))
    }

    /// The attempt, of `current` and all that may be done, that lies in the table as `stored`.
    pub(super) fn lies(&mut self, current: Attempt, stored: &Stored) -> Option<Attempt> {
        let Stored::Segment(segment) = stored else { return None };
        self.undecided.push(current);
        let index = self.undecided.iter().position(|attempt| attempt.segment == *segment)?;
        Some(self.undecided.swap_remove(index))
    }

    /// What became of everything, now that it is known what was done at this place: one of the attempts, or none.
    pub(super) fn settle(self, done: Option<&Attempt>) -> Vec<Fate<L>> {
        let sent = self.sent();
        let fate = |(index, op): (usize, Op<L>)| {
            let Op { submission, refusal, .. } = op;
            if let Some(attempt) = done {
                if let Some(&(_, sequence)) = attempt.members.iter().find(|&&(op, _)| op == index) {
                    return Fate::Done(submission, sequence);
                }
                if attempt.denied.contains(&index) && refusal.is_none() {
                    return Fate::Denied(submission);
                }
            }
            match refusal {
                Some(refusal) => Fate::Refused(submission, refusal),
                None if sent.contains(&index) && !submission.is_awaited() => Fate::Forsaken(submission),
                None => Fate::Again(submission),
            }
        };
        self.ops.into_iter().enumerate().map(fate).collect()
    }
}

impl<L: SegmentLog> Submission<L> {
    /// Whether somebody waits for it, or it is buffered and must not be lost.
    fn is_awaited(&self) -> bool {
        self.waiter.as_ref().is_none_or(|waiter| !waiter.reply.is_closed())
    }

    /// Nothing but what is to be said of it.
    pub(super) fn into_denial(self) -> Self {
        Self { events: self.denials(), write: None, waiter: None, span: tracing::Span::none(), ..self }
    }

    /// What is said of it once it is known that it was not done. Events without a write happened all the same.
    fn denials(&self) -> Vec<Details> {
        let events = self.events.iter().cloned();
        if self.write.is_none() {
            return events.collect();
        }
        let deny = |event| Details { outcome: Outcome::Failure, reason: NOT_DONE.to_owned(), ..event };
        events.map(deny).collect()
    }
}
