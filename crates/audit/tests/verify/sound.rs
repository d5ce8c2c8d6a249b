//! Logs that nobody damaged.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use blue_audit::{
    Baseline, Events, Finding, Head, Observer, Segment, SegmentSource, Stored, Verdict, VerifyOptions,
    address::Chain, verify,
};
use fastrand::Rng;
use time::{Duration, OffsetDateTime};

use crate::{
    CASES,
    log::{
        Log, Writer, baseline, chain, counts, findings, keyless, opening, options, prod, report, run, short,
        since,
    },
};

#[test]
fn a_sound_log_never_alarms_whatever_its_segments_pages_and_cores() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let length = rng.usize(1..40);
        let segments = writer.segments(&counts(&mut rng, length));
        let log = Arc::new(Log::of(seed, &segments));
        let parallelism = NonZeroUsize::new(rng.usize(1..9)).unwrap();
        for options in [options(), keyless()] {
            let checked = options.keys.is_some();
            let report = report(&log, &VerifyOptions { parallelism, ..options });
            assert_eq!(report.verdict(), Verdict::Verified, "seed {seed}: {report}");
            assert_eq!(report.macs_checked, checked);
            assert_eq!(report.totals().events, writer.head.next);
            assert_eq!(report.totals().segments, segments.len() as u64);
            let bytes: usize = segments.iter().map(|segment| segment.events.len()).sum();
            assert_eq!(report.totals().bytes, bytes as u64);
            let [main] = &report.chains[..] else { panic!("there is one chain") };
            assert_eq!((main.from, main.to), (Some(0), Some(writer.head.next - 1)));
            assert_eq!((main.next, main.head), (writer.head.next, Some(writer.head.hash)));
            assert_eq!(report.reached.chains[&chain("main")], writer.head);
        }
    }
}

#[test]
fn a_log_that_grows_while_it_is_read_never_alarms() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, 10))));
        let before = writer.head;
        let mut left = 30;
        log.before_each_page(move |chains| {
            for _ in 0..rng.usize(..4).min(left) {
                left -= 1;
                let segment = writer.segment(rng.usize(1..4));
                chains.get_mut(&chain("main")).unwrap().insert(segment.first, Stored::Segment(segment));
            }
        });
        let trusted = baseline(&[("main", before)]);
        for options in
            [VerifyOptions { full: true, ..since(trusted.clone()) }, since(trusted.clone()), keyless()]
        {
            let report = report(&log, &options);
            assert_eq!(report.verdict(), Verdict::Verified, "seed {seed}: {report}");
            assert!(report.chains[0].next >= before.next);
        }
    }
}

#[test]
fn what_only_one_reading_shows_is_not_reported() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, 20))));
        let trusted = baseline(&[("main", writer.head)]);
        // The first time that a segment is read it may not be there, or not be whole.
        let mut seen = HashSet::new();
        log.change_each_page(move |_, page| {
            page.stored.retain_mut(|stored| match (stored, rng.u8(..4)) {
                (Stored::Segment(segment), 0) if seen.insert(segment.first) => false,
                (Stored::Segment(segment), 1) if seen.insert(segment.first) => {
                    segment.events[20] ^= 1;
                    true
                }
                _ => true,
            });
        });
        assert_eq!(findings(&log, &VerifyOptions { full: true, ..since(trusted) }), [], "seed {seed}");
    }
}

#[test]
fn from_a_baseline_a_chain_is_read_from_there_and_comes_to_the_same() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, 20))));
        let known = writer.head;
        log.put(&writer.segments(&counts(&mut rng, 10)));
        let full = report(&log, &options());
        let reads = log.reads();
        let later = report(&log, &since(baseline(&[("main", known)])));
        assert!(log.reads() - reads < reads, "seed {seed}");
        assert_eq!((full.full, later.full), (true, false));
        assert_eq!(later.verdict(), Verdict::Verified, "seed {seed}: {later}");
        assert_eq!(later.reached.chains, full.reached.chains);
        assert!(later.chains[0].from.is_some_and(|from| from < known.next && from > 0));
        let again = report(&log, &since(full.reached));
        assert_eq!(again.verdict(), Verdict::Verified);
        assert_eq!(again.chains[0].segments, 1);
    }
}

