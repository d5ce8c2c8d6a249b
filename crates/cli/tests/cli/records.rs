//! Writing, reading, listing and deleting records.

use std::{fs, process::Stdio};

use serde_json::json;

use crate::bench::Bench;

#[test]
fn init_says_what_it_did_and_that_local_data_are_not_durable() {
    let bench = Bench::with_key_file();
    let key = bench.key_file().display().to_string();
    let ran = bench.run(&["init"]).succeeded().printed("");
    let ran = ran.said(&format!("created the table {}", bench.table));
    ran.said(&format!("created the key file {key}")).said("Local data are not durable");
    let ran = bench.run(&["init"]).succeeded();
    ran.said("found the table").said("found the key file");

    let ran = bench.run(&["init", "--output", "json"]).succeeded();
    let expected = json!({
        "table": bench.table, "table_created": false, "namespace": "default", "key_file": key, "key_created": false,
        "local": true,
    });
    assert_eq!(ran.json(), [expected]);
}

#[test]
fn what_was_put_comes_back_and_goes_away() {
    let bench = Bench::initialised();
    let ran = bench.run(&["put", "alice/inbox/note/2026/1", "--json", r#"{"b":1.0,"a":"é"}"#]).succeeded();
    let version: u64 = ran.stdout.trim().parse().unwrap();
    bench.run(&["get", "alice/inbox/note/2026/1"]).succeeded().printed("{\"b\":1.0,\"a\":\"é\"}\n");

    let ran = bench.run_with_input(&["put", "alice/inbox/note/2", "--output", "json"], " [1,\n 2] ");
    assert_eq!(ran.succeeded().json()[0]["address"], "alice/inbox/note/2");
    bench.run(&["get", "alice/inbox/note/2"]).printed("[1,\n 2]\n");

    let replace = ["put", "alice/inbox/note/2026/1", "--json", "3", "--if-version", &version.to_string()];
    let next = (version + 1).to_string();
    bench.run(&replace).succeeded().printed(&format!("{next}\n"));
    bench.run(&["rm", "alice/inbox/note/2026/1", "--if-version", &next]).succeeded().printed("");
    let ran = bench.run(&["rm", "alice/inbox/note/2", "--output", "json"]).succeeded();
    assert_eq!(ran.json(), [json!({ "address": "alice/inbox/note/2", "deleted": true })]);
    bench.run(&["ls", "alice/inbox"]).succeeded().printed("");
}

#[test]
fn a_record_in_json_has_everything_about_it() {
    let bench = Bench::initialised();
    let attributes =
        ["--attr", "s=a=b", "--attr", "n:int=-5", "--attr", "b:bool=true", "--attr", "x:bytes=AP8="];
    let put = [&["put", "t/c/k/1", "--json", "{\"n\": 1.50}"][..], &attributes].concat();
    let version: u64 = bench.run(&put).succeeded().stdout.trim().parse().unwrap();

    let ran = bench.run(&["--output", "json", "get", "t/c/k/1"]).succeeded();
    assert!(ran.stdout.contains("\"value\":{\"n\": 1.50}"), "kept as it was: {}", ran.stdout);
    let mut got = ran.json().remove(0);
    let (created, updated) = (got["created"].take(), got["updated"].take());
    assert_eq!(created, updated);
    assert!(created.as_str().unwrap().ends_with('Z') && created.as_str().unwrap().len() == 27, "{created}");
    let attributes = json!({ "s": "a=b", "n": -5, "b": true, "x": { "base64": "AP8=" } });
    let expected = json!({
        "address": "t/c/k/1", "version": version, "created": null, "updated": null, "attributes": attributes,
        "type": "json", "value": { "n": 1.5 },
    });
    assert_eq!(got, expected);

    let listed = bench.run(&["ls", "t/c", "--output", "json"]).succeeded().json();
    let keys: Vec<_> = listed[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["attributes", "created", "id", "kind", "type", "updated", "version"], "no value");
}

#[test]
fn bytes_come_back_raw_in_text_and_as_base64_in_json() {
    let bench = Bench::initialised();
    let path = bench.path("blob");
    fs::write(&path, [0, 255, b'\n', 7]).unwrap();
    bench.run(&["put", "t/c/k/1", "--bytes", "--file", path.to_str().unwrap()]).succeeded();
    let got = bench.command(&["get", "t/c/k/1"]).output().unwrap();
    assert_eq!(got.stdout, [0, 255, b'\n', 7]);
    let ran = bench.run(&["get", "t/c/k/1", "--output", "json"]);
    assert_eq!((&ran.json()[0]["type"], &ran.json()[0]["value"]), (&json!("bytes"), &json!("AP8KBw==")));
}

#[test]
fn a_listing_is_tab_separated_without_a_terminal_and_a_table_on_one() {
    let bench = Bench::initialised();
    for (kind, id) in [("note", "b"), ("note", "a"), ("task", "1")] {
        let address = format!("t/c/{kind}/{id}");
        bench.run(&["put", &address, "--json", "0", "--attr", "status=new\tish"]).succeeded();
    }
    let ran = bench.run(&["ls", "t/c"]).succeeded();
    let rows: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split('\t').collect()).collect();
    let keys: Vec<_> = rows.iter().map(|row| (row[0], row[1], row[5], row.len())).collect();
    let attributes = r#"{"status":"new\tish"}"#;
    assert_eq!(
        keys,
        [("note", "a", attributes, 6), ("note", "b", attributes, 6), ("task", "1", attributes, 6)]
    );

    assert_eq!(bench.run(&["ls", "t/c", "--kind", "task"]).stdout.lines().count(), 1);
    bench.on_terminal(&[], &["ls", "t/c"]).succeeded().said("│ kind").said("│ note").said("╞");
    bench.on_terminal(&[], &["put", "t/c/k/9", "--json", "1"]).succeeded().said("t/c/k/9 has version ");
}

#[test]
fn an_export_is_one_line_a_record() {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/note/1", "--json", "{\"a\":\n1}", "--attr", "s=x"]).succeeded();
    bench.run(&["put", "t/c/task/1", "--bytes", "--file", "-"]).succeeded();
    bench.run(&["put", "t/other/note/1", "--json", "0"]).succeeded();

    let lines = bench.run(&["export", "t/c"]).succeeded().json();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["kind"], &lines[0]["id"]), (&json!("note"), &json!("1")));
    assert_eq!((&lines[0]["attributes"], &lines[0]["value"]), (&json!({ "s": "x" }), &json!({ "a": 1 })));
    assert_eq!((&lines[1]["type"], &lines[1]["value"]), (&json!("bytes"), &json!("")));
    assert_eq!(bench.run(&["export", "t/c", "--kind", "task"]).json().len(), 1);
}

