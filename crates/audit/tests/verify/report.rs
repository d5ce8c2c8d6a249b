//! What a report says, as text and as JSON.

use std::time::Duration;

use blue_audit::{Baseline, ChainReport, Class, Finding, Findings, Report, Sequences, Verdict};
use serde_json::json;
use time::macros::datetime;

use crate::log::{chain, prod};

fn example() -> Report {
    let time = datetime!(2026-11-23 12:00:00.000001 UTC);
    let mut findings = Findings::up_to(2);
    findings.add(Finding {
        chain: Some(chain("main")),
        sequences: Some(Sequences { first: 3, last: 6 }),
        time: Some(time),
        ..Finding::new(Class::Missing, "the events are not there")
    });
    findings.add(Finding {
        resource: Some("bes:prod/a\nverified: \u{1b}[32mé\u{202e}\u{9b}".into()),
        ..Finding::new(Class::StaleRecord, "it's \"old\"\r\u{7}")
    });
    findings.add(Finding::new(Class::Clock, "left out"));
    let main = ChainReport {
        chain: chain("main"),
        from: Some(0),
        to: Some(9),
        next: 10,
        head: Some([0xab; 32]),
        first_time: Some(time),
        last_time: Some(time),
        segments: 2,
        events: 6,
        bytes: 1234,
        findings: 1,
    };
    let gone = ChainReport {
        chain: chain("gone"),
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
    Report {
        namespace: prod(),
        macs_checked: true,
        full: false,
        started: time,
        took: Duration::from_millis(1500),
        findings,
        chains: vec![main, gone],
        reached: Baseline { chains: [].into(), time, table_id: None },
        shredded: [].into(),
    }
}

#[test]
fn the_text_says_the_verdict_first_and_nothing_steers_a_terminal() {
    let expected = "\
tampered: 3 findings in the log of prod
  missing main 3-6: the events are not there (about 2026-11-23T12:00:00.000001Z)
  stale-record bes:prod/a\\nverified: \\u{1b}[32mé\\u{202e}\\u{9b}: it's \"old\"\\r\\u{7}
  and 1 more, not listed
main: 0-9, 6 events, head abababababababab…, 2026-11-23T12:00:00.000001Z to 2026-11-23T12:00:00.000001Z, 1 finding
gone: nothing sound
6 events, 2 segments, 1234 bytes in 2 chains; 1.50 s, 4 events/s; MACs checked";
    assert_eq!(example().to_string(), expected);
}

#[test]
fn a_verified_log_without_keys_says_what_was_not_checked() {
    let sound = Report { findings: Findings::up_to(1), ..example() };
    assert!(sound.to_string().starts_with("verified: the log of prod is sound\n"));
    let keyless = Report { macs_checked: false, ..sound };
    let text = keyless.to_string();
    assert!(
        text.starts_with("verified: the log of prod fits together; without keys, MACs were not checked\n")
    );
    assert!(text.ends_with("MACs not checked"));
    assert_eq!(keyless.verdict(), Verdict::Verified);
}

#[test]
fn the_json_has_these_fields() {
    let expected = json!({
        "verdict": "tampered",
        "namespace": "prod",
        "macs_checked": true,
        "full": false,
        "started": "2026-11-23T12:00:00.000001Z",
        "seconds": 1.5,
        "events_per_second": 4,
        "totals": { "chains": 2, "segments": 2, "events": 6, "bytes": 1234, "findings": 3 },
        "findings": [
            {
                "class": "missing",
                "chain": "main",
                "sequences": { "first": 3, "last": 6 },
                "time": "2026-11-23T12:00:00.000001Z",
                "resource": null,
                "what": "the events are not there",
            },
            {
                "class": "stale-record",
                "chain": null,
                "sequences": null,
                "time": null,
                "resource": "bes:prod/a\nverified: \u{1b}[32mé\u{202e}\u{9b}",
                "what": "it's \"old\"\r\u{7}",
            },
        ],
        "findings_left_out": 1,
        "chains": [
            {
                "chain": "main",
                "from": 0,
                "to": 9,
                "next": 10,
                "head": "ab".repeat(32),
                "first_time": "2026-11-23T12:00:00.000001Z",
                "last_time": "2026-11-23T12:00:00.000001Z",
                "segments": 2,
                "events": 6,
                "bytes": 1234,
                "findings": 1,
            },
            {
                "chain": "gone",
                "from": null,
                "to": null,
                "next": 0,
                "head": null,
                "first_time": null,
                "last_time": null,
                "segments": 0,
                "events": 0,
                "bytes": 0,
                "findings": 0,
            },
        ],
    });
    assert_eq!(serde_json::to_value(example()).unwrap(), expected);
}

#[test]
fn a_finding_that_is_left_out_still_weighs() {
    let mut findings = Findings::up_to(1);
    assert_eq!(findings.worst(), Verdict::Verified);
    findings.add(Finding::new(Class::Truncated, ""));
    assert_eq!(findings.worst(), Verdict::Incomplete);
    findings.add(Finding::new(Class::Fork, ""));
    assert_eq!((findings.worst(), findings.count(), findings.left_out()), (Verdict::Tampered, 2, 1));
    assert_eq!(findings.listed().len(), 1);
}

#[test]
fn every_class_has_a_word_of_its_own_and_every_verdict_a_code() {
    let words: std::collections::BTreeSet<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
    assert_eq!(words.len(), Class::ALL.len());
    for word in words {
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
    }
    let codes = [Verdict::Verified, Verdict::Tampered, Verdict::Incomplete].map(Verdict::exit_code);
    assert_eq!(codes, [0, 1, 2]);
}
