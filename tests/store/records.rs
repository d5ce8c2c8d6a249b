//! Records through the facade, on DynamoDB Local.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use blue_encrypted_store::{Delete, Put, ReadError, Record, Value, WriteError, blue_audit::Verdict};
use blue_tests::{Fate, Note, Proxy, Sandbox};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

#[tokio::test]
async fn what_is_put_comes_back() {
    let sandbox = Sandbox::new("records").await;
    let inbox = sandbox.store().await.tenant("alice").unwrap().collection("inbox").unwrap();
    let note = Note::new("42", "call Bob");
    let version = inbox.put(&note).await.unwrap();
    assert_eq!(inbox.get::<Note>("42").await.unwrap(), Some(note.clone()));
    assert_eq!(inbox.get::<Note>("43").await.unwrap(), None);

    let entry = inbox.get_entry::<Note>("42").await.unwrap().unwrap();
    assert_eq!(entry.version, version);
    assert_eq!(entry.attributes.get("status"), Some(&Value::from("open")));
    assert_eq!(entry.created.unsigned_abs(), version);

    assert_eq!(inbox.put(&note).await.unwrap(), version + 1, "a put over a record replaces it");
    let updated = inbox.update("42", |note: &mut Note| note.status = "done".into()).await.unwrap();
    assert_eq!(updated.version, version + 2);
    let entry = inbox.get_entry::<Note>("42").await.unwrap().unwrap();
    assert_eq!(entry, updated);
    assert_eq!(entry.created.unsigned_abs(), version, "the creation time survives");

    assert!(inbox.delete::<Note>("42", Delete::Any).await.unwrap());
    assert!(!inbox.delete::<Note>("42", Delete::Any).await.unwrap());
    assert_eq!(inbox.get::<Note>("42").await.unwrap(), None);
}

#[tokio::test]
async fn writes_do_what_they_expect_or_nothing() {
    let sandbox = Sandbox::new("expect").await;
    let inbox = sandbox.store().await.tenant("alice").unwrap().collection("inbox").unwrap();
    let note = Note::new("1", "first");
    let v1 = inbox.put_if(&note, Put::Create).await.unwrap();
    let conflict = inbox.put_if(&Note::new("1", "second"), Put::Create).await.unwrap_err();
    assert!(matches!(conflict, WriteError::Conflict { found: Some(v), .. } if v == v1), "{conflict}");
    let v2 = inbox.put_if(&Note::new("1", "third"), Put::Replace(v1)).await.unwrap();
    assert_eq!(v2, v1 + 1);
    assert!(matches!(inbox.put_if(&note, Put::Replace(v1)).await, Err(WriteError::Conflict { .. })));
    assert!(matches!(
        inbox.put_if(&Note::new("2", ""), Put::Replace(v1)).await,
        Err(WriteError::NotFound { .. })
    ));
    assert!(matches!(inbox.delete::<Note>("1", Delete::Version(v1)).await, Err(WriteError::Conflict { .. })));
    assert_eq!(inbox.get::<Note>("1").await.unwrap().unwrap().text, "third");
    assert!(inbox.delete::<Note>("1", Delete::Version(v2)).await.unwrap());

    let v3 = inbox.put_if(&note, Put::Create).await.unwrap();
    assert!(v3 > v2, "no version returns after a delete");
    assert!(matches!(inbox.put_if(&note, Put::Replace(v2)).await, Err(WriteError::Conflict { .. })));
    assert!(matches!(inbox.delete::<Note>("1", Delete::Version(v2)).await, Err(WriteError::Conflict { .. })));
    assert_eq!(inbox.get::<Note>("1").await.unwrap(), Some(note));
}

#[tokio::test]
async fn a_listing_is_complete_and_in_order() {
    let sandbox = Sandbox::new("list").await;
    let inbox = sandbox.store().await.tenant("alice").unwrap().collection("inbox").unwrap();
    let ids: Vec<String> = (0..600).map(|i| format!("{i:04}")).collect();
    for id in &ids {
        inbox.put(&Note::new(id, "text")).await.unwrap();
    }
    let listed: Vec<Note> = inbox.list().try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|note| &note.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert_eq!(inbox.list_payloads(None).try_collect::<Vec<_>>().await.unwrap().len(), 600);
    let elsewhere = sandbox.store().await.tenant("bob").unwrap().collection("inbox").unwrap();
    assert_eq!(elsewhere.list::<Note>().try_collect::<Vec<_>>().await.unwrap(), []);
}

#[tokio::test]
async fn a_record_of_another_type_is_no_tampering() {
    #[derive(Debug, Deserialize, Serialize)]
    struct Strict {
        id: u8,
    }
    impl Record for Strict {
        const KIND: &'static str = "note";
        fn id(&self) -> &str {
            "1"
        }
    }
    let sandbox = Sandbox::new("types").await;
    let inbox = sandbox.store().await.tenant("alice").unwrap().collection("inbox").unwrap();
    inbox.put(&Note::new("1", "")).await.unwrap();
    assert!(matches!(inbox.get::<Strict>("1").await, Err(ReadError::Type { source: Some(_), .. })));
}

/// DynamoDB Local's reads are never stale, whatever is asked for (docs/parity.md): so it is the question that is looked at.
#[tokio::test]
async fn whatever_is_read_is_asked_for_consistently() {
    let read = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = read.clone();
    let proxy = Proxy::start(move |request| {
        let operation = request.operation.as_str();
        if ["GetItem", "Query", "Scan", "BatchGetItem"].contains(&operation) {
            let consistent = request.body["ConsistentRead"].as_bool().unwrap_or(false);
            seen.lock().unwrap().insert((operation.to_owned(), consistent));
        }
        async { Fate::Forward }
    })
    .await;
    let sandbox = Sandbox::new("consistent").await;
    let builder = || sandbox.builder().client(proxy.client(&sandbox.client));
    builder().init().await.unwrap();
    let store = builder().open().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    inbox.put(&Note::new("1", "text")).await.unwrap();
    inbox.update("1", |note: &mut Note| note.status = "done".into()).await.unwrap();
    assert!(inbox.get::<Note>("1").await.unwrap().is_some());
    assert_eq!(inbox.list::<Note>().try_collect::<Vec<_>>().await.unwrap().len(), 1);
    assert!(inbox.delete::<Note>("1", Delete::Any).await.unwrap());
    store.tenant("alice").unwrap().keys().list().await.unwrap();
    store.flush().await.unwrap();
    let log = builder().open_audit().await.unwrap();
    let report = log.verify_deep(&log.options()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    let expected = ["GetItem", "Query", "Scan"].map(|operation| (operation.to_owned(), true));
    assert_eq!(*read.lock().unwrap(), BTreeSet::from(expected));
}
