//! `mutants`: whether the tests see every change of the code that makes the formats.
//!
//! Three kinds of change, each followed by the tests of the crate it is in and the known-answer tests:
//! - cargo-mutants' own: functions that return something else, operators exchanged, arms left out. Those that no test
//!   sees must be explained in `xtask/surviving-mutants.txt`, and that list must hold no others;
//! - every derivation label, magic and type byte that the code spells out, one letter or bit changed;
//! - bytes of the committed vectors, at random places.
//!
//! All of it happens in copies under target/; the work tree is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::tools::Tool;

const CARGO_MUTANTS: Tool = Tool { name: "cargo-mutants", version: "27.1.0" };

/// The crates whose code makes envelopes and audit events. (Of the crate that makes key files and wraps KEKs, which also
/// reads files and keeps a cache, only the labels are changed.)
const PACKAGES: [&str; 3] = ["blue-address", "blue-envelope", "blue-audit"];

/// What of them makes no format, but writes, reads and verifies what is made. A simulated log, the attack corpus and the
/// fault-injection suites are its tests, and many a mutant of it only makes something slower.
const NO_FORMAT: [&str; 6] = [
    "crates/audit/src/appender/*",
    "crates/audit/src/keys.rs",
    "crates/audit/src/log.rs",
    "crates/audit/src/records.rs",
    "crates/audit/src/report/*",
    "crates/audit/src/verify/*",
];

/// Where labels are spelt out: those crates, and the one that wraps KEKs.
const LABELLED: [&str; 4] =
    ["crates/address/src", "crates/envelope/src", "crates/audit/src", "crates/keys/src"];

/// Every text that goes into a derivation, a hash or a key file. Each must be found in the code, so that one which is
/// spelt in another way does not escape.
const LABELS: [&str; 17] = [
    "BES-UMK-1:",
    "BES1",
    "audit",
    "bes1/audit-mac",
    "bes1/checkpoint",
    "bes1/content",
    "bes1/context",
    "bes1/event",
    "bes1/kek",
    "bes1/segment",
    "bes1/tombstone",
    "bes1/tombstone-mac",
    "bes1/umk-id",
    "bes1/umk-wrap",
    "bes1/wrap",
    "local:",
    "records",
];

/// What the crates' own tests do not see, the known-answer tests do. They need no server, and build in seconds.
const KNOWN_ANSWERS: &str = "blue-tests";

const SURVIVORS: &str = "xtask/surviving-mutants.txt";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many mutants cargo-mutants tries at a time.
    #[arg(long, default_value_t = 2)]
    jobs: u32,
    /// One part alone: labels and vectors in a few minutes, or cargo-mutants' code in about half an hour.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// How many of the vector files get a byte changed.
    #[arg(long, default_value_t = 24)]
    vectors: usize,
    /// Chooses those files and bytes; at random if not given, and always printed.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Labels,
    Code,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.only != Some(Part::Code) {
        let tree = Tree::copy()?;
        let labels = labels(&tree)?;
        let vectors = vectors(&tree, arguments.vectors, arguments.seed)?;
        println!("labels, magics and type bytes: {labels} changed, each seen by the tests");
        println!("vector files: {vectors} with a byte changed, each seen by the tests");
    }
    if arguments.only != Some(Part::Labels) {
        code(arguments.jobs)?;
    }
    Ok(())
}

/// cargo-mutants, and its survivors against those that are explained.
fn code(jobs: u32) -> anyhow::Result<()> {
    let output = crate::root().join("target/mutants");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    fs::create_dir_all(&output)?;
    let list = |name: &str| -> anyhow::Result<Vec<String>> {
        let text = fs::read_to_string(output.join("mutants.out").join(name))?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    // First each crate's own tests, which build in no time; then, for what they did not see, the known-answer tests too.
    cargo_mutants(&output, jobs, &[])?;
    let (own, unviable) =
        (list("caught.txt")?.len() + list("timeout.txt")?.len(), list("unviable.txt")?.len());
    let all = format!("--test-package={},{KNOWN_ANSWERS}", PACKAGES.join(","));
    cargo_mutants(&output, jobs, &["--iterate", "--no-default-features", &all])?;
    let (more, missed) = (list("caught.txt")?.len() + list("timeout.txt")?.len(), list("missed.txt")?);
    println!(
        "code: {own} mutants seen by their crate's own tests, {more} more by the known-answer tests, {} survived; \
         {unviable} do not compile",
        missed.len()
    );
    judge(&counted(&missed), &explained(&fs::read_to_string(crate::root().join(SURVIVORS))?)?)
}

/// Each survivor without its line and column, and with how many are alike, if there are several.
fn counted(missed: &[String]) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for line in missed {
        *counts.entry(without_place(line)).or_default() += 1;
    }
    let name = |(name, count)| if count == 1 { name } else { format!("{name} ×{count}") };
    counts.into_iter().map(name).collect()
}

