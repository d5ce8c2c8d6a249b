//! A connection that is cut, delays, dribbles and falls silent, to a service that throttles, under load.
//!
//! What each of these does to one operation is the business of the suite `lost_answers`; here they come all at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::Deadlines;
use blue_tests::{Fate, Proxy, Request, Sandbox};
use fastrand::Rng;
use tokio::time;

use crate::{database::Running, gate::PATIENCE};

/// How many acknowledgements the load must come to in spite of all.
const ACKNOWLEDGEMENTS: u64 = 400;

/// Short, so that delays reach beyond an attempt. A busy machine that does not keep them adds faults of its own.
const DEADLINES: Deadlines =
    Deadlines { attempt: Duration::from_millis(600), operation: Duration::from_secs(4) };

pub(crate) async fn live(seed: u64) {
    say!("connection: to repeat: BES_FAULT_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let load = rng.u64(..);
    let sandbox = Sandbox::new("faults-connection").await;
    sandbox.store().await;

    let failing = Arc::new(AtomicBool::new(false));
    let harm = Arc::new(Mutex::new((rng, BTreeMap::<&str, u32>::new())));
    let (switch, dealer) = (failing.clone(), harm.clone());
    let proxy = Proxy::start(move |request| {
        let drawn = switch.load(SeqCst).then(|| {
            let (rng, counts) = &mut *dealer.lock().unwrap();
            let (name, wait, fate) = draw(rng, &request);
            *counts.entry(name).or_default() += 1;
            (wait, fate)
        });
        async move {
            let Some((wait, fate)) = drawn else { return Fate::Forward };
            time::sleep(wait).await;
            fate
        }
    })
    .await;
    let through = sandbox.builder().client(proxy.client(&sandbox.client));
    let store = through.deadlines(DEADLINES).open().await.unwrap();
    failing.store(true, SeqCst);
    let running = Running::start(store, load, PATIENCE);
    running.acknowledge(ACKNOWLEDGEMENTS).await;
    let mut ledger = running.stop().await;

    let findings = ledger.check(&sandbox.store().await, &sandbox.scan().await).await;
    assert!(findings.is_empty(), "seed {seed}:\n{findings}");
    let counts = harm.lock().unwrap().1.clone();
    let never: Vec<_> = FAULTS.iter().filter(|name| !counts.contains_key(**name)).collect();
    assert!(never.is_empty(), "faults that never came about: {never:?}");
    let acknowledged = ledger.acknowledged();
    say!(
        "connection (seed {seed}): {counts:?}: 0 lost, 0 torn, {acknowledged} acknowledged operations checked"
    );
}

const FAULTS: [&str; 8] =
    ["lost", "unanswered", "cut", "late", "dribbled", "silent", "throttled", "contended"];

/// What becomes of a request, after what wait: of ten, seven go through.
fn draw(rng: &mut Rng, request: &Request) -> (&'static str, Duration, Fate) {
    let wait = Duration::from_millis(rng.u64(0..1_200));
    let at_once = Duration::ZERO;
    let throttled = match rng.u8(0..4) {
        0 => refusal(400, "ProvisionedThroughputExceededException"),
        1 => refusal(400, "ThrottlingException"),
        2 => refusal(400, "RequestLimitExceeded"),
        _ => refusal(500, "InternalServerError"),
    };
    let contended = match (request.operation.as_str(), rng.u8(0..3)) {
        ("TransactWriteItems", 0) => refusal(400, "TransactionInProgressException"),
        ("TransactWriteItems", draw) => cancellation(request, draw == 1),
        ("PutItem", _) => refusal(400, "TransactionConflictException"),
        _ => return ("forwarded", at_once, Fate::Forward),
    };
    match rng.u8(0..100) {
        0..4 => ("lost", at_once, Fate::LoseRequest),
        4..8 => ("unanswered", at_once, Fate::LoseAnswer),
        8..12 => ("cut", at_once, Fate::CutAnswer),
        12..16 => ("late", wait, Fate::Forward),
        16..19 => ("dribbled", at_once, Fate::SlowAnswer(wait)),
        19..20 => ("silent", at_once, Fate::Silence),
        20..25 => ("throttled", at_once, throttled),
        25..30 => ("contended", at_once, contended),
        _ => ("forwarded", at_once, Fate::Forward),
    }
}

/// The real service's words.
fn refusal(status: u16, code: &str) -> Fate {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"later"}}"#);
    Fate::Answer(status, body)
}

/// A transaction of which one item is in another one's way.
fn cancellation(request: &Request, throttled: bool) -> Fate {
    let (code, message) = if throttled {
        (
            "ThrottlingError",
            "Throughput exceeds the current capacity for one or more global secondary indexes",
        )
    } else {
        ("TransactionConflict", "Transaction is ongoing for the item")
    };
    let items = request.body["TransactItems"].as_array().map_or(1, Vec::len);
    let mut reasons = vec![format!(r#"{{"Code":"{code}","Message":"{message}"}}"#)];
    reasons.resize(items, r#"{"Code":"None"}"#.to_owned());
    let codes =
        [code].into_iter().chain(std::iter::repeat_n("None", items.saturating_sub(1))).collect::<Vec<_>>();
    let body = format!(
        r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{}],"Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [{}]"}}"#,
        reasons.join(","),
        codes.join(", ")
    );
    Fate::Answer(400, body)
}
