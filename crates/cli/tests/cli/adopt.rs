//! A table that was restored from a backup. DynamoDB Local gives tables no id, so one whose META has an id is another table
//! than was made a store.

use std::{collections::BTreeMap, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use blue_encrypted_store::{
    Namespace, TenantName,
    blue_audit::{Checkpoint, NoteSigner},
};
use serde_json::json;
use time::OffsetDateTime;

use crate::bench::{Bench, text};

const OLD: &str = "11111111-1111-4111-8111-111111111111";

fn restored() -> Bench {
    let bench = Bench::initialised();
    for address in ["alice/inbox/note/1", "bob/inbox/note/1"] {
        bench.run(&["put", address, "--json", "1"]).succeeded();
    }
    let mut meta = bench.meta();
    meta.insert("table_id".to_owned(), AttributeValue::S(OLD.to_owned()));
    bench.put_item(meta);
    bench
}

/// A file with a checkpoint of a table, by which bob was shredded, and the key to believe it by.
fn checkpoint(bench: &Bench, table_id: Option<&str>) -> [String; 2] {
    let signer = NoteSigner::generate("bes/default").unwrap();
    let shredded = BTreeMap::from([(TenantName::new("bob").unwrap(), OffsetDateTime::UNIX_EPOCH)]);
    let (namespace, table_id) = (Namespace::new("default").unwrap(), table_id.map(str::to_owned));
    let now = OffsetDateTime::now_utc();
    let checkpoint = Checkpoint::new(namespace, now, table_id, BTreeMap::new(), shredded).unwrap();
    let path = bench.path("checkpoints");
    fs::write(&path, checkpoint.sign(&signer).unwrap() + "\n").unwrap();
    [path.display().to_string(), signer.verifier().to_string()]
}

#[test]
fn a_restored_table_is_read_with_a_warning_and_not_written() {
    let bench = restored();
    let records = bench.items_without_audit();
    let ran = bench.run(&["get", "alice/inbox/note/1"]).succeeded().printed("1\n");
    ran.said("warning: the table").said(OLD).said("help: if this is to be the store from now on: bes adopt");
    let refused: [&[&str]; 3] = [
        &["put", "alice/inbox/note/1", "--json", "2"],
        &["rm", "alice/inbox/note/1"],
        &["put", "carol/inbox/note/1", "--json", "2"],
    ];
    for arguments in refused {
        bench.run(arguments).exited(11).said("error: the table").said("can only be read until it is adopted");
    }
    bench.run(&["init"]).succeeded().said("warning: the table").never_said("The store is ready");
    assert_eq!(bench.items_without_audit(), records);
    bench.run(&["audit", "verify"]).succeeded();
}

#[test]
fn to_adopt_it_takes_its_last_checkpoint_or_to_say_that_there_is_none() {
    let bench = restored();
    let items = bench.items();
    bench.run(&["adopt"]).exited(2).said("which tenants were shredded").said("--no-checkpoint");
    for other in [None, Some("another")] {
        let [file, key] = checkpoint(&bench, other);
        let ran = bench.run(&["adopt", "--checkpoint", &file, "--verifier", &key]).exited(2);
        ran.said(OLD).said("help: name the checkpoints of the table that was backed up");
    }
    let [file, _] = checkpoint(&bench, Some(OLD));
    let stranger = NoteSigner::generate("bes/default").unwrap().verifier().to_string();
    bench.run(&["adopt", "--checkpoint", &file, "--verifier", &stranger]).exited(5);
    assert_eq!(bench.items(), items, "nothing was done");

    bench.run(&["adopt", "--no-checkpoint"]).succeeded().said("is the store now");
    assert!(!bench.meta().contains_key("table_id"));
    bench.run(&["get", "bob/inbox/note/1"]).succeeded().never_said("warning");
    bench.run(&["put", "alice/inbox/note/1", "--json", "2"]).succeeded();
    bench.run(&["adopt"]).succeeded().said("there is nothing to adopt");
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

#[test]
fn who_was_shredded_is_shredded_again() {
    let bench = restored();
    let [file, key] = checkpoint(&bench, Some(OLD));
    let adopt = ["--output", "json", "adopt", "--checkpoint", &file, "--verifier", &key];
    let ran = bench.run(&adopt).succeeded().said("Shredded again: bob");
    let expected = json!({
        "table": bench.table, "adopted": true, "table_id": null, "old_table_id": OLD, "shredded": ["bob"],
        "records_deleted": 1, "items_left": 0, "behind": [],
    });
    assert_eq!(ran.json(), [expected]);
    bench.run(&["put", "bob/inbox/note/1", "--json", "2"]).exited(10).said("1970-01-01T00:00:00Z");
    assert!(bench.items().iter().all(|item| text(item, "pk") != "R#bob#inbox"));
    bench.run(&["audit", "verify", "--deep"]).succeeded();
    let told = bench.run(&["audit", "tail", "-n", "100"]).succeeded().stdout;
    assert!(told.contains("\tshred\t") && told.contains("\tadopt\t"), "{told}");
    assert_eq!(bench.run(&adopt).succeeded().json(), [json!({"table": bench.table, "adopted": false})]);
}

#[test]
fn a_log_that_is_not_sound_stops_it() {
    let bench = restored();
    let first = bench.items().into_iter().find(|item| text(item, "pk") == "A#main").unwrap();
    bench.with_client(async |client, table| {
        let delete = client.delete_item().table_name(table);
        delete.key("pk", first["pk"].clone()).key("sk", first["sk"].clone()).send().await.unwrap();
    });
    let ran = bench.run(&["adopt", "--no-checkpoint"]).exited(5).said("missing main 0");
    ran.said("the audit log of the restored table is not sound").said("--despite-findings");
    bench.run(&["adopt", "--no-checkpoint", "--despite-findings"]).succeeded().said("is the store now");
}

#[test]
fn a_long_command_makes_checkpoints_while_it_writes() {
    let bench = Bench::initialised();
    let file = bench.path("checkpoints").display().to_string();
    let lines: String = (0..200).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    let path = bench.write("notes.jsonl", &lines).display().to_string();
    let settings = [("BES_CHECKPOINT_FILE", file.as_str()), ("BES_CHECKPOINT_EVENTS", "50")];
    let import = ["import", "alice/inbox", "--kind", "note", "--id-field", "id", "--concurrency", "2", &path];
    bench
        .run_with(&settings, &["put", "alice/inbox/note/a", "--json", "1"])
        .succeeded()
        .never_said("checkpoint");
    bench.run_with(&settings, &import).succeeded().said("Made the key that signs checkpoints");
    let checkpoints = || fs::read_to_string(&file).unwrap().matches("bes/default\n").count();
    assert!(checkpoints() >= 1, "the first is made at once");
    // A command that ends does not wait for one.
    let first = checkpoints();
    while checkpoints() < first + 2 {
        bench.run_with(&settings, &import).succeeded().never_said("warning");
    }
    bench.run_with(&settings, &["audit", "verify"]).succeeded();

    // That one cannot be made is told, and stops nothing.
    fs::write(&file, "something else\n\n").unwrap();
    bench
        .run_with(&settings, &import)
        .succeeded()
        .said("warning: no checkpoints are made: ")
        .said("checkpoint");
    let command = [("BES_CHECKPOINT_COMMAND", "false"), ("BES_CHECKPOINT_EVENTS", "50")];
    while !bench
        .run_with(&command, &import)
        .succeeded()
        .stderr
        .contains("warning: the checkpoint was not deliv")
    {}
}
