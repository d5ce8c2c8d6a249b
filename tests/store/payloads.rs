//! What a record holds: JSON or bytes, of a type, padded or not; and where it is found again.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use blue_encrypted_store::{
    Attributes, Delete, Key, Kind, Padding, Payload, Put, ReadError, RecordId, WriteError,
};
use blue_tests::{Note, Sandbox, s};
use futures::TryStreamExt;

fn key(kind: &str, id: &str) -> Key {
    Key { kind: Kind::new(kind).unwrap(), id: RecordId::new(id).unwrap() }
}

/// Padmé as its paper states it: the last `E - S` bits of a length are zero, where `E` is the length's binary
/// exponent and `S` the number of bits of `E`.
fn padme(length: u32) -> u32 {
    let exponent = length.ilog2();
    let kept = u32::BITS - exponent.leading_zeros();
    let step = 1 << (exponent - kept.min(exponent));
    length.div_ceil(step) * step
}

#[tokio::test]
async fn padded_content_has_a_length_of_padme_and_comes_back_as_it_was() {
    let sandbox = Sandbox::new("padding").await;
    let store = sandbox.builder().padding(Padding::Padme).init().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    let mut lengths = 0;
    for length in (0..130).step_by(7).chain([200, 500, 1_000, 5_000, 40_000]) {
        let note = Note::new("1", &" ".repeat(length));
        inbox.put(&note).await.unwrap();
        assert_eq!(inbox.get::<Note>("1").await.unwrap().unwrap(), note, "its own spaces stay");
        let text = u32::try_from(serde_json::to_string(&note).unwrap().len()).unwrap();
        let item = sandbox.item("R#alice#inbox", "note#1").await.unwrap();
        let sealed = u32::try_from(item["_e"].as_b().unwrap().as_ref().len()).unwrap();
        assert_eq!(sealed, 117 + padme(text), "{text}");

        inbox.put_bytes(&key("file", "1"), vec![b' '; length], Attributes::new(), Put::Upsert).await.unwrap();
        let item = sandbox.item("R#alice#inbox", "file#1").await.unwrap();
        assert_eq!(item["_e"].as_b().unwrap().as_ref().len(), 117 + length, "bytes are not padded");
        assert_eq!(inbox.get_bytes(&key("file", "1")).await.unwrap().unwrap(), vec![b' '; length]);
        lengths += 1;
    }
    assert_eq!(lengths, 19 + 5);
    // Whoever does not pad reads it too.
    let plain = sandbox.collection("alice", "inbox").await;
    assert_eq!(plain.get::<Note>("1").await.unwrap().unwrap().text.len(), 40_000);
}

#[tokio::test]
async fn content_of_another_type_is_a_type_error_and_no_tampering() {
    let sandbox = Sandbox::new("payload-types").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    inbox.put(&Note::new("json", "text")).await.unwrap();
    inbox.put_bytes(&key("note", "bytes"), *b"{}", Attributes::new(), Put::Create).await.unwrap();

    assert!(matches!(inbox.get_bytes(&key("note", "json")).await, Err(ReadError::Type { source: None, .. })));
    assert!(matches!(inbox.get::<Note>("bytes").await, Err(ReadError::Type { source: None, .. })));
    let update = inbox.update("bytes", |_: &mut Note| panic!("there is nothing to edit")).await;
    assert!(matches!(update, Err(WriteError::Type { source: None, .. })));
    assert_eq!(inbox.get_bytes(&key("note", "bytes")).await.unwrap().unwrap(), b"{}");

    let mut entries = inbox.list::<Note>();
    assert!(matches!(entries.try_next().await, Err(ReadError::Type { .. })), "one that does not fit");
    assert_eq!(entries.try_next().await.unwrap().unwrap().id, "json", "hides no other");
    assert!(entries.try_next().await.unwrap().is_none());
    assert_eq!(inbox.list_payloads(None).try_collect::<Vec<_>>().await.unwrap().len(), 2);

    // Whoever replaces a record may give it another type.
    inbox.put_bytes(&key("note", "json"), *b"now bytes", Attributes::new(), Put::Upsert).await.unwrap();
    assert_eq!(inbox.get_bytes(&key("note", "json")).await.unwrap().unwrap(), b"now bytes");
}

