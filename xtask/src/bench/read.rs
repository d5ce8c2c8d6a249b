//! What the benchmarks say, read back.

use std::{fs, process::Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

/// One of cargo's benchmarks.
pub(super) struct Bench {
    pub(super) package: &'static str,
    pub(super) name: &'static str,
}

impl Bench {
    /// Runs it, and gives its lines that are JSON objects. Whatever else it says is passed on.
    pub(super) fn run(&self) -> anyhow::Result<Said> {
        let Self { package, name } = self;
        println!("=== {package}, {name}");
        let mut cargo = crate::cargo();
        cargo.args(["bench", "--locked", "--quiet", "--package", package, "--bench", name]);
        // Criterion leaves its estimates there.
        cargo.env("CARGO_TARGET_DIR", crate::root().join("target"));
        // Whatever the caller's shell points to, servers are this run's own.
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_KMS"] {
            cargo.env_remove(variable);
        }
        said(cargo, name)
    }
}

/// Runs a command of cargo's, and gives its lines that are JSON objects.
pub(super) fn said(mut cargo: std::process::Command, name: &str) -> anyhow::Result<Said> {
    let output = cargo
        .env_remove("CRITERION_HOME")
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    ensure!(output.status.success(), "the benchmark {name} failed ({})", output.status);
    Ok(Said::of(&text))
}

/// What a benchmark said.
#[derive(Debug)]
pub(super) struct Said(Vec<Value>);

impl Said {
    /// The lines of an output that are JSON objects.
    pub(super) fn of(output: &str) -> Self {
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Self(lines.filter(Value::is_object).collect())
    }

    /// The line about this.
    pub(super) fn about(&self, what: &str) -> anyhow::Result<&Value> {
        self.0
            .iter()
            .find(|line| line["what"] == what)
            .with_context(|| format!("the benchmark says nothing of {what:?}"))
    }
}

/// A number of such a line.
pub(super) fn number(line: &Value, name: &str) -> anyhow::Result<f64> {
    line[name].as_f64().with_context(|| format!("no number {name:?} in {line}"))
}

/// A text of such a line.
pub(super) fn text<'a>(line: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    line[name].as_str().with_context(|| format!("no text {name:?} in {line}"))
}

/// What criterion found, in nanoseconds: the median of a benchmark, by its id `group/function/value`.
pub(super) fn median(target: &str, id: &str) -> anyhow::Result<f64> {
    let place = crate::root().join(target).join("criterion").join(id).join("new/estimates.json");
    let text = fs::read_to_string(&place).with_context(|| format!("criterion has no estimates of {id}"))?;
    let estimates: Value = serde_json::from_str(&text)?;
    number(&estimates["median"], "point_estimate")
}

/// A time in its best unit.
pub(super) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.1} s", ns / 1e9),
    }
}
