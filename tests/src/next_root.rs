//! Another master key, to which a store's keys are moved.

use std::{sync::Arc, time::Duration};

use blue_encrypted_store::{AwsKms, AwsKmsConfig, KeyProvider, keys::UmkId};
use blue_testkit::Kms;

use crate::Sandbox;

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The master key that comes next.
pub struct NextRoot {
    /// A provider that has it alone.
    pub alone: Arc<dyn KeyProvider>,
    /// One that makes keys under it, and accepts those under the sandbox's.
    pub accepting_the_old: Arc<dyn KeyProvider>,
}

impl NextRoot {
    /// Its id.
    #[must_use]
    pub fn umk_id(&self) -> &UmkId {
        self.alone.umk_id()
    }
}

impl Sandbox {
    /// Another master key of the same provider; none for a key file, which is never changed for another.
    ///
    /// # Panics
    /// If KMS makes no key.
    pub async fn next_root(&self) -> Option<NextRoot> {
        let old = self.provider().umk_id().clone();
        if old.is_local() {
            return None;
        }
        let arn = Kms::shared().create_key().await.expect("KMS makes a key");
        let alone = connect(AwsKmsConfig::new(&arn)).await;
        let previous = vec![old.to_string()];
        let accepting_the_old = connect(AwsKmsConfig { previous, ..AwsKmsConfig::new(arn) }).await;
        Some(NextRoot { alone, accepting_the_old })
    }
}

async fn connect(config: AwsKmsConfig) -> Arc<dyn KeyProvider> {
    let [connect_timeout, attempt_timeout, operation_timeout] = [PATIENCE; 3];
    let config = AwsKmsConfig { connect_timeout, attempt_timeout, operation_timeout, ..config };
    Arc::new(
        AwsKms::connect(&Kms::shared().client().await, config).await.expect("ARNs are taken as they are"),
    )
}
