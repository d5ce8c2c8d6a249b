//! `fuzz`: runs the fuzz targets live, with nightly Rust and cargo-fuzz.
//!
//! What a run finds is kept beside the build, so that the next one goes on from there; the committed corpus is only read,
//! unless `--adopt` merges into it what covers anything new. It is replayed on stable Rust by `cargo test -p
//! blue-fuzz-laws`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::tools::Tool;

const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

/// The longest input, in bytes. Every limit that a target is about is below it, or stands for a length in its input.
const LONGEST: u64 = 4096;

/// An input that takes so many seconds is a finding.
const HANGS: u32 = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs, in seconds.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many targets run at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Then add to the committed corpus what covers anything that it does not.
    #[arg(long)]
    adopt: bool,
    /// The targets; all of them if none is named.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// How one target's run ended.
struct Ran {
    target: String,
    executions: u64,
    seconds: u64,
    /// `Err`: what was found, and how to see it again.
    outcome: Result<(), String>,
}

/// Runs the targets and prints a line for each; fails if there was a finding.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let targets = chosen(&arguments.targets)?;
    let fuzzer = Fuzzer::new()?;
    fuzzer.build(&arguments.targets)?;

    let queue = Mutex::new(targets.iter());
    let ran = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().map(|mut queue| queue.next());
                    let Ok(Some(target)) = next else { return };
                    let outcome = fuzzer.run(target, arguments.seconds);
                    if let Ok(mut ran) = ran.lock() {
                        ran.push(outcome);
                    }
                }
            });
        }
    });
    let ran: Vec<Ran> = ran
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a run panicked"))?
        .into_iter()
        .collect::<Result<_, _>>()?;
    ensure!(ran.len() == targets.len(), "{} of {} targets ran", ran.len(), targets.len());
    report(&ran)?;
    if arguments.adopt {
        for target in &targets {
            fuzzer.adopt(target)?;
        }
    }
    Ok(())
}

fn report(ran: &[Ran]) -> anyhow::Result<()> {
    for Ran { target, executions, seconds, outcome } in ran {
        let findings = usize::from(outcome.is_err());
        println!("{target}: {executions} executions in {seconds} s, {findings} findings");
    }
    let findings: Vec<_> = ran.iter().filter_map(|ran| ran.outcome.as_ref().err()).collect();
    for finding in &findings {
        eprintln!("\n{finding}");
    }
    ensure!(findings.is_empty(), "{} of {} targets found something", findings.len(), ran.len());
    Ok(())
}

/// The targets that were named, or all there are.
fn chosen(named: &[String]) -> anyhow::Result<Vec<String>> {
    let all = names_in(&crate::root().join("fuzz/fuzz_targets"))?;
    let all: BTreeSet<_> =
        all.iter().filter_map(|name| name.strip_suffix(".rs")).map(str::to_owned).collect();
    ensure!(!all.is_empty(), "there is no fuzz target");
    let known = all.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = named.iter().find(|name| !all.contains(*name)) {
        bail!("there is no fuzz target {unknown}; there are {known}");
    }
    Ok(if named.is_empty() { all.into_iter().collect() } else { named.to_vec() })
}

