//! What is shown of operations is what docs/observability.md says, and all of that.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

mod dashboard;
mod page;
mod seen;
mod sources;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blue_encrypted_store::{
    Adoption, AuditConfig, Collection, Delete, KeyringConfig, Namespace, Put, ReadError, TelemetryNames,
    blue_audit::AppenderConfig,
    envelope::KekId,
    keys::{KeyContext, KeyOwner, WrappedKek},
};
use blue_tests::{Fate, Note, Proxy, Sandbox, b, described_table, describing};

use crate::{
    page::{Names, Page},
    seen::Seen,
};

/// How long something may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_page_lists_the_log_events_of_the_sources() {
    let (listed, written) = (Page::read().events, sources::log_events());
    assert!(written.len() > 10, "the sources are where they are looked for");
    let missing: Vec<_> = written.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/observability.md lacks {missing:#?}");
    let gone: Vec<_> = listed.difference(&written).collect();
    assert!(gone.is_empty(), "docs/observability.md has {gone:#?}");
}

/// All that there is, with the providers that there are. The meter provider is the process's, so this is one test.
#[tokio::test]
async fn a_full_run_shows_what_the_page_lists_and_nothing_else() {
    let seen = Seen::from_now_on();
    keys_of_kms(&seen).await;
    adopted().await;
    wiped().await;

    let page = Page::read();
    let mut spans = seen.spans();
    // It is the command's: crates/cli/tests/cli/otlp.rs sees it.
    let expected: Names = page.spans.keys().filter(|&span| span != "bes").cloned().collect();
    assert_eq!(
        spans.keys().cloned().collect::<Names>(),
        expected,
        "the spans that were seen, and those of the page"
    );
    let mut of_operations = Names::new();
    for (span, fields) in &spans {
        let listed = &page.spans[span];
        let unlisted: Vec<_> = fields.difference(listed).collect();
        assert!(unlisted.is_empty(), "{span} has {unlisted:?}, which the page does not list");
        if *listed == page.of_operations {
            of_operations.extend(fields.clone());
        }
    }
    assert_eq!(of_operations, page.of_operations, "each is a field of some operation");
    spans.retain(|span, _| page.spans[span] != page.of_operations);
    for (span, fields) in spans {
        assert_eq!(fields, page.spans[&span], "the fields of {span} that were seen, and those of the page");
    }
    assert_eq!(seen.metrics(), page.metrics, "the metrics that were seen, and those of the page");
    let unlisted: Vec<_> = seen.events().difference(&page.events).cloned().collect();
    assert!(unlisted.is_empty(), "the page does not list {unlisted:#?}");
}

/// Everything that can be done with a store, but for what needs a table of another kind.
async fn keys_of_kms(seen: &Seen) {
    let sandbox = Sandbox::with_kms_key("observability").await;
    let ttl = Duration::from_secs(2);
    // Refused once, so that it is sent again.
    let throttled = Arc::new(AtomicBool::new(false));
    let once = throttled.clone();
    let proxy = Proxy::start(move |request| {
        let refuse = request.operation == "GetItem" && once.swap(false, SeqCst);
        async move { if refuse { Fate::refusal(400, "ThrottlingException") } else { Fate::Forward } }
    })
    .await;
    sandbox.store().await;
    let builder = || {
        let keyring = KeyringConfig { ttl, capacity: 1, ..KeyringConfig::default() };
        // It does not look at the end of its chain again by itself, so that another writer is found by its segment.
        let appender = AppenderConfig { look_again: Duration::from_secs(3_600), ..AppenderConfig::default() };
        let audit = AuditConfig { appender, ..AuditConfig::default() };
        sandbox.builder().keyring(keyring).audit(audit).telemetry_names(TelemetryNames::Shown)
    };
    let store = builder().client(proxy.client(&sandbox.client)).open().await.unwrap();
    let alice = store.tenant("alice").unwrap();
    let inbox = alice.collection("inbox").unwrap();
    let note = Note::new("1", "text");
    inbox.put(&note).await.unwrap();
    inbox.put_if(&note, Put::Create).await.unwrap_err();
    inbox.update("1", |note: &mut Note| note.text = "other".into()).await.unwrap();
    throttled.store(true, SeqCst);
    inbox.get::<Note>("1").await.unwrap().unwrap();
    assert!(!throttled.load(SeqCst));
    futures::TryStreamExt::try_collect::<Vec<_>>(inbox.list::<Note>()).await.unwrap();
    inbox.put(&Note::new("2", "text")).await.unwrap();
    inbox.delete::<Note>("2", Delete::Any).await.unwrap();
    alice.collections().await.unwrap();
    store.tenants().await.unwrap();
    store.flush().await.unwrap();
    store.backups().await;

    another_writer(&sandbox, &inbox).await;
    keys_in_use_are_renewed_and_others_dropped(
        seen,
        &inbox,
        &store.tenant("bob").unwrap().collection("x").unwrap(),
    )
    .await;
    refused_by_kms(&sandbox).await;
    damaged(&sandbox, &inbox).await;

    let keys = alice.keys();
    keys.list().await.unwrap();
    keys.count().await.unwrap();
    keys.rotate().await.unwrap();
    keys.rewrap(4, |_, _| {}).await.unwrap();
    keys.reseal(i64::MAX, 4, |_, _| {}).await.unwrap();
    keys.retire_after(1, Duration::ZERO).await.unwrap();
    let next = sandbox.next_root().await.unwrap();
    let moved = builder().keys(next.accepting_the_old.clone()).open().await.unwrap();
    moved.rewrap_root(|_, _| {}).await.unwrap();
    let keys = moved.tenant("alice").unwrap().keys();
    keys.erase_keys().await.unwrap();
    keys.erase_records().await.unwrap();

    let log = builder().keys(next.alone.clone()).open_audit().await.unwrap().patience(Duration::ZERO);
    log.verify(&log.options()).await.unwrap();
    // What was damaged above it finds.
    assert!(log.verify_deep(&log.options()).await.unwrap().findings.count() > 0);
}

