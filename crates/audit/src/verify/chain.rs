//! One chain against what was known of it.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use blue_address::{Chain, Namespace, Tenant};
use time::OffsetDateTime;

use super::{
    ChainReader, Checks, Observer, ReadSegment, Start, Step, VerifyError, note_first,
    opened::{NamesNoChain, REGISTRY, opened_chain, shredded_tenant},
};
use crate::{ChainReport, Class, CryptoOp, Finding, Findings, GENESIS, Head, SegmentSource, Sequences};

/// A chain that is to be verified.
pub(super) struct Task {
    pub(super) source: Arc<dyn SegmentSource>,
    pub(super) checks: Checks,
    pub(super) chain: Chain,
    /// What was known of it.
    pub(super) trusted: Option<Head>,
    /// Whether to read it from its beginning all the same.
    pub(super) full: bool,
    /// Why it has to exist, if it has to.
    pub(super) expected: Option<&'static str>,
    pub(super) pages_in_flight: NonZeroUsize,
    pub(super) listed_findings: usize,
    pub(super) observer: Option<Arc<dyn Observer>>,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) report: ChainReport,
    pub(super) findings: Findings,
    pub(super) reached: Head,
    /// The chains that it says were opened, if it is the registry.
    pub(super) opened: Vec<Chain>,
    pub(super) shredded: BTreeMap<Tenant, OffsetDateTime>,
}

impl Task {
    pub(super) async fn run(self) -> Result<Outcome, VerifyError> {
        let mut reader = self.reader(match self.trusted {
            Some(head) if head.next > 0 && !self.full => Start::Containing(head.next - 1),
            _ => Start::Beginning,
        });
        let mut walk = Walk::new(&self);
        loop {
            while let Some(step) = reader.next().await? {
                self.step(step, &mut walk);
            }
            // An end that is not the one expected is looked at twice too.
            if !self.ends_too_soon(&reader) {
                break;
            }
            if let Some(step) = reader.next().await? {
                self.step(step, &mut walk);
            } else {
                self.too_short(&reader, &mut walk);
                break;
            }
        }
        Ok(self.outcome(&reader, walk))
    }

    fn reader(&self, start: Start) -> ChainReader {
        let source = Arc::clone(&self.source);
        ChainReader::new(source, self.checks.clone(), self.chain.clone(), start)
            .with_pages_in_flight(self.pages_in_flight)
    }

    fn step(&self, step: Step, walk: &mut Walk) {
        let segment = match step {
            Step::Finding(finding) => {
                self.found(walk, finding);
                return;
            }
            Step::Segment(segment) => segment,
        };
        walk.count(&segment);
        walk.note_shredded(&self.checks.namespace, &segment);
        if let Some(observer) = &self.observer {
            observer.segment(&self.chain, segment.events());
        }
        if self.chain.as_str() == REGISTRY {
            self.note_opened(&segment, walk);
        }
        // After a fork before it, that it is another event is no news. Nor is it read again: a reading may lack what was
        // stored, but cannot show a sound segment that never was.
        if let Some((sequence, hash)) = self.anchor().filter(|_| !walk.forked)
            && other_event(&segment, sequence, &hash)
        {
            let what = "the event that was last known here was another";
            self.found(
                walk,
                Finding {
                    sequences: Some(Sequences::one(sequence)),
                    time: walk.report.last_time,
                    ..Finding::new(Class::Fork, what)
                },
            );
        }
    }

    /// The last event that was known of the chain.
    fn anchor(&self) -> Option<(u64, [u8; 32])> {
        let head = self.trusted?;
        head.next.checked_sub(1).map(|last| (last, head.hash))
    }

    fn note_opened(&self, segment: &ReadSegment, walk: &mut Walk) {
        if !segment.sound().tells_of(CryptoOp::OpenChain) {
            return;
        }
        for event in segment.events() {
            match opened_chain(&self.checks.namespace, event.details()) {
                Ok(None) => {}
                Ok(Some(chain)) => walk.opened.push(chain),
                Err(NamesNoChain) => self.found(
                    walk,
                    Finding {
                        sequences: Some(Sequences::one(event.sequence())),
                        time: Some(event.details().timestamp),
                        resource: Some(event.details().resource.to_owned()),
                        ..Finding::new(Class::Malformed, "a chain was opened that is none of this store's")
                    },
                ),
            }
        }
    }

