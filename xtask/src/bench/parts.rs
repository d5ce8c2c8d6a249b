//! The parts: what each runs, and the rows that it makes.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{
    Row,
    Target::{AtLeast, AtMost},
    read::{Bench, median, number, time},
};

/// Where cargo and the peers' cargo leave what criterion found.
const TARGET: &str = "target";
const PEERS: &str = "benches/peers";

pub(super) fn envelope() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let said = Bench { package: "blue-envelope", name: "ratios" }.run()?;
    for (what, bound) in [
        ("seal, 1 KiB", 1.25),
        ("open, 1 KiB", 1.25),
        ("seal in place, 16 KiB", 1.10),
        ("open in place, 16 KiB", 1.10),
        ("seal in place, 256 KiB", 1.03),
        ("open in place, 256 KiB", 1.03),
    ] {
        let line = said.about(what)?;
        let than = line["than"].as_str().unwrap_or_default();
        rows.push(Row {
            what: what.to_owned(),
            ours: time(number(line, "ours_ns")?),
            than: format!("{than}: {}", time(number(line, "theirs_ns")?)),
            ratio: number(line, "ratio")?,
            target: Some(AtMost(bound)),
        });
    }
    let mut test = crate::cargo();
    test.args(["test", "--locked", "--quiet", "--package", "blue-envelope", "--test", "allocations"]);
    ensure!(test.status()?.success(), "the test of allocations failed");
    rows.push(Row {
        what: "allocations of a seal, of an open".to_owned(),
        ours: "1".to_owned(),
        than: "the buffer that is returned: 1".to_owned(),
        ratio: 1.0,
        target: Some(AtMost(1.0)),
    });
    Bench { package: "blue-envelope", name: "envelope" }.run()?;
    Ok(rows)
}

pub(super) fn record() -> anyhow::Result<Vec<Row>> {
    let ours = Bench { package: "blue-tests", name: "record" }.run()?;
    let mut rows = Vec::new();
    let [encode, decode] = ["encode", "decode"].map(|way| median(TARGET, &format!("record/{way}/1024")));
    let (encode, decode) = (encode?, decode?);
    for peer in super::peers::run()? {
        for (what, ours, theirs) in [("encode", encode, peer.encrypt), ("decode", decode, peer.decrypt)] {
            rows.push(Row {
                what: format!("typed record, {what}, 1 KiB"),
                ours: time(ours),
                than: format!("{}: {}", peer.name, time(theirs)),
                ratio: theirs / ours,
                target: peer.target.map(AtLeast),
            });
        }
    }
    let bytes = number(ours.about("bytes added")?, "bytes")?;
    rows.push(Row {
        what: "bytes added to an item".to_owned(),
        ours: format!("{bytes:.0}"),
        than: "170".to_owned(),
        ratio: bytes / 170.0,
        target: Some(AtMost(1.0)),
    });
    Ok(rows)
}

/// Times are of all events of a benchmark. The ratio is that of rates: SHA-256's time to ours.
pub(super) fn audit() -> anyhow::Result<Vec<Row>> {
    Bench { package: "blue-audit", name: "audit" }.run()?;
    let link = median(TARGET, "audit/link")?;
    let linked = median(TARGET, "sha256/link")?;
    let one = median(TARGET, "audit/verify, one core")?;
    let two = median(TARGET, "audit/verify, two cores")?;
    let verified = median(TARGET, "sha256/verify")?;
    let row = |what: &str, ours, than: &str, theirs: f64, target| Row {
        what: what.to_owned(),
        ours: time(ours),
        than: format!("{than}: {}", time(theirs)),
        ratio: theirs / ours,
        target: Some(AtLeast(target)),
    };
    Ok(vec![
        row("audit: encode, hash and link", link, "SHA-256", linked, 0.7),
        row("audit: verify from memory, one core", one, "SHA-256", verified, 0.8),
        row("audit: verify from memory, two cores", two, "one core", one, 1.8),
    ])
}

