//! What a run shows, kept in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
};

use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::{
    metrics::{
        InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
        data::{AggregatedMetrics, Metric, MetricData},
    },
    trace::{InMemorySpanExporter, SdkTracerProvider},
};
use tracing::{
    Dispatch, Event, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, filter::filter_fn, layer::Context, layer::SubscriberExt, registry::LookupSpan,
};

use crate::page::Names;

/// Keeps what this thread shows. The metrics are the process's.
pub(crate) struct Seen {
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
    meter: SdkMeterProvider,
    events: Arc<Mutex<BTreeSet<(String, String, String)>>>,
    _subscriber: DefaultGuard,
    _another: Dispatch,
}

impl Seen {
    pub(crate) fn from_now_on() -> Self {
        let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let meter =
            SdkMeterProvider::builder().with_reader(PeriodicReader::builder(metrics.clone()).build()).build();
        global::set_meter_provider(meter.clone());
        let tracer = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let traces = tracing_opentelemetry::layer()
            .with_tracer(tracer.tracer("test"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.target().starts_with("blue_")));
        let events = Arc::default();
        let subscriber = tracing_subscriber::registry().with(traces).with(Events(Arc::clone(&events)));
        let _subscriber = tracing::subscriber::set_default(subscriber);
        // With one alone, tracing asks the thread that comes to a span first whether anybody listens, and believes it for good.
        let _another = Dispatch::new(tracing_subscriber::registry());
        Self { spans, metrics, meter, events, _subscriber, _another }
    }

    /// By span, the fields that any of its kind had.
    pub(crate) fn spans(&self) -> BTreeMap<String, Names> {
        let mut found: BTreeMap<String, Names> = BTreeMap::new();
        for span in self.spans.get_finished_spans().unwrap() {
            // A request's name has its operation behind a point.
            let name = match span.name.split_once('.') {
                Some((service @ ("DynamoDB" | "KMS"), _)) => service.to_owned(),
                _ => span.name.to_string(),
            };
            found.entry(name).or_default().extend(span.attributes.iter().map(|pair| pair.key.to_string()));
        }
        found
    }

    /// By metric, the attributes that any of its points had.
    pub(crate) fn metrics(&self) -> BTreeMap<String, Names> {
        self.metrics.reset();
        self.meter.force_flush().unwrap();
        let mut found: BTreeMap<String, Names> = BTreeMap::new();
        for resource in self.metrics.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                found.entry(metric.name().to_owned()).or_default().extend(attributes(metric));
            }
        }
        found
    }

    /// Level, target and message of log events.
    pub(crate) fn events(&self) -> BTreeSet<(String, String, String)> {
        self.events.lock().unwrap().clone()
    }
}

fn attributes(metric: &Metric) -> Names {
    fn keys<'a>(points: impl Iterator<Item = impl Iterator<Item = &'a opentelemetry::KeyValue>>) -> Names {
        points.flatten().map(|pair| pair.key.to_string()).collect()
    }
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            keys(sum.data_points().map(|point| point.attributes()))
        }
        AggregatedMetrics::I64(MetricData::Sum(sum)) => {
            keys(sum.data_points().map(|point| point.attributes()))
        }
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
            keys(gauge.data_points().map(|point| point.attributes()))
        }
        AggregatedMetrics::U64(MetricData::Histogram(all)) => {
            keys(all.data_points().map(|point| point.attributes()))
        }
        AggregatedMetrics::F64(MetricData::Histogram(all)) => {
            keys(all.data_points().map(|point| point.attributes()))
        }
        other => panic!("{} is of no kind that the page knows: {other:?}", metric.name()),
    }
}

/// Notes the log events of these crates.
struct Events(Arc<Mutex<BTreeSet<(String, String, String)>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        let target =
            if target.starts_with("bes::") { target } else { target.split("::").next().unwrap_or(target) };
        if !target.starts_with("blue_") && !target.starts_with("bes::") || target == "blue_testkit" {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = event.metadata().level().as_str().to_lowercase();
        self.0.lock().unwrap().insert((level, target.to_owned(), message.0));
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
