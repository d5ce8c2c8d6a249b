//! What is too large, badly named or not ours is refused: with its own error, and nothing half-written.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{error::Error, fs, net::TcpListener, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
    },
};
use blue_encrypted_store::{
    AttributeError, Attributes, AuditConfig, Collection, Delete, EncryptedStore, Key, KeyProvider,
    KeyUnavailable, Kind, LocalFile, LocalFileError, NameError, OpenError, Put, ReadError, Record, RecordId,
    ResetError, WriteError,
    blue_audit::{AppendError, AppenderConfig, CryptoOp, Details, Stopped},
    envelope::Kek,
    keys::{KeyContext, KeyError, KeyringError, UmkId, WrappedKek},
    table::{StoreError, TableError},
};
use blue_tests::{
    Fate, Item, Keys, Note, Proxy, Sandbox, described_table, describing, documented_size, n, only_with, s,
};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

const LIMIT: usize = 409_600;

fn key(kind: &str, id: &str) -> Key {
    Key { kind: Kind::new(kind).unwrap(), id: RecordId::new(id).unwrap() }
}

fn attributes() -> Attributes {
    let all = Attributes::new().with("text", "täxt").unwrap().with("number", -12_345).unwrap();
    all.with("flag", false).unwrap().with("raw", vec![0_u8; 9]).unwrap()
}

async fn put_of_size(inbox: &Collection, id: &str, length: usize, put: Put) -> Result<u64, WriteError> {
    inbox.put_bytes(&key("file", id), vec![7; length], attributes(), put).await
}

/// Against an item of the same key and attributes that holds the content in clear, under a name of one byte.
#[tokio::test]
async fn an_item_has_at_most_170_bytes_more_than_without_encryption() {
    let sandbox = Sandbox::new("added").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    for length in [0, 1, 1 << 10, 300 << 10] {
        let id = length.to_string();
        put_of_size(&inbox, &id, length, Put::Create).await.unwrap();
        let sealed = sandbox.item("R#alice#inbox", &format!("file#{id}")).await.unwrap();
        let mut plain = sealed.clone();
        plain.retain(|name, _| !name.starts_with('_'));
        plain.insert("d".to_owned(), AttributeValue::B(Blob::new(vec![7; length])));
        let added = documented_size(&sealed) - documented_size(&plain);
        assert!(added <= 170, "{added} bytes are added to {length}");
    }
}

#[tokio::test]
async fn an_item_of_exactly_400_kib_is_stored() {
    let sandbox = Sandbox::new("largest").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    put_of_size(&inbox, "1", 0, Put::Create).await.unwrap();
    let item = sandbox.item("R#alice#inbox", "file#1").await.unwrap();
    let mut length = LIMIT - documented_size(&item);
    // A time in µs that ends in two zeros makes an item a byte smaller; then it is tried again.
    for _ in 0..50 {
        inbox.delete_payload(&key("file", "1"), Delete::Any).await.unwrap();
        match put_of_size(&inbox, "1", length, Put::Create).await {
            Err(WriteError::TooLarge { source: StoreError::TooLarge { size }, .. }) => {
                length -= size - LIMIT;
                continue;
            }
            written => drop(written.unwrap()),
        }
        let item = sandbox.item("R#alice#inbox", "file#1").await.unwrap();
        let size = documented_size(&item);
        assert!(size <= LIMIT, "{size}");
        if size != LIMIT {
            continue;
        }
        assert_eq!(inbox.get_bytes(&key("file", "1")).await.unwrap().unwrap().len(), length);
        // And DynamoDB agrees that there is no room for another byte.
        let mut larger = item;
        larger.insert("x".into(), s(""));
        let put = sandbox.client.put_item().table_name(&sandbox.table).set_item(Some(larger));
        let refused = put.send().await.unwrap_err().into_service_error();
        assert!(
            refused.to_string().contains("size") || format!("{refused:?}").contains("size"),
            "{refused:?}"
        );
        return;
    }
    panic!("no write of {LIMIT} bytes in 50");
}

