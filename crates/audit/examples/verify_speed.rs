//! How fast a log of a million events is verified, from memory: `cargo run --release --example verify_speed`.
//!
//! Optional arguments: how many events, and in how many chains.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::{collections::BTreeMap, env, error::Error, sync::Arc};

use async_trait::async_trait;
use blue_audit::{
    AuditKey, AuditKeys, Cause, Details, GENESIS, Page, Report, Segment, SegmentSource, Stored,
    VerifyOptions,
    address::{Chain, Namespace},
    verify,
};

/// About what a page of DynamoDB holds.
const PAGE_LEN: usize = 1 << 20;
const SEGMENT_EVENTS: u64 = 100;

struct Memory(BTreeMap<Chain, BTreeMap<u64, Segment>>);

#[async_trait]
impl SegmentSource for Memory {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        let (mut stored, mut len) = (Vec::new(), 0);
        for (&first, segment) in self.0.get(chain).into_iter().flat_map(|segments| segments.range(from..)) {
            len += segment.events.len();
            if len > PAGE_LEN {
                return Ok(Page { stored, next: Some(first) });
            }
            stored.push(Stored::Segment(segment.clone()));
        }
        Ok(Page { stored, next: None })
    }

    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        let before = before.unwrap_or(u64::MAX);
        let last = self.0.get(chain).and_then(|segments| segments.range(..before).next_back());
        Ok(last.map(|(_, segment)| Stored::Segment(segment.clone())))
    }
}

/// A chain of events such as the store writes.
fn chain(
    name: &str,
    events: u64,
    key: &AuditKey,
    namespace: &Namespace,
) -> Result<BTreeMap<u64, Segment>, Box<dyn Error>> {
    let (mut segments, mut run, mut previous) = (BTreeMap::new(), Vec::new(), GENESIS);
    for sequence in 0..events {
        let details = Details {
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
            span_id: "00f067aa0ba902b7".into(),
            key_id: "00112233-4455-4677-8899-aabbccddeeff".into(),
            principal: "alice@example.org".into(),
            resource: format!("bes:prod/alice/inbox/note/{sequence}"),
            version: sequence,
            content_digest: Some([7; 32]),
            ..Details::now()
        };
        let event = details.link(name, sequence, previous);
        previous = *event.event_hash();
        run.push(event);
        if (sequence + 1) % SEGMENT_EVENTS == 0 || sequence + 1 == events {
            let segment = Segment::new(key, namespace, &run)?;
            segments.insert(segment.first, segment);
            run.clear();
        }
    }
    Ok(segments)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse::<u64>());
    let events = arguments.next().transpose()?.unwrap_or(1_000_000);
    let chains = arguments.next().transpose()?.unwrap_or(1).max(1);

    let (key, namespace) = (AuditKey::new([7; 16], &[1; 32]), Namespace::new("prod")?);
    let mut log = BTreeMap::new();
    for number in 0..chains {
        let name = if number == 0 { "main".to_owned() } else { format!("writer-{number}") };
        log.insert(Chain::new(&name)?, chain(&name, events / chains, &key, &namespace)?);
    }
    let mut options = VerifyOptions::new(namespace, Some(AuditKeys::new(key, [])));
    options.chains = log.keys().cloned().collect();
    let source: Arc<dyn SegmentSource> = Arc::new(Memory(log));

    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let print = |what: &str, report: &Report| {
        let per_second = u128::from(report.totals().bytes) / report.took.as_micros().max(1);
        println!("{what}\n{report}\n{per_second} MB/s\n");
    };
    print("with MACs", &runtime.block_on(verify(Arc::clone(&source), &options))?);
    options.keys = None;
    print("without keys", &runtime.block_on(verify(source, &options))?);
    Ok(())
}
