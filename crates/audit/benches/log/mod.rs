//! A log in memory: how it is written, verified, and what its bytes alone take to hash.

use std::{
    collections::BTreeMap,
    hint::black_box,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use blue_audit::{
    AuditKey, AuditKeys, Cause, Details, GENESIS, Head, MAX_SEGMENT_LEN, Page, Segment, SegmentBuilder,
    SegmentSource, Stored, Verdict, VerifyOptions,
    address::{Chain, Namespace, split_length_prefixed},
    verify,
};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

/// About what a page of DynamoDB holds.
const PAGE_LEN: usize = 1 << 20;

const NOTHING: Head = Head { next: 0, hash: GENESIS };

/// Writes the chain `main` as a store does.
pub(crate) struct Writer {
    namespace: Namespace,
    key: AuditKey,
    chain: Chain,
}

impl Writer {
    pub(crate) fn new() -> Self {
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
    pub(crate) fn events(&self, count: u64) -> Vec<Vec<Details>> {
        let details: Vec<_> = (0..count).map(details).collect();
        let to_a_segment = MAX_SEGMENT_LEN / details.last().unwrap().stored_len(&self.chain);
        details.chunks(to_a_segment).map(<[_]>::to_vec).collect()
    }

    /// The first segment of a chain.
    pub(crate) fn first(&self, events: &[Details]) -> Segment {
        self.segment(events, NOTHING)
    }

    fn segment(&self, events: &[Details], before: Head) -> Segment {
        let mut builder = SegmentBuilder::new(self.chain.clone(), before);
        for details in events {
            builder.push(details).unwrap();
        }
        builder.finish(&self.key, &self.namespace).unwrap()
    }

    /// Segments that follow each other.
    pub(crate) fn log(&self, events: &[Vec<Details>]) -> Vec<Segment> {
        let mut head = NOTHING;
        let mut next = |events: &Vec<Details>| {
            let segment = self.segment(events, head);
            head = Head { next: head.next + u64::from(segment.count), hash: segment.head_hash };
            segment
        };
        events.iter().map(&mut next).collect()
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

/// The bytes of each event, as they lie in the segments.
fn encodings(segments: &[Segment]) -> impl Iterator<Item = &[u8]> {
    segments.iter().flat_map(|segment| {
        let mut rest = &segment.events[..];
        std::iter::from_fn(move || {
            let (event, after) = split_length_prefixed(rest)?;
            rest = after;
            Some(event)
        })
    })
}

/// Hashes each event, and does nothing else.
pub(crate) fn hash(segments: &[Segment]) {
    for bytes in encodings(segments) {
        black_box(Sha256::digest(black_box(bytes)));
    }
}

/// How many bytes that are.
pub(crate) fn hashed_len(segments: &[Segment]) -> usize {
    encodings(segments).map(<[u8]>::len).sum()
}

/// What verifies a log on so many cores.
pub(crate) struct Verifier {
    /// As many threads check segments; the one that drives them hardly does a thing.
    runtime: Runtime,
    options: VerifyOptions,
}

impl Verifier {
    pub(crate) fn of_cores(cores: usize) -> Self {
        let Writer { namespace, key, .. } = Writer::new();
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(cores).build().unwrap();
        let mut options = VerifyOptions::new(namespace, Some(AuditKeys::new(key, [])));
        options.parallelism = NonZeroUsize::new(cores).unwrap();
        Self { runtime, options }
    }

    /// Verifies a log of so many events.
    pub(crate) fn verify(&self, log: Arc<Memory>, events: u64) {
        let report = self.runtime.block_on(verify(log, &self.options)).unwrap();
        assert_eq!((report.verdict(), report.totals().events), (Verdict::Verified, events));
    }
}

/// The chain `main`, page by page. Each is given away once: a source makes the pages that it gives, and what that costs is
/// not the verifier's.
pub(crate) struct Memory(Mutex<BTreeMap<u64, Page>>);

impl Memory {
    pub(crate) fn new(segments: Vec<Segment>) -> Arc<Self> {
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
        let pages = stored.zip(nexts).map(|(stored, next)| Page { stored, next });
        Arc::new(Self(Mutex::new(firsts.iter().copied().zip(pages).collect())))
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