fn cargo_mutants(output: &Path, jobs: u32, more: &[&str]) -> anyhow::Result<()> {
    let mut mutants = Command::new(CARGO_MUTANTS.path()?);
    mutants.args(["mutants", "--no-shuffle", "--colors=never", "--no-times", "--timeout=300"]);
    mutants.args(PACKAGES.map(|package| format!("--package={package}")));
    mutants.args(NO_FORMAT.map(|files| format!("--exclude={files}"))).args(more);
    // Documentation tests build slowly, and show usage rather than check.
    mutants.args(["--cargo-test-arg=--tests", "--cargo-arg=--locked"]);
    mutants.args(["--jobs", &jobs.to_string(), "--output"]).arg(output);
    let status = mutants.current_dir(crate::root()).status().context("cargo-mutants cannot be run")?;
    // 2: some survived; 3: some ran into the time limit, which is another way of being seen.
    ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo-mutants ended with {status}");
    Ok(())
}

fn judge(survived: &BTreeSet<String>, explained: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for mutant in survived {
        match explained.get(mutant) {
            Some(why) => println!("  explained: {mutant}: {why}"),
            None => println!("  NOT EXPLAINED: {mutant}"),
        }
    }
    let unexplained = survived.iter().filter(|mutant| !explained.contains_key(*mutant)).count();
    let gone: Vec<_> = explained.keys().filter(|mutant| !survived.contains(*mutant)).collect();
    for mutant in &gone {
        println!("  explained, but it does not survive: {mutant}");
    }
    ensure!(
        unexplained == 0 && gone.is_empty(),
        "{unexplained} mutants survive without an explanation, {} are explained in vain: see {SURVIVORS}",
        gone.len()
    );
    Ok(())
}

/// `file:line:column: what` without line and column, which every edit above moves.
fn without_place(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(what)) => format!("{file}:{what}"),
        _ => line.to_owned(),
    }
}

/// The committed list: a line for each mutant, and indented lines below it that say why no test can see it.
fn explained(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut mutant = None;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            let name: &String = mutant.as_ref().context("an explanation stands before any mutant")?;
            let why: &mut String = all.entry(name.clone()).or_default();
            *why = format!("{why} {}", line.trim()).trim().to_owned();
        } else {
            ensure!(
                mutant.is_none_or(|last| all.contains_key(&last)),
                "before {line}: a mutant without explanation"
            );
            mutant = Some(line.to_owned());
        }
    }
    ensure!(mutant.is_none_or(|last| all.contains_key(&last)), "the last mutant has no explanation");
    Ok(all)
}

/// A copy of what git would commit, with a build directory of its own.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn copy() -> anyhow::Result<Self> {
        let from = crate::root();
        let root = from.join("target/label-mutants/tree");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let files =
            Command::new("git").args(list).current_dir(&from).output().context("git cannot be run")?;
        ensure!(files.status.success(), "git ls-files failed");
        for file in String::from_utf8(files.stdout)?.split_terminator('\0') {
            // A file that was deleted and not yet committed is still listed.
            if from.join(file).is_file() {
                let to = root.join(file);
                fs::create_dir_all(to.parent().context("a file lies in a directory")?)?;
                fs::copy(from.join(file), to)?;
            }
        }
        Ok(Self { root })
    }

    /// Whether the tests pass in the copy as it is. An error if they do not even build.
    fn passes(&self) -> anyhow::Result<bool> {
        let tests = |more: &[&str]| {
            let mut test = crate::cargo();
            test.args(["test", "--locked", "--quiet", "--no-default-features", "--tests", "-p", "blue-keys"]);
            test.args(PACKAGES.iter().chain(&[KNOWN_ANSWERS]).map(|package| format!("-p{package}")))
                .args(more);
            test.current_dir(&self.root).env("CARGO_TARGET_DIR", self.root.with_file_name("build"));
            test.stdout(Stdio::null()).stderr(Stdio::null()).status().context("cargo cannot be run")
        };
        ensure!(tests(&["--no-run"])?.success(), "the changed code does not build");
        Ok(tests(&[])?.success())
    }

    /// Changes one file of the copy, lets the tests run, and puts it back. The change must be seen.
    fn must_notice(&self, file: &Path, changed: &[u8], what: &str) -> anyhow::Result<()> {
        let path = self.root.join(file);
        let original = fs::read(&path)?;
        ensure!(changed != original, "{what}: nothing was changed");
        fs::write(&path, changed)?;
        let passed = self.passes().with_context(|| what.to_owned());
        fs::write(&path, original)?;
        ensure!(!passed?, "{what}: no test sees it");
        println!("  seen: {what}");
        Ok(())
    }
}

/// Changes every label, magic and type byte, one after the other.
fn labels(tree: &Tree) -> anyhow::Result<usize> {
    ensure!(tree.passes()?, "the tests fail without any change");
    let mut all = Vec::new();
    for directory in LABELLED {
        for file in sources(&tree.root, Path::new(directory))? {
            let text = fs::read_to_string(tree.root.join(&file))?;
            all.extend(changes(&text)?.into_iter().map(|change| (file.clone(), change)));
        }
    }
    let spelt = |label: &&str| all.iter().any(|(_, change)| change.label == Some(*label));
    let missing: Vec<_> = LABELS.into_iter().filter(|label| !spelt(label)).collect();
    ensure!(missing.is_empty(), "not found in the code, so not changed: {}", missing.join(", "));
    for (file, Change { position, replacement, .. }) in &all {
        let mut changed = fs::read(tree.root.join(file))?;
        changed[*position] = *replacement;
        let before = changed[..*position].iter().filter(|&&byte| byte == b'\n').count();
        let shown = String::from_utf8_lossy(&changed);
        let shown = shown.lines().nth(before).unwrap_or_default().trim();
        tree.must_notice(file, &changed, &format!("{}:{}: {shown}", file.display(), before + 1))?;
    }
    Ok(all.len())
}

