//! KEKs wrapped by the local key file.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use blue_address::{ItemAttributes, Tenant};
use blue_envelope::{Kek, KekId, open, seal};
use blue_keys::{KeyContext, KeyError, KeyOwner, KeyProvider, KeyPurpose, LocalFile, WrappedKek};

use crate::{choices::Choices, key_file, names};

/// Bytes that were never wrapped do not unwrap, under a key that no input names.
pub(crate) fn arbitrary(data: &[u8]) {
    let key = crate::digest::sha256(&[b"secret of the fuzzer's key file"]);
    let provider = opened(&key);
    let context = context(&mut Choices::new(b""));
    refused(&provider, data, &context);
}

/// What was wrapped unwraps to the same key; changed in any way, or elsewhere, it does not.
pub(crate) fn wrapped(data: &[u8]) {
    let mut choices = Choices::new(data);
    let key: [u8; 32] = choices.array();
    let there = context(&mut choices);
    let provider = opened(&key);
    let (kek, wrapped) = ready(provider.generate_kek(&there)).expect("it wraps");
    assert_eq!((kek.id(), wrapped.as_bytes().len()), (there.kek_id, 65));
    let unwrapped = ready(provider.unwrap_kek(&wrapped, &there)).expect("it was just wrapped");
    assert!(are_one(&kek, &unwrapped));

    let (mut bytes, mut changed_key, mut changed_there) = (wrapped.as_bytes().to_vec(), key, there.clone());
    while !choices.is_empty() {
        match choices.below(8) {
            0 => choices.flip(&mut bytes),
            1 => bytes.truncate(choices.index(bytes.len() + 1)),
            2 => bytes.extend_from_slice(choices.bytes()),
            3 => choices.flip(&mut changed_key),
            4 => changed_there.version = changed_there.version.wrapping_add(choices.byte().into()),
            5 => changed_there.kek_id = KekId::from_bytes(choices.array()),
            6 => changed_there = context(&mut choices),
            _ => changed_there.purpose = purpose(&mut choices),
        }
    }
    let provider = opened(&changed_key);
    if (&bytes[..], changed_key, &changed_there) == (wrapped.as_bytes(), key, &there) {
        let unwrapped = ready(provider.unwrap_kek(&wrapped, &there)).expect("nothing changed");
        assert!(are_one(&kek, &unwrapped));
    } else {
        refused(&provider, &bytes, &changed_there);
    }
}

fn refused(provider: &LocalFile, bytes: &[u8], context: &KeyContext) {
    let wrapped = WrappedKek::new(provider.umk_id().clone(), bytes.to_vec());
    assert_eq!(wrapped.as_bytes(), bytes);
    let error = ready(provider.unwrap_kek(&wrapped, context)).expect_err("it was not wrapped so");
    // "a wrapped KEK has 65 bytes", the first of them 0x01.
    let malformed = bytes.len() != 65 || bytes[0] != 0x01;
    match error {
        KeyError::Malformed => assert!(malformed),
        KeyError::Authentication => assert!(!malformed),
        other => panic!("another class: {other}"),
    }
}

/// Whether two KEKs have the same id and the same secret.
fn are_one(one: &Kek, other: &Kek) -> bool {
    let address = names::address(&mut Choices::new(b""));
    let context = blue_envelope::Context::new(&address, 0, &ItemAttributes::default());
    let envelope = seal(one, &context, b"x").expect("it seals");
    open(other, &context, &envelope).is_ok()
}

fn opened(key: &[u8; 32]) -> LocalFile {
    key_file::with_file(&key_file::text(key), LocalFile::open).expect("a key file as specified")
}

fn context(choices: &mut Choices<'_>) -> KeyContext {
    KeyContext {
        namespace: names::address(choices).namespace,
        purpose: purpose(choices),
        version: u32::from_be_bytes(choices.array()),
        kek_id: KekId::from_bytes(choices.array()),
    }
}

fn purpose(choices: &mut Choices<'_>) -> KeyPurpose {
    let tenant = |name: &str| KeyOwner::Tenant(Tenant::new(name).expect("letters are a name")).into();
    match choices.below(5) {
        0 => KeyOwner::Audit.into(),
        // A tenant named as another purpose is not the audit log.
        1 => tenant("audit"),
        2 => KeyPurpose::Doctor,
        _ => tenant(&names::name(choices)),
    }
}

/// The outcome of a future that never waits, as a local file's never do.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a local file waits for nothing"),
    }
}
