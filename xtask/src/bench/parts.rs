//! The parts: what each runs, and the rows that it makes.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{
    Row,
    Target::{self, AtLeast, AtMost},
    read::{Bench, Said, median, number, text, time},
};

/// Where cargo and the peers' cargo leave what criterion found.
const TARGET: &str = "target";
const PEERS: &str = "benches/peers";
/// What every cold build is told, lest one has more debug information to make than the other.
const DEBUG: &str = r#"profile.dev.debug="line-tables-only""#;

pub(super) fn envelope() -> anyhow::Result<Vec<Row>> {
    let said = Bench { package: "blue-envelope", name: "ratios" }.run()?;
    let mut rows = in_turns(
        &said,
        &[
            ("seal, 1 KiB", Some(AtMost(1.25))),
            ("open, 1 KiB", Some(AtMost(1.25))),
            ("seal in place, 16 KiB", Some(AtMost(1.10))),
            ("open in place, 16 KiB", Some(AtMost(1.10))),
            ("seal in place, 256 KiB", Some(AtMost(1.03))),
            ("open in place, 256 KiB", Some(AtMost(1.03))),
        ],
    )?;
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
                what: format!("typed record, {what}, 1 KiB: times faster"),
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

pub(super) fn audit() -> anyhow::Result<Vec<Row>> {
    let said = Bench { package: "blue-audit", name: "ratios" }.run()?;
    let rows = in_turns(
        &said,
        &[
            ("encode, hash and link", Some(AtLeast(0.7))),
            ("verify from memory, one core", Some(AtLeast(0.8))),
            ("verify from memory, two cores", Some(AtLeast(1.8))),
        ],
    )?;
    Ok(rows.into_iter().map(|row| Row { what: format!("audit: {}", row.what), ..row }).collect())
}

pub(super) fn end_to_end() -> anyhow::Result<Vec<Row>> {
    let said = Bench { package: "blue-tests", name: "end_to_end" }.run()?;
    in_turns(
        &said,
        &[
            ("put, audit buffered, p50 at 1 task", Some(AtMost(1.1))),
            ("put, audit buffered, p50 at 1 task, transactions", None),
            ("get, audit buffered, p50 at 1 task", Some(AtMost(1.1))),
            ("put, audit buffered, 64 tasks", Some(AtLeast(0.9))),
            ("put, audit buffered, 64 tasks, transactions", None),
            ("get, audit buffered, 64 tasks", Some(AtLeast(0.9))),
            ("put, audit strict, p50 at 1 task", None),
            ("get, audit strict, p50 at 1 task", None),
            ("put, audit strict, 64 tasks, per-writer chain", Some(AtLeast(0.9))),
            ("get, audit strict, 64 tasks, per-writer chain", Some(AtLeast(0.6))),
        ],
    )
}

/// The lines of a benchmark whose two sides took turns.
fn in_turns(said: &Said, lines: &[(&str, Option<Target>)]) -> anyhow::Result<Vec<Row>> {
    let row = |&(what, target): &(&str, Option<Target>)| {
        let line = said.about(what)?;
        let unit = text(line, "unit")?;
        let side = |name| {
            let number = number(line, name)?;
            anyhow::Ok(if unit == "ns" { time(number) } else { format!("{number:.0} {unit}") })
        };
        Ok(Row {
            what: what.to_owned(),
            ours: side("ours")?,
            than: format!("{}: {}", text(line, "than")?, side("theirs")?),
            ratio: number(line, "ratio")?,
            target,
        })
    };
    lines.iter().map(row).collect()
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
    // Without the other peers, whose features cargo would unite with its.
    let manifest = format!("{PEERS}/Cargo.toml");
    let peer = cold(&["--manifest-path", &manifest, "--no-default-features", "--features", "esdk"])?;
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
    build.args(["build", "--locked", "--quiet", "--config", DEBUG]).args(package);
    build.arg("--target-dir").arg(directory.path()).env("RUSTC_WRAPPER", "");
    ensure!(build.status()?.success(), "cargo build {} failed", package.join(" "));
    Ok(begun.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_turns_is_shown_in_its_unit() {
        let said = Said::of(
            "Benchmarking\n\
             {\"what\":\"a\",\"than\":\"b\",\"unit\":\"ns\",\"ratio\":2.0,\"ours\":2000,\"theirs\":1000}\n\
             {\"what\":\"c\",\"than\":\"d\",\"unit\":\"MB/s\",\"ratio\":0.5,\"ours\":400,\"theirs\":800}\n\
             {\"what\":\"e\",\"than\":\"f\",\"ratio\":0.5,\"ours\":400,\"theirs\":800}\n",
        );
        let rows = in_turns(&said, &[("a", Some(AtMost(1.1))), ("c", None)]).unwrap();
        let shown: Vec<_> = rows.iter().map(|row| (&*row.ours, &*row.than, row.ratio, row.target)).collect();
        assert_eq!(
            shown,
            [("2.00 µs", "b: 1.00 µs", 2.0, Some(AtMost(1.1))), ("400 MB/s", "d: 800 MB/s", 0.5, None)]
        );
        assert!(in_turns(&said, &[("e", None)]).unwrap_err().to_string().contains("unit"));
        assert!(in_turns(&said, &[("g", None)]).unwrap_err().to_string().contains("\"g\""));
    }
}
