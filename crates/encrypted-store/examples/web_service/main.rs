//! Notes of many tenants over HTTP, with axum.
//!
//! What it shows: a store that is opened once and shared by all requests; each tenant under a key of its own; a tenant that
//! comes from the caller's token, never from the path alone; who did it, and in which trace, in the audit log; versions of
//! records as ETags; errors as what the caller can do about them; and a shutdown that loses no event.
//!
//! ```sh
//! eval "$(cargo xtask up)"                                              # or any DynamoDB Local
//! cargo run --bin bes -- init                                           # the table, and a key file
//! export NOTES_CALLERS=crates/encrypted-store/examples/web_service/callers.json
//! cargo run --example web_service
//!
//! url=http://127.0.0.1:8080/tenants/alice/notes                         # in another shell
//! alice='Authorization: Bearer alice-demo-token'
//! curl -i "$url/1" -X PUT -H "$alice" -H 'Content-Type: application/json' -d '{"text": "call Bob"}'
//! curl -i "$url/1" -H "$alice"                                          # its ETag goes into If-Match
//! curl -i "$url/1" -X PUT -H "$alice" -H 'Content-Type: application/json' -H 'If-Match: "1"' -d '{"text": "lost"}'
//! curl "$url" -H "$alice"
//! curl -i "$url/1" -H 'Authorization: Bearer bob-demo-token'            # 403: he is another tenant's
//! cargo run --bin bes -- audit tail
//! ```
//!
//! For production: `BES_KEYS=kms BES_KMS_KEY=alias/…` and no `AWS_ENDPOINT_URL_DYNAMODB`; a table that your infrastructure code
//! makes, and a role that cannot (docs/aws.md of the repository); TLS before it; tokens that your identity provider signs
//! instead of a file of hashes: `callers.rs` is the one place that knows of them; a `traceparent` of your own gateway alone, since it goes
//! into the audit log; `/ready` where only your own machines reach it; the daily verification of the log, by a
//! machine that cannot write the table (docs/operations.md).

mod callers;
mod condition;
mod failure;
mod notes;
mod service;
#[cfg(test)]
mod tests;

#[path = "../shared/causes.rs"]
mod causes;
#[cfg(test)]
#[path = "../shared/gate.rs"]
mod gate;
#[path = "../shared/keys.rs"]
mod keys;
#[cfg(test)]
#[path = "../shared/sandbox.rs"]
mod sandbox;

use std::{env, error::Error, process::ExitCode, sync::Arc, time::Duration};

use blue_encrypted_store::{Deadlines, EncryptedStore};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use self::{callers::Callers, causes::with_causes, service::Service};

#[tokio::main]
async fn main() -> ExitCode {
    // Where traces and metrics go is set up here, too: see docs/observability.md of the repository.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let callers = env::var_os("NOTES_CALLERS").ok_or("NOTES_CALLERS names no file of callers")?;
    let callers = Callers::read(callers.as_ref())?;
    let listen = env::var("NOTES_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let table = env::var("BES_TABLE").unwrap_or_else(|_| "blue-encrypted-store".to_owned());

    // Once, for all requests: it keeps connections and unwrapped keys. The audit log is written strictly, which is the
    // default: a write in one transaction with its event, a read before its content is released. A service that reads far
    // more than it writes looks at `ReadPolicy::Lease`, and one of many processes at `ChainPolicy::PerWriter`.
    let store = EncryptedStore::builder()
        .table(table)
        .keys(keys::from_environment()?)
        // A caller who waited longer than this has given up.
        .deadlines(Deadlines { attempt: Duration::from_secs(2), operation: Duration::from_secs(5) })
        // Who did what no request asked for: keys that are unwrapped.
        .principal("notes-service")
        // A missing table is never made here: `open`, not `init`.
        .open()
        .await?;

    let listener = TcpListener::bind(&listen).await?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    service::serve(listener, Arc::new(Service { store, callers }), stop_signal()).await
}

/// Ctrl-C, or what an orchestrator sends before it kills.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            },
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be waited for");
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}
