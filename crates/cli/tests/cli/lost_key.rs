//! A local key that is missing or changed: nothing is generated or wiped before a yes.

use std::fs;

use blue_testkit::{Keys, only_with};

use crate::{
    bench::{Bench, Item, text, write_private},
    server::{Action, Server},
};

/// Why these are tests of local keys.
const LOST: &str = "a local key that is lost, and the reset that it leads to";

const QUESTION: &str = "Reset local database?";

/// A store with one record.
fn store() -> Bench {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/1", "--json", "\"before\""]).succeeded();
    bench
}

fn lose(bench: &Bench) {
    fs::rename(bench.key_file(), bench.path("saved.key")).unwrap();
}

fn key_directory(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.path(".blue/keys")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn umk_id(items: &[Item]) -> String {
    text(items.iter().find(|item| text(item, "pk") == "META").unwrap(), "umk_id")
}

#[test]
fn without_a_terminal_a_missing_key_is_6_with_instructions() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    let before = bench.items();
    lose(&bench);
    for command in
        [&["get", "t/c/k/1"][..], &["init"], &["put", "t/c/k/2", "--json", "1"], &["export", "t/c"]]
    {
        let ran = bench.run_with_input(command, "y\n").exited(6).printed("").never_said(QUESTION);
        let ran = ran.said("and there is no key file").said(&umk_id(&before));
        ran.said(&format!("back at {}", bench.key_file().display()))
            .said("`bes reset` wipes the local table");
    }
    assert_eq!(bench.items(), before);
    assert!(key_directory(&bench).is_empty(), "no key was made");

    fs::rename(bench.path("saved.key"), bench.key_file()).unwrap();
    bench.run(&["get", "t/c/k/1"]).succeeded().printed("\"before\"\n");
}

#[test]
fn without_a_terminal_another_key_is_6_with_instructions() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    let before = bench.items();
    bench.replace_key_file();
    let ran = bench.run_with_input(&["get", "t/c/k/1"], "y\n").exited(6).never_said(QUESTION);
    ran.said("but the key file").said(&umk_id(&before)).said("`bes reset` wipes the local table");
    assert_eq!((bench.items(), key_directory(&bench)), (before, vec!["umk.key".to_owned()]));
}

#[test]
fn a_damaged_key_file_is_never_replaced_in_silence() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    let before = bench.items();
    write_private(&bench.key_file(), "BES-UMK-1:1234\n");
    bench.run(&["get", "t/c/k/1"]).exited(6).said("is no key file").said("put the right key file back");
    bench.answer(&["get", "t/c/k/1"], "n").exited(6).said("is no key file");
    assert_eq!(bench.items(), before);
    assert_eq!(fs::read_to_string(bench.key_file()).unwrap(), "BES-UMK-1:1234\n");
}

#[test]
fn a_no_on_the_terminal_changes_nothing_and_is_6() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    let before = bench.items();
    lose(&bench);
    for answer in ["n", "", "yesno"] {
        let ran = bench.answer(&["get", "t/c/k/1"], answer).exited(6);
        let ran =
            ran.said("there is no key file").said("deletes the local table").said("Nothing was changed.");
        ran.said("help: put the key file of local:").said("help: or give its data up: `bes reset`");
    }
    assert_eq!(bench.items(), before);
    assert!(key_directory(&bench).is_empty(), "no key was made");
}

#[test]
fn a_yes_on_the_terminal_makes_a_fresh_store_for_a_missing_key() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    let before = bench.items();
    lose(&bench);
    let ran = bench.answer(&["get", "t/c/k/1"], "y").exited(6);
    ran.said("Reset: the table").said("the command was not done").said("run the command again");
    assert_eq!(bench.items().len(), 1);
    assert_ne!(umk_id(&bench.items()), umk_id(&before));
    assert_eq!(key_directory(&bench), ["umk.key"]);
    bench.run(&["get", "t/c/k/1"]).exited(3);
    bench.run(&["put", "t/c/k/1", "--json", "2"]).succeeded();
    bench.run(&["get", "t/c/k/1"]).succeeded().printed("2\n");
}

#[test]
fn a_yes_on_the_terminal_keeps_another_key_aside() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    bench.replace_key_file();
    let other = fs::read_to_string(bench.key_file()).unwrap();
    bench.answer(&["init"], "yes").succeeded().said("The old key file is now ");
    let names = key_directory(&bench);
    assert_eq!((names.len(), names[0].as_str()), (2, "umk.key"));
    assert_eq!(fs::read_to_string(bench.path(".blue/keys").join(&names[1])).unwrap(), other);
    bench.run(&["put", "t/c/k/1", "--json", "2"]).succeeded();
}

