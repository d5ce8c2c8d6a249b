//! Records moved to the newest key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use blue_encrypted_store::{
    ReadError, RewrapError, TamperedCause, WriteError, blue_audit::CryptoOp, envelope,
};
use blue_tests::{Fate, Item, Note, Proxy, b, n, s};
use tokio::sync::Notify;

use crate::{Setting, TTL, envelope as bytes, inbox, rewrap, with_envelope};

#[tokio::test]
async fn every_record_is_moved_and_only_its_data_key_is_wrapped_anew() {
    let setting = Setting::with_notes("rewrap", 30).await;
    let outbox = setting.store.tenant("alice").unwrap().collection("outbox").unwrap();
    outbox.put(&Note::new("sent", "in another collection")).await.unwrap();
    inbox(&setting.store, "bob").put(&Note::new("his", "another tenant's")).await.unwrap();
    let of_bob = setting.sandbox.item("R#bob#inbox", "note#his").await;
    let before = setting.item("7").await;
    let newest = setting.rotate().await;

    let (report, failed) = rewrap(&setting.keys).await.unwrap();
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!((report.moved, report.already, report.gone, report.failed), (31, 0, 0, 0));
    assert_eq!(report.newest, newest);
    let after = setting.item("7").await;
    let (old, new) = (bytes(&before), bytes(&after));
    assert_eq!((&old[..37], &old[101..]), (&new[..37], &new[101..]));
    assert_ne!(old[37..101], new[37..101]);
    assert_eq!(with_envelope(before, |bytes| bytes.clone_from(&new)), after, "nothing else changed");
    assert_eq!(setting.kek_of("7").await, newest.kek_id);
    assert_eq!(setting.sandbox.item("R#bob#inbox", "note#his").await, of_bob);
    for i in 0..30 {
        let note: Note = setting.inbox.get(i.to_string()).await.unwrap().unwrap();
        assert_eq!(note.text, format!("text {i}"));
    }
    assert!(outbox.get::<Note>("sent").await.unwrap().is_some());

    let count = setting.keys.count().await.unwrap();
    assert_eq!((count.records.get(&newest.kek_id), count.records.len(), count.unreadable), (Some(&31), 1, 0));
    // To do it again changes nothing.
    let (again, _) = rewrap(&setting.keys).await.unwrap();
    assert_eq!((again.moved, again.already), (0, 31));
    assert_eq!(setting.events(CryptoOp::Rewrap).await, 31);
    setting.verify_deep().await;
}

/// So it does not read content: this one's could not be.
#[tokio::test]
async fn a_record_whose_content_is_damaged_is_moved_and_still_does_not_open() {
    let setting = Setting::with_notes("rewrap-damaged", 1).await;
    let damaged = with_envelope(setting.item("0").await, |bytes| *bytes.last_mut().unwrap() ^= 1);
    setting.sandbox.put_item(damaged).await;
    let newest = setting.rotate().await;
    let (report, _) = rewrap(&setting.keys).await.unwrap();
    assert_eq!((report.moved, report.failed), (1, 0));
    assert_eq!(setting.kek_of("0").await, newest.kek_id);
    let read = setting.inbox.get::<Note>("0").await;
    let Err(ReadError::Tampered(tampered)) = read else { panic!("{read:?}") };
    let cause = tampered.source;
    assert!(matches!(cause, TamperedCause::Envelope(envelope::OpenError::Authentication)), "{cause:?}");
}

