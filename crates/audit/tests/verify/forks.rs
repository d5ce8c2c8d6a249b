//! Second histories, written by somebody who has the key, or seen by somebody who has not.

use std::sync::Arc;

use blue_audit::{Head, Segment, Stored, VerifyOptions};
use fastrand::Rng;

use crate::{
    CASES,
    damage::{other_principal, relinked, segment_at, split},
    log::{
        Log, Places, Writer, baseline, counts, findings, key, keyless, options, prod, report, short, since,
    },
};

/// The chain from a segment on, with another first event, under MACs that fit.
fn rewrite(places: &mut Places, from: u64) -> Head {
    let starts: Vec<_> = places.range(from..).map(|(&place, _)| place).collect();
    let events: Vec<_> = starts.iter().flat_map(|&place| split(&segment_at(places, place))).collect();
    let events = relinked(other_principal(&events[0]), &events[1..]);
    let mut rest = &events[..];
    for place in starts {
        let (run, after) = rest.split_at(usize::try_from(segment_at(places, place).count).unwrap());
        places.insert(place, Stored::Segment(Segment::new(&key(), &prod(), run).unwrap()));
        rest = after;
    }
    let last = &events[events.len() - 1];
    Head { next: last.sequence() + 1, hash: *last.event_hash() }
}

/// One segment, rewritten, as somebody without the key can; only the MAC tells.
fn rewrite_one(places: &mut Places, place: u64) -> Segment {
    let events = split(&segment_at(places, place));
    let events = relinked(other_principal(&events[0]), &events[1..]);
    let segment = Segment::new(&key(), &prod(), &events).unwrap();
    places.insert(place, Stored::Segment(segment.clone()));
    segment
}

#[test]
fn a_segment_that_does_not_link_is_a_fork_where_the_next_begins() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let length = rng.usize(3..20);
        let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, length))));
        let (next, last) = log.change("main", |places| {
            let starts: Vec<_> = places.keys().copied().collect();
            let any = rng.usize(..starts.len() - 1);
            rewrite_one(places, starts[any]);
            let next = starts[any + 1];
            (next, next + u64::from(segment_at(places, next).count) - 1)
        });
        // Nor is it another finding that the end is not the one that was known.
        let known = baseline(&[("main", Head { hash: [1; 32], ..writer.head })]);
        let trusting = VerifyOptions { full: true, ..since(known) };
        for options in [options(), keyless(), trusting] {
            let found = findings(&log, &options);
            assert_eq!(found.len(), 1, "seed {seed}");
            assert_eq!((found[0].class.as_str(), found[0].sequences.unwrap().first), ("fork", next));
            assert_eq!(found[0].sequences.unwrap().last, last);
        }
    }
}

#[test]
fn a_history_that_was_written_anew_is_a_fork_where_the_baseline_stands() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, 12))));
        let known = writer.head;
        log.put(&writer.segments(&counts(&mut rng, 5)));
        let from = log.change("main", |places| {
            let before: Vec<_> = places.range(..known.next).map(|(&place, _)| place).collect();
            let from = before[rng.usize(..before.len())];
            rewrite(places, from);
            from
        });
        assert_eq!(findings(&log, &options()), [], "nothing shows without a baseline");
        let trusted = baseline(&[("main", known)]);
        let expected = [format!("fork main {}", known.next - 1)];
        for full in [true, false] {
            let options = VerifyOptions { full, ..since(trusted.clone()) };
            assert_eq!(short(&findings(&log, &options)), expected, "seed {seed}, from {from}, full {full}");
        }
    }
}

#[test]
fn what_is_put_into_the_last_place_before_a_fork_does_not_hide_it() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[2, 3, 4])));
    log.change("main", |places| {
        rewrite_one(places, 2);
        places.insert(4, Stored::Malformed { first: Some(4), reason: "no count".into() })
    });
    assert_eq!(short(&findings(&log, &options())), ["malformed main 4", "fork main 5-8"]);
}

#[test]
fn a_history_that_lies_over_another_is_one_fork_however_long_it_goes_on() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[4, 5, 5, 5])));

    // It begins with the third event and goes on beside the first history, in shorter segments.
    let mut other = Writer::new("main");
    other.head = Head { next: 2, hash: [0xcc; 32] };
    let mut branch = other.segments(&[1, 3, 4, 1]);
    log.put(&branch);
    let expected = ["fork main 2"];
    assert_eq!(short(&findings(&log, &options())), expected);

    // Nor is it another finding where the first history ends and only the second goes on: here behind that end, ...
    log.change("main", |places| places.retain(|&place, _| place < 14));
    branch.extend(other.segments(&[6, 6]));
    log.put(&branch);
    let ends_with_the_second = |next| {
        let report = report(&log, &options());
        assert_eq!(short(report.findings.listed()), expected);
        assert_eq!(report.chains[0].next, next);
    };
    ends_with_the_second(23);

    // ... and here right at that end.
    other.head = Head { next: 11, hash: branch[3].head_hash };
    log.change("main", |places| places.retain(|&place, _| place < 11));
    log.put(&other.segments(&[3, 4]));
    ends_with_the_second(18);
}

#[test]
fn a_single_segment_over_another_is_a_fork_and_the_chain_goes_on() {
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let mut writer = Writer::new("main");
        let segments = writer.segments(&[2, 3, 5, 4, 3, 2]);
        let log = Arc::new(Log::of(seed, &segments));
        let first = rng.u64(6..9);
        let mut other = Writer::new("main");
        other.head = Head { next: first, hash: [0xcc; 32] };
        log.put(&[other.segment(rng.usize(1..9))]);
        let last = other.head.next - 1;
        let expected =
            if first == last { format!("fork main {first}") } else { format!("fork main {first}-{last}") };
        assert_eq!(short(&findings(&log, &options())), [expected]);
    }
}
