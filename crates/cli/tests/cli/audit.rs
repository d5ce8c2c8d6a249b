//! `bes audit`: the log verified, read, exported, and watched over.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_testkit::{Keys, only_with};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, Item, run, text},
    server::{Action, Server},
};

/// A store with some history.
fn used() -> Bench {
    let bench = Bench::initialised();
    for address in ["alice/inbox/note/1", "alice/inbox/note/2", "bob/inbox/note/1"] {
        bench.run(&["put", address, "--json", "1", "--principal", "ann"]).succeeded();
    }
    bench.run(&["get", "alice/inbox/note/1", "--principal", "carl"]).succeeded();
    bench.run(&["rm", "alice/inbox/note/2", "--principal", "ann"]).succeeded();
    bench
}

fn segments(bench: &Bench) -> Vec<Item> {
    let mut items = bench.items();
    items.retain(|item| text(item, "pk") == "A#main");
    items
}

/// Changes one byte of the events of the first segment.
fn tamper(bench: &Bench) {
    let mut item = segments(bench).remove(0);
    let mut events = item["events"].as_b().unwrap().clone().into_inner();
    let last = events.len() - 1;
    events[last] ^= 1;
    item.insert("events".to_owned(), AttributeValue::B(Blob::new(events)));
    bench.put_item(item);
}

fn delete_last_segment(bench: &Bench) {
    let item = segments(bench).pop().unwrap();
    bench.with_client(async |client, table| {
        let delete = client.delete_item().table_name(table);
        delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    });
}

fn events(bench: &Bench, arguments: &[&str]) -> Vec<Value> {
    let all = [&["--output", "json", "audit", "tail", "-n", "100"], arguments].concat();
    bench.run(&all).succeeded().json()
}

/// A server that answers every post with a status, and the bodies that it was sent.
fn webhook(status: u16) -> (Server, Arc<Mutex<Vec<String>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = bodies.clone();
    let server = Server::start(move |request| {
        seen.lock().unwrap().push(request.body.clone());
        Action::Answer(status, "{}".to_owned())
    });
    (server, bodies)
}

#[test]
fn a_sound_log_is_verified_whole_deep_and_without_key() {
    let bench = used();
    let ran = bench.run(&["audit", "verify"]).succeeded();
    assert!(ran.stdout.starts_with("verified: the log of default is sound\nmain: 0-"), "{}", ran.stdout);
    let report = bench.run(&["audit", "verify", "--json", "--full"]).succeeded().json().remove(0);
    assert_eq!((&report["verdict"], &report["macs_checked"]), (&json!("verified"), &json!(true)));
    assert!(report["totals"]["events"].as_u64().unwrap() >= 6, "{report}");
    bench.run(&["audit", "verify", "--deep"]).succeeded();
    let ran = bench.run(&["audit", "verify", "--without-key"]).succeeded();
    assert!(ran.stdout.contains("MACs were not checked"), "{}", ran.stdout);
}

#[test]
fn a_log_whose_key_file_is_gone_is_verified_without_it() {
    if !only_with!(Keys::Local, "a local key that is lost") {
        return;
    }
    let bench = used();
    fs::remove_file(bench.key_file()).unwrap();
    bench.run(&["audit", "verify"]).exited(3).said("there is no key file").said("--without-key");
    bench.run(&["audit", "verify", "--without-key"]).succeeded();
    bench.run(&["audit", "report"]).exited(3).said("there is no key file");
}

#[test]
fn a_log_that_was_edited_is_1() {
    let bench = used();
    tamper(&bench);
    let ran = bench.run(&["audit", "verify"]).exited(1).said("not as it was written");
    assert!(ran.stdout.starts_with("tampered: 1 finding"), "{}", ran.stdout);
    let ran = bench.run(&["--output", "json", "audit", "verify"]).exited(1);
    assert_eq!(ran.json()[0]["findings"][0]["chain"], "main");
    bench.run(&["audit", "tail", "-n", "100"]).exited(5).said("finding: ");
    bench.run(&["audit", "export"]).exited(5).said("finding: ").said("error: 1 finding in the audit log");
    bench.run(&["audit", "checkpoint"]).exited(1).printed("");
    assert!(!bench.path(".blue/keys/checkpoint.key").exists(), "nothing was signed");
}

