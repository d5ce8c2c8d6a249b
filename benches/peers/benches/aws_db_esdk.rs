//! Encrypting and decrypting one item with the AWS Database Encryption SDK.

use std::time::Duration;

use blue_peers::{
    esdk::{self, ItemEncryptor, Suite},
    item,
};
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use tokio::runtime::Builder;

const SIZES: [usize; 2] = [1024, 262_144];

fn items(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime without drivers starts");
    let mut group = criterion.benchmark_group(esdk::PEER);
    group.sampling_mode(SamplingMode::Flat);
    for suite in Suite::ALL {
        let encryptor = runtime.block_on(ItemEncryptor::new(suite));
        for size in SIZES {
            let plaintext = item(size);
            let encrypted = runtime.block_on(encryptor.encrypt(plaintext.clone()));
            assert_ne!(encrypted["data"], plaintext["data"]);
            assert_eq!(runtime.block_on(encryptor.decrypt(encrypted.clone())), plaintext);

            let id = BenchmarkId::new(format!("encrypt, {}", suite.name()), size);
            group.bench_function(id, |bencher| {
                bencher.iter_batched(
                    || plaintext.clone(),
                    |plaintext| runtime.block_on(encryptor.encrypt(plaintext)),
                    BatchSize::LargeInput,
                );
            });
            let id = BenchmarkId::new(format!("decrypt, {}", suite.name()), size);
            group.bench_function(id, |bencher| {
                bencher.iter_batched(
                    || encrypted.clone(),
                    |encrypted| runtime.block_on(encryptor.decrypt(encrypted)),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = items
}
criterion_main!(benches);