#[tokio::test]
async fn one_byte_more_than_400_kib_is_refused_before_any_call() {
    let sandbox = Sandbox::new("too-large").await;
    sandbox.store().await;
    let proxy = Proxy::start(|_| async { Fate::Forward }).await;
    let store = sandbox.builder().client(proxy.client(&sandbox.client)).open().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    let calls =
        || ["PutItem", "GetItem", "Query", "TransactWriteItems"].map(|operation| proxy.seen(operation));
    let mut length = LIMIT;
    for attempt in 0..50 {
        let before = calls();
        let error = match put_of_size(&inbox, "1", length, Put::Create).await {
            Err(error) => error,
            // A time in µs that ends in two zeros made it a byte smaller.
            Ok(_) if attempt > 0 => {
                inbox.delete_payload(&key("file", "1"), Delete::Any).await.unwrap();
                continue;
            }
            Ok(version) => panic!("{LIMIT} bytes of content were written as {version}"),
        };
        let WriteError::TooLarge { address, source: StoreError::TooLarge { size } } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(address, "alice/inbox/file/1");
        assert_eq!(calls(), before, "nothing was sent");
        if attempt == 0 {
            let left = sandbox.scan_without_audit().await.len();
            assert_eq!(left, 1, "META is all there is: no key, no directory");
            assert_eq!(sandbox.audit_log().await.about("alice/inbox/file/1"), Vec::<&Details>::new());
        }
        if *size == LIMIT + 1 {
            let cause = error.source().unwrap().to_string();
            assert!(cause.contains("409601") && cause.contains("409600"), "{cause}");
            return;
        }
        // Down to one byte too many.
        length -= size - LIMIT - 1;
    }
    panic!("no write of {} bytes in 50", LIMIT + 1);
}

#[tokio::test]
async fn more_attributes_than_an_item_can_count_are_an_error() {
    let sandbox = Sandbox::new("attributes").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let mut attributes = Attributes::new();
    let refused = (0..70_000).find_map(|i| attributes.insert(format!("{i:x}"), "").err());
    assert_eq!(refused, Some(AttributeError::TooMany));
    assert_eq!(attributes.len(), 65_535 - 3, "the store adds three of its own");
    inbox.put_bytes(&key("file", "1"), *b"x", attributes.clone(), Put::Create).await.unwrap();
    let entry = inbox.get_payload(&key("file", "1")).await.unwrap().unwrap();
    assert_eq!(entry.attributes, attributes);
}

#[tokio::test]
async fn bad_names_are_refused_and_say_what_is_wrong_with_them() {
    let sandbox = Sandbox::new("names").await;
    let store = sandbox.store().await;
    let long = "x".repeat(256);
    let mut refused = 0;
    for (bad, says) in [
        ("a#b", "'#' at byte 1"),
        ("a/b", "'/' at byte 1"),
        ("", "is empty"),
        (&long, "256 bytes, 255 are allowed"),
        ("ä", "'ä' at byte 0"),
        ("a b", "' ' at byte 1"),
        ("a\n", "'\\n' at byte 1"),
    ] {
        let alice = store.tenant("alice").unwrap();
        let errors: [NameError; 4] = [
            store.tenant(bad).err().unwrap(),
            alice.collection(bad).err().unwrap(),
            Kind::new(bad).unwrap_err(),
            match sandbox.builder().namespace(bad).open().await {
                Err(OpenError::Name(error)) => error,
                other => panic!("{other:?}"),
            },
        ];
        for (error, what) in errors.iter().zip(["tenant", "collection", "kind", "namespace"]) {
            let text = error.to_string();
            assert!(text.contains(says) && text.contains(what), "{text}");
            refused += 1;
        }
    }
    assert_eq!(refused, 7 * 4);

    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    let long = "é".repeat(385);
    for bad in ["", "a\nb", "a\u{0}", "\u{9f}", &long] {
        assert!(matches!(inbox.get::<Note>(bad).await, Err(ReadError::Name(_))), "{bad:?}");
        assert!(matches!(inbox.put(&Note::new(bad, "")).await, Err(WriteError::Name(_))), "{bad:?}");
        let update = inbox.update(bad, |_: &mut Note| ()).await;
        assert!(matches!(update, Err(WriteError::Name(_))), "{bad:?}");
        assert!(matches!(inbox.delete::<Note>(bad, Delete::Any).await, Err(WriteError::Name(_))), "{bad:?}");
    }
    nothing_but_meta(&sandbox).await;
}

