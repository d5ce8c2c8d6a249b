//! What each item of a table is taken for.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use blue_address::ItemAttributes;

use super::*;
use crate::SegmentItem;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn b(length: usize) -> AttributeValue {
    AttributeValue::B(Blob::new(vec![9; length]))
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item(pk: &str, sk: &str, attributes: &[(&str, AttributeValue)]) -> Item {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    attributes.chain(item::key(pk, sk)).collect()
}

fn key_item(pk: &str, version: u32) -> Item {
    let attributes = [
        ("kek_id", b(16)),
        ("provider", s("local")),
        ("umk_id", s("local:00")),
        ("wrapped_kek", b(65)),
        ("created", n(5)),
    ];
    item(pk, &format!("{version:010}"), &attributes)
}

fn key(version: u32) -> KeyItem {
    let (provider, umk_id) = ("local".to_owned(), "local:00".to_owned());
    KeyItem { version, kek_id: [9; 16], provider, umk_id, wrapped: vec![9; 65], created: 5 }
}

fn meta() -> Meta {
    let (namespace, provider) = ("default".to_owned(), "local".to_owned());
    Meta { namespace, provider, umk_id: "local:00".to_owned(), created: 5, table_id: None }
}

fn segment() -> SegmentItem {
    let chain = Chain::new("main").unwrap();
    let [head_hash, mac] = [[1; 32], [2; 32]];
    SegmentItem { chain, first: 3, events: vec![0; 9], count: 1, head_hash, mac, audit_kek_id: [3; 16] }
}

fn classified(item: Item) -> ScannedItem {
    classify("notes", item)
}

/// Why an item is malformed.
fn reason(item: Item) -> String {
    match classified(item) {
        ScannedItem::Malformed(malformed) => malformed.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_item_that_this_store_writes_is_recognised() {
    let tenant = || Tenant::new("alice").unwrap();
    let record = StoredRecord {
        path: "alice/inbox/note/1".parse().unwrap(),
        version: 7,
        envelope: vec![0; 117],
        attributes: ItemAttributes::default(),
    };
    let directory = |collection: Option<&str>| ScannedItem::Directory {
        tenant: tenant(),
        collection: collection.map(|name| Collection::new(name).unwrap()),
    };
    let time = "2026-01-02T03:04:05Z";
    for (item, expected) in [
        (record.clone().into_item().unwrap(), ScannedItem::Record(record)),
        (
            segment().to_item().unwrap(),
            ScannedItem::Segment { chain: Chain::new("main").unwrap(), first: Some(3) },
        ),
        (key_item("K#alice", 2), ScannedItem::TenantKey { tenant: tenant(), key: key(2) }),
        (
            item("K#alice", "0000000000", &[("time", s(time)), ("mac", b(32))]),
            ScannedItem::Tombstone { tenant: tenant(), time: time.to_owned(), tombstone: None },
        ),
        (
            item(
                "K#alice",
                "0000000000",
                &[("time", s(time)), ("kek_ids", b(32)), ("mac", b(32)), ("audit_kek_id", b(16))],
            ),
            ScannedItem::Tombstone {
                tenant: tenant(),
                time: time.to_owned(),
                tombstone: Some(Tombstone {
                    time: time.to_owned(),
                    kek_ids: vec![[9; 16]; 2],
                    mac: [9; 32],
                    audit_kek_id: [9; 16],
                }),
            },
        ),
        (key_item("S#audit", 1), ScannedItem::AuditKey(key(1))),
        (item("T", "alice", &[]), directory(None)),
        (item("C#alice", "inbox", &[]), directory(Some("inbox"))),
        (meta().encode(), ScannedItem::Meta(meta())),
    ] {
        assert_eq!(classified(item), expected);
    }
}

#[test]
fn what_lies_where_nothing_of_ours_does_is_unknown() {
    for (pk, sk) in [
        ("X#a", "b"),
        ("R", "note#1"),
        ("A", "00000000000000000000"),
        ("K", "0000000001"),
        ("C", "inbox"),
        ("T#", "alice"),
        ("META#", "store"),
        ("meta", "store"),
        ("S#other", "0000000001"),
        ("S", "0000000001"),
        ("#", "#"),
        ("\u{1b}", "\n"),
    ] {
        let expected = ScannedItem::Unknown { pk: pk.to_owned(), sk: sk.to_owned() };
        assert_eq!(classified(item(pk, sk, &[])), expected);
    }
    // Of a chain, whoever reads it says what is no segment.
    let of_chain = ScannedItem::Segment { chain: Chain::new("main").unwrap(), first: None };
    assert_eq!(classified(item("A#main", "x", &[])), of_chain);
    let nothing = ScannedItem::Unknown { pk: String::new(), sk: String::new() };
    assert_eq!(classified(HashMap::new()), nothing);
}

#[test]
fn what_claims_to_be_ours_and_is_not_is_malformed() {
    assert!(reason(item("A#", "x", &[])).contains("is empty"));
    assert_eq!(reason(item("R#alice", "note#1", &[])), "its partition key is not R#tenant#collection");
    assert_eq!(reason(item("R#alice#inbox", "note#1", &[("_v", n(1))])), "_e is missing or no byte string");
    assert_eq!(reason(item("K#", "0000000001", &[])), "the tenant is empty");
    assert_eq!(reason(item("K#alice", "1", &[])), "its sort key is no key version");
    assert_eq!(reason(item("K#alice", "4294967296", &[])), "its sort key is no key version");
    assert_eq!(reason(item("K#alice", "0000000001", &[])), "kek_id is missing or no byte string");
    assert_eq!(reason(item("K#alice", "0000000000", &[])), "time is missing or not as this store writes it");
    let tombstone = item("S#audit", "0000000000", &[("time", s("2026-01-02T03:04:05Z"))]);
    assert_eq!(reason(tombstone), "the audit log has no tombstone");
    assert_eq!(
        reason(item("C#a#b", "inbox", &[])).split(',').next(),
        Some("the tenant contains '#' at byte 1")
    );
    assert_eq!(reason(item("C#alice", "", &[])), "the collection is empty");
    assert_eq!(reason(item("T", "a/b", &[])).split(',').next(), Some("the tenant contains '/' at byte 1"));
    assert_eq!(reason(item("META", "other", &[])), "its sort key is not store");
    assert_eq!(reason(item("META", "store", &[])), "schema is missing or not as this store writes it");
    let newer = item("META", "store", &[("schema", n(2))]);
    assert_eq!(reason(newer), "the table notes has layout 2, this version knows 1");
}
