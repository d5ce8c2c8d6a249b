//! A table in a known good state, as it lies in DynamoDB, and what an attacker may have gathered besides.

use std::collections::{BTreeMap, BTreeSet};

use blue_encrypted_store::{
    AuditConfig, AuditLog, Builder, ChainPolicy, Delete, EncryptedStore, Namespace,
    blue_audit::{
        AuditKey, Baseline, CryptoAuditEvent, GENESIS, Head, Segment, Verdict, address::Chain, resource,
    },
    envelope::KekId,
    keys::{KeyContext, KeyOwner, WrappedKek},
    table::{SegmentItem, StoredRecord},
};
use blue_tests::{Item, Note, Sandbox};
use fastrand::Rng;
use futures::future::join_all;

/// A partition key and a sort key.
pub(crate) type Place = (String, String);

const TENANTS: [&str; 3] = ["alice", "bob", "carol"];
const NOTES: usize = 20;

/// One segment and the events that it holds.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) segment: SegmentItem,
    pub(crate) events: Vec<CryptoAuditEvent>,
}

/// What lies in the table while nobody has attacked it, and what lay there before.
pub(crate) struct Good {
    pub(crate) sandbox: Sandbox,
    pub(crate) namespace: Namespace,
    /// The audit key itself: what a compromised writer has.
    pub(crate) key: AuditKey,
    pub(crate) items: BTreeMap<Place, Item>,
    pub(crate) chains: BTreeMap<String, Vec<Run>>,
    /// What was known half-way, and what is known now.
    pub(crate) before: Baseline,
    pub(crate) known: Baseline,
    /// Records as they were once: those that were written again since, and those that were deleted.
    pub(crate) stale: Vec<Item>,
    pub(crate) deleted: Vec<Item>,
    /// Another store's: under the same master key in another namespace, and under other keys.
    pub(crate) elsewhere: Vec<Item>,
    pub(crate) strangers: Vec<Item>,
}

impl Run {
    pub(crate) fn chain(&self) -> &str {
        self.segment.chain.as_str()
    }

    pub(crate) fn first(&self) -> u64 {
        self.segment.first
    }

    /// The sequence behind it.
    pub(crate) fn end(&self) -> u64 {
        self.first() + u64::from(self.segment.count)
    }
}

impl Good {
    /// Three processes write, each in its own way, and all that they leave is sound.
    pub(crate) async fn new(rng: &mut Rng) -> Self {
        let sandbox = Sandbox::new("attacks").await;
        let shared = sandbox.builder().init().await.unwrap();
        let per_writer = AuditConfig { chain: ChainPolicy::PerWriter, ..AuditConfig::default() };
        let mut stores = vec![shared];
        for _ in 0..2 {
            stores.push(sandbox.builder().audit(per_writer).open().await.unwrap());
        }
        let log = sandbox.builder().open_audit().await.unwrap();
        fill(&stores[0]).await;
        work(&stores, 10, rng).await;
        let before = sound(&log).await;
        let items_before = placed(sandbox.scan().await);
        work(&stores, 10, rng).await;
        for note in [1, 5, 11] {
            for tenant in TENANTS {
                let inbox = stores[0].tenant(tenant).unwrap().collection("inbox").unwrap();
                assert!(inbox.delete::<Note>(note.to_string(), Delete::Any).await.unwrap());
            }
        }
        let known = sound(&log).await;
        let items = placed(sandbox.scan().await);

        let records = || items_before.iter().filter(|((pk, _), _)| pk.starts_with("R#"));
        let stale =
            records().filter(|(place, item)| items.get(*place).is_some_and(|now| now["_v"] != item["_v"]));
        let deleted = records().filter(|(place, _)| !items.contains_key(*place));
        let [stale, deleted] = [
            stale.map(|(_, item)| item.clone()).collect::<Vec<_>>(),
            deleted.map(|(_, item)| item.clone()).collect::<Vec<_>>(),
        ];
        let namespace = stores[0].namespace().clone();
        let place = Sandbox::new("attacks-elsewhere").await;
        let elsewhere =
            other_store(sandbox.builder().table(&place.table).namespace("elsewhere"), &place, rng).await;
        let place = Sandbox::new("attacks-strangers").await;
        let strangers = other_store(place.builder(), &place, rng).await;
        let key =
            audit_key(&sandbox, &namespace, &items[&("S#audit".to_owned(), "0000000001".to_owned())]).await;
        let chains = chains(items.values());
        let good = Self {
            sandbox,
            namespace,
            key,
            items,
            chains,
            before,
            known,
            stale,
            deleted,
            elsewhere,
            strangers,
        };
        good.is_worth_attacking();
        good
    }

    /// What the classes take for granted.
    fn is_worth_attacking(&self) {
        assert_eq!(self.chains.len(), 4, "main, registry and two of one writer each");
        for (chain, runs) in &self.chains {
            let sizes: BTreeSet<_> = runs.iter().map(|run| run.segment.count).collect();
            assert!(runs.len() >= 2, "{chain} has {} segments", runs.len());
            assert!(
                chain == "registry" || (sizes.first() == Some(&1) && sizes.last() >= Some(&3)),
                "{chain}: {sizes:?}"
            );
            let end = self.known.chains[&Chain::new(chain).unwrap()].next;
            assert_eq!(runs.last().unwrap().end(), end, "{chain} is known up to its end");
        }
        assert!(self.stale.len() >= 10 && self.deleted.len() == 9, "{} stale records", self.stale.len());
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.chains.values().flatten()
    }

    /// Any segment that is fit.
    pub(crate) fn pick(&self, rng: &mut Rng, fit: impl Fn(&Run) -> bool) -> &Run {
        one(rng, self.runs().filter(|run| fit(run)))
    }

