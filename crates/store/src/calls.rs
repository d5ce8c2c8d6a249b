//! Calls to DynamoDB: attempts, retries and deadlines, in one place.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, transact_write_items::TransactWriteItemsError},
    types::CancellationReason,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::error::Elapsed,
};
use tracing::Instrument;

use crate::{
    Table,
    error::{Cause, ServiceCause, StoreError},
};

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// One request and its answer, with the time it takes to get credentials, connect and sign. Default: 5 s.
    pub attempt: Duration,
    /// One operation with all its retries. Default: 15 s. Not meant to reach ten minutes: see `Store::put`.
    pub operation: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(5), operation: Duration::from_secs(15) }
    }
}

impl Deadlines {
    /// Starts the clock of one operation.
    #[must_use]
    pub fn start(self) -> Deadline {
        // An Instant cannot hold every Duration; a century is as good as any.
        const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        Deadline { attempt: self.attempt, at: Instant::now() + self.operation.min(FAR) }
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

    /// How long one attempt may take now; zero once the deadline has passed.
    pub(crate) fn patience(self) -> Duration {
        self.attempt.min(self.remaining())
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

/// How many requests of one [`Table`] and its clones are under way at once; others wait, until the deadlines of their
/// operations.
///
/// Every request under way has a connection of its own. Without a bound, as many operations as somebody starts at once
/// are as many connections, and a process may often open no more than 1,024 files.
pub const MAX_REQUESTS_AT_ONCE: usize = 256;

/// The turns of a table's requests, given in the order in which they are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_REQUESTS_AT_ONCE)))
    }

    /// A turn, for as long as it is held; none if the deadline passes before there is one.
    async fn take(&self, deadline: Deadline) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout(deadline.remaining(), self.0.acquire()).await;
        let turn = turn.ok()?.expect("nobody closes it");
        // Turns come in plenty at the moment at which the deadlines of others pass.
        (!deadline.remaining().is_zero()).then_some(turn)
    }
}

const BACKOFF_BASE: Duration = Duration::from_millis(25);
const BACKOFF_CAP: Duration = Duration::from_secs(1);
/// Why nothing is sent any more.
pub(crate) const PASSED: &str = "its deadline has passed";
/// Why nothing was sent.
const NO_TURN: &str = "until its deadline, as many other requests were under way as may be at once";
/// A server that cannot be connected to is a matter of configuration far more often than of patience.
const FAILED_CONNECTIONS: u32 = 5;

/// 25 ms doubled with each retry up to 1 s, times a random number from 0 to 1.
pub(crate) fn backoff(retry: u32) -> Duration {
    let bound = BACKOFF_BASE.saturating_mul(1 << retry.min(10)).min(BACKOFF_CAP);
    bound.mul_f64(fastrand::f64())
}

/// A call that the service answered.
pub(crate) struct Answered<T, E> {
    /// The answer, or an error that no retry will change.
    pub(crate) answer: Result<T, E>,
    pub(crate) sent: Sent,
}

/// What is known of the attempts of an answered call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) operation: &'static str,
    pub(crate) attempts: u32,
    /// Whether an attempt before the last may have been carried out without our learning of it.
    pub(crate) unanswered_before: bool,
}

impl Sent {
    /// The error of a write whose outcome cannot be told.
    pub(crate) fn unknown(self, cause: impl Into<Cause>) -> StoreError {
        StoreError::OutcomeUnknown {
            operation: self.operation,
            attempts: self.attempts,
            source: cause.into(),
        }
    }

    /// What is known of a write after an answer that is no success and no failed condition.
    pub(crate) fn write_failed<E>(self, table: &str, error: E) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let failed = service_error(self.operation, table, error);
        // An earlier attempt may have been carried out before the service began to refuse.
        if self.unanswered_before { self.unknown(failed) } else { failed }
    }
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

/// How one attempt at a request ended.
pub(crate) enum Attempt<T, E> {
    /// With the service's last word: it is done, or an error that no repetition will change.
    Answered(Result<T, E>),
    /// The service did nothing, and may another time.
    Postponed(E),
    /// It was not sent, and may be another time.
    NotSent(Cause),
    /// There was no connection: nobody listens there, or its name or certificate is wrong.
    NotConnected(Cause),
    /// It cannot be sent: there is nothing to sign it with (`denied`), or it makes no request.
    Unsendable { cause: Cause, denied: bool },
    /// It may have been carried out.
    Unanswered(Cause),
}

/// Sends a request once, when its turn comes.
///
/// It is the `number`th attempt at `operation`, from 1.
pub(crate) fn attempt<'a, T, E>(
    operation: &'static str,
    number: u32,
    table: &'a Table,
    deadline: Deadline,
    sending: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
) -> impl Future<Output = Attempt<T, E>> + Send + 'a
where
    T: RequestId + Send + 'a,
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    // On the heap and without its type: the SDK's futures are nested so deeply that those of our callers, and of
    // theirs, would else come near the depth that the compiler allows a type.
    let sending: Pin<Box<dyn Future<Output = _> + Send + 'a>> = Box::pin(sending);
    async move {
        let Some(_turn) = table.turns.take(deadline).await else { return Attempt::NotSent(NO_TURN.into()) };
        let request = table.telemetry.request(operation, number);
        let sending = sending.instrument(request.span.clone());
        let attempt = judged(tokio::time::timeout(deadline.patience(), sending).await);
        request.ended(&attempt);
        attempt
    }
}

