//! A load of writes by several tasks at once, which note each write before it begins and when it was acknowledged.
//!
//! Every record belongs to one task, so that what must stand there is known to the byte; and one record a tenant
//! counts, which all tasks change. The load is a function of its seed, but for how its tasks overlap.

use std::{collections::BTreeMap, iter, sync::Arc, time::Duration};

use blue_encrypted_store::{
    Attributes, Collection, Delete, EncryptedStore, Entry, Key, Kind, Payload, Put, ReadError, Record,
    RecordId, Value, WriteError, table::StoreError,
};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use tokio::{sync::watch, task::JoinSet, time};

use crate::Note;

const TASKS: u8 = 4;
const TENANTS: u8 = 8;
const BYTES: &str = "bytes";
/// The id of a tenant's counter.
const COUNTER: &str = "counter";
/// After an operation that failed, so that a dead server is not asked without end.
const PAUSE: Duration = Duration::from_millis(20);

/// A record's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Its tenant.
    pub tenant: String,
    /// Its collection.
    pub collection: String,
    /// Its kind: [`Note::KIND`], or one whose records are bytes.
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// What tells one content of a record from all others, or that there is no record.
pub type State = Option<u64>;

/// What is done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// From one state to another.
    Set {
        /// What its task knows to be there.
        from: State,
        /// What is to be there.
        to: State,
    },
    /// One more.
    Count,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A write is about to begin. The next event of its place says how it ended.
    Begun(Place, Change),
    /// It was acknowledged.
    Done(Place, Change),
    /// An error says that nothing was written.
    NotDone(Place, Change, String),
    /// An error says that nobody knows. Its task leaves the place alone from then on: the write may still come.
    Unknown(Place, Change, String),
    /// Something that must not be.
    Wrong(String),
}

/// Where events go, in their order. It may panic: the task ends then, and [`Load::run`] with it.
pub type Journal = Arc<dyn Fn(Event) + Send + Sync>;

/// The load, before it runs.
pub struct Load {
    /// Where it writes.
    pub store: EncryptedStore,
    /// What it tells.
    pub journal: Journal,
    /// What it does.
    pub seed: u64,
    /// How long an operation may take before it counts as hanging: far more than its deadline.
    pub patience: Duration,
}

impl Load {
    /// Writes until `stop` is true or has no sender any more.
    ///
    /// # Panics
    /// If the journal does.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let load = Arc::new(self);
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let rng = Rng::with_seed(load.seed.wrapping_add(u64::from(number)));
            let mut task = Task { load: load.clone(), number, rng, known: BTreeMap::new() };
            let stop = stop.clone();
            tasks.spawn(async move {
                while !*stop.borrow() && stop.has_changed().is_ok() {
                    task.step().await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("the journal does not panic");
        }
    }
}

/// How an operation ended, sorted by what may then stand in the table.
enum Outcome {
    Done,
    NotDone(String),
    Unknown(String),
    Wrong(String),
}

/// What a task knows of a place of its own.
#[derive(Clone, Copy)]
enum Known {
    State(State),
    /// A write of it may still come.
    Nothing,
}

struct Task {
    load: Arc<Load>,
    number: u8,
    rng: Rng,
    known: BTreeMap<Place, Known>,
}

impl Task {
    async fn step(&mut self) {
        let place = self.draw();
        if self.rng.u8(0..8) == 0 {
            return self.count(Place { kind: Note::KIND.into(), id: COUNTER.into(), ..place }).await;
        }
        let from = match self.known.get(&place) {
            Some(Known::State(from)) => *from,
            Some(Known::Nothing) => return tokio::task::yield_now().await,
            None => match self.read(&place).await {
                Some(entry) => entry.map(|(mark, _)| mark),
                None => return,
            },
        };
        match (from, self.rng.u8(0..10)) {
            (None, draw) => self.put(place, from, if draw < 5 { Put::Create } else { Put::Upsert }).await,
            (Some(_), 0..4) => self.put(place, from, Put::Upsert).await,
            (Some(_), 4..6) => {
                let Some(found) = self.read(&place).await else { return };
                if let (true, Some((_, version))) = (self.is_as_known(&place, from, found), found) {
                    self.put(place, from, Put::Replace(version)).await;
                }
            }
            (Some(mark), 6..8) if place.kind == Note::KIND => self.update(place, mark).await,
            (Some(_), 6..9) => self.delete(place, from).await,
            (Some(_), _) => {
                if let Some(found) = self.read(&place).await {
                    self.is_as_known(&place, from, found);
                }
            }
        }
    }

