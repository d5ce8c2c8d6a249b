//! The audit log of a table as a test reads it: verified as a whole, and compared with the records.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use blue_encrypted_store::{
    KeyProvider, Namespace,
    blue_audit::{
        AuditKey, AuditKeys, Cause, CryptoAuditEvent, CryptoOp, Details, Events, Observer, Outcome, Page,
        Segment, SegmentSource, Stored, VerifyOptions, address::Chain, resource, verify,
    },
    envelope::{Envelope, KekId},
    keys::{KeyContext, KeyOwner, UmkId, WrappedKek},
    table::{SegmentItem, StoredRecord},
};

use crate::Item;

/// All chains of a table's audit log, without gap, fork or any other finding: there is no way to have another.
#[derive(Debug, Clone, Default)]
pub struct VerifiedLog {
    namespace: Option<Namespace>,
    chains: BTreeMap<String, Vec<CryptoAuditEvent>>,
    /// How many events each segment holds, by chain.
    segments: BTreeMap<String, Vec<usize>>,
}

impl VerifiedLog {
    /// Reads the log among all items of a table, and verifies it by the keys that `provider` unwraps.
    ///
    /// # Errors
    /// What was found.
    ///
    /// # Panics
    /// If META or an audit key is not as the store writes it.
    pub async fn read(items: &[Item], provider: &dyn KeyProvider) -> Result<Self, Vec<String>> {
        let places: BTreeMap<_, _> = items.iter().filter(|item| is_segment(item)).map(place).collect();
        let Some(meta) = items.iter().find(|item| text(item, "pk") == "META") else {
            let found = places.keys().map(|place| format!("{place:?} lies in a table without META"));
            return if places.is_empty() { Ok(Self::default()) } else { Err(found.collect()) };
        };
        let namespace = Namespace::new(text(meta, "namespace")).expect("a name that was written");
        let Some(keys) = audit_keys(items, provider, &namespace).await else {
            let found = places.keys().map(|place| format!("{place:?} lies in a table without audit key"));
            let empty = Self { namespace: Some(namespace), ..Self::default() };
            return if places.is_empty() { Ok(empty) } else { Err(found.collect()) };
        };
        let seen = Arc::new(Seen::default());
        let chains = places.keys().map(|(chain, _)| chain.clone()).collect::<BTreeSet<_>>();
        let options = VerifyOptions {
            chains: chains.into_iter().collect(),
            observer: Some(seen.clone()),
            ..VerifyOptions::new(namespace.clone(), Some(keys))
        };
        let report = verify(Arc::new(Places(places)), &options).await.expect("it lies in memory");
        if report.findings.count() > 0 {
            return Err(report.findings.listed().iter().map(ToString::to_string).collect());
        }
        let Seen { chains, segments } = &*seen;
        let (chains, segments) = (taken(chains), taken(segments));
        Ok(Self { namespace: Some(namespace), chains, segments })
    }

    /// What is wrong with the log among these items, or where it and the records do not say the same
    /// ([`Self::differences`]). Empty if all is well.
    ///
    /// # Panics
    /// As [`Self::read`].
    pub async fn findings(items: &[Item], provider: &dyn KeyProvider) -> Vec<String> {
        match Self::read(items, provider).await {
            Ok(log) => log.differences(items),
            Err(found) => found,
        }
    }

