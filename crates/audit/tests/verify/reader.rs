//! Reading one chain, step by step.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use blue_audit::{
    Cause, ChainReader, Checks, Class, GENESIS, Head, Page, ReadSegment, SegmentSource, Start, Step, Stored,
    address::Chain,
};
use fastrand::Rng;

use crate::{
    CASES,
    log::{Log, Writer, chain, counts, keys, prod, run},
};

fn reader(log: &Arc<Log>, start: Start) -> ChainReader {
    let source: Arc<dyn SegmentSource> = Arc::clone(log) as _;
    ChainReader::new(source, Checks { namespace: prod(), keys: Some(keys()) }, main(), start)
}

fn main() -> Chain {
    chain("main")
}

/// The sequences of the events that are read until the end.
async fn sequences(reader: &mut ChainReader) -> Vec<u64> {
    let mut sequences = Vec::new();
    while let Some(step) = reader.next().await.unwrap() {
        let Step::Segment(ReadSegment::Verified(segment)) = step else { panic!("{step:?}") };
        sequences.extend(segment.events().map(|event| event.sequence()));
    }
    sequences
}

#[test]
fn a_reader_at_the_end_goes_on_when_the_chain_has_grown() {
    run(async {
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(1, &writer.segments(&[2, 3])));
        let mut reader = reader(&log, Start::Beginning);
        assert_eq!(sequences(&mut reader).await, [0, 1, 2, 3, 4]);
        assert!(sequences(&mut reader).await.is_empty());
        log.put(&writer.segments(&[1, 2]));
        assert_eq!(sequences(&mut reader).await, [5, 6, 7]);
        assert_eq!(reader.end(), (8, Some(writer.head.hash)));
    });
}

#[test]
fn what_lies_at_no_sequence_is_told_once() {
    run(async {
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(1, &writer.segments(&[2])));
        let mut reader = reader(&log, Start::Beginning);
        let mut found = Vec::new();
        for reason in ["a", "b", "c"] {
            log.put_placeless(reason);
            while let Some(step) = reader.next().await.unwrap() {
                if let Step::Finding(finding) = step {
                    assert_eq!((finding.class, finding.sequences), (Class::Malformed, None));
                    found.push(finding.what);
                }
            }
            log.put(&writer.segments(&[1]));
        }
        assert_eq!(found, ["no segment: a", "no segment: b", "no segment: c"]);
        assert_eq!(sequences(&mut reader).await, [4]);
    });
}

#[test]
fn a_second_reading_that_shows_nothing_counts_for_nothing_later() {
    run(async {
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(1, &writer.segments(&[2])));
        let mut readings = 0;
        log.change_each_page(move |_, page| {
            readings += 1;
            // Something behind the end that is not there, and later a segment that is not whole.
            if readings == 1 {
                page.stored.push(Stored::Malformed { first: Some(2), reason: "no count".into() });
            } else if let (3, Some(Stored::Segment(segment))) = (readings, page.stored.first_mut()) {
                segment.head_hash = GENESIS;
            }
        });
        let mut reader = reader(&log, Start::Beginning);
        assert_eq!(sequences(&mut reader).await, [0, 1]);
        log.put(&writer.segments(&[2]));
        assert_eq!(sequences(&mut reader).await, [2, 3]);
    });
}

#[test]
fn reading_begins_with_the_segment_that_holds_an_event() {
    for seed in 0..CASES {
        run(async {
            let mut rng = Rng::with_seed(seed);
            let mut writer = Writer::new("main");
            let segments = writer.segments(&counts(&mut rng, 10));
            let log = Arc::new(Log::of(seed, &segments));
            let sequence = rng.u64(..writer.head.next);
            let read = sequences(&mut reader(&log, Start::Containing(sequence))).await;
            let first =
                segments.iter().map(|segment| segment.first).rfind(|&first| first <= sequence).unwrap();
            assert!(read.into_iter().eq(first..writer.head.next), "seed {seed}");
            let read = sequences(&mut reader(&log, Start::Containing(u64::MAX))).await;
            assert_eq!(read.first(), segments.last().map(|segment| &segment.first));
        });
    }
}

