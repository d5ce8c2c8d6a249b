//! What a key provider is asked, and what it may answer.

use std::{error::Error, fmt};

use async_trait::async_trait;
use blue_envelope::{
    Kek, KekId, RandomnessUnavailable,
    address::{Namespace, Tenant, push_length_prefixed},
};
use ring::digest;

/// Wraps and unwraps KEKs under one user master key (UMK). This is the whole difference between a laptop and
/// production; everything below the UMK is the same code.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// Which UMK it wraps under.
    fn umk_id(&self) -> &UmkId;

    /// Whether it unwraps what was wrapped under this UMK: its own and, while keys are moved from one UMK to another, those
    /// that it is configured to accept besides.
    fn accepts(&self, umk_id: &UmkId) -> bool {
        umk_id == self.umk_id()
    }

    /// A fresh KEK of 256 random bits, and the same wrapped under the UMK for `context` alone.
    ///
    /// # Errors
    /// [`KeyError`].
    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError>;

    /// Unwraps a KEK that was wrapped for `context`.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::Authentication`] for any other context, UMK or bytes.
    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError>;

    /// The same KEK wrapped under [`Self::umk_id`], for the same context, whichever accepted UMK it was wrapped under.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::NotMoved`] by a provider that has one UMK for good, as this method does unless it is
    /// implemented.
    async fn rewrap_kek(&self, _: &WrappedKek, _: &KeyContext) -> Result<WrappedKek, KeyError> {
        Err(KeyError::NotMoved { umk_id: self.umk_id().clone() })
    }
}

/// The name of a UMK: `local:` and a fingerprint, or the ARN of a KMS key. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UmkId(String);

impl UmkId {
    /// An id as a provider states it, or as it was recorded. A table accepts visible ASCII only.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a key file, not a key of a KMS.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.starts_with("local:")
    }

    /// The name of the provider that such an id belongs to, as the table records it.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        if self.is_local() { "local-file" } else { "aws-kms" }
    }
}

impl fmt::Display for UmkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose KEK it is. Its purpose is part of what the wrapping authenticates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// A tenant's, purpose `records`.
    Tenant(Tenant),
    /// The store's own, purpose `audit`.
    Audit,
}

impl KeyOwner {
    /// `records` or `audit`.
    #[must_use]
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::Tenant(_) => "records",
            Self::Audit => "audit",
        }
    }

    /// The tenant's name; empty for the audit key.
    #[must_use]
    pub fn tenant(&self) -> &str {
        match self {
            Self::Tenant(tenant) => tenant.as_str(),
            Self::Audit => "",
        }
    }

    /// What stands for the tenant where others read along, as in logs, traces and CloudTrail: the 64 hexadecimal digits of
    /// `SHA-256("bes1/tenant" ‖ lp(namespace) ‖ lp(tenant))`. Whoever can guess the name can tell that it is this one.
    #[must_use]
    pub fn pseudonym(&self, namespace: &Namespace) -> String {
        pseudonym(namespace, self.tenant())
    }
}

fn pseudonym(namespace: &Namespace, tenant: &str) -> String {
    let mut text = b"bes1/tenant".to_vec();
    push_length_prefixed(&mut text, namespace.as_str().as_bytes());
    push_length_prefixed(&mut text, tenant.as_bytes());
    hex::encode(digest::digest(&digest::SHA256, &text))
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Audit => f.write_str("the audit log"),
        }
    }
}

/// What a KEK is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// To be kept: purpose `records` or `audit`.
    Of(KeyOwner),
    /// To see whether the provider works, purpose `doctor`. It wraps nothing and is thrown away. It is nobody's, so that
    /// it has no place among stored keys: a [`KekStore`](crate::KekStore) and a [`Keyring`](crate::Keyring) take owners.
    Doctor,
}

impl KeyPurpose {
    /// `records`, `audit` or `doctor`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Of(owner) => owner.purpose(),
            Self::Doctor => "doctor",
        }
    }

    /// The tenant's name; empty for a key that is no tenant's.
    #[must_use]
    pub fn tenant(&self) -> &str {
        match self {
            Self::Of(owner) => owner.tenant(),
            Self::Doctor => "",
        }
    }
}

impl From<KeyOwner> for KeyPurpose {
    fn from(owner: KeyOwner) -> Self {
        Self::Of(owner)
    }
}

