//! Bytes that somebody else claims are an envelope.

use blue_address::{Address, Collection, ItemAttributes, Kind, Namespace, RecordId, Tenant};
use blue_envelope::{
    Context, Envelope, Kek, KekId, Malformed, OpenError, SecretKey, open, open_in_place, rewrap,
};

use crate::{Verdict, digest::sha256};

/// The id of the KEK that these bytes are opened with. Whoever made them knows the id, and not the key.
const KEK_ID: [u8; 16] = *b"the fuzzer's KEK";

pub(crate) fn law(data: &[u8]) -> Verdict {
    let parsed = Envelope::parse(data);
    let expected = malformed(data);
    assert_eq!(parsed.err(), expected, "the class of the refusal");
    if let Ok(envelope) = parsed {
        assert_eq!(envelope.as_bytes(), data, "accepted bytes are their own encoding");
        let kek_id = envelope.kek_id();
        let parts = [&envelope.write_id()[..], kek_id.as_bytes(), envelope.wrapped_dek(), envelope.content()];
        assert_eq!(parts.concat(), data, "the parts are all of it");
        assert_eq!(envelope.commitment()[..], data[5..37]);
        assert_eq!(envelope.content_digest(), sha256(&[&data[..37], &data[101..]]));
    }
    never_opens(data);
    Verdict::of(expected.is_none())
}

/// Whoever has no key makes no envelope that opens or can be rewrapped.
fn never_opens(data: &[u8]) {
    let kek = Kek::new(KekId::from_bytes(KEK_ID), secret(b"of the fuzzer"));
    let other = Kek::new(KekId::from_bytes(*b"another KEK's id"), secret(b"of another"));
    let context = Context::new(&address(), 1, &ItemAttributes::default());
    let expected = refusal(data, kek.id());
    assert_eq!(open(&kek, &context, data), Err(expected));
    let mut buffer = data.to_vec();
    assert_eq!(open_in_place(&kek, &context, &mut buffer).err(), Some(expected));
    let mut buffer = data.to_vec();
    assert_eq!(rewrap(&kek, &other, &mut buffer), Err(expected));
    assert_eq!(buffer, data, "a refused rewrap changes nothing");
}

/// "What is refused", the first three rows.
fn malformed(data: &[u8]) -> Option<Malformed> {
    if data.len() < 117 {
        Some(Malformed::Short { length: data.len() })
    } else if !data.starts_with(b"BES1") {
        Some(Malformed::Magic)
    } else if data[4] != 0x01 {
        Some(Malformed::Suite { suite: data[4] })
    } else {
        None
    }
}

/// The class in which an envelope that does not open is refused by a KEK of this id.
pub(crate) fn refusal(data: &[u8], given: KekId) -> OpenError {
    if let Some(malformed) = malformed(data) {
        return OpenError::Malformed(malformed);
    }
    let found: [u8; 16] = data[37..53].try_into().expect("16 bytes");
    if found == *given.as_bytes() {
        OpenError::Authentication
    } else {
        OpenError::WrongKey { found: KekId::from_bytes(found), given }
    }
}

/// A key that no input names.
fn secret(seed: &[u8]) -> SecretKey {
    SecretKey::from_slice(&sha256(&[b"secret ", seed])).expect("32 bytes")
}

fn address() -> Address {
    Address {
        namespace: Namespace::new("n").expect("a letter is a name"),
        tenant: Tenant::new("t").expect("a letter is a name"),
        collection: Collection::new("c").expect("a letter is a name"),
        kind: Kind::new("k").expect("a letter is a name"),
        id: RecordId::new("i").expect("a letter is an id"),
    }
}
