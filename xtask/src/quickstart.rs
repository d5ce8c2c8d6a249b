//! `cargo xtask quickstart`: the whole way on real data, in plain words.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use blue_encrypted_store::{
    Attributes, Collection, EncryptedStore, Entry, Key, Kind, LocalFile, Payload, Put, ReadError, RecordId,
};
use blue_testkit::{DynamoDb, unique_table};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, value::RawValue};

const DATA: &str = "data/legislators.jsonl";
const TENANT: &str = "congress";
const COLLECTION: &str = "legislators";
const KIND: &str = "person";
/// What stays readable in the table.
const CLEARTEXT: [&str; 2] = ["state", "party"];
const CONCURRENCY: usize = 16;

type Item = HashMap<String, AttributeValue>;

pub(crate) async fn run() -> anyhow::Result<()> {
    println!(
        "1. A database. DynamoDB Local is found or started; it is the same service API as in production."
    );
    let dynamodb = DynamoDb::start().await?;
    println!("   {}, at {}\n", dynamodb.described(), dynamodb.endpoint());

    println!("2. A key and a table. On a laptop the master key is a file; in production a KMS holds it.");
    let directory = tempfile::tempdir()?;
    let key_path = directory.path().join("umk.key");
    let (client, table) = (dynamodb.client().await, unique_table("quickstart"));
    let store = EncryptedStore::builder()
        .table(&table)
        .client(client.clone())
        .keys(LocalFile::open_or_create(&key_path)?)
        .init()
        .await?;
    println!("   key file {}\n   table {table}\n", key_path.display());

    let shown = demonstrate(&store, &client, &table).await;
    client.delete_table().table_name(&table).send().await?;
    shown?;
    println!("{NEXT}");
    Ok(())
}

async fn demonstrate(store: &EncryptedStore, client: &Client, table: &str) -> anyhow::Result<()> {
    let people = store.tenant(TENANT)?.collection(COLLECTION)?;
    let lines = read_lines()?;
    import(&people, &lines).await?;
    let shown = read_back(&people, &lines).await?;
    let item = show(client, table, &shown).await?;
    search(client, table, &lines).await?;
    flip_a_bit(&people, client, table, &shown.key, item).await
}

const NEXT: &str = "\
All of it held. The table, the key and the server (if it was started here) are gone again.

How to go on:
   eval \"$(cargo xtask up)\"                      keeps a DynamoDB Local running and points this shell to it
   cargo install --path crates/cli               installs the command `bes`
   bes init                                      makes a key file and a table
   bes put alice/inbox/note/42 --json '{\"text\": \"call Bob\"}' --attr status=open
   bes get alice/inbox/note/42
   bes --help
   cargo xtask down                              stops the server
In Rust: the example in README.md. The formats: docs/envelope.md, docs/keys.md, docs/table.md.";

/// One line of the data: its key, its text as it is, and what of it stays readable.
struct Line {
    key: Key,
    text: Box<RawValue>,
    value: Value,
    attributes: Attributes,
}

