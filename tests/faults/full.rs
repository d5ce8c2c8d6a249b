//! A database whose disk is full: its file may not grow any more. DynamoDB Local then answers every write with an internal
//! error (500), which says nothing about what became of it, and goes on reading.
//!
//! A strict read needs a segment as a write does, so neither is done any more; and when there is room again, it all goes on
//! from what was acknowledged.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use blue_encrypted_store::{
    AuditConfig, AuditUnavailable, Builder, ChainPolicy, Collection, Deadlines, Delete, EncryptedStore,
    OpenError, ReadError, WriteError,
    blue_audit::{
        AppendError::{Deadline, Full, OutcomeUnknown},
        Verdict,
    },
    table::StoreError,
};
use blue_testkit::Durable;
use blue_tests::{Load, MasterKey, Note, VerifiedLog, b, s, scan};
use futures::StreamExt;
use tokio::time::{self, Duration};

use crate::gate::PATIENCE;

const TABLE: &str = "faults-full";
/// What fills the disk, in the same file.
const BALLAST: &str = "faults-ballast";
/// How large the file may grow.
const ROOM: u64 = 16 << 20;
/// Short, since each refusal takes as long.
const DEADLINES: Deadlines =
    Deadlines { attempt: Duration::from_millis(1_000), operation: Duration::from_millis(2_500) };
/// Of those who only look.
const PATIENT: Deadlines = Deadlines { attempt: PATIENCE, operation: PATIENCE };
/// How many records are there before the disk is full.
const BEFORE: u8 = 20;
/// How often something small may still find room.
const TRIES: u32 = 3_000;

pub(crate) async fn live() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Durable::start(directory.path()).await.unwrap();
    let key = MasterKey::new(directory.path().join("keys/umk.key")).await;
    let builder = |client| -> Builder {
        EncryptedStore::builder().table(TABLE).client(client).keys(key.source()).deadlines(DEADLINES)
    };
    let store = builder(server.client()).init().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    let mut there: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..BEFORE {
        let note = Note::new(&format!("before-{number}"), "call Bob");
        written(&inbox, &note).await;
        there.insert(note.id, note.text);
    }
    // What DynamoDB Local acknowledges is on its disk a moment later, and not before a read that comes after.
    scan(&server.client(), TABLE).await;
    server.restart_bounded(ROOM).await.unwrap();
    fill(&server.client()).await;

    let mut full = FullDisk { inbox: &inbox, there, unknown: BTreeMap::new() };
    full.reads().await;
    full.writes().await;
    let own = AuditConfig { chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
    let opened = ends(builder(server.client()).audit(own).open()).await;
    assert!(matches!(opened, Err(OpenError::Audit(ref error)) if is_late(error)), "{opened:?}");
    // To verify takes no room.
    let log = builder(server.client()).deadlines(PATIENT).open_audit().await.unwrap();
    let report = log.verify(&log.options()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    let FullDisk { mut there, unknown, .. } = full;

    scan(&server.client(), TABLE).await;
    server.restart().await.unwrap();
    let note = Note::new("after", "there is room");
    written(&inbox, &note).await;
    there.insert(note.id, note.text);
    for (id, wanted) in unknown {
        let now = inbox.get::<Note>(&id).await.unwrap().map(|note| note.text);
        assert!(now == wanted || now.as_ref() == there.get(&id), "{id} was to be {wanted:?} and is {now:?}");
        match now {
            Some(text) => there.insert(id, text),
            None => there.remove(&id),
        };
    }
    let mut found = BTreeMap::new();
    let mut notes = inbox.list::<Note>();
    while let Some(note) = notes.next().await {
        let Note { id, text, .. } = note.unwrap();
        found.insert(id, text);
    }
    assert_eq!(found, there);
    store.flush().await.unwrap();
    let report = log.verify_deep(&log.options()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    let items = scan(&server.client(), TABLE).await;
    assert_eq!(VerifiedLog::findings(&items, &*key.provider()).await, Vec::<String>::new());
}

/// Writes until nothing more is taken, however small.
async fn fill(client: &Client) {
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
    let create = client.create_table().table_name(BALLAST).billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute.build().unwrap());
    create.key_schema(schema.build().unwrap()).send().await.unwrap();
    for size in [390_000, 100_000, 20_000, 3_000, 500] {
        let mut refused = 0;
        for number in 0..TRIES {
            let put = client.put_item().table_name(BALLAST).item("pk", s(format!("{size}-{number}")));
            refused += u32::from(put.item("ballast", b(vec![0; size])).send().await.is_err());
            if refused == 2 {
                break;
            }
        }
        assert_eq!(refused, 2, "the disk does not become full");
    }
}

/// What is known of a collection on a full disk.
struct FullDisk<'a> {
    inbox: &'a Collection,
    /// What is there for certain.
    there: BTreeMap<String, String>,
    /// What may be there: the id, and what it would be.
    unknown: BTreeMap<String, Option<String>>,
}

