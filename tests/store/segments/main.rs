//! The audit log's items: segments appended alone and with writes, read in order, scanned; and what the real service
//! says of a transaction that DynamoDB Local never does. And how many requests there are at once.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

mod append;
mod keys;
mod lost;
mod pages;
mod replies;
mod scan;
mod turns;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use blue_encrypted_store::{
    Deadlines,
    table::{
        Appended, Current, Deadline, GroupWrite, KeyItem, MalformedItem, Meta, PayloadType, Put, RecordWrite,
        Revision, SegmentItem, Store, SystemAttributes, Table,
        address::{Attributes, Chain, Namespace, RecordPath},
    },
};
use blue_tests::{Item, Proxy, Sandbox};
use uuid::Uuid;

/// Longer than a busy machine needs for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store on a table of its own.
struct Setting {
    sandbox: Sandbox,
    store: Store,
}

impl Setting {
    async fn new(name: &str) -> Self {
        let sandbox = Sandbox::new(name).await;
        let table = Table::new(&sandbox.client, &sandbox.table, deadlines());
        table.create().await.unwrap();
        table.initialise(&meta()).await.unwrap();
        let store = table.open(&meta(), &Namespace::new("default").unwrap()).unwrap();
        Self { sandbox, store }
    }

    /// The same store, reached through a proxy.
    fn through(&self, proxy: &Proxy) -> Store {
        self.reached_by(&proxy.client(&self.sandbox.client))
    }

    fn reached_by(&self, client: &Client) -> Store {
        let table = Table::new(client, &self.sandbox.table, deadlines());
        table.open(&meta(), &Namespace::new("default").unwrap()).unwrap()
    }

    /// The record of this id, as it stands.
    async fn current(&self, id: &str) -> Option<Current> {
        self.store.get(&path(id), deadline()).await.unwrap()
    }

    /// The version of the record of this id.
    async fn version(&self, id: &str) -> Option<u64> {
        self.current(id).await.map(|current| current.into_record().unwrap().version)
    }

    /// Creates a record in version 1, and gives back its state.
    async fn created(&self, id: &str) -> Revision {
        self.store.put(record(id, 1, 200), Put::Create, deadline()).await.unwrap();
        self.current(id).await.unwrap().revision()
    }

    async fn stored_segment(&self, first: u64) -> Option<Item> {
        self.sandbox.item("A#main", &format!("{first:020}")).await
    }

    /// Appends until it is known what became of it: a real service may be busy.
    async fn append(&self, segment: &SegmentItem, writes: &[GroupWrite]) -> Appended {
        for _ in 0..100 {
            match self.store.append_segment(segment, writes, Uuid::new_v4(), PATIENCE).await {
                Appended::NotDone(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                appended => return appended,
            }
        }
        panic!("the segment's place is never free");
    }
}

fn deadlines() -> Deadlines {
    Deadlines { attempt: PATIENCE, operation: PATIENCE }
}

fn deadline() -> Deadline {
    deadlines().start()
}

fn meta() -> Meta {
    let [namespace, provider, umk_id] = ["default", "local", "local:00"].map(str::to_owned);
    Meta { namespace, provider, umk_id, created: 5, table_id: None }
}

/// A version of a key, whosever.
fn key(version: u32) -> KeyItem {
    let [provider, umk_id] = ["local", "local:00"].map(str::to_owned);
    KeyItem { version, kek_id: [9; 16], provider, umk_id, wrapped: vec![9; 65], created: 5 }
}

fn main_chain() -> Chain {
    Chain::new("main").unwrap()
}

/// A segment of the chain `main` that `tag` tells from others of the same place.
fn segment(first: u64, tag: u8) -> SegmentItem {
    let [head_hash, mac] = [[tag; 32], [!tag; 32]];
    SegmentItem {
        chain: main_chain(),
        first,
        events: vec![tag; 100],
        count: 1,
        head_hash,
        mac,
        audit_kek_id: [tag; 16],
    }
}

fn path(id: &str) -> RecordPath {
    format!("alice/inbox/note/{id}").parse().unwrap()
}

fn record(id: &str, version: u64, envelope: usize) -> RecordWrite {
    let system = SystemAttributes { payload_type: PayloadType::Bytes, created: 5, updated: 5 };
    let mut bytes = vec![0; envelope];
    // The first bytes identify a write.
    bytes[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    RecordWrite { path: path(id), version, envelope: bytes, attributes: system.added_to(Attributes::new()) }
}

fn create(id: &str) -> GroupWrite {
    GroupWrite::put(record(id, 1, 200), Put::Create).unwrap()
}

fn replace(id: &str, expected: &Revision) -> GroupWrite {
    GroupWrite::put(record(id, 2, 200), Put::Replace(expected)).unwrap()
}

fn delete(id: &str, expected: &Revision) -> GroupWrite {
    GroupWrite::delete(&path(id), expected)
}

/// The segment that was found in the place of one to be appended.
fn taken(appended: Appended) -> Result<SegmentItem, MalformedItem> {
    match appended {
        Appended::Taken(found) => found,
        other => panic!("{other:?}"),
    }
}

fn is_done(appended: &Appended) -> bool {
    matches!(appended, Appended::Done)
}
