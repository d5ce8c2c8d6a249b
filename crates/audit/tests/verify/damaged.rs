//! Logs with a defect or two, each of which is one finding.

use std::{num::NonZeroUsize, sync::Arc};

use blue_audit::{AuditKey, Class, Finding, Head, Sequences, Stored, Verdict, VerifyOptions};
use fastrand::Rng;

use crate::{
    CASES,
    damage::{Damage, join, segment_at, split},
    log::{
        Log, Places, Writer, baseline, chain, counts, findings, key, keyless, options, prod, report, short,
        since, time_of,
    },
};

/// A chain of at least four segments, and where they begin.
struct Sound {
    log: Arc<Log>,
    before: Places,
    starts: Vec<u64>,
    writer: Writer,
    rng: Rng,
}

fn sound(seed: u64) -> Sound {
    let mut rng = Rng::with_seed(seed);
    let mut writer = Writer::new("main");
    let length = rng.usize(4..30);
    let log = Arc::new(Log::of(seed, &writer.segments(&counts(&mut rng, length))));
    let before = log.change("main", |places| places.clone());
    Sound { log, starts: before.keys().copied().collect(), before, writer, rng }
}

impl Sound {
    fn damage(&mut self, damage: Damage, place: u64) {
        self.log.change("main", |places| damage.apply(places, &self.before, place, &mut self.rng));
    }

    /// The places that a segment took.
    fn places(&self, place: u64) -> Sequences {
        let count = u64::from(segment_at(&self.before, place).count);
        Sequences { first: place, last: place + count - 1 }
    }
}

fn of(finding: &Finding) -> (Class, Sequences) {
    assert_eq!(finding.chain, Some(chain("main")));
    (finding.class, finding.sequences.unwrap())
}

#[test]
fn each_defect_is_one_finding_of_its_class_and_place() {
    for damage in Damage::ALL {
        for seed in 0..CASES {
            let mut sound = sound(seed);
            // Not the last one: what it was is known by what follows. The end of a chain has tests of its own.
            let place = sound.starts[sound.rng.usize(..sound.starts.len() - 1)];
            sound.damage(damage, place);
            let report = report(&sound.log, &options());
            let found: Vec<_> = report.findings.listed().iter().map(of).collect();
            assert_eq!(found, [(damage.class(), sound.places(place))], "{damage:?}, seed {seed}");
            assert_eq!(report.verdict(), Verdict::Tampered);
            assert_eq!(report.totals().segments, sound.starts.len() as u64 - 1);
            assert!(report.findings.listed()[0].time.is_some());
        }
    }
}

