//! Sealing, opening and rewrapping: the hot path, in the order in which it happens.

use subtle::ConstantTimeEq;

#[cfg(feature = "test-vectors")]
use crate::SecretKey;
use crate::{
    Context, Envelope, KekId, Malformed, RandomnessUnavailable, derive,
    format::{
        COMMITMENT_OFFSET, CONTENT_OFFSET, KEK_ID_OFFSET, KEY_LEN, MAGIC, OVERHEAD, SUITE,
        WRAPPED_DEK_OFFSET, WRITE_ID_LEN,
    },
    key::{Dek, Kek},
    primitive::{AeadFailure, MessageKey},
};

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No randomness for the DEK.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
    /// AES-GCM encrypts at most 2³⁶ − 32 bytes under one nonce (SP 800-38D §5.2.1.1).
    #[error("the plaintext is longer than AES-GCM can encrypt")]
    TooLong,
}

/// Why an envelope was not opened. No plaintext was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are no envelope of format 1.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The envelope names another KEK than the one given.
    #[error("the envelope is wrapped by the key {found}, not by {given}")]
    WrongKey {
        /// The KEK that the envelope names.
        found: KekId,
        /// The KEK that was given.
        given: KekId,
    },
    /// Something is not as it was sealed: content, address, version, attributes or keys. It is not said what.
    #[error("the envelope is not authentic in this context")]
    Authentication,
}

impl From<AeadFailure> for OpenError {
    fn from(AeadFailure: AeadFailure) -> Self {
        Self::Authentication
    }
}

/// Seals `plaintext` under a fresh DEK, wrapped by `kek`, for `context` alone.
/// The result has [`OVERHEAD`] bytes more than the plaintext.
///
/// # Errors
/// [`SealError`] if the operating system gives no randomness, or the plaintext is beyond AES-GCM's bound.
pub fn seal(kek: &Kek, context: &Context, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut buffer = Vec::with_capacity(plaintext.len() + OVERHEAD);
    buffer.resize(CONTENT_OFFSET, 0);
    buffer.extend_from_slice(plaintext);
    seal_in_place(kek, context, &mut buffer)?;
    Ok(buffer)
}

/// Seals what stands in `buffer` from [`CONTENT_OFFSET`] on; the first 101 bytes are overwritten with the
/// header. Reserve [`OVERHEAD`] more than the plaintext, and nothing is allocated.
///
/// # Errors
/// As [`seal`]; the buffer then holds nothing of use.
///
/// # Panics
/// If `buffer` is shorter than [`CONTENT_OFFSET`].
pub fn seal_in_place(kek: &Kek, context: &Context, buffer: &mut Vec<u8>) -> Result<(), SealError> {
    let mut dek = Dek::empty();
    dek.generate()?;
    seal_under(&dek, kek, context, buffer)
}

/// Seals under a DEK that the caller chose. For known-answer tests alone: a DEK used twice breaks the format.
///
/// # Errors
/// [`SealError::TooLong`].
#[cfg(feature = "test-vectors")]
pub fn seal_with_dek(
    dek: SecretKey,
    kek: &Kek,
    context: &Context,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut buffer = vec![0; CONTENT_OFFSET];
    buffer.extend_from_slice(plaintext);
    let mut secret = Dek::empty();
    secret.copy_from(dek.expose());
    seal_under(&secret, kek, context, &mut buffer)?;
    Ok(buffer)
}

fn seal_under(dek: &Dek, kek: &Kek, context: &Context, buffer: &mut Vec<u8>) -> Result<(), SealError> {
    assert!(buffer.len() >= CONTENT_OFFSET, "the buffer begins with room for the header");
    let content = derive::content(dek, context);

    let (header, plaintext) = buffer.split_at_mut(CONTENT_OFFSET);
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
    header[MAGIC.len()] = SUITE;
    header[COMMITMENT_OFFSET..KEK_ID_OFFSET].copy_from_slice(&content.commitment);
    wrap(dek, kek, &content.commitment, header);

    let tag =
        content.key.encrypt(&header[..WRITE_ID_LEN], plaintext).map_err(|AeadFailure| SealError::TooLong)?;
    buffer.extend_from_slice(&tag);
    Ok(())
}

