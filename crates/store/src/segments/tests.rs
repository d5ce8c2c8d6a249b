//! Segments as items and back, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::size::item_size;

fn segment() -> SegmentItem {
    SegmentItem {
        chain: Chain::new("main").unwrap(),
        first: 7,
        events: vec![1, 2, 3],
        count: 2,
        head_hash: [4; 32],
        mac: [5; 32],
        audit_kek_id: [6; 16],
    }
}

/// The reason why a segment with these attributes is none, and the sequence that it is said to lie at.
fn refused(changes: &[(&str, Option<AttributeValue>)]) -> (String, Option<u64>) {
    let mut item = segment().to_item().unwrap();
    for (name, value) in changes {
        match value {
            Some(value) => item.insert((*name).to_owned(), value.clone()),
            None => item.remove(*name),
        };
    }
    let MalformedSegment { first, source } = SegmentItem::from_item(item).unwrap_err();
    (source.reason, first)
}

fn s(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::S(text.to_owned()))
}

fn n(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::N(text.to_owned()))
}

fn b(length: usize) -> Option<AttributeValue> {
    Some(AttributeValue::B(Blob::new(vec![9; length])))
}

#[test]
fn a_segment_is_exactly_these_attributes() {
    let item = segment().to_item().unwrap();
    let b = |byte: u8, length| AttributeValue::B(Blob::new(vec![byte; length]));
    let expected = [
        ("pk", AttributeValue::S("A#main".into())),
        ("sk", AttributeValue::S("00000000000000000007".into())),
        ("events", AttributeValue::B(Blob::new([1, 2, 3]))),
        ("count", AttributeValue::N("2".into())),
        ("head_hash", b(4, 32)),
        ("mac", b(5, 32)),
        ("audit_kek_id", b(6, 16)),
    ];
    assert_eq!(item, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn the_greatest_sequence_has_as_many_digits_as_a_sort_key() {
    let last = SegmentItem { first: u64::MAX, count: u32::MAX, ..segment() };
    let item = last.to_item().unwrap();
    assert_eq!(item::text(&item, SK), Some("18446744073709551615"));
    assert_eq!(SegmentItem::from_item(item).unwrap(), last);
}

#[test]
fn a_sort_key_that_is_no_sequence_is_malformed_and_has_none() {
    for sk in [
        "",
        "7",
        "0000000000000000007",
        "000000000000000000007",
        "0000000000000000000x",
        "+0000000000000000007",
        "-0000000000000000007",
        " 0000000000000000007",
        "18446744073709551616",
        "99999999999999999999",
        "0000000000000000000\u{664}",
    ] {
        let expected = ("its sort key is no sequence in 20 digits".to_owned(), None);
        assert_eq!(refused(&[("sk", s(sk))]), expected, "{sk:?}");
    }
    assert_eq!(refused(&[("sk", n("7"))]).1, None);
    assert_eq!(refused(&[("sk", None)]).1, None);
}

#[test]
fn what_is_no_segment_is_malformed_and_says_why() {
    let cases = [
        ("pk", s("R#main"), "its partition key is not A#chain"),
        ("pk", s("A"), "its partition key is not A#chain"),
        ("pk", s("A#"), "the chain is empty"),
        (
            "pk",
            s("A#a#b"),
            "the chain contains '#' at byte 1, which is not allowed: visible ASCII except '#' and '/'",
        ),
        ("events", None, "events is missing or no byte string"),
        ("events", s("x"), "events is missing or no byte string"),
        ("count", None, "count is no number of events"),
        ("count", b(4), "count is no number of events"),
        ("count", n("-1"), "count is no number of events"),
        ("count", n("1.5"), "count is no number of events"),
        ("count", n("4294967296"), "count is no number of events"),
        ("head_hash", b(31), "head_hash has not 32 bytes"),
        ("head_hash", b(33), "head_hash has not 32 bytes"),
        ("head_hash", None, "head_hash is missing or no byte string"),
        ("mac", b(0), "mac has not 32 bytes"),
        ("mac", s("x"), "mac is missing or no byte string"),
        ("audit_kek_id", b(32), "audit_kek_id has not 16 bytes"),
        ("audit_kek_id", None, "audit_kek_id is missing or no byte string"),
        ("x", b(1), "a segment has no attribute \"x\""),
        ("_v", n("1"), "a segment has no attribute \"_v\""),
        ("\u{1b}[2J", s("x"), "a segment has no attribute \"\\u{1b}[2J\""),
    ];
    for (name, value, reason) in cases {
        assert_eq!(refused(&[(name, value.clone())]), (reason.to_owned(), Some(7)), "{name} {value:?}");
    }
}

#[test]
fn a_segment_from_elsewhere_is_malformed() {
    let item = segment().to_item().unwrap();
    let asked = |chain: &Chain, first| chain.as_str() == "main" && first == 8;
    let error = decode_if(item, asked).unwrap_err();
    assert_eq!((error.source.reason.as_str(), error.first), ("another item was asked for", Some(7)));
}

#[test]
fn a_segment_one_byte_too_large_is_refused() {
    let rest = segment().size() - segment().events.len();
    let largest = SegmentItem { events: vec![0; MAX_ITEM_SIZE - rest], ..segment() };
    assert_eq!(item_size(&largest.to_item().unwrap()), MAX_ITEM_SIZE);
    let larger = SegmentItem { events: vec![0; MAX_ITEM_SIZE - rest + 1], ..segment() };
    assert!(matches!(larger.to_item(), Err(StoreError::TooLarge { size: 409_601 })));
}

#[test]
fn a_segment_adds_at_most_402_bytes_to_its_events() {
    let chain = Chain::new("x".repeat(255)).unwrap();
    let most = SegmentItem { chain, first: u64::MAX, count: u32::MAX, events: vec![], ..segment() };
    assert_eq!(most.size(), 402);
}

#[test]
fn a_debugged_segment_shows_no_bytes() {
    let text = format!("{:?}", segment());
    assert_eq!(text, "SegmentItem { chain: Chain(\"main\"), first: 7, events: [3 bytes], count: 2, .. }");
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself_and_has_the_size_told(
        chain in "[!-.0-~&&[^#]]{1,255}",
        first: u64,
        count: u32,
        events in prop::collection::vec(any::<u8>(), 0..200),
        head_hash: [u8; 32],
        mac: [u8; 32],
        audit_kek_id: [u8; 16],
    ) {
        let chain = Chain::new(chain).unwrap();
        let segment = SegmentItem { chain, first, events, count, head_hash, mac, audit_kek_id };
        let item = segment.to_item().unwrap();
        prop_assert_eq!(item_size(&item), segment.size());
        prop_assert_eq!(SegmentItem::from_item(item).unwrap(), segment);
    }

    #[test]
    fn sort_keys_are_in_the_order_of_their_sequences(a: u64, b: u64) {
        prop_assert_eq!(sort_key(a).cmp(&sort_key(b)), a.cmp(&b));
        prop_assert_eq!(sequence(&sort_key(a)), Some(a));
    }
}
