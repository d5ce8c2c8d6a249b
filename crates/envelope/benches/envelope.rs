//! What sealing and opening cost, beside the primitives that format 1 cannot do without.
//!
//! - `envelope`: this crate. `seal` and `open` make a new buffer, `… in place` work within the caller's.
//! - `floor`: exactly the primitive calls of format 1, in its order, in a buffer that is there: one draw of 32 random bytes
//!   (sealing alone), HMAC states of the DEK, three HMACs for three derived blocks, two AES key set-ups, AES-GCM over the
//!   DEK and over the content. Those of the KEK are precomputed.
//! - `ring`: AES-256-GCM over the content alone, its key set up beforehand.
//!
//! Ratios are better taken by the bench `ratios`, which measures both sides of each in turn.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod floor;

use std::{hint::black_box, mem, time::Duration};

use blue_envelope::{
    CONTENT_OFFSET, Context, KEY_LEN, Kek, KekId, OVERHEAD, SecretKey, TAG_LEN,
    address::{Attributes, ItemAttributes, Namespace, RecordPath},
    open, open_in_place, rewrap, seal, seal_in_place,
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ring::aead::Aad;

use floor::{Floor, aes, nonce};

const SIZES: [usize; 3] = [1 << 10, 16 << 10, 256 << 10];

fn kek() -> Kek {
    Kek::new(KekId::generate().unwrap(), SecretKey::generate().unwrap())
}

/// As the facade has it: one attribute of the caller's, three of the store's.
fn context() -> Context {
    let address =
        "alice/inbox/note/42".parse::<RecordPath>().unwrap().within(Namespace::new("prod").unwrap());
    Context::new(&address, 1_700_000_000_000_000, &attributes())
}

fn attributes() -> ItemAttributes {
    let mut attributes = ItemAttributes::new(Attributes::new().with("status", "open").unwrap());
    for (name, value) in [("_t", 1), ("_c", 1_700_000_000_000_000_i64), ("_u", 1_700_000_000_000_000)] {
        attributes.insert(name, value).unwrap();
    }
    attributes
}

fn content(size: usize) -> Vec<u8> {
    (0_u8..=255).cycle().take(size).collect()
}

fn sealing(c: &mut Criterion) {
    let (kek, context) = (kek(), context());
    let mut group = c.benchmark_group("envelope");
    for size in SIZES {
        let plaintext = content(size);
        group.bench_function(BenchmarkId::new("seal", size), |b| {
            b.iter(|| seal(&kek, &context, black_box(&plaintext)).unwrap());
        });
        let mut buffer = vec![0; CONTENT_OFFSET + size];
        buffer.reserve_exact(TAG_LEN);
        group.bench_function(BenchmarkId::new("seal in place", size), |b| {
            b.iter(|| {
                buffer.truncate(CONTENT_OFFSET + size);
                seal_in_place(&kek, &context, black_box(&mut buffer)).unwrap();
            });
        });
    }
    group.finish();

    let mut group = c.benchmark_group("floor");
    let floor = Floor::new();
    for size in SIZES.into_iter().chain([0]) {
        let mut buffer = vec![0; OVERHEAD + size];
        group.bench_function(BenchmarkId::new("seal", size), |b| {
            b.iter(|| floor.seal(black_box(&mut buffer)))
        });
    }
    group.finish();

    let mut group = c.benchmark_group("ring");
    let key = aes(&[7; KEY_LEN]);
    for size in SIZES {
        let mut buffer = content(size);
        group.bench_function(BenchmarkId::new("seal", size), |b| {
            b.iter(|| key.seal_in_place_separate_tag(nonce(), Aad::empty(), black_box(&mut buffer)).unwrap());
        });
    }
    group.finish();
}

fn opening(c: &mut Criterion) {
    let (kek, context) = (kek(), context());
    let mut group = c.benchmark_group("envelope");
    for size in SIZES {
        let envelope = seal(&kek, &context, &content(size)).unwrap();
        group.bench_function(BenchmarkId::new("open", size), |b| {
            b.iter(|| open(&kek, &context, black_box(&envelope)).unwrap());
        });
        group.bench_function(BenchmarkId::new("open in place", size), |b| {
            b.iter_batched_ref(
                || envelope.clone(),
                |envelope| {
                    open_in_place(&kek, &context, envelope).unwrap();
                },
                batches(size),
            );
        });
    }
    group.finish();

    let mut group = c.benchmark_group("floor");
    let floor = Floor::new();
    for size in SIZES.into_iter().chain([0]) {
        let mut envelope = vec![0; OVERHEAD + size];
        floor.seal(&mut envelope);
        group.bench_function(BenchmarkId::new("open", size), |b| {
            b.iter_batched_ref(|| envelope.clone(), |envelope| floor.open(envelope), batches(size));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("ring");
    let key = aes(&[7; KEY_LEN]);
    for size in SIZES {
        let mut sealed = content(size);
        key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).unwrap();
        group.bench_function(BenchmarkId::new("open", size), |b| {
            b.iter_batched_ref(
                || sealed.clone(),
                |sealed| {
                    key.open_in_place(nonce(), Aad::empty(), sealed).unwrap();
                },
                batches(size),
            );
        });
    }
    group.finish();
}

fn rest(c: &mut Criterion) {
    let (from, to, context) = (kek(), kek(), context());
    let mut group = c.benchmark_group("envelope");
    group.bench_function("context", |b| {
        let address =
            "alice/inbox/note/42".parse::<RecordPath>().unwrap().within(Namespace::new("prod").unwrap());
        let attributes = attributes();
        b.iter(|| Context::new(black_box(&address), 1_700_000_000_000_000, &attributes));
    });
    group.bench_function("rewrap", |b| {
        let mut envelope = seal(&from, &context, b"content").unwrap();
        let (mut from, mut to) = (&from, &to);
        b.iter(|| {
            rewrap(from, to, black_box(&mut envelope)).unwrap();
            mem::swap(&mut from, &mut to);
        });
    });
    group.finish();
}

/// Inputs are made and dropped outside what is measured, few at a time where they are large.
fn batches(size: usize) -> BatchSize {
    if size > 1 << 10 { BatchSize::NumIterations(16) } else { BatchSize::SmallInput }
}

/// Short: what is to be close is measured by `ratios`.
fn brief() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = brief(); targets = sealing, opening, rest }
criterion_main!(benches);
