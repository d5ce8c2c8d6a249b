//! The service as a whole: its routes, whether it is ready, and how it ends.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing,
};
use blue_encrypted_store::EncryptedStore;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{callers::Callers, causes::with_causes, failure::Failure, notes};

/// The most that a request may send: above what fits into an item of DynamoDB (409,600 bytes), below what costs memory.
const BODY_LIMIT: usize = 512 * 1024;

/// How long requests may take to end once the service is told to stop: above the deadline of an operation. With the deadline
/// of the flush after it, it has to be less than what the orchestrator waits before it kills.
const GRACE: Duration = Duration::from_secs(10);

/// How long the table may take to answer for the service to be ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// A tenant whose directory is looked at, to see whether the table answers. It has no records, so it has no key.
const PROBE: &str = "readiness-probe";

/// What all requests share.
pub(crate) struct Service {
    pub(crate) store: EncryptedStore,
    pub(crate) callers: Callers,
}

fn router(service: Arc<Service>) -> Router {
    let note = routing::put(notes::put).get(notes::get).delete(notes::delete);
    Router::new()
        .route("/tenants/{tenant}/notes/{id}", note)
        .route("/tenants/{tenant}/notes", routing::get(notes::list))
        .route("/ready", routing::get(ready))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}

/// Whether requests should be sent here: the table answers, and may be written. One small read; no key is used, and so no
/// event recorded.
async fn ready(State(service): State<Arc<Service>>) -> Result<StatusCode, Failure> {
    if let Some(restored) = service.store.restored() {
        tracing::error!("{restored}");
        return Err(Failure::UNAVAILABLE);
    }
    let collections = service.store.tenant(PROBE)?;
    match timeout(READY_WITHIN, collections.collections()).await {
        Ok(Ok(_)) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => {
            tracing::warn!("not ready: {}", with_causes(&error));
            Err(Failure::UNAVAILABLE)
        }
        Err(_) => Err(Failure::UNAVAILABLE),
    }
}

/// Serves until `stop`, lets the requests end that are under way, and returns when the audit log has all of what was done.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let store = service.store.clone();
    let (stopping, told_to_stop) = oneshot::channel();
    let server = axum::serve(listener, router(service)).with_graceful_shutdown(async move {
        stop.await;
        // Nobody listens any more if the server failed.
        let _ = stopping.send(());
    });
    let grace_is_over = async {
        match told_to_stop.await {
            Ok(()) => sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = server.into_future() => served,
        () = grace_is_over => {
            tracing::warn!("requests were cut off that did not end within {GRACE:?}");
            Ok(())
        }
    };
    // Whatever happened: what was recorded buffered is in memory until here. With the defaults nothing is, and this returns
    // at once.
    store.flush().await?;
    Ok(served?)
}
