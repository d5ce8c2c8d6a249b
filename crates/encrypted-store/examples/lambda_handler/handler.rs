//! One invocation.

use std::time::{Duration, Instant};

use blue_encrypted_store::{
    AuditUnavailable, Collection, Delete, EncryptedStore, Record, WriteError, blue_audit::address::NameError,
};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::causes::with_causes;

/// How many messages of a batch are worked on at once.
const CONCURRENCY: usize = 16;

/// What is there before the first invocation, and stays for all.
pub(crate) struct State {
    pub(crate) store: EncryptedStore,
    /// What the store was told that an operation may take: so long may a flush take, too.
    pub(crate) operation: Duration,
}

/// What an invocation is given.
pub(crate) struct Event {
    pub(crate) batch: Batch,
    /// When Lambda kills the invocation. The wall clock says so in its context; here it is this process's own clock.
    pub(crate) deadline: Instant,
}

/// Messages of one tenant.
#[derive(Deserialize)]
pub(crate) struct Batch {
    tenant: String,
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

/// As SQS has it, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    body: String,
}

/// What a message asks for. SQS delivers at least once, in no order: so both can be done again, and a producer to whom the
/// order matters takes a FIFO queue, and the messages of a group one after the other.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Put(Note),
    Delete { id: String },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Record for Note {
    const KIND: &'static str = "note";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The messages that are to be delivered again, as `ReportBatchItemFailures` wants them. The others are done, and deleted.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response {
    pub(crate) batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchItemFailure {
    pub(crate) item_identifier: String,
}

/// Why a whole invocation failed. Lambda delivers all its messages again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the batch is of no tenant that there can be")]
    Tenant(#[from] NameError),
    /// The records are written. Whether the log has all events of this invocation is not known, and to do them again is safe.
    #[error("the audit log did not take all events")]
    Unflushed(#[from] AuditUnavailable),
}

/// Why one message was not done.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error("there is not enough time left to begin it")]
    NoTime,
    #[error("it is no message of this function")]
    Malformed(#[source] serde_json::Error),
    #[error("it was not written")]
    Write(#[from] WriteError),
}

pub(crate) async fn handle(state: &State, event: Event) -> Result<Response, Error> {
    let Event { batch: Batch { tenant, records }, deadline } = event;
    // The tenant's own key, by construction: a handle of one tenant reaches no other's records.
    let notes = state.store.tenant(tenant)?.collection("notes")?;
    // The last moment to begin an operation: it may take as long as the store was told, and so may the flush behind it.
    let last_begin = deadline.checked_sub(2 * state.operation);

    let failures = stream::iter(records).map(|message| done(&notes, message, last_begin));
    let failures = failures.buffered(CONCURRENCY).filter_map(async |failure| failure).collect().await;

    // Before anything is returned: from then on the process is frozen, perhaps for good, and what only its memory holds is lost.
    // With the defaults nothing is, and this returns at once; that it stays right if somebody makes the log buffered, it is here.
    state.store.flush().await?;
    Ok(Response { batch_item_failures: failures })
}

/// Does what a message says; gives back what is to be delivered again.
///
/// A message that can never be done (it is malformed, its tenant was erased) is delivered again, too, until the queue gives it
/// up to its dead-letter queue: there somebody sees it.
async fn done(notes: &Collection, message: Message, last_begin: Option<Instant>) -> Option<BatchItemFailure> {
    let Message { message_id, body } = message;
    let error = attempt(notes, &body, last_begin).await.err()?;
    // The body is content: it is not logged, nor is what serde says of it.
    match &error {
        NotDone::Malformed(_) => tracing::error!(message_id, "{error}"),
        NotDone::NoTime => tracing::warn!(message_id, "{error}"),
        NotDone::Write(_) => tracing::error!(message_id, "{}", with_causes(&error)),
    }
    Some(BatchItemFailure { item_identifier: message_id })
}

async fn attempt(notes: &Collection, body: &str, last_begin: Option<Instant>) -> Result<(), NotDone> {
    let body = serde_json::from_str(body).map_err(NotDone::Malformed)?;
    if last_begin.is_none_or(|last| Instant::now() > last) {
        return Err(NotDone::NoTime);
    }
    match body {
        Body::Put(note) => {
            notes.put(&note).await?;
        }
        Body::Delete { id } => {
            notes.delete::<Note>(id, Delete::Any).await?;
        }
    }
    Ok(())
}
