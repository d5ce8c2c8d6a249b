//! Logs that are shorter than they were, or gone, and sets of chains.

use std::sync::Arc;

use blue_audit::{
    Baseline, Class, CryptoOp, Details, GENESIS, Head, Segment, Stored, Verdict, VerifyOptions,
};
use fastrand::Rng;
use time::{Duration, OffsetDateTime};

use crate::{
    CASES,
    log::{
        Log, Writer, baseline, chain, counts, findings, key, opening, options, prod, report, short, since,
        time_of,
    },
};

#[test]
fn a_chain_that_ends_before_it_was_known_to_is_truncated() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let length = rng.usize(2..20);
        let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, length))));
        let known = writer.head;
        let from = log.change("main", |places| {
            let starts: Vec<_> = places.keys().copied().collect();
            let from = starts[rng.usize(1..starts.len())];
            places.retain(|&place, _| place < from);
            from
        });
        for full in [true, false] {
            let report = report(&log, &VerifyOptions { full, ..since(baseline(&[("main", known)])) });
            let [finding] = report.findings.listed() else { panic!("seed {seed}: {report}") };
            assert_eq!(finding.class, Class::Truncated);
            let lost = finding.sequences.unwrap();
            assert_eq!((lost.first, lost.last), (from, known.next - 1));
            assert_eq!(finding.time, Some(time_of(from - 1)));
            assert_eq!(report.verdict(), Verdict::Incomplete);
            assert_eq!(report.reached.chains[&chain("main")], known, "it is not forgotten");
        }
    }
}

#[test]
fn a_defect_at_the_end_hides_no_more_than_it_says() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[3, 4, 5])));
    let all = since(baseline(&[("main", writer.head)]));
    log.change("main", |places| {
        places.remove(&7);
        places.insert(3, Stored::Malformed { first: Some(3), reason: "no count".into() })
    });
    assert_eq!(short(&findings(&log, &options())), ["malformed main 3"]);
    assert_eq!(short(&findings(&log, &all)), ["malformed main 3-11"]);
}

#[test]
fn a_chain_that_is_known_and_not_there_has_vanished() {
    let mut writer = Writer::new("gone");
    writer.segments(&[3, 4]);
    let known = writer.head;
    let mut main = Writer::new("main");
    let log = Arc::new(Log::of(1, &main.segments(&[2])));
    let trusted = baseline(&[("gone", known), ("main", main.head)]);
    for full in [true, false] {
        let report = report(&log, &VerifyOptions { full, ..since(trusted.clone()) });
        assert_eq!(short(report.findings.listed()), ["vanished-chain gone 0-6"]);
        assert_eq!(report.verdict(), Verdict::Incomplete);
        assert_eq!(report.reached.chains, trusted.chains);
    }
    let asked = VerifyOptions { chains: vec![chain("asked")], ..options() };
    assert_eq!(short(&findings(&log, &asked)), ["vanished-chain asked -"]);

    let mut registry = Writer::new("registry");
    let opened = registry.link(opening("gone"));
    log.put(&[Segment::new(&key(), &prod(), &[opened]).unwrap()]);
    log.put(&registry.segments(&[1, 1]));
    let registered = report(&log, &options());
    let gone = registered.chains.iter().find(|report| report.chain == chain("gone")).unwrap();
    assert_eq!((gone.next, gone.head, gone.from), (0, None, None));
    assert_eq!(short(registered.findings.listed()), ["vanished-chain gone -"]);
    // From the baseline that was reached the registry is not read again, and the chain is not forgotten.
    assert_eq!(short(&findings(&log, &since(registered.reached))), ["vanished-chain gone -"]);
}

#[test]
fn a_beginning_that_is_not_there_is_missing_not_vanished() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[3, 4, 5])));
    let known = writer.head;
    log.put(&writer.segments(&[2]));
    log.change("main", |places| places.retain(|&place, _| place == known.next));
    for options in [options(), since(baseline(&[("main", known)]))] {
        assert_eq!(short(&findings(&log, &options)), ["missing main 0-11"]);
    }
}

#[test]
fn an_empty_log_is_incomplete() {
    let log = Arc::new(Log::new(1));
    let nothing = baseline(&[("main", Head { next: 0, hash: GENESIS })]);
    for options in [options(), since(nothing)] {
        let report = report(&log, &options);
        assert_eq!(report.findings.listed(), []);
        assert_eq!((report.verdict(), report.verdict().exit_code()), (Verdict::Incomplete, 2));
        assert!(report.to_string().starts_with("incomplete: the log of prod is empty\n"));
    }
}

#[test]
fn a_baseline_from_the_future_is_a_wrong_clock() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[2])));
    let in_minutes = |minutes| {
        let time = OffsetDateTime::now_utc() + Duration::minutes(minutes);
        report(&log, &since(Baseline { time, ..baseline(&[("main", writer.head)]) }))
    };
    assert_eq!(in_minutes(3).verdict(), Verdict::Verified);
    let report = in_minutes(30);
    assert_eq!(report.verdict(), Verdict::Incomplete);
    assert_eq!(short(report.findings.listed()), ["clock - -"]);
}

#[test]
fn an_opening_that_names_no_chain_of_the_store_is_found() {
    let log = Arc::new(Log::new(1));
    let mut registry = Writer::new("registry");
    log.put(&registry.segments(&[2]));
    for resource in ["bes:test/%23audit/main", "bes:prod/alice\u{1b}[2J"] {
        let details = Details { operation: CryptoOp::OpenChain, resource: resource.into(), ..Details::now() };
        let event = registry.link(details);
        log.put(&[Segment::new(&key(), &prod(), &[event]).unwrap()]);
    }
    let found = findings(&log, &options());
    assert_eq!(short(&found), ["malformed registry 2", "malformed registry 3"]);
    assert_eq!(found[1].resource.as_deref(), Some("bes:prod/alice\u{1b}[2J"));
    assert!(!found[1].to_string().contains('\u{1b}'));
}
