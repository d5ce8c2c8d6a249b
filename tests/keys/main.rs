//! What every key provider has to do, run against each: LocalFile, and AwsKms on a KMS that answers over HTTP.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test is to be seen")]

mod conformance;
mod kms;
mod local;
mod policies;
mod recorder;

use blue_encrypted_store::{
    Namespace, TenantName,
    keys::{KeyContext, KeyOwner, envelope::KekId},
};

/// A tenant's first key.
fn context() -> KeyContext {
    KeyContext {
        namespace: Namespace::new("prod").unwrap(),
        purpose: KeyOwner::Tenant(TenantName::new("alice").unwrap()).into(),
        version: 1,
        kek_id: KekId::generate().unwrap(),
    }
}
