//! Old versions taken away.

use std::time::Duration;

use blue_encrypted_store::{RetireError, blue_audit::CryptoOp};
use blue_tests::{Note, b};

use crate::{Setting, inbox, keys, rewrap};

const AT_ONCE: Duration = Duration::ZERO;

#[tokio::test]
async fn a_version_is_retired_once_no_record_needs_it_and_not_before() {
    let setting = Setting::with_notes("retire", 5).await;
    let first = setting.versions().await[0].clone();
    let newest = setting.rotate().await;
    let refused = setting.keys.retire_after(1, AT_ONCE).await;
    let Err(RetireError::InUse { version: 1, ref address, .. }) = refused else { panic!("{refused:?}") };
    assert!(address.starts_with("alice/inbox/note/"), "{address}");

    rewrap(&setting.keys).await.unwrap();
    // One that came back from somewhere.
    let one = setting.item("3").await;
    let mut back = one.clone();
    let mut bytes = crate::envelope(&one);
    bytes[37..53].copy_from_slice(first.kek_id.as_bytes());
    back.insert("_e".to_owned(), b(bytes));
    setting.sandbox.put_item(back).await;
    let refused = setting.keys.retire_after(1, AT_ONCE).await;
    assert!(
        matches!(&refused, Err(RetireError::InUse { address, .. }) if address == "alice/inbox/note/3"),
        "{refused:?}"
    );
    setting.sandbox.put_item(one).await;

    assert_eq!(setting.keys.retire_after(1, AT_ONCE).await.unwrap(), first);
    assert_eq!(setting.versions().await, [newest]);
    for i in 0..5 {
        assert!(setting.inbox.get::<Note>(i.to_string()).await.unwrap().is_some());
    }
    assert_eq!(setting.events(CryptoOp::Retire).await, 1);
    let again = setting.keys.retire_after(1, AT_ONCE).await;
    assert!(matches!(again, Err(RetireError::NoVersion { version: 1, .. })), "{again:?}");
    setting.verify_deep().await;
}

#[tokio::test]
async fn the_newest_version_stays_as_does_what_is_not_there() {
    let setting = Setting::with_notes("retire-newest", 1).await;
    let newest = setting.keys.retire_after(1, AT_ONCE).await;
    assert!(matches!(newest, Err(RetireError::Newest { version: 1, .. })), "{newest:?}");
    for version in [0, 2, u32::MAX] {
        let none = setting.keys.retire_after(version, AT_ONCE).await;
        assert!(matches!(none, Err(RetireError::NoVersion { .. })), "{none:?}");
    }
    let nobody = keys(&setting.store, "nobody").retire_after(1, AT_ONCE).await;
    assert!(matches!(nobody, Err(RetireError::NoVersion { .. })), "{nobody:?}");
    assert_eq!(setting.versions().await.len(), 1);
}

/// Another process has the old key in memory, and seals under it while this one waits.
#[tokio::test]
async fn what_another_process_seals_under_it_meanwhile_keeps_it() {
    let setting = Setting::with_notes("retire-meanwhile", 2).await;
    let elsewhere = setting.sandbox.builder().open().await.unwrap();
    let theirs = inbox(&elsewhere, "alice");
    theirs.put(&Note::new("before", "so that it has the key")).await.unwrap();
    let first = setting.versions().await[0].kek_id;
    setting.rotate().await;
    rewrap(&setting.keys).await.unwrap();
    let retiring = setting.keys.retire_after(1, Duration::from_secs(3));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        theirs.put(&Note::new("meanwhile", "under the old key")).await.unwrap();
    };
    let (refused, ()) = tokio::join!(retiring, meanwhile);
    assert_eq!(setting.kek_of("meanwhile").await, first);
    let Err(RetireError::InUse { address, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(address, "alice/inbox/note/meanwhile");
    assert_eq!(setting.versions().await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_may_need_any_key() {
    let setting = Setting::with_notes("retire-unreadable", 2).await;
    setting.rotate().await;
    rewrap(&setting.keys).await.unwrap();
    let mut item = setting.item("1").await;
    item.insert("_e".to_owned(), b([0; 60]));
    setting.sandbox.put_item(item).await;
    let refused = setting.keys.retire_after(1, AT_ONCE).await;
    let Err(RetireError::Unreadable { address }) = refused else { panic!("{refused:?}") };
    assert_eq!(address, "alice/inbox/note/1");
}

/// The id that a key item has, anybody could have changed: the records that need it still name the true one.
#[tokio::test]
async fn a_version_whose_id_was_changed_is_not_taken_for_one_that_nobody_needs() {
    let setting = Setting::with_notes("retire-id", 2).await;
    setting.rotate().await;
    let mut item = setting.sandbox.item("K#alice", "0000000001").await.unwrap();
    item.insert("kek_id".to_owned(), b([7; 16]));
    setting.sandbox.put_item(item.clone()).await;
    let refused = setting.keys.retire_after(1, AT_ONCE).await;
    assert!(matches!(refused, Err(RetireError::InUse { version: 1, .. })), "{refused:?}");
    assert_eq!(setting.sandbox.item("K#alice", "0000000001").await, Some(item));
}

/// Else the key that seals could be retired under one that opens nothing.
#[tokio::test]
async fn under_a_newest_version_that_is_no_key_nothing_is_retired() {
    let setting = Setting::with_notes("retire-planted", 1).await;
    let mut planted = setting.sandbox.item("K#alice", "0000000001").await.unwrap();
    planted.insert("sk".to_owned(), blue_tests::s("0000000009"));
    planted.insert("kek_id".to_owned(), b([7; 16]));
    setting.sandbox.put_item(planted).await;
    setting.sandbox.delete_item("R#alice#inbox", "note#0").await;
    let refused = setting.keys.retire_after(1, AT_ONCE).await;
    assert!(matches!(refused, Err(RetireError::Key(_))), "{refused:?}");
    assert_eq!(setting.versions().await.len(), 2);
}