/// What was refused before it was tried left nothing: the audit log has what its own opening put there.
async fn nothing_but_meta(sandbox: &Sandbox) {
    assert_eq!(sandbox.scan_without_audit().await.len(), 1, "nothing but META");
    let log = sandbox.audit_log().await;
    let own = |event: &Details| {
        let operation = matches!(event.operation, CryptoOp::GenerateKek | CryptoOp::UnwrapKek);
        operation && event.resource.starts_with("bes:default/%23audit/")
    };
    assert!(log.events().count() >= 1 && log.events().all(own), "{:#?}", log.chain("main"));
}

#[tokio::test]
async fn the_longest_names_work_all_at_once() {
    let sandbox = Sandbox::new("longest").await;
    let name: String = ('!'..='~').filter(|c| !"#/".contains(*c)).cycle().take(255).collect();
    let store = sandbox.builder().namespace(&name).init().await.unwrap();
    let collection = store.tenant(&name).unwrap().collection(&name).unwrap();
    let ids = ["x".repeat(768), "é".repeat(384), "日".repeat(256), "😀".repeat(192), "#/".repeat(384)];
    for id in &ids {
        assert_eq!(id.len(), 768);
        let key = key(&name, id);
        let version =
            collection.put_bytes(&key, id.as_bytes(), Attributes::new(), Put::Create).await.unwrap();
        assert_eq!(collection.get_bytes(&key).await.unwrap().unwrap(), id.as_bytes());
        let replace =
            collection.put_bytes(&key, id.as_bytes(), Attributes::new(), Put::Replace(version)).await;
        assert_eq!(replace.unwrap(), version + 1);
    }
    let items = sandbox.partition(&format!("R#{name}#{name}")).await;
    assert_eq!(items.len(), 5);
    assert!(items.iter().all(|item| item["sk"].as_s().unwrap().len() == 1_024));
    let listed: Vec<_> =
        collection.list_payloads(Some(Kind::new(&name).unwrap())).try_collect().await.unwrap();
    assert_eq!(listed.len(), 5);
    assert_eq!(store.tenants().await.unwrap()[0].as_str(), name);
    assert_eq!(store.tenant(&name).unwrap().collections().await.unwrap()[0].as_str(), name);
    for id in &ids {
        assert!(collection.delete_payload(&key(&name, id), Delete::Any).await.unwrap());
    }
    assert_eq!(sandbox.partition(&format!("R#{name}#{name}")).await, []);
}

#[tokio::test]
async fn an_id_with_separators_is_no_other_record() {
    let sandbox = Sandbox::new("ids").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let ids =
        ["1", "#1", "/1", "note#1", "1#", "1/", "##", "//", "a#b/c#d", "../1", "%23", " ", "R#alice#inbox"];
    for id in ids {
        inbox.put_if(&Note::new(id, id), Put::Create).await.unwrap();
    }
    for id in ids {
        assert_eq!(inbox.get::<Note>(id).await.unwrap().unwrap().text, id);
    }
    assert_eq!(inbox.list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), 13);
}

#[derive(Serialize, Deserialize)]
struct Named {
    id: String,
    name: String,
}

impl Record for Named {
    const KIND: &'static str = "named";
    fn id(&self) -> &str {
        &self.id
    }
    fn attributes(&self) -> Result<Attributes, AttributeError> {
        Attributes::new().with(&self.name, "value")
    }
}

