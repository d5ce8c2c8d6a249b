//! Tables and key files that cannot serve.

use std::{fs, os::unix::fs::PermissionsExt};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TimeToLiveSpecification,
    },
};

use crate::bench::Bench;

async fn create(client: Client, table: String, keys: &[(&str, KeyType)]) {
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in keys {
        let key = KeySchemaElement::builder().attribute_name(*name).key_type(kind.clone()).build().unwrap();
        let attribute = AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap();
        request = request.key_schema(key).attribute_definitions(attribute);
    }
    request.send().await.unwrap();
}

#[test]
fn a_missing_table_is_11_and_leads_to_init() {
    let bench = Bench::new();
    for command in [&["ls", "t/c"][..], &["put", "t/c/k/1", "--json", "1"]] {
        let ran = bench.run(command).exited(11).said(&format!("there is no table {}", bench.table));
        ran.said("help: create it with `bes init`").said("(configured now from BES_TABLE)");
    }
    assert!(!bench.key_file().exists(), "nothing was made");
}

#[test]
fn a_table_of_another_schema_is_11() {
    let bench = Bench::new();
    bench.with_client(async |client, table| create(client, table, &[("id", KeyType::Hash)]).await);
    let ran = bench.run(&["init"]).exited(11);
    ran.said("has another schema: its keys are id (HASH), not pk (HASH), sk (RANGE)").said("--table");
    assert!(!bench.key_file().exists() && bench.items_of_any_schema() == 0, "nothing was made");
}

#[test]
fn a_table_of_somebody_elses_items_is_11() {
    let bench = Bench::new();
    bench.with_client(async |client, table| {
        create(client, table, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]).await;
    });
    let theirs = [("pk", "x"), ("sk", "y")];
    bench.put_item(theirs.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).into());
    bench.run(&["init"]).exited(11).said("is not empty and is no store: it has no META item").said("--table");
    assert!(!bench.key_file().exists() && bench.items().len() == 1, "nothing was made");
}

#[test]
fn an_empty_table_becomes_a_store_and_that_is_said() {
    let bench = Bench::with_key_file();
    bench.with_client(async |client, table| {
        create(client, table, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]).await;
    });
    bench.run(&["ls", "t/c"]).succeeded().said("is a store now").said("umk.key");
    bench.run(&["ls", "t/c"]).succeeded().never_said("store now");
}

#[test]
fn another_namespace_is_11() {
    let bench = Bench::initialised();
    let ran = bench.run(&["--namespace", "other", "ls", "t/c"]).exited(11);
    ran.said("holds the namespace default, not other").said("use --namespace default");

    // Whoever writes to the table cannot steer the terminal of whoever reads about it, or what they paste.
    let mut meta = bench.meta();
    meta.insert("namespace".to_owned(), AttributeValue::S("x\u{1b}[2J;reboot".to_owned()));
    bench.put_item(meta);
    let ran = bench.run(&["ls", "t/c"]).exited(11).never_said("\u{1b}");
    ran.said("namespace is missing or not as this store writes it");

    let mut meta = bench.meta();
    meta.insert("namespace".to_owned(), AttributeValue::S("x;reboot".to_owned()));
    bench.put_item(meta);
    bench.run(&["ls", "t/c"]).exited(11).said("use --namespace 'x;reboot'");
}

#[test]
fn time_to_live_and_a_later_layout_are_11() {
    let bench = Bench::initialised();
    let mut meta = bench.meta();
    let ours = meta.insert("schema".to_owned(), AttributeValue::N("2".to_owned())).unwrap();
    bench.put_item(meta.clone());
    bench.run(&["ls", "t/c"]).exited(11).said("has layout 2, this version knows 1");
    meta.insert("schema".to_owned(), ours);
    meta.remove("umk_id");
    bench.put_item(meta);
    bench.run(&["ls", "t/c"]).exited(11).said("umk_id is missing");

    let bench = Bench::initialised();
    bench.with_client(async |client, table| {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("gone_at").build().unwrap();
        client.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await.unwrap();
    });
    bench.run(&["ls", "t/c"]).exited(11).said("has time to live enabled on the attribute gone_at");
}

#[test]
fn a_key_file_open_to_others_is_6_with_its_chmod() {
    let bench = Bench::with_key_file();
    bench.run(&["init"]).succeeded();
    let key = bench.key_file();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    for command in [&["ls", "t/c"][..], &["init"]] {
        let ran = bench.run(command).exited(6).said("is open to other users (mode 0640)");
        ran.said(&format!("chmod 600 {}", key.display())).never_said("bes reset");
    }
    // Nor is it taken for lost on a terminal.
    bench.on_terminal(&[], &["ls", "t/c"]).exited(6).never_said("Reset local database?");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    bench.run(&["ls", "t/c"]).succeeded();
    assert_eq!(bench.items_without_audit(), [bench.meta()]);
}