/// Opens an envelope, in one allocation: that of the plaintext.
///
/// # Errors
/// [`OpenError`].
pub fn open(kek: &Kek, context: &Context, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let parsed = Envelope::parse(envelope)?;
    let content = verified_content(kek, context, &parsed)?;
    let mut plaintext = parsed.content().to_vec();
    let length = content.decrypt(parsed.write_id(), &mut plaintext)?.len();
    plaintext.truncate(length);
    Ok(plaintext)
}

/// Opens an envelope within its own buffer, which then is the plaintext; nothing is allocated or moved twice. On an error the
/// buffer holds no plaintext, and perhaps no envelope any more.
///
/// # Errors
/// [`OpenError`].
pub fn open_in_place(kek: &Kek, context: &Context, buffer: &mut Vec<u8>) -> Result<(), OpenError> {
    let parsed = Envelope::parse(buffer)?;
    let content = verified_content(kek, context, &parsed)?;
    let write_id = *parsed.write_id();
    let length = content.decrypt_within(&write_id, buffer, CONTENT_OFFSET..)?.len();
    buffer.truncate(length);
    Ok(())
}

/// Moves an envelope from the KEK `from` to the KEK `to`: replaces bytes 37–100, the KEK's id and the wrapped
/// DEK. Content and write id stay as they are; the content is neither decrypted nor checked.
///
/// # Errors
/// [`OpenError`] if `from` does not unwrap the DEK; the envelope is then unchanged.
pub fn rewrap(from: &Kek, to: &Kek, envelope: &mut [u8]) -> Result<(), OpenError> {
    let parsed = Envelope::parse(envelope)?;
    let mut dek = Dek::empty();
    unwrap(from, &parsed, &mut dek)?;
    let commitment = *parsed.commitment();
    wrap(&dek, to, &commitment, &mut envelope[..CONTENT_OFFSET]);
    Ok(())
}

/// Unwraps the DEK, derives the content key for `context`, and gives it out only if the commitment holds.
fn verified_content(kek: &Kek, context: &Context, envelope: &Envelope<'_>) -> Result<MessageKey, OpenError> {
    let mut dek = Dek::empty();
    unwrap(kek, envelope, &mut dek)?;
    let content = derive::content(&dek, context);
    if bool::from(content.commitment.ct_eq(envelope.commitment())) {
        Ok(content.key)
    } else {
        Err(OpenError::Authentication)
    }
}

/// Writes kek_id and wrapped DEK into a header whose first 37 bytes are in place.
fn wrap(dek: &Dek, kek: &Kek, commitment: &[u8; 32], header: &mut [u8]) {
    header[KEK_ID_OFFSET..WRAPPED_DEK_OFFSET].copy_from_slice(kek.id().as_bytes());
    let (authenticated, wrapped) = header.split_at_mut(WRAPPED_DEK_OFFSET);
    let (key, tag_bytes) = wrapped.split_at_mut(KEY_LEN);
    key.copy_from_slice(dek.secret());
    let tag = derive::wrap_key(kek, commitment)
        .encrypt(authenticated, key)
        .expect("32 bytes are within AES-GCM's bound");
    tag_bytes.copy_from_slice(&tag);
}

