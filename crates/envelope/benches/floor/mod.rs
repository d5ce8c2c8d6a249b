//! Exactly the primitive calls of format 1, in its order, and nothing else.

use blue_envelope::{CONTENT_OFFSET, KEY_LEN, MAGIC, SUITE, TAG_LEN, WRITE_ID_LEN};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;

/// A key that is set up.
pub(crate) fn aes(key: &[u8; KEY_LEN]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
}

/// 96 zero bits.
pub(crate) fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &hkdf::Prk, info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    prk.expand(info, Length(N)).unwrap().fill(&mut out).unwrap();
    out
}

fn prk(key: &[u8]) -> hkdf::Prk {
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key)
}

/// What stands in for a KEK and a context.
pub(crate) struct Floor {
    random: SystemRandom,
    kek: hkdf::Prk,
    context: [u8; 32],
}

impl Floor {
    pub(crate) fn new() -> Self {
        Self { random: SystemRandom::new(), kek: prk(&[1; KEY_LEN]), context: [2; 32] }
    }

    /// In a buffer with room for header and tag around the content.
    pub(crate) fn seal(&self, buffer: &mut [u8]) {
        let mut dek = [0; KEY_LEN];
        self.random.fill(&mut dek).unwrap();
        let okm: [u8; 64] = expand(&prk(&dek), &[b"bes1/content", &[SUITE], &self.context]);
        let (content_key, commitment) = okm.split_first_chunk().unwrap();
        let (header, content) = buffer.split_at_mut(CONTENT_OFFSET);
        header[..4].copy_from_slice(&MAGIC);
        header[4] = SUITE;
        header[5..37].copy_from_slice(commitment);
        let wrap_key: [u8; 32] = expand(&self.kek, &[b"bes1/wrap", &[SUITE], commitment]);
        let (authenticated, wrapped) = header.split_at_mut(53);
        let (key, tag) = wrapped.split_at_mut(KEY_LEN);
        key.copy_from_slice(&dek);
        let made = aes(&wrap_key).seal_in_place_separate_tag(nonce(), Aad::from(authenticated), key).unwrap();
        tag.copy_from_slice(made.as_ref());
        let length = content.len() - TAG_LEN;
        let (content, tag) = content.split_at_mut(length);
        let aad = Aad::from(&header[..WRITE_ID_LEN]);
        let made = aes(content_key).seal_in_place_separate_tag(nonce(), aad, content).unwrap();
        tag.copy_from_slice(made.as_ref());
    }

    pub(crate) fn open(&self, envelope: &mut [u8]) {
        let (header, content) = envelope.split_at_mut(CONTENT_OFFSET);
        let (authenticated, wrapped) = header.split_at_mut(53);
        let commitment = &authenticated[5..37];
        let wrap_key: [u8; 32] = expand(&self.kek, &[b"bes1/wrap", &[SUITE], commitment]);
        let dek = aes(&wrap_key).open_in_place(nonce(), Aad::from(&authenticated), wrapped).unwrap();
        let okm: [u8; 64] = expand(&prk(dek), &[b"bes1/content", &[SUITE], &self.context]);
        let (content_key, found) = okm.split_first_chunk().unwrap();
        assert!(bool::from(commitment.ct_eq(found)));
        let aad = Aad::from(&authenticated[..WRITE_ID_LEN]);
        aes(content_key).open_in_place(nonce(), aad, content).unwrap();
    }
}
