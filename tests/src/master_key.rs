//! The master key of a test, under either provider: a key file, or a key of the KMS emulator.

use std::{path::PathBuf, sync::Arc, time::Duration};

use blue_encrypted_store::{AwsKms, AwsKmsConfig, KeyProvider, KeySource, LocalFile};
use blue_testkit::{Keys, Kms};
use serde::{Deserialize, Serialize};

/// Longer than a busy machine takes, and an emulator that many tests ask at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a master key is: what another process needs to use it, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyPlace {
    /// In this file, if it is there.
    File(PathBuf),
    /// In KMS, under this ARN.
    Kms(String),
}

/// A master key, ready for use.
pub enum MasterKey {
    /// The file at this path, if it is there.
    File(PathBuf),
    /// This key of KMS.
    Kms(Arc<AwsKms>),
}

impl MasterKey {
    /// Of the provider of this run: a file at this path, which is not made yet; or a new key in KMS.
    ///
    /// # Panics
    /// If KMS cannot be started or makes no key.
    pub async fn new(file: PathBuf) -> Self {
        match Keys::of_this_run() {
            Keys::Local => Self::at(KeyPlace::File(file)).await,
            Keys::Kms => {
                let arn = Kms::shared().create_key().await.expect("KMS makes a key");
                Self::at(KeyPlace::Kms(arn)).await
            }
        }
    }

    /// The one at this place. A KMS is the one that the environment names, in a process that was started with
    /// [`Self::variables`].
    ///
    /// # Panics
    /// If KMS cannot be reached.
    pub async fn at(place: KeyPlace) -> Self {
        match place {
            KeyPlace::File(path) => Self::File(path),
            KeyPlace::Kms(arn) => {
                let config = AwsKmsConfig {
                    connect_timeout: PATIENCE,
                    attempt_timeout: PATIENCE,
                    operation_timeout: PATIENCE,
                    ..AwsKmsConfig::new(arn)
                };
                let kms = AwsKms::connect(&Kms::shared().client().await, config).await;
                Self::Kms(Arc::new(kms.expect("an ARN is taken as it is")))
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> KeyPlace {
        match self {
            Self::File(path) => KeyPlace::File(path.clone()),
            Self::Kms(kms) => KeyPlace::Kms(kms.umk_id().to_string()),
        }
    }

    /// For a builder. A key file that is missing is made.
    ///
    /// # Panics
    /// If a key file cannot be used.
    #[must_use]
    pub fn source(&self) -> KeySource {
        match self {
            Self::File(path) => LocalFile::open_or_create(path).expect("the key file can be used").into(),
            Self::Kms(kms) => kms.clone().into(),
        }
    }

    /// Its provider. A key file must be there.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn KeyProvider> {
        match self {
            Self::File(path) => Arc::new(LocalFile::open(path).expect("the key file is there")),
            Self::Kms(kms) => kms.clone(),
        }
    }

    /// The settings that make `bes` use it, and what leads any program of this project to its KMS. Those of a
    /// DynamoDB go before them: Region and credentials may be others.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::File(path) => {
                vec![("BES_KEYS", "local".to_owned()), ("BES_KEY_FILE", path.display().to_string())]
            }
            Self::Kms(kms) => {
                let mut variables = Kms::shared().variables();
                variables.extend([("BES_KEYS", "kms".to_owned()), ("BES_KMS_KEY", kms.umk_id().to_string())]);
                variables
            }
        }
    }
}
