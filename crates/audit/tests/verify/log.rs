//! A log in memory that a test can damage, and writers that fill it.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use blue_audit::{
    AuditKey, AuditKeys, Baseline, Cause, CryptoAuditEvent, CryptoOp, Details, Finding, GENESIS, Head, Page,
    Report, Segment, SegmentSource, Stored, VerifyOptions, address::Chain, address::Namespace,
    chain_resource, verify,
};
use fastrand::Rng;
use time::{Duration, OffsetDateTime, macros::datetime};
use uuid::Uuid;

pub(crate) type Places = BTreeMap<u64, Stored>;
type Hook = Box<dyn FnMut(&mut BTreeMap<Chain, Places>) + Send>;
type PageHook = Box<dyn FnMut(&Chain, &mut Page) + Send>;

pub(crate) fn prod() -> Namespace {
    Namespace::new("prod").unwrap()
}

pub(crate) fn chain(name: &str) -> Chain {
    Chain::new(name).unwrap()
}

pub(crate) fn key() -> AuditKey {
    AuditKey::new([7; 16], &[1; 32])
}

/// The key that is in use, and one from before.
pub(crate) fn keys() -> AuditKeys {
    AuditKeys::new(key(), [AuditKey::new([6; 16], &[6; 32])])
}

/// Appends to one chain.
pub(crate) struct Writer {
    pub(crate) chain: Chain,
    pub(crate) head: Head,
    pub(crate) key: AuditKey,
}

impl Writer {
    pub(crate) fn new(name: &str) -> Self {
        Self { chain: chain(name), head: Head { next: 0, hash: GENESIS }, key: key() }
    }

    pub(crate) fn events(&mut self, count: usize) -> Vec<CryptoAuditEvent> {
        let event = |_| self.link(details(self.head.next));
        (0..count).map(event).collect()
    }

    pub(crate) fn link(&mut self, details: Details) -> CryptoAuditEvent {
        let event = details.link(self.chain.as_str(), self.head.next, self.head.hash);
        self.head = Head { next: self.head.next + 1, hash: *event.event_hash() };
        event
    }

    pub(crate) fn segment(&mut self, count: usize) -> Segment {
        let events = self.events(count);
        Segment::new(&self.key, &prod(), &events).unwrap()
    }

    pub(crate) fn segments(&mut self, counts: &[usize]) -> Vec<Segment> {
        counts.iter().map(|&count| self.segment(count)).collect()
    }
}

pub(crate) fn details(sequence: u64) -> Details {
    Details {
        event_id: Uuid::from_u128(sequence.into()),
        timestamp: time_of(sequence),
        principal: format!("principal {}", sequence % 7),
        resource: format!("bes:prod/alice/inbox/note/{sequence}"),
        ..Details::now()
    }
}

pub(crate) fn time_of(sequence: u64) -> OffsetDateTime {
    datetime!(2026-11-23 12:00 UTC) + Duration::seconds(i64::try_from(sequence).unwrap())
}

/// The event of `registry` that opens a chain.
pub(crate) fn opening(name: &str) -> Details {
    let resource = chain_resource(&prod(), &chain(name));
    Details { operation: CryptoOp::OpenChain, resource, ..Details::now() }
}

/// How many events each of a chain's segments holds.
pub(crate) fn counts(rng: &mut Rng, segments: usize) -> Vec<usize> {
    (0..segments).map(|_| rng.usize(1..=5)).collect()
}

/// Segments of one chain, in pages of random sizes, some of them empty.
pub(crate) struct Log(Mutex<State>);

struct State {
    chains: BTreeMap<Chain, Places>,
    placeless: Vec<Stored>,
    rng: Rng,
    before: Option<Hook>,
    after: Option<PageHook>,
    failures: u32,
    reads: u64,
    page_len: Option<usize>,
}

