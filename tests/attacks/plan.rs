//! How often each class is tried, and where: a function of the seed; and what came of it.

use std::{
    collections::BTreeMap,
    env, fmt,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::corpus::Attack;

/// How often each class is tried unless `BES_ATTACKS_POSITIONS` says otherwise: fit for every run of the tests.
pub(crate) const POSITIONS: u32 = 5;

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) positions: u32,
    seed: u64,
    only: String,
}

impl Plan {
    pub(crate) fn from_env() -> Self {
        let positions = number("BES_ATTACKS_POSITIONS").unwrap_or_else(|| u64::from(POSITIONS));
        Self {
            positions: u32::try_from(positions).expect("BES_ATTACKS_POSITIONS is a small number"),
            seed: number("BES_ATTACKS_SEED").unwrap_or_else(|| fastrand::u64(..)),
            only: env::var("BES_ATTACKS_ONLY").unwrap_or_default(),
        }
    }

    pub(crate) fn rng(&self) -> Rng {
        Rng::with_seed(self.seed)
    }

    pub(crate) fn wanted(&self, mut corpus: Vec<Attack>) -> Vec<Attack> {
        corpus.retain(|attack| attack.name.contains(&self.only));
        assert!(!corpus.is_empty() && self.positions > 0, "nothing is attacked: {self}");
        corpus
    }
}

/// As it is to be repeated.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to repeat: BES_ATTACKS_SEED={} BES_ATTACKS_POSITIONS={}", self.seed, self.positions)?;
        if self.only.is_empty() { Ok(()) } else { write!(f, " BES_ATTACKS_ONLY={:?}", self.only) }
    }
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

/// What one attack came to: `Err` says what was found instead of what had to be.
pub(crate) type Outcome = Result<(), String>;

#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    said: Instant,
    /// How often each class was tried, and found as it had to be.
    classes: BTreeMap<String, (u64, u64)>,
    failures: Vec<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let now = Instant::now();
        Self { begun: now, said: now, classes: BTreeMap::new(), failures: Vec::new() }
    }
}

impl Tally {
    pub(crate) fn count(&mut self, name: &str, outcome: Outcome) {
        let (tried, found) = self.classes.entry(name.to_owned()).or_default();
        *tried += 1;
        match outcome {
            Ok(()) => *found += 1,
            Err(what) => self.failures.push(format!("{name}, attempt {tried}: {what}")),
        }
        if self.said.elapsed() > Duration::from_secs(60) {
            self.said = Instant::now();
            say!("{} attacks so far, {} not found as they had to be", self.attacks(), self.failures.len());
        }
    }

    pub(crate) fn attacks(&self) -> u64 {
        self.classes.values().map(|(tried, _)| tried).sum()
    }

    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(crate) fn summary(&self, plan: &Plan) -> String {
        let found: u64 = self.classes.values().map(|(_, found)| found).sum();
        let missed = self.classes.iter().filter(|(_, (tried, found))| tried != found);
        let missed: String =
            missed.map(|(name, (tried, found))| format!("; {name}: {found} of {tried}")).collect();
        format!(
            "{} classes, {} attacks (seed {}): {found} found under their class, with nothing else, and clean again \
             when undone, in {} s{missed}",
            self.classes.len(),
            self.attacks(),
            plan.seed,
            self.begun.elapsed().as_secs()
        )
    }
}
