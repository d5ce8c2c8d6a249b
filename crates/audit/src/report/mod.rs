//! What a verification reports: findings, how far each chain was followed, and what it all comes to.

mod finding;
mod text;

use std::{collections::BTreeMap, time::Duration};

use blue_address::{Chain, Namespace, Tenant};
use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use time::OffsetDateTime;

pub use finding::{Class, Finding, Findings, Sequences, Verdict};

use crate::{Baseline, timestamp::timestamp_text};

/// The outcome of a verification. As text it says what matters on its first line; as JSON it has the field names that
/// docs/audit.md of the repository lists.
#[derive(Debug, Clone)]
pub struct Report {
    /// Whose log it is.
    pub namespace: Namespace,
    /// Whether MACs were checked, which takes the audit keys.
    pub macs_checked: bool,
    /// Whether all of each chain was read, not only what lies behind the baseline.
    pub full: bool,
    /// When it began, by this machine's clock.
    pub started: OffsetDateTime,
    /// How long it took.
    pub took: Duration,
    /// What was found: by chain, in the order of its sequences. Other checks may add theirs.
    pub findings: Findings,
    /// The chains that have segments or findings, by name.
    pub chains: Vec<ChainReport>,
    /// How far the log is known now. A chain that has findings stays where it was trusted before, or at its beginning.
    pub reached: Baseline,
    /// The tenants that were shredded by what was read, and when: the first time, if it was done again.
    pub shredded: BTreeMap<Tenant, OffsetDateTime>,
}

/// How far one chain was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Its name.
    pub chain: Chain,
    /// The first sequence that was read and is sound.
    pub from: Option<u64>,
    /// The last one.
    pub to: Option<u64>,
    /// The sequence that comes next.
    pub next: u64,
    /// The hash of the last event; `None` if there is none, or what lies at the end is not sound.
    pub head: Option<[u8; 32]>,
    /// The time of the first sound event that was read.
    pub first_time: Option<OffsetDateTime>,
    /// The time of the last one.
    pub last_time: Option<OffsetDateTime>,
    /// How many sound segments were read.
    pub segments: u64,
    /// How many sound events they hold.
    pub events: u64,
    /// How many bytes of events that is.
    pub bytes: u64,
    /// How many findings there are in it.
    pub findings: u64,
}

/// The sums over all chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Chains that have segments or findings.
    pub chains: u64,
    /// Sound segments that were read.
    pub segments: u64,
    /// Sound events that they hold.
    pub events: u64,
    /// Bytes of events.
    pub bytes: u64,
    /// Findings, those left out included.
    pub findings: u64,
}

impl Report {
    /// What it comes to: tampered if any finding is tampering, else incomplete if there is any finding or nothing was
    /// there to verify, else verified.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.findings.worst() {
            Verdict::Verified if self.is_empty() => Verdict::Incomplete,
            worst => worst,
        }
    }

    /// The sums over all chains.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let none = Totals {
            chains: counted(self.chains.len()),
            findings: self.findings.count(),
            ..Totals::default()
        };
        self.chains.iter().fold(none, |sum, chain| Totals {
            segments: sum.segments + chain.segments,
            events: sum.events + chain.events,
            bytes: sum.bytes + chain.bytes,
            ..sum
        })
    }

    /// Events per second, over all that it took.
    #[must_use]
    pub fn events_per_second(&self) -> u64 {
        let events = u128::from(self.totals().events) * 1_000_000;
        u64::try_from(events / self.took.as_micros().max(1)).unwrap_or(u64::MAX)
    }

    /// Whether there was nothing at all: no sound segment, and nothing that is not sound.
    fn is_empty(&self) -> bool {
        self.totals().segments == 0 && self.findings.count() == 0
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Report", 11)?;
        out.serialize_field("verdict", &self.verdict())?;
        out.serialize_field("namespace", self.namespace.as_str())?;
        out.serialize_field("macs_checked", &self.macs_checked)?;
        out.serialize_field("full", &self.full)?;
        out.serialize_field("started", &timestamp_text(self.started))?;
        out.serialize_field("seconds", &self.took.as_secs_f64())?;
        out.serialize_field("events_per_second", &self.events_per_second())?;
        out.serialize_field("totals", &self.totals())?;
        out.serialize_field("findings", self.findings.listed())?;
        out.serialize_field("findings_left_out", &self.findings.left_out())?;
        out.serialize_field("chains", &self.chains)?;
        out.end()
    }
}

impl Serialize for ChainReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("ChainReport", 11)?;
        out.serialize_field("chain", self.chain.as_str())?;
        out.serialize_field("from", &self.from)?;
        out.serialize_field("to", &self.to)?;
        out.serialize_field("next", &self.next)?;
        out.serialize_field("head", &self.head.map(|head| HEXLOWER.encode(&head)))?;
        out.serialize_field("first_time", &self.first_time.map(timestamp_text))?;
        out.serialize_field("last_time", &self.last_time.map(timestamp_text))?;
        out.serialize_field("segments", &self.segments)?;
        out.serialize_field("events", &self.events)?;
        out.serialize_field("bytes", &self.bytes)?;
        out.serialize_field("findings", &self.findings)?;
        out.end()
    }
}

fn counted(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
