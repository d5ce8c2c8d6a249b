//! The first audit key, a tenant's last, and a table that was restored under another id.

use blue_encrypted_store::table::{
    Appended, GroupWrite, KeyInserted, KeyItem, KeyItems, KeyPartition, Meta, StoreError, Table, Tombstone,
    WriteRefusal,
    address::{Chain, Tenant},
};
use blue_tests::{b, n, s};

use crate::{Setting, deadline, is_done, key, meta, segment};

async fn insert(setting: &Setting, version: u32) -> Result<KeyInserted, StoreError> {
    setting.store.insert_key(&KeyPartition::Audit, &key(version), deadline()).await
}

async fn add_segment(setting: &Setting, chain: &str, first: u64) {
    let mut segment = segment(first, 1);
    segment.chain = Chain::new(chain).unwrap();
    assert!(is_done(&setting.append(&segment, &[]).await));
}

#[tokio::test]
async fn an_audit_key_that_was_taken_away_is_not_replaced() {
    for chain in ["main", "registry"] {
        let setting = Setting::new("audit-key").await;
        assert_eq!(insert(&setting, 1).await.unwrap(), KeyInserted::Done);
        add_segment(&setting, chain, 0).await;
        assert_eq!(insert(&setting, 1).await.unwrap(), KeyInserted::Lost, "it is there");
        assert_eq!(insert(&setting, 2).await.unwrap(), KeyInserted::Done, "it may be rotated");
        setting.sandbox.delete_item("S#audit", "0000000001").await;
        let error = insert(&setting, 1).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::KeysMissing { partition } if partition == "S#audit"),
            "{chain}: {error:?}"
        );
        assert_eq!(setting.sandbox.item("S#audit", "0000000001").await, None);
    }
}

#[tokio::test]
async fn a_first_audit_key_minds_no_other_segments() {
    let setting = Setting::new("other-segments").await;
    add_segment(&setting, "main", 1).await;
    add_segment(&setting, "0190a000-0000-7000-8000-000000000000", 0).await;
    assert_eq!(insert(&setting, 1).await.unwrap(), KeyInserted::Done);
}

fn with_id(table_id: Option<&str>) -> Meta {
    Meta { table_id: table_id.map(str::to_owned), ..meta() }
}

/// What META says now.
async fn stored(table: &Table) -> Meta {
    table.examine(None).await.unwrap().meta.unwrap()
}

/// Adopts the table, told by a segment, as the appender does.
async fn adopt(setting: &Setting, first: u64, meta: &Meta, table_id: Option<&str>) -> Appended {
    let write = GroupWrite::adopt(meta, table_id.map(str::to_owned)).unwrap();
    setting.append(&segment(first, 1), &[write]).await
}

fn is_refused(appended: &Appended) -> bool {
    matches!(appended, Appended::Refused(refusals) if matches!(refusals[..], [(0, WriteRefusal::Condition(None))]))
}

#[tokio::test]
async fn a_table_is_adopted_from_what_was_read() {
    let setting = Setting::new("adopt").await;
    let mut item = setting.sandbox.item("META", "store").await.unwrap();
    item.insert("later".to_owned(), s("kept"));
    setting.sandbox.put_item(item).await;
    let mut before = None;
    for (first, now) in (0..).zip([Some("a"), Some("b"), Some("b"), None, None, Some("a")]) {
        assert!(is_refused(&adopt(&setting, first, &with_id(Some("x")), now).await));
        assert_eq!(setting.stored_segment(first).await, None, "nor is it told");
        assert!(is_done(&adopt(&setting, first, &with_id(before), now).await));
        assert_eq!(stored(setting.store.table()).await, with_id(now));
        assert!(setting.stored_segment(first).await.is_some());
        before = now;
    }
    let item = setting.sandbox.item("META", "store").await.unwrap();
    assert_eq!(item["later"], s("kept"), "what this version does not know stays");
}