fn unwrap(kek: &Kek, envelope: &Envelope<'_>, dek: &mut Dek) -> Result<(), OpenError> {
    if envelope.kek_id() != kek.id() {
        return Err(OpenError::WrongKey { found: envelope.kek_id(), given: kek.id() });
    }
    let mut wrapped = zeroize::Zeroizing::new(*envelope.wrapped_dek());
    let authenticated = &envelope.as_bytes()[..WRAPPED_DEK_OFFSET];
    let key = derive::wrap_key(kek, envelope.commitment()).decrypt(authenticated, &mut *wrapped)?;
    dek.copy_from((&*key).try_into().expect("what was wrapped has 32 bytes"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::array;

    use blue_address::{Attributes, ItemAttributes, Namespace, RecordPath};

    use super::*;
    use crate::SecretKey;

    /// The worked example of `docs/envelope.md`; its bytes come from an independent implementation in Python.
    #[test]
    fn the_worked_example_of_the_specification_holds() {
        let kek_bytes: [u8; 32] = array::from_fn(|i| u8::try_from(i).unwrap());
        let dek_bytes: [u8; 32] = array::from_fn(|i| u8::try_from(0x80 + i).unwrap());
        let kek_id = hex::decode("00112233445546778899aabbccddeeff").unwrap();
        let kek = Kek::new(
            KekId::from_bytes(kek_id.try_into().unwrap()),
            SecretKey::from_slice(&kek_bytes).unwrap(),
        );
        let address =
            "alice/inbox/note/42".parse::<RecordPath>().unwrap().within(Namespace::new("prod").unwrap());
        let mut attributes = ItemAttributes::new(Attributes::new().with("status", "open").unwrap());
        attributes.insert("_t", 1).unwrap();
        attributes.insert("_c", 1_700_000_000_000_000_i64).unwrap();
        attributes.insert("_u", 1_700_000_000_000_000_i64).unwrap();
        let context = Context::new(&address, 1_700_000_000_000_000, &attributes);
        assert_eq!(
            hex::encode(context.as_bytes()),
            "ba42ba1a0ead54da044d865b6cd407fcf3e6b0bd239fce8e21169fb4d2e5c115"
        );

        let plaintext = br#"{"text":"hello"}"#;
        let mut envelope = vec![0; CONTENT_OFFSET];
        envelope.extend_from_slice(plaintext);
        let mut dek = Dek::empty();
        dek.copy_from(&dek_bytes);
        seal_under(&dek, &kek, &context, &mut envelope).unwrap();

        let expected = [
            "4245533101",
            "7b04f0823e19c7a9cfdfbc9f32c47a49ca80a7693b1bf006fc2ebed3398a2ced",
            "00112233445546778899aabbccddeeff",
            "d02d00768ba42a5941782981003f760a502def1020020d8cc4fee38baaef606cfb764bde5a4eafd3eb5020bc7eb5c611",
            "c200d1aa4acdb898e87931dfceebd7c39e46397a35a500d12d36600043ada5f5",
        ]
        .concat();
        assert_eq!(hex::encode(&envelope), expected);
        assert_eq!(open(&kek, &context, &envelope).unwrap(), plaintext);

        let specification = include_str!("../../../docs/envelope.md").replace(['\n', ' '], "");
        assert!(specification.contains(&expected));
    }

    #[test]
    fn a_given_buffer_is_sealed_and_opened_without_moving() {
        let kek = Kek::new(KekId::generate().unwrap(), SecretKey::generate().unwrap());
        let address = "t/c/k/i".parse::<RecordPath>().unwrap().within(Namespace::new("n").unwrap());
        let context = Context::new(&address, 1, &ItemAttributes::default());
        let mut buffer = Vec::with_capacity(OVERHEAD + 5);
        buffer.resize(CONTENT_OFFSET, 0xff);
        buffer.extend_from_slice(b"hello");
        let before = buffer.as_ptr();
        seal_in_place(&kek, &context, &mut buffer).unwrap();
        assert_eq!((buffer.as_ptr(), buffer.len()), (before, OVERHEAD + 5));
        open_in_place(&kek, &context, &mut buffer).unwrap();
        assert_eq!((buffer.as_ptr(), &buffer[..]), (before, &b"hello"[..]));
    }
}
