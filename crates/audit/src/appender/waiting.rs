//! What waits to be sent.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{MAX_SEGMENT_LEN, Message, Submission};
use crate::SegmentLog;

/// In the order of its submission.
pub(super) struct Waiting<L: SegmentLog> {
    messages: VecDeque<Message<L>>,
    /// How many of them somebody waits for.
    waited_for: usize,
    /// The bytes that all their events take in segments.
    events_len: usize,
}

impl<L: SegmentLog> Waiting<L> {
    pub(super) fn new() -> Self {
        Self { messages: VecDeque::new(), waited_for: 0, events_len: 0 }
    }

    pub(super) fn begins_with_flush(&self) -> bool {
        matches!(self.messages.front(), Some(Message::Flush(_)))
    }

    pub(super) fn push_back(&mut self, message: Message<L>) {
        self.count_in(&message);
        self.messages.push_back(message);
    }

    pub(super) fn push_front(&mut self, message: Message<L>) {
        self.count_in(&message);
        self.messages.push_front(message);
    }

    pub(super) fn pop_front(&mut self) -> Option<Message<L>> {
        let message = self.messages.pop_front()?;
        self.waited_for -= usize::from(is_waited_for(&message));
        self.events_len -= events_len(&message);
        Some(message)
    }

    /// When it is to be sent; `None` if there is nothing. At once, if anybody waits for any of it or it fills a segment; else
    /// once the first has waited so long for others.
    pub(super) fn due(&self, linger: Duration) -> Option<Instant> {
        match self.messages.front()? {
            Message::Submission(first) if self.waited_for == 0 && self.events_len < MAX_SEGMENT_LEN => {
                // What is beyond all clocks is not meant.
                Some(first.queued.since.checked_add(linger).unwrap_or_else(Instant::now))
            }
            _ => Some(Instant::now()),
        }
    }

    fn count_in(&mut self, message: &Message<L>) {
        self.waited_for += usize::from(is_waited_for(message));
        self.events_len += events_len(message);
    }
}

fn is_waited_for<L: SegmentLog>(message: &Message<L>) -> bool {
    !matches!(message, Message::Submission(Submission { waiter: None, .. }))
}

fn events_len<L: SegmentLog>(message: &Message<L>) -> usize {
    match message {
        Message::Submission(submission) => submission.events_len,
        Message::Flush(_) => 0,
    }
}
