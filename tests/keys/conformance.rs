//! The laws of a [`KeyProvider`], without a word about which one it is.

use std::{collections::BTreeSet, sync::Arc};

use blue_encrypted_store::{
    KeyProvider, Namespace, TenantName,
    keys::{KeyContext, KeyError, KeyOwner, KeyPurpose, UmkId, WrappedKek, envelope::KekId},
};
use futures::future;

use crate::context;

/// A provider, and another one of its kind with a UMK of its own: a stranger's.
pub(crate) struct Pair {
    pub(crate) ours: Arc<dyn KeyProvider>,
    pub(crate) strangers: Arc<dyn KeyProvider>,
}

impl Pair {
    /// All of the laws.
    pub(crate) async fn holds(&self) {
        self.names_its_umk_and_accepts_it();
        self.unwraps_what_it_wrapped().await;
        self.gives_fresh_keys().await;
        self.refuses_every_other_context().await;
        self.refuses_what_was_cut_or_added_to_or_changed().await;
        self.refuses_what_a_stranger_wrapped().await;
        self.is_used_by_many_at_once().await;
    }

    fn names_its_umk_and_accepts_it(&self) {
        let (ours, strangers) = (self.ours.umk_id(), self.strangers.umk_id());
        assert_ne!(ours, strangers);
        assert!(self.ours.accepts(ours) && !self.ours.accepts(strangers));
        assert!(!self.ours.accepts(&UmkId::new("")));
        assert!(ours.as_str().bytes().all(|b| b.is_ascii_graphic()), "a table takes visible ASCII: {ours}");
    }

    async fn unwraps_what_it_wrapped(&self) {
        let tenants = context();
        for context in [
            KeyContext { purpose: KeyOwner::Audit.into(), ..tenants.clone() },
            KeyContext { purpose: KeyPurpose::Doctor, ..tenants.clone() },
            KeyContext { version: u32::MAX, ..tenants.clone() },
            KeyContext { namespace: Namespace::new("!".repeat(255)).unwrap(), ..tenants.clone() },
            tenants,
        ] {
            let (kek, wrapped) = self.ours.generate_kek(&context).await.unwrap();
            assert_eq!((kek.id(), wrapped.umk_id()), (context.kek_id, self.ours.umk_id()));
            let stored = WrappedKek::new(UmkId::new(wrapped.umk_id().as_str()), wrapped.as_bytes().to_vec());
            let again = self.ours.unwrap_kek(&stored, &context).await.unwrap();
            assert_eq!((again.id(), again.expose()), (kek.id(), kek.expose()));
            let holds = wrapped.as_bytes().windows(32).any(|bytes| bytes == kek.expose());
            assert!(!holds, "the KEK lies in clear in what wraps it");
        }
    }

    async fn gives_fresh_keys(&self) {
        let context = context();
        let (one, wrapped_one) = self.ours.generate_kek(&context).await.unwrap();
        let (other, wrapped_other) = self.ours.generate_kek(&context).await.unwrap();
        assert_ne!(one.expose(), other.expose());
        assert_ne!(wrapped_one.as_bytes(), wrapped_other.as_bytes());
    }

    async fn refuses_every_other_context(&self) {
        let context = context();
        let (_, wrapped) = self.ours.generate_kek(&context).await.unwrap();
        let owner = |name: &str| KeyOwner::Tenant(TenantName::new(name).unwrap()).into();
        for elsewhere in [
            KeyContext { namespace: Namespace::new("test").unwrap(), ..context.clone() },
            KeyContext { purpose: owner("bob"), ..context.clone() },
            KeyContext { purpose: owner("alic"), ..context.clone() },
            KeyContext { purpose: KeyOwner::Audit.into(), ..context.clone() },
            KeyContext { purpose: KeyPurpose::Doctor, ..context.clone() },
            KeyContext { version: 2, ..context.clone() },
            KeyContext { kek_id: KekId::generate().unwrap(), ..context.clone() },
        ] {
            let unwrapped = self.ours.unwrap_kek(&wrapped, &elsewhere).await;
            assert!(matches!(unwrapped, Err(KeyError::Authentication)), "{elsewhere:?}: {unwrapped:?}");
        }
    }

    async fn refuses_what_was_cut_or_added_to_or_changed(&self) {
        let context = context();
        let (_, wrapped) = self.ours.generate_kek(&context).await.unwrap();
        let whole = wrapped.as_bytes();
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        let extended = [1, 100].map(|more| [whole, &vec![0; more]].concat());
        // Another bit of each byte.
        let flipped = (0..whole.len()).map(|at| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << (at % 8);
            bytes
        });
        for bytes in cut.chain(extended).chain(flipped) {
            let changed = WrappedKek::new(self.ours.umk_id().clone(), bytes);
            let unwrapped = self.ours.unwrap_kek(&changed, &context).await;
            assert_refused(unwrapped.map(drop), &hex(changed.as_bytes()));
        }
    }

    async fn refuses_what_a_stranger_wrapped(&self) {
        let context = context();
        let (_, wrapped) = self.strangers.generate_kek(&context).await.unwrap();
        for umk_id in [self.strangers.umk_id(), self.ours.umk_id()] {
            let planted = WrappedKek::new(umk_id.clone(), wrapped.as_bytes().to_vec());
            assert_refused(self.ours.unwrap_kek(&planted, &context).await.map(drop), umk_id.as_str());
            assert!(self.ours.rewrap_kek(&planted, &context).await.is_err(), "{umk_id}");
        }
    }

    async fn is_used_by_many_at_once(&self) {
        let use_it = |version: u32| {
            let (provider, context) = (self.ours.clone(), KeyContext { version, ..context() });
            tokio::spawn(async move {
                let (kek, wrapped) = provider.generate_kek(&context).await.unwrap();
                let again = provider.unwrap_kek(&wrapped, &context).await.unwrap();
                assert_eq!(again.expose(), kek.expose());
                *kek.expose()
            })
        };
        let keys = future::try_join_all((1..=64).map(use_it)).await.unwrap();
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 64);
    }
}

/// Refused for good, whatever the reason: what is planted must not look like a service that is down.
pub(crate) fn assert_refused(unwrapped: Result<(), KeyError>, what: &str) {
    let error = unwrapped.expect_err(what);
    let is_refused = matches!(
        error,
        // A ciphertext that names no key, or somebody else's, is denied by the emulator before it is looked at.
        KeyError::Authentication
            | KeyError::Malformed
            | KeyError::NotConfigured { .. }
            | KeyError::Denied { .. }
    );
    assert!(is_refused, "{what}: {error:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
