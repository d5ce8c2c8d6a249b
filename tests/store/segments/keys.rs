//! The first audit key, and a table that was restored under another id.

use blue_encrypted_store::table::{
    KeyInserted, KeyPartition, Meta, StoreError, Table, TableError, address::Chain,
};
use blue_tests::{Fate, Proxy, n, s};

use crate::{Setting, deadline, deadlines, is_done, key, meta, segment};

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

#[tokio::test]
async fn a_table_is_adopted_from_what_was_read() {
    let setting = Setting::new("adopt").await;
    let table = setting.store.table();
    let mut item = setting.sandbox.item("META", "store").await.unwrap();
    item.insert("later".to_owned(), s("kept"));
    setting.sandbox.put_item(item).await;
    let mut before = None;
    for now in [Some("a"), Some("b"), Some("b"), None, None, Some("a")] {
        let adopted = table.adopt(&with_id(before), now.map(str::to_owned)).await.unwrap();
        assert_eq!(adopted, with_id(now));
        assert_eq!(stored(table).await, with_id(now));
        // From what is not there any more, to where it is already, is done; to anywhere else it is not.
        table.adopt(&with_id(Some("x")), now.map(str::to_owned)).await.unwrap();
        let error = table.adopt(&with_id(Some("x")), Some("y".to_owned())).await.unwrap_err();
        assert!(matches!(error, TableError::MetaChanged { .. }), "{error:?}");
        assert_eq!(stored(table).await, with_id(now));
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
        let error = setting.store.table().adopt(&meta(), Some("id".to_owned())).await.unwrap_err();
        assert!(matches!(error, TableError::MetaChanged { .. }), "{name}: {error:?}");
        assert_eq!(setting.sandbox.item("META", "store").await, Some(item), "{name}");
    }
    let setting = Setting::new("gone").await;
    setting.sandbox.delete_item("META", "store").await;
    let error = setting.store.table().adopt(&meta(), None).await.unwrap_err();
    assert!(matches!(error, TableError::MetaChanged { .. }), "{error:?}");
    assert_eq!(setting.sandbox.item("META", "store").await, None, "and not made");
}

#[tokio::test]
async fn an_id_that_could_not_be_read_back_is_not_written() {
    let setting = Setting::new("odd-id").await;
    let error = setting.store.table().adopt(&meta(), Some("a b".to_owned())).await.unwrap_err();
    assert!(matches!(error, TableError::Store(StoreError::Malformed(_))), "{error:?}");
    assert_eq!(stored(setting.store.table()).await, meta());
}

#[tokio::test]
async fn an_adoption_whose_answer_is_lost_is_a_success_if_it_was_done() {
    let setting = Setting::new("lost-adopt").await;
    let proxy = Proxy::start(|request| async move {
        let first = request.operation == "UpdateItem" && request.attempt == 1;
        if first { Fate::LoseAnswer } else { Fate::Forward }
    })
    .await;
    let table = Table::new(&proxy.client(&setting.sandbox.client), &setting.sandbox.table, deadlines());
    assert_eq!(table.adopt(&meta(), Some("id".to_owned())).await.unwrap(), with_id(Some("id")));
    assert_eq!(proxy.seen("UpdateItem"), 2);
    assert_eq!(stored(&table).await, with_id(Some("id")));
}
