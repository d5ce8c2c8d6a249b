//! What a table must hold after a load, and whether it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use blue_encrypted_store::EncryptedStore;
use futures::TryStreamExt;

use crate::{
    Change, Event, Item, Place, State,
    load::{count_of, mark_of},
};

/// What is known of a record that one task writes.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The last acknowledged state.
    acknowledged: State,
    /// The state that a write would make which had begun and not ended.
    under_way: Option<State>,
    /// The same for a write whose error says that its outcome is not known.
    in_doubt: Option<State>,
    /// The last error, for whoever has to find out.
    error: Option<String>,
}

impl Known {
    fn may_be(&self, state: State) -> bool {
        state == self.acknowledged || [self.under_way, self.in_doubt].contains(&Some(state))
    }
}

/// What is known of a counter.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    acknowledged: u64,
    /// Additions that had begun and not ended.
    under_way: u64,
    /// Additions whose errors say that their outcome is not known.
    in_doubt: u64,
}

impl Count {
    fn most(self) -> u64 {
        self.acknowledged + self.under_way + self.in_doubt
    }
}

/// All that a load began, and what came of it.
#[derive(Debug, Default)]
pub struct Ledger {
    records: BTreeMap<Place, Known>,
    counters: BTreeMap<Place, Count>,
    acknowledged: u64,
    wrong: Vec<String>,
}

/// What is not as it must be. Empty if all is well.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was acknowledged and is not there, or was never written and is.
    pub lost: Vec<String>,
    /// What is there by half, does not open, or mixes two states.
    pub torn: Vec<String>,
    /// What the load itself saw that must not be.
    pub wrong: Vec<String>,
}

impl Findings {
    /// Whether all is well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.lost, &self.torn, &self.wrong].iter().all(|found| found.is_empty())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, found) in [("lost", &self.lost), ("torn", &self.torn), ("wrong", &self.wrong)] {
            found.iter().try_for_each(|what| writeln!(f, "{class}: {what}"))?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Takes an event in.
    pub fn note(&mut self, event: Event) {
        match event {
            Event::Wrong(what) => self.wrong.push(what),
            Event::Begun(place, Change::Count) => self.counters.entry(place).or_default().under_way += 1,
            Event::Done(place, Change::Count) => {
                let count = self.counters.entry(place).or_default();
                (count.under_way, count.acknowledged) = (count.under_way - 1, count.acknowledged + 1);
                self.acknowledged += 1;
            }
            Event::NotDone(place, Change::Count, _) => {
                self.counters.entry(place).or_default().under_way -= 1;
            }
            Event::Unknown(place, Change::Count, _) => {
                let count = self.counters.entry(place).or_default();
                (count.under_way, count.in_doubt) = (count.under_way - 1, count.in_doubt + 1);
            }
            Event::Begun(place, Change::Set { from, to }) => {
                let known = self.records.entry(place.clone()).or_default();
                if known.acknowledged != from {
                    let was = known.acknowledged;
                    self.wrong.push(format!("{place:?} reads as {from:?} where {was:?} was acknowledged"));
                }
                known.under_way = Some(to);
            }
            Event::Done(place, Change::Set { to, .. }) => {
                let known = self.records.entry(place).or_default();
                *known = Known { acknowledged: to, ..Known::default() };
                self.acknowledged += 1;
            }
            Event::NotDone(place, change @ Change::Set { .. }, error) => {
                let known = self.records.entry(place).or_default();
                known.under_way = None;
                known.error = Some(format!("{change:?} was not done: {error}"));
            }
            Event::Unknown(place, change @ Change::Set { .. }, error) => {
                let known = self.records.entry(place).or_default();
                known.in_doubt = known.under_way.take();
                known.error = Some(format!("{change:?} is unknown: {error}"));
            }
        }
    }

    /// How many operations were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Opens all that is in the store, and compares it with what must be there. From then on what was found counts as
    /// acknowledged, but for writes in doubt: call it when nothing is on its way any more.
    pub async fn check(&mut self, store: &EncryptedStore, items: &[Item]) -> Findings {
        let mut findings = Findings { wrong: std::mem::take(&mut self.wrong), ..Findings::default() };
        findings.torn.extend(half_there(items));
        let found = found(store, &mut findings).await;

        let mut places: BTreeSet<&Place> = found.keys().collect();
        places.extend(self.records.keys().chain(self.counters.keys()));
        let mut settled = (BTreeMap::new(), BTreeMap::new());
        for place in places {
            let state = found.get(place).copied();
            if let Some(Found::Count(_)) | None = state
                && let Some(count) = self.counters.get(place)
            {
                let value = match state {
                    Some(Found::Count(value)) => value,
                    _ => 0,
                };
                let (least, most) = (count.acknowledged, count.most());
                if !(least..=most).contains(&value) {
                    findings.lost.push(format!("{place:?} is {value}, not {least} to {most}"));
                }
                let settled_as = Count { acknowledged: value, under_way: 0, in_doubt: count.in_doubt };
                settled.1.insert(place.clone(), settled_as);
                continue;
            }
            let state = match state {
                Some(Found::Mark(mark)) => Some(mark),
                // Put there by a task that was ended before it could add to it.
                Some(Found::Count(0)) => continue,
                Some(Found::Count(count)) => {
                    findings.lost.push(format!("{place:?} counts {count} that nobody added"));
                    continue;
                }
                // Reported already.
                Some(Found::Damaged) => continue,
                None => None,
            };
            let known = self.records.get(place).cloned().unwrap_or_default();
            if !known.may_be(state) {
                findings.lost.push(format!("{place:?} is {state:?}, and must be one of {known:?}"));
            }
            let settled_as = Known { acknowledged: state, under_way: None, ..known };
            settled.0.insert(place.clone(), settled_as);
        }
        (self.records, self.counters) = settled;
        findings
    }
}

