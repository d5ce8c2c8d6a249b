//! `bes doctor`: each finding is right, named and actionable, and changes nothing.

mod keys;
mod table;

use std::{collections::BTreeMap, fs, path::Path};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, macros::format_description};

use crate::{
    bench::{Bench, Ran, run, text},
    server::{Action, Server},
};

/// All checks, in their order.
const CHECKS: [&str; 14] = [
    "configuration",
    "region",
    "credentials",
    "endpoint",
    "clock",
    "table",
    "time-to-live",
    "point-in-time-recovery",
    "deletion-protection",
    "replicas",
    "meta",
    "keys",
    "audit-head",
    "last-verification",
];

/// What an examination printed.
struct Examined(BTreeMap<String, Value>);

impl Examined {
    /// Every subject has its line, in the order of dependence; whatever is wrong has help; and the exit code follows.
    #[track_caller]
    fn of(ran: &Ran) -> Self {
        let lines = ran.json();
        let names: Vec<_> = lines.iter().map(|line| line["check"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, CHECKS, "{ran:#?}");
        for line in &lines {
            let is_wrong = ["warning", "failure"].contains(&line["status"].as_str().unwrap());
            assert_eq!(line["help"].as_array().unwrap().is_empty(), !is_wrong, "{line}");
        }
        let failed = lines.iter().any(|line| line["status"] == "failure");
        assert_eq!(ran.code, i32::from(failed), "{ran:#?}");
        Self(names.into_iter().zip(lines).collect())
    }

    /// The names of the checks that ended so.
    fn that_are(&self, status: &str) -> Vec<&str> {
        let ended_so = |name: &&str| self.0[*name]["status"] == status;
        CHECKS.into_iter().filter(ended_so).collect()
    }

    /// A check ended so, and its line has these texts.
    #[track_caller]
    fn has(self, check: &str, status: &str, texts: &[&str]) -> Self {
        let line = &self.0[check];
        assert_eq!(line["status"], status, "{line}");
        let all = line.to_string();
        for text in texts {
            assert!(all.contains(text), "no {text:?} in {line}");
        }
        self
    }
}

/// Examines, and sees to it that nothing was changed: no item, no file.
#[track_caller]
fn examine_with(bench: &Bench, variables: &[(&str, &str)]) -> Examined {
    let files = files(&bench.path(""));
    let ran = bench.run_with(variables, &["doctor", "--output", "json"]);
    assert_eq!(self::files(&bench.path("")), files, "{ran:#?}");
    Examined::of(&ran)
}

#[track_caller]
fn examine(bench: &Bench, variables: &[(&str, &str)]) -> Examined {
    let items = bench.items();
    let examined = examine_with(bench, variables);
    assert_eq!(bench.items(), items);
    examined
}

/// Every file below a directory, with what is in it.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.display().to_string(), Vec::new());
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

/// A store with a record, and a checkpoint in this file.
fn verified() -> (Bench, String) {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded();
    let file = bench.path("checkpoints").display().to_string();
    bench.run_with(&[("BES_CHECKPOINT_FILE", &file)], &["audit", "verify"]).succeeded();
    (bench, file)
}

/// A KMS key that nobody has.
const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// AWS's own words.
fn not_authorized(action: &str, resource: &str) -> Action {
    let message = format!(
        "User: arn:aws:sts::111122223333:assumed-role/notes/i is not authorized to perform: {action} on resource: {resource} \
         because no identity-based policy allows the {action} action"
    );
    Action::Answer(400, json!({ "__type": "AccessDeniedException", "message": message }).to_string())
}

#[test]
fn of_a_healthy_local_store_all_is_ok_with_its_sources() {
    let (bench, file) = verified();
    let with_file = [("BES_CHECKPOINT_FILE", file.as_str())];
    let examined = examine(&bench, &with_file);
    assert_eq!(examined.that_are("ok"), CHECKS);
    examined
        .has("region", "ok", &["from AWS_REGION"])
        .has("credentials", "ok", &["an access key that ends in …", "from AWS_ACCESS_KEY_ID"])
        .has("endpoint", "ok", &["from AWS_ENDPOINT_URL_DYNAMODB"])
        .has("table", "ok", &["of DynamoDB Local", &bench.table])
        .has("meta", "ok", &["as configured"])
        .has("keys", "ok", &["generated a key and unwrapped it again"])
        .has("audit-head", "ok", &["in 1 chain"])
        .has("last-verification", "ok", &[" ago"]);
    let ran = bench.run_with(&with_file, &["doctor"]).succeeded().never_said("error");
    assert_eq!(ran.stdout.lines().count(), CHECKS.len(), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.starts_with("ok       ")), "{}", ran.stdout);