fn names_in(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.with_context(|| directory.display().to_string())?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// cargo-fuzz, and the place for all that it leaves behind.
struct Fuzzer {
    program: PathBuf,
    home: PathBuf,
    /// The platform that the targets are built for, this one: `x86_64-unknown-linux-gnu`, say.
    host: String,
}

impl Fuzzer {
    fn new() -> anyhow::Result<Self> {
        let nightly = Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]).output();
        let nightly = nightly.ok().filter(|output| output.status.success());
        let nightly = nightly.context("fuzzing needs nightly Rust: rustup toolchain install nightly")?;
        let said = String::from_utf8_lossy(&nightly.stdout);
        let host = said.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc does not say what it builds for")?.to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        Ok(Self { program: CARGO_FUZZ.path()?, home: crate::root().join(target).join("fuzz"), host })
    }

    /// A subcommand of cargo-fuzz, to be run in the workspace's root.
    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["fuzz", subcommand, "--codegen-units", "16", "--target-dir"]).arg(&self.home);
        // This process is of another toolchain and package, and says so to its children. Build scripts look at that, and
        // all that depends on them would be built anew whenever cargo-fuzz is run by hand in between.
        let of_this_process = |name: &str| {
            matches!(name, "CARGO" | "RUSTC" | "RUSTDOC" | "CARGO_TARGET_DIR")
                || ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(of_this_process) {
                command.env_remove(name);
            }
        }
        command.env("RUSTUP_TOOLCHAIN", "nightly").current_dir(crate::root()).stdin(Stdio::null());
        command
    }

    /// Builds the targets that were named, or all.
    fn build(&self, named: &[String]) -> anyhow::Result<()> {
        eprintln!("Building the fuzz targets (the first time, all of the SDK as well).");
        let builds = if named.is_empty() { vec![None] } else { named.iter().map(Some).collect() };
        for target in builds {
            let status = self.command("build").args(target).status().context("cargo-fuzz")?;
            ensure!(status.success(), "the fuzz targets do not build");
        }
        Ok(())
    }

    /// A target as it was built. Not `cargo fuzz run`, which would build what changed meanwhile.
    fn target(&self, name: &str) -> Command {
        let program = self.home.join(&self.host).join("release").join(name);
        let mut command = Command::new(program);
        // As cargo-fuzz sets it: one crate's statics in two of its copies are no finding.
        command.env("ASAN_OPTIONS", "detect_odr_violation=0").current_dir(crate::root()).stdin(Stdio::null());
        command
    }

    fn run(&self, target: &str, seconds: u64) -> anyhow::Result<Ran> {
        eprintln!("{target}: {seconds} s");
        let artifacts = self.directory("artifacts", target)?;
        let before = names_in(&artifacts)?;
        let log = self.directory("logs", "")?.join(format!("{target}.log"));
        let mut command = self.target(target);
        // libFuzzer writes what it finds into the first of the directories.
        command.arg(self.directory("corpus", target)?).arg(committed(target));
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={HANGS}"));
        command.arg(format!("-max_len={LONGEST}")).arg("-print_final_stats=1");
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        let dictionary = crate::root().join(format!("fuzz/dictionaries/{target}.dict"));
        if dictionary.exists() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        let since = Instant::now();
        let success = command.stdout(File::create(&log)?).stderr(append(&log)?).status();
        let success = success.with_context(|| format!("{target} cannot be run"))?.success();
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let found = names_in(&artifacts)?.difference(&before).next().map(|name| artifacts.join(name));
        let outcome = match found {
            None if success => Ok(()),
            found => Err(finding(target, found.as_deref(), &log, &said)),
        };
        let executions = executions(&said).unwrap_or_default();
        // A run that executed nothing says nothing.
        ensure!(outcome.is_err() || executions > 0, "{target} executed nothing; see {}", log.display());
        Ok(Ran { target: target.to_owned(), executions, seconds: since.elapsed().as_secs(), outcome })
    }

    /// Merges what the runs so far found into the committed corpus, as far as it covers anything new.
    fn adopt(&self, target: &str) -> anyhow::Result<()> {
        let (scratch, committed) = (self.directory("corpus", target)?, committed(target));
        let before = names_in(&committed)?;
        let mut command = self.target(target);
        // By the code that is reached, not by how often: the corpus is to stay small.
        command.arg(&committed).arg(&scratch).args(["-set_cover_merge=1", "-use_counters=0"]);
        command.arg(format!("-max_len={LONGEST}"));
        let output = command.stdout(Stdio::null()).output().with_context(|| target.to_owned())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{target} could not be merged:\n{}", last_lines(&said));
        let added = names_in(&committed)?.difference(&before).count();
        println!("{target}: {added} files adopted into {}", committed.display());
        Ok(())
    }

    /// A directory for one of the things that runs leave behind.
    fn directory(&self, kind: &str, target: &str) -> anyhow::Result<PathBuf> {
        let directory = self.home.join(kind).join(target);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(directory)
    }
}

fn committed(target: &str) -> PathBuf {
    crate::root().join("fuzz/corpus").join(target)
}

fn append(path: &Path) -> std::io::Result<File> {
    File::options().append(true).open(path)
}

/// What libFuzzer counted, from its final statistics, or from its last line of progress if it came to none.
fn executions(said: &str) -> Option<u64> {
    let counted = said.lines().rev().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let progress = || said.lines().rev().find_map(|line| line.strip_prefix('#')?.split_whitespace().next());
    counted.or_else(progress)?.trim().parse().ok()
}

fn finding(target: &str, artifact: Option<&Path>, log: &Path, said: &str) -> String {
    let again = match artifact {
        Some(artifact) => format!(
            "The input is {0}. To see it again, and to keep it as a regression test:\n  \
             cp {0} fuzz/corpus/{target}/ && cargo test -p blue-fuzz-laws",
            artifact.display()
        ),
        None => "It left no input behind.".to_owned(),
    };
    let panic = said.lines().skip_while(|line| !line.contains("panicked at")).take(6);
    let reason: String =
        panic.map(|line| format!("  {}\n", line.chars().take(400).collect::<String>())).collect();
    let reason = if reason.is_empty() { last_lines(said) } else { reason };
    format!("{target} found something:\n{reason}{again}\nAll that was said is in {}.", log.display())
}

fn last_lines(said: &str) -> String {
    let lines: Vec<_> = said.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_counted_to_the_end_or_to_the_finding() {
        let ended =
            "#2\tINITED cov: 3\n#100\tDONE\nstat::number_of_executed_units: 123\nstat::peak_rss_mb: 9\n";
        assert_eq!(executions(ended), Some(123));
        assert_eq!(executions("#2\tINITED cov: 3\n#64\tNEW cov: 4\nthread panicked\n"), Some(64));
        assert_eq!(executions("error: could not compile\n"), None);
    }

    #[test]
    fn a_finding_fails_the_run_and_names_its_input() {
        let said = "#64\tNEW\nthread '<unnamed>' panicked at fuzz/laws/src/x.rs:1:\nwrong class\n";
        let text = finding("x", Some(Path::new("/a/crash-1")), Path::new("/l"), said);
        assert!(text.contains("wrong class") && text.contains("cp /a/crash-1 fuzz/corpus/x/"), "{text}");
        let ran = |outcome| Ran { target: "x".to_owned(), executions: 64, seconds: 1, outcome };
        report(&[ran(Ok(()))]).expect("nothing was found");
        let error = report(&[ran(Ok(())), ran(Err(text))]).expect_err("something was found");
        assert_eq!(error.to_string(), "1 of 2 targets found something");
    }

    #[test]
    fn only_targets_that_exist_are_run() {
        assert!(chosen(&[]).is_ok_and(|all| all.len() > 1));
        let error = chosen(&["nothing".to_owned()]).expect_err("there is no such target");
        assert!(
            error.to_string().starts_with("there is no fuzz target nothing; there are address, "),
            "{error}"
        );
    }
}
