//! The audit log and the table, held against each other: every record against its last event.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use blue_address::{Chain, Collection, Kind, RecordId, RecordPath, Tenant};
use blue_audit::{
    Class, CryptoOp, Details, EventView, Events, Finding, Observer, Outcome, RecordLedger, RecordState,
    Report, Start, Step, VerifyOptions, chain_resource, kek_resource, resource, resource_parts,
};
use blue_envelope::Envelope;
use blue_store::{Current, ScannedItem, StoredRecord};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

mod keys;

use self::keys::{KeysInUse, Untold, key_finding};
use super::{
    AuditLog, AuditLogError, Caller,
    metrics::{self, verification_did_not_run},
};
use crate::telemetry::{Operation, Subject};

/// In how many parts the table is read at once.
const PARTS: u32 = 4;

/// How many records are read at once to look again.
const LOOKS: usize = 16;

/// How often a record that changes meanwhile is looked at again.
const ROUNDS: u32 = 20;

/// How long to wait before looking again for events that may be on their way.
const POLL: Duration = Duration::from_millis(500);

/// What the events of the log come to.
#[derive(Default)]
struct Told {
    records: RecordLedger,
    /// The resources of all KEKs that were generated.
    keks: HashSet<String>,
    /// The resources of all KEKs that a rotation added.
    rotated: HashSet<String>,
    /// The resources of all KEKs that were retired.
    retired: HashSet<String>,
    /// The resources of all tenants that were shredded.
    shredded: HashSet<String>,
    /// For each chain, the sequence behind the last event that was taken in. From a baseline on, the segment that it ends
    /// in is read once more, and the ledger forgets what is written and followed: the same event must not come again.
    heard: HashMap<Chain, u64>,
}

/// Listens to a verification, and passes on what it hears.
struct Listener {
    told: Mutex<Told>,
    next: Option<Arc<dyn Observer>>,
}

impl Listener {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Listener {
    fn segment(&self, chain: &Chain, events: Events<'_>) {
        let mut told = self.told();
        let mut heard = told.heard.get(chain).copied().unwrap_or_default();
        for event in events.clone() {
            if event.sequence() < heard {
                continue;
            }
            heard = event.sequence().saturating_add(1);
            let details = event.details();
            told.records.note(details);
            let told_of = match (details.operation, details.outcome) {
                (CryptoOp::GenerateKek, Outcome::Success) => &mut told.keks,
                (CryptoOp::Rotate, Outcome::Success) => &mut told.rotated,
                (CryptoOp::Retire, Outcome::Success) => &mut told.retired,
                (CryptoOp::Shred, Outcome::Success) => &mut told.shredded,
                _ => continue,
            };
            told_of.insert(details.resource.to_owned());
        }
        told.heard.insert(chain.clone(), heard);
        drop(told);
        if let Some(next) = &self.next {
            next.segment(chain, events);
        }
    }

    fn finding(&self, finding: &Finding) {
        if let Some(next) = &self.next {
            next.finding(finding);
        }
    }
}

/// Hears once more which records the log names, to find those that the table does not hold.
struct Names {
    told: Arc<Listener>,
    seen: HashSet<String>,
    /// Those that were not seen, each with whether it should be there: asked once, however many events name it.
    unseen: Mutex<HashMap<String, bool>>,
}

impl Observer for Names {
    fn segment(&self, _: &Chain, events: Events<'_>) {
        let told = self.told.told();
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let name = event.details().resource;
            if !self.seen.contains(name) && !unseen.contains_key(name) {
                unseen.insert(name.to_owned(), told.records.expects(name));
            }
        }
    }
}

/// What a scan found that is worth another look.
#[derive(Default)]
struct Scanned {
    /// How many records lie there that the log says should.
    expected: usize,
    suspects: Vec<RecordPath>,
    untold: Vec<Untold>,
    findings: Vec<Finding>,
    keys: KeysInUse,
    /// The chains that the log does not name.
    unnamed: HashSet<Chain>,
}

