//! An OTLP endpoint in this process, by HTTP and by gRPC, with OpenTelemetry's own messages.

use std::{
    io::{BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::Metric,
    resource::v1::Resource,
};
use prost::Message;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use crate::server::read_request;

/// What came in.
#[derive(Debug, Default)]
struct Received {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
}

/// Takes what is exported, until the test program ends.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    pub(crate) url: String,
    received: Arc<Mutex<Received>>,
}

/// A span as it was exported.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty at the root.
    pub(crate) parent: String,
    /// Whether its status is *error*.
    pub(crate) failed: bool,
    attributes: Vec<KeyValue>,
}

impl Span {
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.attributes, name)
    }

    pub(crate) fn attribute_names(&self) -> Vec<&str> {
        self.attributes.iter().map(|pair| pair.key.as_str()).collect()
    }
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(bit) => bit.to_string(),
        other => format!("{other:?}"),
    })
}

impl Collector {
    pub(crate) fn http() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Received>>::default();
        let collector = Self { url, received };
        let taking = collector.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let taking = taking.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(&connection);
                    while let Ok(Some((head, body))) = read_request(&mut reader) {
                        let status = if taking.take(&head[0], &body) { 200 } else { 400 };
                        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                        if (&connection).write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        collector
    }

    pub(crate) fn grpc() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { url, received: Arc::default() };
        let (traces, metrics) =
            (TraceServiceServer::new(collector.clone()), MetricsServiceServer::new(collector.clone()));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let server = tonic::transport::Server::builder().add_service(traces).add_service(metrics);
                server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
            });
        });
        collector
    }

    /// Says whether it understands what is asked.
    fn take(&self, request: &str, body: &[u8]) -> bool {
        if request.starts_with("POST /v1/traces ") {
            ExportTraceServiceRequest::decode(body).map(|taken| self.received().traces.push(taken)).is_ok()
        } else if request.starts_with("POST /v1/metrics ") {
            ExportMetricsServiceRequest::decode(body).map(|taken| self.received().metrics.push(taken)).is_ok()
        } else {
            false
        }
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received();
        let all = received.traces.iter().flat_map(|request| &request.resource_spans);
        let all = all.flat_map(|of| &of.scope_spans).flat_map(|of| &of.spans);
        all.map(|span| Span {
            name: span.name.clone(),
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            failed: span.status.as_ref().is_some_and(|status| status.code == 2),
            attributes: span.attributes.clone(),
        })
        .collect()
    }

    /// The one span of this name.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let mut named = spans.iter().filter(|span| span.name == name);
        match (named.next(), named.next()) {
            (Some(span), None) => span.clone(),
            (found, _) => {
                panic!("{} of {name} in {spans:#?}", if found.is_some() { "several" } else { "none" })
            }
        }
    }

    /// The names of all metrics so far.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let received = self.received();
        let all = received.metrics.iter().flat_map(|request| &request.resource_metrics);
        let all = all.flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics);
        all.map(|metric: &Metric| metric.name.clone()).collect()
    }

    /// The values of an attribute of the resources: who exported.
    pub(crate) fn resources(&self, name: &str) -> Vec<String> {
        let received = self.received();
        let traces =
            received.traces.iter().flat_map(|request| &request.resource_spans).map(|of| &of.resource);
        let metrics =
            received.metrics.iter().flat_map(|request| &request.resource_metrics).map(|of| &of.resource);
        let resources = traces.chain(metrics).flatten();
        resources.filter_map(|Resource { attributes, .. }| attribute(attributes, name)).collect()
    }

    /// Every byte that came in.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let received = self.received();
        let traces = received.traces.iter().flat_map(Message::encode_to_vec);
        traces.chain(received.metrics.iter().flat_map(Message::encode_to_vec)).collect()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.received().traces.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.received().metrics.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
