//! Tables that are missing, foreign, or not kept as they should be.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use serde_json::{Value, json};

use super::{examine, examine_with, not_authorized};
use crate::{
    bench::Bench,
    server::{Action, Server},
};

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