#[test]
fn every_chain_that_is_known_of_is_verified() {
    let log = Arc::new(Log::new(1));
    let mut registry = Writer::new("registry");
    let names: Vec<_> = (0..300).map(|number| format!("writer-{number}@host")).collect();
    for name in &names {
        let mut writer = Writer::new(name);
        log.put(&writer.segments(&[1, 2]));
        let opened = [registry.link(opening(name))];
        log.put(&[Segment::new(&registry.key, &prod(), &opened).unwrap()]);
    }
    let mut old = Writer::new("old");
    log.put(&old.segments(&[2]));
    let mut asked = Writer::new("asked");
    log.put(&asked.segments(&[3]));

    let options = VerifyOptions { chains: vec![chain("asked")], ..since(baseline(&[("old", old.head)])) };
    let first = report(&log, &options);
    assert_eq!(first.verdict(), Verdict::Verified, "{first}");
    assert_eq!(first.totals().chains, 300 + 3);
    assert_eq!(first.totals().events, 300 * 3 + 300 + 2 + 3);
    assert_eq!(first.reached.chains.len(), 300 + 3);

    // The baseline that was reached knows the chains that the registry named, which is not read again.
    log.change("writer-17@host", |places| places.remove(&1));
    log.change("writer-17@host", |places| places.remove(&0));
    let found = findings(&log, &since(first.reached));
    assert_eq!(short(&found), ["vanished-chain writer-17@host 0-2"]);
}

#[test]
fn a_chain_that_is_named_more_than_once_is_verified_once() {
    let log = Arc::new(Log::new(5));
    let mut registry = Writer::new("registry");
    let opened = ["main", "registry", "main", "w"].map(|name| registry.link(opening(name)));
    log.put(&[Segment::new(&registry.key, &prod(), &opened).unwrap()]);
    log.put(&Writer::new("main").segments(&[2]));
    log.put(&Writer::new("w").segments(&[3]));
    let chains = ["main", "registry", "w"].map(chain).to_vec();
    let report = report(&log, &VerifyOptions { chains: chains.clone(), ..options() });
    assert_eq!(report.verdict(), Verdict::Verified);
    assert!(report.chains.iter().map(|report| &report.chain).eq(&chains));
}

#[test]
fn events_of_one_chain_are_seen_in_order() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<(Chain, u64)>>);
    impl Observer for Seen {
        fn segment(&self, chain: &Chain, events: Events<'_>) {
            let mut seen = self.0.lock().unwrap();
            seen.extend(events.map(|event| (chain.clone(), event.sequence())));
        }
        fn finding(&self, finding: &Finding) {
            panic!("{finding}");
        }
    }
    let log = Arc::new(Log::new(3));
    let names = ["main", "a", "b"];
    for name in names {
        log.put(&Writer::new(name).segments(&[3, 1, 4, 1, 5, 9, 2, 6]));
    }
    let seen = Arc::new(Seen::default());
    let observer: Arc<dyn Observer> = Arc::clone(&seen) as _;
    let chains = names.map(chain).to_vec();
    report(&log, &VerifyOptions { observer: Some(observer), chains, ..options() });
    let seen = seen.0.lock().unwrap();
    for name in names {
        let of_chain = seen.iter().filter(|(chain, _)| chain.as_str() == name);
        assert!(of_chain.map(|&(_, sequence)| sequence).eq(0..31), "{name}");
    }
}

#[test]
fn a_baseline_is_older_that_knows_less() {
    let head = |next| Head { next, hash: [1; 32] };
    let known = baseline(&[("a", head(5)), ("b", head(7))]);
    let earlier =
        |baseline: &Baseline| Baseline { time: baseline.time - Duration::hours(1), ..baseline.clone() };
    assert!(!known.is_older_than(&known));
    assert!(earlier(&known).is_older_than(&known));
    assert!(!known.is_older_than(&earlier(&known)));
    for (less, more) in [
        (baseline(&[("a", head(5))]), known.clone()),
        (baseline(&[("a", head(5)), ("b", head(6))]), known.clone()),
        (known.clone(), baseline(&[("a", head(5)), ("b", head(7)), ("c", head(0))])),
    ] {
        // However late it says it is.
        let late = Baseline { time: OffsetDateTime::now_utc(), ..less.clone() };
        assert!(less.is_older_than(&more) && late.is_older_than(&more));
        assert!(!more.is_older_than(&less) && !earlier(&more).is_older_than(&less));
    }
    let apart = baseline(&[("a", head(9)), ("b", head(1))]);
    assert!(apart.is_older_than(&known) && known.is_older_than(&apart));
}

#[test]
fn a_source_that_does_not_answer_or_leads_back_is_no_finding() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[1; 40])));
    log.fail(1);
    let source: Arc<dyn SegmentSource> = Arc::clone(&log) as _;
    let error = run(verify(Arc::clone(&source), &options())).unwrap_err();
    assert_eq!(error.to_string(), "the chain registry could not be read");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no answer");

    log.change_each_page(|chain, page| {
        if chain.as_str() == "main" {
            (page.stored, page.next) = (Vec::new(), Some(0));
        }
    });
    let error = run(verify(source, &options())).unwrap_err();
    assert_eq!(error.to_string(), "the chain main could not be read: a page of it leads back");
}
