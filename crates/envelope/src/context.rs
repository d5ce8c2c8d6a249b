//! What an envelope is bound to.

use blue_address::{Address, ItemAttributes};
use ring::digest;

/// The SHA-256 of everything about a record that is not its content: its address, its version and all of its
/// cleartext attributes. It is part of the key derivation, so that an envelope opens in one context only.
///
/// `SHA-256("bes1/context" ‖ address ‖ attributes)`; see `docs/envelope.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context([u8; 32]);

impl Context {
    /// Hashes the context of one write.
    #[must_use]
    pub fn new(address: &Address, version: u64, attributes: &ItemAttributes) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(b"bes1/context");
        address.encode_into(&mut bytes);
        attributes.encode_into(version, &mut bytes);
        let hash = digest::digest(&digest::SHA256, &bytes);
        Self(hash.as_ref().try_into().expect("a SHA-256 digest has 32 bytes"))
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
