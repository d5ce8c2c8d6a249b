//! The two primitives that envelopes and wrapped KEKs are made of, and the only place where these call them. (The MAC
//! key of audit segments is expanded in `blue-audit`, which knows nothing of this crate.)
//!
//! They are public for `blue-keys`, which wraps KEKs with them, and for known-answer tests. They are sharp:
//! a [`MessageKey`] encrypts one message, and nothing but the caller sees to it. Use [`crate::seal`] instead.

use std::ops::RangeFrom;

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
};

use crate::format::{KEY_LEN, TAG_LEN};

/// The input was not encrypted, or did not decrypt. It is not said why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authenticated encryption failed")]
pub struct AeadFailure;

/// `HKDF-Expand(secret, info, out.len())` with SHA-256 (RFC 5869 §2.3); `info` is the concatenation of its
/// parts. The secret is uniformly random, so HKDF-Extract is not needed (§3.3).
///
/// # Panics
/// If `out` is longer than 8,160 bytes (255 × 32), HKDF's bound.
pub fn expand(secret: &[u8; KEY_LEN], info: &[&[u8]], out: &mut [u8]) {
    Prk::new(secret).expand(info, out);
}

/// A secret that is expanded more than once, as the two states that HMAC begins with under it (RFC 2104 §4). They are as
/// secret as it is, and not zeroised: they are ring's.
pub struct Prk(hkdf::Prk);

impl Prk {
    /// The states of a uniformly random secret.
    #[must_use]
    #[inline]
    pub fn new(secret: &[u8; KEY_LEN]) -> Self {
        Self(hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret))
    }

    /// [`expand`] under this secret.
    ///
    /// # Panics
    /// As [`expand`].
    #[inline]
    pub fn expand(&self, info: &[&[u8]], out: &mut [u8]) {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let okm = self.0.expand(info, Length(out.len()));
        okm.and_then(|okm| okm.fill(out)).expect("no caller derives more than 8,160 bytes");
    }
}

/// An AES-256-GCM key for exactly one message, whose nonce is therefore always 96 zero bits. (SP 800-38D §8
/// asks that no pair of key and nonce be used twice; here no key is.)
pub struct MessageKey(LessSafeKey);

impl MessageKey {
    /// A key that was derived for one message.
    #[must_use]
    #[inline]
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes")))
    }

    /// Encrypts `bytes` in place and returns the tag.
    ///
    /// # Errors
    /// [`AeadFailure`] beyond 2³⁶ − 32 bytes (SP 800-38D §5.2.1.1).
    pub fn encrypt(&self, aad: &[u8], bytes: &mut [u8]) -> Result<[u8; TAG_LEN], AeadFailure> {
        self.encrypt_under([0; NONCE_LEN], aad, bytes)
    }

    /// Decrypts `ciphertext ‖ tag` in place and returns the part that is now plaintext.
    ///
    /// # Errors
    /// [`AeadFailure`] if anything is not as it was encrypted; the buffer then holds no plaintext.
    pub fn decrypt<'a>(&self, aad: &[u8], bytes: &'a mut [u8]) -> Result<&'a mut [u8], AeadFailure> {
        self.decrypt_under([0; NONCE_LEN], aad, bytes, 0..)
    }

    /// Decrypts the `ciphertext ‖ tag` that stands in `bytes` from there on, moves the plaintext to the beginning while it
    /// does, and returns it.
    ///
    /// # Errors
    /// As [`MessageKey::decrypt`].
    pub fn decrypt_within<'a>(
        &self,
        aad: &[u8],
        bytes: &'a mut [u8],
        ciphertext: RangeFrom<usize>,
    ) -> Result<&'a mut [u8], AeadFailure> {
        self.decrypt_under([0; NONCE_LEN], aad, bytes, ciphertext)
    }

    /// [`MessageKey::encrypt`] with a nonce that the caller chose. For known answers alone: published vectors have
    /// nonces of their own, the format has none.
    ///
    /// # Errors
    /// As [`MessageKey::encrypt`].
    #[cfg(feature = "test-vectors")]
    pub fn encrypt_with_nonce(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_LEN], AeadFailure> {
        self.encrypt_under(nonce, aad, bytes)
    }

    /// [`MessageKey::decrypt`] with a nonce that the caller chose. For known answers alone.
    ///
    /// # Errors
    /// As [`MessageKey::decrypt`].
    #[cfg(feature = "test-vectors")]
    pub fn decrypt_with_nonce<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        bytes: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadFailure> {
        self.decrypt_under(nonce, aad, bytes, 0..)
    }

    #[inline]
    fn encrypt_under(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_LEN], AeadFailure> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), bytes).map_err(|_| AeadFailure)?;
        Ok(tag.as_ref().try_into().expect("an AES-GCM tag has 16 bytes"))
    }

    #[inline]
    fn decrypt_under<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        bytes: &'a mut [u8],
        ciphertext: RangeFrom<usize>,
    ) -> Result<&'a mut [u8], AeadFailure> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_within(nonce, Aad::from(aad), bytes, ciphertext).map_err(|_| AeadFailure)
    }
}
