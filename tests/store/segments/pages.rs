//! Segments read in order, whatever lies among them.

use std::sync::{Arc, Mutex};

use blue_encrypted_store::table::{MalformedSegment, SegmentItem, Store, address::Chain};
use blue_tests::{Fate, Proxy, b, n, s};

use crate::{Setting, deadline, is_done, main_chain, segment};

/// An entry of a page: the sequence of a segment, or what is none.
type Entry = Result<u64, (Option<u64>, String)>;

fn entry(read: Result<SegmentItem, MalformedSegment>) -> Entry {
    match read {
        Ok(segment) => Ok(segment.first),
        Err(malformed) => Err((malformed.first, malformed.source.key)),
    }
}

/// All pages of the chain `main`, one after the other.
async fn pages(store: &Store, mut from: u64) -> Vec<Vec<Entry>> {
    let mut pages = Vec::new();
    loop {
        let page = store.segments(&main_chain(), from, deadline()).await.unwrap();
        pages.push(page.segments.into_iter().map(entry).collect());
        let Some(next) = page.next else { return pages };
        assert!(next > from, "every page gets on: {from}, {next}");
        from = next;
    }
}

async fn last(store: &Store, before: Option<u64>) -> Option<Entry> {
    store.last_segment(&main_chain(), before, deadline()).await.unwrap().map(entry)
}

#[tokio::test]
async fn a_chain_is_read_in_order_and_alone() {
    let setting = Setting::new("pages").await;
    assert_eq!(pages(&setting.store, 0).await, [[]]);
    assert_eq!(last(&setting.store, None).await, None);
    // As large as one gets, so that no page holds all; each event counts, so the sequences have gaps.
    let of = |chain: &str, first: u64, length| SegmentItem {
        chain: Chain::new(chain).unwrap(),
        events: vec![first.to_le_bytes()[0]; length],
        ..segment(first, 1)
    };
    let firsts: Vec<u64> = (0..40).map(|i| i * 9).collect();
    for first in &firsts {
        assert!(is_done(&setting.append(&of("main", *first, 64 * 1024), &[]).await));
    }
    for chain in ["mai", "main0", "main~", "registry"] {
        assert!(is_done(&setting.append(&of(chain, 5, 10), &[]).await));
    }
    let read = pages(&setting.store, 0).await;
    assert!(read.len() > 2, "{} pages", read.len());
    assert_eq!(read.concat(), firsts.iter().map(|first| Ok(*first)).collect::<Vec<_>>());

    for (from, index) in [(1, 1), (9, 1), (10, 2), (351, 39), (352, 40), (u64::MAX, 40)] {
        let expected: Vec<Entry> = firsts[index..].iter().map(|first| Ok(*first)).collect();
        assert_eq!(pages(&setting.store, from).await.concat(), expected, "from {from}");
    }
    for (before, expected) in [
        (None, Some(351)),
        (Some(u64::MAX), Some(351)),
        (Some(351), Some(342)),
        (Some(352), Some(351)),
        (Some(1), Some(0)),
        (Some(0), None),
    ] {
        assert_eq!(last(&setting.store, before).await, expected.map(Ok), "before {before:?}");
    }
    let whole = setting.store.last_segment(&main_chain(), Some(10), deadline()).await.unwrap();
    assert_eq!(whole.unwrap().unwrap(), of("main", 9, 64 * 1024));
}

#[tokio::test]
async fn the_greatest_sequence_ends_a_chain() {
    let setting = Setting::new("greatest").await;
    for first in [u64::MAX - 1, u64::MAX] {
        assert!(is_done(&setting.append(&segment(first, 1), &[]).await));
    }
    assert_eq!(pages(&setting.store, 0).await, [[Ok(u64::MAX - 1), Ok(u64::MAX)]]);
    assert_eq!(pages(&setting.store, u64::MAX).await, [[Ok(u64::MAX)]]);
    assert_eq!(last(&setting.store, None).await, Some(Ok(u64::MAX)));
    assert_eq!(last(&setting.store, Some(u64::MAX)).await, Some(Ok(u64::MAX - 1)));
}

/// Sort keys in their order, among those of the segments 0, 5, 6 and the greatest.
const PLANTED: [(&str, Option<u64>); 12] = [
    ("!", None),
    ("00000000000000000000!", None),
    ("00000000000000000005!", None),
    ("00000000000000000005x", None),
    ("00000000000000000005~", None),
    ("00000000000000000007", Some(7)),
    ("0000000000000000000x", None),
    ("18446744073709551615x", None),
    ("18446744073709551616", None),
    ("5", None),
    ("x", None),
    ("\u{1f600}", None),
];

