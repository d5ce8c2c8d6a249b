//! Tink's KMS envelope AEAD: a fresh AES-256-GCM key for each message, wrapped by a local AES-256-GCM key where
//! Tink would ask a KMS.

use tink_aead::{KmsEnvelopeAead, aes256_gcm_key_template, subtle::AesGcm};
use tink_core::Aead;

use crate::KEY;

/// Crate and version.
pub const PEER: &str = "tink-aead-0.3.0";

/// The associated data: partition and sort key of the item that would hold the ciphertext.
pub const ADDRESS: &[u8] = b"tenant#acme/invoice#2026-0001";

/// The AEAD, ready for use.
pub fn envelope_aead() -> impl Aead {
    tink_aead::init();
    let remote = AesGcm::new(&KEY).expect("the key has 256 bits");
    KmsEnvelopeAead::new(aes256_gcm_key_template(), Box::new(remote))
}