    fn draw(&mut self) -> Place {
        let kind = if self.rng.u8(0..4) == 0 { BYTES } else { Note::KIND };
        Place {
            tenant: format!("tenant-{}", self.rng.u8(0..TENANTS)),
            collection: if self.rng.u8(0..4) == 0 { "outbox" } else { "inbox" }.into(),
            kind: kind.into(),
            id: format!("{}-{}", self.number, self.rng.u8(0..3)),
        }
    }

    async fn put(&mut self, place: Place, from: State, put: Put) {
        let to = self.rng.u64(1..);
        let (payload, attributes) = content(&place, to);
        let (at, key) = (self.collection(&place), key(&place));
        let write = async { at.put_payload(&key, payload, attributes, put).await };
        self.change(place, Change::Set { from, to: Some(to) }, write).await;
    }

    async fn update(&mut self, place: Place, from: u64) {
        let to = self.rng.u64(1..);
        let at = self.collection(&place);
        let mut seen = None;
        let change = Change::Set { from: Some(from), to: Some(to) };
        let write = at.update(&place.id, |note: &mut Note| {
            seen = Some(std::mem::replace(note, self::note(&place, to)));
        });
        self.change(place.clone(), change, write).await;
        if seen.is_some_and(|seen| seen != note(&place, from)) {
            self.wrong(format!("an update of {place:?} was given something else than {from}"));
        }
    }

    async fn delete(&mut self, place: Place, from: State) {
        let (at, key) = (self.collection(&place), key(&place));
        let write = async { at.delete_payload(&key, Delete::Any).await };
        self.change(place, Change::Set { from, to: None }, write).await;
    }

    /// Adds one to the tenant's counter. Whoever finds none puts a zero there first.
    async fn count(&mut self, place: Place) {
        let at = self.collection(&place);
        for _ in 0..2 {
            (self.load.journal)(Event::Begun(place.clone(), Change::Count));
            let added = at.update(&place.id, |note: &mut Note| {
                // What is no number becomes one that is seen to be wrong.
                note.text = note.text.parse::<u64>().map_or(u64::MAX, |count| count + 1).to_string();
            });
            let added = self.patiently(&place, added).await;
            if !matches!(added, Some(Err(WriteError::NotFound { .. }))) {
                let outcome = added.map_or(Outcome::Unknown("it hangs".into()), sort);
                self.tell(place, Change::Count, outcome).await;
                return;
            }
            let reason = "there is none yet".into();
            (self.load.journal)(Event::NotDone(place.clone(), Change::Count, reason));
            let zero = Note::new(&place.id, "0");
            match self.patiently(&place, at.put_if(&zero, Put::Create)).await {
                None | Some(Ok(_) | Err(WriteError::Conflict { .. })) => {}
                Some(Err(error)) => match sort::<()>(Err(error)) {
                    Outcome::Wrong(what) => self.wrong(format!("{place:?}: {what}")),
                    _ => return time::sleep(PAUSE).await,
                },
            }
        }
    }

    /// A write of a place of this task's own.
    async fn change<T>(
        &mut self,
        place: Place,
        change: Change,
        write: impl Future<Output = Result<T, WriteError>>,
    ) {
        (self.load.journal)(Event::Begun(place.clone(), change));
        let outcome = match self.patiently(&place, write).await {
            Some(result) => sort(result),
            None => Outcome::Unknown("it hangs".into()),
        };
        let Change::Set { from, to } = change else { return };
        let known = match outcome {
            Outcome::Done => Known::State(to),
            Outcome::NotDone(_) => Known::State(from),
            Outcome::Unknown(_) | Outcome::Wrong(_) => Known::Nothing,
        };
        self.known.insert(place.clone(), known);
        self.tell(place, change, outcome).await;
    }

