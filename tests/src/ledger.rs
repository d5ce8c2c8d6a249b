//! What a table must hold after a load, and whether it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use blue_encrypted_store::{EncryptedStore, KeyProvider};
use futures::TryStreamExt;

use crate::{
    Change, Event, Item, Place, State, VerifiedLog,
    load::{is_counter, mark_of, marks_of},
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
#[derive(Debug, Clone, Default)]
struct Counter {
    /// Whether it was acknowledged that there is one.
    exists: bool,
    /// Creations that had begun, and are not known to have ended in nothing.
    creations: u64,
    /// The marks of acknowledged additions.
    acknowledged: BTreeSet<u64>,
    /// Those of additions that had begun and not ended, and whether it existed when they began.
    under_way: BTreeMap<u64, bool>,
    /// Those of additions whose errors say that their outcome is not known.
    in_doubt: BTreeSet<u64>,
}

impl Counter {
    /// What is wrong with these marks, or with there being no counter.
    fn finding(&self, marks: Option<&BTreeSet<u64>>) -> Option<String> {
        let Some(marks) = marks else {
            return self.exists.then(|| format!("is gone: {self:?}"));
        };
        if !self.exists && self.creations == 0 {
            return Some("is there, and nobody put it there".to_owned());
        }
        let lost: Vec<_> = self.acknowledged.difference(marks).collect();
        let may_be = |mark: &u64| {
            self.acknowledged.contains(mark)
                || self.under_way.contains_key(mark)
                || self.in_doubt.contains(mark)
        };
        let strange: Vec<_> = marks.iter().filter(|mark| !may_be(mark)).collect();
        if lost.is_empty() && strange.is_empty() {
            return None;
        }
        Some(format!("lacks {lost:?} and was given by nobody {strange:?}: {self:?}"))
    }

    fn settled(marks: Option<&BTreeSet<u64>>) -> Self {
        let acknowledged = marks.cloned().unwrap_or_default();
        Self { exists: marks.is_some(), acknowledged, ..Self::default() }
    }
}

/// All that a load began, and what came of it.
#[derive(Debug, Default)]
pub struct Ledger {
    records: BTreeMap<Place, Known>,
    counters: BTreeMap<Place, Counter>,
    acknowledged: u64,
    not_done: u64,
    wrong: Vec<String>,
}

/// What is not as it must be. Empty if all is well.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was acknowledged and is not there, or was never written and is.
    pub lost: Vec<String>,
    /// What is there by half, does not open, or mixes two states.
    pub torn: Vec<String>,
    /// Where the audit log has a gap, or does not say what the records say.
    pub unlogged: Vec<String>,
    /// What the load itself saw that must not be.
    pub wrong: Vec<String>,
}

impl Findings {
    /// Whether all is well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.lost, &self.torn, &self.unlogged, &self.wrong].iter().all(|found| found.is_empty())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [
            ("lost", &self.lost),
            ("torn", &self.torn),
            ("unlogged", &self.unlogged),
            ("wrong", &self.wrong),
        ];
        for (class, found) in classes {
            found.iter().try_for_each(|what| writeln!(f, "{class}: {what}"))?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Takes an event in.
    pub fn note(&mut self, event: Event) {
        self.acknowledged += u64::from(matches!(event, Event::Done(..)));
        self.not_done += u64::from(matches!(event, Event::NotDone(..)));
        match event {
            Event::Wrong(what) => self.wrong.push(what),
            Event::Begun(place, Change::Create) => self.counter(place).creations += 1,
            Event::Done(place, Change::Create) => {
                let counter = self.counter(place);
                (counter.exists, counter.creations) = (true, counter.creations - 1);
            }
            Event::NotDone(place, Change::Create, _) => self.counter(place).creations -= 1,
            // It may be there, or come to be.
            Event::Unknown(_, Change::Create, _) => {}
            Event::Begun(place, Change::Count(mark)) => {
                let counter = self.counter(place);
                counter.under_way.insert(mark, counter.exists);
            }
            Event::Done(place, Change::Count(mark)) => {
                let counter = self.counter(place);
                counter.under_way.remove(&mark);
                counter.acknowledged.insert(mark);
                counter.exists = true;
            }
            Event::NotDone(place, Change::Count(mark), _) => {
                self.counter(place).under_way.remove(&mark);
            }
            Event::Unknown(place, Change::Count(mark), _) => {
                let counter = self.counter(place);
                counter.under_way.remove(&mark);
                counter.in_doubt.insert(mark);
            }
            Event::Absent(place, mark) => {
                if self.counter(place.clone()).under_way.remove(&mark) == Some(true) {
                    self.wrong.push(format!("{place:?} was not found, where a counter was acknowledged"));
                }
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

    /// How many operations ended with an error that says that nothing was written.
    #[must_use]
    pub fn not_done(&self) -> u64 {
        self.not_done
    }

    fn counter(&mut self, place: Place) -> &mut Counter {
        self.counters.entry(place).or_default()
    }

    /// Opens all that is in the store, and compares it with what must be there, and with the audit log. From then on what was found counts as
    /// acknowledged and nothing as in doubt: call it when nothing is on its way any more.
    ///
    /// # Panics
    /// If META or the audit key, which `keys` unwraps, is not as a store writes it.
    pub async fn check(
        &mut self,
        store: &EncryptedStore,
        items: &[Item],
        keys: &dyn KeyProvider,
    ) -> Findings {
        let mut findings = Findings { wrong: std::mem::take(&mut self.wrong), ..Findings::default() };
        findings.torn.extend(half_there(items));
        findings.unlogged.extend(VerifiedLog::findings(items, keys).await);
        let found = found(store, &mut findings).await;

        let mut places: BTreeSet<&Place> = found.keys().collect();
        places.extend(self.records.keys().chain(self.counters.keys()));
        let mut settled = (BTreeMap::new(), BTreeMap::new());
        for place in places {
            let (mark, marks) = match found.get(place) {
                // Reported already.
                Some(Found::Damaged) => continue,
                Some(Found::Mark(mark)) => (Some(*mark), None),
                Some(Found::Counter(marks)) => (None, Some(marks)),
                None => (None, None),
            };
            if is_counter(place) {
                let counter = self.counters.get(place).cloned().unwrap_or_default();
                findings.lost.extend(counter.finding(marks).map(|what| format!("{place:?} {what}")));
                settled.1.insert(place.clone(), Counter::settled(marks));
                continue;
            }
            let known = self.records.get(place).cloned().unwrap_or_default();
            if !known.may_be(mark) {
                findings.lost.push(format!("{place:?} is {mark:?}, and must be one of {known:?}"));
            }
            settled.0.insert(place.clone(), Known { acknowledged: mark, ..Known::default() });
        }
        (self.records, self.counters) = settled;
        findings
    }
}

#[derive(Debug)]
enum Found {
    Mark(u64),
    Counter(BTreeSet<u64>),
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
                let state = if is_counter(&place) {
                    marks_of(&place, &entry).map(Found::Counter)
                } else {
                    mark_of(&place, &entry).map(Found::Mark)
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
            // The audit key is made once; the log begins with it, and from then on has no gap: see [`crate::VerifiedLog`].
            ("S", Some("audit"), None) => {
                (&["kek_id", "provider", "umk_id", "wrapped_kek", "created"], sk == "0000000001")
            }
            ("A", Some(_), None) => {
                (&["events", "count", "head_hash", "mac", "audit_kek_id"], is_there("S#audit", "0000000001"))
            }
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
