//! Verification: every hash, link, sequence and MAC of a log, the set of its chains, and where it stands against what was
//! known of it before.
//!
//! - [`verify`] reads a whole log and makes a [`Report`].
//! - [`ChainReader`] reads one chain and gives what it finds, in order.

mod baseline;
mod chain;
mod check;
mod follow;
mod opened;
mod reader;

use std::{collections::BTreeMap, fmt, num::NonZeroUsize, sync::Arc, thread, time::Instant};

use blue_address::{Chain, Namespace, Tenant};
use time::{Duration, OffsetDateTime, UtcOffset};
use tokio::task::{JoinError, JoinSet};

pub use baseline::Baseline;
pub use check::{Checks, ReadSegment};
pub use reader::{ChainReader, Start, Step};

use crate::{AuditKeys, Cause, Class, Events, Finding, Findings, Report, SegmentSource};

/// How a log is to be verified.
#[derive(Clone)]
pub struct VerifyOptions {
    /// Whose log it is.
    pub namespace: Namespace,
    /// The store's audit keys. Without them MACs are not checked, and the report says so.
    pub keys: Option<AuditKeys>,
    /// What was known of the log before.
    pub trusted: Option<Baseline>,
    /// Whether to read all of each chain, though a baseline would spare most of it.
    pub full: bool,
    /// Chains to verify besides `main`, `registry`, those that `registry` names and those of the baseline. They have to
    /// exist.
    pub chains: Vec<Chain>,
    /// How many chains are read at once, and about how many pages are checked at once. Up to two pages more for each
    /// chain are fetched and held meanwhile; one of DynamoDB has at most 1 MB.
    pub parallelism: NonZeroUsize,
    /// How many findings the report lists. Beyond that they are counted.
    pub listed_findings: usize,
    /// Which table it is, if the service says: for the baseline that is reached.
    pub table_id: Option<String>,
    /// Sees everything as it is read.
    pub observer: Option<Arc<dyn Observer>>,
}

impl VerifyOptions {
    /// No baseline, no further chains, as many at once as there are cores.
    #[must_use]
    pub fn new(namespace: Namespace, keys: Option<AuditKeys>) -> Self {
        Self {
            namespace,
            keys,
            trusted: None,
            full: false,
            chains: Vec::new(),
            parallelism: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            listed_findings: 10_000,
            table_id: None,
            observer: None,
        }
    }
}

impl fmt::Debug for VerifyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyOptions")
            .field("namespace", &self.namespace)
            .field("keys", &self.keys)
            .field("trusted", &self.trusted)
            .field("full", &self.full)
            .field("chains", &self.chains)
            .field("parallelism", &self.parallelism)
            .field("listed_findings", &self.listed_findings)
            .field("table_id", &self.table_id)
            .finish_non_exhaustive()
    }
}

/// Sees a log while it is verified: to show progress, or to look at the events. The events of one chain come in order,
/// those of several chains at the same time.
pub trait Observer: Send + Sync {
    /// A segment was read that is sound.
    fn segment(&self, chain: &Chain, events: Events<'_>) {
        let _ = (chain, events);
    }

    /// Something was found.
    fn finding(&self, finding: &Finding) {
        let _ = finding;
    }
}

/// Why a log could not be verified. It says nothing about the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The source of the segments did not answer.
    #[error("the chain {chain} could not be read")]
    Source {
        /// Which chain was being read.
        chain: Chain,
        /// What kept the source from answering.
        source: Cause,
    },
    /// The source answered with a page that leads back, so that reading would never end.
    #[error("the chain {chain} could not be read: a page of it leads back")]
    Astray {
        /// Which chain was being read.
        chain: Chain,
    },
    /// The runtime is shutting down.
    #[error("the runtime is shutting down")]
    Stopped,
}

impl VerifyError {
    /// A task that did not end by itself: its panic goes on here.
    fn of_task(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Self::Stopped,
        }
    }
}

/// How far in the future a baseline may lie before a clock is wrong.
const CLOCK_TOLERANCE: Duration = Duration::minutes(5);

/// The chain of a store whose writers share one.
const MAIN: &str = "main";

