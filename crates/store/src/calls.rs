//! Calls to DynamoDB: attempts, retries and deadlines, in one place.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::CancellationReason,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::error::{Cause, StoreError};

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// One request and its answer. Default: 3 s.
    pub attempt: Duration,
    /// One operation with all its retries. Default: 15 s.
    pub operation: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(3), operation: Duration::from_secs(15) }
    }
}

impl Deadlines {
    /// Starts the clock of one operation.
    #[must_use]
    pub fn start(self) -> Deadline {
        Deadline { attempt: self.attempt, at: Instant::now() + self.operation }
    }
}

/// The moment by which one operation must have ended, however many calls it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    attempt: Duration,
    at: Instant,
}

impl Deadline {
    /// How long there is until then; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Waits before retry number `retry` (from 0): anything up to a bound that doubles (full jitter). Says
    /// `false`, without waiting, if there is no time for it.
    pub async fn pause(self, retry: u32) -> bool {
        let pause = backoff(retry);
        if pause >= self.remaining() {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

const BACKOFF_BASE: Duration = Duration::from_millis(25);
const BACKOFF_CAP: Duration = Duration::from_secs(1);
/// A port on which nothing listens is a matter of configuration far more often than of patience.
const REFUSED_CONNECTIONS: u32 = 5;

/// 25 ms doubled with each retry up to 1 s, times a random number from 0 to 1.
pub(crate) fn backoff(retry: u32) -> Duration {
    let bound = BACKOFF_BASE.saturating_mul(1 << retry.min(10)).min(BACKOFF_CAP);
    bound.mul_f64(fastrand::f64())
}

/// A call that the service answered.
pub(crate) struct Answered<T, E> {
    /// The answer, or an error that no retry will change.
    pub(crate) answer: Result<T, E>,
    /// Whether an earlier attempt may have been carried out without our learning of it.
    pub(crate) unanswered_before: bool,
}

/// A call that the service did not answer, or answered with a plea to try later, until the deadline.
pub(crate) struct GaveUp {
    pub(crate) operation: &'static str,
    pub(crate) attempts: u32,
    pub(crate) unanswered: bool,
    pub(crate) cause: Cause,
    denied: bool,
}

impl GaveUp {
    /// As the error of an operation that changes nothing, or whose effect is the same however often it is done.
    pub(crate) fn unavailable(self) -> StoreError {
        let Self { operation, attempts, cause: source, denied, .. } = self;
        if denied {
            StoreError::Denied { operation, source }
        } else {
            StoreError::Unavailable { operation, attempts, source }
        }
    }

    /// As the error of a write.
    pub(crate) fn of_write(self) -> StoreError {
        if self.unanswered {
            let Self { operation, attempts, cause: source, .. } = self;
            StoreError::OutcomeUnknown { operation, attempts, source }
        } else {
            self.unavailable()
        }
    }
}

/// Sends a request until it is answered for good or the deadline has passed.
pub(crate) async fn call<T, E, F>(
    operation: &'static str,
    deadline: Deadline,
    mut send: impl FnMut() -> F,
) -> Result<Answered<T, E>, GaveUp>
where
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let mut attempts = 0;
    let mut refused = 0;
    let mut unanswered = false;
    loop {
        attempts += 1;
        let patience = deadline.attempt.min(deadline.remaining());
        let cause: Cause = match tokio::time::timeout(patience, send()).await {
            Ok(Ok(answer)) => return Ok(Answered { answer: Ok(answer), unanswered_before: unanswered }),
            Ok(Err(error)) => match classify(&error) {
                Class::Final => {
                    let SdkError::ServiceError(error) = error else {
                        return Err(GaveUp {
                            operation,
                            attempts,
                            unanswered,
                            cause: error.into(),
                            denied: false,
                        });
                    };
                    return Ok(Answered { answer: Err(error.into_err()), unanswered_before: unanswered });
                }
                Class::NoCredentials => {
                    return Err(GaveUp { operation, attempts, unanswered, cause: root(error), denied: true });
                }
                Class::NotDone => error.into(),
                Class::NeverSent => {
                    refused += 1;
                    root(error)
                }
                Class::Unanswered => {
                    unanswered = true;
                    root(error)
                }
            },
            Err(elapsed) => {
                unanswered = true;
                elapsed.into()
            }
        };
        tracing::debug!(operation, attempts, %cause, "no answer");
        if refused >= REFUSED_CONNECTIONS || !deadline.pause(attempts - 1).await {
            return Err(GaveUp { operation, attempts, unanswered, cause, denied: false });
        }
    }
}

/// The error of an answered call that the operation itself does not know what to do with.
pub(crate) fn service_error<E>(operation: &'static str, table: &str, error: E) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match error.code() {
        Some("ResourceNotFoundException") => StoreError::TableMissing { table: table.to_owned() },
        Some(
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignatureException",
        ) => StoreError::Denied { operation, source: service_cause(&error) },
        _ => StoreError::Refused { operation, source: service_cause(&error) },
    }
}

/// The code and message of a service error; its own text is often only "unhandled error".
fn service_cause<E: ProvideErrorMetadata + Error>(error: &E) -> Cause {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}").into(),
        (Some(code), None) => code.to_owned().into(),
        _ => error.to_string().into(),
    }
}

/// What an error says about whether the request was carried out, and whether to try again.
enum Class {
    /// The service's last word.
    Final,
    /// There was nothing to sign the request with.
    NoCredentials,
    /// Not carried out; may be tried again.
    NotDone,
    /// Nobody listens there.
    NeverSent,
    /// It may have been carried out.
    Unanswered,
}

fn classify<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Class {
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(
                "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TransactionInProgressException"
                | "LimitExceededException"
                | "TransactionConflictException",
            ) => Class::NotDone,
            _ if is_transient_cancellation(service.err()) => Class::NotDone,
            _ if service.raw().status().is_server_error() => Class::Unanswered,
            _ => Class::Final,
        },
        SdkError::ConstructionFailure(_) => {
            if find::<CredentialsError>(error).is_some() {
                Class::NoCredentials
            } else {
                Class::Final
            }
        }
        _ if find::<CredentialsError>(error).is_some() => Class::NoCredentials,
        _ if find::<io::Error>(error).is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) => {
            Class::NeverSent
        }
        _ => Class::Unanswered,
    }
}

/// Whether a transaction was cancelled only because others were in its way at that moment.
fn is_transient_cancellation(error: &(dyn Error + 'static)) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_ref() else {
        return false;
    };
    let codes: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .filter_map(|reason| reason.code())
        .filter(|&c| c != "None")
        .collect();
    !codes.is_empty()
        && codes.iter().all(|code| {
            matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
        })
}

/// The reason of the first condition that a cancelled transaction failed, with the item that failed it.
pub(crate) fn failed_condition(error: &TransactWriteItemsError) -> Option<&CancellationReason> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return None };
    cancelled.cancellation_reasons().iter().find(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

/// The first cause of type `T`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The innermost cause, as text: the SDK's outer layers ("dispatch failure") say nothing.
fn root<E: Error + 'static>(error: E) -> Cause {
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().into()
}
