//! When there is no key: how often it is asked for, and how soon it is there again.

use std::{sync::Arc, time::Duration};

use blue_keys::{KeyError, KeyOwner, KeyringConfig, KeyringError, envelope::KekId};
use futures::future::join_all;
use tokio::time::Instant;

use crate::counting::{Answer, Counted, TTL, owner, wait};

const CALL: Duration = Duration::from_millis(20);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Asks every millisecond for ten seconds, in vain.
async fn in_vain(counted: &Counted, owner: &KeyOwner) {
    let start = Instant::now();
    while start.elapsed() < 10 * SECOND {
        let sealing = counted.keyring.sealing_kek(owner).await;
        let error = sealing.expect_err("there is no key to be had");
        assert!(matches!(error, KeyringError::Provider { .. } | KeyringError::Store { .. }), "{error:?}");
        wait(MILLISECOND).await;
    }
}

/// How long it takes until there is a key, asking every millisecond.
async fn recovery(counted: &Counted, owner: &KeyOwner) -> Duration {
    let start = Instant::now();
    while counted.keyring.sealing_kek(owner).await.is_err() {
        assert!(start.elapsed() < 10 * SECOND);
        wait(MILLISECOND).await;
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_definite_answer_holds_for_a_second() {
    for (answer, has_key) in [
        (Answer::Denied, true),
        (Answer::Disabled, true),
        (Answer::NotFound, true),
        (Answer::NotAuthentic, true),
        // The first key is not made.
        (Answer::Denied, false),
    ] {
        let (counted, alice) = (Counted::new(CALL), owner("alice"));
        if has_key {
            counted.store.rotate(&alice);
        }
        counted.answer(answer);
        in_vain(&counted, &alice).await;
        let (loads, generated, unwrapped) = counted.counts();
        assert_eq!((loads, generated + unwrapped), (1, 10), "10 seconds, 10 calls");
        counted.answer(Answer::Key);
        assert!(recovery(&counted, &alice).await <= SECOND + 4 * CALL);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_is_asked_ever_more_rarely() {
    for has_key in [true, false] {
        let (counted, alice) = (Counted::new(CALL), owner("alice"));
        if has_key {
            counted.store.rotate(&alice);
        }
        counted.answer(Answer::Unavailable);
        in_vain(&counted, &alice).await;
        let (loads, generated, unwrapped) = counted.counts();
        // At once, then after 0, 0.1, 0.2, 0.4, 0.8 s and every second.
        assert_eq!(loads, 1);
        assert!((10..=15).contains(&(generated + unwrapped)), "{generated} {unwrapped}");
        counted.answer(Answer::Key);
        assert!(recovery(&counted, &alice).await <= SECOND + 4 * CALL);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_asked_ever_more_rarely() {
    let (counted, alice) = (Counted::new(CALL), owner("alice"));
    counted.store.rotate(&alice);
    counted.store.is_to_fail(true);
    in_vain(&counted, &alice).await;
    assert!((10..=15).contains(&counted.store.loads()), "{}", counted.store.loads());
    counted.store.is_to_fail(false);
    assert!(recovery(&counted, &alice).await <= SECOND + 4 * CALL);
}

#[tokio::test(start_paused = true)]
async fn a_single_hiccup_delays_nobody() {
    let (counted, alice) = (Counted::new(CALL), owner("alice"));
    counted.store.rotate(&alice);
    counted.store.is_to_fail(true);
    assert!(counted.keyring.sealing_kek(&alice).await.is_err());
    counted.store.is_to_fail(false);
    counted.answer(Answer::Unavailable);
    assert!(counted.keyring.sealing_kek(&alice).await.is_err());
    counted.answer(Answer::Key);
    assert!(recovery(&counted, &alice).await <= CALL + 2 * MILLISECOND);
}

#[tokio::test(start_paused = true)]
async fn without_a_time_to_live_no_failure_is_remembered() {
    let config = KeyringConfig { ttl: Duration::ZERO, ..KeyringConfig::default() };
    let (counted, alice) = (Counted::over(Arc::default(), config), owner("alice"));
    counted.store.rotate(&alice);
    counted.answer(Answer::Denied);
    for _ in 0..3 {
        counted.keyring.sealing_kek(&alice).await.unwrap_err();
    }
    assert_eq!(counted.counts(), (3, 0, 3));
}

/// A record that names a key which nobody has, read again and again.
#[tokio::test(start_paused = true)]
async fn unknown_keys_cost_ten_loads_a_second_however_many_records_name_them() {
    let (with_key, alice) = Counted::in_use(CALL).await;
    for (counted, owner) in [(with_key, alice), (Counted::new(CALL), owner("nobody"))] {
        let before = counted.store.loads();
        let start = Instant::now();
        while start.elapsed() < 10 * SECOND {
            let reads = join_all((0..100).map(|_| async {
                let asked = Instant::now();
                let opened = counted.open(&owner, KekId::generate().unwrap()).await;
                assert!(matches!(opened, Err(KeyringError::Unknown { .. })), "{opened:?}");
                assert!(asked.elapsed() <= Duration::from_millis(100) + 3 * CALL);
            }));
            reads.await;
            wait(MILLISECOND).await;
        }
        let loads = counted.store.loads() - before;
        assert!((50..=103).contains(&loads), "{loads}");
        assert_eq!(counted.counts().2, usize::from(before > 0), "nothing is unwrapped for it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_process_is_usable_at_once_and_soon_amid_unknown_ones() {
    let (counted, alice) = Counted::in_use(CALL).await;
    let asked = Instant::now();
    let second = counted.store.rotate(&alice);
    assert_eq!(counted.open(&alice, second).await.unwrap().id(), second);
    assert_eq!(asked.elapsed(), 2 * CALL, "one load, one unwrapping");
    let third = counted.store.rotate(&alice);
    assert_eq!(counted.open(&alice, third).await.unwrap().id(), third);
    assert_eq!(asked.elapsed(), 4 * CALL);

    for _ in 0..10 {
        counted.open(&alice, KekId::generate().unwrap()).await.unwrap_err();
        let fresh = counted.store.rotate(&alice);
        let asked = Instant::now();
        assert_eq!(counted.open(&alice, fresh).await.unwrap().id(), fresh);
        assert!(asked.elapsed() <= Duration::from_millis(101) + 3 * CALL, "{:?}", asked.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_had_no_key_gets_its_first_at_once() {
    let (counted, alice) = (Counted::new(CALL), owner("alice"));
    for _ in 0..3 {
        counted.open(&alice, KekId::generate().unwrap()).await.unwrap_err();
    }
    let asked = Instant::now();
    counted.keyring.sealing_kek(&alice).await.unwrap();
    assert_eq!(asked.elapsed(), 2 * CALL, "made and added");

    // Or finds that of another process.
    let bob = owner("bob");
    counted.open(&bob, KekId::generate().unwrap()).await.unwrap_err();
    let other = Counted::over(counted.store.clone(), KeyringConfig::default());
    let first = other.keyring.sealing_kek(&bob).await.unwrap().id();
    assert_eq!(counted.open(&bob, first).await.unwrap().id(), first);
}

/// Whatever the order in which a load that misses the key and its creation end.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_being_made_is_made_once_beside_readers_of_unknown_ones() {
    let step = CALL / 4;
    for moment in 0..16 {
        let counted = Arc::new(Counted::new(CALL));
        let alice = owner("alice");
        counted.open(&alice, KekId::generate().unwrap()).await.unwrap_err();
        wait(SECOND).await;
        let writer = tokio::spawn({
            let (counted, alice) = (counted.clone(), alice.clone());
            async move { counted.keyring.sealing_kek(&alice).await.unwrap().id() }
        });
        wait(step * moment).await;
        counted.open(&alice, KekId::generate().unwrap()).await.unwrap_err();
        let id = writer.await.unwrap();
        assert_eq!(counted.keyring.sealing_kek(&alice).await.unwrap().id(), id, "at {moment}");
        assert_eq!((counted.counts().1, counted.counts().2), (1, 0), "at {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_in_the_future_is_taken_for_now() {
    let (counted, alice) = Counted::in_use(CALL).await;
    let later = (Instant::now() + TTL).into_std();
    let opened = counted.keyring.opening_kek(&alice, KekId::generate().unwrap(), later).await;
    assert!(matches!(opened, Err(KeyringError::Unknown { .. })), "{opened:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_what_the_provider_said() {
    let (counted, alice) = (Counted::new(CALL), owner("alice"));
    counted.answer(Answer::Disabled);
    for _ in 0..2 {
        let Err(KeyringError::Provider { owner, source }) = counted.keyring.sealing_kek(&alice).await else {
            panic!("it is disabled")
        };
        assert_eq!(owner, alice);
        assert!(matches!(*source, KeyError::Disabled { .. }));
    }
}