    let flags = ["doctor", "--output", "json", "--region", "us-east-1"];
    let region = Examined::of(&bench.run_with(&with_file, &flags));
    region.has("region", "ok", &["us-east-1, from --region"]);
}

#[test]
fn without_checkpoints_a_store_is_fit_and_warned_of() {
    let bench = Bench::initialised();
    let examined = examine(&bench, &[]);
    assert_eq!(
        (examined.that_are("warning"), examined.that_are("skipped")),
        (vec!["audit-head"], vec!["last-verification"])
    );
    examined.has("audit-head", "warning", &["no file of checkpoints is configured", "checkpoint_file"]);
    let file = bench.path("checkpoints").display().to_string();
    let with_file = [("BES_CHECKPOINT_FILE", file.as_str())];
    examine(&bench, &with_file).has(
        "audit-head",
        "warning",
        &["there is no checkpoint yet", "bes audit verify"],
    );
    bench.run_with(&with_file, &["audit", "verify"]).succeeded();
    fs::remove_file(&file).unwrap();
    examine(&bench, &with_file).has("audit-head", "failure", &["there is no file of checkpoints", "--begin"]);
    fs::write(&file, "nothing that was signed\n\n\n\n").unwrap();
    examine(&bench, &with_file).has("audit-head", "failure", &["is not a checkpoint by a known key"]);
}

#[test]
fn a_stopped_endpoint_is_the_one_failure_and_keys_are_tried_all_the_same() {
    let bench = Bench::initialised();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let stopped = [
        ("AWS_ENDPOINT_URL_DYNAMODB", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIDOFNOBODY4711"),
        ("AWS_SECRET_ACCESS_KEY", "secretofnobody0815"),
    ];
    let examined = examine_with(&bench, &stopped);
    assert_eq!(examined.that_are("failure"), ["endpoint"]);
    let after = [
        "clock",
        "table",
        "time-to-live",
        "point-in-time-recovery",
        "deletion-protection",
        "replicas",
        "meta",
    ];
    assert_eq!(examined.that_are("skipped"), [&after[..], &["last-verification"]].concat());
    let examined = examined
        .has("endpoint", "failure", &[&url, "from AWS_ENDPOINT_URL_DYNAMODB, does not answer", "refused"])
        .has("endpoint", "failure", &["start a DynamoDB Local there"])
        .has("credentials", "ok", &["ends in …4711, from AWS_ACCESS_KEY_ID"])
        .has("keys", "ok", &[]);
    let all = json!(examined.0).to_string();
    assert!(!all.contains("AKID") && !all.contains("secretofnobody"), "{all}");

    let ran = bench.run_with(&stopped, &["doctor"]).exited(1).said("error: 1 check failed");
    assert!(ran.stdout.contains("\nfailure  endpoint: http://127.0.0.1:"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n         help: the endpoint is "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nskipped  table: not looked at, because of endpoint\n"), "{}", ran.stdout);
}

#[test]
fn what_a_profile_says_is_told_as_the_profiles() {
    let bench = Bench::with_key_file();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let profile = format!(
        "[profile mine]\nregion = eu-west-3\nendpoint_url = http://{nobody}\n\
         aws_access_key_id = AKIDOFNOBODY4711\naws_secret_access_key = secretofnobody0815\n"
    );
    bench.write(".aws/config", &profile);
    let mut command = bench.command(&["doctor", "--output", "json"]);
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"] {
        command.env_remove(name);
    }
    command.env("AWS_PROFILE", "mine");
    let by = "from a profile of the AWS configuration";
    Examined::of(&run(command, ""))
        .has("region", "ok", &["eu-west-3", by])
        .has("credentials", "ok", &["ends in …4711", by])
        .has("endpoint", "failure", &[&nobody.to_string(), by, "take endpoint_url out of the profile"]);
}

#[test]
fn services_that_keep_silent_are_given_up_in_their_time() {
    let bench = Bench::initialised();
    let server = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(600));
        Action::Cut
    });
    let silent = [
        ("AWS_ENDPOINT_URL_DYNAMODB", server.url.as_str()),
        ("AWS_ENDPOINT_URL_KMS", &server.url),
        ("BES_KEYS", "kms"),
        ("BES_KMS_KEY", KEY),
        ("BES_DEADLINE", "2s"),
        ("BES_ATTEMPT_TIMEOUT", "1s"),
    ];
    let examined = examine_with(&bench, &silent);
    assert_eq!(examined.that_are("failure"), ["endpoint", "keys"]);
    examined.has("endpoint", "failure", &[&server.url, "does not answer", "deadline has elapsed"]).has(
        "keys",
        "failure",
        &["no key could be generated", "the key service is unavailable"],
    );
}

