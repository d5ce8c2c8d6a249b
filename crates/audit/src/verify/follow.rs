//! Whether each item of a chain follows what lies before it.

use blue_address::Chain;
use time::OffsetDateTime;

use super::check::{Checked, Defect};
use crate::{Class, Finding, Head, ReadSegment, Sequences};

/// How far a chain was followed. Each item that is passed either goes on from there or is a finding; after a finding the
/// chain goes on from the next sound segment, whose own beginning is then believed, so that one defect is one finding.
#[derive(Debug, Clone)]
pub(super) struct Follower {
    chain: Chain,
    /// All before this is covered, by segments or by findings.
    next: u64,
    /// What the event at `next` has to link to, if that is known.
    hash: Option<[u8; 32]>,
    doubt: Doubt,
    /// The defect that ends where the next item begins.
    defect: Option<Finding>,
    /// Where a second history goes on that was found to lie over the first.
    branch: Option<Head>,
    last_time: Option<OffsetDateTime>,
}

/// How sure it is that the chain goes on at `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// A defect before it says so, in a way that would show if events were taken out behind it.
    Claimed,
    /// Nobody knows how far the defect before it reaches.
    Open,
}

/// What became of an item.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What is now known, in the order of the chain.
    pub(super) findings: Vec<Finding>,
    /// Whether the item shows something that is not as it should be: before that is believed it is read again.
    pub(super) alarm: bool,
    /// Whether the chain goes on with this item.
    pub(super) accepted: bool,
}

impl Follower {
    /// At `next`; the event there has to link to `hash`, if it is given.
    pub(super) fn at(chain: Chain, next: u64, hash: Option<[u8; 32]>) -> Self {
        Self { chain, next, hash, doubt: Doubt::None, defect: None, branch: None, last_time: None }
    }

    /// Where the chain goes on; `None` for the hash after a defect or before anything was read.
    pub(super) fn end(&self) -> (u64, Option<[u8; 32]>) {
        (self.next, self.hash)
    }

    /// Whether the chain ends in a defect of unknown extent.
    pub(super) fn ends_in_doubt(&self) -> bool {
        self.doubt == Doubt::Open
    }

    /// At the end of the chain: the defect that nothing came after.
    pub(super) fn settle(&mut self) -> Option<Finding> {
        self.defect.take()
    }

    /// Judges the next item.
    pub(super) fn pass(&mut self, item: &Checked) -> Passed {
        let mut passed = Passed::default();
        match (item.place, &item.found) {
            (Some(place), Ok(segment)) => self.pass_segment(place, segment, &mut passed),
            (Some(place), Err(defect)) => self.pass_defect(place, defect, &mut passed),
            (None, Err(defect)) => passed.alarm(self.finding(defect.class, None, &defect.what)),
            // A segment lies somewhere by its nature.
            (None, Ok(_)) => {}
        }
        passed
    }

    fn pass_defect(&mut self, place: u64, defect: &Defect, passed: &mut Passed) {
        let finding = |last| self.finding(defect.class, Some(Sequences { first: place, last }), &defect.what);
        if self.doubt == Doubt::None && place < self.next {
            // Put in among what is covered already: the chain goes on beside it.
            passed.alarm(finding(place));
            return;
        }
        let last = place.saturating_add(u64::from(defect.places.unwrap_or(1)).saturating_sub(1));
        let finding = finding(last);
        self.reach(place, None, passed);
        passed.alarm = true;
        self.defect = Some(finding);
        (self.next, self.hash) = (last.saturating_add(1), None);
        self.doubt = if defect.places.is_some() { Doubt::Claimed } else { Doubt::Open };
    }

    fn pass_segment(&mut self, place: u64, segment: &ReadSegment, passed: &mut Passed) {
        let (first, last) = (segment.sound().first(), segment.sound().last());
        let previous = *first.previous_hash();
        let end = Head { next: last.sequence().saturating_add(1), hash: segment.sound().head_hash() };
        let sequences = Some(Sequences { first: place, last: last.sequence() });
        let links = self.hash.is_none_or(|hash| hash == previous);

        if self.doubt == Doubt::None && !(place == self.next && links) {
            if self.branch == Some(Head { next: place, hash: previous }) {
                if place < self.next {
                    self.branch = Some(end);
                    return;
                }
                // Only the second history goes on here, and it was found already.
                self.next = place;
            } else if place < self.next {
                let what = "a second history begins within what is covered already";
                passed.alarm(self.finding(Class::Fork, sequences, what));
                self.branch = Some(end);
                return;
            } else if place == self.next {
                let what = format!("event {place} does not link to the one that lies before it");
                passed.alarm(self.finding(Class::Fork, sequences, &what));
            }
        }
        self.reach(place, Some(first.details().timestamp), passed);
        (self.next, self.hash, self.doubt) = (end.next, Some(end.hash), Doubt::None);
        self.last_time = Some(last.details().timestamp);
        passed.accepted = true;
    }

    /// The chain goes on at `place`: what is known of a defect before that, and of a gap.
    fn reach(&mut self, place: u64, time: Option<OffsetDateTime>, passed: &mut Passed) {
        if let Some(mut defect) = self.defect.take() {
            if let Some(sequences) = &mut defect.sequences
                && (self.doubt == Doubt::Open || place <= sequences.last)
            {
                sequences.last = place.saturating_sub(1).max(sequences.first);
            }
            defect.time = defect.time.or(time);
            passed.findings.push(defect);
        }
        if self.doubt != Doubt::Open && place > self.next {
            let sequences = Sequences { first: self.next, last: place - 1 };
            let events = if sequences.first == sequences.last { "the event is" } else { "the events are" };
            let mut gap = self.finding(Class::Missing, Some(sequences), &format!("{events} not there"));
            gap.time = gap.time.or(time);
            passed.alarm(gap);
        }
    }

    fn finding(&self, class: Class, sequences: Option<Sequences>, what: &str) -> Finding {
        let chain = Some(self.chain.clone());
        Finding { chain, sequences, time: self.last_time, ..Finding::new(class, what) }
    }
}

impl Passed {
    fn alarm(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.alarm = true;
    }
}
