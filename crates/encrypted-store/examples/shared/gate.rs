//! A gate before the audit log: closed, no request reaches the chain, so that what is buffered stays in memory.

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use tokio::sync::watch;

/// What every request names that is about a segment of the chain `main`.
const PARTITION: &[u8] = b"\"A#main\"";

pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    /// An open gate, and the client that goes through it.
    pub(crate) fn before(client: &Client) -> (Self, Client) {
        let (gate, open) = watch::channel(true);
        let inner = client.config().http_client().expect("the test's client was given one");
        let config = client.config().to_builder().http_client(Gated { inner, open });
        (Self(gate), Client::from_conf(config.build()))
    }

    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }
}

#[derive(Debug)]
struct Gated {
    inner: SharedHttpClient,
    open: watch::Receiver<bool>,
}

impl HttpClient for Gated {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(GatedConnector { inner, open: self.open.clone() })
    }
}

#[derive(Debug)]
struct GatedConnector {
    inner: SharedHttpConnector,
    open: watch::Receiver<bool>,
}

impl HttpConnector for GatedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default();
        let is_about_the_log = body.windows(PARTITION.len()).any(|window| window == PARTITION);
        let (inner, mut open) = (self.inner.clone(), self.open.clone());
        HttpConnectorFuture::new(async move {
            if is_about_the_log {
                // Without its gate the test is over.
                let _ = open.wait_for(|open| *open).await;
            }
            inner.call(request).await
        })
    }
}
