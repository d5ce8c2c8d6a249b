//! `bes doctor`: each finding is right, named and actionable, and changes nothing.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use blue_testkit::Kms;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, macros::format_description};

use crate::{
    bench::{Bench, Ran, run, text, write_private},
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

fn create(bench: &Bench, keys: &[(&str, KeyType)]) {
    bench.with_client(async |client, table| {
        let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in keys {
            let key =
                KeySchemaElement::builder().attribute_name(*name).key_type(kind.clone()).build().unwrap();
            let attribute = AttributeDefinition::builder()
                .attribute_name(*name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap();
            request = request.key_schema(key).attribute_definitions(attribute);
        }
        request.send().await.unwrap();
    });
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
fn a_missing_table_leads_to_init_and_is_not_made() {
    let bench = Bench::with_key_file();
    let examined = examine_with(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["table"]);
    examined.has("table", "failure", &["there is no table", "create it with `bes init`"]).has(
        "keys",
        "warning",
        &["yet, and nothing that needs it", "bes init"],
    );
    let tables = bench.with_client(async |client, table| {
        client.describe_table().table_name(table).send().await.map(drop).map_err(|error| error.to_string())
    });
    assert!(tables.is_err(), "nothing was made");

    create(&bench, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]);
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), [""; 0]);
    examined.has("meta", "warning", &["the table is empty, and not a store yet", "bes init"]);
}

#[test]
fn a_foreign_table_is_told_by_what_is_foreign_about_it() {
    let bench = Bench::with_key_file();
    create(&bench, &[("id", KeyType::Hash)]);
    let examined = examine_with(&bench, &[]);
    examined.has("table", "failure", &["its keys are id (HASH), not pk (HASH), sk (RANGE)", "--table"]).has(
        "meta",
        "skipped",
        &["because of table"],
    );

    let bench = Bench::with_key_file();
    create(&bench, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]);
    let theirs = [("pk", "x"), ("sk", "y")];
    bench.put_item(theirs.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).into());
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["meta"]);
    examined.has("meta", "failure", &["is not empty and is no store", "--table"]);

    let bench = Bench::initialised();
    let examined = examine(&bench, &[("BES_NAMESPACE", "other")]);
    assert_eq!(examined.that_are("failure"), ["meta"]);
    examined.has("meta", "failure", &["holds the namespace default, not other", "use --namespace default"]);

    let mut meta = bench.meta();
    meta.insert("schema".to_owned(), AttributeValue::N("2".to_owned()));
    bench.put_item(meta);
    examine(&bench, &[]).has("meta", "failure", &["has layout 2", "use the version of bes"]);
    let mut meta = bench.meta();
    meta.insert("schema".to_owned(), AttributeValue::S("\u{1b}[2J".to_owned()));
    bench.put_item(meta);
    examine(&bench, &[]).has("meta", "failure", &["is malformed", "find out who wrote it"]);
}

#[test]
fn a_key_file_that_is_another_missing_open_or_damaged_is_told_apart() {
    let bench = Bench::with_key_file();
    bench.run(&["init"]).succeeded();
    let umk_id = text(&bench.meta(), "umk_id");
    let key = fs::read_to_string(bench.key_file()).unwrap();

    bench.replace_key_file();
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["meta"]);
    let back = format!("put the key file of {umk_id} back at {}", bench.key_file().display());
    examined
        .has(
            "meta",
            "failure",
            &[&format!("was encrypted under {umk_id}, but the key file"), &back, "bes reset"],
        )
        .has("keys", "ok", &[]);

    fs::remove_file(bench.key_file()).unwrap();
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["keys"]);
    examined.has("keys", "failure", &["and there is no key file", &back]).has(
        "meta",
        "ok",
        &[&umk_id, "not at hand"],
    );

    write_private(&bench.key_file(), &key);
    fs::set_permissions(bench.key_file(), fs::Permissions::from_mode(0o640)).unwrap();
    examine(&bench, &[]).has("keys", "failure", &["is open to other users (mode 0640)", "chmod 600"]);

    write_private(&bench.key_file(), "BES-UMK-1:1234\n");
    let examined =
        examine(&bench, &[]).has("keys", "failure", &["is no key file", "put the right key file back"]);
    assert!(!json!(examined.0).to_string().contains("1234\\n"));

    write_private(&bench.key_file(), &key);
    assert_eq!(examine(&bench, &[]).that_are("failure"), [""; 0]);
}

