//! What a call to KMS shows of itself: a span and a duration, by OpenTelemetry's semantic conventions for the AWS SDK
//! (docs/observability.md of the repository has all of them). Neither holds anything of a key but its name.

use std::{borrow::Cow, error::Error, time::Instant};

use aws_sdk_kms::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use opentelemetry::{KeyValue, global, metrics::Histogram};
use tracing::{Instrument, Span, field};

/// Upper bounds of the buckets of durations, in seconds.
const DURATIONS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The instruments of one provider. They belong to the meter provider that the process had when they were made.
#[derive(Debug, Clone)]
pub(super) struct Telemetry {
    duration: Histogram<f64>,
}

impl Telemetry {
    pub(super) fn new() -> Self {
        let duration = global::meter("blue-keys")
            .f64_histogram("bes.kms.duration")
            .with_unit("s")
            .with_description("How long calls to KMS took, with the retries of the SDK.")
            .with_boundaries(DURATIONS.to_vec())
            .build();
        Self { duration }
    }

    /// Watches a call that is of this key.
    pub(super) async fn call<T, E>(
        &self,
        operation: &'static str,
        key: &str,
        sending: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        T: RequestId,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let span = tracing::info_span!(
            "KMS",
            otel.name = %format_args!("KMS.{operation}"),
            otel.kind = "client",
            otel.status_code = field::Empty,
            rpc.system = "aws-api",
            rpc.service = "KMS",
            rpc.method = operation,
            bes.umk_id = key,
            aws.request_id = field::Empty,
            "error.type" = field::Empty,
        );
        let mut watched =
            Watched { telemetry: self, operation, span, begun: Instant::now(), error: Some(GIVEN_UP.into()) };
        let answer = sending.instrument(watched.span.clone()).await;
        watched.error = answer.as_ref().err().map(|error| error_type(error).to_owned().into());
        if let Some(request_id) = request_id(&answer) {
            watched.span.record("aws.request_id", request_id);
        }
        answer
    }
}

/// A call under way. Records how it ended, also if nobody waits for it any more.
struct Watched<'a> {
    telemetry: &'a Telemetry,
    operation: &'static str,
    span: Span,
    begun: Instant,
    error: Option<Cow<'static, str>>,
}

/// The error of a call that took longer than whoever made it could wait.
const GIVEN_UP: &str = "unanswered";

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut attributes = vec![KeyValue::new("rpc.method", self.operation)];
        if let Some(error) = self.error.take() {
            self.span.record("error.type", &*error);
            self.span.record("otel.status_code", "ERROR");
            attributes.push(KeyValue::new("error.type", error));
        }
        self.telemetry.duration.record(self.begun.elapsed().as_secs_f64(), &attributes);
    }
}

fn request_id<T, E>(answer: &Result<T, SdkError<E, HttpResponse>>) -> Option<&str>
where
    T: RequestId,
    E: ProvideErrorMetadata,
{
    match answer {
        Ok(answer) => answer.request_id(),
        Err(SdkError::ServiceError(service)) => service.err().meta().request_id(),
        Err(_) => None,
    }
}

/// KMS's own code or, without an answer, why there is none.
fn error_type<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    match error {
        SdkError::ServiceError(service) => service.err().code().unwrap_or("_OTHER"),
        SdkError::ConstructionFailure(_) => "unsendable",
        SdkError::DispatchFailure(_) => "not_sent",
        SdkError::TimeoutError(_) => "unanswered",
        _ => "_OTHER",
    }
}
