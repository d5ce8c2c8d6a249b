//! Client-side encryption by others, behind a few calls for benchmarks.
//!
//! - `esdk`: the item encryptor of the AWS Database Encryption SDK.
//! - `tink`: Tink's KMS envelope AEAD.
//!
//! Both are features, on by default. Every key is in memory and all zeros: no network, no account, and nothing here
//! keeps a secret.

#[cfg(feature = "esdk")]
pub mod esdk;
#[cfg(feature = "esdk")]
mod item;
#[cfg(feature = "tink")]
pub mod tink;

#[cfg(feature = "esdk")]
pub use item::{Item, item, stored_size};

#[cfg(feature = "esdk")]
const ESDK: &str = "aws-db-esdk-1.3.0";
const KEY: [u8; 32] = [0; 32];
