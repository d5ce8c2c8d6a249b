//! The page: all that is said, in words, and the template that it goes into.
//!
//! Whatever comes from the log is text by somebody else. The template escapes every value; besides, what does not print is
//! escaped by [`plain`], so that nothing can turn the direction of the text around it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
};

use askama::Template;
use blue_encrypted_store::blue_audit::{CryptoOp, Finding, Outcome, Report, Totals, Verdict, address::Chain};
use data_encoding::HEXLOWER;
use time::OffsetDateTime;

use super::{
    Source, Verified,
    counts::Counts,
    plot::{self, Plot, kind_text},
    strip::{self, Strip},
};
use crate::{json::time_text, output::plain};

/// So many chains have a line each; of more chains, only those with findings.
const STRIPS: usize = 40;

/// What `report.html` is made of.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page<'a> {
    report: &'a Report,
    totals: Totals,
    verdict: Verdict,
    headline: String,
    meaning: &'static str,
    facts: Vec<(&'static str, String)>,
    findings: Vec<Row<'a>>,
    strips: Vec<Strip>,
    strips_left_out: usize,
    counts: Counts,
    kinds: Vec<(CryptoOp, Outcome, u64)>,
    plots: Vec<Titled>,
    marks_findings: bool,
}

/// A finding, with its number on this page.
struct Row<'a> {
    number: usize,
    finding: &'a Finding,
}

/// A plot, with what it shows.
struct Titled {
    id: &'static str,
    title: &'static str,
    summary: String,
    plot: Plot,
}

impl<'a> Page<'a> {
    pub(super) fn of(verified: &'a Verified) -> Self {
        let report = &verified.report;
        let (verdict, totals) = (report.verdict(), report.totals());
        let listed = report.findings.listed();
        let (strips, strips_left_out) = strips(verified);
        let counts = verified.counts.to_plot();
        let kinds = plot::kinds(&counts);
        let plots = plots(&counts, listed, &kinds);
        Self {
            report,
            totals,
            verdict,
            headline: headline(report),
            meaning: meaning(report),
            facts: facts(verified),
            findings: (1..).zip(listed).map(|(number, finding)| Row { number, finding }).collect(),
            strips,
            strips_left_out,
            marks_findings: plots.iter().any(|titled| !titled.plot.found.is_empty()),
            counts,
            kinds,
            plots,
        }
    }

    fn draws_checkpoint(&self) -> bool {
        self.strips.iter().any(|strip| strip.checkpoint.is_some())
    }

    /// What the bars stand for, such as `days`.
    fn units(&self) -> &'static str {
        self.counts.unit.noun(2)
    }

    /// The operations that there are, each with the number of its events.
    fn operations(&self) -> Vec<(CryptoOp, u64)> {
        let mut operations: Vec<(CryptoOp, u64)> = Vec::new();
        for &(operation, _, count) in &self.kinds {
            match operations.last_mut() {
                Some((last, sum)) if *last == operation => *sum += count,
                _ => operations.push((operation, count)),
            }
        }
        operations
    }

    /// The outcomes other than success that there are.
    fn bad_outcomes(&self) -> Vec<Outcome> {
        let there = |outcome: &&Outcome| self.kinds.iter().any(|(_, other, _)| other == *outcome);
        Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Success).filter(there).copied().collect()
    }

    fn kind_names(&self) -> Vec<String> {
        self.kinds.iter().map(|&(operation, outcome, _)| kind_text(operation, outcome)).collect()
    }

    /// The bars as a table.
    fn table(&self) -> Vec<(String, u64, Vec<u64>)> {
        let rows = self.counts.periods.iter().map(|(&number, tally)| {
            let cells: Vec<u64> = self.kinds.iter().map(|&(op, outcome, _)| tally.of(op, outcome)).collect();
            (self.counts.unit.label(number), cells.iter().sum(), cells)
        });
        rows.collect()
    }
}

