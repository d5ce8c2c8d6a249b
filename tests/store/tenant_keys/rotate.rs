//! Newer versions.

use std::{collections::BTreeSet, time::Duration};

use blue_encrypted_store::{RotateError, blue_audit::CryptoOp};
use blue_tests::{Keys, Note, only_with, s};
use futures::future::join_all;

use crate::{ROTATED, Setting, TTL, inbox, keys};

#[tokio::test]
async fn the_newest_version_seals_here_at_once_and_elsewhere_within_the_time_to_live() {
    let setting = Setting::with_notes("rotate", 1).await;
    let elsewhere = setting.forgetful().open().await.unwrap();
    inbox(&elsewhere, "alice").put(&Note::new("before", "elsewhere")).await.unwrap();
    let first = setting.versions().await[0].clone();
    let newest = setting.rotate().await;
    assert_eq!((first.version, newest.version), (1, 2));
    assert_eq!(setting.versions().await, [first.clone(), newest.clone()]);

    // What was planted, this process does not know of; what it rotated itself, it does.
    if !setting.provider().umk_id().is_local() {
        setting.inbox.put(&Note::new("here", "at once")).await.unwrap();
        assert_eq!(setting.kek_of("here").await, newest.kek_id);
        assert_eq!(setting.events(CryptoOp::Rotate).await, 1);
        setting.verify_deep().await;
    }
    tokio::time::sleep(TTL).await;
    let there = inbox(&elsewhere, "alice");
    there.put(&Note::new("there", "in time")).await.unwrap();
    assert_eq!(setting.kek_of("there").await, newest.kek_id);
    // Everybody reads everything.
    for id in ["0", "before", "there"] {
        for inbox in [&setting.inbox, &there] {
            assert!(inbox.get::<Note>(id).await.unwrap().is_some(), "{id}");
        }
    }
    assert_eq!(setting.kek_of("0").await, first.kek_id, "a rotation moves nothing");
}

#[tokio::test]
async fn of_many_who_rotate_at_once_each_version_has_one_maker() {
    let setting = Setting::with_notes("rotate-race", 1).await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(setting.sandbox.builder().open().await.unwrap());
    }
    let racing = (0..16).map(|i| {
        let keys = keys(&stores[i % stores.len()], "alice");
        async move { keys.rotate().await }
    });
    let ended = join_all(racing).await;
    let versions = setting.versions().await;
    if setting.provider().umk_id().is_local() {
        assert!(ended.iter().all(|ended| matches!(ended, Err(RotateError::Local))), "{ended:?}");
        assert_eq!(versions.len(), 1);
    }
    if !only_with!(Keys::Kms, ROTATED) {
        return;
    }
    let made: Vec<_> = ended.iter().flatten().map(|version| version.version).collect();
    let lost = ended.iter().filter(|ended| matches!(ended, Err(RotateError::Raced { .. }))).count();
    assert_eq!(made.len() + lost, 16, "{ended:?}");
    assert!(!made.is_empty());
    let expected: BTreeSet<_> = (2..=u32::try_from(made.len()).unwrap() + 1).collect();
    assert_eq!(made.iter().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!(versions.len(), made.len() + 1);
    assert_eq!(setting.events(CryptoOp::Rotate).await, made.len());
    setting.verify_deep().await;
}

#[tokio::test]
async fn a_tenant_without_a_key_and_one_without_any_more_are_not_rotated() {
    let setting = Setting::with_notes("rotate-none", 1).await;
    let local = setting.provider().umk_id().is_local();
    let nobody = keys(&setting.store, "nobody").rotate().await;
    assert!(
        if local {
            matches!(nobody, Err(RotateError::Local))
        } else {
            matches!(nobody, Err(RotateError::NoKey { .. }))
        },
        "{nobody:?}"
    );
    setting.keys.erase_keys().await.unwrap();
    let shredded = setting.keys.rotate().await;
    assert!(
        if local {
            matches!(shredded, Err(RotateError::Local))
        } else {
            matches!(shredded, Err(RotateError::Shredded(_)))
        },
        "{shredded:?}"
    );
    assert_eq!(setting.versions().await, []);
    // It says what is the case, in words for the one who asked.
    let text = RotateError::Local.to_string();
    assert_eq!(text, "local keys are never rotated: local data is disposable");
    // The keyring's, two operations and an attempt of the sandbox's.
    assert_eq!(setting.keys.settling_time(), Duration::from_secs(60 + 2 * 120 + 20));
}

/// Who writes the table takes the newest key away, so that a process that has not seen it seals under the one before; puts a
/// retired one back; or gives two versions one id.
#[tokio::test]
async fn a_deep_verification_tells_of_keys_that_went_or_came_behind_the_stores_back() {
    let setting = Setting::with_notes("rotate-undone", 2).await;
    let first = setting.sandbox.item("K#alice", "0000000001").await.unwrap();
    setting.rotate().await;
    let second = setting.sandbox.item("K#alice", "0000000002").await.unwrap();
    setting.verify_deep().await;

    let mut twice = second.clone();
    twice.insert("sk".to_owned(), s("0000000003"));
    setting.sandbox.put_item(twice).await;
    assert!(setting.deep_findings().await.iter().any(|what| what.contains("versions has its id")));
    setting.sandbox.delete_item("K#alice", "0000000003").await;
    if !only_with!(Keys::Kms, ROTATED) {
        return;
    }
    setting.sandbox.delete_item("K#alice", "0000000002").await;
    assert_eq!(setting.deep_findings().await, ["a rotation added the key, and it is gone"]);
    setting.sandbox.put_item(second).await;
    setting.verify_deep().await;

    crate::rewrap(&setting.keys).await.unwrap();
    setting.keys.retire_after(1, std::time::Duration::ZERO).await.unwrap();
    setting.verify_deep().await;
    setting.sandbox.put_item(first).await;
    assert_eq!(setting.deep_findings().await, ["the key was retired, and is there"]);
}