#[tokio::test]
async fn a_reserved_attribute_name_is_refused_and_nothing_is_written() {
    let sandbox = Sandbox::new("reserved").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let reserved = ["pk", "sk", "_v", "_e", "_t", "_c", "_u", "_x", "_", "gsi1", "gsi1pk", "gsi1sk"];
    for name in reserved {
        let put = inbox.put(&Named { id: "1".into(), name: name.into() }).await;
        let Err(WriteError::Attribute(error)) = put else { panic!("{name}: {put:?}") };
        assert!(
            matches!(error, AttributeError::Reserved { .. }) && error.to_string().contains(name),
            "{error}"
        );
    }
    nothing_but_meta(&sandbox).await;

    inbox.put(&Named { id: "1".into(), name: "fine".into() }).await.unwrap();
    let before = sandbox.item("R#alice#inbox", "named#1").await;
    for name in reserved {
        let update = inbox.update("1", |named: &mut Named| named.name = name.into()).await;
        assert!(matches!(update, Err(WriteError::Attribute(AttributeError::Reserved { .. }))), "{name}");
    }
    assert_eq!(sandbox.item("R#alice#inbox", "named#1").await, before);
    // Words that DynamoDB's expressions reserve are names like any other.
    for name in ["status", "name", "size", "PK", "gsi2", "a.b", "a b", "#x", ":x"] {
        inbox.put(&Named { id: "1".into(), name: name.into() }).await.unwrap();
        assert_eq!(inbox.get::<Named>("1").await.unwrap().unwrap().name, name);
    }
}

fn string_attribute(name: &str) -> AttributeDefinition {
    typed_attribute(name, ScalarAttributeType::S)
}

fn typed_attribute(name: &str, of: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(of).build().unwrap()
}

fn key_element(name: &str, of: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(of).build().unwrap()
}

#[tokio::test]
async fn a_table_with_another_schema_is_refused() {
    let number = ScalarAttributeType::N;
    let mut refused = 0;
    for (hash, range, says) in [
        (string_attribute("id"), None, "id (HASH)"),
        (string_attribute("pk"), None, "pk (HASH)"),
        (string_attribute("pk"), Some(string_attribute("sort")), "sort (RANGE)"),
        (string_attribute("sk"), Some(string_attribute("pk")), "sk (HASH), pk (RANGE)"),
        (string_attribute("pk"), Some(typed_attribute("sk", number.clone())), "sk should be of type S"),
        (
            typed_attribute("pk", number.clone()),
            Some(typed_attribute("sk", number)),
            "pk and sk should be of type S",
        ),
    ] {
        let sandbox = Sandbox::new("schema").await;
        let create = sandbox.client.create_table().table_name(&sandbox.table);
        let create = create.billing_mode(BillingMode::PayPerRequest);
        let mut create =
            create.key_schema(key_element(hash.attribute_name(), KeyType::Hash)).attribute_definitions(hash);
        if let Some(range) = range {
            create = create
                .key_schema(key_element(range.attribute_name(), KeyType::Range))
                .attribute_definitions(range);
        }
        create.send().await.unwrap();
        for open in [sandbox.builder().open().await, sandbox.builder().init().await] {
            let Err(OpenError::Table(error @ TableError::Schema { .. })) = open else { panic!("{open:?}") };
            assert!(error.to_string().contains(says), "{error}");
            refused += 1;
        }
        assert!(!sandbox.key_path().exists(), "no key was made");
        assert_eq!(sandbox.scan().await.len(), 0);
    }
    assert_eq!(refused, 12);
}

async fn create_plain(sandbox: &Sandbox, index: bool) {
    let create =
        sandbox.client.create_table().table_name(&sandbox.table).billing_mode(BillingMode::PayPerRequest);
    let create = create
        .key_schema(key_element("pk", KeyType::Hash))
        .key_schema(key_element("sk", KeyType::Range))
        .attribute_definitions(string_attribute("pk"))
        .attribute_definitions(string_attribute("sk"));
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    let gsi = GlobalSecondaryIndex::builder().index_name("by-status").projection(all);
    let gsi = gsi.key_schema(key_element("status", KeyType::Hash)).build().unwrap();
    let create = if index {
        create.attribute_definitions(string_attribute("status")).global_secondary_indexes(gsi)
    } else {
        create
    };
    create.send().await.unwrap();
}