/// What a wrapped KEK is bound to: under any other context it does not unwrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyContext {
    /// The namespace of the store.
    pub namespace: Namespace,
    /// What it is for, and whose it is.
    pub purpose: KeyPurpose,
    /// Its version, from 1.
    pub version: u32,
    /// Its id.
    pub kek_id: KekId,
}

impl KeyContext {
    /// `ctx = lp(namespace) ‖ lp(tenant) ‖ lp(purpose) ‖ u32 BE version ‖ kek_id`, the tenant empty for a
    /// key that is no tenant's; `lp(x)` is the length of x as a big-endian u32, then x.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        push_length_prefixed(&mut out, self.namespace.as_str().as_bytes());
        push_length_prefixed(&mut out, self.purpose.tenant().as_bytes());
        push_length_prefixed(&mut out, self.purpose.as_str().as_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(self.kek_id.as_bytes());
        out
    }

    /// What AWS KMS is given as encryption context, names ascending. CloudTrail logs it in clear, so the tenant is there by
    /// its [`KeyOwner::pseudonym`] alone; a key that is no tenant's has that of the empty name.
    #[must_use]
    pub fn encryption_context(&self) -> [(&'static str, String); 5] {
        [
            ("bes:kek", self.kek_id.to_string()),
            ("bes:ns", self.namespace.to_string()),
            ("bes:purpose", self.purpose.as_str().to_owned()),
            ("bes:tenant", pseudonym(&self.namespace, self.purpose.tenant())),
            ("bes:version", self.version.to_string()),
        ]
    }
}

/// A KEK as it lies in the table: readable by whoever has the UMK, to everybody else random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKek {
    umk_id: UmkId,
    bytes: Vec<u8>,
}

impl WrappedKek {
    /// The bytes as a provider made them, or as they were stored, and the UMK that they are said to be wrapped under. Nothing
    /// vouches for that: a provider lets it choose among the UMKs that it is configured for, and nothing else.
    #[must_use]
    pub fn new(umk_id: UmkId, bytes: Vec<u8>) -> Self {
        Self { umk_id, bytes }
    }

    /// The UMK.
    #[must_use]
    pub fn umk_id(&self) -> &UmkId {
        &self.umk_id
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for WrappedKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKek({}, [{} bytes])", self.umk_id, self.bytes.len())
    }
}

/// Why a provider gave no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The caller may not use the UMK.
    #[error("the use of the master key {umk_id} was denied")]
    Denied {
        /// The UMK.
        umk_id: UmkId,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The UMK is disabled or awaits deletion.
    #[error("the master key {umk_id} is disabled or pending deletion")]
    Disabled {
        /// The UMK.
        umk_id: UmkId,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such UMK.
    #[error("the master key {umk_id} was not found")]
    NotFound {
        /// The UMK.
        umk_id: UmkId,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is said to be wrapped under a UMK that the provider is not configured for.
    #[error("the key is wrapped under the master key {umk_id}, which is not configured")]
    NotConfigured {
        /// That UMK.
        umk_id: UmkId,
    },
    /// The service refuses the request for another reason: the UMK is of another kind than is needed, say.
    #[error("the use of the master key {umk_id} was refused")]
    Refused {
        /// The UMK.
        umk_id: UmkId,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The provider does not move keys from one UMK to another.
    #[error("keys under {umk_id} are not moved to another master key")]
    NotMoved {
        /// The provider's UMK.
        umk_id: UmkId,
    },
    /// The key service throttles or does not answer; the same call may succeed later.
    #[error("the key service is unavailable")]
    Unavailable {
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The bytes were not wrapped under this UMK for this context. It is not said which.
    #[error("the wrapped key is not authentic in this context")]
    Authentication,
    /// The bytes are no wrapped key of this provider.
    #[error("the bytes are no key wrapped by this provider")]
    Malformed,
    /// No randomness for a fresh key.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_which_provider_it_belongs_to() {
        let local = UmkId::new("local:97d53524a8ddc2dc58cbbb5f700ca50d");
        assert_eq!((local.is_local(), local.provider()), (true, "local-file"));
        let kms =
            UmkId::new("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
        assert_eq!((kms.is_local(), kms.provider()), (false, "aws-kms"));
    }
}
