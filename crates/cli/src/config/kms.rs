//! What is set about keys of AWS KMS, taken together.

#[cfg(feature = "aws-kms")]
use blue_encrypted_store::AwsKmsConfig;

#[cfg(feature = "aws-kms")]
use super::Config;
use super::{ConfigError, Keys, Set, Setting, Source};

#[cfg(feature = "aws-kms")]
impl Config {
    /// The keys of KMS, if the master key is there.
    pub(crate) fn kms(&self) -> Option<AwsKmsConfig> {
        let key = self.kms_key.as_ref().filter(|_| self.keys.value == Keys::Kms)?;
        let previous = self.kms_previous_keys.as_ref().map(|set| set.value.clone()).unwrap_or_default();
        Some(AwsKmsConfig { previous, ..AwsKmsConfig::new(&key.value) })
    }
}

/// A key of KMS is named if it is used, and used if it is named; one that `keys` says not to use may stay where it is.
pub(super) fn check(
    keys: &Set<Keys>,
    key: Option<&Set<String>>,
    previous: Option<&Set<Vec<String>>>,
) -> Result<(), ConfigError> {
    let named = [
        key.map(|key| (Setting::KmsKey, &key.source)),
        previous.map(|keys| (Setting::KmsPreviousKeys, &keys.source)),
    ];
    match (keys.value, named.into_iter().flatten().next()) {
        #[cfg(feature = "aws-kms")]
        (Keys::Kms, _) if key.is_none() => Err(ConfigError::NoKmsKey { place: keys.source.clone() }),
        (Keys::Local, Some((setting, place))) if keys.source == Source::Default => {
            Err(ConfigError::KmsKeyUnused { setting, place: place.clone() })
        }
        _ => Ok(()),
    }
}
