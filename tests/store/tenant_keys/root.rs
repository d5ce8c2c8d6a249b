//! The store's keys moved to another master key.

use std::sync::Mutex;

use blue_encrypted_store::{EncryptedStore, RootError, RootMoved, blue_audit::CryptoOp};
use blue_tests::{Keys, Note, only_with, s};

use crate::{ROTATED, Setting, inbox};

#[tokio::test]
async fn every_key_is_wrapped_under_another_master_key_and_records_stay() {
    let setting = Setting::with_notes("root", 3).await;
    setting.rotate().await;
    inbox(&setting.store, "bob").put(&Note::new("his", "text")).await.unwrap();
    let Some(next) = setting.sandbox.next_root().await else {
        let refused = setting.store.rewrap_root(|_, _| {}).await;
        assert!(matches!(refused, Err(RootError::Local)), "{refused:?}");
        return assert!(!only_with!(Keys::Kms, ROTATED));
    };
    let records = setting.sandbox.partition("R#alice#inbox").await;
    let old = setting.provider().umk_id().clone();

    // First a process that accepts both, and makes new keys under the new one.
    let both = setting.sandbox.builder().keys(next.accepting_the_old.clone()).open().await.unwrap();
    inbox(&both, "carol").put(&Note::new("hers", "text")).await.unwrap();
    let seen = Mutex::new(Vec::new());
    let report = both.rewrap_root(|key, moved| seen.lock().unwrap().push(format!("{key}: {moved:?}")));
    let report = report.await.unwrap();
    assert_eq!(report.umk_id, *next.umk_id());
    // Two of alice's, bob's, and the audit key; carol's was under it already.
    assert_eq!((report.moved, report.already), (4, 1), "{seen:?}");
    assert_eq!(seen.into_inner().unwrap().len(), 4);
    for item in setting.sandbox.scan().await {
        if let Some(umk_id) = item.get("umk_id") {
            assert_eq!(umk_id.as_s().unwrap(), next.umk_id().as_str(), "{item:?}");
        }
    }
    let mut after = setting.sandbox.partition("R#alice#inbox").await;
    after.retain(|item| !records.contains(item));
    assert_eq!(after, [], "records are not touched");

    // The old one is needed no more, and alone it does not do.
    let alone = setting.sandbox.builder().keys(next.alone.clone()).open().await.unwrap();
    for (tenant, id) in [("alice", "0"), ("alice", "2"), ("bob", "his"), ("carol", "hers")] {
        assert!(inbox(&alone, tenant).get::<Note>(id).await.unwrap().is_some(), "{tenant}/{id}");
    }
    let refused = setting.sandbox.builder().keys(setting.provider()).open().await.unwrap_err();
    assert!(refused.to_string().contains(old.as_str()), "{refused}");
    // To do it again changes nothing.
    let again = alone.rewrap_root(|_, _| {}).await.unwrap();
    assert_eq!((again.moved, again.already), (0, 5));
    alone.flush().await.unwrap();
    let log = alone_log(&setting, &next).await;
    assert_eq!(log, 5, "four keys and META");
}

#[tokio::test]
async fn what_is_stopped_leaves_the_root_as_it_is_until_it_is_done_again() {
    let setting = Setting::with_notes("root-stop", 1).await;
    let Some(next) = setting.sandbox.next_root().await else {
        return assert!(!only_with!(Keys::Kms, ROTATED));
    };
    let meta = setting.sandbox.item("META", "store").await;
    let both = setting.sandbox.builder().keys(next.accepting_the_old.clone()).open().await.unwrap();
    let at_once = both.rewrap_root_until(async {}, |_, _| {}).await.unwrap();
    assert_eq!((at_once.moved, at_once.stopped), (0, true));
    // All keys may have been moved by then, but it was not looked whether there are more.
    let stop = tokio::sync::Notify::new();
    let report = both.rewrap_root_until(stop.notified(), |_, _| stop.notify_one()).await.unwrap();
    assert!(report.stopped && report.moved >= 1, "{report:?}");
    assert_eq!(setting.sandbox.item("META", "store").await, meta);
    let again = both.rewrap_root_until(std::future::pending(), |_, _| {}).await.unwrap();
    assert_eq!((again.moved + report.moved, again.stopped), (2, false), "alice's, and the audit key");
    assert_ne!(setting.sandbox.item("META", "store").await, meta);
}

async fn alone_log(setting: &Setting, next: &blue_tests::NextRoot) -> usize {
    let log = blue_tests::VerifiedLog::read(&setting.sandbox.scan().await, &*next.alone).await.unwrap();
    log.events().filter(|event| crate::is_success_of(CryptoOp::RewrapRoot, event)).count()
}

/// Nobody vouches for what a key item says of its master key, nor that its tenant may have a key.
#[tokio::test]
async fn what_only_seems_to_be_moved_and_who_was_shredded_keep_the_root_from_being_changed() {
    let setting = Setting::with_notes("root-planted", 1).await;
    let Some(next) = setting.sandbox.next_root().await else {
        return assert!(!only_with!(Keys::Kms, ROTATED));
    };
    inbox(&setting.store, "bob").put(&Note::new("his", "text")).await.unwrap();
    let of_bob = setting.sandbox.item("K#bob", "0000000001").await.unwrap();
    let of_alice = setting.sandbox.item("K#alice", "0000000001").await.unwrap();
    let mut labelled = of_alice.clone();
    labelled.insert("umk_id".to_owned(), s(next.umk_id().as_str()));
    setting.sandbox.put_item(labelled).await;
    let meta = setting.sandbox.item("META", "store").await;
    let both = setting.sandbox.builder().keys(next.accepting_the_old.clone()).open().await.unwrap();

    let refused = rewrap_root(&both).await;
    assert!(
        matches!(refused, (Err(RootError::Left { left: 1 }), ref told) if told.len() == 3),
        "{refused:?}"
    );
    assert!(refused.1.iter().any(|told| told.contains("alice") && told.contains("Failed")), "{refused:?}");
    setting.sandbox.put_item(of_alice).await;

    crate::keys(&both, "bob").erase_keys().await.unwrap();
    setting.sandbox.put_item(of_bob).await;
    let refused = rewrap_root(&both).await;
    assert!(matches!(refused.0, Err(RootError::Left { left: 1 })), "{refused:?}");
    assert!(refused.1.iter().any(|told| told.contains("bob") && told.contains("Shredded")), "{refused:?}");
    assert_eq!(setting.sandbox.item("META", "store").await, meta, "the store's root stays what it was");

    assert!(crate::keys(&both, "bob").erase_keys().await.unwrap(), "it was put back");
    rewrap_root(&both).await.0.unwrap();
    assert_ne!(setting.sandbox.item("META", "store").await, meta);
    assert!(inbox(&both, "alice").get::<Note>("0").await.unwrap().is_some());
}

async fn rewrap_root(store: &EncryptedStore) -> (Result<RootMoved, RootError>, Vec<String>) {
    let seen = Mutex::new(Vec::new());
    let report = store.rewrap_root(|key, moved| seen.lock().unwrap().push(format!("{key}: {moved:?}"))).await;
    (report, seen.into_inner().unwrap())
}
