//! `instructions`: how many instructions sealing and opening take, counted by callgrind, against the figures committed.
//!
//! A count says the same on a busy machine as on an idle one. What is counted is not what runs: valgrind has no SHA or VAES
//! instructions, so hashing and AES-GCM weigh more here than in time; but whatever is added to a seal shows. ring chooses its
//! code by what valgrind says that the processor has, and another compiler makes other code, so figures move with both.

use std::{collections::BTreeMap, fs, path::Path, path::PathBuf, process::Command};

use anyhow::{Context, bail, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

/// The figures, a line each: operation, size in bytes, instructions.
const COMMITTED: &str = "xtask/envelope-instructions.txt";
/// What is counted, by the words of the example `repeat` of blue-envelope.
const COUNTED: [(&str, u64); 8] = [
    ("context", 0),
    ("seal", 1 << 10),
    ("seal", 16 << 10),
    ("open", 1 << 10),
    ("open", 16 << 10),
    ("seal_in_place", 1 << 10),
    ("open_in_place", 1 << 10),
    ("rewrap", 0),
];
/// Both counts of runs. What a process needs to begin and end is in both, and so not in their difference.
const RUNS: (u64, u64) = (50, 250);
/// How far above the committed figure a count may be, in percent.
const TOLERANCE: u64 = 5;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Commit to what is counted now, instead of comparing with it.
    #[arg(long)]
    write: bool,
}

type Figures = BTreeMap<(String, u64), u64>;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let counted = count()?;
    let place = crate::root().join(COMMITTED);
    if arguments.write {
        let line =
            |((operation, size), count): (&(String, u64), &u64)| format!("{operation} {size} {count}\n");
        fs::write(&place, counted.iter().map(line).collect::<String>())?;
        println!("{COMMITTED} is written.");
        return Ok(());
    }
    let text = fs::read_to_string(&place).with_context(|| format!("{COMMITTED} cannot be read"))?;
    let committed = read(&text)?;
    println!("{}", table(&counted, &committed));
    compare(&counted, &committed)
}

/// Counts each operation.
pub(crate) fn count() -> anyhow::Result<Figures> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the committed figures are of Linux on x86_64"
    );
    let program = build()?;
    let counts = COUNTED.into_iter().map(|(operation, size)| {
        let [few, many] = [RUNS.0, RUNS.1].map(|times| collected(&program, operation, size, times));
        let each = (many? - few?) / (RUNS.1 - RUNS.0);
        Ok(((operation.to_owned(), size), each))
    });
    counts.collect()
}

fn build() -> anyhow::Result<PathBuf> {
    let mut build = crate::cargo();
    build.args([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        "blue-envelope",
        "--example",
        "repeat",
    ]);
    // Somewhere of its own: features that other packages turn on would be compiled in.
    let target = crate::root().join("target/instructions");
    let status = build.arg("--target-dir").arg(&target).status()?;
    ensure!(status.success(), "the example repeat of blue-envelope cannot be built");
    Ok(target.join("release/examples/repeat"))
}

/// How many instructions a process takes that does it so many times.
fn collected(program: &Path, operation: &str, size: u64, times: u64) -> anyhow::Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    valgrind.args([operation, &size.to_string(), &times.to_string()]);
    let output = valgrind.output().context("valgrind cannot be run; on Debian: apt-get install valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{operation} failed under valgrind: {said}");
    let line = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.with_context(|| format!("callgrind says no count: {said}"))?;
    count.trim().parse().with_context(|| format!("callgrind's count is no number: {count}"))
}

fn read(text: &str) -> anyhow::Result<Figures> {
    let line = |line: &str| {
        let parts: Vec<&str> = line.split(' ').collect();
        let [operation, size, count] = parts[..] else { bail!("{COMMITTED}: not three words: {line:?}") };
        Ok(((operation.to_owned(), size.parse()?), count.parse()?))
    };
    text.lines().map(line).collect()
}

fn table(counted: &Figures, committed: &Figures) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["operation", "bytes", "instructions", "committed", "change"]);
    for (what @ (operation, size), count) in counted {
        let before = committed.get(what);
        let change = before.map_or("new".to_owned(), |before| format!("{:+.1} %", change(*count, *before)));
        let before = before.map_or(String::new(), u64::to_string);
        table.add_row([operation, &size.to_string(), &count.to_string(), &before, &change]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// In percent.
#[expect(clippy::cast_precision_loss, reason = "counts of instructions are far below 2⁵²")]
fn change(count: u64, before: u64) -> f64 {
    100.0 * (count as f64 / before as f64 - 1.0)
}

fn compare(counted: &Figures, committed: &Figures) -> anyhow::Result<()> {
    let again = "cargo xtask instructions --write";
    ensure!(
        counted.keys().eq(committed.keys()),
        "{COMMITTED} is not of the operations that are counted; if that is meant: {again}"
    );
    let mut above = Vec::new();
    for (((operation, size), count), before) in counted.iter().zip(committed.values()) {
        if count * 100 > before * (100 + TOLERANCE) {
            above.push(format!("{operation} of {size} bytes: {before} instructions became {count}"));
        } else if count * 100 < before * (100 - TOLERANCE) {
            println!("{operation} of {size} bytes takes fewer now; to hold it to that: {again}");
        }
    }
    ensure!(
        above.is_empty(),
        "more than {TOLERANCE} % above {COMMITTED}: {}. If it is worth it: {again}",
        above.join("; ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(seal: u64, open: u64) -> Figures {
        [(("seal".to_owned(), 1), seal), (("open".to_owned(), 1), open)].into()
    }

    #[test]
    fn figures_read_back() -> anyhow::Result<()> {
        assert_eq!(read("open 1 7\nseal 1 9\n")?, figures(9, 7));
        for wrong in ["seal 1", "seal 1 2 3", "seal x 1", ""] {
            assert!(read(&format!("{wrong}\n")).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn more_than_the_tolerance_fails_and_names_the_operation() {
        let committed = figures(1_000, 1_000);
        compare(&figures(1_050, 1_000), &committed).expect("within the tolerance");
        compare(&figures(500, 1_000), &committed).expect("fewer");
        let error = compare(&figures(1_051, 1_000), &committed).expect_err("more").to_string();
        assert!(error.contains("seal of 1 bytes: 1000 instructions became 1051"), "{error}");
        assert!(!error.contains("open of"), "{error}");
    }

    #[test]
    fn another_set_of_operations_fails() {
        let mut fewer = figures(1, 1);
        fewer.pop_first();
        compare(&fewer, &figures(1, 1)).expect_err("one is missing");
    }

    #[test]
    fn a_table_shows_the_change() {
        let table = table(&figures(1_100, 1_000), &figures(1_000, 1_000)).to_string();
        assert!(table.contains("+10.0 %") && table.contains("+0.0 %"), "{table}");
    }
}
