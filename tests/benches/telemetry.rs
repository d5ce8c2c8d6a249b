//! What spans and metrics cost a write where nobody listens: `cargo bench -p blue-tests --bench telemetry`.
//!
//! A build without them does not exist to compare with. So it counts what one write makes of them, as one who listens sees
//! it; times the same calls where nobody does; and holds that against the time of the write itself, on DynamoDB Local.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a benchmark")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use blue_encrypted_store::Collection;
use blue_tests::{Note, Sandbox};
use opentelemetry::{Context, KeyValue, global, trace::TraceContextExt};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};
use tracing::{Instrument, Subscriber, field, span};
use tracing_subscriber::{Layer, layer::Context as LayerContext, layer::SubscriberExt, registry::LookupSpan};

const WRITES: usize = 500;
const CALLS: u32 = 1_000_000;
/// The most that it may be of a write.
const TARGET: f64 = 2.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sandbox = Sandbox::new("telemetry-bench").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    let write = median(&inbox, "unheard").await;

    let (spans, records) = spans_of_a_write(&inbox).await;
    let points = points_of_a_write(&sandbox).await;

    let span = each(|| {
        let span = disabled_span();
        span.record("bes.outcome", "success");
        drop(black_box(span.clone()));
        drop(black_box(async {}.instrument(span)));
        black_box(Context::current().span().span_context().is_valid());
    });
    let histogram = global::meter("bench").f64_histogram("bench").build();
    let point = each(|| {
        let begun = Instant::now();
        let attributes = [
            KeyValue::new("bes.operation", "put"),
            KeyValue::new("bes.outcome", "success"),
            KeyValue::new("bes.provider", "local-file"),
            KeyValue::new("error.type", black_box("")),
        ];
        histogram.record(begun.elapsed().as_secs_f64(), black_box(&attributes[..3]));
    });
    let cost = span * spans + point * points;
    let share = 100.0 * cost.as_secs_f64() / write.as_secs_f64();

    println!("seal and put, 1 KiB, strict, median of {WRITES}:  {write:?}");
    println!(
        "one write makes {spans} spans ({records} values recorded later) and {points} points of metrics"
    );
    println!("where nobody listens, one span takes {span:?} and one point {point:?}");
    let met = if share < TARGET { "met" } else { "NOT met" };
    println!("together {cost:?}: {share:.3} % of the write (target: under {TARGET} %, {met})");
    assert!(share < TARGET, "{share} %");
}

/// As that of an operation.
fn disabled_span() -> tracing::Span {
    tracing::info_span!(
        "bench",
        bes.namespace = black_box("default"),
        bes.provider = black_box("local-file"),
        bes.tenant = black_box("alice").repeat(8),
        bes.collection = field::Empty,
        bes.record = field::Empty,
        bes.outcome = field::Empty,
        otel.status_code = field::Empty,
        trace_id = field::Empty,
        span_id = field::Empty,
    )
}

fn each(call: impl Fn()) -> Duration {
    let begun = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    begun.elapsed() / CALLS
}

async fn put(inbox: &Collection, id: String) {
    inbox.put(&Note::new(&id, &"x".repeat(1_000))).await.unwrap();
}

async fn median(inbox: &Collection, name: &str) -> Duration {
    put(inbox, "warm".to_owned()).await;
    let mut times = Vec::new();
    for n in 0..WRITES {
        let begun = Instant::now();
        put(inbox, format!("{name}-{n}")).await;
        times.push(begun.elapsed());
    }
    times.sort();
    times[WRITES / 2]
}

/// New spans, and values recorded in them later.
async fn spans_of_a_write(inbox: &Collection) -> (u32, u64) {
    let (spans, records) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counting = Counting { spans: spans.clone(), records: records.clone() };
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(counting));
    put(inbox, "counted".to_owned()).await;
    (u32::try_from(spans.load(Relaxed)).unwrap(), records.load(Relaxed))
}

/// Counts what these crates make.
struct Counting {
    spans: Arc<AtomicU64>,
    records: Arc<AtomicU64>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counting {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: LayerContext<'_, S>) {
        if attributes.metadata().target().starts_with("blue_") {
            self.spans.fetch_add(1, Relaxed);
        }
    }

    fn on_record(&self, _: &span::Id, _: &span::Record<'_>, _: LayerContext<'_, S>) {
        self.records.fetch_add(1, Relaxed);
    }
}

/// Points of metrics, by a store that was opened when somebody listened.
async fn points_of_a_write(sandbox: &Sandbox) -> u32 {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    global::set_meter_provider(provider.clone());
    let inbox = sandbox.collection("alice", "inbox").await;
    put(&inbox, "warm".to_owned()).await;
    let points = || {
        exporter.reset();
        provider.force_flush().unwrap();
        let all = exporter.get_finished_metrics().unwrap();
        let metrics =
            all.iter().flat_map(|resource| resource.scope_metrics()).flat_map(|scope| scope.metrics());
        let points = metrics.map(|metric| match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value()).sum()
            }
            AggregatedMetrics::F64(MetricData::Histogram(all)) => {
                all.data_points().map(|point| point.count()).sum()
            }
            AggregatedMetrics::U64(MetricData::Histogram(all)) => {
                all.data_points().map(|point| point.count()).sum()
            }
            // What goes up and down again, which leaves no trace: at least twice.
            _ => 0,
        });
        points.sum::<u64>()
    };
    let before = points();
    put(&inbox, "counted".to_owned()).await;
    u32::try_from(points() - before).unwrap() + 2
}
