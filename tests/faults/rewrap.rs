//! `bes keys rewrap`, killed again and again while somebody reads: in the end every record lies under the newest key, each
//! moved once, and each could be read at every moment.

use std::{
    num::NonZeroU64,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::blue_audit::{CryptoOp, Outcome};
use blue_tests::{Note, Sandbox, VerifiedLog};
use fastrand::Rng;
use futures::{StreamExt, stream};
use tokio::{process::Command, sync::watch};

use crate::{
    bes,
    gate::{Gate, PATIENCE, was_killed},
    plan::{Moment, number},
};

/// How many records there are, and how often it is killed, unless `BES_REWRAP_RECORDS` and `BES_REWRAP_KILLS` say otherwise.
const RECORDS: u64 = 500;
const KILLS: u64 = 3;

/// Before its first move it makes about so many requests, and in one it moves at most so many records.
const OPENING: u64 = 12;
const GROUP: u64 = 64;

pub(crate) async fn live(seed: u64) {
    let [records, kills] = [("BES_REWRAP_RECORDS", RECORDS), ("BES_REWRAP_KILLS", KILLS)]
        .map(|(variable, default)| number(variable).unwrap_or(default));
    say!("to repeat: BES_FAULT_SEED={seed} BES_REWRAP_RECORDS={records} BES_REWRAP_KILLS={kills}");
    let mut rng = Rng::with_seed(seed);
    let sandbox = Sandbox::new("faults-rewrap").await;
    let store = sandbox.store().await;
    let tenant = store.tenant("t").unwrap();
    let (keys, inbox) = (tenant.keys(), tenant.collection("c").unwrap());
    let fill = stream::iter(0..records).for_each_concurrent(64, |i| {
        let inbox = &inbox;
        async move {
            inbox.put(&note(i)).await.unwrap();
        }
    });
    fill.await;
    let newest = sandbox.rotate(&keys, "t").await;

    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reader = tokio::spawn({
        let (stop, reads) = (stop.clone(), reads.clone());
        let inbox = sandbox.collection("t", "c").await;
        async move {
            for i in (0..records).cycle().take_while(|_| !stop.load(SeqCst)) {
                let found: Note = inbox.get(i.to_string()).await.expect("it opens").expect("it is there");
                assert_eq!(found, note(i));
                reads.fetch_add(1, SeqCst);
            }
        }
    });

    let arguments = ["keys", "rewrap", "t", "--concurrency", &GROUP.to_string()];
    // So that each kill comes before the end: each run gets no further than its share of what there is to move.
    let share = NonZeroU64::new(records / GROUP / (kills + 1)).unwrap_or(NonZeroU64::MIN).get();
    for kill in 1..=kills {
        let before = u32::try_from(rng.u64(0..OPENING + share)).unwrap();
        let moment = Moment::Request { before, carried_out: rng.bool() };
        let gate = Gate::new().await;
        let mut command = Command::from(bes::command(&sandbox, gate.endpoint(), &arguments));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let (_none, mut acknowledged) = watch::channel(0);
        let status = gate.kill(&mut command.spawn().unwrap(), moment, &mut acknowledged).await;
        assert!(was_killed(status), "kill {kill} at {moment:?}: {status}");
        let unlogged = VerifiedLog::findings(&sandbox.scan().await, &*sandbox.provider()).await;
        assert!(unlogged.is_empty(), "kill {kill} at {moment:?}: {unlogged:#?}");
    }
    let left = records - keys.count().await.unwrap().records.get(&newest.kek_id).copied().unwrap_or_default();
    // Of a busy machine, 0.1 s for each record.
    let patience = PATIENCE.max(Duration::from_millis(100 * records));
    let again = [&arguments[..], &["--output", "json"]].concat();
    let ran = bes::run_within(patience, &sandbox, &again).await.succeeded();
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report["moved"].as_u64(), report["failed"].as_u64()), (Some(left), Some(0)), "{ran:#?}");
    stop.store(true, SeqCst);
    reader.await.expect("every record could be read at every moment");

    let count = keys.count().await.unwrap();
    assert_eq!((count.records.get(&newest.kek_id), count.records.len()), (Some(&records), 1));
    store.flush().await.unwrap();
    let log = VerifiedLog::read(&sandbox.scan().await, &*sandbox.provider()).await.unwrap();
    let moves =
        log.events().filter(|event| event.operation == CryptoOp::Rewrap && event.outcome == Outcome::Success);
    assert_eq!(u64::try_from(moves.count()).unwrap(), records, "each was moved once");
    let reads = reads.load(SeqCst);
    say!(
        "a rewrap of {records} records, killed {kills} times, ended complete; {reads} reads beside it, all of them good"
    );
}

fn note(i: u64) -> Note {
    Note::new(&i.to_string(), &format!("text {i}"))
}