#[test]
fn a_record_that_was_changed_behind_the_log_is_found_only_deep() {
    let bench = used();
    let mut items = bench.items();
    items.retain(|item| text(item, "pk") == "R#bob#inbox");
    let item = items.remove(0);
    bench.with_client(async |client, table| {
        let delete = client.delete_item().table_name(table);
        delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    });
    bench.run(&["audit", "verify", "--full"]).succeeded();
    let ran = bench.run(&["audit", "verify", "--deep", "--patience", "1ms", "--json"]).exited(1);
    assert_eq!(ran.json()[0]["findings"][0]["class"], "unlogged-delete");
}

#[test]
fn a_log_that_was_cut_behind_its_checkpoint_is_2() {
    let bench = used();
    let file = bench.path("checkpoints").display().to_string();
    let with_file = [("BES_CHECKPOINT_FILE", file.as_str())];
    let ran = bench.run_with(&with_file, &["audit", "verify"]).succeeded();
    let ran = ran.said("Made the key that signs checkpoints");
    let verifier = ran.stderr.lines().find_map(|line| line.split_once("public key: ")).unwrap().1.to_owned();
    let ran = bench.run_with(&with_file, &["audit", "checkpoint"]).succeeded().never_said("Made the key");
    assert!(
        ran.stdout.starts_with("bes/default\n") && ran.stdout.contains("\nchain main "),
        "{}",
        ran.stdout
    );
    assert!(fs::read_to_string(&file).unwrap().ends_with(&(ran.stdout + "\n")));

    let key = bench.path(".blue/keys/checkpoint.key");
    fs::rename(&key, bench.path("kept.key")).unwrap();
    let verifiers = [with_file[0], ("BES_CHECKPOINT_VERIFIERS", verifier.as_str())];
    bench.run_with(&verifiers, &["audit", "verify"]).succeeded();
    assert!(!key.exists(), "whoever only verifies needs no key");
    fs::rename(bench.path("kept.key"), &key).unwrap();

    delete_last_segment(&bench);
    bench.run(&["audit", "verify"]).succeeded();
    let ran = bench.run_with(&with_file, &["audit", "verify", "--json"]).exited(2);
    assert_eq!(ran.json()[0]["findings"][0]["class"], "truncated");
    // Elsewhere, the public key is all that it takes.
    fs::remove_file(&key).unwrap();
    let elsewhere = ["audit", "verify", "--without-key", "--checkpoint", &file];
    bench.run(&[&elsewhere[..], &["--verifier", &verifier]].concat()).exited(2);
    let believed = [("BES_CHECKPOINT_VERIFIERS", verifier.as_str())];
    bench.run_with(&believed, &elsewhere).exited(2);
    bench.run(&elsewhere).exited(3).said("no public key is known").said("help: give the public key");
}

#[test]
fn checkpoints_that_are_gone_or_forged_are_3() {
    let bench = used();
    let path = bench.path("checkpoints");
    let file = path.display().to_string();
    let with_file = [("BES_CHECKPOINT_FILE", file.as_str())];
    bench.run_with(&with_file, &["audit", "checkpoint"]).succeeded();
    let kept = fs::read_to_string(&path).unwrap();

    fs::write(&path, kept.replace("chain main ", "chain main 1")).unwrap();
    bench.run_with(&with_file, &["audit", "verify"]).exited(3).said("is not a checkpoint by a known key");
    fs::remove_file(&path).unwrap();
    let ran =
        bench.run_with(&with_file, &["audit", "verify"]).exited(3).said("there is no file of checkpoints");
    ran.said("bes audit checkpoint --begin");
    fs::write(&path, "").unwrap();
    bench.run_with(&with_file, &["audit", "verify"]).exited(3).said("holds none");
    fs::remove_file(&path).unwrap();
    bench.run_with(&with_file, &["audit", "checkpoint", "--begin"]).succeeded();
    bench.run_with(&with_file, &["audit", "verify"]).succeeded();
}

