//! What events cost beside the SHA-256 that binds them: `cargo bench -p blue-audit`.
//!
//! - `audit/link` puts events into their places and into segments; `audit/verify` verifies a whole log from memory, on one
//!   core and on two.
//! - `sha256/link` and `sha256/verify` hash the same events, one by one, and do nothing else.
//!
//! Throughput counts the bytes that are hashed, so that the two can be held against each other.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{
    collections::BTreeMap, hint::black_box, num::NonZeroUsize, sync::Arc, sync::Mutex, time::Duration,
};

use async_trait::async_trait;
use blue_audit::{
    AuditKey, AuditKeys, Cause, CryptoAuditEvent, Details, GENESIS, MAX_SEGMENT_LEN, Page, Segment,
    SegmentSource, Stored, Verdict, VerifyOptions,
    address::{Chain, Namespace},
    verify,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

const VERIFIED: u64 = 100_000;
/// About what a page of DynamoDB holds.
const PAGE_LEN: usize = 1 << 20;

fn link(criterion: &mut Criterion) {
    let writer = Writer::new();
    // One segment after the other, as an appender makes them: so the memory of one is taken for the next, and what is
    // measured is not how the kernel hands out pages.
    let full = writer.segments_of(1_000).swap_remove(0);
    let (_, encodings) = writer.write(vec![full.clone()]);
    let hashed = Throughput::Bytes(encodings.iter().map(|bytes| bytes.len() as u64).sum());

    let mut audit = criterion.benchmark_group("audit");
    audit.throughput(hashed.clone());
    audit.bench_function("link", |bencher| {
        // The room for the events is got beforehand: then the allocator tidies up what the turn before has left.
        let setup = || (full.clone(), Vec::with_capacity(full.len()));
        let routine = |(details, mut events)| {
            let segment = writer.segment(details, &mut events, 0, GENESIS);
            (events, segment)
        };
        bencher.iter_batched(setup, routine, BatchSize::PerIteration);
    });
    audit.finish();
    let mut sha256 = criterion.benchmark_group("sha256");
    sha256.throughput(hashed);
    sha256.bench_function("link", |bencher| bencher.iter(|| hash(&encodings)));
}

fn verify_log(criterion: &mut Criterion) {
    let writer = Writer::new();
    let (log, encodings) = writer.write(writer.segments_of(VERIFIED));
    let log = Memory::pages(log);
    let hashed = Throughput::Bytes(encodings.iter().map(|bytes| bytes.len() as u64).sum());

    let mut audit = criterion.benchmark_group("audit");
    audit.throughput(hashed.clone());
    for (cores, name) in [(1, "verify, one core"), (2, "verify, two cores")] {
        let runtime = of_cores(cores);
        let mut options =
            VerifyOptions::new(writer.namespace.clone(), Some(AuditKeys::new(Writer::key(), [])));
        options.parallelism = NonZeroUsize::new(cores).unwrap();
        audit.bench_function(name, |bencher| {
            // A source makes the pages that it gives: what that costs is not the verifier's.
            let source = || Arc::new(Memory(Mutex::new(log.clone())));
            bencher.iter_batched(
                source,
                |source| {
                    let report = runtime.block_on(verify(source, &options)).unwrap();
                    assert_eq!((report.verdict(), report.totals().events), (Verdict::Verified, VERIFIED));
                },
                BatchSize::PerIteration,
            );
        });
    }
    audit.finish();
    let mut sha256 = criterion.benchmark_group("sha256");
    sha256.throughput(hashed);
    sha256.bench_function("verify", |bencher| bencher.iter(|| hash(&encodings)));
}

fn hash(encodings: &[Vec<u8>]) {
    for bytes in encodings {
        black_box(Sha256::digest(black_box(bytes)));
    }
}

/// Where as many threads check segments; the one that drives them hardly does a thing.
fn of_cores(cores: usize) -> Runtime {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(cores).build().unwrap()
}

/// Writes the chain `main` as a store does.
struct Writer {
    namespace: Namespace,
    key: AuditKey,
    chain: Chain,
}

impl Writer {
    fn new() -> Self {
        Self {
            namespace: Namespace::new("prod").unwrap(),
            key: Self::key(),
            chain: Chain::new("main").unwrap(),
        }
    }

    fn key() -> AuditKey {
        AuditKey::new([7; 16], &[1; 32])
    }

    /// Events with all that an event can say, as many to a segment as go into it.
    fn segments_of(&self, events: u64) -> Vec<Vec<Details>> {
        let details: Vec<_> = (0..events).map(details).collect();
        let to_a_segment = MAX_SEGMENT_LEN / details.last().unwrap().stored_len(&self.chain);
        details.chunks(to_a_segment).map(<[_]>::to_vec).collect()
    }

    /// Links events into `events`, which is empty, and makes a segment of them.
    fn segment(
        &self,
        details: Vec<Details>,
        events: &mut Vec<CryptoAuditEvent>,
        mut sequence: u64,
        mut previous: [u8; 32],
    ) -> Segment {
        for details in details {
            let event = details.link(self.chain.clone(), sequence, previous);
            (sequence, previous) = (sequence + 1, *event.event_hash());
            events.push(event);
        }
        Segment::new(&self.key, &self.namespace, events).unwrap()
    }

    /// Segments that follow each other, and the bytes of each event.
    fn write(&self, segments: Vec<Vec<Details>>) -> (Vec<Segment>, Vec<Vec<u8>>) {
        let (mut written, mut encodings) = (Vec::new(), Vec::new());
        let (mut next, mut head) = (0, GENESIS);
        for details in segments {
            let mut events = Vec::new();
            let segment = self.segment(details, &mut events, next, head);
            (next, head) = (next + u64::from(segment.count), segment.head_hash);
            encodings.extend(events.iter().map(|event| event.event_bytes().to_vec()));
            written.push(segment);
        }
        (written, encodings)
    }
}

fn details(version: u64) -> Details {
    Details {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        key_id: "00112233-4455-4677-8899-aabbccddeeff".into(),
        principal: "alice@example.org".into(),
        reason: "conflict".into(),
        resource: format!("bes:prod/alice/inbox/note/0192f0c1-7b7e-7000-8000-{version:012}"),
        version,
        content_digest: Some([7; 32]),
        ..Details::now()
    }
}

/// The chain `main`, page by page. Each is given away once.
struct Memory(Mutex<BTreeMap<u64, Page>>);

impl Memory {
    fn pages(segments: Vec<Segment>) -> BTreeMap<u64, Page> {
        let mut pages: Vec<Vec<Segment>> = vec![Vec::new()];
        let mut len = 0;
        for segment in segments {
            len += segment.events.len();
            if len > PAGE_LEN {
                pages.push(Vec::new());
                len = segment.events.len();
            }
            pages.last_mut().unwrap().push(segment);
        }
        let firsts: Vec<u64> = pages.iter().map(|page| page[0].first).collect();
        let nexts = firsts.iter().skip(1).map(|next| Some(*next)).chain([None]);
        let stored = pages.into_iter().map(|page| page.into_iter().map(Stored::Segment).collect());
        firsts.iter().copied().zip(stored.zip(nexts).map(|(stored, next)| Page { stored, next })).collect()
    }
}

#[async_trait]
impl SegmentSource for Memory {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        let page = (chain.as_str() == "main").then(|| self.0.lock().unwrap().remove(&from)).flatten();
        Ok(page.unwrap_or(Page { stored: Vec::new(), next: None }))
    }

    async fn last(&self, _: &Chain, _: Option<u64>) -> Result<Option<Stored>, Cause> {
        unreachable!("there is no baseline")
    }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
}

criterion_group! {
    name = benches;
    config = short();
    targets = link, verify_log
}
criterion_main!(benches);