/// Another process appends to the chain: whoever does not know yet links anew.
async fn another_writer(sandbox: &Sandbox, inbox: &Collection) {
    let other = sandbox.collection("carol", "inbox").await;
    inbox.put(&Note::new("3", "text")).await.unwrap();
    other.put(&Note::new("1", "text")).await.unwrap();
    inbox.put(&Note::new("3", "other")).await.unwrap();
}

/// There is room for the keys of one tenant alone.
async fn keys_in_use_are_renewed_and_others_dropped(seen: &Seen, inbox: &Collection, other: &Collection) {
    let begun = Instant::now();
    while !seen.spans().contains_key("bes.keyring.refresh") {
        assert!(begun.elapsed() < PATIENCE, "keys in use are renewed");
        inbox.get::<Note>("1").await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while !seen.metrics().contains_key("bes.keyring.evictions") {
        assert!(begun.elapsed() < 2 * PATIENCE, "there is room for one");
        other.put(&Note::new("1", "text")).await.unwrap();
        inbox.get::<Note>("1").await.unwrap().unwrap();
    }
}

async fn refused_by_kms(sandbox: &Sandbox) {
    let provider = sandbox.provider();
    let context = KeyContext {
        namespace: Namespace::new("default").unwrap(),
        purpose: KeyOwner::Audit.into(),
        version: 1,
        kek_id: KekId::generate().unwrap(),
    };
    let garbage = WrappedKek::new(provider.umk_id().clone(), [2; 64].to_vec());
    provider.unwrap_kek(&garbage, &context).await.unwrap_err();
}

/// A record that does not open.
async fn damaged(sandbox: &Sandbox, inbox: &Collection) {
    inbox.put(&Note::new("4", "text")).await.unwrap();
    let mut item = sandbox.item("R#alice#inbox", "note#4").await.unwrap();
    let mut envelope = item["_e"].as_b().unwrap().clone().into_inner();
    *envelope.last_mut().unwrap() ^= 1;
    item.insert("_e".to_owned(), b(envelope));
    sandbox.put_item(item).await;
    assert!(matches!(inbox.get::<Note>("4").await, Err(ReadError::Tampered(_))));
    inbox.delete::<Note>("4", Delete::Any).await.unwrap();
    // Behind the log's back, for the deep verification.
    sandbox.delete_item("R#alice#inbox", "note#3").await;
}

/// A table that has another id than META knows.
async fn adopted() {
    let sandbox = Sandbox::new("observability-adopted").await;
    sandbox.store().await;
    let described = described_table(&sandbox.table, Some("22222222-2222-4222-8222-222222222222"), &[]);
    let proxy = describing(described).await;
    let adoption = Adoption { without_checkpoint: true, ..Adoption::default() };
    sandbox.builder().client(proxy.client(&sandbox.client)).adopt(adoption).await.unwrap();
}

/// A local database begun again.
async fn wiped() {
    let sandbox = Sandbox::with_key_file("observability-wiped").await;
    sandbox.store().await;
    sandbox.builder().local_reset().await.unwrap().wipe().await.unwrap();
}
