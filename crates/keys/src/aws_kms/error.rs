//! What KMS says, as what the caller can do about it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::KeyNameError;
use crate::{KeyError, UmkId};

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsKmsError {
    /// The name of a key is none. Nothing was asked.
    #[error("{name:?} is no name of a KMS key")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        source: KeyNameError,
    },
    /// A key id or an alias is of some Region, and the client has none.
    #[error("no AWS Region is configured in which to look for the KMS key {name}")]
    NoRegion {
        /// The key.
        name: String,
    },
    /// The key is not one of 256 bits that encrypts and decrypts, or is not the caller's to use.
    #[error(
        "the KMS key {arn} cannot be a master key: it is {found}, and a customer managed one, SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT, is needed"
    )]
    Unsuitable {
        /// The key.
        arn: String,
        /// What it is, in KMS's words.
        found: String,
    },
    /// KMS does not say which key it is.
    #[error("the KMS key {name} cannot be looked up")]
    Unresolved {
        /// What was given.
        name: String,
        /// What KMS said.
        source: KeyError,
    },
}

/// What a call to KMS met: the source of a [`KeyError`] of [`AwsKms`](super::AwsKms). It prints the operation, KMS's code
/// and message, and never what was sent or received besides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {}{detail}", code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default())]
pub struct KmsCallError {
    operation: &'static str,
    code: Option<String>,
    detail: String,
}

impl KmsCallError {
    /// Which operation of KMS it was: `Decrypt`, say.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// KMS's code, such as `AccessDeniedException`. There is none if it did not answer, or not as it should.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// An answer that is not to what was asked. It is given no other class than a refusal: nothing says that another
    /// attempt would end better.
    pub(super) fn unexpected(operation: &'static str, umk_id: &UmkId, detail: impl Into<String>) -> KeyError {
        let source = Box::new(Self { operation, code: None, detail: detail.into() });
        KeyError::Refused { umk_id: umk_id.clone(), source }
    }

    pub(super) fn too_late(operation: &'static str) -> KeyError {
        let detail = "it was not done in time".to_owned();
        KeyError::Unavailable { source: Box::new(Self { operation, code: None, detail }) }
    }
}

/// The class of a failed call. `umk_id` is the key that it was for.
pub(super) fn key_error<E>(
    operation: &'static str,
    umk_id: &UmkId,
    error: &SdkError<E, HttpResponse>,
) -> KeyError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (class, code, detail) = match error {
        SdkError::ServiceError(service) => {
            let (status, code) = (service.raw().status().as_u16(), service.err().code());
            let detail = match service.err().message() {
                Some(message) => message.to_owned(),
                None => format!("the answer has the HTTP status {status} and nothing that can be read"),
            };
            let class = code.and_then(of_code).unwrap_or_else(|| of_status(status));
            (class, code.map(str::to_owned), detail)
        }
        // Its text may quote from the answer, and the answer may hold a key.
        SdkError::ResponseError(_) => (Class::Unavailable, None, "the answer cannot be read".to_owned()),
        other => (of_unsent(other), None, root(other)),
    };
    let umk_id = umk_id.clone();
    let source = Box::new(KmsCallError { operation, code, detail });
    match class {
        Class::Denied => KeyError::Denied { umk_id, source },
        Class::Disabled => KeyError::Disabled { umk_id, source },
        Class::NotFound => KeyError::NotFound { umk_id, source },
        Class::Refused => KeyError::Refused { umk_id, source },
        Class::Unavailable => KeyError::Unavailable { source },
        Class::Authentication => KeyError::Authentication,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Denied,
    Disabled,
    NotFound,
    Refused,
    Unavailable,
    Authentication,
}

/// The codes of the operations that are used, and those common to all of KMS, as its API reference has them.
fn of_code(code: &str) -> Option<Class> {
    Some(match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "OptInRequired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Class::Denied,
        "DisabledException" | "KMSInvalidStateException" => Class::Disabled,
        "NotFoundException" => Class::NotFound,
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KMSInternalException"
        | "DependencyTimeoutException"
        | "KeyUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Class::Unavailable,
        "InvalidCiphertextException" | "IncorrectKeyException" => Class::Authentication,
        "InvalidKeyUsageException"
        | "InvalidGrantTokenException"
        | "InvalidArnException"
        | "UnsupportedOperationException"
        | "DryRunOperationException"
        | "ValidationException"
        | "ValidationError" => Class::Refused,
        _ => return None,
    })
}

fn of_status(status: u16) -> Class {
    match status {
        401 | 403 => Class::Denied,
        400..500 if !matches!(status, 408 | 429) => Class::Refused,
        // Also a success that is none of KMS's: something between here and there answered.
        _ => Class::Unavailable,
    }
}

/// What was not answered at all.
fn of_unsent<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Class {
    match find::<CredentialsError>(error) {
        Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => {
            return Class::Denied;
        }
        // A provider that failed or timed out may do better next time; nothing was signed or sent.
        Some(_) => return Class::Unavailable,
        None => {}
    }
    match error {
        SdkError::ConstructionFailure(_) => Class::Refused,
        _ => Class::Unavailable,
    }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// The innermost cause: the SDK's outer layers ("dispatch failure") say nothing.
fn root(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.last().unwrap_or(error).to_string()
}
