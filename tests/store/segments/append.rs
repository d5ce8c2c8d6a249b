//! A segment and its writes, together or not at all.

use std::sync::Arc;

use blue_encrypted_store::table::{Appended, GroupWrite, Put, SegmentItem, Store, StoreError, WriteRefusal};
use blue_tests::{Fate, Proxy, s};
use futures::{StreamExt, stream};
use uuid::Uuid;

use crate::{PATIENCE, Setting, create, deadline, delete, is_done, path, record, replace, segment, taken};

#[tokio::test]
async fn what_is_appended_is_there_with_its_writes() {
    let setting = Setting::new("append").await;
    let alone = setting.append(&segment(0, 1), &[]).await;
    assert!(is_done(&alone), "{alone:?}");
    assert_eq!(setting.stored_segment(0).await.unwrap(), segment(0, 1).to_item().unwrap());

    let replaced = setting.created("replaced").await;
    let deleted = setting.created("deleted").await;
    let writes = [create("created"), replace("replaced", &replaced), delete("deleted", &deleted)];
    let together = setting.append(&segment(1, 2), &writes).await;
    assert!(is_done(&together), "{together:?}");
    assert_eq!(setting.stored_segment(1).await.unwrap(), segment(1, 2).to_item().unwrap());
    assert_eq!(setting.version("created").await, Some(1));
    assert_eq!(setting.version("replaced").await, Some(2));
    assert_eq!(setting.version("deleted").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_race_for_a_sequence_one_wins_and_the_others_get_it_back() {
    const WRITERS: u8 = 32;
    let setting = Arc::new(Setting::new("race").await);
    for first in [0, u64::MAX] {
        let ended: Vec<(u8, Appended)> = stream::iter(0..WRITERS)
            .map(|writer| {
                let setting = setting.clone();
                let task = async move {
                    // Half of them bring a write.
                    let write = create(&format!("{first}-{writer}"));
                    let writes = if writer.is_multiple_of(2) { vec![write] } else { vec![] };
                    (writer, setting.append(&segment(first, writer), &writes).await)
                };
                async move { tokio::spawn(task).await.unwrap() }
            })
            .buffer_unordered(WRITERS.into())
            .collect()
            .await;
        let winners: Vec<u8> =
            ended.iter().filter(|(_, end)| is_done(end)).map(|(writer, _)| *writer).collect();
        let [winner] = winners[..] else { panic!("{winners:?}") };
        assert_eq!(setting.stored_segment(first).await.unwrap(), segment(first, winner).to_item().unwrap());
        let mut lost = 0;
        for (writer, end) in ended {
            let id = format!("{first}-{writer}");
            if writer == winner {
                assert_eq!(setting.version(&id).await.is_some(), writer.is_multiple_of(2));
            } else {
                assert_eq!(taken(end).unwrap(), segment(first, winner), "{writer}");
                assert_eq!(setting.version(&id).await, None, "{writer}");
                lost += 1;
            }
        }
        assert_eq!(lost, WRITERS - 1);
    }
}

/// A write whose condition fails, and the version that stands in its way.
async fn failing(setting: &Setting, kind: &str, id: &str) -> (GroupWrite, Option<u64>) {
    let before = setting.created(id).await;
    match kind {
        "create" => (create(id), Some(1)),
        "replace" | "delete" => {
            setting.store.put(record(id, 2, 200), Put::Replace(&before), deadline()).await.unwrap();
            let write = if kind == "replace" { replace(id, &before) } else { delete(id, &before) };
            (write, Some(2))
        }
        gone => {
            setting.store.delete(&path(id), &before, deadline()).await.unwrap();
            let write = if gone == "replace of none" { replace(id, &before) } else { delete(id, &before) };
            (write, None)
        }
    }
}

const KINDS: [&str; 5] = ["create", "replace", "delete", "replace of none", "delete of none"];

/// The positions that were refused, each with the version that was found there.
fn refused(appended: Appended) -> Vec<(usize, Option<u64>)> {
    let Appended::Refused(refused) = appended else { panic!("{appended:?}") };
    let version = |refusal| match refusal {
        WriteRefusal::Condition(current) => current.map(|current| current.into_record().unwrap().version),
        WriteRefusal::Busy(error) => panic!("{error:?}"),
    };
    refused.into_iter().map(|(position, refusal)| (position, version(refusal))).collect()
}

#[tokio::test]
async fn one_write_that_fails_its_condition_is_named_and_nothing_is_done() {
    let setting = Setting::new("condition").await;
    let mut cases = 0;
    for kind in KINDS {
        for position in 0..4 {
            let id = |i: usize| format!("{kind}-{position}-{i}");
            let (bad, found) = failing(&setting, kind, &id(position)).await;
            let mut writes: Vec<_> = (0..3).map(|i| create(&format!("good-{}", id(i)))).collect();
            writes.insert(position, bad);
            let appended = setting.append(&segment(0, 1), &writes).await;
            assert_eq!(refused(appended), [(position, found)], "{kind} at {position}");
            assert_eq!(setting.stored_segment(0).await, None);
            for i in 0..3 {
                assert_eq!(setting.version(&format!("good-{}", id(i))).await, None);
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 20);
}

#[tokio::test]
async fn several_writes_that_fail_their_conditions_are_all_named() {
    let setting = Setting::new("conditions").await;
    let mut writes = vec![create("good")];
    let mut expected = Vec::new();
    for kind in KINDS {
        let (bad, found) = failing(&setting, kind, kind).await;
        expected.push((writes.len(), found));
        writes.extend([bad, create(&format!("after {kind}"))]);
    }
    assert_eq!(refused(setting.append(&segment(0, 1), &writes).await), expected);
    assert_eq!(setting.stored_segment(0).await, None);
    assert_eq!(setting.version("good").await, None);
}

#[tokio::test]
async fn a_taken_place_goes_before_conditions_that_fail() {
    let setting = Setting::new("taken").await;
    assert!(is_done(&setting.append(&segment(0, 1), &[]).await));
    let mut writes = vec![create("good")];
    for kind in KINDS {
        writes.push(failing(&setting, kind, kind).await.0);
    }
    assert_eq!(taken(setting.append(&segment(0, 2), &writes).await).unwrap(), segment(0, 1));
    assert_eq!(setting.version("good").await, None);
}

#[tokio::test]
async fn what_is_no_segment_takes_a_place_all_the_same() {
    let setting = Setting::new("no-segment").await;
    let mut item = segment(0, 1).to_item().unwrap();
    item.insert("more".to_owned(), s("x"));
    setting.sandbox.put_item(item.clone()).await;
    let proxy = Proxy::start(|_| async { Fate::Forward }).await;
    let store = setting.through(&proxy);
    for writes in [vec![], vec![create("1")]] {
        let appended = store.append_segment(&segment(0, 2), &writes, Uuid::new_v4(), PATIENCE).await;
        let malformed = taken(appended).unwrap_err();
        assert_eq!(malformed.reason, "a segment has no attribute \"more\"");
    }
    assert_eq!(proxy.seen("GetItem"), 0, "the failed condition brings it");
    assert_eq!(setting.stored_segment(0).await, Some(item));
}

/// As many writes as a transaction takes, and as many bytes as a group may have.
#[tokio::test]
async fn a_group_of_99_writes_and_three_and_a_half_megabytes_is_done() {
    const BYTES: usize = 3_500_000;
    let setting = Setting::new("largest").await;
    let events = vec![7; 64 * 1024];
    let segment = SegmentItem { events, ..segment(0, 1) };
    let of_each = (BYTES - segment.size()) / 99;
    let writes: Vec<_> = (0..99)
        .map(|i| {
            let rest = create(&i.to_string()).size() - 200;
            GroupWrite::put(record(&i.to_string(), 1, of_each - rest), Put::Create).unwrap()
        })
        .collect();
    let size = segment.size() + writes.iter().map(GroupWrite::size).sum::<usize>();
    assert!((BYTES - 99..=BYTES).contains(&size), "{size}");
    let appended = setting.append(&segment, &writes).await;
    assert!(is_done(&appended), "{appended:?}");
    assert_eq!(setting.stored_segment(0).await.unwrap(), segment.to_item().unwrap());
    for i in 0..99 {
        assert_eq!(setting.version(&i.to_string()).await, Some(1), "{i}");
    }
}

#[tokio::test]
async fn a_group_that_the_service_does_not_take_fails_and_nothing_is_done() {
    let setting = Setting::new("too-many").await;
    let creates = |count: usize| (0..count).map(|i| create(&i.to_string())).collect::<Vec<_>>();
    let large = |i: usize| GroupWrite::put(record(&i.to_string(), 1, 400_000), Put::Create).unwrap();
    let twice = "two of the writes are of alice/inbox/note/0";
    for (what, writes, says) in [
        ("100 writes", creates(100), "ValidationException: "),
        ("a record twice", vec![create("0"), create("1"), create("0")], twice),
        ("more than 4 MB", (0..11).map(large).collect(), "ValidationException: "),
    ] {
        let appended = setting.append(&segment(0, 1), &writes).await;
        let Appended::Failed(StoreError::Refused { source, .. }) = &appended else {
            panic!("{what}: {appended:?}")
        };
        assert!(source.to_string().starts_with(says), "{what}: {source}");
        assert_eq!(setting.stored_segment(0).await, None);
        assert_eq!(setting.version("0").await, None);
    }
    let events = vec![0; 409_600];
    let too_large = setting.append(&SegmentItem { events, ..segment(0, 1) }, &[]).await;
    assert!(matches!(too_large, Appended::Failed(StoreError::TooLarge { .. })), "{too_large:?}");
}

#[tokio::test]
async fn a_repeated_token_is_done_once_and_stands_for_one_content() {
    let setting = Setting::new("token").await;
    let token = Uuid::new_v4();
    let writes = [create("1")];
    async fn append(store: &Store, segment: &SegmentItem, writes: &[GroupWrite], token: Uuid) -> Appended {
        store.append_segment(segment, writes, token, PATIENCE).await
    }
    let once = append(&setting.store, &segment(0, 1), &writes, token).await;
    assert!(is_done(&once), "{once:?}");
    // Were it carried out again, the record would come back.
    setting.sandbox.delete_item("R#alice#inbox", "note#1").await;
    let twice = append(&setting.store, &segment(0, 1), &writes, token).await;
    assert!(is_done(&twice), "{twice:?}");
    assert_eq!(setting.version("1").await, None);

    let other = append(&setting.store, &segment(0, 2), &writes, token).await;
    let Appended::Failed(StoreError::Refused { source, .. }) = &other else { panic!("{other:?}") };
    assert!(source.to_string().starts_with("IdempotentParameterMismatchException"), "{source}");
    let another_token = append(&setting.store, &segment(0, 2), &writes, Uuid::new_v4()).await;
    assert_eq!(taken(another_token).unwrap(), segment(0, 1));
}
