//! `bench`: runs the benchmarks, and makes one table of what they say: ours, what it is held against, the ratio, the target,
//! and whether it is met. `docs/benchmarks.md` is its output.
//!
//! Every target but two is a ratio within one run on one machine. The benchmarks themselves are cargo's: criterion's in each crate,
//! and programs of our own where two sides have to take turns to be comparable, or where a process is looked at from outside.

mod parts;
mod peers;
mod read;

use std::{fmt, fmt::Write, fs, process::Command};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use time::{OffsetDateTime, macros::format_description};

const DOCUMENT: &str = "docs/benchmarks.md";
/// What stands before the table. Written by hand; what follows is not.
const PREFACE: &str = include_str!("preface.md");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run these parts alone, and write no document.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Write it all the same, and say in it which parts were not run.
    #[arg(long, requires = "only")]
    write: bool,
}

/// What can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Sealing and opening, against the primitives.
    Envelope,
    /// A typed record to its item and back, against other libraries (which are compiled first: ten minutes and more).
    Record,
    /// The audit log's hashing, linking and verification, against SHA-256.
    Audit,
    /// Puts and gets on DynamoDB Local, against the SDK alone.
    EndToEnd,
    /// `bes`: memory, and the processor's time of an import (Linux).
    Bes,
    /// How long it takes to compile from nothing, against another library (ten minutes and more).
    Compile,
}

impl Part {
    fn run(self) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Envelope => parts::envelope(),
            Self::Record => parts::record(),
            Self::Audit => parts::audit(),
            Self::EndToEnd => parts::end_to_end(),
            Self::Bes => parts::bes(),
            Self::Compile => parts::compile(),
        }
    }
}

/// One line of the table.
#[derive(Debug, PartialEq)]
struct Row {
    what: String,
    ours: String,
    /// What it is held against, with its figure.
    than: String,
    ratio: f64,
    target: Option<Target>,
}

/// What a ratio is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= bound,
            Self::AtLeast(bound) => ratio >= bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let all = Part::value_variants();
    let parts = if arguments.only.is_empty() { all } else { &arguments.only };
    if !cfg!(target_os = "linux") && parts.contains(&Part::Bes) {
        bail!("the part `bes` reads /proc and needs Linux: name the others, --only envelope,record,...");
    }
    let written = arguments.only.is_empty() || arguments.write;
    let mut rows = Vec::new();
    for (done, part) in parts.iter().enumerate() {
        rows.extend(part.run()?);
        if written {
            // After each, so that what was measured is not lost with a later one that fails.
            let left_out: Vec<&Part> = all.iter().filter(|part| !parts[..=done].contains(part)).collect();
            fs::write(crate::root().join(DOCUMENT), document(&rows, &left_out)?)?;
        }
    }
    println!("\n{}", table(&rows));
    if written {
        println!("\n{DOCUMENT} is written.");
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["what", "ours", "than", "ratio", "target", "met"]);
    for Row { what, ours, than, ratio, target: bound } in rows {
        let met = bound.map_or("", |bound| if bound.is_met_by(*ratio) { "yes" } else { "**no**" });
        let target = bound.map_or(String::new(), |bound| bound.to_string());
        table.add_row([what, ours, than, &shown(*ratio, *bound), &target, met]);
    }
    table
        .column_iter_mut()
        .skip(3)
        .take(2)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// Three significant digits, or all before the point; two more where these would be on the other side of the target.
fn shown(ratio: f64, target: Option<Target>) -> String {
    let digits = match ratio {
        ratio if ratio >= 100.0 => 0,
        ratio if ratio >= 10.0 => 1,
        _ => 2,
    };
    let short = format!("{ratio:.digits$}");
    let rounded: f64 = short.parse().unwrap_or(ratio);
    match target {
        Some(target) if target.is_met_by(rounded) != target.is_met_by(ratio) => {
            format!("{ratio:.more$}", more = digits + 2)
        }
        _ => short,
    }
}

fn document(rows: &[Row], left_out: &[&Part]) -> anyhow::Result<String> {
    let mut out = PREFACE.to_owned();
    writeln!(out, "\n{}\n", table(rows))?;
    if !left_out.is_empty() {
        let names =
            left_out.iter().filter_map(|part| Some(format!("`{}`", part.to_possible_value()?.get_name())));
        writeln!(out, "Not run this time: {}.\n", names.collect::<Vec<_>>().join(", "))?;
    }
    writeln!(out, "## Where and when\n")?;
    let date = OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"))?;
    writeln!(out, "- {date}")?;
    for line in machine()? {
        writeln!(out, "- {line}")?;
    }
    Ok(out)
}

/// The machine, the compiler, and the versions that matter.
fn machine() -> anyhow::Result<Vec<String>> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism()?;
    let mut lines =
        vec![format!("{}, {cores} cores", name.map_or("a processor without a name", |(_, name)| name))];
    let rustc = Command::new("rustc").arg("--version").output().context("rustc cannot be run")?;
    lines.push(String::from_utf8_lossy(&rustc.stdout).trim().to_owned());
    lines.push(versions("Cargo.lock", &["ring", "sha2", "aws-sdk-dynamodb"])?);
    lines.push(versions("benches/peers/Cargo.lock", &["aws-db-esdk"])?);
    Ok(lines)
}

/// The versions of these packages in a lock file.
fn versions(lock: &str, packages: &[&str]) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(crate::root().join(lock)).with_context(|| format!("{lock} cannot be read"))?;
    let mut found = Vec::new();
    for package in packages {
        let name = format!("name = \"{package}\"");
        let mut lines = text.lines();
        while lines.any(|line| line == name) {
            let version = lines.next().and_then(|line| line.strip_prefix("version = "));
            found.push(format!(
                "{package} {}",
                version.context("a package without a version")?.trim_matches('"')
            ));
        }
    }
    Ok(found.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ratio: f64, target: Option<Target>) -> Row {
        Row { what: "w".into(), ours: "o".into(), than: "t".into(), ratio, target }
    }

    #[test]
    fn a_target_is_met_up_to_its_bound() {
        for (ratio, at_most, at_least) in [(0.9, true, false), (1.0, true, true), (1.1, false, true)] {
            assert_eq!(Target::AtMost(1.0).is_met_by(ratio), at_most, "{ratio}");
            assert_eq!(Target::AtLeast(1.0).is_met_by(ratio), at_least, "{ratio}");
        }
    }

    #[test]
    fn the_table_says_which_target_is_not_met() {
        let rows = [
            row(1.254, Some(Target::AtMost(1.25))),
            row(150.2, Some(Target::AtLeast(150.0))),
            row(7.0, None),
        ];
        let table = table(&rows).to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines[2].contains("1.25") && lines[2].contains("≤ 1.25") && lines[2].contains("**no**"),
            "{table}"
        );
        assert!(lines[3].contains("150") && lines[3].contains("yes"), "{table}");
        assert!(!lines[4].contains("yes") && !lines[4].contains("no"), "{table}");
    }
}
