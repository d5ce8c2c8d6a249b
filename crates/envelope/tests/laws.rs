//! The laws of the envelope, over random keys, contexts and contents.
#![expect(clippy::unwrap_used, reason = "a test may")]

use blue_envelope::{
    CONTENT_OFFSET, Context, Envelope, Kek, KekId, Malformed, OVERHEAD, OpenError, SecretKey, WRITE_ID_LEN,
    address::{Address, Attributes, ItemAttributes, Namespace, RecordPath, Value},
    open, open_in_place, rewrap, seal,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::Index,
};

fn kek() -> Kek {
    Kek::new(KekId::generate().unwrap(), SecretKey::generate().unwrap())
}

fn context(path: &str, version: u64, status: &str) -> Context {
    let address = path.parse::<RecordPath>().unwrap().within(Namespace::new("test").unwrap());
    Context::new(&address, version, &ItemAttributes::new(Attributes::new().with("status", status).unwrap()))
}

fn here() -> Context {
    context("alice/inbox/note/1", 7, "open")
}

/// All that a context is made of. Short names from few letters, so that two of them are often alike in most parts, and
/// differ by where one part ends and the next begins.
type Place = (Address, u64, ItemAttributes);

fn place() -> impl Strategy<Value = Place> {
    let address = ("[ab]{1,2}", "[ab]{1,2}", "[ab]{1,2}", "[ab]{1,2}", "[ab/#é\u{10000}]{1,3}").prop_map(
        |(namespace, tenant, collection, kind, id)| Address {
            namespace: namespace.try_into().unwrap(),
            tenant: tenant.try_into().unwrap(),
            collection: collection.try_into().unwrap(),
            kind: kind.try_into().unwrap(),
            id: id.try_into().unwrap(),
        },
    );
    let value = prop_oneof![
        "[01é]{0,2}".prop_map(Value::String),
        (-1..=1_i64).prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Bool),
        vec(b'0'..=b'1', 0..3).prop_map(Value::Bytes),
    ];
    let attributes = btree_map("[a-c_]{1,2}", value, 0..4).prop_map(|map| {
        let mut attributes = ItemAttributes::default();
        for (name, value) in map {
            attributes.insert(name, value).unwrap();
        }
        attributes
    });
    (address, prop_oneof![0..3_u64, any::<u64>()], attributes)
}

fn context_of((address, version, attributes): &Place) -> Context {
    Context::new(address, *version, attributes)
}

/// A change of some bytes into others.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Replace(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// The bytes between two places, out of another envelope.
    Splice(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Mutation::Replace(at, bytes)),
        (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Splice(from, to)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Replace(at, by) => {
                let at = at.index(length);
                let end = length.min(at + by.len());
                bytes[at..end].copy_from_slice(&by[..end - at]);
            }
            Self::Insert(at, more) => {
                let at = at.index(length + 1);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + count));
            }
            Self::Splice(from, to) => {
                let common = length.min(other.len());
                let (from, to) = (from.index(common), to.index(common));
                let range = from.min(to)..=from.max(to);
                bytes[range.clone()].copy_from_slice(&other[range]);
            }
        }
    }
}

