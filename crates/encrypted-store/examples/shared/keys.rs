//! Where the master key is: the same variables that `bes` reads, so that both open the same store.

use std::{env, error::Error, path::PathBuf};

use blue_encrypted_store::{AwsKmsConfig, KeySource, LocalFile};

/// `BES_KEYS=kms` takes the key of AWS KMS that `BES_KMS_KEY` names; `local`, the default, the key file at `BES_KEY_FILE`, by
/// default `~/.blue/keys/umk.key`. Nothing else depends on which it is.
pub(crate) fn from_environment() -> Result<KeySource, Box<dyn Error + Send + Sync>> {
    match env::var("BES_KEYS").as_deref().unwrap_or("local") {
        "kms" => {
            let key = env::var("BES_KMS_KEY").map_err(|_| "BES_KEYS is kms, and BES_KMS_KEY is not set")?;
            Ok(AwsKmsConfig::new(key).into())
        }
        "local" => {
            let path = match env::var_os("BES_KEY_FILE") {
                Some(path) => PathBuf::from(path),
                None => env::home_dir().ok_or("there is no home directory")?.join(".blue/keys/umk.key"),
            };
            Ok(LocalFile::open_or_create(path)?.into())
        }
        other => Err(format!("BES_KEYS is {other:?}, and can be local or kms").into()),
    }
}
