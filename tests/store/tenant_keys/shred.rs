//! Tenants erased.

use std::{sync::Arc, time::Duration};

use blue_encrypted_store::{
    ReadError, ShredError, WriteError,
    blue_audit::{CryptoOp, Verdict},
};
use blue_tests::{Item, Note, b, s};
use futures::future::join_all;

use crate::{Setting, TTL, inbox, keys};

#[tokio::test]
async fn a_shredded_tenant_has_no_keys_no_records_and_no_way_back() {
    let setting = Setting::with_notes("shred", 20).await;
    setting.rotate().await;
    inbox(&setting.store, "bob").put(&Note::new("his", "text")).await.unwrap();
    let store = setting.forgetful().open().await.unwrap();
    let alice = keys(&store, "alice");
    assert_eq!(alice.settling_time(), TTL + Duration::from_secs(15));
    let erased = alice.shred().await.unwrap();
    assert_eq!((erased.records, erased.left), (20, 0));

    let left = setting.sandbox.scan_without_audit().await;
    assert!(!left.iter().any(|item| item["pk"].as_s().unwrap() == "R#alice#inbox"));
    let of_keys = setting.sandbox.partition("K#alice").await;
    let [tombstone] = &of_keys[..] else { panic!("{of_keys:?}") };
    assert_eq!(tombstone["sk"].as_s().unwrap(), "0000000000");
    let time = alice.list().await.unwrap().shredded.unwrap();
    assert_eq!(tombstone["time"].as_s().unwrap(), &time);

    for store in [&store, &setting.sandbox.builder().open().await.unwrap()] {
        let inbox = inbox(store, "alice");
        let write = inbox.put(&Note::new("new", "text")).await;
        let Err(WriteError::Shredded(shredded)) = write else { panic!("{write:?}") };
        assert_eq!(shredded.time, time);
        assert!(inbox.get::<Note>("0").await.unwrap().is_none());
    }
    assert!(inbox(&store, "bob").get::<Note>("his").await.unwrap().is_some());
    // Once more changes nothing, and says so.
    assert!(!alice.erase_keys().await.unwrap());
    assert_eq!(alice.erase_records().await.unwrap().records, 0);
    store.flush().await.unwrap();
    assert_eq!(setting.events(CryptoOp::Shred).await, 1);
    assert_eq!(setting.events(CryptoOp::Delete).await, 20);
    setting.verify_deep().await;
}

#[tokio::test]
async fn records_of_a_tenant_that_was_not_shredded_are_not_erased() {
    let setting = Setting::with_notes("shred-not", 2).await;
    let refused = setting.keys.erase_records().await;
    assert!(matches!(refused, Err(ShredError::NotShredded { .. })), "{refused:?}");
    assert!(setting.inbox.get::<Note>("1").await.unwrap().is_some());
}

/// This process forgets at once; another one within the time to live.
#[tokio::test]
async fn every_process_forgets_within_the_time_to_live() {
    let setting = Setting::with_notes("shred-forget", 2).await;
    let elsewhere = setting.forgetful().open().await.unwrap();
    let theirs = inbox(&elsewhere, "alice");
    assert!(theirs.get::<Note>("0").await.unwrap().is_some());
    assert!(setting.keys.erase_keys().await.unwrap());
    let here = setting.inbox.get::<Note>("0").await;
    assert!(matches!(here, Err(ReadError::Shredded(_))), "{here:?}");
    tokio::time::sleep(TTL).await;
    let there = theirs.get::<Note>("0").await;
    assert!(matches!(there, Err(ReadError::Shredded(_))), "{there:?}");
    let written = theirs.put(&Note::new("1", "again")).await;
    assert!(matches!(written, Err(WriteError::Shredded(_))), "{written:?}");
}

