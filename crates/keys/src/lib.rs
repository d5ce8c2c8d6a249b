//! Keys of an encrypted store: who wraps them, and the keyring that keeps them at hand.
//!
//! UMK → KEK → DEK: the *user master key* is the root and belongs to a [`KeyProvider`]; it wraps one
//! *key-encryption key* per tenant; a KEK wraps the data keys of that tenant's records (`blue-envelope`).
//!
//! - [`KeyProvider`]: generates and unwraps KEKs under a UMK. [`LocalFile`] keeps the UMK in a file, for a laptop. `AwsKms`
//!   (feature `aws-kms`) leaves it in AWS KMS, for production.
//! - [`Keyring`]: loads a tenant's wrapped KEKs through a [`KekStore`], unwraps each once and caches it.
//!
//! It does not store wrapped KEKs (a [`KekStore`] does), encrypts no records and, without that feature, knows no AWS. Most
//! people want the facade, `blue-encrypted-store`.
//!
//! ```
//! use blue_keys::{KeyContext, KeyOwner, KeyProvider, LocalFile};
//! use blue_keys::envelope::{KekId, address::{Namespace, Tenant}};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let directory = tempfile::tempdir()?;
//! let provider = LocalFile::create(directory.path().join("umk.key"))?;
//! let context = KeyContext {
//!     namespace: Namespace::new("prod")?,
//!     purpose: KeyOwner::Tenant(Tenant::new("alice")?).into(),
//!     version: 1,
//!     kek_id: KekId::generate()?,
//! };
//! let (kek, wrapped) = provider.generate_kek(&context).await?;
//! assert_eq!(provider.unwrap_kek(&wrapped, &context).await?.id(), kek.id());
//!
//! let another = KeyContext { purpose: KeyOwner::Tenant(Tenant::new("bob")?).into(), ..context };
//! assert!(provider.unwrap_kek(&wrapped, &another).await.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `aws-kms`: the provider `AwsKms`, and with it the AWS SDK. Off by default here, on by default in the facade.
//! - `test-vectors`: wrapping with a caller-chosen salt, for known-answer tests. Off by default; a crate that ships
//!   must never enable it, and CI checks that ours do not.

#[cfg(feature = "aws-kms")]
mod aws_kms;
mod flights;
mod kek_store;
mod keyring;
mod local_file;
mod provider;

/// The sealed-record format: the crate `blue-envelope`.
pub use blue_envelope as envelope;

#[cfg(feature = "aws-kms")]
pub use aws_kms::{AwsKms, AwsKmsConfig, AwsKmsError, KeyNameError, KmsCallError};
pub use kek_store::{Inserted, KekStore, KekStoreError, StoredKek, StoredKeks, Tombstone};
pub use keyring::{Keyring, KeyringConfig, KeyringError, KeyringUsage};
pub use local_file::{KeyFile, LocalFile, LocalFileError};
pub use provider::{KeyContext, KeyError, KeyOwner, KeyProvider, KeyPurpose, UmkId, WrappedKek};
