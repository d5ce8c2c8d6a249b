//! The calls to KMS, each with what its answer has to be.

use std::collections::HashMap;

use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{DataKeySpec, KeyManagerType, KeyMetadata, KeySpec, KeyUsageType},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use blue_envelope::SecretKey;
use zeroize::Zeroizing;

use super::{
    AwsKmsError,
    arn::KeyArn,
    error::{KmsCallError, key_error},
    telemetry::Telemetry,
};
use crate::{KeyContext, KeyError, UmkId};

/// The most bytes that KMS makes or takes as a ciphertext.
pub(super) const MAX_CIPHERTEXT: usize = 6144;

/// A key of KMS, and a client of the Region that it is in.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) arn: KeyArn,
    pub(super) umk_id: UmkId,
    pub(super) client: Client,
    pub(super) telemetry: Telemetry,
}

impl Key {
    pub(super) async fn generate_data_key(
        &self,
        context: &KeyContext,
    ) -> Result<(SecretKey, Vec<u8>), KeyError> {
        const NAME: &str = "GenerateDataKey";
        let request = self.client.generate_data_key().key_id(self.umk_id.as_str());
        let request = request.key_spec(DataKeySpec::Aes256).set_encryption_context(Some(pairs(context)));
        let answer = self.telemetry.call(NAME, self.umk_id.as_str(), request.send()).await;
        let answer = answer.map_err(|error| key_error(NAME, &self.umk_id, &error))?;
        let secret = secret(answer.plaintext);
        self.expect_answer_of(NAME, answer.key_id.as_deref())?;
        let secret =
            secret.ok_or_else(|| KmsCallError::unexpected(NAME, &self.umk_id, "the key has no 32 bytes"))?;
        Ok((secret, self.ciphertext(NAME, answer.ciphertext_blob)?))
    }

    /// Any answer that does not fit is one that was not wrapped here: by another key, or not a KEK.
    pub(super) async fn decrypt(
        &self,
        ciphertext: &[u8],
        context: &KeyContext,
    ) -> Result<SecretKey, KeyError> {
        const NAME: &str = "Decrypt";
        // With the key's ARN: without it, KMS takes whatever key the ciphertext names, a stranger's as well.
        let request = self.client.decrypt().key_id(self.umk_id.as_str());
        let request =
            request.ciphertext_blob(Blob::new(ciphertext)).set_encryption_context(Some(pairs(context)));
        let answer = self.telemetry.call(NAME, self.umk_id.as_str(), request.send()).await;
        let answer = answer.map_err(|error| key_error(NAME, &self.umk_id, &error))?;
        let secret = secret(answer.plaintext);
        if !self.is(answer.key_id.as_deref()) {
            return Err(KeyError::Authentication);
        }
        secret.ok_or(KeyError::Authentication)
    }

    pub(super) async fn encrypt(
        &self,
        secret: &SecretKey,
        context: &KeyContext,
    ) -> Result<Vec<u8>, KeyError> {
        const NAME: &str = "Encrypt";
        let request = self.client.encrypt().key_id(self.umk_id.as_str());
        let request = request
            .plaintext(Blob::new(secret.expose().as_slice()))
            .set_encryption_context(Some(pairs(context)));
        let answer = self.telemetry.call(NAME, self.umk_id.as_str(), request.send()).await;
        let answer = answer.map_err(|error| key_error(NAME, &self.umk_id, &error))?;
        self.expect_answer_of(NAME, answer.key_id.as_deref())?;
        self.ciphertext(NAME, answer.ciphertext_blob)
    }

    /// From this key to another of the same Region. The plaintext does not leave KMS.
    pub(super) async fn re_encrypt(
        &self,
        to: &Self,
        ciphertext: &[u8],
        context: &KeyContext,
    ) -> Result<Vec<u8>, KeyError> {
        const NAME: &str = "ReEncrypt";
        let request = self.client.re_encrypt().ciphertext_blob(Blob::new(ciphertext));
        let request = request
            .source_key_id(self.umk_id.as_str())
            .set_source_encryption_context(Some(pairs(context)))
            .destination_key_id(to.umk_id.as_str())
            .set_destination_encryption_context(Some(pairs(context)));
        let answer = self.telemetry.call(NAME, self.umk_id.as_str(), request.send()).await;
        let answer = answer.map_err(|error| {
            let is_of_other = names(&error, &to.umk_id) && !names(&error, &self.umk_id);
            key_error(NAME, if is_of_other { &to.umk_id } else { &self.umk_id }, &error)
        })?;
        if !self.is(answer.source_key_id.as_deref()) {
            return Err(KeyError::Authentication);
        }
        to.expect_answer_of(NAME, answer.key_id.as_deref())?;
        to.ciphertext(NAME, answer.ciphertext_blob)
    }