/// One byte to change: the last letter of a label, or a digit of a type byte.
#[derive(Debug)]
struct Change {
    position: usize,
    replacement: u8,
    label: Option<&'static str>,
}

/// The labels, magics and type bytes in the code before its tests. An error if it spells out a label that is not on the
/// list.
fn changes(text: &str) -> anyhow::Result<Vec<Change>> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut found = Vec::new();
    let mut line_start = 0;
    for line in code.split_inclusive('\n') {
        if !line.trim_start().starts_with("//") {
            for (quote, _) in line.match_indices('"') {
                let after = &line[quote + 1..];
                let label = LABELS.into_iter().find(|label| after.starts_with(label));
                if let Some(label) = label {
                    let position = line_start + quote + label.len();
                    found.push(Change { position, replacement: b'!', label: Some(label) });
                }
                ensure!(
                    label.is_some() || !after.starts_with("bes1"),
                    "not on the list of labels: {}",
                    line.trim()
                );
            }
            for (at, _) in line.match_indices("0x0") {
                // The digit after it, its lowest bit turned over.
                if let Some(digit @ b'0'..=b'9') = line.as_bytes().get(at + 3) {
                    found.push(Change { position: line_start + at + 3, replacement: digit ^ 1, label: None });
                }
            }
        }
        line_start += line.len();
    }
    Ok(found)
}

fn sources(root: &Path, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            all.extend(sources(root, &path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// Changes one byte in each of `count` of the vector files.
fn vectors(tree: &Tree, count: usize, seed: Option<u64>) -> anyhow::Result<usize> {
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("vectors: --seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut files = Vec::new();
    for directory in ["envelope", "keys", "audit", "nist"] {
        let directory = Path::new("tests/vectors").join(directory);
        for entry in fs::read_dir(tree.root.join(&directory))? {
            files.push(directory.join(entry?.file_name()));
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json" || extension == "rsp"));
    files.sort();
    if files.len() < count {
        bail!("there are only {} vector files", files.len());
    }
    random.shuffle(&mut files);
    for file in &files[..count] {
        let mut bytes = fs::read(tree.root.join(file))?;
        let place = random.usize(..bytes.len());
        bytes[place] ^= 1;
        tree.must_notice(file, &bytes, &format!("{}: byte {place}", file.display()))?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_type_bytes_are_found_in_code_alone() {
        let text = "// b\"bes1/kek\" 0x01\nb\"bes1/kek\"\n0x02, 0x7e\n#[cfg(test)]\nb\"bes1/no\"";
        let found = changes(text).expect("all on the list");
        let changed = found.into_iter().map(|Change { position, replacement, .. }| {
            let mut bytes = text.to_owned().into_bytes();
            bytes[position] = replacement;
            let changed = String::from_utf8(bytes).expect("ASCII stays ASCII");
            let mut lines = changed.lines().zip(text.lines()).filter(|(new, old)| new != old);
            lines.next().expect("one line is changed").0.to_owned()
        });
        assert_eq!(changed.collect::<Vec<_>>(), ["b\"bes1/ke!\"", "0x03, 0x7e"]);
        changes("b\"bes1/new\"").expect_err("a label that is not on the list");
    }

    #[test]
    fn a_survivor_is_known_by_what_it_is_and_not_where() {
        let line = "crates/a/src/b.rs:3:9: replace x -> bool with true";
        assert_eq!(without_place(line), "crates/a/src/b.rs: replace x -> bool with true");
        let alike = ["a.rs:1:1: replace", "a.rs:2:1: replace", "b.rs:1:1: replace"].map(str::to_owned);
        assert_eq!(counted(&alike).into_iter().collect::<Vec<_>>(), ["a.rs: replace ×2", "b.rs: replace"]);
    }

    #[test]
    fn every_survivor_needs_an_explanation_and_every_explanation_a_survivor() {
        let list = explained("# comment\na: one\n  because of this\n  and that\n\nb: two\n  so\n")
            .expect("well-formed");
        assert_eq!(list["a: one"], "because of this and that");
        let survived = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        judge(&survived(&["a: one", "b: two"]), &list).expect("all explained");
        judge(&survived(&["a: one"]), &list).expect_err("b does not survive");
        judge(&survived(&["a: one", "b: two", "c: three"]), &list).expect_err("c is not explained");
        explained("a: one\nb: two\n  so\n").expect_err("a is not explained");
        explained("b: two\n").expect_err("b is not explained");
        explained("  so\n").expect_err("nothing to explain");
    }
}
