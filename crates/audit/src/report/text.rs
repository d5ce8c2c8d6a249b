//! A report as text, for people.

use std::fmt::{self, Write};

use data_encoding::HEXLOWER;

use super::{ChainReport, Report, Sequences, Verdict};
use crate::timestamp::timestamp_text;

/// The verdict, the findings, a line for each chain, and the sums.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = self.totals();
        let namespace = &self.namespace;
        match self.verdict() {
            Verdict::Verified if self.macs_checked => {
                writeln!(f, "verified: the log of {namespace} is sound")?
            }
            Verdict::Verified => {
                writeln!(
                    f,
                    "verified: the log of {namespace} fits together; without keys, MACs were not checked"
                )?;
            }
            Verdict::Incomplete if self.is_empty() => {
                writeln!(f, "incomplete: the log of {namespace} is empty")?;
            }
            verdict => {
                writeln!(f, "{verdict}: {} in the log of {namespace}", counted(totals.findings, "finding"))?;
            }
        }
        for finding in self.findings.listed() {
            writeln!(f, "  {finding}")?;
        }
        if self.findings.left_out() > 0 {
            writeln!(f, "  and {} more, not listed", self.findings.left_out())?;
        }
        for chain in &self.chains {
            writeln!(f, "{chain}")?;
        }
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{}, {}, {} bytes in {}; {seconds:.2} s, {} events/s; MACs {}",
            counted(totals.events, "event"),
            counted(totals.segments, "segment"),
            totals.bytes,
            counted(totals.chains, "chain"),
            self.events_per_second(),
            if self.macs_checked { "checked" } else { "not checked" },
        )
    }
}

/// One line.
impl fmt::Display for ChainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.chain)?;
        match (self.from, self.to) {
            (Some(first), Some(last)) => {
                write!(f, "{}, {}", Sequences { first, last }, counted(self.events, "event"))?;
            }
            _ => f.write_str("nothing sound")?,
        }
        if let Some(head) = self.head {
            write!(f, ", head {}…", HEXLOWER.encode(&head[..8]))?;
        }
        if let (Some(first), Some(last)) = (self.first_time, self.last_time) {
            write!(f, ", {} to {}", timestamp_text(first), timestamp_text(last))?;
        }
        if self.findings > 0 {
            write!(f, ", {}", counted(self.findings, "finding"))?;
        }
        Ok(())
    }
}

/// `1 event`, `2 events`.
fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Text from the table, shown so that it can neither break a line nor steer a terminal.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '"' | '\'' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_debug())?,
            }
        }
        Ok(())
    }
}
