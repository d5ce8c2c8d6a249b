//! Reading one chain in order, its segments checked on several cores.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    mem,
    num::NonZeroUsize,
    sync::Arc,
    thread,
};

use blue_address::Chain;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::task;

use super::{
    VerifyError,
    check::{Checked, Checks, ReadSegment},
    follow::Follower,
};
use crate::{Finding, GENESIS, Head, SegmentSource};

/// Where to begin to read a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With its first event.
    Beginning,
    /// Behind an end that is known: the next event has to be there and to link to it.
    After(Head),
    /// With the segment that holds this event, or the last one before it; [`u64::MAX`] means the last segment. Its own
    /// first sequence and previous hash are believed.
    Containing(u64),
}

/// What a reader comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A segment that is sound and follows what lies before it, or stands behind the finding that says it does not.
    Segment(ReadSegment),
    /// Something that is not as it should be, both times that it was read.
    Finding(Finding),
}

/// Reads a chain from the first segment asked for to the last, and gives each one that is sound, and a finding for
/// whatever is not. It holds a few pages at a time, however long the chain is; while one is fetched, those before it are
/// checked on other cores.
///
/// A finding does not end it: it goes on with the next sound segment. Whatever is not as it should be is read again
/// before it is reported.
///
/// It runs within a Tokio runtime.
pub struct ChainReader {
    source: Arc<dyn SegmentSource>,
    checks: Arc<Checks>,
    chain: Chain,
    window: NonZeroUsize,
    start: Option<Start>,
    follower: Follower,
    /// The lowest place that was not passed yet; `None` behind the last place of all.
    cursor: Option<u64>,
    pages: Option<BoxStream<'static, Result<Vec<Checked>, VerifyError>>>,
    items: VecDeque<Checked>,
    /// What the first reading showed, while the second is fetched.
    first_reading: Option<VecDeque<Checked>>,
    /// How many of `items` were read twice.
    confirmed: usize,
    /// Digests of what was said of items without a place. The cursor cannot pass them, so they come again and again.
    placeless: HashSet<u64>,
    digest: RandomState,
    ready: VecDeque<Step>,
    read: u64,
    bytes: u64,
}

/// How many pages of a chain are to be under way where so many chains are read at once: its share of the cores, and one, so
/// that no core waits while what was checked is followed.
pub(super) fn window(cores: NonZeroUsize, chains: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(cores.get().div_ceil(chains.max(1)))
}

