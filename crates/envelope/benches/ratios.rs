//! Sealing and opening against their floors, both sides of each ratio measured in turn, a batch of each at a time. Prints
//! one JSON object a line, of nanoseconds.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod floor;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use blue_envelope::{
    CONTENT_OFFSET, Context, KEY_LEN, Kek, KekId, OVERHEAD, SecretKey, TAG_LEN,
    address::{Attributes, ItemAttributes, Namespace, RecordPath},
    open, open_in_place, seal, seal_in_place,
};
use blue_turns::{Side, say, times};
use ring::aead::{Aad, LessSafeKey};

use floor::{Floor, aes, nonce};

/// How many times both sides are measured.
const ROUNDS: usize = 1_000;
/// How many bytes one batch works on, about: they fit into the second-level cache.
const BATCH: usize = 256 << 10;

fn main() {
    let bench = Bench::new();
    ratio("seal, 1 KiB", "the floor", &mut bench.seal(1 << 10), &mut bench.floor_seal(1 << 10));
    ratio("open, 1 KiB", "the floor", &mut bench.open(1 << 10), &mut bench.floor_open(1 << 10));
    for (name, size) in [("16 KiB", 16 << 10), ("256 KiB", 256 << 10)] {
        let than = "ring and the fixed floor";
        let (ours, theirs) = (&mut bench.seal_in_place(size), &mut bench.ring_seal(size));
        ratio(&format!("seal in place, {name}"), than, ours, theirs);
        let (ours, theirs) = (&mut bench.open_in_place(size), &mut bench.ring_open(size));
        ratio(&format!("open in place, {name}"), than, ours, theirs);
    }
}

fn ratio(what: &str, than: &str, ours: &mut Side<'_>, theirs: &mut Side<'_>) {
    say(what, than, "ns", &times(ROUNDS, ours, theirs));
}

/// Times `one` on each of a batch of buffers, which begin as `buffer` is every time.
fn batches(buffer: Vec<u8>, room: usize, mut one: impl FnMut(&mut Vec<u8>)) -> impl FnMut() -> Duration {
    let count = (BATCH / buffer.len().max(1)).clamp(1, 128);
    let fresh = |capacity| Vec::with_capacity(capacity);
    let mut batch: Vec<Vec<u8>> = (0..count).map(|_| fresh(buffer.len() + room)).collect();
    move || {
        for each in &mut batch {
            each.clear();
            each.extend_from_slice(&buffer);
        }
        let begun = Instant::now();
        for each in &mut batch {
            one(black_box(each));
        }
        begun.elapsed() / u32::try_from(count).unwrap()
    }
}

struct Bench {
    kek: Kek,
    context: Context,
    floor: Floor,
    key: LessSafeKey,
}

impl Bench {
    fn new() -> Self {
        let address =
            "alice/inbox/note/42".parse::<RecordPath>().unwrap().within(Namespace::new("prod").unwrap());
        let attributes = ItemAttributes::new(Attributes::new().with("status", "open").unwrap());
        Self {
            kek: Kek::new(KekId::generate().unwrap(), SecretKey::generate().unwrap()),
            context: Context::new(&address, 1, &attributes),
            floor: Floor::new(),
            key: aes(&[7; KEY_LEN]),
        }
    }

    fn seal(&self, size: usize) -> impl FnMut() -> Duration {
        batches(vec![1; size], 0, |plaintext| {
            black_box(seal(&self.kek, &self.context, plaintext).unwrap());
        })
    }

    fn open(&self, size: usize) -> impl FnMut() -> Duration {
        batches(seal(&self.kek, &self.context, &vec![1; size]).unwrap(), 0, |envelope| {
            black_box(open(&self.kek, &self.context, envelope).unwrap());
        })
    }

    fn seal_in_place(&self, size: usize) -> impl FnMut() -> Duration {
        batches(vec![1; CONTENT_OFFSET + size], TAG_LEN, |buffer| {
            seal_in_place(&self.kek, &self.context, buffer).unwrap();
        })
    }

    fn open_in_place(&self, size: usize) -> impl FnMut() -> Duration {
        batches(seal(&self.kek, &self.context, &vec![1; size]).unwrap(), 0, |buffer| {
            open_in_place(&self.kek, &self.context, buffer).unwrap();
        })
    }

    fn floor_seal(&self, size: usize) -> impl FnMut() -> Duration {
        batches(vec![1; OVERHEAD + size], 0, |buffer| self.floor.seal(buffer))
    }

    fn floor_open(&self, size: usize) -> impl FnMut() -> Duration {
        let mut envelope = vec![1; OVERHEAD + size];
        self.floor.seal(&mut envelope);
        batches(envelope, 0, |buffer| self.floor.open(buffer))
    }

    /// ring over so many bytes, and the floor over none.
    fn ring_seal(&self, size: usize) -> impl FnMut() -> Duration {
        let mut fixed = [1; OVERHEAD];
        batches(vec![1; size], 0, move |buffer| {
            self.floor.seal(black_box(&mut fixed));
            let _tag = black_box(self.key.seal_in_place_separate_tag(nonce(), Aad::empty(), buffer).unwrap());
        })
    }

    fn ring_open(&self, size: usize) -> impl FnMut() -> Duration {
        let mut sealed = vec![1; size];
        self.key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).unwrap();
        let mut fixed = [1; OVERHEAD];
        self.floor.seal(&mut fixed);
        batches(sealed, 0, move |buffer| {
            self.floor.open(black_box(&mut fixed.clone()));
            self.key.open_in_place(nonce(), Aad::empty(), buffer).unwrap();
        })
    }
}