    /// Whether an answer's key is this one.
    fn is(&self, key_id: Option<&str>) -> bool {
        key_id.and_then(KeyArn::parse).is_some_and(|arn| arn.is_same_key(&self.arn))
    }

    fn expect_answer_of(&self, operation: &'static str, key_id: Option<&str>) -> Result<(), KeyError> {
        if self.is(key_id) {
            return Ok(());
        }
        let detail = format!("the answer is of the key {:?}", key_id.unwrap_or_default());
        Err(KmsCallError::unexpected(operation, &self.umk_id, detail))
    }

    fn ciphertext(&self, operation: &'static str, blob: Option<Blob>) -> Result<Vec<u8>, KeyError> {
        let bytes = blob.map(Blob::into_inner).unwrap_or_default();
        if (1..=MAX_CIPHERTEXT).contains(&bytes.len()) {
            return Ok(bytes);
        }
        let detail = format!("the answer has a ciphertext of {} bytes", bytes.len());
        Err(KmsCallError::unexpected(operation, &self.umk_id, detail))
    }
}

/// Asks KMS which key it is. `name` is as it was configured.
pub(super) async fn describe(
    client: &Client,
    telemetry: &Telemetry,
    name: &str,
) -> Result<KeyArn, AwsKmsError> {
    const NAME: &str = "DescribeKey";
    let umk_id = UmkId::new(name);
    let unresolved = |source| AwsKmsError::Unresolved { name: name.to_owned(), source };
    let answer = telemetry.call(NAME, name, client.describe_key().key_id(name).send()).await;
    let answer = answer.map_err(|error| unresolved(key_error(NAME, &umk_id, &error)))?;
    let metadata = answer.key_metadata.as_ref();
    let arn = metadata.and_then(|metadata| metadata.arn.as_deref()).and_then(KeyArn::parse);
    let (Some(metadata), Some(arn)) = (metadata, arn) else {
        return Err(unresolved(KmsCallError::unexpected(NAME, &umk_id, "the answer names no key")));
    };
    let is_alias = name.contains("alias/");
    if !is_alias && arn.id() != name {
        let detail = format!("the answer is of the key {arn}");
        return Err(unresolved(KmsCallError::unexpected(NAME, &umk_id, detail)));
    }
    match unsuitable(metadata) {
        Some(found) => Err(AwsKmsError::Unsuitable { arn: arn.to_string(), found }),
        None => Ok(arn),
    }
}

/// What a key is that cannot wrap.
fn unsuitable(metadata: &KeyMetadata) -> Option<String> {
    let is_symmetric = metadata.key_spec == Some(KeySpec::SymmetricDefault);
    // A symmetric key can be for nothing else, and emulators leave it out.
    let encrypts = metadata.key_usage.as_ref().is_none_or(|usage| *usage == KeyUsageType::EncryptDecrypt);
    let is_of_aws = metadata.key_manager == Some(KeyManagerType::Aws);
    (!is_symmetric || !encrypts || is_of_aws).then(|| {
        let spec = metadata.key_spec.as_ref().map_or("of no known kind", KeySpec::as_str);
        let usage = metadata.key_usage.as_ref().map_or("no known use", KeyUsageType::as_str);
        format!("{}{spec} for {usage}", if is_of_aws { "managed by AWS, " } else { "" })
    })
}

/// Overwrites what the SDK gave, wherever it has no other copy of it.
fn secret(plaintext: Option<Blob>) -> Option<SecretKey> {
    let bytes = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
    SecretKey::from_slice(&bytes)
}

fn pairs(context: &KeyContext) -> HashMap<String, String> {
    context.encryption_context().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whether KMS's message names this key.
fn names<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, umk_id: &UmkId) -> bool {
    error.message().is_some_and(|message| message.contains(umk_id.as_str()))
}