#[test]
fn two_defects_apart_are_two_findings() {
    for seed in 0..CASES * 4 {
        let mut sound = sound(seed);
        let last = sound.starts.len() - 1;
        let a = sound.rng.usize(..last - 2);
        let b = sound.rng.usize(a + 2..last);
        let mut expected = Vec::new();
        for place in [sound.starts[a], sound.starts[b]] {
            let damage = Damage::ALL[sound.rng.usize(..Damage::ALL.len())];
            sound.damage(damage, place);
            expected.push((damage.class(), sound.places(place)));
        }
        let found: Vec<_> = findings(&sound.log, &options()).iter().map(of).collect();
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn neighbours_that_are_damaged_are_found_each_for_itself() {
    for seed in 0..CASES {
        let mut sound = sound(seed);
        let any = sound.rng.usize(..sound.starts.len() - 2);
        let mut expected = Vec::new();
        for place in [sound.starts[any], sound.starts[any + 1]] {
            let damage = *sound.rng.choice(&Damage::ALL[..13]).unwrap();
            sound.damage(damage, place);
            expected.push((damage.class(), sound.places(place)));
        }
        let found: Vec<_> = findings(&sound.log, &options()).iter().map(of).collect();
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn a_baseline_before_the_defect_changes_nothing() {
    for seed in 0..CASES * 4 {
        let mut sound = sound(seed);
        let known = sound.rng.usize(1..sound.starts.len() - 1);
        let place = sound.starts[sound.rng.usize(known..sound.starts.len() - 1)];
        let damage = Damage::ALL[sound.rng.usize(..Damage::ALL.len())];
        let head_hash = segment_at(&sound.before, sound.starts[known - 1]).head_hash;
        let head = Head { next: sound.starts[known], hash: head_hash };
        sound.damage(damage, place);

        let full = report(&sound.log, &options());
        let later = report(&sound.log, &since(baseline(&[("main", head)])));
        assert_eq!(later.findings, full.findings, "seed {seed}, {damage:?}");
        // What was not verified is not trusted; what was trusted is not forgotten.
        assert_eq!(later.reached.chains[&chain("main")], head);
        assert_eq!(full.reached.chains.get(&chain("main")), None);
    }
}

#[test]
fn the_segment_that_a_baseline_stands_on_is_verified_too() {
    for damage in Damage::ALL {
        for seed in 0..CASES / 4 {
            let mut sound = sound(seed);
            let known = sound.rng.usize(1..sound.starts.len() - 1);
            let place = sound.starts[known - 1];
            let hash = segment_at(&sound.before, place).head_hash;
            let head = Head { next: sound.starts[known], hash };
            sound.damage(damage, place);
            let found = findings(&sound.log, &since(baseline(&[("main", head)])));
            let found: Vec<_> = found.iter().map(of).collect();
            assert_eq!(found, [(damage.class(), sound.places(place))], "{damage:?}, seed {seed}");
        }
    }
}

#[test]
fn without_keys_all_but_the_macs_is_seen() {
    for damage in Damage::ALL {
        for seed in 0..CASES / 4 {
            let mut sound = sound(seed);
            let any = sound.rng.usize(..sound.starts.len() - 1);
            let (place, next) = (sound.starts[any], sound.starts[any + 1]);
            sound.damage(damage, place);
            let found: Vec<_> = findings(&sound.log, &keyless()).iter().map(of).collect();
            match damage {
                // Whose MAC it is cannot be said, and only what follows shows that events are others.
                Damage::Mac | Damage::OldKey | Damage::UnknownKey => assert_eq!(found, []),
                Damage::Recomputed => assert_eq!(found, [(Class::Fork, sound.places(next))]),
                Damage::OtherStore => assert!(!found.is_empty() && found[0].1.first > place),
                _ => assert_eq!(found, [(damage.class(), sound.places(place))], "{damage:?}, seed {seed}"),
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_stored_segment_is_one_finding() {
    let mut writer = Writer::new("main");
    let segments = writer.segments(&[2, 2, 2]);
    let log = Arc::new(Log::of(1, &segments));
    let good = &segments[1];
    let found = |changed| {
        log.change("main", |places| places.insert(2, Stored::Segment(changed)));
        let found = findings(&log, &options());
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(finding.sequences, Some(Sequences { first: 2, last: 3 }));
        finding.class
    };
    for place in 0..good.events.len() {
        let mut changed = good.clone();
        changed.events[place] ^= 1 << (place % 8);
        let parses =
            !matches!(changed.clone().verify_without_key(), Err(blue_audit::SegmentError::Malformed(_)));
        assert_eq!(found(changed), if parses { Class::Altered } else { Class::Malformed }, "{place}");
    }
    for place in 0..32 {
        let mut changed = good.clone();
        changed.head_hash[place] ^= 1 << (place % 8);
        assert_eq!(found(changed), Class::Altered);
        let mut changed = good.clone();
        changed.mac[place] ^= 1 << (place % 8);
        assert_eq!(found(changed), Class::Mac);
        let count = good.count ^ (1 << place);
        assert_eq!(found(blue_audit::Segment { count, ..good.clone() }), Class::Altered);
    }
    for place in 0..16 {
        let mut changed = good.clone();
        changed.audit_kek_id[place] ^= 1 << (place % 8);
        assert_eq!(found(changed), Class::Foreign);
    }
}

#[test]
fn events_taken_from_the_end_of_a_segment_are_missing_as_well() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[2, 5, 3])));
    let segment = log.change("main", |places| segment_at(places, 2));
    let left = &split(&segment)[..3];
    let shorter = blue_audit::Segment { events: join(left), count: 3, ..segment.clone() };
    log.change("main", |places| places.insert(2, Stored::Segment(shorter.clone())));
    let expected = ["altered main 2-4", "missing main 5-6"];
    assert_eq!(short(&findings(&log, &options())), expected);

    let consistent = blue_audit::Segment { head_hash: *left[2].event_hash(), ..shorter };
    log.change("main", |places| places.insert(2, Stored::Segment(consistent)));
    assert_eq!(short(&findings(&log, &options())), ["mac main 2-4", "missing main 5-6"]);

    let by_somebody_with_the_key = blue_audit::Segment::new(&key(), &prod(), left).unwrap();
    log.change("main", |places| places.insert(2, Stored::Segment(by_somebody_with_the_key)));
    assert_eq!(short(&findings(&log, &options())), ["missing main 5-6"]);
}

#[test]
fn a_segment_that_was_made_longer_ends_where_the_next_begins() {
    let mut writer = Writer::new("main");
    let segments = writer.segments(&[2, 3, 4, 5]);
    let log = Arc::new(Log::of(1, &segments));
    // By somebody without the key, who lets it go on over what follows.
    let mut other = Writer::new("main");
    other.key = AuditKey::new([7; 16], &[0xee; 32]);
    other.head = Head { next: 2, hash: segments[0].head_hash };
    log.put(&[other.segment(6)]);
    let first = ["mac main 2-4"];
    assert_eq!(short(&findings(&log, &options())), first);

    log.change("main", |places| Damage::Head.apply(places, &places.clone(), 5, &mut Rng::with_seed(1)));
    assert_eq!(short(&findings(&log, &options())), [first[0], "altered main 5-8"]);
}

#[test]
fn a_segment_of_another_chain_is_foreign_even_under_its_own_name() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[2, 2, 2])));
    let mut other = Writer::new("other");
    other.segment(2);
    let sound = other.segment(2);
    log.change("main", |places| places.insert(2, Stored::Segment(sound)));
    assert_eq!(short(&findings(&log, &options())), ["foreign main 2-3"]);
}

