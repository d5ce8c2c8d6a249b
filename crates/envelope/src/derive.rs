//! What the keys of an envelope are derived from, one label per purpose.

use zeroize::Zeroizing;

use crate::{
    Context,
    format::{KEY_LEN, SUITE},
    key::{Dek, Kek},
    primitive::{MessageKey, expand},
};

/// The key and the commitment of one write.
pub(crate) struct Content {
    pub(crate) key: MessageKey,
    pub(crate) commitment: [u8; 32],
}

/// `content_key ‖ commitment = HKDF-Expand(DEK, "bes1/content" ‖ suite ‖ context, 64)`.
#[inline]
pub(crate) fn content(dek: &Dek, context: &Context) -> Content {
    let mut okm = Zeroizing::new([0_u8; 64]);
    expand(dek.secret(), &[b"bes1/content", &[SUITE], context.as_bytes()], &mut *okm);
    let (key, commitment) = okm.split_first_chunk::<KEY_LEN>().expect("64 bytes begin with 32");
    Content { key: MessageKey::new(key), commitment: commitment.try_into().expect("64 less 32 bytes are 32") }
}

/// `wrap_key = HKDF-Expand(KEK, "bes1/wrap" ‖ suite ‖ commitment, 32)`.
#[inline]
pub(crate) fn wrap_key(kek: &Kek, commitment: &[u8; 32]) -> MessageKey {
    let mut key = Zeroizing::new([0_u8; KEY_LEN]);
    kek.prk().expand(&[b"bes1/wrap", &[SUITE], commitment], &mut *key);
    MessageKey::new(&key)
}