#[tokio::test]
async fn what_cannot_be_moved_is_told_and_stays_as_it_is_while_the_rest_goes_on() {
    let setting = Setting::with_notes("rewrap-tampered", 5).await;
    let wrapped_dek = with_envelope(setting.item("1").await, |bytes| bytes[60] ^= 1);
    let stranger = with_envelope(setting.item("2").await, |bytes| bytes[37..53].fill(7));
    let truncated = with_envelope(setting.item("3").await, |bytes| bytes.truncate(100));
    for item in [&wrapped_dek, &stranger, &truncated] {
        setting.sandbox.put_item(item.clone()).await;
    }
    let odd = Item::from([
        ("pk".to_owned(), s("R#alice#inbox")),
        ("sk".to_owned(), s("note#odd")),
        ("_v".to_owned(), n(1)),
        ("_e".to_owned(), s("no bytes")),
    ]);
    setting.sandbox.put_item(odd.clone()).await;
    setting.rotate().await;
    let before = setting.sandbox.partition("R#alice#inbox").await;
    let (report, failed) = rewrap(&setting.keys).await.unwrap();
    assert_eq!((report.moved, report.already, report.failed), (2, 0, 4), "{failed:?}");
    // What is no record has no address, but a place.
    for name in ["alice/inbox/note/1", "alice/inbox/note/2", "alice/inbox/note/3", "\"note#odd\""] {
        assert_eq!(failed.iter().filter(|told| told.contains(name)).count(), 1, "{name}: {failed:?}");
    }
    let after = setting.sandbox.partition("R#alice#inbox").await;
    for item in [wrapped_dek, stranger, truncated, odd] {
        assert!(before.contains(&item) && after.contains(&item), "{item:?}");
    }
    assert_eq!(setting.events(CryptoOp::Rewrap).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beside_live_writers_and_readers_nothing_is_lost_and_every_record_can_be_read_at_every_moment() {
    let setting = Arc::new(Setting::with_notes("rewrap-beside", 40).await);
    let elsewhere = setting.sandbox.builder().open().await.unwrap();
    let theirs = inbox(&elsewhere, "alice");
    theirs.get::<Note>("0").await.unwrap();
    let newest = setting.rotate().await;
    let (stop, updates) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut others = Vec::new();
    for writer in 0..4 {
        let (theirs, stop, updates) = (theirs.clone(), stop.clone(), updates.clone());
        others.push(tokio::spawn(async move {
            for i in (0..).take_while(|_| !stop.load(SeqCst)) {
                let id = ((i * 7 + writer * 11) % 40).to_string();
                theirs.update(&id, |note: &mut Note| note.text.push('+')).await.unwrap();
                updates.fetch_add(1, SeqCst);
            }
        }));
    }
    for inbox in [theirs.clone(), setting.inbox.clone()] {
        let stop = stop.clone();
        others.push(tokio::spawn(async move {
            for i in (0_u64..).take_while(|_| !stop.load(SeqCst)) {
                let note: Note = inbox.get((i % 40).to_string()).await.unwrap().expect("it is there");
                assert!(note.text.starts_with("text "));
            }
        }));
    }
    while updates.load(SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (report, failed) = rewrap(&setting.keys).await.unwrap();
    assert_eq!((report.failed, report.gone), (0, 0), "{failed:?}");
    assert_eq!(report.moved + report.already, 40);
    stop.store(true, SeqCst);
    for other in others {
        other.await.unwrap();
    }
    let mut marks = 0;
    for i in 0..40 {
        let note: Note = setting.inbox.get(i.to_string()).await.unwrap().unwrap();
        marks += note.text.matches('+').count();
    }
    assert_eq!(u64::try_from(marks).unwrap(), updates.load(SeqCst));
    // The others may have sealed under the old key meanwhile: they had it in memory.
    let (_, failed) = rewrap(&setting.keys).await.unwrap();
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(setting.keys.count().await.unwrap().records.get(&newest.kek_id), Some(&40));
}

#[tokio::test]
async fn a_tenant_that_has_no_key_has_nothing_to_move() {
    let setting = Setting::with_notes("rewrap-none", 1).await;
    let nobody = crate::keys(&setting.store, "nobody");
    assert!(matches!(rewrap(&nobody).await, Err(RewrapError::NoKey { .. })));
    setting.keys.erase_keys().await.unwrap();
    let shredded = rewrap(&setting.keys).await;
    assert!(matches!(shredded, Err(RewrapError::Shredded(_))), "{shredded:?}");
}

/// Keys in memory do not outlive their time because a long run goes on with them.
#[tokio::test]
async fn a_shred_stops_it_within_the_time_to_live() {
    let setting = Setting::with_notes("rewrap-shred", 1).await;
    let forgetful = setting.forgetful().open().await.unwrap();
    setting.rotate().await;
    let keys = crate::keys(&forgetful, "alice");
    rewrap(&keys).await.unwrap();
    setting.keys.erase_keys().await.unwrap();
    tokio::time::sleep(TTL).await;
    let stopped = rewrap(&keys).await;
    assert!(matches!(stopped, Err(RewrapError::Shredded(_))), "{stopped:?}");
}

#[tokio::test]
async fn resealing_gives_every_record_a_new_data_key_and_the_same_content() {
    let setting = Setting::with_notes("reseal", 10).await;
    let before = setting.item("3").await;
    let old: blue_encrypted_store::Entry<Note> = setting.inbox.get_entry("3").await.unwrap().unwrap();
    let newest = setting.rotate().await;
    // Those that the clock gives this very microsecond to would count as written later.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_micros()).unwrap();
    let report = setting.keys.reseal(now, 4, |_, _| {}).await.unwrap();
    assert_eq!((report.moved, report.already, report.failed), (10, 0, 0));
    let after = setting.item("3").await;
    let (was, is) = (bytes(&before), bytes(&after));
    assert!(was[5..37] != is[5..37] && was[101..] != is[101..], "another data key");
    let new: blue_encrypted_store::Entry<Note> = setting.inbox.get_entry("3").await.unwrap().unwrap();
    assert_eq!((new.version, &new.value, new.created), (old.version + 1, &old.value, old.created));
    assert_eq!(new.attributes, old.attributes);
    if !setting.provider().umk_id().is_local() {
        assert_eq!(setting.kek_of("3").await, newest.kek_id);
    }
    // Going on from the same time leaves what was done.
    let again = setting.keys.reseal(now, 4, |_, _| {}).await.unwrap();
    assert_eq!((again.moved, again.already), (0, 10));
    assert_eq!(setting.events(CryptoOp::Encrypt).await, 20);
    let tampered = with_envelope(setting.item("4").await, |bytes| *bytes.last_mut().unwrap() ^= 1);
    setting.sandbox.put_item(tampered).await;
    let mut failed = Vec::new();
    let failures = std::sync::Mutex::new(&mut failed);
    let report = setting.keys.reseal(i64::MAX, 4, |address, moved| {
        if let blue_encrypted_store::Moved::Failed(WriteError::Tampered(_)) = moved {
            failures.lock().unwrap().push(address.to_owned());
        }
    });
    let report = report.await.unwrap();
    assert_eq!((report.moved, report.failed), (9, 1));
    assert_eq!(failed, ["alice/inbox/note/4"]);
    // It is no envelope at all.
    let item = setting.item("4").await;
    let mut mangled = item.clone();
    mangled.insert("_e".to_owned(), b([1; 5]));
    setting.sandbox.put_item(mangled).await;
    let report = setting.keys.reseal(i64::MAX, 1, |_, _| {}).await.unwrap();
    assert_eq!((report.moved, report.failed), (9, 1));
}

#[tokio::test]
async fn what_is_told_to_stop_finishes_what_it_began_and_goes_on_when_it_is_done_again() {
    let setting = Setting::with_notes("rewrap-stop", 10).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_micros()).unwrap();
    let at_once = setting.keys.rewrap_until(4, async {}, |_, _| {}).await.unwrap();
    assert_eq!((at_once.moved, at_once.already, at_once.stopped), (0, 0, true));

    // As soon as one is done: those that were begun beside it are finished, too.
    let stop = Notify::new();
    let report = setting.keys.reseal_until(now, 4, stop.notified(), |_, _| stop.notify_one()).await.unwrap();
    assert!(report.stopped && (1..=8).contains(&report.moved), "{report:?}");
    let again = setting.keys.reseal_until(now, 4, std::future::pending(), |_, _| {}).await.unwrap();
    assert_eq!((again.moved, again.already, again.stopped), (10 - report.moved, report.moved, false));
    assert_eq!(setting.events(CryptoOp::Encrypt).await, 20);
    setting.verify_deep().await;
}

/// Who moves records has read the keys, and another process adds one and writes under it before the records are read.
#[tokio::test]
async fn no_record_is_moved_back_to_an_older_key() {
    let setting = Setting::with_notes("rewrap-back", 3).await;
    setting.rotate().await;
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let proxy = Proxy::start({
        let (reached, go) = (reached.clone(), go.clone());
        move |request| {
            let (reached, go) = (reached.clone(), go.clone());
            let of_records =
                request.operation == "Query" && request.body.to_string().contains("R#alice#inbox");
            async move {
                if of_records {
                    reached.notify_one();
                    go.notified().await;
                }
                Fate::Forward
            }
        }
    })
    .await;
    let held = setting.sandbox.builder().client(proxy.client(&setting.sandbox.client)).open().await.unwrap();
    let keys = crate::keys(&held, "alice");
    let moving = rewrap(&keys);
    let meanwhile = async {
        reached.notified().await;
        let third = setting.rotate().await;
        let fresh = setting.sandbox.builder().open().await.unwrap();
        inbox(&fresh, "alice").put(&Note::new("theirs", "under the third")).await.unwrap();
        go.notify_one();
        third
    };
    let (report, third) = tokio::join!(moving, meanwhile);
    let (report, failed) = report.unwrap();
    assert_eq!((report.moved + report.already, failed), (4, Vec::new()));
    assert_eq!(setting.kek_of("theirs").await, third.kek_id);
}
