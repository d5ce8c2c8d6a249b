//! What a run shows of itself, and where that goes: logs on standard error, traces and metrics to an OTLP endpoint. None of it
//! unless it is asked for; then nothing is started, and nothing is waited for.

mod logs;
mod otlp;

use std::{env, ffi::OsString};

use blue_encrypted_store::TraceContext;
use opentelemetry::{
    Context,
    trace::{TraceContextExt, TracerProvider},
};
use tracing::{Metadata, Span, field, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::FilterFn, layer::SubscriberExt, util::SubscriberInitExt};

use self::otlp::{Exporters, Wanted};
use crate::{config::Config, failure::Failure};

/// The crates whose events and spans are shown. At the level TRACE nobody else's ever are: the SDK would log whole answers
/// then, wrapped keys included. Nobody else's spans are exported.
const OURS: [&str; 7] =
    ["bes", "blue_address", "blue_audit", "blue_encrypted_store", "blue_envelope", "blue_keys", "blue_store"];

/// What is to be ended in order when the run ends.
#[derive(Debug)]
pub(crate) struct Telemetry {
    exporters: Exporters,
}

/// Starts what the settings and the variables of OpenTelemetry (`OTEL_*`) ask for. Exporters use the runtime that is entered.
pub(crate) fn start(config: &Config) -> Result<Telemetry, Failure> {
    let logs = logs::layer(config)?;
    let wanted = Wanted::of(variable)?;
    let exporters = Exporters::start(&wanted)?;
    let traces = exporters.tracer.as_ref().map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(env!("CARGO_PKG_NAME")));
        // Where in the code something is, in which thread it ran, and when it was polled, tells an operator nothing.
        let layer =
            layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        layer.with_filter(FilterFn::new(is_exported).with_max_level_hint(LevelFilter::INFO))
    });
    if logs.is_some() || traces.is_some() {
        tracing_subscriber::registry().with(traces).with(logs).init();
    }
    Ok(Telemetry { exporters })
}

impl Telemetry {
    /// The span of the whole run. If traces are exported, it goes on with that which the process was started in
    /// (`TRACEPARENT`).
    pub(crate) fn begin(&self, command: &'static str) -> Run {
        let parent = if self.exporters.tracer.is_some() { TraceContext::from_env() } else { None };
        let _parent = parent.map(|trace| Context::current().with_remote_span_context(trace.into()).attach());
        Run(tracing::info_span!(
            target: "bes",
            "bes",
            otel.name = %format_args!("bes {command}"),
            bes.command = command,
            process.exit.code = field::Empty,
            otel.status_code = field::Empty,
        ))
    }

    /// Delivers what is not delivered yet, within a few seconds, and says what could not be.
    pub(crate) fn end(self) {
        self.exporters.end();
    }
}

/// A run of the command.
pub(crate) struct Run(Span);

impl Run {
    pub(crate) fn span(&self) -> Span {
        self.0.clone()
    }

    /// With this exit code.
    pub(crate) fn end(self, code: u8) {
        self.0.record("process.exit.code", code);
        if code != 0 {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}

/// A variable of this process. An empty one counts as not set, as OpenTelemetry has it.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= LevelFilter::INFO && is_ours(metadata)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    OURS.iter().any(|name| metadata.target().split("::").next() == Some(name))
}