impl AuditLog {
    /// Verifies the whole log, then holds every record of the table against its last event, and every key against the
    /// event of its making. What differs is looked at again, record and log both, before it is reported, so writers may
    /// go on meanwhile; and what no event tells of, until the log's patience ends ([`Self::patience`]).
    ///
    /// It needs about 200 bytes of memory for each record that the log names, and if one is missing, their names. Events
    /// that were lost because writes were recorded buffered when a process crashed show up as records that no event tells of.
    ///
    /// # Errors
    /// [`AuditLogError`] if log or table could not be read. What is wrong with them is in the report.
    pub async fn verify_deep(&self, options: &VerifyOptions) -> Result<Report, AuditLogError> {
        let watched = self.telemetry.begin(Operation::VerifyDeep, Subject::Store, &Caller::default());
        let report = watched.watch(self.look_deep(options)).await;
        match &report {
            Ok(report) => metrics::verified(report),
            Err(_) => verification_did_not_run(&self.namespace),
        }
        report
    }

    async fn look_deep(&self, options: &VerifyOptions) -> Result<Report, AuditLogError> {
        let next = options.observer.clone();
        let listener = Arc::new(Listener { told: Mutex::default(), next });
        let options = VerifyOptions { full: true, observer: Some(listener.clone()), ..options.clone() };
        let mut report = self.look(&options).await?;
        let mut scanned = self.scan(&listener, &report).await?;
        if scanned.expected < listener.told().records.expected() {
            self.find_missing(&listener, &options, &mut scanned).await?;
        }
        let Scanned { suspects, untold, mut findings, keys, unnamed, .. } = scanned;
        findings.extend(self.retired_keys(&listener, &keys).await?);
        findings.extend(self.undone_rotations(&listener, &keys, &options, &report).await?);
        findings.extend(self.missing_keys(keys).await?);
        findings.extend(self.undone_shreds(&listener).await?);
        findings.extend(self.unregistered(unnamed).await?);
        findings.extend(self.look_again(&listener, suspects, untold, &options, &report).await?);
        for finding in findings {
            listener.finding(&finding);
            report.findings.add(finding);
        }
        Ok(report)
    }

    /// Reads the whole table.
    async fn scan(&self, listener: &Listener, report: &Report) -> Result<Scanned, AuditLogError> {
        let parts = stream::iter(0..PARTS).map(|part| self.scan_part(part, listener, report));
        let parts: Vec<Scanned> = parts.buffer_unordered(LOOKS).try_collect().await?;
        Ok(parts.into_iter().fold(Scanned::default(), |mut all, part| {
            all.expected += part.expected;
            all.suspects.extend(part.suspects);
            all.untold.extend(part.untold);
            all.findings.extend(part.findings);
            all.keys.add(part.keys);
            all.unnamed.extend(part.unnamed);
            all
        }))
    }

    async fn scan_part(
        &self,
        part: u32,
        listener: &Listener,
        report: &Report,
    ) -> Result<Scanned, AuditLogError> {
        let mut scanned = Scanned::default();
        let mut from = None;
        loop {
            let page = self.store.scan(part, PARTS, from.as_ref(), self.deadlines.start()).await?;
            for item in page.items {
                self.judge(item, listener, report, &mut scanned);
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(scanned),
            }
        }
    }

    fn judge(&self, item: ScannedItem, listener: &Listener, report: &Report, scanned: &mut Scanned) {
        match item {
            ScannedItem::Record(record) => {
                let (name, told) = (self.name(&record.path), listener.told());
                scanned.expected += usize::from(told.records.expects(&name));
                scanned.keys.used_by(&record, |tenant, kek_id| {
                    told.keks.contains(&kek_resource(&self.namespace, Some(tenant), kek_id))
                });
                if told.records.judge(&name, Some(state(&record))).is_some() {
                    scanned.suspects.push(record.path);
                }
            }
            ScannedItem::TenantKey { tenant, key } => {
                let name = kek_resource(&self.namespace, Some(&tenant), &key.kek_id);
                if !scanned.keys.stored(&tenant, &key) {
                    let what =
                        format!("version {}: another of the tenant's versions has its id", key.version);
                    scanned.findings.push(key_finding(name.clone(), what));
                }
                let what = format!("no event tells of the making of version {} of this key", key.version);
                let untold = Untold { event: CryptoOp::GenerateKek, resource: name, what };
                if !untold.is_told(&listener.told()) {
                    scanned.untold.push(untold);
                }
            }
            // What is no segment in a chain that was read, the reading found.
            ScannedItem::Segment { chain, .. } => {
                let known = report.chains.iter().any(|read| read.chain == chain);
                if !known {
                    scanned.unnamed.insert(chain);
                }
            }
            ScannedItem::Malformed(item) => {
                scanned.findings.push(Finding::new(Class::Malformed, item.to_string()));
            }
            ScannedItem::Unknown { pk, sk } => {
                let what = format!("the item {pk:?} {sk:?} is none of this store's");
                scanned.findings.push(Finding::new(Class::Foreign, what));
            }
            ScannedItem::Tombstone { tenant, time: _, tombstone } => {
                scanned.keys.erased(&tenant);
                match self.judge_tombstone(&tenant, tombstone.as_ref()) {
                    Err(finding) => scanned.findings.push(finding),
                    Ok(untold) if untold.is_told(&listener.told()) => {}
                    Ok(untold) => scanned.untold.push(untold),
                }
            }
            // The audit key vouches for the log, not the log for it.
            ScannedItem::AuditKey(_) | ScannedItem::Directory { .. } | ScannedItem::Meta(_) => {}
        }
    }

