//! The laws of the envelope, over random keys, contexts and contents.
#![expect(clippy::unwrap_used, reason = "a test may")]

use blue_envelope::{
    CONTENT_OFFSET, Context, Envelope, Kek, KekId, Malformed, OVERHEAD, OpenError, SecretKey, WRITE_ID_LEN,
    address::{Attributes, ItemAttributes, Namespace, RecordPath},
    open, open_in_place, rewrap, seal,
};
use proptest::prelude::*;

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

proptest! {
    #[test]
    fn opening_what_was_sealed_gives_it_back(plaintext: Vec<u8>) {
        let kek = kek();
        let envelope = seal(&kek, &here(), &plaintext).unwrap();
        prop_assert_eq!(envelope.len(), plaintext.len() + OVERHEAD);
        prop_assert_eq!(&open(&kek, &here(), &envelope).unwrap(), &plaintext);
        let mut buffer = envelope;
        prop_assert_eq!(open_in_place(&kek, &here(), &mut buffer).unwrap(), &plaintext[..]);
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
    fn accepted_bytes_are_their_own_encoding(mut bytes: Vec<u8>, well_formed: bool) {
        if well_formed && bytes.len() >= 5 {
            bytes[..5].copy_from_slice(b"BES1\x01");
        }
        if let Ok(envelope) = Envelope::parse(&bytes) {
            let mut parts = envelope.write_id().to_vec();
            parts.extend_from_slice(envelope.kek_id().as_bytes());
            parts.extend_from_slice(envelope.wrapped_dek());
            parts.extend_from_slice(envelope.content());
            prop_assert_eq!(&parts, &bytes);
            prop_assert_eq!(envelope.as_bytes(), &bytes[..]);
            prop_assert_eq!(&envelope.write_id()[5..], &envelope.commitment()[..]);
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let kek = kek();
    let envelope = seal(&kek, &here(), b"some content").unwrap();
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
fn an_envelope_opens_in_its_own_context_only() {
    let kek = kek();
    let envelope = seal(&kek, &here(), b"x").unwrap();
    for elsewhere in [
        context("bob/inbox/note/1", 7, "open"),
        context("alice/outbox/note/1", 7, "open"),
        context("alice/inbox/memo/1", 7, "open"),
        context("alice/inbox/note/2", 7, "open"),
        context("alice/inbox/note/1", 8, "open"),
        context("alice/inbox/note/1", 7, "done"),
    ] {
        assert_eq!(open(&kek, &elsewhere, &envelope), Err(OpenError::Authentication));
    }
}

#[test]
fn another_key_under_the_same_id_does_not_open() {
    let kek = kek();
    let impostor = Kek::new(kek.id(), SecretKey::generate().unwrap());
    let envelope = seal(&kek, &here(), b"x").unwrap();
    assert_eq!(open(&impostor, &here(), &envelope), Err(OpenError::Authentication));
    let mut unchanged = envelope.clone();
    assert_eq!(rewrap(&impostor, &kek, &mut unchanged), Err(OpenError::Authentication));
    assert_eq!(unchanged, envelope);
}

#[test]
fn two_seals_of_one_input_have_nothing_in_common_but_the_header() {
    let kek = kek();
    let (a, b) = (seal(&kek, &here(), b"same").unwrap(), seal(&kek, &here(), b"same").unwrap());
    let (a, b) = (Envelope::parse(&a).unwrap(), Envelope::parse(&b).unwrap());
    assert_ne!(a.commitment(), b.commitment());
    assert_ne!(a.wrapped_dek(), b.wrapped_dek());
    assert_ne!(a.content(), b.content());
    assert_eq!(a.kek_id(), b.kek_id());
}

#[test]
fn keys_do_not_print_themselves() {
    let secret = SecretKey::from_slice(&[0xab; 32]).unwrap();
    assert_eq!(format!("{secret:?}"), "SecretKey(redacted)");
    let kek = Kek::new(KekId::from_bytes([1; 16]), secret);
    assert_eq!(format!("{kek:?}"), "Kek { id: KekId(01010101-0101-0101-0101-010101010101), .. }");
}
