//! A function as AWS Lambda runs it, without the runtime: batches of messages of one tenant, as SQS delivers them.
//!
//! What it shows: a store that is opened once, at the cold start, and used by all invocations; messages that fail without
//! failing the batch; an invocation that begins nothing it could not end; and the flush before it returns, since the process is
//! frozen then.
//!
//! ```sh
//! eval "$(cargo xtask up)"                                              # or any DynamoDB Local
//! cargo run --bin bes -- init                                           # the table, and a key file
//! cargo run --example lambda_handler <<'EOF'
//! {"tenant":"alice","Records":[{"messageId":"m1","body":"{\"put\":{\"id\":\"1\",\"text\":\"call Bob\"}}"}]}
//! {"tenant":"alice","Records":[{"messageId":"m2","body":"no JSON"},{"messageId":"m3","body":"{\"delete\":{\"id\":\"1\"}}"}]}
//! {"tenant":"alice","remaining_ms":100,"Records":[{"messageId":"m4","body":"{\"delete\":{\"id\":\"1\"}}"}]}
//! EOF
//! ```
//!
//! Each line is an invocation, and so is each line of the answer; the third has too little time left to begin anything.
//!
//! For production: the same `handle` behind the crate `lambda_runtime`, with the deadline of its context and SQS's own event, where
//! the tenant is a message attribute that the producer cannot choose, or a queue is each tenant's own; `ReportBatchItemFailures` and a
//! dead-letter queue; `BES_KEYS=kms BES_KMS_KEY=alias/…`; the audit log verified elsewhere (docs/operations.md of the repository).

mod handler;
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

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use blue_encrypted_store::{Deadlines, EncryptedStore};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use self::{
    causes::with_causes,
    handler::{Batch, Event, State, handle},
};

/// An operation ends within this. It is far less than the timeout of the function, so that there is time for several, one after
/// the other, and for the flush.
const DEADLINES: Deadlines =
    Deadlines { attempt: Duration::from_millis(800), operation: Duration::from_secs(2) };

/// The timeout of the function, unless an invocation says how much is left.
const TIMEOUT_MS: u64 = 30_000;
/// As long as a function may run.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// An invocation as it is typed.
#[derive(Deserialize)]
struct Line {
    remaining_ms: Option<u64>,
    #[serde(flatten)]
    batch: Batch,
}

/// One thread, as little as a small function has. While it waits for a line nothing runs at all, as between two invocations.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Where traces and metrics go is set up here, too, and they are flushed where the store is: see docs/observability.md.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();

    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let state = cold_start().await?;
    for line in io::stdin().lines() {
        let Line { remaining_ms, batch } = serde_json::from_str(&line?)?;
        let remaining = Duration::from_millis(remaining_ms.unwrap_or(TIMEOUT_MS));
        let response =
            handle(&state, Event { batch, deadline: Instant::now() + remaining.min(LONGEST) }).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&response)?)?;
    }
    Ok(())
}

/// Once for the life of the process, outside of every invocation: it connects, looks at the table and unwraps the audit key,
/// which takes some requests to DynamoDB and one to KMS. What fails here fails the start, and Lambda tries another.
async fn cold_start() -> Result<State, Box<dyn Error + Send + Sync>> {
    let table = env::var("BES_TABLE").unwrap_or_else(|_| "blue-encrypted-store".to_owned());
    let store = EncryptedStore::builder()
        .table(table)
        .keys(keys::from_environment()?)
        .deadlines(DEADLINES)
        .principal("notes-function")
        // The audit log stays strict, which is the default. Buffered reads or a lease (`AuditConfig::reads`) spare a write for each
        // read, but here they spare less than elsewhere: what is buffered has to be flushed before each return, and a lease is of
        // one process, of which Lambda has as many as there are concurrent invocations. They are worth it for an invocation
        // that reads many records. A chain for each process (`ChainPolicy::PerWriter`) would leave behind one chain for each
        // that ever started: the shared one is right for functions.
        .open()
        .await?;
    Ok(State { store, operation: DEADLINES.operation })
}
