//! `kat`: runs the known-answer tests and shows, for each source, what it came to.
//!
//! The tests assert their counts themselves. Here they are only shown, and a source that said nothing is missed.

use std::process::Command;

use anyhow::{Context, ensure};
use comfy_table::{CellAlignment, Table, presets};

/// What the tests in `tests/crypto` are made of. One that prints no line is a failure.
const SOURCES: [&str; 8] = [
    "NIST CAVP gcmEncryptExtIV256.rsp",
    "NIST CAVP gcmDecrypt256.rsp",
    "RFC 5869 appendix A, SHA-256",
    "Wycheproof AES-GCM",
    "Wycheproof HKDF-SHA-256",
    "Python, tests/vectors/envelope",
    "Python, tests/vectors/keys",
    "Python, tests/vectors/audit",
];

/// One source's line. All but the source are counts; `refused` are among those passed.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    source: String,
    run: u32,
    passed: u32,
    refused: u32,
    out_of_profile: u32,
    why: String,
}

/// Runs the tests, prints the table, and fails if any test did.
pub(crate) fn run() -> anyhow::Result<()> {
    // Built apart, so that what cargo says meanwhile is seen, and the tests' own words are kept for a failure.
    let built = tests(&["--no-run"]).status().context("cargo")?;
    ensure!(built.success(), "the known-answer tests do not build ({built})");
    // Refusals by panic are among the answers; their backtraces say nothing.
    let output =
        tests(&["--", "kat_", "--nocapture"]).env("RUST_BACKTRACE", "0").output().context("cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let lines = read(&text)?;
    println!("{}", table(&lines));
    ensure!(output.status.success(), "the known-answer tests failed ({})", output.status);
    check(&lines)
}

fn tests(arguments: &[&str]) -> Command {
    let mut cargo = crate::cargo();
    cargo.args(["test", "--locked", "--package", "blue-tests", "--no-default-features", "--test", "crypto"]);
    cargo.args(arguments);
    cargo
}

/// The lines between whatever else the tests print, in the order of [`SOURCES`].
fn read(text: &str) -> anyhow::Result<Vec<Line>> {
    // With a single thread the harness leaves the name of the test before what it prints.
    let found = text.lines().filter_map(|line| line.split_once("kat | ").map(|(_, rest)| rest));
    let mut lines: Vec<Line> = found.map(parse).collect::<anyhow::Result<_>>()?;
    lines.sort_by_key(|line| SOURCES.iter().position(|source| *source == line.source));
    Ok(lines)
}

fn parse(line: &str) -> anyhow::Result<Line> {
    let parts: Vec<&str> = line.split('|').map(str::trim).collect();
    let [source, run, passed, refused, out_of_profile, why] = parts[..] else {
        anyhow::bail!("not a source with its counts: {line}");
    };
    let count = |text: &str| text.parse::<u32>().with_context(|| format!("no count in: {line}"));
    Ok(Line {
        source: source.to_owned(),
        run: count(run)?,
        passed: count(passed)?,
        refused: count(refused)?,
        out_of_profile: count(out_of_profile)?,
        why: why.to_owned(),
    })
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["source", "run", "passed", "of them refusals", "out of profile", "why"]);
    for Line { source, run, passed, refused, out_of_profile, why } in lines {
        let counts = [run, passed, refused, out_of_profile].map(u32::to_string);
        let [run, passed, refused, out_of_profile] = &counts;
        table.add_row([source, run, passed, refused, out_of_profile, &why.replace(", ", "\n")]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Each source once, with something run, and all of it passed.
fn check(lines: &[Line]) -> anyhow::Result<()> {
    for source in SOURCES {
        let count = lines.iter().filter(|line| line.source == source).count();
        ensure!(count == 1, "{source}: {count} lines instead of one");
    }
    for Line { source, run, passed, .. } in lines {
        ensure!(SOURCES.contains(&source.as_str()), "{source}: a source that `kat` does not know");
        ensure!(*run > 0, "{source}: nothing was run");
        ensure!(run == passed, "{source}: {passed} of {run} passed");
    }
    let (run, out) =
        lines.iter().fold((0, 0), |(run, out), line| (run + line.run, out + line.out_of_profile));
    println!("all of {run} cases passed; {out} are out of profile");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> String {
        let line = |source: &&str| format!("kat | {source} | 3 | 3 | 1 | 2 | short: 1, long: 1\n");
        format!("running 8 tests\ntest one ... {}ok\n", SOURCES.iter().map(line).collect::<String>())
    }

    #[test]
    fn every_source_is_read_from_between_other_lines() -> anyhow::Result<()> {
        let lines = read(&all())?;
        assert_eq!(lines.len(), SOURCES.len());
        assert_eq!((lines[0].run, lines[0].refused, lines[0].out_of_profile), (3, 1, 2));
        assert!(table(&lines).to_string().contains("Wycheproof AES-GCM"));
        check(&lines)
    }

    #[test]
    fn a_source_that_is_missing_empty_repeated_or_failed_is_a_failure() -> anyhow::Result<()> {
        let first = "kat | NIST CAVP gcmEncryptExtIV256.rsp | 3 | 3 |";
        for other in ["", "kat | NIST CAVP gcmEncryptExtIV256.rsp | 0 | 0 |"] {
            let text = all().replace(first, other);
            check(&read(&text)?).expect_err("missing or empty");
        }
        check(&read(&all().replace(first, &first.replace("3 | 3", "3 | 2")))?).expect_err("one failed");
        check(&read(&all().repeat(2))?).expect_err("twice");
        check(&read(&format!("{}kat | new | 1 | 1 | 0 | 0 | \n", all()))?).expect_err("unknown");
        read("kat | NIST | many | 1 | 0 | 0 | ").expect_err("no count");
        Ok(())
    }
}