proptest! {
    #[test]
    fn opening_what_was_sealed_gives_it_back(place in place(), plaintext: Vec<u8>) {
        let (kek, context) = (kek(), context_of(&place));
        let envelope = seal(&kek, &context, &plaintext).unwrap();
        prop_assert_eq!(envelope.len(), plaintext.len() + OVERHEAD);
        prop_assert_eq!(&open(&kek, &context, &envelope).unwrap(), &plaintext);
        let mut buffer = envelope;
        open_in_place(&kek, &context, &mut buffer).unwrap();
        prop_assert_eq!(buffer, plaintext);
    }

    #[test]
    fn any_mutation_is_refused(
        plaintext in vec(any::<u8>(), 0..60), mutations in vec(mutation(), 1..4),
    ) {
        let kek = kek();
        let envelope = seal(&kek, &here(), &plaintext).unwrap();
        let other = seal(&kek, &here(), &plaintext).unwrap();
        let mut changed = envelope.clone();
        for mutation in &mutations {
            mutation.apply(&mut changed, &other);
        }
        // Several mutations may undo each other, or splice the whole of the other envelope.
        prop_assume!(changed != envelope && changed != other);
        let refusal = open(&kek, &here(), &changed).unwrap_err();
        prop_assert_eq!(open_in_place(&kek, &here(), &mut changed).unwrap_err(), refusal);
    }

    #[test]
    fn a_record_opens_in_its_own_place_only(a in place(), b in place(), differs: [bool; 7]) {
        // Two places at random differ in nearly everything; these differ in some parts, or in none.
        let part = |index: usize| if differs[index] { &b } else { &a };
        let b = (
            Address {
                namespace: part(0).0.namespace.clone(),
                tenant: part(1).0.tenant.clone(),
                collection: part(2).0.collection.clone(),
                kind: part(3).0.kind.clone(),
                id: part(4).0.id.clone(),
            },
            part(5).1,
            part(6).2.clone(),
        );
        let kek = kek();
        let envelope = seal(&kek, &context_of(&a), b"x").unwrap();
        let opened = open(&kek, &context_of(&b), &envelope);
        prop_assert_eq!(opened.is_ok(), a == b);
        if let Err(error) = opened {
            prop_assert_eq!(error, OpenError::Authentication);
        }
    }

    #[test]
    fn under_another_kek_nothing_opens(place in place(), plaintext: Vec<u8>, same_id: bool) {
        let (right, context) = (kek(), context_of(&place));
        let id = if same_id { right.id() } else { KekId::generate().unwrap() };
        let wrong = Kek::new(id, SecretKey::generate().unwrap());
        let envelope = seal(&right, &context, &plaintext).unwrap();
        let expected = match same_id {
            true => OpenError::Authentication,
            false => OpenError::WrongKey { found: right.id(), given: id },
        };
        prop_assert_eq!(open(&wrong, &context, &envelope), Err(expected));
        let mut unchanged = envelope.clone();
        prop_assert_eq!(rewrap(&wrong, &right, &mut unchanged), Err(expected));
        prop_assert_eq!(unchanged, envelope);
    }

    #[test]
    fn two_seals_of_one_input_share_nothing_but_the_key_id(place in place(), plaintext: Vec<u8>) {
        let (kek, context) = (kek(), context_of(&place));
        let (a, b) = (seal(&kek, &context, &plaintext).unwrap(), seal(&kek, &context, &plaintext).unwrap());
        let (a, b) = (Envelope::parse(&a).unwrap(), Envelope::parse(&b).unwrap());
        prop_assert_ne!(a.commitment(), b.commitment());
        prop_assert_ne!(a.wrapped_dek(), b.wrapped_dek());
        prop_assert_ne!(a.content(), b.content());
        prop_assert_eq!(a.kek_id(), b.kek_id());
        prop_assert_ne!(a.content_digest(), b.content_digest());
    }

    #[test]
    fn rewrap_changes_the_wrapping_and_nothing_else(plaintext: Vec<u8>) {
        let (old, new) = (kek(), kek());
        let before = seal(&old, &here(), &plaintext).unwrap();
        let mut after = before.clone();
        rewrap(&old, &new, &mut after).unwrap();
        prop_assert_eq!(&after[..WRITE_ID_LEN], &before[..WRITE_ID_LEN]);
        prop_assert_eq!(&after[CONTENT_OFFSET..], &before[CONTENT_OFFSET..]);
        prop_assert_ne!(&after[WRITE_ID_LEN..CONTENT_OFFSET], &before[WRITE_ID_LEN..CONTENT_OFFSET]);
        let digest = |bytes| Envelope::parse(bytes).unwrap().content_digest();
        prop_assert_eq!(digest(&after), digest(&before));
        prop_assert_eq!(open(&new, &here(), &after).unwrap(), plaintext);
        let refused = matches!(open(&old, &here(), &after), Err(OpenError::WrongKey { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn accepted_bytes_are_their_own_encoding(rest in vec(any::<u8>(), OVERHEAD - 5..300)) {
        let bytes = [&b"BES1\x01"[..], &rest].concat();
        let envelope = Envelope::parse(&bytes).unwrap();
        let mut parts = envelope.write_id().to_vec();
        parts.extend_from_slice(envelope.kek_id().as_bytes());
        parts.extend_from_slice(envelope.wrapped_dek());
        parts.extend_from_slice(envelope.content());
        prop_assert_eq!(&parts, &bytes);
        prop_assert_eq!(envelope.as_bytes(), &bytes[..]);
        prop_assert_eq!(&envelope.write_id()[5..], &envelope.commitment()[..]);
    }

    #[test]
    fn other_bytes_are_refused_for_what_is_wrong_with_them(
        start in prop_oneof![Just(*b"BES1\x01"), Just(*b"BES1\x02"), Just(*b"BES2\x01"), any::<[u8; 5]>()],
        rest in vec(any::<u8>(), 0..300),
    ) {
        let bytes = [&start[..], &rest].concat();
        let [magic @ .., suite] = start;
        let expected = match (bytes.len(), &magic, suite) {
            (length, ..) if length < 117 => Err(Malformed::Short { length }),
            (_, b"BES1", 0x01) => Ok(()),
            (_, b"BES1", suite) => Err(Malformed::Suite { suite }),
            _ => Err(Malformed::Magic),
        };
        prop_assert_eq!(Envelope::parse(&bytes).map(|_| ()), expected);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    const PLAINTEXT: &[u8] = b"some content";
    let kek = kek();
    let envelope = seal(&kek, &here(), PLAINTEXT).unwrap();
    for bit in 0..envelope.len() * 8 {
        let mut changed = envelope.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let error = open(&kek, &here(), &changed).unwrap_err();
        match bit / 8 {
            0..4 => assert_eq!(error, OpenError::Malformed(Malformed::Magic)),
            4 => assert!(matches!(error, OpenError::Malformed(Malformed::Suite { .. }))),
            37..53 => assert!(matches!(error, OpenError::WrongKey { .. })),
            _ => assert_eq!(error, OpenError::Authentication),
        }
        assert_eq!(open_in_place(&kek, &here(), &mut changed).unwrap_err(), error);
        assert!(!changed.windows(PLAINTEXT.len()).any(|bytes| bytes == PLAINTEXT), "no plaintext is left");
    }
}

#[test]
fn every_truncation_is_refused() {
    let kek = kek();
    let envelope = seal(&kek, &here(), b"some content").unwrap();
    for length in 0..envelope.len() {
        let error = open(&kek, &here(), &envelope[..length]).unwrap_err();
        if length < OVERHEAD {
            assert_eq!(error, OpenError::Malformed(Malformed::Short { length }));
        } else {
            assert_eq!(error, OpenError::Authentication);
        }
    }
}

#[test]
fn keys_do_not_print_themselves() {
    let secret = SecretKey::from_slice(&[0xab; 32]).unwrap();
    assert_eq!(format!("{secret:?}"), "SecretKey(redacted)");
    let kek = Kek::new(KekId::from_bytes([1; 16]), secret);
    assert_eq!(format!("{kek:?}"), "Kek { id: KekId(01010101-0101-0101-0101-010101010101), .. }");
}
