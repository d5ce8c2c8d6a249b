//! A clock that stands still unless told to go: the time to live, and renewal before its end.

use std::{sync::Arc, time::Duration};

use blue_keys::{KeyError, KeyOwner, KeyringConfig, KeyringError, envelope::KekId};
use futures::future::join_all;
use tokio::time::Instant;

use crate::counting::{Answer, Counted, TTL, owner, wait};

const CALL: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

fn is_denied(error: &KeyringError) -> bool {
    matches!(error, KeyringError::Provider { source, .. } if matches!(**source, KeyError::Denied { .. }))
}

/// Seals every second for so long; how often it had to wait for its key.
async fn busy(counted: &Counted, owner: &KeyOwner, time: Duration) -> usize {
    let (start, mut waits) = (Instant::now(), 0);
    while start.elapsed() < time {
        let asked = Instant::now();
        counted.keyring.sealing_kek(owner).await.unwrap();
        waits += usize::from(asked.elapsed() > Duration::ZERO);
        wait(SECOND).await;
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn an_owner_in_use_never_waits_and_costs_one_unwrapping_in_nine_tenths_of_the_time_to_live() {
    let (counted, alice) = Counted::in_use(CALL).await;
    assert_eq!(busy(&counted, &alice, 9 * TTL).await, 0);
    // At 0.9, 1.8, … 8.1 times the time to live, some seconds later each time.
    assert_eq!(counted.counts(), (10, 0, 10));
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_not_in_use_costs_nothing() {
    let (counted, alice) = Counted::in_use(CALL).await;
    busy(&counted, &alice, TTL / 2).await;
    wait(10 * TTL).await;
    assert_eq!(counted.counts(), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_use_before_the_last_tenth_renews_nothing() {
    let (counted, alice) = Counted::in_use(CALL).await;
    busy(&counted, &alice, TTL * 9 / 10 - 2 * SECOND).await;
    wait(SECOND / 2).await;
    assert_eq!(counted.counts(), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn versions_that_were_not_used_are_not_unwrapped_again() {
    let counted = Counted::new(CALL);
    let alice = owner("alice");
    let first = counted.store.rotate(&alice);
    counted.store.rotate(&alice);
    counted.open(&alice, first).await.unwrap();
    busy(&counted, &alice, TTL - SECOND).await;
    assert_eq!(counted.counts(), (2, 0, 4), "both were in use");
    busy(&counted, &alice, TTL - SECOND).await;
    assert_eq!(counted.counts(), (3, 0, 5), "only the newest was");
}

/// From when on an owner that is used every second, or only once more, is refused after `change`.
async fn refused_after(
    change: fn(&Counted, &KeyOwner),
    is_it: fn(&KeyringError) -> bool,
    busy: bool,
) -> Duration {
    let (counted, alice) = Counted::in_use(CALL).await;
    let read_at = Instant::now();
    wait(TTL / 4).await;
    change(&counted, &alice);
    if !busy {
        wait(TTL * 3 / 4).await;
    }
    loop {
        if let Err(error) = counted.keyring.sealing_kek(&alice).await {
            assert!(is_it(&error), "{error:?}");
            return read_at.elapsed();
        }
        assert!(read_at.elapsed() < 2 * TTL);
        wait(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_master_key_and_a_tombstone_stop_keys_within_the_time_to_live() {
    let revoke: fn(&Counted, &KeyOwner) = |counted, _| counted.answer(Answer::Denied);
    let shred: fn(&Counted, &KeyOwner) = |counted, owner| counted.store.shred(owner);
    let is_shredded = |error: &KeyringError| matches!(error, KeyringError::Shredded { .. });
    for (change, is_it) in [(revoke, is_denied as fn(&KeyringError) -> bool), (shred, is_shredded)] {
        let refused = refused_after(change, is_it, true).await;
        // By the renewal, before they expire.
        assert!(refused >= TTL * 9 / 10 - SECOND && refused < TTL, "{refused:?}");
        assert!(refused_after(change, is_it, false).await <= TTL + 2 * CALL);
    }
}

/// Who comes after the end of the keys waits for their renewal, if it is under way, and begins nothing beside it.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_takes_longer_than_the_keys_last_is_not_begun_twice() {
    let (counted, alice) = Counted::in_use(8 * SECOND).await;
    // They were read 16 seconds ago; reading and unwrapping take as long again.
    wait(TTL - 26 * SECOND).await;
    counted.keyring.sealing_kek(&alice).await.unwrap();
    wait(12 * SECOND).await;
    let asked = Instant::now();
    counted.keyring.sealing_kek(&alice).await.unwrap();
    assert!(asked.elapsed() > Duration::ZERO, "it did not wait, so there was no renewal to wait for");
    wait(60 * SECOND).await;
    assert_eq!(counted.counts(), (2, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_seen_within_the_time_to_live_and_nobody_waits_for_the_new_key() {
    let (counted, alice) = Counted::in_use(CALL).await;
    let second = counted.store.rotate(&alice);
    assert_eq!(busy(&counted, &alice, TTL - SECOND).await, 0);
    let asked = Instant::now();
    assert_eq!(counted.keyring.sealing_kek(&alice).await.unwrap().id(), second);
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(counted.counts(), (2, 0, 3), "that which was in use, and the new one");
}

#[tokio::test(start_paused = true)]
async fn keys_are_used_to_their_end_while_there_is_no_answer_and_asked_for_at_a_measured_pace() {
    let break_the_provider: fn(&Counted, bool) =
        |counted, broken| counted.answer(if broken { Answer::Unavailable } else { Answer::Key });
    let break_the_store: fn(&Counted, bool) = |counted, broken| counted.store.is_to_fail(broken);
    for is_broken in [break_the_provider, break_the_store] {
        let (counted, alice) = Counted::in_use(CALL).await;
        let read_at = Instant::now();
        is_broken(&counted, true);
        while read_at.elapsed() < TTL - CALL * 3 {
            for _ in 0..10 {
                counted.keyring.sealing_kek(&alice).await.unwrap();
            }
            wait(Duration::from_millis(500)).await;
        }
        // The last tenth has 360 seconds; ten uses twice in each. The pause is a second after the first few.
        let (loads, ..) = counted.counts();
        assert!((100..=1 + 5 + 360).contains(&loads), "{loads}");
        wait(SECOND).await;
        assert!(counted.keyring.sealing_kek(&alice).await.is_err(), "no longer than to their end");
        is_broken(&counted, false);
        wait(SECOND).await;
        counted.keyring.sealing_kek(&alice).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_succeeds_at_a_later_attempt_keeps_its_owner_from_waiting() {
    let (counted, alice) = Counted::in_use(CALL).await;
    counted.answer(Answer::Unavailable);
    assert_eq!(busy(&counted, &alice, TTL * 95 / 100).await, 0);
    counted.answer(Answer::Key);
    assert_eq!(busy(&counted, &alice, TTL).await, 0);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_owners_of_one_age_are_renewed_a_few_at_a_time_and_none_waits() {
    let counted = Counted::new(CALL);
    let owners: Vec<_> = (0..10_000).map(|i| owner(&format!("tenant-{i}"))).collect();
    join_all(owners.iter().map(|owner| counted.keyring.sealing_kek(owner))).await;
    assert_eq!(counted.most_at_once(), 10_000, "they are loaded in the same moment");
    counted.forget_most_at_once();
    let use_at_once = async |owners: &[KeyOwner]| {
        for owner in owners {
            let asked = Instant::now();
            counted.keyring.sealing_kek(owner).await.unwrap();
            assert_eq!(asked.elapsed(), Duration::ZERO);
        }
    };
    wait(TTL * 9 / 10).await;
    use_at_once(&owners).await;
    // Then some of them at a time, so that each is used a few times more before its keys expire.
    for first in (0..owners.len()).step_by(50) {
        wait(3 * CALL).await;
        use_at_once(&owners[first..owners.len().min(first + 200)]).await;
    }
    use_at_once(&owners).await;
    wait(TTL / 10 + SECOND).await;
    use_at_once(&owners).await;
    assert_eq!(counted.counts(), (20_000, 10_000, 10_000), "each is renewed once");
    assert_eq!(counted.most_at_once(), 64);
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_renewal_finds_no_room_loads_its_keys_when_they_expire() {
    // 64 renewals take longer than the last tenth.
    let counted = Arc::new(Counted::new(TTL / 8));
    let config = KeyringConfig { ttl: TTL, fetch_timeout: TTL, ..KeyringConfig::default() };
    let counted = Counted::over(counted.store.clone(), config);
    let owners: Vec<_> = (0..65).map(|i| owner(&format!("tenant-{i}"))).collect();
    for owner in &owners {
        counted.store.rotate(owner);
    }
    let start = Instant::now();
    join_all(owners.iter().map(|owner| counted.keyring.sealing_kek(owner))).await;
    wait(TTL * 95 / 100 - start.elapsed()).await;
    for owner in &owners {
        counted.keyring.sealing_kek(owner).await.unwrap();
    }
    wait(TTL / 10).await;
    assert_eq!(counted.store.loads(), 65 + 64);
    counted.keyring.sealing_kek(&owners[64]).await.unwrap();
    assert_eq!(counted.counts(), (65 + 65, 0, 65 + 65));
}

/// Reading again for the sake of unknown keys takes neither the place of a renewal nor its time.
#[tokio::test(start_paused = true)]
async fn a_renewal_succeeds_beside_readers_of_unknown_keys() {
    // Longer than the pause between two such reads: one is always under way.
    let (counted, alice) = Counted::in_use(SECOND).await;
    wait(TTL * 9 / 10 - 4 * SECOND).await;
    let forged = async {
        loop {
            counted.open(&alice, KekId::generate().unwrap()).await.unwrap_err();
        }
    };
    let used = async {
        let start = Instant::now();
        let mut waits = 0;
        while start.elapsed() < TTL / 5 {
            waits += busy(&counted, &alice, SECOND).await;
        }
        waits
    };
    tokio::select! {
        waits = used => assert_eq!(waits, 0),
        () = forged => unreachable!("it does not end"),
    }
    assert_eq!(counted.counts().2, 2, "the first unwrapping and the renewal");
}

/// Through several times to live, each in which every owner is used: 100,000 operations in all.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_operations_of_a_hundred_owners_cost_a_hundred_unwrappings_for_each_time_to_live()
{
    let counted = Counted::new(CALL);
    let owners: Vec<_> = (0..100).map(|i| owner(&format!("tenant-{i}"))).collect();
    let mut ids: Vec<Option<KekId>> = vec![None; owners.len()];
    let mut operations = 0;
    for round in 0..1_000 {
        let unwrapped = counted.counts().2;
        for (owner, id) in owners.iter().zip(&mut ids) {
            let kek = match id {
                Some(id) if round % 2 == 1 => counted.open(owner, *id).await.unwrap(),
                _ => counted.keyring.sealing_kek(owner).await.unwrap(),
            };
            assert_eq!(*id.get_or_insert(kek.id()), kek.id());
            operations += 1;
        }
        assert!(counted.counts().2 - unwrapped <= 100);
        wait(TTL / 200).await;
    }
    assert_eq!(operations, 100_000);
    // Five times to live, some seconds of calls to make the keys among them: renewed at 0.9, 1.8, 2.7, 3.6 and 4.5.
    assert_eq!(counted.counts(), (600, 100, 500));
}
