//! Sealing and opening bytes with Tink's KMS envelope AEAD.

use std::time::Duration;

use blue_peers::tink::{ADDRESS, PEER, envelope_aead};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tink_core::Aead;

const SIZES: [usize; 2] = [1024, 262_144];

fn envelope(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(PEER);
    let aead = envelope_aead();
    for size in SIZES {
        let plaintext = vec![0x5a; size];
        let ciphertext = aead.encrypt(&plaintext, ADDRESS).expect("the plaintext is short enough");
        assert_eq!(aead.decrypt(&ciphertext, ADDRESS).expect("the ciphertext is authentic"), plaintext);

        group.bench_function(BenchmarkId::new("encrypt", size), |bencher| {
            bencher.iter(|| aead.encrypt(&plaintext, ADDRESS));
        });
        group.bench_function(BenchmarkId::new("decrypt", size), |bencher| {
            bencher.iter(|| aead.decrypt(&ciphertext, ADDRESS));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = envelope
}
criterion_main!(benches);
