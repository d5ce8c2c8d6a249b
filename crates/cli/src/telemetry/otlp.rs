//! Traces and metrics to an OTLP endpoint, as OpenTelemetry's own variables say.
//!
//! The exporters read most of them themselves: endpoints, headers, compression, the sampler, resource attributes, batches and
//! intervals. Here is only whether there is an exporter, and by which protocol.

use std::{
    error::Error,
    ffi::OsString,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
    tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{SdkMeterProvider, Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SdkTracerProvider, SpanData},
};

use crate::{failure::Failure, http::agent, output::printable};

/// How long a run waits in its end until everything is delivered.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request may take, if no variable says otherwise, as OpenTelemetry has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most of an answer that is read.
const ANSWER: u64 = 64 * 1024;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Traces,
    Metrics,
}

/// How it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Http,
    Grpc,
}

/// One exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Export {
    transport: Transport,
    timeout: Duration,
}

/// Which exporters are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    traces: Option<Export>,
    metrics: Option<Export>,
    /// Whether somebody named the service.
    named: bool,
}

/// The exporters that run.
#[derive(Debug)]
pub(super) struct Exporters {
    pub(super) tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }
}

impl Wanted {
    /// As the variables say. Without one that names an endpoint or `otlp` as an exporter, there is none.
    pub(super) fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let variable = |name: &str| {
            let value = variable(name).map(OsString::into_string).transpose();
            value.map_err(|_| Failure::Usage(format!("the variable {name} is no UTF-8")))
        };
        if variable("OTEL_SDK_DISABLED")?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let attributes = variable("OTEL_RESOURCE_ATTRIBUTES")?.unwrap_or_default();
        let named = variable("OTEL_SERVICE_NAME")?.is_some()
            || attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name="));
        let export = |signal| export(variable, signal);
        Ok(Self { traces: export(Signal::Traces)?, metrics: export(Signal::Metrics)?, named })
    }
}

fn export(
    variable: impl Fn(&str) -> Result<Option<String>, Failure>,
    signal: Signal,
) -> Result<Option<Export>, Failure> {
    /// The value for this signal or else for all, with the name of the variable that has it.
    fn either(
        variable: impl Fn(&str) -> Result<Option<String>, Failure>,
        signal: Signal,
        what: &str,
    ) -> Result<Option<(String, String)>, Failure> {
        for name in
            [format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.name()), format!("OTEL_EXPORTER_OTLP_{what}")]
        {
            if let Some(value) = variable(&name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
    let name = format!("OTEL_{}_EXPORTER", signal.name());
    match variable(&name)?.as_deref() {
        Some("none") => return Ok(None),
        Some("otlp") => {}
        Some(other) => {
            return Err(Failure::Usage(format!("{name} cannot be {other:?}: it should be otlp or none")));
        }
        None if either(&variable, signal, "ENDPOINT")?.is_none() => return Ok(None),
        None => {}
    }
    let transport = match either(&variable, signal, "PROTOCOL")? {
        None => Transport::Http,
        Some((_, protocol)) if protocol == "http/protobuf" => Transport::Http,
        Some((_, protocol)) if protocol == "grpc" => Transport::Grpc,
        Some((name, other)) => {
            return Err(Failure::Usage(format!(
                "{name} cannot be {other:?}: it should be http/protobuf or grpc"
            )));
        }
    };
    let timeout = match either(&variable, signal, "TIMEOUT")? {
        None => TIMEOUT,
        Some((name, text)) => text.parse().map(Duration::from_millis).map_err(|_| {
            Failure::Usage(format!("{name} cannot be {text:?}: it should be a number of milliseconds"))
        })?,
    };
    Ok(Some(Export { transport, timeout }))
}

impl Exporters {
    pub(super) fn start(wanted: &Wanted) -> Result<Self, Failure> {
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if !wanted.named {
            resource = resource.with_service_name("bes");
        }
        let resource = resource.build();
        let failed = |what: &'static str| {
            move |source: Box<dyn Error + Send + Sync>| Failure::Exporter { what, source }
        };
        let tracer = wanted.traces.map(|export| {
            let exporter = span_exporter(export).map_err(failed("traces"))?;
            let provider = SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(Told::of(exporter, "traces"));
            Ok::<_, Failure>(provider.build())
        });
        let meter = wanted.metrics.map(|export| {
            let exporter = metric_exporter(export).map_err(failed("metrics"))?;
            let provider = SdkMeterProvider::builder()
                .with_resource(resource.clone())
                .with_periodic_exporter(Told::of(exporter, "metrics"));
            Ok::<_, Failure>(provider.build())
        });
        let (tracer, meter) = (tracer.transpose()?, meter.transpose()?);
        if let Some(meter) = &meter {
            global::set_meter_provider(meter.clone());
        }
        Ok(Self { tracer, meter })
    }

    /// Delivers the rest. What takes longer is given up: the process ends.
    pub(super) fn end(self) {
        let Self { tracer, meter } = self;
        if tracer.is_none() && meter.is_none() {
            return;
        }
        let (done, ended) = mpsc::channel();
        // Beside each other: one that waits in vain must not cost the other. Each says by itself what it could not deliver.
        let also_done = done.clone();
        thread::spawn(move || {
            let _ = tracer.map(|tracer| tracer.shutdown_with_timeout(PATIENCE));
            let _ = done.send(());
        });
        thread::spawn(move || {
            let _ = meter.map(|meter| meter.shutdown_with_timeout(PATIENCE));
            let _ = also_done.send(());
        });
        let until = Instant::now() + PATIENCE;
        for _ in 0..2 {
            if ended.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
                say!("warning: traces and metrics were not all delivered within {} s", PATIENCE.as_secs());
                return;
            }
        }
    }
}

