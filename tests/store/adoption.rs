//! A table that was restored from a backup: it can be read, and nothing more until it is adopted. DynamoDB Local gives
//! tables no id, so DescribeTable is answered as the real service does.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use blue_encrypted_store::{
    AdoptError, Adopted, Adoption, Builder, ChangeError, Collection, Delete, EncryptedStore, Namespace,
    OpenError, Put, ReadError, TenantName, WriteError,
    blue_audit::{Checkpoint, Class, CryptoOp, Head, Outcome, Verdict, address::Chain},
    table::{StoreError, TableError},
};
use blue_tests::{Fate, Item, Note, Proxy, Sandbox, b, described_table, describing, s};
use time::{OffsetDateTime, macros::datetime};

const SHREDDED_AT: OffsetDateTime = datetime!(2026-01-02 03:04:05.678901 UTC);

/// The ids of the table that was backed up, and of the one that was restored from it.
const OLD: &str = "11111111-1111-4111-8111-111111111111";
const NEW: &str = "22222222-2222-4222-8222-222222222222";

/// A way to the table on which it has this id.
async fn with_id(sandbox: &Sandbox, table_id: Option<&str>) -> Proxy {
    describing(described_table(&sandbox.table, table_id, &[])).await
}

fn through(sandbox: &Sandbox, proxy: &Proxy) -> Builder {
    sandbox.builder().client(proxy.client(&sandbox.client))
}

fn inbox(store: &EncryptedStore, tenant: &str) -> Collection {
    store.tenant(tenant).unwrap().collection("inbox").unwrap()
}

/// A table as it was backed up, restored; and the last checkpoint of the one before, which says that bob was shredded.
struct Restored {
    sandbox: Sandbox,
    checkpoint: Checkpoint,
    backup: Vec<Item>,
}

impl Restored {
    async fn new(name: &str) -> Self {
        let sandbox = Sandbox::new(name).await;
        let old = with_id(&sandbox, Some(OLD)).await;
        // The table is made past the proxy, which describes it before it is there.
        sandbox.store().await;
        let mut meta = sandbox.item("META", "store").await.unwrap();
        meta.insert("table_id".to_owned(), s(OLD));
        sandbox.put_item(meta).await;
        let store = through(&sandbox, &old).open().await.unwrap();
        assert_eq!(store.restored(), None);
        for (tenant, id) in [("alice", "1"), ("bob", "1"), ("bob", "2")] {
            inbox(&store, tenant).put_if(&Note::new(id, "text"), Put::Create).await.unwrap();
        }
        let backup = sandbox.scan().await;

        inbox(&store, "alice").put(&Note::new("1", "later")).await.unwrap();
        let log = through(&sandbox, &old).open_audit().await.unwrap();
        let report = log.verify(&log.options()).await.unwrap();
        assert_eq!(report.verdict(), Verdict::Verified, "{report}");
        let of = report.reached.clone();
        let checkpoint = checkpoint("default", of.table_id.as_deref(), of.chains);
        assert_eq!(checkpoint.table_id(), Some(OLD));
        drop(store);

        for item in sandbox.scan().await {
            sandbox.delete_item(item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap()).await;
        }
        for item in &backup {
            sandbox.put_item(item.clone()).await;
        }
        Self { sandbox, checkpoint, backup }
    }

    fn adoption(&self) -> Adoption {
        Adoption { checkpoint: Some(self.checkpoint.clone()), ..Adoption::default() }
    }

    async fn adopt(&self, proxy: &Proxy, adoption: Adoption) -> Result<Adopted, AdoptError> {
        through(&self.sandbox, proxy).adopt(adoption).await
    }

    async fn assert_untouched(&self) {
        let sorted = |mut items: Vec<Item>| {
            items.sort_by_key(|item| format!("{:?} {:?}", item["pk"], item["sk"]));
            items
        };
        assert_eq!(sorted(self.sandbox.scan().await), sorted(self.backup.clone()));
    }
}

fn checkpoint(namespace: &str, table_id: Option<&str>, chains: BTreeMap<Chain, Head>) -> Checkpoint {
    let shredded = BTreeMap::from([(TenantName::new("bob").unwrap(), SHREDDED_AT)]);
    let namespace = Namespace::new(namespace).unwrap();
    let table_id = table_id.map(str::to_owned);
    Checkpoint::new(namespace, OffsetDateTime::now_utc(), table_id, chains, shredded).unwrap()
}

