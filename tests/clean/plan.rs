//! How many runs, on which tables: a function of the seed; and what came of them.

use std::{
    env, fmt, thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

/// How many runs there are unless `BES_CLEAN_RUNS` says otherwise: fit for every run of the tests.
const RUNS: u64 = 36;
/// How many are made on one table at most. A log of seconds is verified in seconds.
const OF_A_TABLE: u64 = 25;

/// What the processes on a table may lose when they are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// All write strictly, and any is killed.
    Strict,
    /// Some write buffered, and none of these is killed: every event comes in the end.
    Late,
    /// Some write buffered, and any is killed.
    Lossy,
}

impl Policy {
    /// Whether a deep verification finds nothing. It waits for events that are in memory yet; one that was lost with its
    /// process is not there, as one is that somebody took away.
    pub(crate) fn is_deep(self) -> bool {
        self != Self::Lossy
    }
}

const CYCLE: [Policy; 6] =
    [Policy::Strict, Policy::Late, Policy::Strict, Policy::Strict, Policy::Lossy, Policy::Strict];

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) runs: u64,
    seed: u64,
}

/// One table: its processes, their misfortunes, and the runs that are made meanwhile.
pub(crate) struct Round {
    pub(crate) number: usize,
    pub(crate) policy: Policy,
    pub(crate) runs: u64,
    pub(crate) rng: Rng,
}

impl Plan {
    pub(crate) fn from_env() -> Self {
        let runs = number("BES_CLEAN_RUNS").unwrap_or(RUNS);
        assert!(runs > 0, "BES_CLEAN_RUNS is none");
        Self { runs, seed: number("BES_CLEAN_SEED").unwrap_or_else(|| fastrand::u64(..)) }
    }

    pub(crate) fn rounds(&self) -> Vec<Round> {
        let mut rng = Rng::with_seed(self.seed);
        // Few runs are still spread over tables of each policy.
        let most = self.runs.div_ceil(6).clamp(1, OF_A_TABLE);
        let mut left = self.runs;
        let rounds = CYCLE.iter().cycle().enumerate().map_while(|(number, &policy)| {
            let runs = most.min(left);
            left -= runs;
            (runs > 0).then(|| Round { number: number + 1, policy, runs, rng: rng.fork() })
        });
        rounds.collect()
    }
}

/// As it is to be repeated.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to repeat: BES_CLEAN_SEED={} BES_CLEAN_RUNS={}", self.seed, self.runs)
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

/// What was done, and how often.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) runs: u64,
    pub(crate) whole: u64,
    pub(crate) onward: u64,
    pub(crate) deep: u64,
    /// Events that the runs read, each as often as it was read.
    pub(crate) read: u64,
    /// Runs whose clock had been turned back, and that found this, as they must.
    pub(crate) clock_found: u64,
    pub(crate) kills: u64,
    pub(crate) throttled: u64,
    pub(crate) steps: u64,
    /// Operations that were acknowledged, and that failed as they may.
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Events in the logs at the end, and those of them whose time is another than that of their table.
    pub(crate) events: u64,
    pub(crate) untimely: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, of: &Self) {
        let Self { runs, whole, onward, deep, read, clock_found, kills, .. } = of;
        let Self { throttled, steps, done, failed, events, untimely, .. } = of;
        self.runs += runs;
        self.whole += whole;
        self.onward += onward;
        self.deep += deep;
        self.read += read;
        self.clock_found += clock_found;
        self.kills += kills;
        self.throttled += throttled;
        self.steps += steps;
        self.done += done;
        self.failed += failed;
        self.events += events;
        self.untimely += untimely;
    }
}

/// What was done so far. If the test fails, says where.
pub(crate) struct Tally {
    plan: Plan,
    pub(crate) total: Counts,
    current: Option<(usize, Policy)>,
    tables: usize,
    begun: Instant,
    said: Instant,
}

impl Tally {
    pub(crate) fn new(plan: Plan) -> Self {
        let now = Instant::now();
        Self { plan, total: Counts::default(), current: None, tables: 0, begun: now, said: now }
    }

    pub(crate) fn begin(&mut self, round: &Round) {
        self.current = Some((round.number, round.policy));
    }

    pub(crate) fn end(&mut self, counts: Counts) {
        self.total.add(&counts);
        self.tables += 1;
        if self.said.elapsed() > Duration::from_secs(60) {
            self.said = Instant::now();
            say!("{} runs so far on {} tables, no finding", self.total.runs, self.tables);
        }
    }

    pub(crate) fn summary(&self, stepped: bool) -> String {
        let Counts { runs, whole, onward, deep, read, clock_found, kills, .. } = self.total;
        let Counts { throttled, steps, done, failed, events, untimely, .. } = self.total;
        let clocks = if stepped {
            format!(
                "{steps} clock steps ({untimely} events out of time, {clock_found} runs whose own clock went back said so)"
            )
        } else {
            "clocks NOT stepped, since libfaketime is not installed".to_owned()
        };
        format!(
            "{runs} runs (seed {}): no finding. {whole} whole, {onward} onward, {deep} deep, {read} events read, on {} \
             tables, in {} s. Meanwhile {done} operations done and {failed} failed, {kills} kills, {throttled} requests \
             refused, {clocks}. In the end {} logs with {events} events were clean, and each record had its event",
            self.plan.seed,
            self.tables,
            self.begun.elapsed().as_secs(),
            self.tables,
        )
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if thread::panicking() {
            say!("FAILED on table {:?}, after {} runs; {}", self.current, self.total.runs, self.plan);
        }
    }
}