#[test]
fn a_checkpoint_goes_to_the_command_and_one_that_fails_is_3() {
    let bench = used();
    let out = bench.path("sent").display().to_string();
    let command = format!("tee '{out}'");
    let ran = bench.run_with(&[("BES_CHECKPOINT_COMMAND", &command)], &["audit", "checkpoint"]).succeeded();
    assert_eq!(fs::read_to_string(&out).unwrap(), ran.stdout);
    let failing = [("BES_CHECKPOINT_COMMAND", "sh -c 'echo no room >&2; exit 7'")];
    let ran = bench.run_with(&failing, &["audit", "verify"]).exited(3);
    ran.said("was not delivered to the command sh").said("exit status: 7: no room");
}

#[test]
fn what_cannot_run_is_3() {
    let bench = used();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", url.as_str()), ("BES_DEADLINE", "2s")];
    bench
        .run_with(&nowhere, &["audit", "verify"])
        .exited(3)
        .said("did not answer")
        .said("help: the endpoint");
    bench.run_with(&nowhere, &["audit", "tail"]).exited(7);
    bench.run(&["audit", "verify", "--frobnicate"]).exited(3).said("unexpected argument");
    bench.run(&["--output", "xml", "audit", "verify"]).exited(3).said("output cannot be");
    bench.run(&["audit", "verify", "--file", "nowhere"]).exited(3).said("cannot read nowhere");
    bench.run(&["audit", "verify", "--help"]).succeeded();
    bench.run(&["audit", "tail", "--frobnicate"]).exited(2);
    let missing = Bench::new();
    missing.run(&["audit", "verify"]).exited(3).said("there is no table");
    assert!(!missing.key_file().exists(), "nothing was made");
}

