//! What `bes` needs of memory and of the processor, on many records: `cargo bench -p blue-tests --bench bes` (Linux).
//!
//! - Memory: the most that import, export, verification and rewrapping hold, over 10,000 records of 1 KiB and over 100,000.
//! - Processor: of the import of 100,000, how much is spent outside the SDK. For that the same transactions (as many, of as
//!   many and as large items, under the same conditions) are sent by the SDK alone, from a process that makes one item
//!   beforehand. What that takes is the SDK's; the rest is `bes`: reading lines, sealing, the audit log, waiting.
//!
//! One JSON object a line.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a benchmark")]

use std::{
    fmt::Write,
    fs,
    hint::black_box,
    process::{Command, Stdio},
};

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem,
};
use blue_testkit::peak_memory_kib;
use blue_tests::{Item, Sandbox, s};

const FEW: usize = 10_000;
const MANY: usize = 100_000;
/// The unit of a process's times in /proc: 10 ms on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a run of `bes` took.
#[derive(Clone, Copy)]
struct Taken {
    peak_kib: u64,
    cpu_seconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (few, _) = life(FEW).await;
    let (many, sandbox) = life(MANY).await;
    for ((what, few), (_, many)) in few.into_iter().zip(&many) {
        println!(
            r#"{{"what":"memory of {what}","few_kib":{},"many_kib":{},"ratio":{:.3}}}"#,
            few.peak_kib,
            many.peak_kib,
            many.peak_kib as f64 / few.peak_kib as f64
        );
    }
    let ours = many[0].1.cpu_seconds;
    let theirs = Replay::of(&sandbox).await.send().await;
    println!(
        r#"{{"what":"CPU of an import","seconds":{ours:.2},"sdk_seconds":{theirs:.2},"outside":{:.3}}}"#,
        1.0 - theirs / ours
    );
}

/// Imports so many records, and does with them all that goes through each.
async fn life(records: usize) -> ([(&'static str, Taken); 4], Sandbox) {
    let sandbox = Sandbox::with_kms_key("bes-bench").await;
    let lines = sandbox.path("records.jsonl");
    fs::write(&lines, made(records)).unwrap();
    run(&sandbox, &["init"]);
    let lines = lines.to_str().unwrap();
    let import = run(&sandbox, &["import", "alice/inbox", "--kind", "note", "--id-field", "id", lines]);
    let export = run(&sandbox, &["export", "alice/inbox"]);
    run(&sandbox, &["keys", "rotate", "alice"]);
    let rewrap = run(&sandbox, &["keys", "rewrap", "alice"]);
    let verify = run(&sandbox, &["audit", "verify", "--full"]);
    ([("import", import), ("export", export), ("rewrap", rewrap), ("verify", verify)], sandbox)
}

/// JSON lines of 1 KiB.
fn made(records: usize) -> String {
    let mut lines = String::with_capacity(records * 1_025);
    for number in 0..records {
        let head = format!(r#"{{"id":"{number:08}","text":""#);
        let text = "x".repeat(1_024 - head.len() - r#""}"#.len());
        writeln!(lines, r#"{head}{text}"}}"#).unwrap();
    }
    lines
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Taken {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blue-tests-bes"));
    command.args(arguments).env_clear().envs(sandbox.variables());
    command.env("BES_DEADLINE", "120s").env("BES_ATTEMPT_TIMEOUT", "60s");
    let before = times().children;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let peak_kib = peak_memory_kib(&mut child).unwrap();
    assert!(child.wait().unwrap().success(), "bes {arguments:?}");
    Taken { peak_kib, cpu_seconds: times().children - before }
}

/// Seconds of the processor.
struct Times {
    own: f64,
    children: f64,
}

/// Of this process, and of those that it waited for.
fn times() -> Times {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is the program's name, in parentheses; the 14th to 17th are the times.
    let (_, fields) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let seconds = |field: usize| fields[field - 3].parse::<f64>().unwrap() / TICKS_PER_SECOND;
    Times { own: seconds(14) + seconds(15), children: seconds(16) + seconds(17) }
}

/// The transactions of an import, to be sent again under other keys.
struct Replay {
    client: aws_sdk_dynamodb::Client,
    table: String,
    record: Item,
    segment: Item,
    /// How many records each has.
    groups: Vec<usize>,
}

impl Replay {
    /// As the audit log tells: an import's segments have an event for each record that went with them.
    async fn of(sandbox: &Sandbox) -> Self {
        let record = sandbox.item("R#alice#inbox", "note#00000000").await.unwrap();
        let (client, table) = (sandbox.client.clone(), sandbox.table.clone());
        let query = client.query().table_name(&table).select(Select::SpecificAttributes);
        let query = query.projection_expression("#count, sk").expression_attribute_names("#count", "count");
        let query =
            query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s("A#main"));
        let mut segments = query.into_paginator().items().send();
        let (mut groups, mut sent, mut largest) = (Vec::new(), 0, None);
        while sent < MANY {
            let segment = segments.next().await.unwrap().unwrap();
            let count: usize = segment["count"].as_n().unwrap().parse().unwrap();
            // Those of one or two events are mostly of opening and of keys.
            let count = count.min(MANY - sent);
            if largest.as_ref().is_none_or(|(most, _)| count > *most) {
                largest = Some((count, segment["sk"].as_s().unwrap().clone()));
            }
            sent += count;
            groups.push(count);
        }
        let (most, sk) = largest.unwrap();
        let mut segment = sandbox.item("A#main", &sk).await.unwrap();
        // As large as the mean one is.
        if let Some(AttributeValue::B(events)) = segment.get_mut("events") {
            let mut bytes = events.clone().into_inner();
            bytes.truncate(bytes.len() / most * MANY / groups.len());
            *events = aws_sdk_dynamodb::primitives::Blob::new(bytes);
        }
        Self { client, table, record, segment, groups }
    }

    /// One after the other, as one chain takes them. Says how long the processor worked for it.
    async fn send(&self) -> f64 {
        let before = times().own;
        let mut number = 0;
        for (place, count) in self.groups.iter().enumerate() {
            let mut parts = Vec::with_capacity(count + 1);
            for _ in 0..*count {
                parts.push(self.part(&self.record, "R#alice#again", format!("note#{number:08}")));
                number += 1;
            }
            parts.push(self.part(&self.segment, "A#again", format!("{place:020}")));
            let write = self.client.transact_write_items().set_transact_items(Some(parts));
            write.send().await.unwrap();
        }
        times().own - before - self.making()
    }

    /// How long the processor takes to make the items, which is none of the SDK's work.
    fn making(&self) -> f64 {
        let before = times().own;
        for number in 0..MANY {
            black_box(self.part(&self.record, "R#alice#again", format!("note#{number:08}")));
        }
        times().own - before
    }

    fn part(&self, like: &Item, pk: &str, sk: String) -> TransactWriteItem {
        let mut item = like.clone();
        item.insert("pk".to_owned(), s(pk));
        item.insert("sk".to_owned(), s(sk));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put =
            put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", "pk");
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    }
}
