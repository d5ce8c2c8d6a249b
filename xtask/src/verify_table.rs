//! `verify-table`: a table whose audit log has as many events as wanted, verified by `bes` from its first event on, with
//! what it needs of time and memory.
//!
//! The log is filled by the store itself, which lists a collection again and again, as twenty processes one after the other
//! would, each on a chain of its own; and it is verified at a tenth, half and all of its events. (One chain of them all
//! would be as well for the service. DynamoDB Local reads a partition to its end for each page of it.) That memory does not grow with the log is checked; how fast it goes is only shown.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use blue_encrypted_store::{
    Attributes, AuditConfig, Builder, ChainPolicy, Collection, Deadlines, EncryptedStore, Key, Kind,
    LocalFile, Payload, Put, ReadPolicy, RecordId,
};
use blue_testkit::{Durable, peak_memory_kib};
use clap::Args;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

const TABLE: &str = "verify-table";
/// A tenth of them are as many as are read at once on two cores.
const CHAINS: u64 = 20;
/// How many records are listed, and by how many at once.
const RECORDS: u64 = 2_000;
const AT_ONCE: u64 = 4;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// How much more memory the whole log may take than a tenth of it.
const GROWTH_PERCENT: u64 = 125;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many events the log has in the end. A tenth has to fill more than what is read ahead.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(200_000..))]
    events: u64,
}

/// One verification.
struct Measured {
    events: u64,
    segments: u64,
    bytes: u64,
    seconds: f64,
    events_per_second: u64,
    peak_kib: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let bes = bes()?;
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("tables");
    fs::create_dir(&data)?;
    let server = Durable::start(&data).await?;
    let key = directory.path().join("umk.key");
    let audit =
        AuditConfig { reads: ReadPolicy::Buffered, chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
    let patient = Deadlines { attempt: PATIENCE, operation: PATIENCE };
    let builder = || -> anyhow::Result<Builder> {
        let builder = EncryptedStore::builder().table(TABLE).client(server.client());
        Ok(builder.keys(LocalFile::open_or_create(&key)?).audit(audit).deadlines(patient))
    };
    write(&builder()?.init().await?.tenant("alice")?.collection("inbox")?).await?;

    let begun = Instant::now();
    let (mut read, mut measured) = (0, Vec::new());
    for chain in 1..=CHAINS {
        let store = builder()?.open().await?;
        let inbox = store.tenant("alice")?.collection("inbox")?;
        while read < arguments.events * chain / CHAINS {
            let lists = (0..AT_ONCE).map(|_| list(&inbox));
            read += futures::future::try_join_all(lists).await?.into_iter().sum::<u64>();
        }
        store.flush().await?;
        println!("{read} events of reads after {} s", begun.elapsed().as_secs());
        if [CHAINS / 10, CHAINS / 2, CHAINS].contains(&chain) {
            let of = verify(&bes, &server, &key)?;
            ensure!(of.events >= read, "{} events were verified, and {read} recorded", of.events);
            measured.push(of);
        }
    }
    println!("\n{}", table(&measured));
    let (tenth, all) = (measured[0].peak_kib, measured[2].peak_kib);
    ensure!(
        all * 100 <= tenth * GROWTH_PERCENT,
        "memory grows with the log: {tenth} KiB for a tenth of it, {all} KiB for all"
    );
    Ok(())
}

async fn write(inbox: &Collection) -> anyhow::Result<()> {
    let write = |number: u64| async move {
        let key = Key { kind: Kind::new("note")?, id: RecordId::new(format!("{number:05}"))? };
        let payload = Payload::Bytes(b"call Bob".to_vec());
        inbox.put_payload(&key, payload, Attributes::new(), Put::Upsert).await?;
        anyhow::Ok(())
    };
    stream::iter(0..RECORDS).map(write).buffer_unordered(64).try_collect::<()>().await
}

async fn list(inbox: &Collection) -> anyhow::Result<u64> {
    let mut count = 0;
    let mut entries = inbox.list_payloads(None);
    while let Some(entry) = entries.next().await {
        entry?;
        count += 1;
    }
    ensure!(count == RECORDS, "{count} of {RECORDS} records were listed");
    Ok(count)
}

/// `bes` as it is shipped.
fn bes() -> anyhow::Result<PathBuf> {
    let mut build = crate::cargo();
    build.args(["build", "--release", "--locked", "--package", "blue-encrypted-store-cli", "--bin", "bes"]);
    let output = build.arg("--message-format=json").stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "bes cannot be built");
    let messages = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    for message in messages.map(serde_json::from_slice::<Value>) {
        if let Some(executable) = message?.get("executable").and_then(Value::as_str) {
            return Ok(executable.into());
        }
    }
    bail!("cargo does not say where bes is")
}

fn verify(bes: &Path, server: &Durable, key: &Path) -> anyhow::Result<Measured> {
    let mut command = Command::new(bes);
    command.args(["audit", "verify", "--full", "--json"]).env_clear().envs(server.variables());
    command
        .env("BES_TABLE", TABLE)
        .env("BES_KEY_FILE", key)
        .env("HOME", key.parent().context("a directory")?);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take().context("a pipe")?;
    let output = thread::spawn(move || std::io::read_to_string(&mut output));
    let peak_kib = peak_memory_kib(&mut child)?;
    let status = child.wait()?;
    let text = output.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    ensure!(status.success(), "bes audit verify ended with {status}: {text}");
    let report: Value = serde_json::from_str(&text)?;
    ensure!(report["verdict"] == "verified" && report["macs_checked"] == true, "{text}");
    let total = |name: &str| report["totals"][name].as_u64().with_context(|| format!("no {name} in {text}"));
    Ok(Measured {
        events: total("events")?,
        segments: total("segments")?,
        bytes: total("bytes")?,
        seconds: report["seconds"].as_f64().context("no seconds")?,
        events_per_second: report["events_per_second"].as_u64().context("no events_per_second")?,
        peak_kib,
    })
}

fn table(measured: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["events", "segments", "MB of events", "seconds", "events/s", "peak memory, MiB"]);
    for of in measured {
        table.add_row([
            of.events.to_string(),
            of.segments.to_string(),
            (of.bytes / 1_000_000).to_string(),
            format!("{:.1}", of.seconds),
            of.events_per_second.to_string(),
            (of.peak_kib / 1_024).to_string(),
        ]);
    }
    table
}
