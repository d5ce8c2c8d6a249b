//! What the store shows of itself: a span for each public operation, and metrics, through the crates `tracing` and
//! `opentelemetry`. Where they go, the process decides; docs/observability.md of the repository lists all of them.
//!
//! No key, content or wrapped key is in any of them, and no name of a tenant: in its place is its pseudonym
//! ([`KeyOwner::pseudonym`]). Names of collections and records are, if the builder was told so.

mod failed;
mod operation;

use std::{sync::Arc, time::Instant};

use blue_address::{Collection, Namespace, RecordPath, Tenant};
use blue_keys::{KeyOwner, UmkId};
use opentelemetry::{
    Context, KeyValue, global,
    metrics::{Counter, Histogram},
    trace::TraceContextExt,
};
use tracing::{Instrument, Span};

pub(crate) use self::{
    failed::{Failed, Failing},
    operation::Operation,
};
use crate::{
    TraceContext,
    audit::{Caller, Recorder},
};

/// Upper bounds of the buckets of durations, in seconds.
const DURATIONS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Whether spans show names of collections and records. Those of tenants are never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TelemetryNames {
    /// They do not.
    #[default]
    Hidden,
    /// They do, as `bes.collection` and `bes.record`: for stores whose names tell nothing of anybody.
    Shown,
}

/// The instruments of one store. They belong to the meter provider that the process had when it was opened.
#[derive(Debug)]
pub(crate) struct Telemetry {
    namespace: Option<Namespace>,
    names: TelemetryNames,
    /// The kind of the key provider, once it is known.
    provider: Option<&'static str>,
    /// The trace that the process was started in.
    environment: Option<TraceContext>,
    duration: Histogram<f64>,
    conflicts: Counter<u64>,
    unopened: Counter<u64>,
}

/// What an operation is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Store,
    Tenant(&'a Tenant),
    Collection(&'a Tenant, &'a Collection),
    Record(&'a RecordPath),
}

/// An operation under way.
pub(crate) struct Watched<'a> {
    telemetry: &'a Telemetry,
    operation: Operation,
    span: Span,
    /// On whose behalf it is done, in the trace that its span, its events and what it logs belong to.
    pub(crate) caller: Caller,
}

impl Telemetry {
    /// Before anything is known of the store but what it was told.
    pub(crate) fn new(
        namespace: Option<Namespace>,
        names: TelemetryNames,
        environment: Option<TraceContext>,
    ) -> Self {
        let meter = global::meter("blue-encrypted-store");
        Self {
            namespace,
            names,
            provider: None,
            environment,
            duration: meter
                .f64_histogram("bes.operation.duration")
                .with_unit("s")
                .with_description("How long operations took, with all their requests and retries.")
                .with_boundaries(DURATIONS.to_vec())
                .build(),
            conflicts: meter
                .u64_counter("bes.conflicts")
                .with_unit("{conflict}")
                .with_description("Writes that found their record changed by somebody else.")
                .build(),
            unopened: meter
                .u64_counter("bes.records.unopened")
                .with_unit("{record}")
                .with_description("Records that were read and did not open.")
                .build(),
        }
    }

    /// Of a store that is open.
    pub(crate) fn of_store(
        namespace: Namespace,
        names: TelemetryNames,
        umk_id: &UmkId,
        recorder: &Recorder,
    ) -> Arc<Self> {
        let provider = Some(umk_id.provider());
        Arc::new(Self { provider, ..Self::new(Some(namespace), names, recorder.environment) })
    }

