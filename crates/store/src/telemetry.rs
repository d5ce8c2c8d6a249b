//! What a request shows of itself: a span and a duration, both by OpenTelemetry's semantic conventions for databases and the
//! AWS SDK (docs/observability.md of the repository has all of them). Neither holds anything of an item.

use std::{borrow::Cow, error::Error, sync::Arc, time::Instant};

use aws_sdk_dynamodb::{error::ProvideErrorMetadata, operation::RequestId};
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use tracing::{Span, field};

use crate::calls::Attempt;

/// Upper bounds of the buckets of durations, in seconds, as the conventions advise.
const DURATIONS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const SYSTEM: &str = "aws.dynamodb";

/// The instruments of one table. They belong to the meter provider that the process had when they were made.
#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    table: Arc<str>,
    duration: Histogram<f64>,
    retries: Counter<u64>,
}

/// A request under way.
pub(crate) struct Request<'a> {
    telemetry: &'a Telemetry,
    operation: &'static str,
    begun: Instant,
    pub(crate) span: Span,
    /// Until it is known.
    error: Option<Cow<'static, str>>,
}

/// The error of a request that nobody waits for any more.
const GIVEN_UP: &str = "cancelled";

impl Telemetry {
    pub(crate) fn of(table: &str) -> Self {
        let meter = global::meter("blue-store");
        Self {
            table: table.into(),
            duration: meter
                .f64_histogram("db.client.operation.duration")
                .with_unit("s")
                .with_description("How long requests to DynamoDB took, each attempt by itself.")
                .with_boundaries(DURATIONS.to_vec())
                .build(),
            retries: meter
                .u64_counter("bes.dynamodb.retries")
                .with_unit("{request}")
                .with_description("Requests to DynamoDB that were sent again.")
                .build(),
        }
    }

    /// Begins to watch a request, which is the `attempt`th of its operation, from 1.
    pub(crate) fn request(&self, operation: &'static str, attempt: u32) -> Request<'_> {
        if attempt > 1 {
            self.retries.add(1, &[KeyValue::new("db.operation.name", operation)]);
        }
        let span = tracing::info_span!(
            "DynamoDB",
            otel.name = %format_args!("DynamoDB.{operation}"),
            otel.kind = "client",
            otel.status_code = field::Empty,
            rpc.system = "aws-api",
            rpc.service = "DynamoDB",
            rpc.method = operation,
            db.system.name = SYSTEM,
            db.operation.name = operation,
            db.collection.name = &*self.table,
            bes.attempt = attempt,
            aws.request_id = field::Empty,
            "error.type" = field::Empty,
        );
        Request { telemetry: self, operation, begun: Instant::now(), span, error: Some(GIVEN_UP.into()) }
    }
}

impl Request<'_> {
    /// Records how it ended.
    pub(crate) fn ended<T, E>(mut self, attempt: &Attempt<T, E>)
    where
        T: RequestId,
        E: ProvideErrorMetadata + Error,
    {
        let request_id = match attempt {
            Attempt::Answered(Ok(answer)) => answer.request_id(),
            Attempt::Answered(Err(error)) | Attempt::Postponed(error) => error.meta().request_id(),
            _ => None,
        };
        if let Some(request_id) = request_id {
            self.span.record("aws.request_id", request_id);
        }
        self.error = error_type(attempt).map(|error| error.to_owned().into());
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let mut attributes = vec![
            KeyValue::new("db.system.name", SYSTEM),
            KeyValue::new("db.operation.name", self.operation),
            KeyValue::new("db.collection.name", self.telemetry.table.clone()),
        ];
        if let Some(error) = self.error.take() {
            self.span.record("error.type", &*error);
            // A condition that does not hold is an answer, and most often an expected one.
            if !matches!(&*error, "ConditionalCheckFailedException" | "TransactionCanceledException") {
                self.span.record("otel.status_code", "ERROR");
            }
            attributes.push(KeyValue::new("error.type", error));
        }
        self.telemetry.duration.record(self.begun.elapsed().as_secs_f64(), &attributes);
    }
}

/// The service's own code or, without an answer, why there is none.
fn error_type<T, E: ProvideErrorMetadata>(attempt: &Attempt<T, E>) -> Option<&str> {
    match attempt {
        Attempt::Answered(Ok(_)) => None,
        Attempt::Answered(Err(error)) | Attempt::Postponed(error) => Some(error.code().unwrap_or("_OTHER")),
        Attempt::NotSent(_) => Some("not_sent"),
        Attempt::NotConnected(_) => Some("not_connected"),
        Attempt::Unsendable { denied: true, .. } => Some("no_credentials"),
        Attempt::Unsendable { .. } => Some("unsendable"),
        Attempt::Unanswered(_) => Some("unanswered"),
    }
}