#[tokio::test]
async fn a_restored_table_is_read_into_a_chain_of_its_own_and_not_written() {
    let restored = Restored::new("restored").await;
    let sandbox = &restored.sandbox;
    let main = sandbox.partition("A#main").await;
    for table_id in [Some(NEW), None] {
        let proxy = with_id(sandbox, table_id).await;
        let store = through(sandbox, &proxy).open().await.unwrap();
        let why = store.restored().unwrap().clone();
        assert_eq!((why.recorded.as_deref(), why.found.as_deref()), (Some(OLD), table_id));
        let records = sandbox.scan_without_audit().await.len();

        let inbox = inbox(&store, "alice");
        assert_eq!(inbox.get::<Note>("1").await.unwrap().unwrap().text, "text");
        let refused = [
            inbox.put(&Note::new("1", "new")).await.map(drop),
            inbox.put_if(&Note::new("2", "new"), Put::Create).await.map(drop),
            inbox.update("1", |note: &mut Note| note.text.push('x')).await.map(drop),
            inbox.delete::<Note>("1", Delete::Any).await.map(drop),
            store
                .tenant("carol")
                .unwrap()
                .collection("new")
                .unwrap()
                .put(&Note::new("1", ""))
                .await
                .map(drop),
        ];
        for outcome in refused {
            assert!(matches!(&outcome, Err(WriteError::Restored(error)) if *error == why), "{outcome:?}");
        }
        store.flush().await.unwrap();
        assert_eq!(sandbox.scan_without_audit().await.len(), records);
        assert_eq!(sandbox.partition("A#main").await, main, "the chains of the backup stay as they are");
    }
    let log = sandbox.audit_log().await;
    let about = log.about("alice/inbox/note/1");
    let reads = about.iter().filter(|event| event.operation == CryptoOp::Decrypt);
    assert_eq!(reads.count(), 2, "{about:#?}");
}

#[tokio::test]
async fn a_table_that_got_an_id_since_it_was_made_a_store_is_another() {
    let sandbox = Sandbox::new("got-id").await;
    sandbox.store().await;
    let proxy = with_id(&sandbox, Some(NEW)).await;
    let store = through(&sandbox, &proxy).open().await.unwrap();
    let why = store.restored().unwrap();
    assert_eq!((why.recorded.as_deref(), why.found.as_deref()), (None, Some(NEW)));
}