    fn ends_too_soon(&self, reader: &ChainReader) -> bool {
        let known = self.trusted.map_or(0, |head| head.next);
        reader.end().0 < known || (self.expected.is_some() && !reader.found_anything())
    }

    fn too_short(&self, reader: &ChainReader, walk: &mut Walk) {
        let (next, _) = reader.end();
        let known = self.trusted.map_or(0, |head| head.next);
        let lost = known.checked_sub(1).map(|last| Sequences { first: next, last });
        if !reader.found_anything() {
            let what = match self.expected {
                Some(why) => format!("the chain has no segment, though {why}"),
                None => "the chain has no segment, though it had".to_owned(),
            };
            self.found(walk, Finding { sequences: lost, ..Finding::new(Class::VanishedChain, what) });
        } else if reader.ends_in_doubt() {
            // Nobody knows whether the defect at the end was all that there was. It was found already.
            let last = walk.findings.last_mut().and_then(|finding| finding.sequences.as_mut());
            if let (Some(sequences), Some(lost)) = (last, lost) {
                sequences.last = lost.last;
            }
        } else {
            let what = format!("the chain was known to go on to {known}");
            let time = walk.report.last_time;
            self.found(walk, Finding { sequences: lost, time, ..Finding::new(Class::Truncated, what) });
        }
    }

    fn found(&self, walk: &mut Walk, finding: Finding) {
        let finding = Finding { chain: Some(self.chain.clone()), ..finding };
        if let Some(observer) = &self.observer {
            observer.finding(&finding);
        }
        walk.forked |= finding.class == Class::Fork;
        walk.findings.add(finding);
    }

    fn outcome(self, reader: &ChainReader, walk: Walk) -> Outcome {
        let Walk { mut report, findings, forked: _, opened, shredded } = walk;
        let (next, head) = reader.end();
        report.next = next;
        report.head = head.filter(|_| next > 0);
        report.bytes = reader.bytes();
        report.findings = findings.count();
        let nothing = Head { next: 0, hash: GENESIS };
        let reached = match head {
            Some(hash) if findings.count() == 0 => Head { next, hash },
            _ => self.trusted.unwrap_or(nothing),
        };
        Outcome { report, findings, reached, opened, shredded }
    }
}

/// Whether a segment holds the event with this sequence, but one with another hash.
fn other_event(segment: &ReadSegment, sequence: u64, hash: &[u8; 32]) -> bool {
    let (first, last) = (segment.sound().first().sequence(), segment.sound().last().sequence());
    (first..=last).contains(&sequence)
        && segment.events().any(|event| event.sequence() == sequence && event.event_hash() != *hash)
}

/// What is gathered on the way.
struct Walk {
    report: ChainReport,
    findings: Findings,
    /// Whether a fork was found.
    forked: bool,
    opened: Vec<Chain>,
    shredded: BTreeMap<Tenant, OffsetDateTime>,
}

impl Walk {
    fn new(task: &Task) -> Self {
        let report = ChainReport {
            chain: task.chain.clone(),
            from: None,
            to: None,
            next: 0,
            head: None,
            first_time: None,
            last_time: None,
            segments: 0,
            events: 0,
            bytes: 0,
            findings: 0,
        };
        Self {
            report,
            findings: Findings::up_to(task.listed_findings),
            forked: false,
            opened: Vec::new(),
            shredded: BTreeMap::new(),
        }
    }

    fn note_shredded(&mut self, namespace: &Namespace, segment: &ReadSegment) {
        if !segment.sound().tells_of(CryptoOp::Shred) {
            return;
        }
        for event in segment.events() {
            if let Some(tenant) = shredded_tenant(namespace, event.details()) {
                note_first(&mut self.shredded, tenant, event.details().timestamp);
            }
        }
    }

    fn count(&mut self, segment: &ReadSegment) {
        let (first, last) = (segment.sound().first(), segment.sound().last());
        let report = &mut self.report;
        report.from = report.from.or(Some(first.sequence()));
        report.to = Some(last.sequence());
        report.first_time = report.first_time.or(Some(first.details().timestamp));
        report.last_time = Some(last.details().timestamp);
        report.segments += 1;
        report.events += u64::try_from(segment.events().len()).unwrap_or(u64::MAX);
    }
}
