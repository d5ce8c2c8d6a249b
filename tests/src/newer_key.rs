//! A newer version of a tenant's key, whatever the provider.

use blue_encrypted_store::{
    KeyVersion, Namespace, RotateError, TenantKeys, TenantName,
    envelope::KekId,
    keys::{KeyContext, KeyOwner},
};

use crate::{Item, Sandbox, b, n, s};

impl Sandbox {
    /// Rotates a tenant's key. Local keys are not rotated; so that what comes after a rotation holds for them too, a version
    /// is then added as a rotation would, behind the store's back: no event tells of it, and no keyring looks for it
    /// before its time.
    ///
    /// # Panics
    /// If it is refused for any other reason.
    pub async fn rotate(&self, keys: &TenantKeys, tenant: &str) -> KeyVersion {
        match keys.rotate().await {
            Ok(newest) => newest,
            Err(RotateError::Local) => {
                assert!(self.provider().umk_id().is_local(), "only local keys are never rotated");
                self.add_version(keys, tenant).await
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn add_version(&self, keys: &TenantKeys, tenant: &str) -> KeyVersion {
        let newest = keys.list().await.expect("the keys can be read").versions.pop().expect("there is a key");
        let context = KeyContext {
            namespace: Namespace::new("default").expect("a valid name"),
            purpose: KeyOwner::Tenant(TenantName::new(tenant).expect("a valid name")).into(),
            version: newest.version + 1,
            kek_id: KekId::generate().expect("there is randomness"),
        };
        let (_, wrapped) = self.provider().generate_kek(&context).await.expect("the provider makes keys");
        self.put_item(Item::from([
            ("pk".to_owned(), s(format!("K#{tenant}"))),
            ("sk".to_owned(), s(format!("{:010}", context.version))),
            ("kek_id".to_owned(), b(*context.kek_id.as_bytes())),
            ("provider".to_owned(), s(wrapped.umk_id().provider())),
            ("umk_id".to_owned(), s(wrapped.umk_id().as_str())),
            ("wrapped_kek".to_owned(), b(wrapped.as_bytes())),
            ("created".to_owned(), n(1)),
        ]))
        .await;
        keys.list().await.expect("the keys can be read").versions.pop().expect("it was added")
    }
}
