//! A connection that is cut, delays, dribbles and falls silent, to a service that throttles, under load.
//!
//! What each of these does to one operation is the business of the suite `lost_answers`; here they come all at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blue_encrypted_store::{AuditConfig, Deadlines, blue_audit::AppenderConfig};
use blue_testkit::DynamoDb;
use blue_tests::{Fate, Proxy, Request, Sandbox};
use fastrand::Rng;
use tokio::time;

use crate::{
    database::{Running, check},
    gate::all_arrived,
};

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
    let dealer = Arc::new(Mutex::new(Dealer::new(rng)));
    let (switch, deal) = (failing.clone(), dealer.clone());
    let proxy = Proxy::start(move |request| {
        let dealt = switch.load(SeqCst).then(|| deal.lock().unwrap().deal(&request));
        async move {
            let Some((wait, fate)) = dealt else { return Fate::Forward };
            time::sleep(wait).await;
            fate
        }
    })
    .await;
    // Its opening is not under test. Its client is its own, so that its connections end with it.
    let through = sandbox.builder().client(proxy.client(&DynamoDb::shared().client().await));
    let appender = AppenderConfig { attempt: DEADLINES.attempt, ..AppenderConfig::default() };
    let through = through.audit(AuditConfig { appender, ..AuditConfig::default() });
    let store = through.deadlines(DEADLINES).open().await.unwrap();
    failing.store(true, SeqCst);
    let running = Running::start(store, load, DEADLINES);
    running.acknowledge(ACKNOWLEDGEMENTS).await;
    let never = || dealer.lock().unwrap().never();
    for _ in 0..ACKNOWLEDGEMENTS * 4 {
        if never().is_empty() && running.not_done() > 0 {
            break;
        }
        running.acknowledge(1).await;
    }
    assert!(never().is_empty(), "faults that never came about: {:?}", never());
    assert!(running.not_done() > 0, "no operation failed for good");
    let mut ledger = running.stop().await;
    all_arrived(&proxy).await;

    let items = sandbox.scan().await;
    let findings = check(&mut ledger, &sandbox.store().await, &items, &*sandbox.provider()).await;
    assert!(findings.is_empty(), "seed {seed}:\n{findings}");
    let counts = dealer.lock().unwrap().counts.clone();
    let (acknowledged, not_done) = (ledger.acknowledged(), ledger.not_done());
    say!(
        "connection (seed {seed}): {counts:?}: 0 lost, 0 torn, {acknowledged} acknowledged operations checked, \
         {not_done} not done"
    );
}

/// What becomes of a hundred requests. Nothing is left to luck but their order.
const DECK: [(&str, usize); 9] = [
    ("lost", 4),
    ("unanswered", 4),
    ("cut", 4),
    ("late", 4),
    ("dribbled", 3),
    ("silent", 1),
    ("throttled", 5),
    ("contended", 5),
    (FORWARDED, 70),
];
const FORWARDED: &str = "forwarded";
/// While everything is throttled.
const SPELL: &str = "spell";

struct Dealer {
    rng: Rng,
    deck: Vec<&'static str>,
    /// How many requests come before the next spell, and when the last one ends.
    before_spell: u32,
    spell_ends: Option<Instant>,
    counts: BTreeMap<&'static str, u32>,
}

impl Dealer {
    fn new(mut rng: Rng) -> Self {
        let before_spell = rng.u32(100..300);
        Self { rng, deck: Vec::new(), before_spell, spell_ends: None, counts: BTreeMap::new() }
    }

    /// The faults that were not dealt yet.
    fn never(&self) -> Vec<&'static str> {
        let all = DECK.map(|(name, _)| name).into_iter().chain([SPELL]);
        all.filter(|name| !self.counts.contains_key(name)).collect()
    }

    /// What becomes of a request, after what wait.
    fn deal(&mut self, request: &Request) -> (Duration, Fate) {
        let name = self.draw(request);
        *self.counts.entry(name).or_default() += 1;
        let wait = Duration::from_millis(self.rng.u64(0..1_200));
        let at_once = Duration::ZERO;
        match name {
            "lost" => (at_once, Fate::LoseRequest),
            "unanswered" => (at_once, Fate::LoseAnswer),
            "cut" => (at_once, Fate::CutAnswer),
            "late" => (wait, Fate::Forward),
            "dribbled" => (at_once, Fate::SlowAnswer(wait)),
            "silent" => (at_once, Fate::Silence),
            "throttled" => (at_once, throttled(self.rng.u8(0..4))),
            "contended" => (at_once, contended(request, self.rng.u8(..))),
            // Nothing that may have been carried out, so that it is known in the end that it was not.
            SPELL => (at_once, throttled(self.rng.u8(0..3))),
            _ => (at_once, Fate::Forward),
        }
    }

    fn draw(&mut self, request: &Request) -> &'static str {
        if self.spell_ends.is_some_and(|ends| Instant::now() < ends) {
            return SPELL;
        }
        if self.before_spell == 0 {
            self.before_spell = self.rng.u32(400..800);
            // What begins with it does not outlast it.
            let length = DEADLINES.operation + Duration::from_millis(self.rng.u64(200..1_000));
            self.spell_ends = Some(Instant::now() + length);
            return SPELL;
        }
        self.before_spell -= 1;
        if self.deck.is_empty() {
            self.deck = DECK.iter().flat_map(|&(name, count)| std::iter::repeat_n(name, count)).collect();
            self.rng.shuffle(&mut self.deck);
        }
        let is_write = ["TransactWriteItems", "PutItem"].contains(&request.operation.as_str());
        match self.deck.pop() {
            // Reads contend with nothing.
            Some("contended") if !is_write => "throttled",
            card => card.unwrap_or(FORWARDED),
        }
    }
}

/// As [`Fate::throttled`], or an error of the service's own, which may come after the deed.
fn throttled(draw: u8) -> Fate {
    if draw == 3 { Fate::refusal(500, "InternalServerError") } else { Fate::throttled(draw) }
}

fn contended(request: &Request, draw: u8) -> Fate {
    match (request.operation.as_str(), draw) {
        ("TransactWriteItems", 0) => Fate::refusal(400, "TransactionInProgressException"),
        _ => Fate::contended(request, draw),
    }
}