impl ChainReader {
    /// A reader of one chain. Nothing is read yet.
    #[must_use]
    pub fn new(source: Arc<dyn SegmentSource>, checks: Checks, chain: Chain, start: Start) -> Self {
        let (next, hash) = match start {
            Start::After(head) => (head.next, Some(head.hash)),
            Start::Beginning | Start::Containing(_) => (0, Some(GENESIS)),
        };
        Self {
            source,
            checks: Arc::new(checks),
            follower: Follower::at(chain.clone(), next, hash),
            chain,
            window: window(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), 1),
            start: Some(start),
            cursor: Some(next),
            pages: None,
            items: VecDeque::new(),
            first_reading: None,
            confirmed: 0,
            placeless: HashSet::new(),
            digest: RandomState::new(),
            ready: VecDeque::new(),
            read: 0,
            bytes: 0,
        }
    }

    /// Has at most this many pages under way, being checked or waiting for that; by default one more than there are cores.
    /// It bounds the memory too.
    #[must_use]
    pub fn with_pages_in_flight(mut self, pages: NonZeroUsize) -> Self {
        self.window = pages;
        self
    }

    /// The next segment or finding; `None` at the end of the chain as it is now. Asked again after that, it looks
    /// whether the chain has grown. Dropped before it is done, it has lost nothing but time.
    ///
    /// # Errors
    /// [`VerifyError`]: the source did not answer. Asked again, it goes on where it was.
    pub async fn next(&mut self) -> Result<Option<Step>, VerifyError> {
        self.begin().await?;
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(Some(step));
            }
            if self.items.is_empty() && !self.fetch().await? {
                return Ok(self.follower.settle().map(Step::Finding));
            }
            self.pass();
        }
    }

    /// Where the chain goes on, as far as it was read: the next sequence, and the hash of the last event, unless what
    /// lies there is not sound.
    #[must_use]
    pub fn end(&self) -> (u64, Option<[u8; 32]>) {
        self.follower.end()
    }

    /// How many bytes of events the sound segments held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there was anything at all.
    pub(super) fn found_anything(&self) -> bool {
        self.read > 0
    }

    /// Whether what was read last is a defect, and nobody knows how far it reaches.
    pub(super) fn ends_in_doubt(&self) -> bool {
        self.follower.ends_in_doubt()
    }

    /// Finds the segment to begin with, if it has to be looked for.
    async fn begin(&mut self) -> Result<(), VerifyError> {
        if let Some(Start::Containing(sequence)) = self.start
            && let Some(first) = self.last_place(sequence).await?
        {
            self.cursor = Some(first);
            self.follower = Follower::at(self.chain.clone(), first, None);
        }
        self.start = None;
        Ok(())
    }

    /// The last place up to a sequence where anything lies. If what lies last is at no sequence, it is one further back,
    /// so that this is read too: in ever longer steps, since there may be any number of such items.
    async fn last_place(&mut self, sequence: u64) -> Result<Option<u64>, VerifyError> {
        let (mut before, mut step) = (sequence.checked_add(1), 1);
        loop {
            let last = self.source.last(&self.chain, before).await;
            let last = last.map_err(|source| VerifyError::Source { chain: self.chain.clone(), source })?;
            match last.map(|stored| stored.first()) {
                Some(Some(first)) => return Ok(Some(first)),
                Some(None) if before != Some(0) => {
                    before = Some(before.map_or(u64::MAX, |before| before.saturating_sub(step)));
                }
                _ => return Ok(None),
            }
            step = step.saturating_mul(2);
        }
    }

    /// Fetches the next items; `false` if there are none for now.
    async fn fetch(&mut self) -> Result<bool, VerifyError> {
        let Some(cursor) = self.cursor else { return Ok(false) };
        let mut pages = self.pages.take().unwrap_or_else(|| self.pages_from(cursor));
        while let Some(page) = pages.try_next().await? {
            self.items = page.into_iter().filter(|item| !self.was_passed_without_a_place(item)).collect();
            if !self.items.is_empty() {
                self.confirmed = match self.first_reading.take() {
                    Some(first) => first.iter().zip(&self.items).take_while(|(a, b)| a == b).count().max(1),
                    None => 0,
                };
                self.pages = Some(pages);
                return Ok(true);
            }
        }
        self.first_reading = None;
        Ok(false)
    }

    /// Passes one item, or throws all away that were read and has them read again.
    fn pass(&mut self) {
        let Some(item) = self.items.front() else { return };
        let mut follower = self.follower.clone();
        let passed = follower.pass(item);
        if passed.alarm && self.confirmed == 0 {
            self.first_reading = Some(mem::take(&mut self.items));
            self.pages = None;
            return;
        }
        self.follower = follower;
        self.read += 1;
        self.ready.extend(passed.findings.into_iter().map(Step::Finding));
        self.confirmed = self.confirmed.saturating_sub(1);
        let Some(item) = self.items.pop_front() else { return };
        match item.place {
            Some(place) => self.cursor = place.checked_add(1),
            None => self.placeless.extend(self.digest_of(&item)),
        }
        if let (true, Ok(segment)) = (passed.accepted, item.found) {
            self.bytes += item.bytes;
            self.ready.push_back(Step::Segment(segment));
        }
    }

    fn was_passed_without_a_place(&self, item: &Checked) -> bool {
        item.place.is_none() && self.digest_of(item).is_some_and(|digest| self.placeless.contains(&digest))
    }

    fn digest_of(&self, item: &Checked) -> Option<u64> {
        item.found.as_ref().err().map(|defect| self.digest.hash_one(&defect.what))
    }

    /// The pages of the chain from a place on: fetched one after the other, checked side by side, given in order.
    fn pages_from(&self, from: u64) -> BoxStream<'static, Result<Vec<Checked>, VerifyError>> {
        let (source, chain) = (Arc::clone(&self.source), self.chain.clone());
        let pages = stream::try_unfold(Some(from), move |from| {
            let (source, chain) = (Arc::clone(&source), chain.clone());
            async move {
                let Some(from) = from else { return Ok(None) };
                match source.segments(&chain, from).await {
                    Ok(page) if page.next.is_some_and(|next| next <= from) => {
                        Err(VerifyError::Astray { chain })
                    }
                    Ok(page) => Ok(Some((page.stored, page.next))),
                    Err(cause) => Err(VerifyError::Source { chain, source: cause }),
                }
            }
        });
        let (checks, chain) = (Arc::clone(&self.checks), self.chain.clone());
        let checked = pages.map_ok(move |stored| {
            let (checks, chain) = (Arc::clone(&checks), chain.clone());
            let work = move || stored.into_iter().map(|stored| checks.check(&chain, stored)).collect();
            let checked = task::spawn_blocking(work);
            async move { checked.await.map_err(VerifyError::of_task) }
        });
        checked.try_buffered(self.window.get()).boxed()
    }
}