#[derive(Debug, Clone, Copy)]
enum Found {
    Mark(u64),
    Count(u64),
    Damaged,
}

/// Every record that the directory leads to, opened.
async fn found(store: &EncryptedStore, findings: &mut Findings) -> BTreeMap<Place, Found> {
    let mut found = BTreeMap::new();
    let unreadable = |findings: &mut Findings, what: String| findings.torn.push(what);
    let tenants = match store.tenants().await {
        Ok(tenants) => tenants,
        Err(error) => {
            unreadable(findings, format!("the directory of tenants: {error:?}"));
            return found;
        }
    };
    for tenant in tenants {
        let tenant = store.tenant(tenant.as_str()).expect("a name that was read back");
        let collections = match tenant.collections().await {
            Ok(collections) => collections,
            Err(error) => {
                unreadable(findings, format!("the collections of {}: {error:?}", tenant.name()));
                continue;
            }
        };
        for name in collections {
            let collection = tenant.collection(name.as_str()).expect("a name that was read back");
            let mut entries = collection.list_payloads(None);
            loop {
                let entry = match entries.try_next().await {
                    Ok(Some(entry)) => entry,
                    Ok(None) => break,
                    Err(error) => {
                        unreadable(findings, format!("{}/{name}: {error:?}", tenant.name()));
                        continue;
                    }
                };
                let place = Place {
                    tenant: tenant.name().to_string(),
                    collection: name.to_string(),
                    kind: entry.key.kind.to_string(),
                    id: entry.key.id.to_string(),
                };
                let state = match count_of(&place, &entry) {
                    Some(count) => count.map(Found::Count),
                    None => mark_of(&place, &entry).map(Found::Mark),
                };
                let state = state.unwrap_or_else(|what| {
                    unreadable(findings, what);
                    Found::Damaged
                });
                found.insert(place, state);
            }
        }
    }
    found
}

/// What stands in a table by half: an item that is none of a store's, lacks an attribute, or lacks an item that was
/// to be durable before it.
#[must_use]
pub fn half_there(items: &[Item]) -> Vec<String> {
    let text = |item: &Item, name: &str| item.get(name)?.as_s().ok().cloned();
    let keys: BTreeSet<(String, String)> =
        items.iter().filter_map(|item| Some((text(item, "pk")?, text(item, "sk")?))).collect();
    let is_there = |pk: &str, sk: &str| keys.contains(&(pk.to_owned(), sk.to_owned()));
    let mut torn = Vec::new();
    if !items.is_empty() && !is_there("META", "store") {
        torn.push("the table is not empty and has no META".to_owned());
    }
    for item in items {
        let (pk, sk) = (text(item, "pk").unwrap_or_default(), text(item, "sk").unwrap_or_default());
        let mut parts = pk.split('#');
        let (class, tenant, collection) = (parts.next(), parts.next(), parts.next());
        let first_key = |tenant: &str| is_there(&format!("K#{tenant}"), "0000000001");
        let (needs, is_founded): (&[&str], bool) = match (class.unwrap_or_default(), tenant, collection) {
            ("META", None, _) => (&["schema", "namespace", "provider", "umk_id", "created"], true),
            ("K", Some(_), None) => {
                (&["kek_id", "provider", "umk_id", "wrapped_kek", "created"], sk == "0000000001")
            }
            ("T", None, _) => (&[], first_key(&sk)),
            ("C", Some(tenant), None) => (&[], is_there("T", tenant)),
            ("R", Some(tenant), Some(collection)) => (
                &["_v", "_e", "_t", "_c", "_u"],
                first_key(tenant) && is_there("T", tenant) && is_there(&format!("C#{tenant}"), collection),
            ),
            _ => (&[], false),
        };
        if !is_founded {
            torn.push(format!("{pk} {sk} stands without what comes before it"));
        }
        let missing: Vec<_> = needs.iter().filter(|name| !item.contains_key(**name)).collect();
        if !missing.is_empty() {
            torn.push(format!("{pk} {sk} lacks {missing:?}"));
        }
    }
    torn
}
