//! What to do about keys of AWS KMS.

use std::{error::Error, sync::Arc};

use blue_encrypted_store::{
    AwsKmsError, KmsCallError,
    keys::{KeyError, UmkId},
};

use crate::config::{Config, Set};

const CREDENTIALS: &str =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and see that they have not expired";

/// Why the keys that are configured were not found.
pub(super) fn of_lookup(error: &AwsKmsError, config: &Config) -> Vec<String> {
    match error {
        AwsKmsError::Name { .. } => vec![format!(
            "a key is named by its id, its ARN, an alias (alias/NAME) or the ARN of one; {}",
            configured(config)
        )],
        AwsKmsError::NoRegion { .. } => {
            vec!["name it with --region or AWS_REGION, or the key by its ARN".to_owned()]
        }
        AwsKmsError::Unsuitable { .. } => {
            vec![format!("make one with `aws kms create-key`, and name that; {}", configured(config))]
        }
        AwsKmsError::Unresolved { source, .. } => of_key_error(source, config),
        _ => Vec::new(),
    }
}

/// Whatever a key provider said, however deep it lies.
pub(super) fn of(error: &(dyn Error + 'static), config: &Config) -> Vec<String> {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    let found = chain.find_map(|error| {
        let shared = error.downcast_ref::<Arc<KeyError>>().map(|shared| &**shared);
        error.downcast_ref::<KeyError>().or(shared)
    });
    found.map(|error| of_key_error(error, config)).unwrap_or_default()
}

fn of_key_error(error: &KeyError, config: &Config) -> Vec<String> {
    let call = error.source().and_then(|source| source.downcast_ref::<KmsCallError>());
    match error {
        KeyError::Denied { umk_id, .. } => match call.map(|call| (call.operation(), call.code())) {
            Some((operation, Some("AccessDeniedException" | "AccessDenied" | "NotAuthorized"))) => vec![
                format!("{}, in a policy of whoever calls and in that of the key (docs/aws.md)", allow(operation, umk_id)),
                format!(
                    "a policy with conditions on the encryption context has to allow bes:ns = {}",
                    config.namespace.value
                ),
            ],
            Some(_) => vec![CREDENTIALS.to_owned()],
            None => Vec::new(),
        },
        KeyError::Disabled { umk_id, .. } => vec![
            format!("if it is disabled: aws kms enable-key --key-id {umk_id}"),
            format!(
                "if it is to be deleted, and you want its data: aws kms cancel-key-deletion --key-id {umk_id}"
            ),
        ],
        KeyError::NotFound { .. } => vec![format!("see account and Region of the key; {}", configured(config))],
        KeyError::NotConfigured { umk_id } => vec![format!(
            "if the store was moved from that key to another: add {umk_id} to kms_previous_keys \
             (BES_KMS_PREVIOUS_KEYS)"
        )],
        KeyError::Refused { .. } if call.is_some() => vec![format!(
            "the key has to be a symmetric one that encrypts and decrypts; {}",
            configured(config)
        )],
        KeyError::Unavailable { .. } if call.is_some() => vec![
            "try again; if it stays so, see that KMS can be reached from here, and its quota of requests".to_owned(),
            "an emulator of KMS is named by AWS_ENDPOINT_URL_KMS; without that, it is AWS in the Region of the key"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// The right that was missing, as IAM calls it. Which of its two ReEncrypt lacked, KMS may not say: either key is the one of
/// the error then.
fn allow(operation: &str, umk_id: &UmkId) -> String {
    match operation {
        "ReEncrypt" => format!(
            "allow kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new one, one of which is {umk_id}"
        ),
        other => format!("allow kms:{other} on {umk_id}"),
    }
}

fn configured(config: &Config) -> String {
    match &config.kms_key {
        Some(Set { value, source }) => format!("kms_key is {value} (from {source})"),
        None => "see the settings with: bes config".to_owned(),
    }
}
