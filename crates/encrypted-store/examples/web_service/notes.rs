//! The handlers, and what they store.

use axum::{
    Json,
    extract::Path,
    http::{StatusCode, header::ETAG},
    response::{IntoResponse, Response},
};
use blue_encrypted_store::{Entry, ReadError, Record};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    callers::Notes,
    causes::with_causes,
    condition::{Condition, etag},
    failure::Failure,
};

/// The most notes that a listing gives.
const LISTED: usize = 1_000;

/// What is stored: sealed as a whole, since it declares no cleartext attributes.
#[derive(Serialize, Deserialize)]
struct Note {
    id: String,
    text: String,
}

impl Record for Note {
    const KIND: &'static str = "note";

    fn id(&self) -> &str {
        &self.id
    }
}

/// What a caller sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    text: String,
}

pub(crate) async fn put(
    Notes(notes): Notes,
    Path((_, id)): Path<(String, String)>,
    condition: Condition,
    Json(Content { text }): Json<Content>,
) -> Result<Response, Failure> {
    let written = notes.put_if(&Note { id, text }, condition.put()).await;
    let version = written.map_err(|error| Failure::of_write(&error, condition.is_set()))?;
    let status = if condition == Condition::Absent { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    Ok((status, [(ETAG, etag(version))]).into_response())
}

pub(crate) async fn get(
    Notes(notes): Notes,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let entry = notes.get_entry::<Note>(id).await?.ok_or(Failure::NOT_FOUND)?;
    Ok(([(ETAG, etag(entry.version))], Json(shown(entry))).into_response())
}

pub(crate) async fn delete(
    Notes(notes): Notes,
    Path((_, id)): Path<(String, String)>,
    condition: Condition,
) -> Result<StatusCode, Failure> {
    let delete = condition.delete().ok_or(Failure::BAD_REQUEST)?;
    match notes.delete::<Note>(id, delete).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Failure::NOT_FOUND),
        Err(error) => Err(Failure::of_write(&error, condition.is_set())),
    }
}

/// The first notes by their ids. One that does not open hides no other: it is counted, and the operator told.
pub(crate) async fn list(Notes(notes): Notes) -> Result<Json<Value>, Failure> {
    let mut entries = notes.list_entries::<Note>();
    let (mut listed, mut unreadable) = (Vec::new(), 0_u64);
    while let Some(entry) = entries.next().await {
        if listed.len() == LISTED {
            return Ok(Json(json!({ "notes": listed, "unreadable": unreadable, "more": true })));
        }
        match entry {
            Ok(entry) => listed.push(shown(entry)),
            Err(error @ (ReadError::Tampered(_) | ReadError::Type { .. })) => {
                tracing::error!("{}", with_causes(&error));
                unreadable += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(json!({ "notes": listed, "unreadable": unreadable, "more": false })))
}

fn shown(Entry { value: Note { id, text }, version, updated, .. }: Entry<Note>) -> Value {
    // Beyond 2^53, a version is no number for every reader of JSON.
    json!({ "id": id, "text": text, "version": version.to_string(), "updated_us": updated })
}
