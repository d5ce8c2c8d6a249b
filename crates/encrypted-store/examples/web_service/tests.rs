//! The service on a free port of loopback, asked over HTTP.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header::RETRY_AFTER},
    response::IntoResponse,
};
use blue_encrypted_store::{
    AuditConfig, EncryptedStore, ReadError, WriteError, WritePolicy,
    blue_audit::{CryptoAuditEvent, CryptoOp},
    table::StoreError,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    callers::Callers,
    failure::Failure,
    gate::Gate,
    sandbox::Sandbox,
    service::{Service, serve},
};

const CALLERS: &[u8] = include_bytes!("callers.json");
const ALICE: &str = "alice-demo-token";
const BOB: &str = "bob-demo-token";
/// The end of alice's every path.
const NOTE: &str = "/tenants/alice/notes/1";

/// How long it is looked whether something ends that must not.
const MEANWHILE: Duration = Duration::from_secs(1);

/// A service that runs.
struct Running {
    store: EncryptedStore,
    address: SocketAddr,
    client: Client<HttpConnector, Body>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), String>>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Running {
    async fn start(sandbox: &Sandbox, audit: AuditConfig) -> Self {
        let store = sandbox.builder().await.audit(audit).init().await.unwrap();
        let service = Service { store: store.clone(), callers: Callers::parse(CALLERS).unwrap() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, Arc::new(service), async move {
            let _ = stopped.await;
        });
        let served = tokio::spawn(async { serving.await.map_err(|error| error.to_string()) });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { store, address, client, stop: Some(stop), served }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/json");
        let response = self.client.request(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn put(&self, path: &str, token: &str, headers: &[(&str, &str)], text: &str) -> Reply {
        let body = serde_json::json!({ "text": text }).to_string();
        self.send(Method::PUT, path, token, headers, &body).await
    }

    async fn get(&self, path: &str, token: &str) -> Reply {
        self.send(Method::GET, path, token, &[], "").await
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

impl Reply {
    fn etag(&self) -> &str {
        self.headers["etag"].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// All items of the table, in no order.
async fn scan(sandbox: &Sandbox) -> Vec<HashMap<String, AttributeValue>> {
    let scan = sandbox.client.scan().table_name(&sandbox.table).consistent_read(true);
    let mut pages = scan.into_paginator().items().send();
    let mut items = Vec::new();
    while let Some(item) = pages.next().await {
        items.push(item.unwrap());
    }
    items
}

#[tokio::test]
async fn two_tenants_do_not_see_each_others_notes() {
    let sandbox = Sandbox::new("web-tenants").await;
    let service = Running::start(&sandbox, AuditConfig::default()).await;
    assert_eq!(service.put(NOTE, ALICE, &[], "of alice").await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.put("/tenants/bob/notes/1", BOB, &[], "of bob").await.status, StatusCode::NO_CONTENT);

    for (tenant, token, text) in [("alice", ALICE, "of alice"), ("bob", BOB, "of bob")] {
        let note = service.get(&format!("/tenants/{tenant}/notes/1"), token).await;
        assert_eq!((note.status, note.json()["text"].as_str()), (StatusCode::OK, Some(text)));
        let listed = service.get(&format!("/tenants/{tenant}/notes"), token).await.json();
        let texts: Vec<_> = listed["notes"].as_array().unwrap().iter().map(|note| &note["text"]).collect();
        assert_eq!(texts, [text]);
        assert_eq!((&listed["unreadable"], &listed["more"]), (&0.into(), &false.into()));
    }
    for (path, token, status) in [
        (NOTE, BOB, StatusCode::FORBIDDEN),
        ("/tenants/alice/notes", BOB, StatusCode::FORBIDDEN),
        ("/tenants/nobody/notes", BOB, StatusCode::FORBIDDEN),
        (NOTE, "another-token", StatusCode::UNAUTHORIZED),
        (NOTE, "", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(service.get(path, token).await.status, status, "{path} with {token}");
    }
    for (token, status) in [(BOB, StatusCode::FORBIDDEN), ("another-token", StatusCode::UNAUTHORIZED)] {
        assert_eq!(service.put(NOTE, token, &[], "x").await.status, status, "{token}");
        assert_eq!(service.send(Method::DELETE, NOTE, token, &[], "").await.status, status, "{token}");
    }
    assert_eq!(service.get(NOTE, ALICE).await.json()["text"], "of alice", "nobody else changed it");
    service.stop().await;

    let keys = |owner: &str| {
        let key = format!("bes:default/{owner}/%23kek/");
        move |event: &&CryptoAuditEvent| {
            event.details().operation == CryptoOp::GenerateKek && event.details().resource.starts_with(&key)
        }
    };
    let events = sandbox.events().await.unwrap();
    for owner in ["alice", "bob"] {
        assert_eq!(events.iter().filter(keys(owner)).count(), 1, "{owner} has a key of its own");
    }
}

#[tokio::test]
async fn an_etag_lets_one_of_two_writers_through() {
    let sandbox = Sandbox::new("web-etag").await;
    let service = Running::start(&sandbox, AuditConfig::default()).await;
    let absent = [("if-none-match", "*")];
    let created = service.put(NOTE, ALICE, &absent, "first").await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(service.put(NOTE, ALICE, &absent, "again").await.status, StatusCode::PRECONDITION_FAILED);

    let first = service.get(NOTE, ALICE).await.etag().to_owned();
    assert_eq!(first, created.etag());
    let second = service.put(NOTE, ALICE, &[("if-match", &first)], "second").await;
    assert_eq!(second.status, StatusCode::NO_CONTENT);
    assert_ne!(second.etag(), first);
    let late = service.put(NOTE, ALICE, &[("if-match", &first)], "too late").await;
    assert_eq!(
        (late.status, late.json()["error"].as_str()),
        (StatusCode::PRECONDITION_FAILED, Some("changed"))
    );
    let deleted = service.send(Method::DELETE, NOTE, ALICE, &[("if-match", &first)], "").await;
    assert_eq!(deleted.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(service.get(NOTE, ALICE).await.json()["text"], "second");

    for headers in [&[("if-match", "W/\"1\"")][..], &[("if-match", &first), ("if-none-match", "*")]] {
        assert_eq!(service.put(NOTE, ALICE, headers, "x").await.status, StatusCode::BAD_REQUEST);
    }
    let deleted = service.send(Method::DELETE, NOTE, ALICE, &[("if-match", second.etag())], "").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(service.get(NOTE, ALICE).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.send(Method::DELETE, NOTE, ALICE, &[], "").await.status, StatusCode::NOT_FOUND);
    let gone = service.put(NOTE, ALICE, &[("if-match", second.etag())], "x").await;
    assert_eq!(gone.status, StatusCode::PRECONDITION_FAILED);
    service.stop().await;
}

#[tokio::test]
async fn the_audit_log_says_who_asked_and_in_which_trace() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sandbox = Sandbox::new("web-trace").await;
    let service = Running::start(&sandbox, AuditConfig::default()).await;
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    service.put(NOTE, ALICE, &[("traceparent", &traceparent)], "traced").await;
    service.put("/tenants/alice/notes/2", ALICE, &[("traceparent", "no traceparent")], "not traced").await;
    service.stop().await;

    let events = sandbox.events().await.unwrap();
    let written = |id: &str| {
        let resource = format!("bes:default/alice/notes/note/{id}");
        let is_it = |event: &&CryptoAuditEvent| {
            let details = event.details();
            (details.operation, &details.resource) == (CryptoOp::Encrypt, &resource)
        };
        events.iter().find(is_it).unwrap().details().clone()
    };
    let (one, two) = (written("1"), written("2"));
    assert_eq!((one.principal.as_str(), one.trace_id.as_str()), ("alice@example.org", TRACE));
    assert_eq!((two.principal.as_str(), two.trace_id == TRACE), ("alice@example.org", false));
}

#[tokio::test]
async fn nothing_readable_of_a_note_is_in_the_table() {
    const TEXT: &str = "a text that is found wherever it is";
    let sandbox = Sandbox::new("web-plaintext").await;
    let service = Running::start(&sandbox, AuditConfig::default()).await;
    service.put(NOTE, ALICE, &[], TEXT).await;
    assert_eq!(service.get(NOTE, ALICE).await.json()["text"], TEXT);
    service.stop().await;

    let items = scan(&sandbox).await;
    assert!(items.iter().any(|item| item["pk"] == AttributeValue::S("R#alice#notes".to_owned())));
    for (name, value) in items.iter().flatten() {
        let bytes = match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.as_bytes(),
            AttributeValue::B(blob) => blob.as_ref(),
            other => panic!("the store writes no such value: {other:?}"),
        };
        assert!(!bytes.windows(TEXT.len()).any(|window| window == TEXT.as_bytes()), "{name}");
    }
}

#[tokio::test]
async fn a_note_that_was_tampered_with_is_an_error_without_detail_and_hides_no_other() {
    let sandbox = Sandbox::new("web-tampered").await;
    let service = Running::start(&sandbox, AuditConfig::default()).await;
    service.put(NOTE, ALICE, &[], "to be changed").await;
    service.put("/tenants/alice/notes/2", ALICE, &[], "sound").await;
    for mut item in scan(&sandbox).await {
        if item["sk"] == AttributeValue::S("note#1".to_owned()) {
            let mut envelope = item["_e"].as_b().unwrap().clone().into_inner();
            *envelope.last_mut().unwrap() ^= 1;
            item.insert("_e".to_owned(), AttributeValue::B(Blob::new(envelope)));
            let put = sandbox.client.put_item().table_name(&sandbox.table);
            put.set_item(Some(item)).send().await.unwrap();
        }
    }
    let read = service.get(NOTE, ALICE).await;
    assert_eq!((read.status, &*read.body), (StatusCode::INTERNAL_SERVER_ERROR, "{\"error\":\"internal\"}"));
    let written = service.put(NOTE, ALICE, &[], "not built upon").await;
    assert_eq!(written.status, StatusCode::INTERNAL_SERVER_ERROR);
    let listed = service.get("/tenants/alice/notes", ALICE).await.json();
    assert_eq!((listed["notes"][0]["text"].as_str(), &listed["unreadable"]), (Some("sound"), &1.into()));
    service.stop().await;
}

#[tokio::test]
async fn what_is_too_large_or_erased_or_no_note_is_said_to_be_so() {
    let sandbox = Sandbox::new("web-refused").await;
    let service = Running::start(&sandbox, AuditConfig::default()).await;
    assert_eq!(service.get("/ready", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.put(NOTE, ALICE, &[], "soon erased").await.status, StatusCode::NO_CONTENT);

    // Beyond an item of DynamoDB, and beyond what is read of a request.
    for length in [420_000, 600_000] {
        let refused = service.put(NOTE, ALICE, &[], &"x".repeat(length)).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{length}");
    }
    let other = service.send(Method::PUT, NOTE, ALICE, &[], r#"{"test": "no text"}"#).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    let unnamed = service.put("/tenants/alice/notes/a%0Ab", ALICE, &[], "x").await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST, "no id has control characters");

    service.store.tenant("alice").unwrap().keys().erase_keys().await.unwrap();
    assert_eq!(service.put("/tenants/alice/notes/2", ALICE, &[], "x").await.status, StatusCode::GONE);
    service.stop().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_events_that_are_only_in_memory() {
    let mut sandbox = Sandbox::new("web-shutdown").await;
    let (gate, client) = Gate::before(&sandbox.client);
    sandbox.client = client;
    let audit = AuditConfig { writes: WritePolicy::Buffered, ..AuditConfig::default() };
    let mut service = Running::start(&sandbox, audit).await;
    // The tenant's key is made, which is recorded strictly, before the gate closes.
    assert_eq!(service.put(NOTE, ALICE, &[], "first").await.status, StatusCode::NO_CONTENT);
    service.store.flush().await.unwrap();
    gate.close();
    assert_eq!(service.put(NOTE, ALICE, &[], "buffered").await.status, StatusCode::NO_CONTENT);

    service.stop.take().unwrap().send(()).unwrap();
    // However busy the machine is, it does not end before the gate opens.
    assert!(timeout(MEANWHILE, &mut service.served).await.is_err(), "it ended without the event");
    gate.open();
    service.served.await.unwrap().unwrap();
    let events = sandbox.events().await.unwrap();
    let is_write = |event: &&CryptoAuditEvent| event.details().operation == CryptoOp::Encrypt;
    assert_eq!(events.iter().filter(is_write).count(), 2);
    assert!(TcpStream::connect(service.address).await.is_err(), "nobody listens any more");
}

#[test]
fn what_waiting_helps_against_says_how_long() {
    let unavailable =
        || StoreError::Unavailable { operation: "GetItem", attempts: 3, source: "throttled".into() };
    let missing = || StoreError::TableMissing { table: "notes".to_owned() };
    let unanswered =
        StoreError::OutcomeUnknown { operation: "PutItem", attempts: 3, source: "no answer".into() };
    let unknown = WriteError::OutcomeUnknown { address: "a/b/c/d".to_owned(), source: unanswered.into() };
    for (failure, status, retry) in [
        (ReadError::Store(unavailable()).into(), 503, true),
        (Failure::of_write(&WriteError::Store(unavailable()), true), 503, true),
        (ReadError::Store(missing()).into(), 500, false),
        (Failure::of_write(&WriteError::Store(missing()), false), 500, false),
        (Failure::of_write(&unknown, false), 504, false),
        (Failure::of_write(&WriteError::Conflict { address: String::new(), found: None }, false), 409, false),
    ] {
        let response = failure.into_response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().contains_key(RETRY_AFTER), retry, "{status}");
    }
}