    /// Whether a chain that the registry does not name is only just being opened: its own first event comes before the
    /// registry's. So it is sound, and has that one event; it stays so if its process ended in between.
    async fn is_beginning(&self, chain: &Chain) -> Result<bool, AuditLogError> {
        let mut reader = self.read(chain.clone(), Start::Beginning);
        let mut opened = 0;
        while let Some(step) = reader.next().await? {
            let Step::Segment(segment) = step else {
                opened = 0;
                break;
            };
            let opens = |event: EventView<'_>| {
                let Details { operation, outcome, resource, .. } = event.details();
                (*operation, *outcome) == (CryptoOp::OpenChain, Outcome::Success)
                    && *resource == chain_resource(&self.namespace, chain)
            };
            opened += if segment.events().all(opens) { segment.events().len() } else { 2 };
            if opened > 1 {
                break;
            }
        }
        Ok(opened == 1)
    }

    /// Of these chains, those that the registry does not name, not even now, and that are not being opened either.
    async fn unregistered(&self, chains: HashSet<Chain>) -> Result<Vec<Finding>, AuditLogError> {
        let mut left = Vec::new();
        for chain in chains {
            if !self.is_beginning(&chain).await? {
                left.push(chain);
            }
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.look(&self.options()).await?;
        left.retain(|chain| now.chains.iter().all(|read| read.chain != *chain));
        let found = left.into_iter().map(|chain| {
            let what = format!("the chain {chain} holds events, and the registry does not name it");
            Finding { chain: Some(chain), ..Finding::new(Class::Foreign, what) }
        });
        Ok(found.collect())
    }

    /// Reads the log once more for the names of the records that it says should be there.
    async fn find_missing(
        &self,
        listener: &Arc<Listener>,
        options: &VerifyOptions,
        scanned: &mut Scanned,
    ) -> Result<(), AuditLogError> {
        let names = Arc::new(Names {
            told: listener.clone(),
            seen: self.names_in_table().await?,
            unseen: Mutex::default(),
        });
        let again = VerifyOptions { observer: Some(names.clone()), ..options.clone() };
        self.look(&again).await?;
        let unseen = std::mem::take(&mut *names.unseen.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, _) in unseen.into_iter().filter(|(_, missing)| *missing) {
            match self.path(&name) {
                Some(path) => scanned.suspects.push(path),
                None => {
                    let what = "the log names a record that no table can hold";
                    scanned
                        .findings
                        .push(Finding { resource: Some(name), ..Finding::new(Class::Malformed, what) });
                }
            }
        }
        Ok(())
    }

    async fn names_in_table(&self) -> Result<HashSet<String>, AuditLogError> {
        let mut names = HashSet::new();
        let mut from = None;
        loop {
            let page = self.store.scan(0, 1, from.as_ref(), self.deadlines.start()).await?;
            names.extend(page.items.into_iter().filter_map(|item| match item {
                ScannedItem::Record(record) => Some(self.name(&record.path)),
                _ => None,
            }));
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Looks at each suspect before and after reading what was appended to the log meanwhile. One that did not change
    /// between is held against a log that tells of everything up to then.
    ///
    /// A record that is absent both times may have been there between: of two chains, the one that tells of its making may
    /// have been read behind it, and the one that tells of its deletion before. So it is reported only once a version that
    /// was written before it was found absent is still not told to be gone by all that was read after that.
    ///
    /// What an event that is on its way would explain is looked at until the patience ends.
    async fn look_again(
        &self,
        listener: &Arc<Listener>,
        mut suspects: Vec<RecordPath>,
        mut untold: Vec<Untold>,
        options: &VerifyOptions,
        report: &Report,
    ) -> Result<Vec<Finding>, AuditLogError> {
        let mut findings = Vec::new();
        let mut trusted = report.reached.clone();
        let mut gone: HashMap<String, Vec<u64>> = HashMap::new();
        let until = Instant::now() + self.patience;
        let mut round = 0;
        while !(suspects.is_empty() && untold.is_empty()) && round < ROUNDS {
            let is_patient = Instant::now() < until;
            let before = self.states(&suspects).await?;
            let later = VerifyOptions { trusted: Some(trusted), full: false, ..options.clone() };
            trusted = self.look(&later).await?.reached;
            let after = self.states(&suspects).await?;
            untold.retain(|untold| !untold.is_told(&listener.told()));
            let mut is_late = !untold.is_empty();
            let mut again = Vec::new();
            for ((path, before), after) in suspects.into_iter().zip(before).zip(after) {
                if before != after {
                    again.push(path);
                    continue;
                }
                let name = self.name(&path);
                let (class, open) = {
                    let told = listener.told();
                    (told.records.judge(&name, after), told.records.open(&name))
                };
                let Some(class) = class else { continue };
                let before = gone.insert(name.clone(), open.clone()).unwrap_or_default();
                if is_patient && may_be_late(class) {
                    again.push(path);
                    is_late = true;
                } else if class == Class::UnloggedDelete
                    && !open.iter().any(|version| before.contains(version))
                {
                    again.push(path);
                } else {
                    let what = describe(class, after);
                    findings.push(Finding { resource: Some(name), ..Finding::new(class, what) });
                }
            }
            suspects = again;
            if is_patient && is_late {
                sleep(POLL.min(until.saturating_duration_since(Instant::now()))).await;
            } else {
                findings.extend(untold.drain(..).map(Untold::into_finding));
                round += 1;
            }
        }
        if !suspects.is_empty() {
            let count = suspects.len();
            tracing::warn!(target: "bes::audit", count, "records changed each time they were looked at, and were not judged");
        }
        Ok(findings)
    }

    async fn states(&self, paths: &[RecordPath]) -> Result<Vec<Option<RecordState>>, AuditLogError> {
        let look = |path: RecordPath| async move {
            let current = self.store.get(&path, self.deadlines.start()).await?;
            Ok(current.map(state_of_current))
        };
        stream::iter(paths.to_vec()).map(look).buffered(LOOKS).try_collect().await
    }

    fn name(&self, path: &RecordPath) -> String {
        resource(&path.clone().within(self.namespace.clone()))
    }

    /// The record that an event names.
    fn path(&self, name: &str) -> Option<RecordPath> {
        let parts = resource_parts(name)?;
        let [_, tenant, collection, kind, id] = &parts[..] else { return None };
        let path = RecordPath {
            tenant: Tenant::new(tenant).ok()?,
            collection: Collection::new(collection).ok()?,
            kind: Kind::new(kind).ok()?,
            id: RecordId::new(id).ok()?,
        };
        (self.name(&path) == name).then_some(path)
    }
}

fn state(record: &StoredRecord) -> RecordState {
    let envelope = Envelope::parse(&record.envelope).ok();
    RecordState {
        version: record.version,
        content_digest: envelope.map(|envelope| envelope.content_digest()),
    }
}

/// What cannot be read has no version.
fn state_of_current(current: Current) -> RecordState {
    let version = current.revision().version().unwrap_or_default();
    current.into_record().map_or(RecordState { version, content_digest: None }, |record| state(&record))
}

/// Whether an event that is not appended yet would explain it: a writer may keep events in memory for a while. A version
/// seems to be left behind, too, while nothing tells yet that another was deleted before this one was made.
fn may_be_late(class: Class) -> bool {
    matches!(
        class,
        Class::UnloggedRecord | Class::UnloggedDelete | Class::RestoredRecord | Class::StaleRecord
    )
}

fn describe(class: Class, stored: Option<RecordState>) -> String {
    let Some(RecordState { version, .. }) = stored else {
        return match class {
            Class::UnloggedDelete => "it is gone, and no event tells of its deletion".to_owned(),
            _ => "it is gone, and was put back to an older version before that".to_owned(),
        };
    };
    match class {
        Class::Altered => format!("version {version} has another content than its event says"),
        Class::StaleRecord => format!(
            "version {version} lies there, and a later one was written, or another of the same number"
        ),
        Class::RestoredRecord => format!("version {version} lies there, and the record was deleted before"),
        _ => format!("version {version} lies there, and no event tells of it"),
    }
}