#[tokio::test]
async fn an_update_stays_at_its_address_and_needs_a_record_there() {
    let sandbox = Sandbox::new("updates").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let missing = inbox.update("1", |_: &mut Note| panic!("there is nothing to edit")).await;
    assert!(matches!(missing, Err(WriteError::NotFound { .. })), "{missing:?}");
    assert!(matches!(inbox.delete::<Note>("1", Delete::Version(1)).await, Err(WriteError::NotFound { .. })));

    inbox.put(&Note::new("1", "text")).await.unwrap();
    let before = sandbox.item("R#alice#inbox", "note#1").await.unwrap();
    let moved = inbox.update("1", |note: &mut Note| note.id = "2".into()).await;
    assert!(matches!(&moved, Err(WriteError::Moved { id, .. }) if id == "2"), "{moved:?}");
    assert_eq!(sandbox.partition("R#alice#inbox").await, [before]);

    let updated = inbox.update("1", |note: &mut Note| note.status = "done".into()).await.unwrap();
    let item = sandbox.item("R#alice#inbox", "note#1").await.unwrap();
    assert_eq!(item["status"], s("done"), "attributes follow the record");
    assert_eq!(inbox.get_entry::<Note>("1").await.unwrap().unwrap(), updated);
}

#[tokio::test]
async fn the_directory_names_what_was_written_and_nothing_else() {
    let sandbox = Sandbox::new("directory").await;
    let store = sandbox.store().await;
    assert_eq!(store.tenants().await.unwrap(), []);
    for (tenant, collection) in
        [("bob", "notes"), ("alice", "outbox"), ("alice", "inbox"), ("alice", "inbox")]
    {
        let collection = store.tenant(tenant).unwrap().collection(collection).unwrap();
        collection.put(&Note::new("1", "text")).await.unwrap();
    }
    let reader = store.tenant("carol").unwrap();
    assert_eq!(reader.collection("inbox").unwrap().get::<Note>("1").await.unwrap(), None);
    let failed = store.tenant("dave").unwrap().collection("inbox").unwrap();
    failed.put_if(&Note::new("1", "text"), Put::Replace(1)).await.unwrap_err();

    let texts = |names: Vec<_>| names.iter().map(ToString::to_string).collect::<Vec<String>>();
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    let alice = store.tenant("alice").unwrap();
    assert_eq!(texts(alice.collections().await.unwrap()), ["inbox", "outbox"]);
    assert_eq!(texts(reader.collections().await.unwrap()), Vec::<String>::new());
    assert!(sandbox.item("T", "alice").await.is_some());
    assert!(sandbox.item("C#alice", "inbox").await.is_some());

    alice.collection("inbox").unwrap().delete::<Note>("1", Delete::Any).await.unwrap();
    assert_eq!(texts(alice.collections().await.unwrap()), ["inbox", "outbox"], "it remembers");
}

#[tokio::test]
async fn ids_sort_by_their_bytes_in_any_script() {
    let sandbox = Sandbox::new("sorting").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    // In UTF-16 the last three would sort otherwise; composed and decomposed é are two ids.
    let mut ids = ["é", "e\u{301}", "Z", "a", "~", "日本", "a#b", "a/b", "\u{10000}", "\u{ffed}", "😀"];
    for id in ids {
        inbox.put_if(&Note::new(id, id), Put::Create).await.unwrap();
    }
    ids.sort_unstable();
    let listed: Vec<Note> = inbox.list().try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|note| note.id.as_str()).collect::<Vec<_>>(), ids);
    for id in ids {
        assert_eq!(inbox.get::<Note>(id).await.unwrap().unwrap().text, id);
    }
}

#[tokio::test]
async fn a_listing_of_a_kind_has_that_kind_alone() {
    let sandbox = Sandbox::new("kinds").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    for kind in ["note", "not", "notes", "note-"] {
        inbox.put_bytes(&key(kind, "1"), kind, Attributes::new(), Put::Create).await.unwrap();
    }
    for kind in ["note", "not", "notes", "note-"] {
        let listed =
            inbox.list_payloads(Some(Kind::new(kind).unwrap())).try_collect::<Vec<_>>().await.unwrap();
        let [entry] = &listed[..] else { panic!("{kind}: {listed:?}") };
        assert!(matches!(&entry.value, Payload::Bytes(bytes) if bytes == kind.as_bytes()));
    }
}