impl Log {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(State {
            chains: BTreeMap::new(),
            placeless: Vec::new(),
            rng: Rng::with_seed(seed),
            before: None,
            after: None,
            failures: 0,
            reads: 0,
            page_len: None,
        }))
    }

    /// A log of one chain, `main`.
    pub(crate) fn of(seed: u64, segments: &[Segment]) -> Self {
        let log = Self::new(seed);
        log.put(segments);
        log
    }

    pub(crate) fn put(&self, segments: &[Segment]) {
        let mut state = self.state();
        for segment in segments {
            let places = state.chains.entry(chain(&segment.chain)).or_default();
            places.insert(segment.first, Stored::Segment(segment.clone()));
        }
    }

    /// Changes what is stored of a chain.
    pub(crate) fn change<T>(&self, name: &str, change: impl FnOnce(&mut Places) -> T) -> T {
        change(self.state().chains.entry(chain(name)).or_default())
    }

    /// An item that lies behind all others of every chain, at no sequence.
    pub(crate) fn put_placeless(&self, reason: &str) {
        self.state().placeless.push(Stored::Malformed { first: None, reason: reason.into() });
    }

    /// Happens before each reading of a page.
    pub(crate) fn before_each_page(&self, hook: impl FnMut(&mut BTreeMap<Chain, Places>) + Send + 'static) {
        self.state().before = Some(Box::new(hook));
    }

    /// Changes each page that is read.
    pub(crate) fn change_each_page(&self, hook: impl FnMut(&Chain, &mut Page) + Send + 'static) {
        self.state().after = Some(Box::new(hook));
    }

    /// The next readings of pages fail.
    pub(crate) fn fail(&self, times: u32) {
        self.state().failures = times;
    }

    /// From now on pages hold this many items.
    pub(crate) fn set_page_len(&self, len: usize) {
        self.state().page_len = Some(len);
    }

    pub(crate) fn reads(&self) -> u64 {
        self.state().reads
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl SegmentSource for Log {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        // Others get their turn between the pages, as they would with a service.
        tokio::task::yield_now().await;
        let mut state = self.state();
        let State { chains, placeless, rng, before, after, failures, reads, page_len } = &mut *state;
        *reads += 1;
        if *failures > 0 {
            *failures -= 1;
            return Err(Arc::new(io::Error::other("no answer")));
        }
        if let Some(before) = before {
            before(chains);
        }
        let empty = Places::new();
        let len = page_len.unwrap_or_else(|| rng.usize(1..=6));
        let mut rest = chains.get(chain).unwrap_or(&empty).range(from..);
        let mut stored: Vec<_> = rest.by_ref().take(len).map(|(_, item)| item.clone()).collect();
        let mut next = rest.next().map(|(&place, _)| place);
        if next.is_none() {
            stored.extend(placeless.iter().cloned());
        } else if page_len.is_none() && rng.u8(..8) == 0 && next.is_some_and(|next| from < next - 1) {
            // A page may hold nothing, though there is more.
            let first = stored.first().and_then(Stored::first).unwrap();
            if from < first {
                (stored, next) = (Vec::new(), Some(first));
            }
        }
        let mut page = Page { stored, next };
        if let Some(after) = after {
            after(chain, &mut page);
        }
        Ok(page)
    }

    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        let state = self.state();
        let Some(places) = state.chains.get(chain) else { return Ok(None) };
        let last = match before {
            Some(before) => places.range(..before).next_back(),
            None => places.iter().next_back(),
        };
        Ok(last.map(|(_, item)| item.clone()))
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn options() -> VerifyOptions {
    VerifyOptions::new(prod(), Some(keys()))
}

pub(crate) fn keyless() -> VerifyOptions {
    VerifyOptions::new(prod(), None)
}

pub(crate) fn since(trusted: Baseline) -> VerifyOptions {
    VerifyOptions { trusted: Some(trusted), ..options() }
}

pub(crate) fn report(log: &Arc<Log>, options: &VerifyOptions) -> Report {
    run(verify(Arc::clone(log) as Arc<dyn SegmentSource>, options)).unwrap()
}

/// What is found, and nothing else of the report.
pub(crate) fn findings(log: &Arc<Log>, options: &VerifyOptions) -> Vec<Finding> {
    report(log, options).findings.listed().to_vec()
}

/// Findings as `class chain sequences`.
pub(crate) fn short(findings: &[Finding]) -> Vec<String> {
    let chain = |finding: &Finding| finding.chain.as_ref().map_or("-".into(), ToString::to_string);
    let places = |finding: &Finding| finding.sequences.map_or("-".into(), |sequences| sequences.to_string());
    findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.class, chain(finding), places(finding)))
        .collect()
}

/// A baseline that knows these ends, of an hour ago.
pub(crate) fn baseline(ends: &[(&str, Head)]) -> Baseline {
    Baseline {
        chains: ends.iter().map(|(name, head)| (chain(name), *head)).collect(),
        time: OffsetDateTime::now_utc() - Duration::hours(1),
        table_id: None,
    }
}