type Built<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn span_exporter(Export { transport, timeout }: Export) -> Built<SpanExporter> {
    let builder = SpanExporter::builder();
    Ok(match transport {
        Transport::Grpc => builder.with_tonic().with_tls_config(tls()).with_timeout(timeout).build()?,
        Transport::Http => {
            let builder = builder.with_http().with_protocol(Protocol::HttpBinary);
            builder.with_http_client(Http { timeout }).build()?
        }
    })
}

/// For endpoints that are `https`: what the system trusts.
fn tls() -> ClientTlsConfig {
    ClientTlsConfig::new().with_native_roots()
}

fn metric_exporter(Export { transport, timeout }: Export) -> Built<MetricExporter> {
    let builder = MetricExporter::builder();
    Ok(match transport {
        Transport::Grpc => builder.with_tonic().with_tls_config(tls()).with_timeout(timeout).build()?,
        Transport::Http => {
            let builder = builder.with_http().with_protocol(Protocol::HttpBinary);
            builder.with_http_client(Http { timeout }).build()?
        }
    })
}

/// Sends an exporter's requests. It blocks, and may: each exporter has a thread of its own.
#[derive(Debug, Clone, Copy)]
struct Http {
    timeout: Duration,
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let agent = agent(&request.uri().to_string(), self.timeout)?;
        let (parts, body) = request.into_parts();
        let answer = agent.run(Request::from_parts(parts, &body[..]))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}

/// An exporter that says so, once, if it cannot deliver. Nothing else of a run is concerned by that.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    what: &'static str,
    said: Arc<AtomicBool>,
}

impl<E> Told<E> {
    fn of(exporter: E, what: &'static str) -> Self {
        Self { exporter, what, said: Arc::default() }
    }

    fn tell(&self, result: OTelSdkResult) -> OTelSdkResult {
        if let Err(error) = &result
            && !self.said.swap(true, Ordering::Relaxed)
        {
            say!("warning: {} are not exported: {}", self.what, printable(&error.to_string()));
        }
        result
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Told<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.tell(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl PushMetricExporter for Told<MetricExporter> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.tell(self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn wanted(variables: &[(&str, &str)]) -> Result<Wanted, Failure> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        Wanted::of(|name| variables.get(name).map(OsString::from))
    }

    const HTTP: Option<Export> = Some(Export { transport: Transport::Http, timeout: TIMEOUT });
    const GRPC: Option<Export> = Some(Export { transport: Transport::Grpc, timeout: TIMEOUT });

    #[test]
    fn nothing_is_exported_unless_an_endpoint_or_an_exporter_is_named() {
        assert_eq!(wanted(&[]).unwrap(), Wanted::default());
        assert_eq!(
            wanted(&[("OTEL_SERVICE_NAME", "x")]).unwrap(),
            Wanted { named: true, ..Wanted::default() }
        );
        let both = Wanted { traces: HTTP, metrics: HTTP, named: false };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert_eq!(wanted(&[endpoint]).unwrap(), both);
        assert_eq!(wanted(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap(), Wanted::default());
        let traces = wanted(&[endpoint, ("OTEL_METRICS_EXPORTER", "none")]).unwrap();
        assert_eq!(traces, Wanted { metrics: None, ..both });
        let metrics = wanted(&[("OTEL_METRICS_EXPORTER", "otlp")]).unwrap();
        assert_eq!(metrics, Wanted { traces: None, ..both });
    }

    #[test]
    fn what_is_said_of_one_signal_goes_before_what_is_said_of_both() {
        let found = wanted(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=x"),
        ]);
        assert_eq!(found.unwrap(), Wanted { traces: GRPC, metrics: HTTP, named: true });
    }

    #[test]
    fn what_is_not_understood_is_told_by_its_name() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        for (name, value) in [
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s"),
        ] {
            let message = wanted(&[endpoint, (name, value)]).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(value), "{message}");
        }
    }
}