fn judged<T, E>(ended: Result<Result<T, SdkError<E, HttpResponse>>, Elapsed>) -> Attempt<T, E>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let error = match ended {
        Ok(Ok(answer)) => return Attempt::Answered(Ok(answer)),
        Ok(Err(error)) => error,
        Err(elapsed) => return Attempt::Unanswered(elapsed.into()),
    };
    match (classify(&error), error) {
        (Class::Final, SdkError::ServiceError(error)) => Attempt::Answered(Err(error.into_err())),
        (Class::NotDone, SdkError::ServiceError(error)) => Attempt::Postponed(error.into_err()),
        (Class::Final, error) => Attempt::Unsendable { cause: error.into(), denied: false },
        (Class::NoCredentials, error) => Attempt::Unsendable { cause: root(error), denied: true },
        (Class::NotDone, error) => Attempt::NotSent(error.into()),
        (Class::NeverSent, error) => Attempt::NotConnected(root(error)),
        (Class::Unanswered, error) => Attempt::Unanswered(root(error)),
    }
}

/// Sends a request until it is answered for good or the deadline has passed.
pub(crate) async fn call<T, E, F>(
    operation: &'static str,
    table: &Table,
    deadline: Deadline,
    mut send: impl FnMut() -> F,
) -> Result<Answered<T, E>, GaveUp>
where
    T: RequestId + Send,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let mut attempts = 0;
    let mut not_connected = 0;
    let mut unanswered = false;
    loop {
        let gave_up = |attempts, cause| GaveUp { operation, attempts, unanswered, cause, denied: false };
        if deadline.remaining().is_zero() {
            return Err(gave_up(attempts, PASSED.into()));
        }
        attempts += 1;
        let cause: Cause = match attempt(operation, attempts, table, deadline, send()).await {
            Attempt::Answered(answer) => {
                let sent = Sent { operation, attempts, unanswered_before: unanswered };
                return Ok(Answered { answer, sent });
            }
            Attempt::Unsendable { cause, denied } => {
                return Err(GaveUp { denied, ..gave_up(attempts, cause) });
            }
            Attempt::Postponed(error) => service_cause(&error),
            Attempt::NotSent(cause) => cause,
            Attempt::NotConnected(cause) => {
                not_connected += 1;
                cause
            }
            Attempt::Unanswered(cause) => {
                unanswered = true;
                cause
            }
        };
        tracing::debug!(operation, attempts, %cause, "no answer");
        if not_connected >= FAILED_CONNECTIONS || !deadline.pause(attempts - 1).await {
            return Err(GaveUp { operation, attempts, unanswered, cause, denied: false });
        }
    }
}

/// [`call`], for an operation that changes nothing and knows no error of its own.
pub(crate) async fn ask<T, E, F>(
    operation: &'static str,
    table: &Table,
    deadline: Deadline,
    send: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    T: RequestId + Send,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let answered = call(operation, table, deadline, send).await.map_err(GaveUp::unavailable)?;
    answered.answer.map_err(|error| service_error(operation, &table.name, error))
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
pub(crate) fn service_cause<E: ProvideErrorMetadata + Error>(error: &E) -> Cause {
    let text = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => error.to_string(),
    };
    Box::new(ServiceCause { code: error.code().map(str::to_owned), text })
}

/// What an error says about whether the request was carried out, and whether to try again.
enum Class {
    /// The service's last word.
    Final,
    /// There was nothing to sign the request with.
    NoCredentials,
    /// Not carried out; may be tried again.
    NotDone,
    /// There was no connection: nobody listens there, or its name or certificate is wrong.
    NeverSent,
    /// It may have been carried out.
    Unanswered,
}

fn classify<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Class {
    if let SdkError::ServiceError(service) = error {
        return match service.err().code() {
            None if service.raw().status().is_client_error() => Class::Final,
            // An answer that cannot be read: it may have been a success.
            None => Class::Unanswered,
            Some(
                "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "LimitExceededException"
                | "TransactionInProgressException"
                | "TransactionConflictException"
                | "ReplicatedWriteConflictException",
            ) => Class::NotDone,
            Some(_) if is_transient_cancellation(service.err()) => Class::NotDone,
            Some(_) if service.raw().status().is_server_error() => Class::Unanswered,
            Some(_) => Class::Final,
        };
    }
    match find::<CredentialsError>(error) {
        Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => {
            return Class::NoCredentials;
        }
        // A provider that failed or timed out may do better next time; nothing was signed or sent.
        Some(_) => return Class::NotDone,
        None => {}
    }
    if matches!(error, SdkError::ConstructionFailure(_)) {
        return Class::Final;
    }
    if find::<hyper_util::client::legacy::Error>(error).is_some_and(|error| error.is_connect())
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    {
        return Class::NeverSent;
    }
    Class::Unanswered
}

/// Whether a transaction was cancelled because others were in its way at that moment. What its conditions said then
/// may be half of another transaction's work.
fn is_transient_cancellation(error: &(dyn Error + 'static)) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_ref() else {
        return false;
    };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(is_transient_reason)
}

/// Whether such a reason to cancel a transaction was one of that moment.
pub(crate) fn is_transient_reason(code: &str) -> bool {
    matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}

/// The first condition that a cancelled transaction failed: its position among the transaction's items, and the
/// reason with the item that failed it.
pub(crate) fn failed_condition(error: &TransactWriteItemsError) -> Option<(usize, &CancellationReason)> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return None };
    let mut reasons = cancelled.cancellation_reasons().iter().enumerate();
    reasons.find(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
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