fn sort_key_of(entry: &Entry) -> String {
    match entry {
        Ok(first) => format!("{first:020}"),
        // The key as messages show it: "A#main" "sort key".
        Err((_, key)) => key.strip_prefix("\"A#main\" \"").unwrap().strip_suffix('"').unwrap().to_owned(),
    }
}

/// Reads a chain with `PLANTED` among its segments, each of so many bytes, and checks that none is left out.
async fn planted(name: &str, bytes: usize) -> Vec<Vec<Entry>> {
    let setting = Setting::new(name).await;
    let firsts = [0, 5, 6, u64::MAX];
    for first in firsts {
        let events = vec![1; bytes];
        assert!(is_done(&setting.append(&SegmentItem { events, ..segment(first, 1) }, &[]).await));
    }
    for (sk, _) in PLANTED {
        let item = [("pk", s("A#main")), ("sk", s(sk)), ("events", b(vec![1; bytes])), ("count", n(1))];
        setting.sandbox.put_item(item.map(|(name, value)| (name.to_owned(), value)).into()).await;
    }
    let mut expected: Vec<(String, Entry)> = firsts.map(|first| (format!("{first:020}"), Ok(first))).into();
    for (sk, first) in PLANTED {
        expected.push((sk.to_owned(), Err((first, format!("\"A#main\" {sk:?}")))));
    }
    expected.sort_by(|(a, _), (b, _)| a.cmp(b));
    let expected: Vec<Entry> = expected.into_iter().map(|(_, entry)| entry).collect();
    let read = pages(&setting.store, 0).await;
    assert_eq!(read.concat(), expected);

    // From a sequence on, what lies between the one before and it is not left out either.
    for (from, first) in [(5, 3), (6, 4), (7, 8), (8, 9)] {
        assert_eq!(pages(&setting.store, from).await.concat(), expected[first..], "from {from}");
    }
    // Downwards, the greatest sort key is the last, whatever it is.
    assert_eq!(last(&setting.store, None).await, expected.last().cloned());
    assert_eq!(last(&setting.store, Some(7)).await, Some(Ok(6)));
    assert_eq!(
        last(&setting.store, Some(8)).await,
        Some(Err((Some(7), "\"A#main\" \"00000000000000000007\"".into())))
    );
    let between = last(&setting.store, Some(6)).await.unwrap();
    assert_eq!(sort_key_of(&between), "00000000000000000005~");
    assert_eq!(last(&setting.store, Some(0)).await.map(|entry| sort_key_of(&entry)), Some("!".to_owned()));
    read
}

#[tokio::test]
async fn what_is_no_segment_is_reported_once_in_its_place() {
    assert_eq!(planted("planted", 10).await.len(), 1);
}

/// So large that answers end with items that lie at no sequence, and one gap holds more than an answer does.
#[tokio::test]
async fn reading_gets_on_past_sort_keys_that_are_no_sequence() {
    let read = planted("planted-large", 400_000).await;
    assert!(read.len() > 1);
    let (last, others) = read.split_last().unwrap();
    assert!(!last.is_empty());
    for page in others {
        let ends_at = page.last().map(sort_key_of).unwrap();
        assert!(ends_at.len() == 20 && ends_at.bytes().all(|b| b.is_ascii_digit()), "{ends_at}");
    }
}

#[tokio::test]
async fn every_read_is_strongly_consistent_and_the_last_is_of_one_item() {
    let setting = Setting::new("consistent").await;
    assert!(is_done(&setting.append(&segment(0, 1), &[]).await));
    let reads = Arc::new(Mutex::new(Vec::new()));
    let seen = reads.clone();
    let proxy = Proxy::start(move |request| {
        let consistent = request.body["ConsistentRead"].as_bool();
        seen.lock().unwrap().push((request.operation, consistent, request.body["Limit"].as_u64()));
        async { Fate::Forward }
    })
    .await;
    let store = setting.through(&proxy);
    store.segments(&main_chain(), 0, deadline()).await.unwrap();
    store.segments(&main_chain(), 1, deadline()).await.unwrap();
    store.last_segment(&main_chain(), None, deadline()).await.unwrap();
    store.last_segment(&main_chain(), Some(9), deadline()).await.unwrap();
    store.scan(0, 1, None, deadline()).await.unwrap();
    let limits = [("Query", None), ("Query", None), ("Query", Some(1)), ("Query", Some(1)), ("Scan", None)];
    let expected = limits.map(|(operation, limit)| (operation.to_owned(), Some(true), limit));
    assert_eq!(*reads.lock().unwrap(), expected);
}