    /// Begins an operation. Its span is a child of the current one; else of the trace that the caller set, or the process was
    /// started in.
    pub(crate) fn begin(&self, operation: Operation, subject: Subject<'_>, caller: &Caller) -> Watched<'_> {
        let given = TraceContext::current().or(caller.trace).or(self.environment);
        let span = {
            let remote = given.filter(|_| TraceContext::current().is_none());
            let _parent =
                remote.map(|trace| Context::current().with_remote_span_context(trace.into()).attach());
            operation.span(&Described { telemetry: self, subject })
        };
        let trace = span.in_scope(|| {
            // With an OpenTelemetry layer, that of the span itself.
            let trace = TraceContext::current().or(given).unwrap_or_else(TraceContext::fresh_and_logged);
            if !span.is_disabled() {
                span.record("trace_id", trace.trace_id());
                span.record("span_id", trace.span_id());
            }
            trace
        });
        Watched { telemetry: self, operation, span, caller: caller.in_trace(trace) }
    }

    /// Counts a write that found its record changed by somebody else.
    pub(crate) fn conflict(&self) {
        self.conflicts.add(1, &[]);
    }

    /// Counts a record that did not open.
    pub(crate) fn unopened(&self, reason: &'static str) {
        self.unopened.add(1, &[KeyValue::new("error.type", reason)]);
    }
}

impl Watched<'_> {
    /// Does it, within its span, and records how it ended.
    pub(crate) fn watch<'w, T, E: Failing>(
        &'w self,
        work: impl Future<Output = Result<T, E>> + 'w,
    ) -> impl Future<Output = Result<T, E>> + 'w {
        // On the heap: futures that are built upon operations stay within what the compiler follows.
        let work = Box::pin(work);
        async move {
            let ending = Ending { of: self, begun: Instant::now(), outcome: None };
            let result = work.instrument(self.span.clone()).await;
            ending.ended(result.as_ref().err().map(Failing::failed));
            result
        }
    }
}

/// Records an end, also that of an operation that nobody waits for any more.
struct Ending<'a> {
    of: &'a Watched<'a>,
    begun: Instant,
    outcome: Option<Option<Failed>>,
}

impl Ending<'_> {
    fn ended(mut self, failed: Option<Failed>) {
        self.outcome = Some(failed);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let Watched { telemetry, operation, span, .. } = self.of;
        let failed = self.outcome.unwrap_or(Some(Failed::CANCELLED));
        let outcome = failed.map_or("success", |failed| failed.outcome);
        span.record("bes.outcome", outcome);
        if let Some(failed) = failed {
            span.record("error.type", failed.kind);
            span.record("otel.status_code", "ERROR");
        }
        let attributes = [
            KeyValue::new("bes.operation", operation.name()),
            KeyValue::new("bes.outcome", outcome),
            KeyValue::new("bes.provider", telemetry.provider.unwrap_or("none")),
            KeyValue::new("error.type", failed.map_or("", |failed| failed.kind)),
        ];
        // The last one is left out of a success.
        let attributes = if failed.is_some() { &attributes[..] } else { &attributes[..3] };
        telemetry.duration.record(self.begun.elapsed().as_secs_f64(), attributes);
    }
}

/// What the span of an operation says of it. Nothing is reckoned unless somebody listens.
struct Described<'a> {
    telemetry: &'a Telemetry,
    subject: Subject<'a>,
}

impl Described<'_> {
    fn namespace(&self) -> Option<&str> {
        self.telemetry.namespace.as_ref().map(Namespace::as_str)
    }

    fn provider(&self) -> Option<&str> {
        self.telemetry.provider
    }

    fn tenant(&self) -> Option<String> {
        let (Subject::Tenant(tenant)
        | Subject::Collection(tenant, _)
        | Subject::Record(RecordPath { tenant, .. })) = self.subject
        else {
            return None;
        };
        let namespace = self.telemetry.namespace.as_ref()?;
        Some(KeyOwner::Tenant(tenant.clone()).pseudonym(namespace))
    }

    fn collection(&self) -> Option<&str> {
        match (self.telemetry.names, self.subject) {
            (
                TelemetryNames::Shown,
                Subject::Collection(_, collection) | Subject::Record(RecordPath { collection, .. }),
            ) => Some(collection.as_str()),
            _ => None,
        }
    }

    fn record(&self) -> Option<String> {
        match (self.telemetry.names, self.subject) {
            (TelemetryNames::Shown, Subject::Record(RecordPath { kind, id, .. })) => {
                Some(format!("{kind}/{id}"))
            }
            _ => None,
        }
    }
}