/// First writes and rotations, each of them making a key, in several processes, at the moment of the shred.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_makes_a_key_while_the_tenant_is_shredded_leaves_none_that_can_be_used() {
    let setting = Arc::new(Setting::new("shred-race").await);
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(setting.sandbox.builder().open().await.unwrap());
    }
    for round in 0..8 {
        let tenant = format!("tenant-{round}");
        if round % 2 == 1 {
            inbox(&setting.store, &tenant).put(&Note::new("old", "there before")).await.unwrap();
        }
        let mut racing = Vec::new();
        for racer in 0..32 {
            let (store, tenant) = (stores[racer % stores.len()].clone(), tenant.clone());
            racing.push(tokio::spawn(async move {
                match racer % 4 {
                    0 => drop(keys(&store, &tenant).rotate().await),
                    1 if racer == 17 => assert!(keys(&store, &tenant).erase_keys().await.is_ok()),
                    _ => drop(inbox(&store, &tenant).put(&Note::new(&racer.to_string(), "raced")).await),
                }
            }));
        }
        for ended in join_all(racing).await {
            ended.unwrap();
        }
        let left = setting.sandbox.partition(&format!("K#{tenant}")).await;
        let [tombstone] = &left[..] else { panic!("{tenant}: {left:?}") };
        assert_eq!(tombstone["sk"].as_s().unwrap(), "0000000000");
        // Who has nothing in memory finds nothing that could be used.
        let fresh = setting.sandbox.builder().open().await.unwrap();
        let written = inbox(&fresh, &tenant).put(&Note::new("late", "text")).await;
        assert!(matches!(written, Err(WriteError::Shredded(_))), "{written:?}");
        let erased = keys(&fresh, &tenant).erase_records().await.unwrap();
        assert_eq!(erased.left, 0);
    }
    for store in stores {
        store.flush().await.unwrap();
    }
    let log = setting.sandbox.builder().open_audit().await.unwrap().patience(Duration::ZERO);
    let report = log.verify_deep(&log.options()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
}

/// Somebody who writes the table put a tombstone there, and hid the keys or left them.
#[tokio::test]
async fn a_tombstone_that_was_planted_keeps_nobody_from_being_shredded() {
    let setting = Setting::new("shred-planted").await;
    for (tenant, hidden, proven) in
        [("a", true, false), ("b", false, false), ("c", true, true), ("d", false, true)]
    {
        inbox(&setting.store, tenant).put(&Note::new("1", "text")).await.unwrap();
        let pk = format!("K#{tenant}");
        let mut planted = Item::from([
            ("pk".to_owned(), s(&pk)),
            ("sk".to_owned(), s("0000000000")),
            ("time".to_owned(), s("2020-01-02T03:04:05Z")),
        ]);
        if proven {
            planted.extend([
                ("kek_ids".to_owned(), b([1; 16])),
                ("mac".to_owned(), b([2; 32])),
                ("audit_kek_id".to_owned(), b([3; 16])),
            ]);
        }
        setting.sandbox.put_item(planted).await;
        if hidden {
            setting.sandbox.delete_item(&pk, "0000000001").await;
        }
        let fresh = setting.sandbox.builder().open().await.unwrap();
        let refused = keys(&fresh, tenant).erase_records().await;
        assert!(matches!(refused, Err(ShredError::NotShredded { .. })), "{tenant}: {refused:?}");
        assert!(keys(&fresh, tenant).erase_keys().await.unwrap(), "{tenant}");
        assert!(!keys(&fresh, tenant).erase_keys().await.unwrap(), "{tenant}");
        assert_eq!(keys(&fresh, tenant).erase_records().await.unwrap().records, 1, "{tenant}");
        let left = setting.sandbox.partition(&pk).await;
        assert!(left.len() == 1 && left[0]["time"] != s("2020-01-02T03:04:05Z"), "{left:?}");
    }
    assert_eq!(setting.events(CryptoOp::Shred).await, 4);
    setting.verify_deep().await;
}

/// Nor do more keys than one transaction takes away, or what is no key.
#[tokio::test]
async fn planted_keys_keep_nobody_from_being_shredded() {
    let setting = Setting::with_notes("shred-many", 1).await;
    let key = setting.sandbox.item("K#alice", "0000000001").await.unwrap();
    for version in [2_u64..=120, 4_294_967_294..=4_294_967_295].into_iter().flatten() {
        let mut planted = key.clone();
        planted.insert("sk".to_owned(), s(format!("{version:010}")));
        planted.insert("kek_id".to_owned(), b(version.to_be_bytes().repeat(2)));
        setting.sandbox.put_item(planted).await;
    }
    let odd = Item::from([("pk".to_owned(), s("K#alice")), ("sk".to_owned(), s("no version"))]);
    setting.sandbox.put_item(odd.clone()).await;
    let fresh = setting.sandbox.builder().open().await.unwrap();
    assert!(keys(&fresh, "alice").erase_keys().await.unwrap());
    assert!(!keys(&fresh, "alice").erase_keys().await.unwrap());
    let left = setting.sandbox.partition("K#alice").await;
    assert_eq!(left.len(), 2, "{left:?}");
    let tombstone = left.iter().find(|item| **item != odd).unwrap();
    assert_eq!(tombstone["sk"], s("0000000000"));
    assert_eq!(tombstone["kek_ids"].as_b().unwrap().as_ref().len(), 16 * 122, "it names them all");
    assert_eq!(keys(&fresh, "alice").erase_records().await.unwrap().records, 1);
    assert_eq!(setting.events(CryptoOp::Shred).await, 2);
}