    async fn tell(&self, place: Place, change: Change, outcome: Outcome) {
        let event = match outcome {
            Outcome::Done => return (self.load.journal)(Event::Done(place, change)),
            Outcome::NotDone(why) => Event::NotDone(place, change, why),
            Outcome::Unknown(why) => Event::Unknown(place, change, why),
            Outcome::Wrong(what) => {
                self.wrong(format!("{change:?} of {place:?}: {what}"));
                Event::Unknown(place, change, what)
            }
        };
        (self.load.journal)(event);
        time::sleep(PAUSE).await;
    }

    /// What is there, with its version, if it can be read now.
    async fn read(&self, place: &Place) -> Option<Option<(u64, u64)>> {
        let (at, key) = (self.collection(place), key(place));
        match self.patiently(place, at.get_payload(&key)).await? {
            Ok(None) => Some(None),
            Ok(Some(entry)) => match mark_of(place, &entry) {
                Ok(mark) => Some(Some((mark, entry.version))),
                Err(what) => {
                    self.wrong(what);
                    None
                }
            },
            Err(ReadError::Store(StoreError::Unavailable { .. }) | ReadError::Key(_)) => {
                time::sleep(PAUSE).await;
                None
            }
            Err(error) => {
                self.wrong(format!("reading {place:?}: {}", chain(&error)));
                None
            }
        }
    }

    fn is_as_known(&self, place: &Place, known: State, found: Option<(u64, u64)>) -> bool {
        let found = found.map(|(mark, _)| mark);
        if found != known {
            self.wrong(format!("{place:?} reads as {found:?} where {known:?} was acknowledged"));
        }
        found == known
    }

    /// The end of an operation, or `None` if it hangs, which is noted.
    async fn patiently<T>(&self, place: &Place, operation: impl Future<Output = T>) -> Option<T> {
        let ended = time::timeout(self.load.patience, operation).await.ok();
        if ended.is_none() {
            self.wrong(format!("an operation on {place:?} had not ended after {:?}", self.load.patience));
        }
        ended
    }

    fn wrong(&self, what: String) {
        (self.load.journal)(Event::Wrong(what));
    }

    fn collection(&self, place: &Place) -> Collection {
        let tenant = self.load.store.tenant(&place.tenant).expect("a valid name");
        tenant.collection(&place.collection).expect("a valid name")
    }
}

/// What an error says about what stands in the table. Nobody else writes to the places of a task, so a conflict or a
/// record that is gone is an outcome that must not be.
fn sort<T>(result: Result<T, WriteError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(error @ WriteError::OutcomeUnknown { .. }) => Outcome::Unknown(chain(&error)),
        Err(
            error @ (WriteError::Store(StoreError::Unavailable { .. })
            | WriteError::Key(_)
            | WriteError::Busy { .. }),
        ) => Outcome::NotDone(chain(&error)),
        Err(error) => Outcome::Wrong(chain(&error)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn key(place: &Place) -> Key {
    let kind = Kind::new(&place.kind).expect("a valid name");
    Key { kind, id: RecordId::new(&place.id).expect("a valid id") }
}

fn note(place: &Place, mark: u64) -> Note {
    Note { id: place.id.clone(), status: mark.to_string(), text: filler(mark) }
}

/// What a record has to hold in a state.
fn content(place: &Place, mark: u64) -> (Payload, Attributes) {
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

/// The count that a counter holds; `None` for any other record.
pub(crate) fn count_of(place: &Place, entry: &Entry<Payload>) -> Option<Result<u64, String>> {
    if place.id != COUNTER {
        return None;
    }
    let count = match &entry.value {
        Payload::Json(text) => serde_json::from_str::<Note>(text.get()).ok(),
        Payload::Bytes(_) => None,
    };
    let count = count.and_then(|note| note.text.parse().ok());
    Some(count.ok_or_else(|| format!("{place:?} is no counter")))
}