/// Verifies a log: `main`, `registry`, all chains that `registry` names, those of the baseline and those asked for.
///
/// With a baseline each chain is read from its end as it was known, else from its beginning. What is appended meanwhile
/// may be seen or not. It runs within a Tokio runtime.
///
/// # Errors
/// [`VerifyError`]: the log could not be read. Whatever was read and is not as it should be is in the report.
pub async fn verify(source: Arc<dyn SegmentSource>, options: &VerifyOptions) -> Result<Report, VerifyError> {
    let (started, clock) = (OffsetDateTime::now_utc(), Instant::now());
    let mut findings = Findings::up_to(options.listed_findings);
    if let Some(finding) = clock_finding(options, started) {
        if let Some(observer) = &options.observer {
            observer.finding(&finding);
        }
        findings.add(finding);
    }
    let mut outcomes = verify_chains(&source, options).await?;
    outcomes.sort_by(|a, b| a.report.chain.cmp(&b.report.chain));

    let (mut chains, mut reached, mut shredded) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for outcome in outcomes {
        // That these two are not there yet is no knowledge.
        if outcome.reached.next > 0 || ![MAIN, opened::REGISTRY].contains(&outcome.report.chain.as_str()) {
            reached.insert(outcome.report.chain.clone(), outcome.reached);
        }
        if outcome.report.segments > 0 || outcome.report.findings > 0 {
            chains.push(outcome.report);
        }
        findings.append(outcome.findings);
        for (tenant, time) in outcome.shredded {
            note_first(&mut shredded, tenant, time);
        }
    }
    Ok(Report {
        namespace: options.namespace.clone(),
        macs_checked: options.keys.is_some(),
        full: options.full || options.trusted.is_none(),
        started,
        took: clock.elapsed(),
        findings,
        chains,
        reached: Baseline { chains: reached, time: started, table_id: options.table_id.clone() },
        shredded,
    })
}

/// Notes when a tenant was shredded, unless it was so before.
fn note_first(shredded: &mut BTreeMap<Tenant, OffsetDateTime>, tenant: Tenant, time: OffsetDateTime) {
    let first = shredded.entry(tenant).or_insert(time);
    *first = time.min(*first);
}

fn clock_finding(options: &VerifyOptions, now: OffsetDateTime) -> Option<Finding> {
    let trusted = options.trusted.as_ref()?;
    let ahead = trusted.time - now;
    (ahead > CLOCK_TOLERANCE).then(|| {
        let what = format!(
            "the baseline lies {} s in the future: it, or this machine's clock, is wrong",
            ahead.whole_seconds()
        );
        Finding { time: trusted.time.checked_to_offset(UtcOffset::UTC), ..Finding::new(Class::Clock, what) }
    })
}

/// Verifies the registry, and then all chains that are known by then, some at a time.
async fn verify_chains(
    source: &Arc<dyn SegmentSource>,
    options: &VerifyOptions,
) -> Result<Vec<chain::Outcome>, VerifyError> {
    let mut expected = expected_chains(options);
    let registry = Chain::new(opened::REGISTRY).expect("it is a name");
    let why = expected.remove(&registry).flatten();
    let whole = options.parallelism;
    let registry = task(source, options, registry, why, reader::window(whole, 1)).run().await?;
    for chain in &registry.opened {
        if *chain != registry.report.chain {
            expected.entry(chain.clone()).or_default().get_or_insert("the registry names it");
        }
    }

    let at_once = whole.get().min(expected.len()).max(1);
    let pages = reader::window(whole, at_once);
    let mut waiting =
        expected.into_iter().map(|(chain, expected)| task(source, options, chain, expected, pages).run());
    let mut outcomes = vec![registry];
    let mut running = JoinSet::new();
    waiting.by_ref().take(at_once).for_each(|run| {
        running.spawn(run);
    });
    while let Some(outcome) = running.join_next().await {
        outcomes.push(outcome.map_err(VerifyError::of_task)??);
        if let Some(run) = waiting.next() {
            running.spawn(run);
        }
    }
    Ok(outcomes)
}

/// The chains that are known beforehand, each with the reason why it has to exist, if it has to.
fn expected_chains(options: &VerifyOptions) -> BTreeMap<Chain, Option<&'static str>> {
    let mut expected: BTreeMap<_, Option<&'static str>> = BTreeMap::new();
    // A new log has neither of these, and a log may never have a registry.
    for always in [MAIN, opened::REGISTRY] {
        expected.insert(Chain::new(always).expect("it is a name"), None);
    }
    let trusted = options.trusted.iter().flat_map(|trusted| &trusted.chains);
    for (chain, head) in trusted {
        let reason = (head.next > 0 || !expected.contains_key(chain)).then_some("it was known before");
        *expected.entry(chain.clone()).or_default() = reason;
    }
    for chain in &options.chains {
        expected.entry(chain.clone()).or_default().get_or_insert("it was asked for");
    }
    expected
}

fn task(
    source: &Arc<dyn SegmentSource>,
    options: &VerifyOptions,
    chain: Chain,
    expected: Option<&'static str>,
    pages_in_flight: NonZeroUsize,
) -> chain::Task {
    let trusted = options.trusted.as_ref().and_then(|trusted| trusted.chains.get(&chain).copied());
    chain::Task {
        source: Arc::clone(source),
        checks: Checks { namespace: options.namespace.clone(), keys: options.keys.clone() },
        chain,
        trusted,
        full: options.full,
        expected,
        pages_in_flight,
        listed_findings: options.listed_findings,
        observer: options.observer.clone(),
    }
}
