//! What monitoring sees of the audit log, through OpenTelemetry's own SDK, and the trace that an event belongs to.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{collections::BTreeMap, time::Duration};

use blue_encrypted_store::{TraceContext, blue_audit::Verdict, verification_did_not_run};
use blue_tests::{Fate, Note, Proxy, Sandbox, b};
use opentelemetry::{
    global,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{
    metrics::{
        InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
        data::{AggregatedMetrics, MetricData},
    },
    trace::{InMemorySpanExporter, SdkTracerProvider},
};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

/// The sums so far of what is counted of verifications: by the metric's name and its attributes, in order.
fn sums(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> BTreeMap<String, u64> {
    exporter.reset();
    provider.force_flush().unwrap();
    let mut sums = BTreeMap::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
            let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else { continue };
            if !["verifications", "verified_events", "discontinuities"]
                .iter()
                .any(|of| metric.name().ends_with(of))
            {
                continue;
            }
            for point in sum.data_points() {
                let mut attributes: Vec<_> =
                    point.attributes().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
                attributes.sort();
                sums.insert(format!("{} {}", metric.name(), attributes.join(" ")), point.value());
            }
        }
    }
    sums
}

/// The provider is the process's, so all of it is one test.
#[tokio::test]
async fn a_verification_its_findings_and_that_it_did_not_run_are_counted() {
    let exporter = InMemoryMetricExporter::default();
    let provider =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    global::set_meter_provider(provider.clone());

    let sandbox = Sandbox::new("metrics").await;
    let inbox = sandbox.collection("alice", "inbox").await;
    inbox.put(&Note::new("1", "text")).await.unwrap();
    let log = sandbox.builder().open_audit().await.unwrap().patience(Duration::ZERO);
    let sound = log.verify(&log.options()).await.unwrap();
    assert_eq!(sound.verdict(), Verdict::Verified);
    let verified = "bes.audit.verifications bes.namespace=default bes.verdict=verified";
    let events = "bes.audit.verified_events bes.namespace=default";
    let mut expected = BTreeMap::from([(verified.to_owned(), 1), (events.to_owned(), sound.totals().events)]);
    assert_eq!(sums(&provider, &exporter), expected);

    // A deep one counts once, however often it reads the log.
    let mut record = sandbox.item("R#alice#inbox", "note#1").await.unwrap();
    record.insert("sk".to_owned(), blue_tests::s("note#2"));
    sandbox.put_item(record).await;
    let mut segment = sandbox.item("A#main", &format!("{:020}", 0)).await.unwrap();
    segment.insert("mac".to_owned(), b([0; 32]));
    sandbox.put_item(segment).await;
    let deep = log.verify_deep(&log.options()).await.unwrap();
    assert_eq!(deep.findings.count(), 2, "{deep}");
    *expected.get_mut(events).unwrap() += deep.totals().events;
    for (name, count) in [
        ("bes.audit.verifications bes.namespace=default bes.verdict=tampered", 1),
        ("bes.audit.discontinuities bes.class=mac bes.namespace=default", 1),
        ("bes.audit.discontinuities bes.class=unlogged-record bes.namespace=default", 1),
    ] {
        expected.insert(name.to_owned(), count);
    }
    assert_eq!(sums(&provider, &exporter), expected);

    let proxy = Proxy::start(|request| async move {
        if request.operation == "Query" && request.body.to_string().contains("A#") {
            Fate::refusal(400, "AccessDeniedException")
        } else {
            Fate::Forward
        }
    })
    .await;
    let unreadable = sandbox.builder().client(proxy.client(&sandbox.client)).open_audit().await.unwrap();
    unreadable.verify(&unreadable.options()).await.unwrap_err();
    unreadable.verify_deep(&unreadable.options()).await.unwrap_err();
    verification_did_not_run(log.namespace());
    expected.insert("bes.audit.verifications bes.namespace=default bes.verdict=not-run".to_owned(), 3);
    assert_eq!(sums(&provider, &exporter), expected);
}

#[tokio::test]
async fn an_event_has_the_ids_of_its_operation_in_the_trace_of_the_current_span() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    // With one alone, tracing asks the thread that comes to a span first whether anybody listens, and believes it for good.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let sandbox = Sandbox::new("spans").await;
    let store = sandbox.store().await;
    // The current span goes before what the handle was told.
    let told: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
    let inbox = store.in_trace(told).tenant("alice").unwrap().collection("inbox").unwrap();
    let span = tracing::info_span!("a request");
    let of_span = span.context().span().span_context().clone();
    assert!(of_span.is_valid());
    inbox.put(&Note::new("1", "text")).instrument(span).await.unwrap();
    inbox.put(&Note::new("2", "text")).await.unwrap();
    let log = sandbox.audit_log().await;
    let puts: Vec<_> = exporter.get_finished_spans().unwrap();
    let puts: Vec<_> = puts.into_iter().filter(|span| span.name == "bes.put").collect();
    let parents =
        [(of_span.trace_id().to_string(), of_span.span_id().to_string()), (told.trace_id(), told.span_id())];
    assert_eq!(puts.len(), 2);
    for ((put, parent), id) in puts.iter().zip(parents).zip(["1", "2"]) {
        let trace_id = put.span_context.trace_id().to_string();
        assert_eq!((trace_id.clone(), put.parent_span_id.to_string()), parent, "note {id}");
        let event = log.about(&format!("alice/inbox/note/{id}"))[0];
        let of_event = (event.trace_id.clone(), event.span_id.clone());
        assert_eq!(of_event, (trace_id, put.span_context.span_id().to_string()), "note {id}");
    }
}

/// Nothing records traces here: then the ids are those that the handle was told, else one's own.
#[tokio::test]
async fn without_traces_an_event_has_the_ids_that_its_handle_was_told() {
    let sandbox = Sandbox::new("told").await;
    let store = sandbox.store().await;
    let told: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".parse().unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    inbox.in_trace(told).put(&Note::new("1", "text")).await.unwrap();
    inbox.put(&Note::new("2", "text")).await.unwrap();
    let log = sandbox.audit_log().await;
    let event = log.about("alice/inbox/note/1")[0];
    assert_eq!((event.trace_id.clone(), event.span_id.clone()), (told.trace_id(), told.span_id()));
    let event = log.about("alice/inbox/note/2")[0];
    assert_ne!(event.trace_id, told.trace_id());
    assert_eq!((event.trace_id.len(), event.span_id.len()), (32, 16));
}