impl Row<'_> {
    fn chain(&self) -> String {
        or_dash(self.finding.chain.as_ref().map(ToString::to_string))
    }

    fn sequences(&self) -> String {
        or_dash(self.finding.sequences.map(|sequences| sequences.to_string()))
    }

    fn time(&self) -> String {
        time(&self.finding.time)
    }

    fn resource(&self) -> String {
        or_dash(self.finding.resource.as_deref().map(plain))
    }

    fn what(&self) -> String {
        plain(&self.finding.what)
    }
}

fn headline(report: &Report) -> String {
    let totals = report.totals();
    match report.verdict() {
        Verdict::Verified if report.macs_checked => "Verified".to_owned(),
        Verdict::Verified => "Verified, MACs not checked".to_owned(),
        Verdict::Tampered => format!("Tampered: {}", counted(totals.findings, "finding")),
        Verdict::Incomplete if totals.findings == 0 => "Incomplete: the log is empty".to_owned(),
        Verdict::Incomplete => format!("Incomplete: {}", counted(totals.findings, "finding")),
    }
}

fn meaning(report: &Report) -> &'static str {
    match report.verdict() {
        Verdict::Verified if report.macs_checked => {
            "The log is sound: nothing in it is altered, missing, forked or planted."
        }
        Verdict::Verified => {
            "The log fits together: hashes, links and sequences are right. MACs were not checked, so this does not say who \
             wrote it."
        }
        Verdict::Tampered => {
            "The audit log, or the table, is not as it was written. Keep it as it is, and find out who could write to it."
        }
        Verdict::Incomplete if report.totals().findings == 0 => {
            "There is no event in it, so nothing was verified."
        }
        Verdict::Incomplete => {
            "What is there is sound, but the log is shorter than it was known to be, or a clock is wrong. If the table was \
             not restored from a backup, something was taken away."
        }
    }
}

fn facts(verified: &Verified) -> Vec<(&'static str, String)> {
    let report = &verified.report;
    let read = match &verified.read {
        Source::Table { name, id: Some(id) } => format!("the table {}, TableId {}", plain(name), plain(id)),
        Source::Table { name, id: None } => format!("the table {}", plain(name)),
        Source::Export(path) => {
            format!("an export, {}; of which table, it does not say", plain(&path.display().to_string()))
        }
    };
    let macs = match (&verified.read, report.macs_checked) {
        (_, true) => "checked: whoever wrote what is called sound here had the key of the log",
        (Source::Table { .. }, false) => {
            "not checked, for want of the key: whoever writes the table could have written another log that fits together"
        }
        (Source::Export(_), false) => {
            "not checked, since an export has none: whoever writes the file could have written another one that fits together"
        }
    };
    let records = match (&verified.read, verified.deep) {
        (_, true) => "each record and key item of the table was held against its events",
        (Source::Table { .. }, false) => "not held against their events; --deep does",
        (Source::Export(_), false) => "an export has none",
    };
    let checkpoint = match &verified.trusted {
        Some((checkpoint, path)) => format!(
            "compared with that of {}, of {} in {}, from {}. Had anything been cut off or written anew that it knows, it would \
             show here. What was appended later and cut off again would not.",
            time_text(checkpoint.time()),
            counted(checkpoint.events(), "event"),
            counted(counted_of(checkpoint.chains().len()), "chain"),
            plain(&path.display().to_string()),
        ),
        None => "compared with none. So a log that was cut short, or exchanged as a whole by somebody with the key, cannot be \
                 told from a sound one."
            .to_owned(),
    };
    let totals = report.totals();
    let seconds = report.took.as_secs_f64();
    vec![
        ("Namespace", report.namespace.to_string()),
        ("Read from", read),
        ("Verified at", format!("{}, in {seconds:.2} s, by this machine's clock", time_text(report.started))),
        (
            "Read",
            format!(
                "the whole log: {}, {}, {} in {}",
                counted(totals.events, "event"),
                counted(totals.segments, "segment"),
                counted(totals.bytes, "byte"),
                counted(totals.chains, "chain"),
            ),
        ),
        ("MACs", macs.to_owned()),
        ("Records", records.to_owned()),
        ("Checkpoint", checkpoint),
        ("Verified by", concat!("bes ", env!("CARGO_PKG_VERSION")).to_owned()),
    ]
}