/// A log with items at no sequence between others, which so are the last before most places.
struct Littered {
    log: Arc<Log>,
    /// In which places an item of them is the last.
    behind: std::ops::Range<u64>,
    asked: AtomicU32,
}

#[async_trait]
impl SegmentSource for Littered {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        self.log.segments(chain, from).await
    }

    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.behind.contains(&before.unwrap_or(u64::MAX - 1)) {
            return Ok(Some(Stored::Malformed { first: None, reason: "its key is a word".into() }));
        }
        self.log.last(chain, before).await
    }
}

#[test]
fn items_at_no_sequence_do_not_lead_back_to_the_beginning() {
    for (sequence, behind, expected) in [
        // None of them before what is looked for, one behind everything, many between, and nothing else at all.
        (50, u64::MAX - 1..u64::MAX, 50),
        (u64::MAX, u64::MAX - 1..u64::MAX, 99),
        (90, 70..100, 59),
        (90, 0..100, 0),
    ] {
        run(async {
            let mut writer = Writer::new("main");
            let log = Arc::new(Log::of(1, &writer.segments(&[1; 100])));
            let source = Arc::new(Littered { log, behind, asked: AtomicU32::new(0) });
            let checks = Checks { namespace: prod(), keys: Some(keys()) };
            let asked: Arc<dyn SegmentSource> = Arc::clone(&source) as _;
            let mut reader = ChainReader::new(asked, checks, main(), Start::Containing(sequence));
            assert!(sequences(&mut reader).await.into_iter().eq(expected..100), "{sequence}");
            assert!(source.asked.load(Ordering::Relaxed) < 10);
        });
    }
}

#[test]
fn behind_a_known_end_the_next_event_has_to_link_to_it() {
    run(async {
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(1, &writer.segments(&[2, 3])));
        let known = writer.head;
        log.put(&writer.segments(&[4]));
        assert_eq!(sequences(&mut reader(&log, Start::After(known))).await, [5, 6, 7, 8]);
        for (start, class) in [
            (Head { hash: [1; 32], ..known }, Class::Fork),
            (Head { next: 4, hash: known.hash }, Class::Missing),
            (Head { next: 3, hash: GENESIS }, Class::Missing),
        ] {
            let mut reader = reader(&log, Start::After(start));
            let Some(Step::Finding(finding)) = reader.next().await.unwrap() else { panic!("{start:?}") };
            assert_eq!(finding.class, class);
            // The segment itself is sound, and comes after the finding.
            assert_eq!(sequences(&mut reader).await, [5, 6, 7, 8]);
        }
    });
}

#[test]
fn a_reader_goes_on_where_it_was_when_the_source_answers_again() {
    run(async {
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(7, &writer.segments(&[1; 50])));
        let mut reader = reader(&log, Start::Beginning);
        let (mut read, mut failures) = (Vec::new(), 0);
        for turn in 0_u32.. {
            if turn % 5 == 0 && failures < 20 {
                log.fail(1);
            }
            match reader.next().await {
                Ok(Some(Step::Segment(segment))) => {
                    read.extend(segment.events().map(|event| event.sequence()));
                }
                Ok(Some(Step::Finding(finding))) => panic!("{finding}"),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.to_string(), "the chain main could not be read");
                    failures += 1;
                }
            }
        }
        assert!(read.into_iter().eq(0..50));
        assert!(failures > 3);
    });
}

#[test]
fn the_last_sequence_of_all_ends_a_chain() {
    run(async {
        let mut writer = Writer::new("main");
        let first = u64::MAX - 1;
        writer.head = Head { next: first, hash: [1; 32] };
        let start = writer.head;
        let last = blue_audit::Details::now();
        let one = writer.link(last.clone());
        let two = last.link("main", u64::MAX, *one.event_hash());
        let segments =
            [[one], [two]].map(|events| blue_audit::Segment::new(&writer.key, &prod(), &events).unwrap());
        let log = Arc::new(Log::of(1, &segments));
        let mut reader = reader(&log, Start::After(start));
        assert_eq!(sequences(&mut reader).await, [first, u64::MAX]);
        assert!(sequences(&mut reader).await.is_empty());
    });
}
