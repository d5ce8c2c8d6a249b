//! What a verification can find, and what that comes to.

use std::fmt;

use blue_address::Chain;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use time::OffsetDateTime;

use super::text::Plain;
use crate::timestamp::timestamp_text;

/// What kind of thing was found. docs/audit.md of the repository has the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// Stored bytes are not those that were hashed, or not those of their place.
    Altered,
    /// Events that must have been there are not.
    Missing,
    /// Two histories: what follows does not follow what is there, or lies over it.
    Fork,
    /// A chain ends before what was known of it.
    Truncated,
    /// A chain that is known has no segment.
    VanishedChain,
    /// It is of another chain, or under a key that is none of the store's.
    Foreign,
    /// All fits together, but whoever wrote it did not have the key.
    Mac,
    /// It is no segment, or its events are none.
    Malformed,
    /// The clock of this machine or of the baseline is wrong.
    Clock,
    /// A record is older than its last event.
    StaleRecord,
    /// A record is gone and no event tells of it.
    UnloggedDelete,
    /// A record is there and no event tells of it.
    UnloggedRecord,
    /// A record that was deleted is there.
    RestoredRecord,
    /// A key item or tombstone does not fit the events.
    KeyItem,
}

impl Class {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::Altered,
        Self::Missing,
        Self::Fork,
        Self::Truncated,
        Self::VanishedChain,
        Self::Foreign,
        Self::Mac,
        Self::Malformed,
        Self::Clock,
        Self::StaleRecord,
        Self::UnloggedDelete,
        Self::UnloggedRecord,
        Self::RestoredRecord,
        Self::KeyItem,
    ];

    /// The word that stands for it in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Missing => "missing",
            Self::Fork => "fork",
            Self::Truncated => "truncated",
            Self::VanishedChain => "vanished-chain",
            Self::Foreign => "foreign",
            Self::Mac => "mac",
            Self::Malformed => "malformed",
            Self::Clock => "clock",
            Self::StaleRecord => "stale-record",
            Self::UnloggedDelete => "unlogged-delete",
            Self::UnloggedRecord => "unlogged-record",
            Self::RestoredRecord => "restored-record",
            Self::KeyItem => "key-item",
        }
    }

    /// What a finding of this class comes to by itself: a log that is only shorter than it was known to be, or that
    /// cannot be dated, is incomplete; everything else is tampering.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Truncated | Self::VanishedChain | Self::Clock => Verdict::Incomplete,
            _ => Verdict::Tampered,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a verification came to, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing was found, and something was verified.
    Verified,
    /// The log is empty, or shorter than it was known to be.
    Incomplete,
    /// Something was changed, taken out or put in.
    Tampered,
}

impl Verdict {
    /// The word that stands for it in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Tampered => "tampered",
            Self::Incomplete => "incomplete",
        }
    }

    /// The exit code of a command that verifies: 0, 1 or 2. 3, could not run, is a [`crate::VerifyError`].
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Tampered => 1,
            Self::Incomplete => 2,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Consecutive places in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Sequences {
    /// The first.
    pub first: u64,
    /// The last, not less than the first.
    pub last: u64,
}

impl Sequences {
    /// One place.
    #[must_use]
    pub fn one(sequence: u64) -> Self {
        Self { first: sequence, last: sequence }
    }
}

impl fmt::Display for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub class: Class,
    /// In which chain, if in one.
    pub chain: Option<Chain>,
    /// At which places of the chain, if that can be said.
    pub sequences: Option<Sequences>,
    /// When, as far as is known: the time of the nearest event that was read.
    pub time: Option<OffsetDateTime>,
    /// What it is about, as events name it, if it is about one thing. Not to be shown on a terminal as it is.
    pub resource: Option<String>,
    /// What exactly, in a few words. Not to be shown on a terminal as it is; [`Finding`]'s own text may be.
    pub what: String,
}

impl Finding {
    /// A finding of which nothing but this is said.
    #[must_use]
    pub fn new(class: Class, what: impl Into<String>) -> Self {
        Self { class, chain: None, sequences: None, time: None, resource: None, what: what.into() }
    }
}

/// One line, which no stored text can break or colour: what does not print is escaped.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.class)?;
        if let Some(chain) = &self.chain {
            write!(f, " {chain}")?;
        }
        if let Some(sequences) = self.sequences {
            write!(f, " {sequences}")?;
        }
        if let Some(resource) = &self.resource {
            write!(f, " {}", Plain(resource))?;
        }
        write!(f, ": {}", Plain(&self.what))?;
        match self.time {
            Some(time) => write!(f, " (about {})", timestamp_text(time)),
            None => Ok(()),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Finding", 6)?;
        out.serialize_field("class", &self.class)?;
        out.serialize_field("chain", &self.chain.as_ref().map(Chain::as_str))?;
        out.serialize_field("sequences", &self.sequences)?;
        out.serialize_field("time", &self.time.map(timestamp_text))?;
        out.serialize_field("resource", &self.resource)?;
        out.serialize_field("what", &self.what)?;
        out.end()
    }
}

/// What was found, listed up to a limit: whoever can write the table could otherwise fill a verifier's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    listed: Vec<Finding>,
    limit: usize,
    left_out: u64,
    worst: Verdict,
}

impl Findings {
    /// None yet, and at most `limit` to be listed.
    #[must_use]
    pub fn up_to(limit: usize) -> Self {
        Self { listed: Vec::new(), limit, left_out: 0, worst: Verdict::Verified }
    }

    /// Adds one. Beyond the limit it counts and weighs, but is not listed.
    pub fn add(&mut self, finding: Finding) {
        self.worst = self.worst.max(finding.class.verdict());
        if self.listed.len() < self.limit {
            self.listed.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    /// Those that are listed.
    #[must_use]
    pub fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// How many there are besides those listed.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        super::counted(self.listed.len()).saturating_add(self.left_out)
    }

    /// What they come to: [`Verdict::Verified`] if there are none.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        self.worst
    }

    /// Adds all of `others`, in their order.
    pub(crate) fn append(&mut self, others: Self) {
        self.worst = self.worst.max(others.worst);
        self.left_out += others.left_out;
        others.listed.into_iter().for_each(|finding| self.add(finding));
    }

    /// The last one, if it is listed.
    pub(crate) fn last_mut(&mut self) -> Option<&mut Finding> {
        self.listed.last_mut().filter(|_| self.left_out == 0)
    }
}