#[tokio::test]
async fn meta_that_was_changed_is_not_adopted() {
    for (name, value) in [
        ("schema", n(2)),
        ("namespace", s("other")),
        ("provider", s("aws-kms")),
        ("umk_id", s("local:01")),
        ("created", n(6)),
        ("created", s("5")),
        ("table_id", s("another")),
    ] {
        let setting = Setting::new("changed").await;
        let mut item = setting.sandbox.item("META", "store").await.unwrap();
        item.insert(name.to_owned(), value);
        setting.sandbox.put_item(item.clone()).await;
        assert!(is_refused(&adopt(&setting, 0, &meta(), Some("id")).await), "{name}");
        assert_eq!(setting.sandbox.item("META", "store").await, Some(item), "{name}");
    }
    let setting = Setting::new("gone").await;
    setting.sandbox.delete_item("META", "store").await;
    assert!(is_refused(&adopt(&setting, 0, &meta(), None).await));
    assert_eq!(setting.sandbox.item("META", "store").await, None, "and not made");
}

fn alice() -> KeyPartition {
    KeyPartition::Tenant(Tenant::new("alice").unwrap())
}

fn tombstone(time: &str) -> Tombstone {
    Tombstone { time: time.to_owned(), kek_ids: vec![[9; 16]; 2], mac: [7; 32], audit_kek_id: [8; 16] }
}

/// Erases the tenant's keys, as far as they are `found`.
async fn erase(setting: &Setting, first: u64, found: &KeyItems, time: &str) -> Appended {
    let write =
        GroupWrite::erase_keys(&Tenant::new("alice").unwrap(), found, &tombstone(time), true).unwrap();
    setting.append(&segment(first, 1), &[write]).await
}

#[tokio::test]
async fn all_keys_of_a_tenant_are_erased_or_none_and_none_comes_after() {
    let setting = Setting::new("erase").await;
    let found = || async { setting.store.key_items(&alice(), deadline()).await.unwrap() };
    let store = &setting.store;
    let insert = |version| async move { store.insert_key(&alice(), &key(version), deadline()).await };
    assert_eq!(insert(1).await.unwrap(), KeyInserted::Done);
    let one = found().await;
    assert_eq!(insert(2).await.unwrap(), KeyInserted::Done);
    // A key that came meanwhile, one that went, and one that is another now.
    assert!(is_refused(&erase(&setting, 0, &one, "now").await));
    let mut gone = found().await;
    gone.versions.push(KeyItem { version: 3, ..key(3) });
    assert!(is_refused(&erase(&setting, 0, &gone, "now").await));
    let mut other = found().await;
    other.versions[0].kek_id = [1; 16];
    assert!(is_refused(&erase(&setting, 0, &other, "now").await));
    assert_eq!(found().await.versions.len(), 2);
    assert_eq!(setting.stored_segment(0).await, None);

    assert!(is_done(&erase(&setting, 0, &found().await, "now").await));
    let proof = Some(tombstone("now"));
    let dead = KeyItems { versions: vec![], tombstone: Some("now".to_owned()), proof };
    assert_eq!(found().await, dead);
    assert!(setting.stored_segment(0).await.is_some());
    for version in 1..4 {
        assert_eq!(insert(version).await.unwrap(), KeyInserted::Lost);
    }
    // What was put back is erased again, and the tombstone stays.
    let mut item = setting.sandbox.item("K#alice", "0000000000").await.unwrap();
    item.insert("sk".to_owned(), s("0000000002"));
    let attributes = [("provider", s("local")), ("umk_id", s("local:00")), ("created", n(5))];
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item.extend([("kek_id".to_owned(), b([9; 16])), ("wrapped_kek".to_owned(), b([9; 65]))]);
    setting.sandbox.put_item(item).await;
    assert!(is_refused(&erase(&setting, 1, &KeyItems::default(), "later").await), "there is a tombstone");
    assert!(is_done(&erase(&setting, 1, &found().await, "later").await));
    assert_eq!(found().await, dead);
}

#[tokio::test]
async fn a_tenant_without_keys_can_be_erased_and_never_gets_one() {
    let setting = Setting::new("erase-none").await;
    let none = setting.store.key_items(&alice(), deadline()).await.unwrap();
    assert_eq!(none, KeyItems::default());
    assert!(is_done(&erase(&setting, 0, &none, "now").await));
    assert_eq!(setting.store.insert_key(&alice(), &key(1), deadline()).await.unwrap(), KeyInserted::Lost);
}
