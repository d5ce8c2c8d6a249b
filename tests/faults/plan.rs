//! What is killed, and when: a function of the seed.

use std::{env, fmt, sync::OnceLock, thread, time::Duration};

use blue_tests::Keys;
use fastrand::Rng;

/// How many kills a run has unless `BES_FAULT_KILLS` says otherwise: fit for every run of the tests.
pub(crate) const KILLS: u32 = 12;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Writes,
    Import,
    Reset,
    Database,
}

/// As `BES_FAULT_KINDS` names it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writes => "writes",
            Self::Import => "import",
            Self::Reset => "reset",
            Self::Database => "database",
        })
    }
}

/// The lives of stores, in turn, each with the number of kills it goes through.
const CYCLE: [(Kind, u32); 4] = [(Kind::Writes, 4), (Kind::Import, 2), (Kind::Reset, 2), (Kind::Database, 2)];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kills: u32,
}

/// One store that is used, killed, looked at, and used again.
pub(crate) struct Life {
    pub(crate) kind: Kind,
    pub(crate) kills: u32,
    pub(crate) rng: Rng,
}

impl Plan {
    pub(crate) fn from_env() -> Self {
        static RANDOM: OnceLock<u64> = OnceLock::new();
        let seed = number("BES_FAULT_SEED").unwrap_or_else(|| *RANDOM.get_or_init(|| fastrand::u64(..)));
        let kills = number("BES_FAULT_KILLS").unwrap_or(u64::from(KILLS));
        Self { seed, kills: u32::try_from(kills).expect("BES_FAULT_KILLS is a small number") }
    }

    pub(crate) fn lives(self) -> Vec<Life> {
        let mut rng = Rng::with_seed(self.seed);
        let mut left = self.kills;
        let wanted = kinds();
        let cycle: Vec<_> = CYCLE.into_iter().filter(|(kind, _)| wanted.contains(kind)).collect();
        let lives = cycle.iter().cycle().map_while(|&(kind, kills)| {
            let kills = kills.min(left);
            left -= kills;
            (kills > 0).then(|| Life { kind, kills, rng: rng.fork() })
        });
        lives.collect()
    }
}

/// As it is to be repeated.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = Keys::of_this_run().name();
        write!(f, "to repeat: BES_KEYS={keys} BES_FAULT_SEED={} BES_FAULT_KILLS={}", self.seed, self.kills)?;
        let kinds = kinds();
        if kinds.len() == CYCLE.len() {
            return Ok(());
        }
        write!(f, " BES_FAULT_KINDS={}", names(&kinds))
    }
}

/// The kinds that are wanted: those of `BES_FAULT_KINDS`, or all that there are with the keys of this run.
fn kinds() -> Vec<Kind> {
    let mut all = CYCLE.map(|(kind, _)| kind).to_vec();
    all.retain(|&kind| kind != Kind::Reset || Keys::of_this_run() == Keys::Local);
    let wanted = env::var("BES_FAULT_KINDS").unwrap_or_default();
    let wanted: Vec<_> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if wanted.is_empty() {
        return all;
    }
    let kind = |name: &str| all.iter().copied().find(|kind| kind.to_string() == name.to_lowercase());
    let unknown = |name| panic!("BES_FAULT_KINDS names {name:?}; the kinds are {}", names(&all));
    wanted.into_iter().map(|name| kind(name).unwrap_or_else(|| unknown(name))).collect()
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after its first request.
    Clock(Duration),
    /// So long after so many acknowledgements.
    Acknowledged(u64, Duration),
    /// When so many requests went through before this one, and it is not let through, or is carried out.
    Request { before: u32, carried_out: bool },
}

impl Moment {
    /// Within the first so many requests, or so much time.
    pub(crate) fn within(rng: &mut Rng, requests: u32, time: Duration) -> Self {
        if rng.u8(0..3) == 0 {
            Self::Clock(time.mul_f64(rng.f64()))
        } else {
            Self::Request { before: rng.u32(0..requests), carried_out: rng.bool() }
        }
    }

    /// Within the first so many acknowledgements.
    pub(crate) fn after_some(rng: &mut Rng, acknowledged: u64) -> Self {
        Self::Acknowledged(rng.u64(0..acknowledged), Duration::from_micros(rng.u64(0..4_000)))
    }
}

/// What was done so far. If the test fails, says where.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kills: Vec<Kind>,
    current: Option<Kind>,
    checked: u64,
}

impl Tally {
    pub(crate) fn begin(&mut self, kind: Kind) {
        self.current = Some(kind);
    }

    /// What came of it, in a line.
    pub(crate) fn summary(&self, plan: Plan) -> String {
        let of = |kind| self.kills.iter().filter(|&&killed| killed == kind).count();
        // Anything lost or torn has ended the test before.
        format!(
            "{} kills (seed {}): 0 lost, 0 torn, {} acknowledged operations checked \
             (killed: writes {}, import {}, reset {}, database {})",
            self.kills(),
            plan.seed,
            self.checked,
            of(Kind::Writes),
            of(Kind::Import),
            of(Kind::Reset),
            of(Kind::Database)
        )
    }

    /// One more kill, after which all was as it must be.
    pub(crate) fn survived(&mut self) {
        self.kills.extend(self.current);
        if self.kills.len().is_multiple_of(25) {
            say!("{} kills so far", self.kills.len());
        }
    }

    /// So many acknowledged operations more whose effects were compared.
    pub(crate) fn checked(&mut self, acknowledged: u64) {
        self.checked += acknowledged;
    }

    pub(crate) fn kills(&self) -> u32 {
        u32::try_from(self.kills.len()).unwrap()
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if thread::panicking() {
            say!("FAILED at kill {}, of {:?}", self.kills() + 1, self.current);
        }
    }
}