#[tokio::test]
async fn a_table_with_an_index_more_is_accepted() {
    let sandbox = Sandbox::new("index").await;
    create_plain(&sandbox, true).await;
    let inbox = sandbox.collection("alice", "inbox").await;
    inbox.put(&Note::new("1", "text")).await.unwrap();
    assert!(inbox.get::<Note>("1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_table_that_is_not_empty_and_not_ours_is_refused() {
    let sandbox = Sandbox::new("not-ours").await;
    create_plain(&sandbox, false).await;
    let theirs: Item = [("pk".to_owned(), s("user")), ("sk".to_owned(), s("1"))].into();
    sandbox.put_item(theirs.clone()).await;
    for open in [sandbox.builder().open().await, sandbox.builder().init().await] {
        assert!(matches!(open, Err(OpenError::Table(TableError::NotOurs { .. }))), "{open:?}");
    }
    assert!(!sandbox.key_path().exists());
    assert_eq!(sandbox.scan().await, [theirs]);
}

#[tokio::test]
async fn a_store_of_another_layout_or_namespace_is_refused() {
    let sandbox = Sandbox::new("layout").await;
    sandbox.store().await;
    let meta = sandbox.item("META", "store").await.unwrap();
    let before = sandbox.scan().await.len();
    let changed = |name: &str, value: Option<AttributeValue>| {
        let mut meta = meta.clone();
        meta.remove(name);
        meta.extend(value.map(|value| (name.to_owned(), value)));
        meta
    };
    assert!(meta.contains_key("schema") && meta.contains_key("namespace"));
    for (name, value) in [
        ("schema", Some(n(2))),
        ("schema", Some(n(0))),
        ("schema", None),
        ("schema", Some(s("1"))),
        ("namespace", Some(s("other"))),
        ("namespace", None),
        ("umk_id", None),
        ("provider", None),
        ("created", Some(n("0.5"))),
    ] {
        let tampered = changed(name, value.clone());
        sandbox.put_item(tampered.clone()).await;
        for open in [sandbox.builder().open().await, sandbox.builder().init().await] {
            let Err(OpenError::Table(error)) = &open else { panic!("{name} = {value:?}: {open:?}") };
            let expected = match (name, &value) {
                ("schema", Some(AttributeValue::N(_))) => matches!(error, TableError::Layout { .. }),
                ("namespace", Some(_)) => {
                    matches!(error, TableError::Namespace { found, configured, .. }
                        if found == "other" && configured == "default")
                }
                _ => matches!(error, TableError::Store(StoreError::Malformed(_))),
            };
            assert!(expected, "{name} = {value:?}: {error:?}");
        }
        assert_eq!(sandbox.scan_without_audit().await, [tampered], "it stays as it is");
        assert_eq!(
            sandbox.scan().await.len(),
            before,
            "nothing was recorded in a log that may be another store's"
        );
    }
    sandbox.put_item(meta.clone()).await;
    let other = sandbox.builder().namespace("other").open().await;
    assert!(matches!(other, Err(OpenError::Table(TableError::Namespace { .. }))), "{other:?}");
    sandbox.builder().open().await.unwrap();
}

#[tokio::test]
async fn a_table_that_deletes_items_on_its_own_is_refused() {
    let sandbox = Sandbox::new("time-to-live").await;
    create_plain(&sandbox, false).await;
    let specification =
        TimeToLiveSpecification::builder().attribute_name("expires").enabled(true).build().unwrap();
    let update = sandbox.client.update_time_to_live().table_name(&sandbox.table);
    update.time_to_live_specification(specification).send().await.unwrap();
    for open in [sandbox.builder().open().await, sandbox.builder().init().await] {
        let Err(OpenError::Table(TableError::TimeToLive { attribute, .. })) = &open else {
            panic!("{open:?}")
        };
        assert_eq!(attribute, "expires");
    }
    assert!(!sandbox.key_path().exists());
    assert_eq!(sandbox.scan().await.len(), 0);
}

#[tokio::test]
async fn a_missing_table_is_created_by_init_alone() {
    let sandbox = Sandbox::new("missing").await;
    let open = sandbox.builder().open().await;
    let Err(OpenError::Table(TableError::Store(StoreError::TableMissing { table }))) = &open else {
        panic!("{open:?}");
    };
    assert_eq!(*table, sandbox.table);
    assert!(!sandbox.key_path().exists());
    sandbox.builder().init().await.unwrap();
    assert_eq!(sandbox.key_path().exists(), Keys::of_this_run() == Keys::Local);
    sandbox.builder().init().await.unwrap();
    sandbox.builder().open().await.unwrap();
    nothing_but_meta(&sandbox).await;

    let store = sandbox.store().await;
    sandbox.client.delete_table().table_name(&sandbox.table).send().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    let read = inbox.get::<Note>("1").await;
    assert!(matches!(read, Err(ReadError::Store(StoreError::TableMissing { .. }))), "{read:?}");
}

const TABLE_ID: Option<&str> = Some("12345678-1234-1234-1234-123456789012");

#[tokio::test]
async fn a_replicated_table_is_opened_in_its_writing_region_alone() {
    let sandbox = Sandbox::new("replicas").await;
    create_plain(&sandbox, false).await;
    let proxy = describing(described_table(&sandbox.table, TABLE_ID, &["eu-west-1", "us-east-1"])).await;
    let region = sandbox.client.config().region().unwrap().to_string();
    let builder = || sandbox.builder().client(proxy.client(&sandbox.client));
    for configured in [None, Some("eu-west-1")] {
        let builder = configured.iter().fold(builder(), |builder, region| builder.writer_region(*region));
        let open = builder.open().await;
        let Err(OpenError::Table(error @ TableError::Replicated { replicas, writer_region, .. })) = &open
        else {
            panic!("{open:?}");
        };
        assert_eq!(replicas, &["eu-west-1", "us-east-1"]);
        assert_eq!(writer_region.as_deref(), configured);
        assert!(error.to_string().contains(&region) || configured.is_none(), "{error}");
        assert!(!sandbox.key_path().exists());
    }
    assert_eq!(sandbox.scan().await.len(), 0);
    let store = builder().writer_region(region).open().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    inbox.put(&Note::new("1", "text")).await.unwrap();
    let meta = sandbox.item("META", "store").await.unwrap();
    assert_eq!(
        meta["table_id"],
        s("12345678-1234-1234-1234-123456789012"),
        "the id the service gives is kept"
    );
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_an_error_soon() {
    let sandbox = Sandbox::new("unreachable").await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = sandbox.client_through(&format!("http://127.0.0.1:{port}"));
    let started = std::time::Instant::now();
    for open in
        [sandbox.builder().client(client.clone()).open().await, sandbox.builder().client(client).init().await]
    {
        let Err(OpenError::Table(TableError::Store(StoreError::Unavailable { source, .. }))) = &open else {
            panic!("{open:?}");
        };
        assert!(source.to_string().to_lowercase().contains("refused"), "{source}");
    }
    // The operation's own deadline here is 120 s.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert!(!sandbox.key_path().exists());
}

/// Why a test is one of local keys.
const LOST: &str = "a local key that is lost";
const RESET: &str = "a reset is of local keys";

/// A store with a record and its items, whose key is then lost.
async fn keyless(name: &str) -> (Sandbox, Vec<Item>) {
    let sandbox = Sandbox::new(name).await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "text")).await.unwrap();
    let items = sorted(sandbox.scan().await);
    let records = sandbox.scan_without_audit().await.len();
    assert_eq!(records, 5, "META, key, two directory entries, record");
    (sandbox, items)
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| format!("{:?}{:?}", item["pk"], item["sk"]));
    items
}