    /// A chain's events, in their order.
    #[must_use]
    pub fn chain(&self, name: &str) -> &[CryptoAuditEvent] {
        self.chains.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of all chains that hold anything.
    #[must_use]
    pub fn chains(&self) -> Vec<&str> {
        self.chains.keys().map(String::as_str).collect()
    }

    /// How many events each segment of a chain holds.
    #[must_use]
    pub fn segments(&self, chain: &str) -> &[usize] {
        self.segments.get(chain).map_or(&[], Vec::as_slice)
    }

    /// All events, chain by chain.
    pub fn events(&self) -> impl Iterator<Item = &Details> {
        self.chains.values().flatten().map(CryptoAuditEvent::details)
    }

    /// The events about a record, given as `tenant/collection/kind/id`.
    ///
    /// # Panics
    /// If that is no record's path.
    #[must_use]
    pub fn about(&self, path: &str) -> Vec<&Details> {
        let Some(namespace) = &self.namespace else { return Vec::new() };
        let path: blue_encrypted_store::RecordPath = path.parse().expect("the path of a record");
        let resource = resource(&path.within(namespace.clone()));
        self.events().filter(|event| event.resource == resource).collect()
    }

    /// The successes of an operation on a record, given as its path.
    #[must_use]
    pub fn successes(&self, operation: CryptoOp, path: &str) -> Vec<&Details> {
        let mut events = self.about(path);
        events.retain(|event| (event.operation, event.outcome) == (operation, Outcome::Success));
        events
    }

    /// The versions in which a record was written, as the log says.
    #[must_use]
    pub fn written(&self, path: &str) -> Vec<u64> {
        self.successes(CryptoOp::Encrypt, path).iter().map(|event| event.version).collect()
    }

    /// Where the records among these items and the log, to which every write was recorded strictly, do not say the same:
    /// of the versions of a record that were successfully written, the one that was neither followed by the next nor
    /// deleted lies there, with its content digest and under its key; and no version was written or deleted twice. Empty if
    /// all is well. Versions of two lives of a record need not ascend: a clock may have been set back between them.
    #[must_use]
    pub fn differences(&self, items: &[Item]) -> Vec<String> {
        let mut writes: BTreeMap<(&str, u64, bool), &Details> = BTreeMap::new();
        let mut differences = Vec::new();
        for event in self.events().filter(|event| event.outcome == Outcome::Success) {
            let is_delete = match event.operation {
                CryptoOp::Encrypt => false,
                CryptoOp::Delete => true,
                _ => continue,
            };
            if let Some(before) = writes.insert((&event.resource, event.version, is_delete), event) {
                differences.push(format!("{event:?} comes after {before:?}"));
            }
        }
        let is_last = |of: &str, version: u64| {
            !writes.contains_key(&(of, version + 1, false)) && !writes.contains_key(&(of, version, true))
        };
        let mut last: BTreeMap<&str, &Details> = BTreeMap::new();
        for (&(of, version, is_delete), &event) in &writes {
            if is_delete || !is_last(of, version) {
                continue;
            }
            if let Some(before) = last.insert(of, event) {
                differences.push(format!("both are the last of a record: {before:?}, {event:?}"));
            }
        }
        for item in items.iter().filter(|item| text(item, "pk").starts_with("R#")) {
            let record = match StoredRecord::from_item(item.clone()) {
                Ok(record) => record,
                Err(error) => {
                    differences.push(error.to_string());
                    continue;
                }
            };
            let Some(namespace) = self.namespace.clone() else {
                differences.push(format!("{} lies in a table without META", record.path));
                continue;
            };
            let event = last.remove(resource(&record.path.clone().within(namespace)).as_str());
            let envelope = Envelope::parse(&record.envelope).ok();
            let is_told = event.is_some_and(|event| {
                event.version == record.version
                    && event.content_digest == envelope.as_ref().map(Envelope::content_digest)
                    && Some(event.key_id.clone()) == envelope.map(|envelope| envelope.kek_id().to_string())
            });
            if !is_told {
                let (path, version) = (record.path, record.version);
                differences.push(format!("{path} has version {version}, and its last event is {event:?}"));
            }
        }
        differences.extend(last.into_values().map(|event| format!("there is no record of {event:?}")));
        differences
    }
}

/// What lies among the segments, by chain and sort key.
struct Places(BTreeMap<(Chain, String), Stored>);

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn is_segment(item: &Item) -> bool {
    text(item, "pk").starts_with("A#")
}

fn place(item: &Item) -> ((Chain, String), Stored) {
    let chain = text(item, "pk").trim_start_matches("A#");
    let place = (Chain::new(chain).expect("a chain's name"), text(item, "sk").to_owned());
    let stored = match SegmentItem::from_item(item.clone()) {
        Ok(SegmentItem { chain, first, events, count, head_hash, mac, audit_kek_id }) => {
            let chain = chain.to_string();
            Stored::Segment(Segment { chain, first, events, count, head_hash, mac, audit_kek_id })
        }
        Err(error) => Stored::Malformed { first: error.first, reason: error.source.reason },
    };
    (place, stored)
}

async fn audit_keys(items: &[Item], provider: &dyn KeyProvider, namespace: &Namespace) -> Option<AuditKeys> {
    let mut keys = BTreeMap::new();
    for item in items.iter().filter(|item| text(item, "pk") == "S#audit") {
        let bytes = |name: &str| item[name].as_b().expect("a byte string").as_ref().to_vec();
        let kek_id: [u8; 16] = bytes("kek_id").try_into().expect("16 bytes");
        let version = text(item, "sk").parse().expect("a version");
        let context = KeyContext {
            namespace: namespace.clone(),
            purpose: KeyOwner::Audit.into(),
            version,
            kek_id: KekId::from_bytes(kek_id),
        };
        let wrapped = WrappedKek::new(UmkId::new(text(item, "umk_id")), bytes("wrapped_kek"));
        let kek = provider.unwrap_kek(&wrapped, &context).await;
        let kek = kek.expect("the audit key is as it was wrapped");
        keys.insert(version, AuditKey::new(kek_id, kek.expose()));
    }
    let (_, newest) = keys.pop_last()?;
    Some(AuditKeys::new(newest, keys.into_values()))
}

#[async_trait]
impl SegmentSource for Places {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        let of_chain = self.0.iter().filter(|((of, _), _)| of == chain).map(|(_, stored)| stored.clone());
        let stored = of_chain.filter(|stored| stored.first().is_none_or(|first| first >= from));
        Ok(Page { stored: stored.collect(), next: None })
    }

    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        let Page { stored, .. } = self.segments(chain, 0).await?;
        let in_range = |stored: &Stored| before.is_none_or(|before| stored.first() < Some(before));
        Ok(stored.into_iter().rfind(in_range))
    }
}

/// What a verification read.
#[derive(Default)]
struct Seen {
    chains: Mutex<BTreeMap<String, Vec<CryptoAuditEvent>>>,
    segments: Mutex<BTreeMap<String, Vec<usize>>>,
}

impl Observer for Seen {
    fn segment(&self, chain: &Chain, events: Events<'_>) {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        chains.entry(chain.to_string()).or_default().extend(events.clone().map(CryptoAuditEvent::from));
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        segments.entry(chain.to_string()).or_default().push(events.len());
    }
}

fn taken<T: Default>(from: &Mutex<T>) -> T {
    std::mem::take(&mut *from.lock().unwrap_or_else(PoisonError::into_inner))
}