#[test]
fn something_else_that_answers_is_no_dynamodb() {
    let bench = Bench::initialised();
    let server = Server::start(|_| Action::Answer(404, "<html>not here</html>".to_owned()));
    let examined = examine_with(&bench, &[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)]);
    examined.has("endpoint", "failure", &["is no DynamoDB", "--endpoint-url"]).has("table", "skipped", &[]);
}

#[test]
fn wrong_credentials_are_named_and_the_endpoint_is_not_blamed() {
    let bench = Bench::initialised();
    // DynamoDB Local takes letters and digits alone.
    let examined = examine_with(&bench, &[("AWS_ACCESS_KEY_ID", "no-such-key!")]);
    assert_eq!(examined.that_are("failure"), ["credentials"]);
    examined
        .has(
            "credentials",
            "failure",
            &["does not take the access key that ends in …key!, from AWS_ACCESS_KEY_ID"],
        )
        .has(
            "credentials",
            "failure",
            &["UnrecognizedClientException", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"],
        )
        .has("endpoint", "ok", &[])
        .has("table", "skipped", &["because of credentials"]);

    let mut command = bench.command(&["doctor", "--output", "json"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let examined = Examined::of(&run(command, ""));
    examined.has("credentials", "failure", &["there are no AWS credentials", "AWS_ACCESS_KEY_ID"]).has(
        "endpoint",
        "skipped",
        &["because of credentials"],
    );
}

#[test]
fn with_nothing_at_all_it_says_what_is_missing_and_makes_nothing() {
    let bench = Bench::with_key_file();
    let mut command = bench.command(&["doctor", "--output", "json"]);
    let gone = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"];
    for name in gone {
        command.env_remove(name);
    }
    let examined = Examined::of(&run(command, ""));
    assert_eq!(examined.that_are("failure"), ["region", "credentials"]);
    examined.has("region", "failure", &["--region", "AWS_REGION"]).has(
        "keys",
        "warning",
        &["there is no key file", "is not known"],
    );
    assert_eq!(files(&bench.path("")), BTreeMap::new());
    bench.run(&["doctor", "--frobnicate"]).exited(2).printed("");
    bench.run(&["doctor", "--table", "a b"]).exited(2).printed("");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let http = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let bench = Bench::initialised();
    for (off, status, text) in [
        (Duration::minutes(-20), "failure", " min ahead of the service's"),
        (Duration::minutes(20), "failure", " min behind the service's"),
        (Duration::minutes(3), "warning", " behind the service's"),
    ] {
        let server = Server::start(move |_| {
            let date = (OffsetDateTime::now_utc() + off).format(&http).unwrap();
            Action::ForwardDated(Some(date))
        });
        let examined = examine(&bench, &[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)]);
        examined.has("clock", status, &[text, "NTP"]);
    }
    let server = Server::start(|_| Action::ForwardDated(None));
    let examined = examine(&bench, &[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)]);
    examined.has("clock", "warning", &["does not say what time it is"]);
}

#[test]
fn a_log_that_is_behind_its_checkpoint_or_another_is_a_failure() {
    let (bench, file) = verified();
    let with_file = [("BES_CHECKPOINT_FILE", file.as_str())];
    let mut log = bench.items();
    log.retain(|item| text(item, "pk") == "A#main");
    let last = log.pop().unwrap();
    bench.with_client(async |client, table| {
        let delete = client.delete_item().table_name(table);
        delete.key("pk", last["pk"].clone()).key("sk", last["sk"].clone()).send().await.unwrap();
    });
    let examined = examine(&bench, &with_file);
    assert_eq!(examined.that_are("failure"), ["audit-head"]);
    examined
        .has("audit-head", "failure", &["the chain main has ", "at the last checkpoint", "bes audit verify"])
        .has("last-verification", "ok", &[]);

    let mut forged = last.clone();
    forged.insert("head_hash".to_owned(), AttributeValue::B(vec![7; 32].into()));
    bench.put_item(forged);
    examine(&bench, &with_file).has("audit-head", "failure", &["of the chain main", "written anew"]);
    bench.put_item(last);
    assert_eq!(examine(&bench, &with_file).that_are("ok"), CHECKS);
}
