//! How often sealing and opening allocate: nothing but the buffer that they return.
#![expect(clippy::unwrap_used, reason = "a test may")]

use allocation_counter::{AllocationInfo, measure};
use blue_envelope::{
    Context, Kek, KekId, OVERHEAD, SecretKey,
    address::{ItemAttributes, Namespace, RecordPath},
    open, open_in_place, rewrap, seal, seal_in_place,
};

fn kek() -> Kek {
    Kek::new(KekId::generate().unwrap(), SecretKey::generate().unwrap())
}

fn context() -> Context {
    let address = "t/c/k/i".parse::<RecordPath>().unwrap().within(Namespace::new("n").unwrap());
    Context::new(&address, 1, &ItemAttributes::default())
}

#[test]
fn sealing_and_opening_allocate_what_they_return() {
    let (kek, context) = (kek(), context());
    for size in [0, 1 << 10, 256 << 10] {
        let plaintext = vec![1; size];
        let mut envelope = Vec::new();
        assert_is_one(&measure(|| envelope = seal(&kek, &context, &plaintext).unwrap()), size + OVERHEAD);
        let mut opened = Vec::new();
        let opening = measure(|| opened = open(&kek, &context, &envelope).unwrap());
        assert_eq!(opened, plaintext);
        // Decrypting needs room for the tag.
        assert_is_one(&opening, size + blue_envelope::TAG_LEN);
    }
}

fn assert_is_one(counted: &AllocationInfo, bytes: usize) {
    assert_eq!((counted.count_total, counted.bytes_total), (1, bytes.try_into().unwrap()));
}

#[test]
fn within_a_buffer_nothing_is_allocated() {
    let (from, to, context) = (kek(), kek(), context());
    let mut buffer = vec![1; 1 << 10];
    buffer.reserve_exact(blue_envelope::TAG_LEN);
    let counted = measure(|| {
        seal_in_place(&from, &context, &mut buffer).unwrap();
        rewrap(&from, &to, &mut buffer).unwrap();
        open_in_place(&to, &context, &mut buffer).unwrap();
    });
    assert_eq!(counted.count_total, 0);
}