fn files(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.key_path().parent().unwrap()).unwrap().count()
}

#[tokio::test]
async fn a_missing_key_file_is_an_error_and_none_is_made() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let (sandbox, items) = keyless("key-missing").await;
    let recorded = sandbox.key().umk_id().clone();
    fs::remove_file(sandbox.key_path()).unwrap();
    for open in [sandbox.builder().open().await, sandbox.builder().init().await] {
        let Err(error) = open else { panic!("it opened") };
        assert!(error.is_local_key_lost());
        let OpenError::LocalKeyMissing { table, path, recorded: found } = error else { panic!("{error:?}") };
        assert_eq!((table, path, found), (sandbox.table.clone(), sandbox.key_path(), recorded.clone()));
    }
    assert_eq!(files(&sandbox), 0);
    assert_eq!(sorted(sandbox.scan().await), items);
}

#[tokio::test]
async fn another_key_file_is_an_error_and_nothing_is_changed() {
    if !only_with!(Keys::Local, LOST) {
        return;
    }
    let (sandbox, items) = keyless("key-changed").await;
    let recorded = sandbox.key().umk_id().clone();
    fs::remove_file(sandbox.key_path()).unwrap();
    let other = LocalFile::create(sandbox.key_path()).unwrap();
    let content = fs::read(sandbox.key_path()).unwrap();
    for open in [sandbox.builder().open().await, sandbox.builder().init().await] {
        let Err(error) = open else { panic!("it opened") };
        assert!(error.is_local_key_lost());
        let OpenError::LocalKeyChanged { path, recorded: found_recorded, found, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(path, sandbox.key_path());
        assert_eq!((&found_recorded, &found), (&recorded, other.umk_id()));
    }
    assert_eq!(fs::read(sandbox.key_path()).unwrap(), content);
    assert_eq!(files(&sandbox), 1);
    assert_eq!(sorted(sandbox.scan().await), items);
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with_key_file("key-open").await;
    sandbox.store().await;
    for mode in [0o640, 0o604, 0o644, 0o660] {
        fs::set_permissions(sandbox.key_path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = LocalFile::open_or_create(sandbox.key_path()).unwrap_err();
        assert!(matches!(error, LocalFileError::Permissions { mode: found, .. } if found == mode));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(sandbox.key_path(), fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.builder().open().await.unwrap();
}

#[tokio::test]
async fn a_reset_of_a_local_database_starts_it_over_and_keeps_the_other_key() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    let mut cases = 0;
    for lost in ["missing", "changed", "malformed", "kept"] {
        let (sandbox, items) = keyless("reset").await;
        match lost {
            "missing" => fs::remove_file(sandbox.key_path()).unwrap(),
            "changed" => {
                fs::remove_file(sandbox.key_path()).unwrap();
                LocalFile::create(sandbox.key_path()).unwrap();
            }
            "malformed" => fs::write(sandbox.key_path(), "no key").unwrap(),
            _ => {}
        }
        let content = fs::read(sandbox.key_path()).ok();
        let builder = EncryptedStore::builder().table(&sandbox.table).client(sandbox.client.clone());
        let reset = builder.local_reset_at(sandbox.key_path()).await.unwrap();
        assert_eq!(sorted(sandbox.scan().await), items, "{lost}: nothing is wiped before a yes");
        assert_eq!(fs::read(sandbox.key_path()).ok(), content);

        let report = reset.wipe().await.unwrap();
        assert_eq!(report.new_key, sandbox.key_path());
        assert_eq!(report.old_key.is_some(), content.is_some(), "{lost}");
        if let Some(old) = report.old_key {
            assert_eq!(fs::read(old).ok(), content, "{lost}: the old file is kept");
        }
        assert_eq!(sandbox.scan().await.len(), 1, "META");
        let inbox =
            sandbox.builder().open().await.unwrap().tenant("alice").unwrap().collection("inbox").unwrap();
        assert_eq!(inbox.get::<Note>("1").await.unwrap(), None);
        inbox.put(&Note::new("1", "again")).await.unwrap();
        cases += 1;
    }
    assert_eq!(cases, 4);
}

#[tokio::test]
async fn a_reset_of_any_other_table_is_refused_and_sends_no_deletion() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    let (sandbox, items) = keyless("reset-real").await;
    let content = fs::read(sandbox.key_path()).unwrap();
    let proxy = describing(described_table(&sandbox.table, TABLE_ID, &[])).await;
    let reset = sandbox.builder().client(proxy.client(&sandbox.client)).local_reset().await;
    let Err(ResetError::NotLocalTable { arn }) = &reset else { panic!("{reset:?}") };
    assert!(arn.contains("123456789012"));
    assert_eq!(proxy.seen("DeleteTable"), 0);

    // Nor if the table turns out to be a real one between the question and the yes.
    let described = described_table(&sandbox.table, TABLE_ID, &[]);
    let proxy = Proxy::start(move |request| {
        let described = described.clone();
        async move {
            match (request.operation.as_str(), request.attempt) {
                ("DescribeTable", 2..) => Fate::Answer(200, described),
                _ => Fate::Forward,
            }
        }
    })
    .await;
    let reset = sandbox.builder().client(proxy.client(&sandbox.client)).local_reset().await.unwrap();
    let wiped = reset.wipe().await;
    assert!(matches!(wiped, Err(ResetError::NotLocalTable { .. })), "{wiped:?}");
    assert_eq!(proxy.seen("DeleteTable"), 0);

    // A key that is no file has no reset at all.
    let provider: Arc<dyn KeyProvider> = Arc::new(sandbox.key());
    let reset = sandbox.builder().keys(provider).local_reset().await;
    assert!(matches!(reset, Err(ResetError::NotLocalKey)), "{reset:?}");

    assert_eq!(sorted(sandbox.scan().await), items);
    assert_eq!(fs::read(sandbox.key_path()).unwrap(), content);
    assert_eq!(files(&sandbox), 1);
}

#[tokio::test]
async fn a_process_of_the_old_store_makes_no_key_in_the_new_one() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    let sandbox = Sandbox::new("made-anew").await;
    // It looks at the end of its chain every time: by default it would for a second trust what it saw.
    let appender = AppenderConfig { look_again: Duration::ZERO, ..AppenderConfig::default() };
    let audit = AuditConfig { appender, ..AuditConfig::default() };
    let old = sandbox.builder().audit(audit).init().await.unwrap();
    sandbox.builder().local_reset().await.unwrap().wipe().await.unwrap();
    let new = sandbox.collection("alice", "inbox").await;
    let alice = old.tenant("alice").unwrap().collection("inbox").unwrap();
    let write = alice.put(&Note::new("1", "text")).await;
    let Err(WriteError::Key(KeyUnavailable::Keyring(KeyringError::Provider { source, .. }))) = &write else {
        panic!("{write:?}")
    };
    let stopped = source.source().and_then(|error| error.downcast_ref());
    assert!(
        matches!(stopped, Some(AppendError::Stopped { source: Stopped::UnknownKey { .. }, .. })),
        "{source:?}"
    );
    assert_eq!(sandbox.scan_without_audit().await.len(), 1, "META alone");
    new.put(&Note::new("1", "text")).await.unwrap();
}

/// A provider whose UMK has the name it is given.
struct OddlyNamed(UmkId);

#[async_trait]
impl KeyProvider for OddlyNamed {
    fn umk_id(&self) -> &UmkId {
        &self.0
    }
    async fn generate_kek(&self, _: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        Err(KeyError::Malformed)
    }
    async fn unwrap_kek(&self, _: &WrappedKek, _: &KeyContext) -> Result<Kek, KeyError> {
        Err(KeyError::Malformed)
    }
}

#[tokio::test]
async fn a_master_key_with_an_unreadable_id_spoils_no_table() {
    let sandbox = Sandbox::new("odd-id").await;
    let mut cases = 0;
    for odd in ["", "vault: kek 1", "esc\u{1b}[2J", "ключ"] {
        let init = sandbox.builder().keys(Arc::new(OddlyNamed(UmkId::new(odd)))).init().await;
        let Err(OpenError::Table(TableError::Store(StoreError::Malformed(malformed)))) = &init else {
            panic!("{init:?}")
        };
        assert!(malformed.reason.contains("umk_id"), "{malformed}");
        assert_eq!(sandbox.scan().await, []);
        cases += 1;
    }
    assert_eq!(cases, 4);
    sandbox.store().await;
}
