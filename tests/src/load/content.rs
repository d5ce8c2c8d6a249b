//! What the records of a load hold.

use std::{collections::BTreeSet, iter};

use blue_encrypted_store::{Attributes, Entry, Key, Kind, Payload, Record, RecordId, Value};
use fastrand::Rng;
use serde_json::value::to_raw_value;

use super::Place;
use crate::Note;

/// The kind of the records that are bytes.
pub(super) const BYTES: &str = "bytes";
/// How the ids of counters begin, and no others.
const COUNTER: &str = "counter";

pub(super) fn key(place: &Place) -> Key {
    let kind = Kind::new(&place.kind).expect("a valid name");
    Key { kind, id: RecordId::new(&place.id).expect("a valid id") }
}

pub(super) fn note(place: &Place, mark: u64) -> Note {
    Note { id: place.id.clone(), status: mark.to_string(), text: filler(mark) }
}

/// What a record has to hold in a state.
pub(super) fn content(place: &Place, mark: u64) -> (Payload, Attributes) {
    let note = note(place, mark);
    let attributes = note.attributes().expect("a valid attribute");
    let payload = if place.kind == BYTES {
        Payload::Bytes(note.text.into_bytes())
    } else {
        Payload::Json(to_raw_value(&note).expect("texts are JSON"))
    };
    (payload, attributes)
}

/// Some text, of its own for each mark: mostly short, now and then long enough to come in many pieces.
fn filler(mark: u64) -> String {
    let mut rng = Rng::with_seed(mark);
    let length = if rng.u8(0..16) == 0 { rng.usize(0..120_000) } else { rng.usize(0..1_500) };
    iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}

/// Which state a record is in. All of it must be of that one state.
pub(crate) fn mark_of(place: &Place, entry: &Entry<Payload>) -> Result<u64, String> {
    let mark = match entry.attributes.get("status") {
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let mark = mark.ok_or_else(|| format!("{place:?} has no mark"))?;
    let (payload, attributes) = content(place, mark);
    let same = match (&payload, &entry.value) {
        (Payload::Json(expected), Payload::Json(found)) => expected.get() == found.get(),
        (Payload::Bytes(expected), Payload::Bytes(found)) => expected == found,
        _ => false,
    };
    if same && attributes == entry.attributes {
        Ok(mark)
    } else {
        Err(format!("{place:?} is marked {mark} and holds something else"))
    }
}

/// A collection's counter of this number.
pub(super) fn counter(number: u32) -> String {
    format!("{COUNTER}-{number}")
}

pub(crate) fn is_counter(place: &Place) -> bool {
    place.id.starts_with(COUNTER)
}

/// What an addition appends to its counter's text.
pub(super) fn token(mark: u64) -> String {
    format!("{mark:x} ")
}

/// The marks of all additions that a counter holds, each of them once.
pub(crate) fn marks_of(place: &Place, entry: &Entry<Payload>) -> Result<BTreeSet<u64>, String> {
    let no_counter = || format!("{place:?} is no counter");
    let Payload::Json(text) = &entry.value else { return Err(no_counter()) };
    let note: Note = serde_json::from_str(text.get()).map_err(|_| no_counter())?;
    let empty = Note { text: String::new(), ..note.clone() };
    if empty != Note::new(&place.id, "") || empty.attributes().ok().as_ref() != Some(&entry.attributes) {
        return Err(no_counter());
    }
    let mut marks = BTreeSet::new();
    for token in note.text.split_whitespace() {
        let mark = u64::from_str_radix(token, 16).map_err(|_| no_counter())?;
        if !marks.insert(mark) {
            return Err(format!("{place:?} holds the addition {mark:x} twice"));
        }
    }
    Ok(marks)
}