impl FullDisk<'_> {
    /// Reads until no read finds room for its event.
    async fn reads(&self) {
        let mut refused = false;
        for _ in 0..TRIES {
            match ends(self.inbox.get::<Note>("before-0")).await {
                Ok(note) => assert_eq!(note.unwrap().text, "call Bob"),
                Err(error) => {
                    assert!(is_unread(&error), "{error:?}");
                    refused = true;
                    break;
                }
            }
        }
        assert!(refused, "reads go on without end");
        let mut notes = self.inbox.list::<Note>();
        let first = ends(notes.next()).await;
        assert!(matches!(first, Some(Err(ref error)) if is_unread(error)), "released: {first:?}");
        assert!(ends(notes.next()).await.is_none(), "it goes on after an error");
    }

    /// Writes in every way, alone and at once with others.
    async fn writes(&mut self) {
        let (inbox, new) = (self.inbox, Note::new("new", "no room"));
        for number in 0..2 {
            let [old, gone] = [1, 3].map(|from| format!("before-{}", number + from));
            let put = ends(inbox.put(&new));
            let update = ends(inbox.update(&old, |note: &mut Note| note.text.push('!')));
            let delete = ends(inbox.delete::<Note>(&gone, Delete::Any));
            let (put, update, delete) = tokio::join!(put, update, delete);
            self.refused(&new.id, Some(new.text.clone()), put.map(drop));
            self.refused(&old, Some("call Bob!".to_owned()), update.map(drop));
            self.refused(&gone, None, delete.map(drop));
        }
    }

    /// Notes what was not acknowledged: it was not done, unless the error says that nobody knows.
    fn refused(&mut self, id: &str, to: Option<String>, outcome: Result<(), WriteError>) {
        match outcome {
            Err(WriteError::OutcomeUnknown { .. }) => {
                self.unknown.insert(id.to_owned(), to);
            }
            // A key that was kept for its time is unwrapped again, and that is recorded first.
            Err(WriteError::Store(StoreError::Unavailable { .. }) | WriteError::Key(_)) => {}
            Err(WriteError::Audit(ref error)) if is_late(error) => {}
            other => panic!("{id} on a full disk: {other:?}"),
        }
    }
}

fn is_unread(error: &ReadError) -> bool {
    match error {
        ReadError::Audit(error) => is_late(error),
        ReadError::Store(StoreError::Unavailable { .. }) | ReadError::Key(_) => true,
        _ => false,
    }
}

fn is_late(error: &AuditUnavailable) -> bool {
    matches!(error.source, Deadline { .. } | Full { .. } | OutcomeUnknown { .. })
}

/// The outcome of an operation, which comes by its deadline.
async fn ends<T>(operation: impl Future<Output = T>) -> T {
    time::timeout(Load::patience(DEADLINES), operation).await.expect("an operation ends by its deadline")
}

/// Writes it when there is room again: connections, and a segment that nobody knew of, may take their time.
async fn written(inbox: &Collection, note: &Note) {
    let written = async {
        while let Err(error) = inbox.put(note).await {
            say!("full disk: there is room again, and still {error}");
        }
    };
    time::timeout(PATIENCE, written).await.expect("with room again, it goes on");
}