pub(super) fn end_to_end() -> anyhow::Result<Vec<Row>> {
    let said = Bench { package: "blue-tests", name: "end_to_end" }.run()?;
    let mut rows = Vec::new();
    for (what, target) in [
        ("put, audit buffered, p50 at 1 task", Some(AtMost(1.1))),
        ("put, audit buffered, p50 at 1 task, transactions", None),
        ("get, audit buffered, p50 at 1 task", Some(AtMost(1.1))),
        ("put, audit buffered, 64 tasks", Some(AtLeast(0.9))),
        ("put, audit buffered, 64 tasks, transactions", None),
        ("get, audit buffered, 64 tasks", Some(AtLeast(0.9))),
        ("put, audit strict, 64 tasks, per-writer chain", Some(AtLeast(0.9))),
        ("get, audit strict, 64 tasks, per-writer chain", Some(AtLeast(0.6))),
    ] {
        let than = if what.ends_with("transactions") {
            "the SDK alone, an item a transaction"
        } else {
            "the SDK alone"
        };
        let line = said.about(what)?;
        let unit = line["unit"].as_str().unwrap_or_default();
        rows.push(Row {
            what: what.to_owned(),
            ours: format!("{:.0} {unit}", number(line, "ours")?),
            than: format!("{than}: {:.0} {unit}", number(line, "theirs")?),
            ratio: number(line, "ratio")?,
            target,
        });
    }
    Ok(rows)
}

pub(super) fn bes() -> anyhow::Result<Vec<Row>> {
    let said = Bench { package: "blue-tests", name: "bes" }.run()?;
    let line = said.about("CPU of an import")?;
    let mut rows = vec![Row {
        what: "import of 100,000 records of 1 KiB: processor outside the SDK".to_owned(),
        ours: format!("{:.1} s in all", number(line, "seconds")?),
        than: format!("the SDK alone: {:.1} s", number(line, "sdk_seconds")?),
        ratio: number(line, "outside")?,
        target: Some(AtMost(0.1)),
    }];
    for what in ["import", "export", "rewrap", "verify"] {
        let line = said.about(&format!("memory of {what}"))?;
        let mib = |name| number(line, name).map(|kib| kib / 1_024.0);
        rows.push(Row {
            what: format!("memory of {what}, 100,000 records"),
            ours: format!("{:.0} MiB", mib("many_kib")?),
            than: format!("10,000 records: {:.0} MiB", mib("few_kib")?),
            ratio: number(line, "ratio")?,
            target: Some(AtMost(1.1)),
        });
    }
    Ok(rows)
}

pub(super) fn compile() -> anyhow::Result<Vec<Row>> {
    let envelope = cold(&["--package", "blue-envelope"])?;
    let facade = cold(&["--package", "blue-encrypted-store"])?;
    let peer = cold(&["--manifest-path", &format!("{PEERS}/Cargo.toml"), "--package", "aws-db-esdk"])?;
    let seconds = |time: Duration| format!("{:.0} s", time.as_secs_f64());
    Ok(vec![
        Row {
            what: "cold `cargo build -p blue-envelope`".to_owned(),
            ours: seconds(envelope),
            than: "15 s".to_owned(),
            ratio: envelope.as_secs_f64() / 15.0,
            target: Some(AtMost(1.0)),
        },
        Row {
            what: "cold `cargo build -p blue-encrypted-store`".to_owned(),
            ours: seconds(facade),
            than: format!("aws-db-esdk: {}", seconds(peer)),
            ratio: facade.as_secs_f64() / peer.as_secs_f64(),
            target: Some(AtMost(0.5)),
        },
    ])
}

/// How long a build takes that finds nothing built. What is to be downloaded is there.
fn cold(package: &[&str]) -> anyhow::Result<Duration> {
    let directory = tempfile::tempdir()?;
    let manifest = if package[0] == "--manifest-path" { &package[..2] } else { &[] };
    let fetched = crate::cargo().args(["fetch", "--locked", "--quiet"]).args(manifest).status()?;
    ensure!(fetched.success(), "cargo fetch failed");
    println!("=== cargo build {}, from nothing", package.join(" "));
    let begun = Instant::now();
    let mut build = crate::cargo();
    build.args(["build", "--locked", "--quiet"]).args(package).arg("--target-dir").arg(directory.path());
    ensure!(build.status()?.success(), "cargo build {} failed", package.join(" "));
    Ok(begun.elapsed())
}
