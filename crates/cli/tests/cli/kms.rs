//! The master key in KMS: an emulator of it, over HTTP.

use blue_testkit::Kms;
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, aside};

/// A table whose keys are in KMS, whatever the provider of this run is.
struct InKms {
    bench: Bench,
    key: String,
}

fn new_key() -> String {
    aside(async || Kms::shared().create_key().await.unwrap())
}

impl InKms {
    fn new() -> Self {
        Self { bench: Bench::with_key_file(), key: new_key() }
    }

    fn initialised() -> Self {
        let store = Self::new();
        store.run(&["init"]).succeeded();
        store.run(&["put", "alice/inbox/note/1", "--json", "{\"text\":\"hello\"}"]).succeeded();
        store
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[("BES_KMS_KEY", &self.key)], arguments)
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let kms = Kms::shared().variables();
        let mut all: Vec<_> = kms.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("BES_KEYS", "kms"));
        all.extend(variables);
        self.bench.run_with(&all, arguments)
    }

    fn get(&self, variables: &[(&str, &str)]) -> Ran {
        self.run_with(variables, &["get", "alice/inbox/note/1"])
    }
}

#[test]
fn init_says_which_key_it_used_and_makes_no_file() {
    let store = InKms::new();
    let ran = store.run(&["init"]).succeeded();
    let ran = ran.said(&format!("created the table {}", store.bench.table));
    ran.said(&format!("used the KMS key {}", store.key)).said("see that nobody schedules its deletion");
    let ran = store.run(&["init", "--output", "json"]).succeeded();
    let table = &store.bench.table;
    let expected = json!({
        "table": table, "table_created": false, "namespace": "default", "kms_key": store.key, "local": false,
    });
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), expected);
    assert!(!store.bench.key_file().exists());
}

#[test]
fn what_is_put_under_kms_comes_back_by_any_name_of_the_key() {
    let store = InKms::initialised();
    store.get(&[("BES_KMS_KEY", &store.key)]).succeeded().printed("{\"text\":\"hello\"}\n");
    let id = store.key.rsplit('/').next().unwrap();
    store.get(&[("BES_KMS_KEY", id)]).succeeded();
    let flag = ["get", "alice/inbox/note/1", "--kms-key", id];
    store.run_with(&[("BES_KMS_KEY", "alias/there-is-none")], &flag).succeeded();
    assert!(!store.bench.key_file().exists());
}

#[test]
fn another_key_is_6_unless_the_right_one_is_named_as_previous() {
    let store = InKms::initialised();
    let other = new_key();
    let ran = store.get(&[("BES_KMS_KEY", &other)]).exited(6).printed("");
    let ran = ran.said(&format!("was encrypted under {}, but the key provider uses {other}", store.key));
    ran.said("help: name it with kms_key").said("kms_previous_keys");
    let with_previous = [("BES_KMS_KEY", other.as_str()), ("BES_KMS_PREVIOUS_KEYS", &store.key)];
    store.get(&with_previous).succeeded().printed("{\"text\":\"hello\"}\n");
    store.run_with(&with_previous, &["put", "bob/inbox/note/1", "--json", "1"]).succeeded();
    let ran = store.run(&["get", "bob/inbox/note/1"]).exited(6);
    ran.said(&format!("under the master key {other}, which is not configured"))
        .said(&format!("help: if the store was moved from that key to another: add {other}"));
}

#[test]
fn keys_of_the_other_provider_are_6_with_the_settings_that_help() {
    let store = InKms::initialised();
    let ran = store.bench.run_with(&[("BES_KEYS", "local")], &["ls", "alice/inbox"]).exited(6);
    ran.said("which is no local key file").said(&format!("kms_key to {}", store.key));
    assert!(!store.bench.key_file().exists(), "nothing was made");
    let ran = store.run(&["reset", "--yes"]).exited(6);
    ran.said("only a database whose key is a local file can be reset");

    let local = InKms::new();
    local.bench.run(&["init"]).succeeded();
    let ran = local.run(&["ls", "alice/inbox"]).exited(6).said("help: its master key is in a file");
    assert!(!ran.stderr.contains("Reset"), "{ran:?}");
}

#[test]
fn a_key_that_is_none_or_not_there_is_said_before_a_table_is_made() {
    let store = InKms::new();
    let name = "arn:aws:dynamodb:eu-west-1:111122223333:table/x";
    let ran = store.run_with(&[("BES_KMS_KEY", name)], &["init"]).exited(2);
    ran.said("is no name of a KMS key").said("because it is an ARN of the service \"dynamodb\", not of kms");
    let ran = store.run_with(&[("BES_KMS_KEY", "alias/there-is-none")], &["init"]).exited(6);
    ran.said("the KMS key alias/there-is-none cannot be looked up")
        .said("because DescribeKey: NotFoundException")
        .said("help: see account and Region of the key; kms_key is alias/there-is-none (from BES_KMS_KEY)");
    store.run(&["ls", "alice/inbox"]).exited(11).said("there is no table");
}

#[test]
fn a_kms_that_is_not_there_is_6_and_says_how_to_name_it() {
    let store = InKms::initialised();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{nobody}");
    let nowhere = [("BES_KMS_KEY", store.key.as_str()), ("AWS_ENDPOINT_URL_KMS", &endpoint)];
    store.get(&nowhere).exited(6).said("the key service is unavailable").said("AWS_ENDPOINT_URL_KMS");
}