#[test]
fn a_table_that_deletes_by_itself_is_a_failure() {
    let bench = Bench::initialised();
    bench.with_client(async |client, table| {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("gone_at").build().unwrap();
        client.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await.unwrap();
    });
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["time-to-live"]);
    examined.has("time-to-live", "failure", &["on the attribute gone_at", "switch time to live off"]);
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
fn a_kms_key_that_is_denied_is_named_with_the_right_and_the_purpose() {
    let bench = Bench::initialised();
    let server = Server::start(|request| {
        assert!(request.body.contains(r#""bes:purpose":"doctor""#), "{}", request.body);
        not_authorized(&format!("kms:{}", request.operation), KEY)
    });
    let in_kms = [("BES_KEYS", "kms"), ("BES_KMS_KEY", KEY), ("AWS_ENDPOINT_URL_KMS", server.url.as_str())];
    let examined = examine(&bench, &in_kms);
    examined
        .has(
            "keys",
            "failure",
            &["no key could be generated", "AccessDeniedException", "not authorized to perform"],
        )
        .has("keys", "failure", &[&format!("allow kms:GenerateDataKey on {KEY}"), "bes:purpose = doctor"]);
    assert_eq!(server.operations(), ["GenerateDataKey"]);
}

#[test]
fn a_kms_key_is_tried_in_a_purpose_of_its_own_and_the_log_tells_nothing_of_it() {
    let bench = Bench::initialised();
    let key = crate::bench::aside(async || Kms::shared().create_key().await.unwrap());
    let mut in_kms = vec![("BES_KEYS", "kms"), ("BES_KMS_KEY", key.as_str())];
    let variables = Kms::shared().variables();
    in_kms.extend(variables.iter().map(|(name, value)| (*name, value.as_str())));
    // Of another provider or key than the table's, it is the table that does not fit.
    examine(&bench, &in_kms).has("keys", "ok", &[&key]).has(
        "meta",
        "failure",
        &["was encrypted under", "help"],
    );
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

/// A table of AWS as it is described, with `more` in its description.
fn account(
    bench: &Bench,
    more: Value,
    act: impl Fn(&str) -> Option<Action> + Send + Sync + 'static,
) -> Server {
    let arn = format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{}", bench.table);
    let mut table = json!({
        "TableName": bench.table, "TableStatus": "ACTIVE", "TableArn": arn,
        "TableId": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "DeletionProtectionEnabled": false,
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "S" },
        ],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
    });
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let described = json!({ "Table": table }).to_string();
    Server::start(move |request| {
        if let Some(action) = act(&request.operation) {
            return action;
        }
        match request.operation.as_str() {
            "DescribeTable" => Action::Answer(200, described.clone()),
            "DescribeContinuousBackups" => {
                let off = json!({ "ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "DISABLED" },
                }});
                Action::Answer(200, off.to_string())
            }
            "DescribeTimeToLive" | "GetItem" | "Query" => Action::Forward,
            other => panic!("{other} was not expected"),
        }
    })
}

#[test]
fn of_a_table_of_aws_what_should_be_on_and_what_is_denied_is_said_with_its_command_or_right() {
    let bench = Bench::initialised();
    let server = account(&bench, json!({}), |_| None);
    let examined = examine(&bench, &[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)]);
    examined
        .has(
            "point-in-time-recovery",
            "warning",
            &["off", "aws dynamodb update-continuous-backups --table-name"],
        )
        .has("deletion-protection", "warning", &["off", "--deletion-protection-enabled"])
        .has("replicas", "ok", &["none"])
        // DynamoDB Local gives no id, so that META has none.
        .has("meta", "failure", &["it was restored or copied", "bes adopt"]);

    let all_on = json!({
        "DeletionProtectionEnabled": true, "TableId": null,
        "Replicas": [{ "RegionName": "eu-central-1", "ReplicaStatus": "ACTIVE" }],
    });
    let denied = |operation: &str| {
        let is_denied = operation == "DescribeContinuousBackups";
        is_denied.then(|| not_authorized("dynamodb:DescribeContinuousBackups", "arn:aws:dynamodb:…"))
    };
    let server = account(&bench, all_on, denied);
    let examined = examine(&bench, &[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)]);
    assert_eq!(examined.that_are("failure"), ["replicas"]);
    examined
        .has("deletion-protection", "ok", &["on"])
        .has("point-in-time-recovery", "warning", &["not known", "allow dynamodb:DescribeContinuousBackups"])
        .has("replicas", "failure", &["has replicas in eu-central-1", "writer_region"]);

    let denied = |operation: &str| {
        (operation == "DescribeTable").then(|| not_authorized("dynamodb:DescribeTable", "arn:aws:dynamodb:…"))
    };
    let server = account(&bench, json!({}), denied);
    let examined = examine_with(&bench, &[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)]);
    assert_eq!(examined.that_are("failure"), ["table"]);
    examined.has("table", "failure", &["denied DescribeTable", "allow dynamodb:DescribeTable"]);
}