#[test]
fn the_time_of_a_finding_is_that_of_the_event_before_or_else_behind_it() {
    let mut sound = sound(3);
    let [first, second, ..] = sound.starts[..] else { panic!("there are four") };
    for (place, about) in [(first, second), (second, second - 1)] {
        for damage in [Damage::Mac, Damage::Deleted] {
            sound.log.change("main", |places| places.clone_from(&sound.before));
            sound.damage(damage, place);
            assert_eq!(
                findings(&sound.log, &options())[0].time,
                Some(time_of(about)),
                "{damage:?} at {place}"
            );
        }
    }
}

#[test]
fn behind_a_defect_at_the_end_no_head_is_known() {
    let mut sound = sound(4);
    sound.damage(Damage::Mac, sound.starts[sound.starts.len() - 1]);
    let report = report(&sound.log, &options());
    assert_eq!((report.chains[0].next, report.chains[0].head), (sound.writer.head.next, None));
}

#[test]
fn a_page_with_many_findings_is_read_twice_not_once_more_for_each() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[1; 200])));
    log.change("main", |places| {
        for (&place, stored) in places {
            *stored = Stored::Malformed { first: Some(place), reason: "no count".into() };
        }
    });
    log.set_page_len(50);
    // The fewer cores, the less is fetched ahead.
    let options = VerifyOptions { parallelism: NonZeroUsize::MIN, ..options() };
    assert_eq!(findings(&log, &options).len(), 200);
    // Four pages, each twice; what was fetched ahead is fetched again; and the registry.
    assert!(log.reads() <= 4 * 3 + 2, "{}", log.reads());
}

#[test]
fn a_place_that_never_reads_the_same_is_found_all_the_same() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[2, 2, 2])));
    let mut reading = 0;
    log.change_each_page(move |_, page| {
        for stored in &mut page.stored {
            if stored.first() == Some(2) {
                reading += 1;
                *stored = Stored::Malformed { first: Some(2), reason: format!("{reading}") };
            }
        }
    });
    assert_eq!(short(&findings(&log, &options())), ["malformed main 2-3"]);
}

#[test]
fn what_was_taken_out_beside_a_defect_is_not_hidden_by_it() {
    let mut sound = sound(1);
    let [_, a, b, c, ..] = sound.starts[..] else { panic!("there are four") };
    sound.damage(Damage::Text, a);
    sound.damage(Damage::Deleted, b);
    let (altered, gone) = (sound.places(a), sound.places(b));
    let expected = [format!("altered main {altered}"), format!("missing main {gone}")];
    assert_eq!(short(&findings(&sound.log, &options())), expected);

    // Of what does not parse nobody knows where it ended: it may have been all up to the next.
    sound.damage(Damage::NoSegment, a);
    let all = Sequences { first: a, last: c - 1 };
    assert_eq!(short(&findings(&sound.log, &options())), [format!("malformed main {all}")]);

    // What was taken out before it is certain.
    sound.log.change("main", |places| places.clone_from(&sound.before));
    sound.damage(Damage::Deleted, a);
    sound.damage(Damage::NoSegment, b);
    let expected = [format!("missing main {}", sound.places(a)), format!("malformed main {gone}")];
    assert_eq!(short(&findings(&sound.log, &options())), expected);
}

#[test]
fn what_is_put_between_does_not_break_the_chain() {
    let mut writer = Writer::new("main");
    let log = Arc::new(Log::of(1, &writer.segments(&[3, 4, 3])));
    let reason = "no events".to_owned();
    log.change("main", |places| places.insert(5, Stored::Malformed { first: Some(5), reason }));
    assert_eq!(short(&findings(&log, &options())), ["malformed main 5"]);

    // In the last place that is covered.
    log.change("main", |places| {
        places.remove(&5);
        places.insert(6, Stored::Malformed { first: Some(6), reason: "no events".into() })
    });
    assert_eq!(short(&findings(&log, &options())), ["malformed main 6"]);

    // At no sequence, behind everything, and more than once.
    log.put_placeless("its key is a word");
    log.put_placeless("its key is another word");
    let found = findings(&log, &VerifyOptions { full: true, ..since(baseline(&[("main", writer.head)])) });
    let mut expected = vec!["malformed main 6", "malformed main -", "malformed main -"];
    expected.extend(["malformed registry -"; 2]);
    assert_eq!(short(&found), expected);
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let mut sound = sound(2);
    for place in sound.starts.clone() {
        sound.damage(Damage::Mac, place);
    }
    let report = report(&sound.log, &VerifyOptions { listed_findings: 3, ..options() });
    assert_eq!(report.findings.listed().len(), 3);
    assert_eq!(report.findings.left_out(), sound.starts.len() as u64 - 3);
    assert_eq!(report.totals().findings, sound.starts.len() as u64);
    assert_eq!(report.verdict(), Verdict::Tampered);
    assert_eq!(report.totals().events, 0);
    assert!(sound.writer.head.next > 0);
}
