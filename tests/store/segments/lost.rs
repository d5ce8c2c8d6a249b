//! Attempts that were not answered: one request each, and nothing is guessed.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use blue_encrypted_store::table::{Appended, GroupWrite, StoreError};
use blue_tests::{Fate, Proxy};
use uuid::Uuid;

use crate::{PATIENCE, Setting, create, is_done, segment, taken};

/// The operations that append a segment.
const OPERATIONS: [&str; 2] = ["PutItem", "TransactWriteItems"];

fn is_append(operation: &str) -> bool {
    OPERATIONS.contains(&operation)
}

/// How many requests to append the proxy has seen.
fn appends(proxy: &Proxy) -> u32 {
    OPERATIONS.map(|operation| proxy.seen(operation)).iter().sum()
}

fn is_unanswered(appended: &Appended) -> bool {
    matches!(appended, Appended::Unanswered(StoreError::OutcomeUnknown { attempts: 1, .. }))
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_open_what_was_done_and_is_not_asked_for_again() {
    let setting = Setting::new("unanswered").await;
    let mut first = 0;
    for (fate, carried_out) in [(Fate::LoseAnswer, true), (Fate::CutAnswer, true), (Fate::LoseRequest, false)]
    {
        for writes in [vec![], vec![create(&format!("{fate:?}"))]] {
            let lost = fate.clone();
            let proxy = Proxy::start(move |request| {
                let lose = is_append(&request.operation) && request.attempt == 1;
                let fate = if lose { lost.clone() } else { Fate::Forward };
                async move { fate }
            })
            .await;
            let store = setting.through(&proxy);
            let token = Uuid::new_v4();
            let appended = store.append_segment(&segment(first, 1), &writes, token, PATIENCE).await;
            assert!(is_unanswered(&appended), "{fate:?}: {appended:?}");
            assert_eq!(appends(&proxy), 1, "{fate:?}: one attempt");
            assert_eq!(setting.stored_segment(first).await.is_some(), carried_out, "{fate:?}");

            // The same again tells: of a transaction the token, of a segment alone what lies there.
            let again = store.append_segment(&segment(first, 1), &writes, token, PATIENCE).await;
            if carried_out && writes.is_empty() {
                assert_eq!(taken(again).unwrap(), segment(first, 1), "{fate:?}");
            } else {
                assert!(is_done(&again), "{fate:?}: {again:?}");
            }
            assert_eq!(setting.stored_segment(first).await, segment(first, 1).to_item().ok());
            first += 1;
        }
    }
    assert_eq!(first, 6);
}

#[tokio::test]
async fn an_attempt_ends_when_its_patience_does() {
    let setting = Setting::new("patience").await;
    let proxy = Proxy::start(|_| async { Fate::Silence }).await;
    let store = setting.through(&proxy);
    for (i, writes) in [vec![], vec![create("1")]].iter().enumerate() {
        let started = Instant::now();
        let patience = Duration::from_millis(500);
        let appended = store.append_segment(&segment(0, 1), writes, Uuid::new_v4(), patience).await;
        assert!(is_unanswered(&appended), "{appended:?}");
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        assert!(appends(&proxy) <= 1 + u32::try_from(i).unwrap(), "one attempt each at most");
    }
    let sent = appends(&proxy);
    let none: [GroupWrite; 0] = [];
    let appended = store.append_segment(&segment(0, 1), &none, Uuid::new_v4(), Duration::ZERO).await;
    assert!(matches!(appended, Appended::NotDone(StoreError::Unavailable { .. })), "{appended:?}");
    assert_eq!(appends(&proxy), sent, "without patience nothing is sent");
}

#[tokio::test]
async fn what_reaches_nobody_is_not_done() {
    let setting = Setting::new("nobody").await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = setting.sandbox.client_through(&nobody);
    let store = setting.reached_by(&client);
    for writes in [vec![], vec![create("1")]] {
        let appended = store.append_segment(&segment(0, 1), &writes, Uuid::new_v4(), PATIENCE).await;
        assert!(
            matches!(appended, Appended::NotDone(StoreError::Unavailable { attempts: 1, .. })),
            "{appended:?}"
        );
    }
}

/// How an appender settles what it will never learn otherwise.
#[tokio::test]
async fn another_segment_in_its_place_settles_what_became_of_one_that_was_not_answered() {
    let setting = Setting::new("settled").await;
    let token = Uuid::new_v4();
    let writes = [create("1")];
    // It never came: the other lies there, and ours cannot come any more, even if it is sent again.
    assert!(is_done(&setting.append(&segment(0, 2), &[]).await));
    let late = setting.store.append_segment(&segment(0, 1), &writes, token, PATIENCE).await;
    assert_eq!(taken(late).unwrap(), segment(0, 2));
    assert_eq!(setting.version("1").await, None);
    // It came: the other finds it.
    assert!(is_done(&setting.store.append_segment(&segment(1, 1), &writes, token, PATIENCE).await));
    assert_eq!(taken(setting.append(&segment(1, 2), &[]).await).unwrap(), segment(1, 1));
    assert_eq!(setting.version("1").await, Some(1));
}