    /// The segment behind this one.
    pub(crate) fn next(&self, run: &Run) -> Option<&Run> {
        self.chains[run.chain()].iter().find(|next| next.first() == run.end())
    }

    /// What was known of the log when this chain had `next` events.
    pub(crate) fn known_at(&self, chain: &str, next: u64) -> Baseline {
        let before = next.checked_sub(1);
        let mut events = self.chains[chain].iter().flat_map(|run| &run.events);
        let hash = before.map_or(GENESIS, |before| {
            *events.find(|event| event.sequence() == before).expect("it is there").event_hash()
        });
        let mut known = self.known.clone();
        known.chains.insert(Chain::new(chain).unwrap(), Head { next, hash });
        known
    }

    /// How events name a record.
    pub(crate) fn name(&self, record: &Item) -> String {
        resource(&StoredRecord::from_item(record.clone()).unwrap().path.within(self.namespace.clone()))
    }

    /// A segment that only a holder of the audit key can make.
    pub(crate) fn sealed(&self, events: &[CryptoAuditEvent]) -> SegmentItem {
        item_of(&Segment::new(&self.key, &self.namespace, events).unwrap())
    }
}

pub(crate) fn one<T>(rng: &mut Rng, all: impl Iterator<Item = T>) -> T {
    let mut all: Vec<T> = all.collect();
    assert!(!all.is_empty(), "the good table has what this class needs");
    all.swap_remove(rng.usize(0..all.len()))
}

pub(crate) fn place(item: &Item) -> Place {
    let text = |name: &str| item[name].as_s().unwrap().clone();
    (text("pk"), text("sk"))
}

pub(crate) fn segment_place(chain: &str, first: u64) -> Place {
    (format!("A#{chain}"), format!("{first:020}"))
}

pub(crate) fn item_of(segment: &Segment) -> SegmentItem {
    let Segment { chain, first, events, count, head_hash, mac, audit_kek_id } = segment.clone();
    SegmentItem { chain: Chain::new(chain).unwrap(), first, events, count, head_hash, mac, audit_kek_id }
}

/// The segments among these items, by chain.
pub(crate) fn chains<'a>(items: impl Iterator<Item = &'a Item>) -> BTreeMap<String, Vec<Run>> {
    let mut chains: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for item in items.filter(|item| place(item).0.starts_with("A#")) {
        let segment = SegmentItem::from_item(item.clone()).unwrap();
        let SegmentItem { chain, first, events, count, head_hash, mac, audit_kek_id } = segment.clone();
        let read = Segment { chain: chain.to_string(), first, events, count, head_hash, mac, audit_kek_id };
        let events = read.verify_without_key().unwrap().events().map(CryptoAuditEvent::from).collect();
        chains.entry(chain.to_string()).or_default().push(Run { segment, events });
    }
    chains.values_mut().for_each(|runs| runs.sort_by_key(Run::first));
    chains
}

fn placed(items: Vec<Item>) -> BTreeMap<Place, Item> {
    items.into_iter().map(|item| (place(&item), item)).collect()
}

/// Every record there will be.
async fn fill(store: &EncryptedStore) {
    for tenant in TENANTS {
        let inbox = store.tenant(tenant).unwrap().collection("inbox").unwrap();
        let notes: Vec<_> = (0..NOTES).map(|id| Note::new(&id.to_string(), "first")).collect();
        let written = join_all(notes.iter().map(|note| inbox.put(note))).await;
        written.into_iter().for_each(|written| assert!(written.is_ok(), "{written:?}"));
    }
}

/// Each store writes and reads so many times, 1 to 20 records at once, so that its segments are of all sizes.
async fn work(stores: &[EncryptedStore], rounds: usize, rng: &mut Rng) {
    for round in 0..rounds {
        for store in stores {
            let width = if round % 3 == 0 { 1 } else { rng.usize(3..=20) };
            let first = rng.usize(0..TENANTS.len() * NOTES);
            let at_once = (first..first + width).map(|index| {
                let (tenant, id) = (TENANTS[index % TENANTS.len()], index / TENANTS.len() % NOTES);
                let (reads, inbox) = (rng.u8(0..4) == 0, store.tenant(tenant).unwrap());
                let inbox = inbox.collection("inbox").unwrap();
                async move {
                    if reads {
                        assert!(inbox.get::<Note>(id.to_string()).await.unwrap().is_some());
                    } else {
                        inbox.put(&Note::new(&id.to_string(), &format!("again {round}"))).await.unwrap();
                    }
                }
            });
            join_all(at_once.collect::<Vec<_>>()).await;
        }
    }
}

/// How far the log goes, in which nothing is found.
async fn sound(log: &AuditLog) -> Baseline {
    let report = log.verify_deep(&log.options()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    report.reached
}

/// All that lies in a small store.
async fn other_store(builder: Builder, sandbox: &Sandbox, rng: &mut Rng) -> Vec<Item> {
    let store = builder.init().await.unwrap();
    fill(&store).await;
    work(&[store], 4, rng).await;
    sandbox.scan().await
}

async fn audit_key(sandbox: &Sandbox, namespace: &Namespace, item: &Item) -> AuditKey {
    let bytes = |name: &str| item[name].as_b().unwrap().as_ref().to_vec();
    let kek_id: [u8; 16] = bytes("kek_id").try_into().unwrap();
    let context = KeyContext {
        namespace: namespace.clone(),
        purpose: KeyOwner::Audit.into(),
        version: 1,
        kek_id: KekId::from_bytes(kek_id),
    };
    let provider = sandbox.provider();
    let wrapped = WrappedKek::new(provider.umk_id().clone(), bytes("wrapped_kek"));
    let kek = provider.unwrap_kek(&wrapped, &context).await.unwrap();
    AuditKey::new(kek_id, kek.expose())
}
