//! What events cost: `cargo bench -p blue-audit --bench audit`.
//!
//! - `audit/link` encodes, hashes and links events, and makes a segment of them; `audit/verify` verifies a whole log from
//!   memory, on one core and on two.
//! - `sha256/link` and `sha256/verify` hash the same events, one by one, and do nothing else.
//!
//! Throughput counts the bytes that are hashed. What one is to the other, `ratios` says.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod log;

use std::{sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use log::{Memory, Verifier, Writer, hash, hashed_len};

const VERIFIED: u64 = 100_000;

fn link(criterion: &mut Criterion) {
    let writer = Writer::new();
    let events = writer.events(1_000).swap_remove(0);
    let segment = [writer.first(&events)];
    let hashed = Throughput::Bytes(hashed_len(&segment) as u64);

    let mut audit = criterion.benchmark_group("audit");
    audit.throughput(hashed.clone());
    audit.bench_function("link", |bencher| bencher.iter(|| writer.first(&events)));
    audit.finish();
    let mut sha256 = criterion.benchmark_group("sha256");
    sha256.throughput(hashed);
    sha256.bench_function("link", |bencher| bencher.iter(|| hash(&segment)));
}

fn verify(criterion: &mut Criterion) {
    let writer = Writer::new();
    let log = writer.log(&writer.events(VERIFIED));
    let hashed = Throughput::Bytes(hashed_len(&log) as u64);

    let mut audit = criterion.benchmark_group("audit");
    audit.throughput(hashed.clone());
    for (cores, name) in [(1, "verify, one core"), (2, "verify, two cores")] {
        let verifier = Verifier::of_cores(cores);
        let verify = |log: Arc<Memory>| verifier.verify(log, VERIFIED);
        audit.bench_function(name, |bencher| {
            bencher.iter_batched(|| Memory::new(log.clone()), verify, BatchSize::PerIteration);
        });
    }
    audit.finish();
    let mut sha256 = criterion.benchmark_group("sha256");
    sha256.throughput(hashed);
    sha256.bench_function("verify", |bencher| bencher.iter(|| hash(&log)));
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
    targets = link, verify
}
criterion_main!(benches);