fn read_lines() -> anyhow::Result<Vec<Line>> {
    let path = crate::root().join(DATA);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> anyhow::Result<Line> {
    let value: Value = serde_json::from_str(line)?;
    let id = value["id"].as_str().context("a record without an id")?;
    let key = Key { kind: Kind::new(KIND)?, id: RecordId::new(id)? };
    let mut attributes = Attributes::new();
    for name in CLEARTEXT {
        if let Some(text) = value[name].as_str() {
            attributes.insert(name, text)?;
        }
    }
    Ok(Line { key, text: RawValue::from_string(line.to_owned())?, value, attributes })
}

async fn import(people: &Collection, lines: &[Line]) -> anyhow::Result<()> {
    println!(
        "3. Import. {} people from {DATA}; {} stay readable, the rest is sealed.",
        lines.len(),
        CLEARTEXT.join(" and ")
    );
    let style = ProgressStyle::with_template("   {bar:40} {pos}/{len}")?;
    let bar = ProgressBar::new(lines.len().try_into()?).with_style(style);
    let started = Instant::now();
    stream::iter(lines.iter().map(anyhow::Ok))
        .try_for_each_concurrent(CONCURRENCY, |line| {
            let bar = &bar;
            async move {
                let payload = Payload::Json(line.text.clone());
                people.put_payload(&line.key, payload, line.attributes.clone(), Put::Create).await?;
                bar.inc(1);
                Ok(())
            }
        })
        .await?;
    bar.finish_and_clear();
    println!("   {} records written in {}\n", lines.len(), seconds(started.elapsed()));
    Ok(())
}

/// Reads all records back, compares each with its line, and gives one of them to show.
async fn read_back(people: &Collection, lines: &[Line]) -> anyhow::Result<Entry<Payload>> {
    println!("4. Read back. Every record is opened and compared with its line, byte for byte.");
    let started = Instant::now();
    let entries: Vec<Entry<Payload>> = people.list_payloads(None).try_collect().await?;
    ensure!(entries.len() == lines.len(), "{} records came back, not {}", entries.len(), lines.len());
    let mut found: HashMap<Key, Entry<Payload>> =
        entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
    for line in lines {
        let entry = found.get(&line.key).with_context(|| format!("{} did not come back", line.key))?;
        ensure!(text(&entry.value) == Some(line.text.get()), "{} came back changed", line.key);
        ensure!(entry.attributes == line.attributes, "{} came back with other attributes", line.key);
    }
    println!("   {} of {} are the same, in {}\n", lines.len(), lines.len(), seconds(started.elapsed()));
    let first = &lines.first().context("the data are empty")?.key;
    found.remove(first).context("compared above")
}

async fn show(client: &Client, table: &str, entry: &Entry<Payload>) -> anyhow::Result<Item> {
    println!("5. One record, as it lies in the table:");
    let key = item_key(&entry.key);
    let answer = client.get_item().table_name(table).set_key(Some(key)).consistent_read(true).send().await?;
    let item = answer.item.context("the item is not in the table")?;
    let mut names: Vec<_> = item.keys().collect();
    names.sort();
    for name in names {
        let value = match &item[name] {
            AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
            AttributeValue::B(bytes) => {
                format!("{}… ({} bytes)", hex(&bytes.as_ref()[..40]), bytes.as_ref().len())
            }
            other => format!("{other:?}"),
        };
        println!("     {name:8} {value}");
    }
    println!("   and as it opens with the key:");
    println!("     {}\n", text(&entry.value).unwrap_or_default());
    Ok(item)
}

/// Looks for every sealed text of the data in every byte of the table.
async fn search(client: &Client, table: &str, lines: &[Line]) -> anyhow::Result<()> {
    println!("6. A search of the whole table for names and dates that were sealed.");
    let mut haystack = Vec::new();
    let mut pages = client.scan().table_name(table).into_paginator().send();
    while let Some(page) = pages.next().await {
        for (name, value) in page?.items.unwrap_or_default().into_iter().flatten() {
            haystack.extend_from_slice(name.as_bytes());
            haystack.push(0);
            match value {
                AttributeValue::S(text) | AttributeValue::N(text) => {
                    haystack.extend_from_slice(text.as_bytes())
                }
                AttributeValue::B(bytes) => haystack.extend_from_slice(bytes.as_ref()),
                other => bail!("the table holds an attribute of an unexpected type: {other:?}"),
            }
            haystack.push(0);
        }
    }
    let needles: Vec<&str> = lines
        .iter()
        .flat_map(|line| ["wikipedia", "born"].into_iter().filter_map(|field| line.value[field].as_str()))
        .collect();
    let table_text = String::from_utf8_lossy(&haystack);
    let seen = needles.iter().filter(|needle| table_text.contains(**needle)).count();
    ensure!(seen == 0, "{seen} sealed texts stand readable in the table");
    println!("   {} texts looked for in {} bytes: none is there\n", needles.len(), haystack.len());
    Ok(())
}

async fn flip_a_bit(
    people: &Collection,
    client: &Client,
    table: &str,
    key: &Key,
    mut item: Item,
) -> anyhow::Result<()> {
    println!("7. Somebody with access to the table flips one bit of that record.");
    let Some(AttributeValue::B(envelope)) = item.get("_e") else { bail!("the item has no envelope") };
    let mut changed = envelope.as_ref().to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    item.insert("_e".to_owned(), AttributeValue::B(Blob::new(changed)));
    client.put_item().table_name(table).set_item(Some(item)).send().await?;
    match people.get_payload(key).await {
        Err(error @ ReadError::Tampered(_)) => println!("   refused: {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("a flipped bit was not noticed"),
    }
    let others = people.list_payloads(None).filter(|entry| std::future::ready(entry.is_ok())).count().await;
    println!("   the other {others} records still open\n");
    Ok(())
}

fn item_key(key: &Key) -> Item {
    let text = |text: String| AttributeValue::S(text);
    HashMap::from([
        ("pk".to_owned(), text(format!("R#{TENANT}#{COLLECTION}"))),
        ("sk".to_owned(), text(format!("{}#{}", key.kind, key.id))),
    ])
}

fn text(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::Json(text) => Some(text.get()),
        Payload::Bytes(_) => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
