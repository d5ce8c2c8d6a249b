//! What became of the cases of one source.

use std::collections::BTreeMap;
use std::fmt::Write;

/// How a case passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It gave the known answer.
    Answered,
    /// It was refused, as it must be.
    Refused,
}

/// What a source must come to. A case out of profile stands under the reason why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u32,
    pub(crate) refused: u32,
    pub(crate) out_of_profile: BTreeMap<&'static str, u32>,
}

/// Counts the cases of one source.
pub(crate) struct Tally {
    source: &'static str,
    counts: Counts,
    failures: Vec<String>,
}

impl Tally {
    pub(crate) fn of(source: &'static str) -> Self {
        Self { source, counts: Counts::default(), failures: Vec::new() }
    }

    /// One case that was run.
    pub(crate) fn ran(&mut self, case: &str, outcome: Result<Passed, String>) {
        match outcome {
            Ok(Passed::Answered) => self.counts.answered += 1,
            Ok(Passed::Refused) => self.counts.refused += 1,
            Err(reason) => self.failures.push(format!("{case}: {reason}")),
        }
    }

    /// One case that the envelope's profile does not have.
    pub(crate) fn out_of_profile(&mut self, reason: &'static str) {
        *self.counts.out_of_profile.entry(reason).or_default() += 1;
    }

    /// Prints the line that `cargo xtask kat` reads: source, run, passed, refused among those, out of profile, why.
    ///
    /// # Panics
    /// If a case failed, or the counts are others.
    pub(crate) fn must_be(self, answered: u32, refused: u32, out_of_profile: &[(&'static str, u32)]) {
        let Self { source, counts, failures } = self;
        let passed = counts.answered + counts.refused;
        let failed = u32::try_from(failures.len()).unwrap();
        let out: u32 = counts.out_of_profile.values().sum();
        let mut why = String::new();
        for (reason, count) in &counts.out_of_profile {
            let comma = if why.is_empty() { "" } else { ", " };
            write!(why, "{comma}{reason}: {count}").unwrap();
        }
        println!("kat | {source} | {} | {passed} | {} | {out} | {why}", passed + failed, counts.refused);
        let shown = failures.iter().take(10).fold(String::new(), |shown, failure| shown + "\n" + failure);
        assert!(failures.is_empty(), "{source}: {failed} of {} cases failed:{shown}", passed + failed);
        let expected = Counts { answered, refused, out_of_profile: out_of_profile.iter().copied().collect() };
        assert_eq!(counts, expected, "{source}: other counts than the source has");
    }
}

/// An error that shows both sides in hexadecimal.
pub(crate) fn equal(what: &str, found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let show = |bytes: &[u8]| {
        let cut = &bytes[..bytes.len().min(64)];
        format!(
            "{}{} ({} bytes)",
            hex::encode(cut),
            if cut.len() < bytes.len() { "…" } else { "" },
            bytes.len()
        )
    };
    Err(format!("{what} is {}, expected {}", show(found), show(expected)))
}

#[test]
#[should_panic(expected = "2 of 3 cases failed")]
fn a_failure_is_never_swallowed() {
    let mut tally = Tally::of("a source");
    tally.ran("first", Err("wrong".to_owned()));
    tally.ran("second", Ok(Passed::Answered));
    tally.ran("third", Err("wrong".to_owned()));
    tally.must_be(1, 0, &[]);
}

#[test]
#[should_panic(expected = "other counts")]
fn a_case_that_is_gone_is_missed() {
    let mut tally = Tally::of("a source");
    tally.ran("first", Ok(Passed::Answered));
    tally.out_of_profile("short");
    tally.must_be(1, 0, &[("short", 2)]);
}