#[tokio::test]
async fn an_adopted_table_is_the_store_and_who_was_shredded_stays_so() {
    let restored = Restored::new("adopted").await;
    let (sandbox, proxy) = (&restored.sandbox, with_id(&restored.sandbox, Some(NEW)).await);
    let reader = through(sandbox, &proxy).open().await.unwrap();
    assert!(inbox(&reader, "bob").get::<Note>("1").await.unwrap().is_some(), "until then it is there again");

    let adopted = restored.adopt(&proxy, restored.adoption()).await.unwrap();
    assert_eq!(adopted.shredded, [TenantName::new("bob").unwrap()]);
    assert_eq!(adopted.records, 2);
    let [behind] = &adopted.behind[..] else { panic!("{:?}", adopted.behind) };
    assert!(behind.chain.as_str() == "main" && behind.next < behind.known, "{behind:?}");
    assert_eq!(sandbox.item("META", "store").await.unwrap()["table_id"], s(NEW));
    let tombstone = sandbox.partition("K#bob").await;
    assert_eq!(tombstone.len(), 1, "{tombstone:?}");
    assert_eq!(tombstone[0]["time"], s("2026-01-02T03:04:05.678901Z"));
    assert_eq!(tombstone[0]["kek_ids"].as_b().unwrap().as_ref().len(), 16);
    assert!(sandbox.partition("R#bob#inbox").await.is_empty());

    let store = through(sandbox, &proxy).open().await.unwrap();
    assert_eq!(store.restored(), None);
    inbox(&store, "alice").put(&Note::new("1", "new")).await.unwrap();
    let put = inbox(&store, "bob").put(&Note::new("1", "back")).await;
    assert!(matches!(put, Err(WriteError::Shredded(_))), "{put:?}");
    store.flush().await.unwrap();

    let log = sandbox.audit_log().await;
    let of = |operation| {
        let chain = log.chain("main");
        let of: Vec<_> = chain.iter().map(|event| event.details().clone()).collect();
        of.into_iter().filter(move |event| event.operation == operation).collect::<Vec<_>>()
    };
    let [shred] = &of(CryptoOp::Shred)[..] else { panic!("{:?}", of(CryptoOp::Shred)) };
    assert_eq!((shred.resource.as_str(), shred.outcome), ("bes:default/bob", Outcome::Success));
    let [adopt] = &of(CryptoOp::Adopt)[..] else { panic!("{:?}", of(CryptoOp::Adopt)) };
    assert_eq!((adopt.resource.as_str(), adopt.reason.as_str()), ("bes:default", NEW));
    assert_eq!(of(CryptoOp::Delete).len(), 2);

    let log = through(sandbox, &proxy).open_audit().await.unwrap();
    let report = log.verify_deep(&log.options()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    let next = log.checkpoint(&report, None).unwrap();
    assert_eq!((next.table_id(), next.shredded().len()), (Some(NEW), 1), "{next:?}");

    let again = restored.adopt(&proxy, restored.adoption()).await.unwrap_err();
    assert!(matches!(again, AdoptError::NotRestored { .. }), "{again:?}");
}

#[tokio::test]
async fn a_checkpoint_of_another_store_or_table_adopts_nothing() {
    let restored = Restored::new("other-checkpoint").await;
    let proxy = with_id(&restored.sandbox, Some(NEW)).await;
    let other = checkpoint("other", Some(OLD), BTreeMap::new());
    let error = restored.adopt(&proxy, Adoption { checkpoint: Some(other), ..Adoption::default() }).await;
    assert!(matches!(error, Err(AdoptError::OtherNamespace { .. })), "{error:?}");
    for table_id in [None, Some(NEW), Some("33333333-3333-4333-8333-333333333333")] {
        let other = checkpoint("default", table_id, BTreeMap::new());
        let error = restored.adopt(&proxy, Adoption { checkpoint: Some(other), ..Adoption::default() }).await;
        assert!(matches!(error, Err(AdoptError::OtherTable { .. })), "{error:?}");
    }
    let error = restored.adopt(&proxy, Adoption::default()).await;
    assert!(matches!(error, Err(AdoptError::NoCheckpoint)), "{error:?}");
    restored.assert_untouched().await;

    // Unless it is wanted: of a table that was restored before, and had tenants shredded since.
    let later = checkpoint("default", Some("33333333-3333-4333-8333-333333333333"), BTreeMap::new());
    let adoption = Adoption { checkpoint: Some(later), any_table: true, ..Adoption::default() };
    let adopted = restored.adopt(&proxy, adoption).await.unwrap();
    assert_eq!((adopted.shredded.len(), adopted.behind.len()), (1, 0));
}

#[tokio::test]
async fn a_table_that_is_no_store_is_not_made_one() {
    let sandbox = Sandbox::new("no-store").await;
    sandbox.store().await;
    for item in sandbox.scan().await {
        sandbox.delete_item(item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap()).await;
    }
    let error = sandbox.builder().adopt(Adoption::default()).await;
    assert!(
        matches!(&error, Err(AdoptError::Open(OpenError::Table(TableError::NotOurs { .. })))),
        "{error:?}"
    );
    assert!(sandbox.scan().await.is_empty());
}

#[tokio::test]
async fn an_undone_shred_is_found() {
    let restored = Restored::new("undone").await;
    let (sandbox, proxy) = (&restored.sandbox, with_id(&restored.sandbox, Some(NEW)).await);
    let key = sandbox.item("K#bob", "0000000001").await.unwrap();
    restored.adopt(&proxy, restored.adoption()).await.unwrap();
    let log = through(sandbox, &proxy).open_audit().await.unwrap();
    let found = async || {
        let report = log.verify_deep(&log.options()).await.unwrap();
        let listed = report.findings.listed().iter();
        listed.map(|finding| (finding.class, finding.resource.clone().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(found().await, []);
    let undone = [(Class::KeyItem, "bes:default/bob".to_owned())];
    sandbox.put_item(key.clone()).await;
    assert_eq!(found().await, undone, "the key is back, beside the tombstone");
    let tombstone = sandbox.item("K#bob", "0000000000").await.unwrap();
    sandbox.delete_item("K#bob", "0000000000").await;
    assert_eq!(found().await, undone, "in its place");
    sandbox.delete_item("K#bob", "0000000001").await;
    assert_eq!(found().await, undone, "there is neither");
    sandbox.put_item(tombstone).await;
    assert_eq!(found().await, []);
}

#[tokio::test]
async fn a_table_whose_log_is_not_sound_is_adopted_only_on_demand() {
    let restored = Restored::new("unsound").await;
    let (sandbox, proxy) = (&restored.sandbox, with_id(&restored.sandbox, Some(NEW)).await);
    let mut segment = sandbox.item("A#main", &format!("{:020}", 0)).await.unwrap();
    segment.insert("mac".to_owned(), b([0; 32]));
    sandbox.put_item(segment).await;
    let before = sandbox.scan().await.len();
    let error = restored.adopt(&proxy, restored.adoption()).await;
    assert!(matches!(&error, Err(AdoptError::Findings(report)) if report.findings.count() == 1), "{error:?}");
    assert_eq!(sandbox.scan().await.len(), before);
    let adoption = Adoption { despite_findings: true, ..restored.adoption() };
    let adopted = restored.adopt(&proxy, adoption).await.unwrap();
    assert_eq!(adopted.report.verdict(), Verdict::Tampered);
    assert_eq!(through(sandbox, &proxy).open().await.unwrap().restored(), None);
}

/// A way to the restored table on which the transaction that changes META meets this fate, once.
async fn meeting(sandbox: &Sandbox, fate: Fate) -> Proxy {
    let described = described_table(&sandbox.table, Some(NEW), &[]);
    let met = Arc::new(AtomicBool::new(false));
    Proxy::start(move |request| {
        let (described, met, fate) = (described.clone(), met.clone(), fate.clone());
        async move {
            if request.operation == "DescribeTable" {
                return Fate::Answer(200, described);
            }
            let adopts = request.body.to_string().contains("UpdateExpression");
            if adopts && !met.swap(true, SeqCst) { fate } else { Fate::Forward }
        }
    })
    .await
}

#[tokio::test]
async fn an_adoption_whose_answer_is_lost_is_done_once() {
    for fate in [Fate::LoseAnswer, Fate::LoseRequest, Fate::refusal(400, "TransactionInProgressException")] {
        let restored = Restored::new("lost-adoption").await;
        let proxy = meeting(&restored.sandbox, fate).await;
        restored.adopt(&proxy, restored.adoption()).await.unwrap();
        assert_eq!(restored.sandbox.item("META", "store").await.unwrap()["table_id"], s(NEW));
        let log = restored.sandbox.audit_log().await;
        let adopted = log.chain("main").iter().filter(|event| event.details().operation == CryptoOp::Adopt);
        assert_eq!(adopted.count(), 1);
    }
}

#[tokio::test]
async fn an_adoption_that_was_stopped_goes_on() {
    let restored = Restored::new("stopped-adoption").await;
    let proxy = meeting(&restored.sandbox, Fate::refusal(400, "AccessDeniedException")).await;
    let error = restored.adopt(&proxy, restored.adoption()).await;
    assert!(
        matches!(&error, Err(AdoptError::Meta(ChangeError::Store(StoreError::Denied { .. })))),
        "{error:?}"
    );
    assert_eq!(restored.sandbox.item("META", "store").await.unwrap()["table_id"], s(OLD));
    let adopted = restored.adopt(&proxy, restored.adoption()).await.unwrap();
    assert_eq!((adopted.shredded.len(), adopted.records), (0, 0), "that was done");
    let store = through(&restored.sandbox, &proxy).open().await.unwrap();
    let read = inbox(&store, "bob").get::<Note>("1").await;
    assert!(matches!(read, Ok(None) | Err(ReadError::Shredded(_))), "{read:?}");
    assert_eq!(restored.sandbox.item("META", "store").await.unwrap()["table_id"], s(NEW));
}
