//! `bes import`.

use std::fs;

use serde_json::json;

use crate::bench::Bench;

const IMPORT: [&str; 6] = ["import", "t/c", "--kind", "k", "--id-field", "id"];

#[test]
fn every_line_becomes_a_record_sealed_but_for_its_attributes() {
    let bench = Bench::initialised();
    let lines: String = (0..300)
        .map(|i| format!("{{\"id\":\"r{i:03}\",\"state\":\"S{i}\",\"n\":{i},\"text\":\"sealed-{i}\"}}\n"))
        .collect();
    let file = bench.write("in.jsonl", &lines);
    let arguments = [&IMPORT[..], &["--attr", "state,n", file.to_str().unwrap()]].concat();
    bench.run(&arguments).succeeded().printed("").said("imported 300 lines\n");

    let exported = bench.run(&["export", "t/c"]).succeeded().json();
    assert_eq!(exported.len(), 300);
    for (i, line) in exported.iter().enumerate() {
        assert_eq!(line["value"]["text"], format!("sealed-{i}"));
        assert_eq!(line["attributes"], json!({ "state": format!("S{i}"), "n": i }));
    }
    let stored = format!("{:?}", bench.items());
    assert!(stored.contains("S299") && !stored.contains("sealed-"));

    bench.run(&arguments).succeeded().said("imported 300 lines\n");
    assert_eq!(bench.run(&["ls", "t/c"]).stdout.lines().count(), 300, "again, not twice");
}

#[test]
fn a_bad_line_is_reported_with_its_number_and_stops_nothing() {
    let bench = Bench::initialised();
    let longest = "x".repeat(409_600);
    let large = "x".repeat(409_500);
    let lines = [
        "\u{feff}{\"id\":\"first\"}",
        "no json",
        "",
        "{\"x\":1}",
        "{\"id\":1.5}",
        "{\"id\":\"null\",\"a\":null}",
        "[1]",
        "{\"id\":\"a\\u0001\"}",
        &format!("{{\"id\":\"longest\",\"x\":\"{longest}\"}}"),
        &format!("{{\"id\":\"large\",\"x\":\"{large}\"}}"),
        "{\"id\":\"last\",\"a\":true}",
    ]
    .join("\n");
    let file = bench.write("in.jsonl", &lines);
    let ran =
        bench.run(&[&IMPORT[..], &["--attr", "a", file.to_str().unwrap(), "--output", "json"]].concat());
    assert_eq!(ran.json(), [json!({ "imported": 2, "failed": 8, "finished": true })]);
    let ran = ran.exited(9).said("line 2: it is no JSON object: ").said("line 4: it has no field \"id\"");
    let ran = ran
        .said("line 5: the field \"id\" is a number that is no integer")
        .said("line 6: the field \"a\" is null");
    let ran = ran.said("line 7: it is no JSON object: ").said("line 8: the field \"id\" is no id: ");
    let ran = ran
        .said("line 9: it has more than 409600 bytes")
        .said("line 10: the record t/c/k/large is too large");
    ran.said("error: 8 lines could not be imported").never_said("line 1: ").never_said("line 11: ");
    let ids: Vec<_> = bench.run(&["export", "t/c"]).json().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["first", "last"]);
}

#[test]
fn of_lines_with_one_id_the_last_wins() {
    let bench = Bench::initialised();
    let lines: String = (0..400).map(|i| format!("{{\"id\":{},\"turn\":{}}}\n", i % 4, i / 4)).collect();
    let ran = bench.run_with_input(&[&IMPORT[..], &["--concurrency", "7", "-"]].concat(), &lines);
    ran.succeeded().said("imported 400 lines");
    let exported = bench.run(&["export", "t/c"]).json();
    assert_eq!(exported.len(), 4);
    assert!(exported.iter().all(|line| line["value"]["turn"] == 99), "{exported:?}");
}

#[test]
fn a_field_that_no_line_has_is_pointed_out() {
    let bench = Bench::initialised();
    let ran =
        bench.run_with_input(&[&IMPORT[..], &["--attr", "stat", "-"]].concat(), "{\"id\":1,\"state\":2}\n");
    ran.succeeded().said("warning: no line has the field \"stat\" of --attr");
}

#[test]
fn what_is_wrong_with_the_whole_is_said_before_any_line() {
    let bench = Bench::initialised();
    let file = bench.write("in.jsonl", "{\"id\":1}\n");
    let file = file.to_str().unwrap();
    bench.run(&[&IMPORT[..], &["--attr", "pk", file]].concat()).exited(2).said("\"pk\" is reserved");
    bench.run(&[&IMPORT[..], &["--attr", "a,a", file]].concat()).exited(2).said("\"a\" is given twice");
    bench.run(&[&IMPORT[..], &["nowhere.jsonl"]].concat()).exited(2).said("cannot read nowhere.jsonl");
    bench.run(&[&IMPORT[..], &["."]].concat()).exited(2).said("cannot read .");
    bench.run(&[&IMPORT[..], &["--concurrency", "0", file]].concat()).exited(2);
    bench.run(&["import", "t", "--kind", "k", "--id-field", "id", file]).exited(2).said("TENANT/COLLECTION");
    bench
        .run(&["import", "t/c", "--kind", "a#b", "--id-field", "id", file])
        .exited(2)
        .said("the kind contains");
    assert_eq!(bench.items_without_audit(), [bench.meta()], "no key, no directory, no record");
}

#[test]
fn an_import_stops_when_no_line_can_succeed_any_more() {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/0", "--json", "0"]).succeeded();
    bench.shred("t");
    let lines: String = (0..5_000).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    let ran = bench.run_with_input(&[&IMPORT[..], &["--output", "json", "-"]].concat(), &lines);
    assert_eq!(ran.json()[0]["finished"], false);
    ran.exited(10).said("imported 0 lines").said("The rest was not tried").said("was shredded at");
}

#[test]
fn the_bar_is_shown_on_a_terminal_alone() {
    let bench = Bench::initialised();
    let file = bench.write("in.jsonl", &"{\"id\":1}\n".repeat(50));
    let arguments = [&IMPORT[..], &[file.to_str().unwrap()]].concat();
    let ran = bench.run(&arguments).succeeded();
    assert_eq!(ran.stderr, "imported 50 lines\n");
    bench.on_terminal(&[], &arguments).succeeded().said("imported 50 lines").said("\u{1b}[");
    fs::remove_file(file).unwrap();
}