#[test]
fn reset_asks_on_a_terminal_and_needs_yes_without_one() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = store();
    let before = bench.items();
    bench.run_with_input(&["reset"], "y\n").exited(2).said("it needs --yes").never_said(QUESTION);
    bench.answer(&["reset"], "n").exited(1).said("the database was not reset");
    assert_eq!((bench.items(), key_directory(&bench)), (before, vec!["umk.key".to_owned()]));

    bench.answer(&["reset"], "Y").succeeded().said("Reset: the table");
    bench.run(&["get", "t/c/k/1"]).exited(3);
    let ran = bench.run(&["reset", "--yes", "--output", "json"]).succeeded();
    let report = ran.json().remove(0);
    assert_eq!(report["table"], bench.table);
    assert!(report["old_key_file"].as_str().unwrap().contains("umk.key.old-"));
    bench.run(&["put", "t/c/k/1", "--json", "2"]).succeeded();
}

/// A real account's answers, as they came.
fn account(table: &str) -> Server {
    let described = format!(
        r#"{{"Table":{{"AttributeDefinitions":[{{"AttributeName":"pk","AttributeType":"S"}},{{"AttributeName":"sk","AttributeType":"S"}}],"TableName":"{table}","KeySchema":[{{"AttributeName":"pk","KeyType":"HASH"}},{{"AttributeName":"sk","KeyType":"RANGE"}}],"TableStatus":"ACTIVE","CreationDateTime":1.760000000123E9,"ProvisionedThroughput":{{"NumberOfDecreasesToday":0,"ReadCapacityUnits":0,"WriteCapacityUnits":0}},"TableSizeBytes":81920,"ItemCount":120,"TableArn":"arn:aws:dynamodb:eu-west-1:123456789012:table/{table}","TableId":"7c9e6679-7425-40de-944b-e07fc1f90ae7","BillingModeSummary":{{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":1.760000000123E9}},"TableClassSummary":{{"TableClass":"STANDARD"}},"DeletionProtectionEnabled":false,"WarmThroughput":{{"ReadUnitsPerSecond":12000,"WriteUnitsPerSecond":4000,"Status":"ACTIVE"}}}}}}"#
    );
    let meta = r#"{"Item":{"pk":{"S":"META"},"sk":{"S":"store"},"schema":{"N":"1"},"namespace":{"S":"default"},"provider":{"S":"local-file"},"umk_id":{"S":"local:00112233445566778899aabbccddeeff"},"created":{"N":"1760000000123456"},"table_id":{"S":"7c9e6679-7425-40de-944b-e07fc1f90ae7"}}}"#;
    Server::start(move |request| match request.operation.as_str() {
        "DescribeTable" => Action::Answer(200, described.clone()),
        "DescribeTimeToLive" => {
            Action::Answer(200, r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}"#.to_owned())
        }
        "GetItem" => Action::Answer(200, meta.to_owned()),
        other => {
            let refused =
                format!(r#"{{"__type":"x#ValidationException","message":"{other} was not expected"}}"#);
            Action::Answer(400, refused)
        }
    })
}

#[test]
fn a_table_that_is_not_dynamodb_locals_is_never_offered_for_reset() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let bench = Bench::new();
    let server = account(&bench.table);
    let to_it = [("AWS_ENDPOINT_URL_DYNAMODB", server.url.as_str())];
    let arn = format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{}", bench.table);

    for has_other_key in [false, true] {
        if has_other_key {
            bench.replace_key_file();
        }
        for command in [&["get", "t/c/k/1"][..], &["init"], &["put", "t/c/k/1", "--json", "1"]] {
            let on_terminal = bench.on_terminal(&to_it, command);
            for ran in [on_terminal, bench.run_with(&to_it, command)] {
                let ran = ran.exited(6).never_said(QUESTION).never_said("`bes reset`");
                ran.said("local:00112233445566778899aabbccddeeff").said(&arn).said("bes never wipes it");
            }
        }
        let asked = bench.on_terminal(&to_it, &["reset"]);
        for ran in [asked, bench.run_with(&to_it, &["reset", "--yes"])] {
            ran.exited(11)
                .never_said(QUESTION)
                .said(&format!("the table {arn} is not one of DynamoDB Local"));
        }
        assert_eq!(bench.key_file().exists(), has_other_key, "no key was made");
    }
    let reading = ["DescribeTable", "DescribeTimeToLive", "GetItem"];
    let others: Vec<_> = server.operations().into_iter().filter(|o| !reading.contains(&o.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
}
