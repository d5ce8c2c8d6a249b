//! A typed record to the item that the SDK is given, and back, without a network: what `put` and `get` do between the caller
//! and the SDK, put together from the same public functions. Keys are cached; the audit log is the bench `audit` of blue-audit.
//!
//! Prints, too, how many bytes the item has more than one of the same attributes without encryption.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{collections::HashMap, hint::black_box};

use blue_encrypted_store::{
    Attributes, Namespace, RecordPath,
    table::{PayloadType, StoredRecord, SystemAttributes},
};
use blue_envelope::{CONTENT_OFFSET, Context, Kek, KekId, OVERHEAD, SecretKey, open_in_place, seal_in_place};
use blue_tests::{Item, documented_size};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const VERSION: u64 = 1_764_300_123_456_789;
const TIME: i64 = 1_764_300_123_456_789;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Note {
    data: String,
}

struct Bench {
    kek: Kek,
    namespace: Namespace,
    path: RecordPath,
}

impl Bench {
    fn encode(&self, note: &Note) -> Item {
        let mut envelope = Vec::with_capacity(OVERHEAD + 2_048);
        envelope.resize(CONTENT_OFFSET, 0);
        serde_json::to_writer(&mut envelope, note).unwrap();
        let attributes = Attributes::new().with("status", "open").unwrap();
        let system = SystemAttributes { payload_type: PayloadType::Json, created: TIME, updated: TIME };
        let attributes = system.added_to(attributes);
        let context = Context::new(&self.path.clone().within(self.namespace.clone()), VERSION, &attributes);
        seal_in_place(&self.kek, &context, &mut envelope).unwrap();
        StoredRecord { path: self.path.clone(), version: VERSION, envelope, attributes }.into_item().unwrap()
    }

    fn decode(&self, item: Item) -> Note {
        let StoredRecord { path, version, mut envelope, attributes } = StoredRecord::from_item(item).unwrap();
        let context = Context::new(&path.within(self.namespace.clone()), version, &attributes);
        open_in_place(&self.kek, &context, &mut envelope).unwrap();
        let system = SystemAttributes::of(&attributes).unwrap();
        assert_eq!(system.payload_type, PayloadType::Json);
        let text = RawValue::from_string(String::from_utf8(envelope).unwrap()).unwrap();
        serde_json::from_str(text.get()).unwrap()
    }
}

fn records(c: &mut Criterion) {
    let bench = Bench {
        kek: Kek::new(KekId::generate().unwrap(), SecretKey::generate().unwrap()),
        namespace: Namespace::new("prod").unwrap(),
        path: "alice/inbox/note/42".parse().unwrap(),
    };
    for size in [1 << 10, 256 << 10] {
        // As much JSON as that.
        let note = Note { data: "x".repeat(size - r#"{"data":""}"#.len()) };
        let item = bench.encode(&note);
        assert_eq!(bench.decode(item.clone()), note);
        let plain = HashMap::from([
            ("pk", item["pk"].as_s().unwrap().len()),
            ("sk", item["sk"].as_s().unwrap().len()),
            ("status", "open".len()),
            ("data", size),
        ]);
        let plain: usize = plain.iter().map(|(name, value)| name.len() + value).sum();
        println!(r#"{{"what":"bytes added","size":{size},"bytes":{}}}"#, documented_size(&item) - plain);

        let mut group = c.benchmark_group("record");
        group.bench_function(BenchmarkId::new("encode", size), |b| b.iter(|| bench.encode(black_box(&note))));
        group.bench_function(BenchmarkId::new("decode", size), |b| {
            b.iter_batched(|| item.clone(), |item| bench.decode(item), BatchSize::SmallInput);
        });
        group.finish();
    }
}

criterion_group!(benches, records);
criterion_main!(benches);
