//! Owners that are forgotten, and what is not.

use std::{sync::Arc, time::Duration};

use blue_keys::KeyringError;

use crate::counting::{Counted, TTL, owner, wait};

const CALL: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_read_and_unwrapped_again() {
    let (counted, alice) = Counted::in_use(CALL).await;
    let second = counted.store.rotate(&alice);
    counted.keyring.forget(&alice);
    assert_eq!(counted.keyring.sealing_kek(&alice).await.unwrap().id(), second);
    assert_eq!(counted.counts(), (2, 0, 2));

    counted.store.shred(&alice);
    counted.keyring.forget(&alice);
    let sealing = counted.keyring.sealing_kek(&alice).await;
    assert!(matches!(sealing, Err(KeyringError::Shredded { .. })), "{sealing:?}");
    counted.keyring.forget(&owner("nobody"));
}

/// At each moment of a flight that read the keys before.
#[tokio::test(start_paused = true)]
async fn a_flight_that_began_before_does_not_bring_back_what_was_forgotten() {
    let step = CALL / 4;
    for moment in 1..12 {
        let counted = Arc::new(Counted::new(CALL));
        let alice = owner("alice");
        let first = counted.store.rotate(&alice);
        let waiting = tokio::spawn({
            let (counted, alice) = (counted.clone(), alice.clone());
            async move { counted.keyring.sealing_kek(&alice).await.unwrap().id() }
        });
        wait(step * moment).await;
        let second = counted.store.rotate(&alice);
        counted.keyring.forget(&alice);
        assert_eq!(counted.keyring.sealing_kek(&alice).await.unwrap().id(), second, "at {moment}");
        assert_eq!(waiting.await.unwrap(), first, "who asked before is answered");
        wait(4 * CALL).await;
        assert_eq!(counted.keyring.sealing_kek(&alice).await.unwrap().id(), second, "at {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_began_before_does_not_bring_back_what_was_forgotten() {
    let step = CALL / 4;
    for moment in 1..12 {
        let (counted, alice) = Counted::in_use(CALL).await;
        wait(TTL * 95 / 100).await;
        counted.keyring.sealing_kek(&alice).await.unwrap();
        assert_eq!(counted.keyring.usage().fetches, 1, "it is being renewed");
        wait(step * moment).await;
        counted.store.shred(&alice);
        counted.keyring.forget(&alice);
        for _ in 0..3 {
            let sealing = counted.keyring.sealing_kek(&alice).await;
            assert!(matches!(sealing, Err(KeyringError::Shredded { .. })), "at {moment}: {sealing:?}");
            wait(2 * CALL).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_key_that_was_being_made_is_not_held_when_its_owner_is_forgotten() {
    let step = CALL / 4;
    for moment in 1..16 {
        let counted = Arc::new(Counted::new(CALL));
        let alice = owner("alice");
        let writer = tokio::spawn({
            let (counted, alice) = (counted.clone(), alice.clone());
            async move { counted.keyring.sealing_kek(&alice).await }
        });
        wait(step * moment).await;
        counted.store.shred(&alice);
        counted.keyring.forget(&alice);
        for _ in 0..3 {
            let sealing = counted.keyring.sealing_kek(&alice).await;
            assert!(matches!(sealing, Err(KeyringError::Shredded { .. })), "at {moment}: {sealing:?}");
            wait(2 * CALL).await;
        }
        let _ = writer.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_sealed_under_is_not_forgotten_with_the_keys() {
    let (counted, alice) = Counted::in_use(CALL).await;
    assert_eq!(counted.keyring.usage().rotated, 0, "a first version costs nothing");
    counted.store.rotate(&alice);
    counted.keyring.forget(&alice);
    counted.keyring.sealing_kek(&alice).await.unwrap();
    assert_eq!(counted.keyring.usage().rotated, 1);
    counted.store.cut(&alice);
    for _ in 0..2 {
        counted.keyring.forget(&alice);
        let sealing = counted.keyring.sealing_kek(&alice).await;
        assert!(matches!(sealing, Err(KeyringError::Regressed { seen: 2, found: 1, .. })), "{sealing:?}");
        wait(2 * TTL).await;
    }
}
