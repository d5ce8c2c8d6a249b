//! The whole table, in parts.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use blue_encrypted_store::table::{
    KeyPartition, Put, ScannedItem, Store, StoreError,
    address::{Collection, Tenant},
};
use blue_tests::{Item, b, n, s};

use crate::{Setting, deadline, is_done, key, record, segment};

/// All items of one part.
async fn part(store: &Store, part: u32, parts: u32) -> (Vec<ScannedItem>, usize) {
    let (mut items, mut pages, mut from) = (Vec::new(), 0, None);
    loop {
        let page = store.scan(part, parts, from.as_ref(), deadline()).await.unwrap();
        pages += 1;
        items.extend(page.items);
        match page.next {
            Some(next) => from = Some(next),
            None => return (items, pages),
        }
    }
}

fn item(pk: &str, sk: &str, attributes: &[(&str, AttributeValue)]) -> Item {
    let mut item: Item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    item.insert("pk".to_owned(), s(pk));
    item.insert("sk".to_owned(), s(sk));
    item
}

/// What an item is, in a word.
fn word(item: &ScannedItem) -> &'static str {
    match item {
        ScannedItem::Record(_) => "record",
        ScannedItem::Segment { first: Some(_), .. } => "segment",
        ScannedItem::Segment { .. } => "segment at no sequence",
        ScannedItem::TenantKey { .. } => "tenant key",
        ScannedItem::Tombstone { .. } => "tombstone",
        ScannedItem::AuditKey(_) => "audit key",
        ScannedItem::Directory { collection: None, .. } => "tenant",
        ScannedItem::Directory { .. } => "collection",
        ScannedItem::Meta(_) => "meta",
        ScannedItem::Malformed(_) => "malformed",
        ScannedItem::Unknown { .. } => "unknown",
    }
}

/// A table with some of everything, and how much of what.
async fn furnished(name: &str) -> (Setting, BTreeMap<&'static str, usize>) {
    let setting = Setting::new(name).await;
    let Setting { sandbox, store } = &setting;
    let tenant = KeyPartition::Tenant(Tenant::new("alice").unwrap());
    store.insert_key(&tenant, &key(1), deadline()).await.unwrap();
    store.insert_key(&tenant, &key(2), deadline()).await.unwrap();
    store.insert_key(&KeyPartition::Audit, &key(1), deadline()).await.unwrap();
    let names = (Tenant::new("alice").unwrap(), Collection::new("inbox").unwrap());
    store.ensure_listed(&names.0, &names.1, deadline()).await.unwrap();
    for i in 0..20 {
        // Together more than one answer holds.
        store.put(record(&i.to_string(), 1, 150_000), Put::Create, deadline()).await.unwrap();
        assert!(is_done(&setting.append(&segment(i, 1), &[]).await));
    }
    for planted in [
        item("K#bob", "0000000000", &[("time", s("2026-01-02T03:04:05Z"))]),
        item("R#alice#inbox", "note#bad", &[("_v", n(1)), ("_e", s("no bytes"))]),
        item("A#main", "x", &[("events", b([1]))]),
        item("A#no chain", "00000000000000000001", &[("events", b([1]))]),
        item("K#carol", "0000000001", &[]),
        item("Z#alice", "note#1", &[]),
        item("A", "00000000000000000000", &[]),
    ] {
        sandbox.put_item(planted).await;
    }
    let counts = [
        ("record", 20),
        ("segment", 20),
        ("segment at no sequence", 1),
        ("tenant key", 2),
        ("tombstone", 1),
        ("audit key", 1),
        ("tenant", 1),
        ("collection", 1),
        ("meta", 1),
        ("malformed", 3),
        ("unknown", 2),
    ];
    (setting, counts.into())
}

#[tokio::test]
async fn every_item_is_in_one_part_once_and_recognised() {
    let (setting, expected) = furnished("scan").await;
    for parts in [1, 2, 7, 64] {
        let mut found = BTreeMap::new();
        let mut pages = 0;
        let mut items = Vec::new();
        for i in 0..parts {
            let (of_part, its_pages) = part(&setting.store, i, parts).await;
            items.extend(of_part);
            pages += its_pages;
        }
        for item in &items {
            *found.entry(word(item)).or_insert(0) += 1;
        }
        assert_eq!(found, expected, "{parts} parts");
        assert!(parts > 1 || pages > 2, "{pages} pages");
        let unlike = items.iter().enumerate().all(|(i, item)| !items[..i].contains(item));
        assert!(unlike, "an item is there twice");
    }
}

#[tokio::test]
async fn a_part_that_there_is_not_is_refused() {
    let setting = Setting::new("no-part").await;
    for (part, parts) in [(1, 1), (0, 0), (5, 3), (0, 1_000_001), (u32::MAX, u32::MAX)] {
        let refused = setting.store.scan(part, parts, None, deadline()).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{part} of {parts}: {refused:?}");
    }
}