/// The lines of the chains, and how many chains have none.
fn strips(verified: &Verified) -> (Vec<Strip>, usize) {
    let report = &verified.report;
    let mut of_chain: HashMap<&Chain, Vec<(usize, &Finding)>> = HashMap::new();
    for (number, finding) in (1..).zip(report.findings.listed()) {
        if let Some(chain) = &finding.chain {
            of_chain.entry(chain).or_default().push((number, finding));
        }
    }
    let known = verified.trusted.as_ref().map(|(checkpoint, _)| checkpoint.chains());
    let strips: Vec<Strip> = report
        .chains
        .iter()
        .filter(|chain| report.chains.len() <= STRIPS || chain.findings > 0)
        .map(|chain| {
            let known = known.and_then(|chains| chains.get(&chain.chain)).map(|head| head.next);
            Strip::of(chain, of_chain.get(&chain.chain).map_or(&[], Vec::as_slice), known)
        })
        .collect();
    let left_out = report.chains.len() - strips.len();
    (strips, left_out)
}

/// All events; and those that did not succeed by themselves, which beside the others are too few to be seen.
fn plots(counts: &Counts, findings: &[Finding], kinds: &[(CryptoOp, Outcome, u64)]) -> Vec<Titled> {
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut found: BTreeMap<i32, u64> = BTreeMap::new();
    for time in findings.iter().filter_map(|finding| finding.time) {
        *found.entry(counts.unit.number(time.date())).or_default() += 1;
    }
    let summary = |takes: &dyn Fn(Outcome) -> bool| {
        let taken = kinds.iter().filter(|(_, outcome, _)| takes(*outcome));
        let kinds: Vec<_> = taken
            .map(|&(operation, outcome, count)| {
                format!("{}: {}", kind_text(operation, outcome), grouped(count))
            })
            .collect();
        let periods = counts.periods.len();
        let range = match (counts.periods.first_key_value(), counts.periods.last_key_value()) {
            (Some((&first, _)), Some((&last, _))) if first != last => {
                format!("from {} to {}", counts.unit.label(first), counts.unit.label(last))
            }
            (Some((&only, _)), _) => format!("of {}", counts.unit.label(only)),
            (None, _) => String::new(),
        };
        format!(
            "Stacked bars {range}, {} {} with events. In all: {}.",
            grouped(counted_of(periods)),
            counts.unit.noun(periods),
            kinds.join("; ")
        )
    };
    let all = |_: Outcome| true;
    let bad = |outcome: Outcome| outcome != Outcome::Success;
    let mut plots = vec![Titled {
        id: "all",
        title: "All events",
        summary: summary(&all),
        plot: Plot::of(counts, &found, all),
    }];
    if kinds.iter().any(|&(_, outcome, _)| bad(outcome)) {
        plots.push(Titled {
            id: "bad",
            title: "Of these, what failed or was denied, on a scale of its own",
            summary: summary(&bad),
            plot: Plot::of(counts, &found, bad),
        });
    }
    plots
}

fn time(time: &Option<OffsetDateTime>) -> String {
    or_dash(time.map(time_text))
}

fn hash(hash: &Option<[u8; 32]>) -> String {
    or_dash(hash.map(|hash| HEXLOWER.encode(&hash)))
}

fn sequence(sequence: &Option<u64>) -> String {
    or_dash(sequence.map(|sequence| sequence.to_string()))
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// `1 event`, `1,234 events`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

fn counted_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A whole number with a comma before each three digits. The template hands over references to references.
pub(super) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let texts = [0, 999, 1_000, 1_234_567, u64::MAX].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
    }
}