#[test]
fn a_reader_that_goes_away_ends_an_export_quietly() {
    let bench = Bench::initialised();
    // More than a pipe holds.
    let lines: String =
        (0..200).map(|i| format!("{{\"id\":{i},\"x\":\"{}\"}}\n", "x".repeat(1_000))).collect();
    bench.run_with_input(&["import", "t/c", "--kind", "k", "--id-field", "id", "-"], &lines).succeeded();
    let mut command = bench.command(&["export", "t/c"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn no_log_holds_content_or_requests() {
    let bench = Bench::initialised();
    let content = "\"a-secret-content\"";
    let ran = bench.run_with(&[("BES_LOG", "trace")], &["put", "t/c/k/1", "--json", content]).succeeded();
    ran.said("DEBUG").never_said("a-secret-content").never_said("wrapped_kek").never_said("BES-UMK-1");
    // The answer that holds the wrapped key.
    let ran = bench.run_with(&[("BES_LOG", "trace")], &["get", "t/c/k/1"]).succeeded();
    ran.said("DEBUG").never_said("wrapped_kek");
    let ran = bench.run(&["-vvv", "get", "t/c/k/1"]).succeeded().printed("\"a-secret-content\"\n");
    ran.said("blue_keys").never_said("a-secret-content");
    bench.run_with(&[("BES_LOG", "a=b=c")], &["ls", "t/c"]).exited(2).said("(from BES_LOG)");
}