#[test]
fn the_tail_shows_who_did_what_and_can_be_narrowed() {
    let bench = used();
    let all = events(&bench, &[]);
    let sequences: Vec<_> = all.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.len() >= 6 && sequences.is_sorted(), "{sequences:?}");
    let newest = bench.run(&["--output", "json", "audit", "tail", "-n", "2"]).succeeded().json();
    assert_eq!(newest, all[all.len() - 2..]);

    let of = |name: &str, value: &str| {
        let found = events(&bench, &[name, value]);
        found.iter().map(|event| event["operation"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(of("--principal", "carl").contains(&"decrypt".to_owned()));
    assert!(!of("--principal", "carl").contains(&"encrypt".to_owned()));
    let bobs = events(&bench, &["--tenant", "bob"]);
    assert!(bobs.iter().any(|event| event["resource"] == "bes:default/bob/inbox/note/1"), "{bobs:?}");
    assert!(bobs.iter().all(|event| event["resource"].as_str().unwrap().starts_with("bes:default/bob")));
    assert_eq!(of("--tenant", "bo"), [""; 0]);
    let deleted = all.iter().find(|event| event["operation"] == "delete").unwrap();
    assert!(of("--trace", deleted["trace_id"].as_str().unwrap()).contains(&"delete".to_owned()));
    bench.run(&["audit", "tail", "--trace", "x"]).exited(2).said("32 lowercase hexadecimal digits");

    let ran = bench.run(&["audit", "tail", "-n", "1"]).succeeded();
    let cells: Vec<&str> = ran.stdout.trim_end().split('\t').collect();
    let place = format!("main/{}", sequences.last().unwrap());
    let resource = "bes:default/alice/inbox/note/2";
    assert_eq!(cells[1..], [&place, "delete", "success", "ann", resource, "-"]);
}

#[test]
fn a_tail_goes_on_with_what_is_appended() {
    let bench = used();
    let mut command = bench.command(&["audit", "tail", "-n", "1", "--follow", "--tenant", "dora"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    bench.run(&["put", "dora/inbox/note/1", "--json", "1"]).succeeded();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).find(|line| line.contains("bes:default/dora/inbox/note/1"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(found.is_some());
}

#[test]
fn an_export_is_verified_without_the_table_and_an_edited_line_is_found() {
    let bench = used();
    let path = bench.path("log.jsonl");
    let file = path.display().to_string();
    bench.run(&["audit", "export", "-o", &file]).succeeded().printed("");
    bench.run(&["audit", "export", "-o", &file]).exited(1).said("cannot write");
    let exported = fs::read_to_string(&path).unwrap();
    bench.run(&["audit", "export", "--chain", "main"]).succeeded().printed(&exported);

    let lines: Vec<&str> = exported.lines().collect();
    let verify = |content: String, code: i32| {
        fs::write(&path, content).unwrap();
        let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")];
        bench
            .run_with(&nowhere, &["audit", "verify", "--file", &file, "--json"])
            .exited(code)
            .json()
            .remove(0)
    };
    let report = verify(exported.clone(), 0);
    assert_eq!(report["totals"]["events"].as_u64().unwrap(), u64::try_from(lines.len()).unwrap());
    let changed = |index: usize, line: &str| {
        let mut lines = lines.clone();
        lines[index] = line;
        lines.join("\n") + "\n"
    };
    let class = |report: &Value| report["findings"][0]["class"].as_str().unwrap().to_owned();
    let edited = verify(changed(2, &lines[2].replace("\"success\"", "\"failure\"")), 1);
    assert_eq!(class(&edited), "altered");
    assert_eq!(edited["findings"][0]["sequences"], json!({ "first": 2, "last": 2 }));
    assert_eq!(class(&verify(changed(2, "{}"), 1)), "malformed");
    assert_eq!(class(&verify(changed(2, "\u{1b}[31m"), 1)), "malformed");
    assert_eq!(class(&verify(changed(2, ""), 1)), "missing");
    assert_eq!(class(&verify(changed(2, lines[1]), 1)), "malformed");
    assert_eq!(class(&verify(changed(2, &"x".repeat(3 << 20)), 1)), "malformed");
    verify(String::new(), 2);
}

#[test]
fn an_export_that_ends_before_the_checkpoint_is_2() {
    let bench = used();
    let (file, checkpoints) = (bench.path("log.jsonl"), bench.path("checkpoints"));
    let checkpoints = checkpoints.display().to_string();
    bench.run_with(&[("BES_CHECKPOINT_FILE", &checkpoints)], &["audit", "checkpoint"]).succeeded();
    let exported = bench.run(&["audit", "export"]).succeeded().stdout;
    let (shorter, _) = exported.trim_end().rsplit_once('\n').unwrap();
    let verify = ["audit", "verify", "--file", file.to_str().unwrap(), "--checkpoint", &checkpoints];
    fs::write(&file, &exported).unwrap();
    bench.run(&verify).succeeded();
    fs::write(&file, format!("{shorter}\n")).unwrap();
    bench.run(&verify).exited(2);
}

#[test]
fn a_watch_alerts_command_and_webhook_with_the_report() {
    let bench = used();
    let (server, bodies) = webhook(200);
    let out = bench.path("alerted").display().to_string();
    let (command, webhook) = (format!("tee {out}"), format!("{}/hook", server.url));
    let alerts = [("BES_ALERT_COMMAND", command.as_str()), ("BES_ALERT_WEBHOOK", webhook.as_str())];
    let watch = ["audit", "watch", "--once"];
    bench.run_with(&alerts, &watch).succeeded();
    assert!(bodies.lock().unwrap().is_empty() && fs::metadata(&out).is_err(), "nothing to tell");

    tamper(&bench);
    let logged = bench.run_with(&alerts, &[&watch[..], &["-v"]].concat()).exited(1);
    assert!(
        logged.stderr.lines().any(|line| line.contains("ERROR") && line.contains("bes::audit: ")),
        "{logged:?}"
    );
    let report: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["totals"]["findings"]), (&json!("tampered"), &json!(1)));
    let posted: Vec<Value> =
        bodies.lock().unwrap().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert_eq!(posted, [report]);
}

#[test]
fn a_watch_that_cannot_verify_alerts_too() {
    let bench = used();
    let out = bench.path("alerted").display().to_string();
    let command = format!("tee {out}");
    let alerts = [
        ("BES_ALERT_COMMAND", command.as_str()),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9"),
        ("BES_DEADLINE", "1s"),
    ];
    bench.run_with(&alerts, &["audit", "watch", "--once"]).exited(3);
    let alert: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(alert["verdict"], "not-run");
    assert!(alert["error"].as_str().unwrap().contains("did not answer"), "{alert}");

    // One that is not done in time has not been done.
    let silent = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(600));
        Action::Cut
    });
    let late = [("BES_ALERT_COMMAND", command.as_str()), ("AWS_ENDPOINT_URL_DYNAMODB", silent.url.as_str())];
    let ran = bench.run_with(&late, &["audit", "watch", "--once", "--every", "500ms"]).exited(3);
    ran.said("the verification did not end within 0.5 s");
    assert!(fs::read_to_string(&out).unwrap().contains("did not end within"));
}

