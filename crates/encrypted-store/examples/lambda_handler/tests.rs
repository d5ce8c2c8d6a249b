use std::{
    pin::pin,
    time::{Duration, Instant},
};

use blue_encrypted_store::{AuditConfig, Collection, WritePolicy, blue_audit::CryptoOp};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    gate::Gate,
    handler::{Batch, BatchItemFailure, Event, Note, Response, State, handle},
    sandbox::Sandbox,
};

/// What these tests tell the handler that an operation may take. The store itself is given longer, for a busy machine.
const OPERATION: Duration = Duration::from_secs(1);

/// How long it is looked whether something ends that must not.
const MEANWHILE: Duration = Duration::from_secs(1);

/// Far more than any of it takes.
const AMPLE: Duration = Duration::from_secs(3_600);

async fn cold_start(sandbox: &Sandbox) -> State {
    // Buffered, so that only the flush makes the events durable.
    let audit = AuditConfig { writes: WritePolicy::Buffered, ..AuditConfig::default() };
    let store = sandbox.builder().await.audit(audit).init().await.unwrap();
    State { store, operation: OPERATION }
}

fn event(bodies: &[(&str, &str)], remaining: Duration) -> Event {
    let record = |(id, body): &(&str, &str)| json!({ "messageId": id, "body": body });
    let records: Vec<_> = bodies.iter().map(record).collect();
    let batch = serde_json::from_value(json!({ "tenant": "alice", "Records": records }));
    let batch: Batch = batch.unwrap();
    Event { batch, deadline: Instant::now() + remaining }
}

fn failed(ids: &[&str]) -> Response {
    let failure = |id: &&str| BatchItemFailure { item_identifier: (*id).to_owned() };
    Response { batch_item_failures: ids.iter().map(failure).collect() }
}

fn notes(state: &State) -> Collection {
    state.store.tenant("alice").unwrap().collection("notes").unwrap()
}

const PUT_1: &str = r#"{"put":{"id":"1","text":"one"}}"#;
const PUT_2: &str = r#"{"put":{"id":"2","text":"two"}}"#;
const DELETE_1: &str = r#"{"delete":{"id":"1"}}"#;

#[tokio::test]
async fn messages_that_fail_are_told_and_the_others_are_done() {
    let sandbox = Sandbox::new("lambda-partial").await;
    let state = cold_start(&sandbox).await;
    let large = json!({ "put": { "id": "3", "text": "x".repeat(420_000) } }).to_string();
    let batch = [("m1", PUT_1), ("m2", "no JSON"), ("m3", &large), ("m4", PUT_2), ("m5", r#"{"post":{}}"#)];
    let response = handle(&state, event(&batch, AMPLE)).await.unwrap();
    assert_eq!(response, failed(&["m2", "m3", "m5"]));
    let json = serde_json::to_value(&response).unwrap();
    assert_eq!(json["batchItemFailures"][0], json!({ "itemIdentifier": "m2" }), "as Lambda reads it");

    for (id, text) in [("1", Some("one")), ("2", Some("two")), ("3", None)] {
        let note: Option<Note> = notes(&state).get(id).await.unwrap();
        assert_eq!(note.map(|note| note.text).as_deref(), text);
    }
}

#[tokio::test]
async fn what_is_delivered_twice_is_done_as_once() {
    let sandbox = Sandbox::new("lambda-twice").await;
    let state = cold_start(&sandbox).await;
    for bodies in [[("m1", PUT_1)], [("m1", PUT_1)], [("m2", DELETE_1)], [("m2", DELETE_1)]] {
        assert_eq!(handle(&state, event(&bodies, AMPLE)).await.unwrap(), failed(&[]));
    }
    assert!(notes(&state).get::<Note>("1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_second_invocation_uses_the_store_and_the_keys_of_the_first() {
    let sandbox = Sandbox::new("lambda-warm").await;
    let state = cold_start(&sandbox).await;
    assert_eq!(handle(&state, event(&[("m1", PUT_1)], AMPLE)).await.unwrap(), failed(&[]));
    let first = sandbox.events().await.unwrap();
    assert_eq!(handle(&state, event(&[("m2", PUT_2)], AMPLE)).await.unwrap(), failed(&[]));
    let both = sandbox.events().await.unwrap();

    let of_first = first.iter().filter(|event| event.details().operation == CryptoOp::Encrypt).count();
    assert_eq!(of_first, 1);
    let added: Vec<_> = both[first.len()..].iter().map(|event| event.details().operation).collect();
    assert_eq!(added, [CryptoOp::Encrypt], "no key was made or unwrapped again");
}

#[tokio::test]
async fn nothing_is_returned_before_the_log_has_all_of_it() {
    let mut sandbox = Sandbox::new("lambda-flush").await;
    let (gate, client) = Gate::before(&sandbox.client);
    sandbox.client = client;
    let state = cold_start(&sandbox).await;
    assert_eq!(handle(&state, event(&[("m1", PUT_1)], AMPLE)).await.unwrap(), failed(&[]));
    gate.close();
    let mut invocation = pin!(handle(&state, event(&[("m2", PUT_2)], AMPLE)));
    // However busy the machine is, it does not end before the gate opens.
    assert!(timeout(MEANWHILE, &mut invocation).await.is_err(), "it returned without the event");
    gate.open();
    assert_eq!(invocation.await.unwrap(), failed(&[]));
    let events = sandbox.events().await.unwrap();
    assert_eq!(events.iter().filter(|event| event.details().operation == CryptoOp::Encrypt).count(), 2);
}

#[tokio::test]
async fn nothing_begins_that_might_not_end_before_the_deadline() {
    let sandbox = Sandbox::new("lambda-deadline").await;
    let state = cold_start(&sandbox).await;
    let batch = [("m1", PUT_1), ("m2", PUT_2)];
    for remaining in [Duration::ZERO, 2 * OPERATION - Duration::from_millis(1)] {
        let response = handle(&state, event(&batch, remaining)).await.unwrap();
        assert_eq!(response, failed(&["m1", "m2"]), "{remaining:?}");
    }
    assert!(notes(&state).get::<Note>("1").await.unwrap().is_none());
    assert!(state.store.tenants().await.unwrap().is_empty(), "nothing was written at all");
}

#[tokio::test]
async fn a_batch_of_no_tenant_fails_as_a_whole() {
    let sandbox = Sandbox::new("lambda-tenant").await;
    let state = cold_start(&sandbox).await;
    let batch = json!({ "tenant": "a/b", "Records": [{ "messageId": "m1", "body": PUT_1 }] });
    let batch = serde_json::from_value(batch).unwrap();
    let outcome = handle(&state, Event { batch, deadline: Instant::now() + AMPLE }).await;
    assert!(outcome.is_err(), "{outcome:?}");
}
