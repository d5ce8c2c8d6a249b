//! Key-encryption keys and their ids.

use std::{fmt, hint::black_box};

use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{format::KEY_LEN, primitive::Prk};

/// The operating system gave no randomness. Nothing was generated or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct RandomnessUnavailable;

/// Fills `out` from the operating system's generator (`ring::rand::SystemRandom`).
///
/// # Errors
/// [`RandomnessUnavailable`].
pub fn fill_random(out: &mut [u8]) -> Result<(), RandomnessUnavailable> {
    SystemRandom::new().fill(out).map_err(|_| RandomnessUnavailable)
}

/// The id of a KEK: 16 bytes, a fresh UUIDv4 for each. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekId([u8; 16]);

impl KekId {
    /// A fresh UUIDv4 (RFC 9562 §5.4).
    ///
    /// # Errors
    /// [`RandomnessUnavailable`].
    pub fn generate() -> Result<Self, RandomnessUnavailable> {
        let mut bytes = [0; 16];
        fill_random(&mut bytes)?;
        Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
    }

    /// Any 16 bytes, as read from an envelope or a key item.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Hyphenated lowercase hexadecimal.
impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KekId({self})")
    }
}

/// 256 secret bits. Boxed, so that moving them leaves no copy behind; zeroised on drop, never printed, not cloned or serialised by accident.
pub struct SecretKey(Box<Zeroizing<[u8; KEY_LEN]>>);

impl SecretKey {
    /// 256 random bits from the operating system (`ring::rand::SystemRandom`).
    ///
    /// # Errors
    /// [`RandomnessUnavailable`].
    pub fn generate() -> Result<Self, RandomnessUnavailable> {
        let mut key = Self::zero();
        fill_random(&mut key.0[..])?;
        Ok(key)
    }

    /// Copies `bytes`; the caller's copy remains the caller's to zeroise.
    ///
    /// Returns `None` unless there are exactly 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; KEY_LEN] = bytes.try_into().ok()?;
        let mut key = Self::zero();
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; KEY_LEN])))
    }

    /// The secret itself, for wrapping it. Everything done with it is the caller's to answer for.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// A key-encryption key: wraps the data keys of one tenant's records.
///
/// Its 32 bytes are zeroised on drop, and the HMAC states that are computed from them once are overwritten. The copies that
/// ring makes on the stack while it works are not.
pub struct Kek {
    id: KekId,
    key: SecretKey,
    states: States,
}

/// The states that HMAC begins with under a KEK, boxed as [`SecretKey`] is. ring zeroises nothing, so they are overwritten
/// with those of a key that is no secret.
struct States(Box<Prk>);

impl Drop for States {
    fn drop(&mut self) {
        *self.0 = Prk::new(&[0; KEY_LEN]);
        // So that the compiler does not take it for a write that nobody reads.
        black_box(&self.0);
    }
}

impl Kek {
    /// A KEK of known bytes, as a key provider unwraps it.
    #[must_use]
    pub fn new(id: KekId, key: SecretKey) -> Self {
        let states = States(Box::new(Prk::new(key.expose())));
        Self { id, key, states }
    }

    /// Which KEK it is.
    #[must_use]
    pub fn id(&self) -> KekId {
        self.id
    }

    /// The secret itself, for a key that wraps nothing but is derived from, as the audit log's is. Everything done with it
    /// is the caller's to answer for.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.key.expose()
    }

    /// The secret, ready to be expanded.
    pub(crate) fn prk(&self) -> &Prk {
        &self.states.0
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kek").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A data-encryption key: encrypts one write of one record. It never leaves this crate, nor the place on the stack that it
/// was made in: it is filled there, lent, and zeroised there.
pub(crate) struct Dek(Zeroizing<[u8; KEY_LEN]>);

impl Dek {
    /// No key yet.
    pub(crate) fn empty() -> Self {
        Self(Zeroizing::new([0; KEY_LEN]))
    }

    /// Makes it 256 random bits.
    pub(crate) fn generate(&mut self) -> Result<(), RandomnessUnavailable> {
        fill_random(&mut self.0[..])
    }

    /// Makes it these bytes.
    pub(crate) fn copy_from(&mut self, secret: &[u8; KEY_LEN]) {
        self.0.copy_from_slice(secret);
    }

    pub(crate) fn secret(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}