#[test]
fn an_alert_that_nobody_gets_is_3() {
    let bench = used();
    tamper(&bench);
    let (failing, bodies) = webhook(500);
    let webhook = format!("{}/secret-path", failing.url);
    let ran = bench.run_with(&[("BES_ALERT_WEBHOOK", &webhook)], &["audit", "watch", "--once"]).exited(3);
    ran.said("the alert was not delivered to the webhook at http://127.0.0.1:").never_said("secret-path");
    assert_eq!(bodies.lock().unwrap().len(), 6, "once, and five times more");
    let ran = bench.run_with(&[("BES_ALERT_COMMAND", "false")], &["audit", "watch", "--once"]).exited(3);
    ran.said("the alert was not delivered to the command false");
}

#[test]
fn a_deep_watch_sees_what_was_done_to_records() {
    let bench = used();
    bench.run(&["audit", "watch", "--once", "--deep"]).succeeded();
    bench.with_client(async |client, table| {
        let [pk, sk] = ["R#alice#inbox", "note#1"].map(|text| AttributeValue::S(text.to_owned()));
        client.delete_item().table_name(table).key("pk", pk).key("sk", sk).send().await.unwrap();
    });
    bench.run(&["audit", "watch", "--once"]).succeeded();
    let ran = bench.run(&["--output", "json", "audit", "watch", "--once", "--deep"]).exited(1);
    assert_eq!(ran.json()[0]["findings"][0]["class"], "unlogged-delete", "{ran:?}");
}

#[test]
fn a_watch_goes_on_from_its_checkpoint_and_ends_when_told() {
    let bench = used();
    let file = bench.path("checkpoints").display().to_string();
    let mut command = bench.command(&["--output", "json", "audit", "watch", "--every", "10s"]);
    command.env("BES_CHECKPOINT_FILE", &file).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reports: Vec<Value> =
        lines.take(2).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!((&reports[0]["full"], &reports[1]["full"]), (&json!(true), &json!(false)));
    let mut terminate = std::process::Command::new("kill");
    terminate.args(["-TERM", &child.id().to_string()]);
    run(terminate, "").succeeded();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_was_recorded_buffered_is_in_the_log_when_the_command_ends() {
    let bench = Bench::initialised();
    let buffered = [("BES_AUDIT_WRITES", "buffered"), ("BES_AUDIT_READS", "buffered")];
    bench.run_with(&buffered, &["put", "t/c/k/1", "--json", "1"]).succeeded();
    bench.run_with(&buffered, &["get", "t/c/k/1"]).succeeded();
    bench.run_with(&[("BES_AUDIT_READS", "lease:30s")], &["get", "t/c/k/1"]).succeeded();
    bench.run_with(&[("BES_AUDIT_CHAIN", "per-writer")], &["get", "t/c/k/1"]).succeeded();
    let events = events(&bench, &[]);
    let count = |operation: &str| events.iter().filter(|event| event["operation"] == operation).count();
    assert_eq!(["encrypt", "decrypt", "lease"].map(count), [1, 3, 1], "{events:?}");
    let opened = events.iter().filter(|event| event["chain"] == "registry").count();
    assert_eq!(opened, 1, "{events:?}");
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}
