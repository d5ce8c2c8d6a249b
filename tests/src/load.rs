//! A load of writes by several tasks at once, which note each write before it begins and when it was acknowledged.
//!
//! Every record belongs to one task, so that what must stand there is known to the byte, and its version; and each
//! collection has counters, which all tasks add to, each addition with a mark of its own. The load is a function of its
//! seed, but for how its tasks overlap.

mod content;

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::{
    AuditUnavailable, Collection, Deadlines, Delete, EncryptedStore, Put, ReadError, Record, WriteError,
    blue_audit::AppendError, table::StoreError,
};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinSet, time};

use crate::Note;
use content::{BYTES, content, counter, key, note, token};
pub(crate) use content::{is_counter, mark_of, marks_of};

const TASKS: u8 = 4;
const TENANTS: u8 = 8;
/// A task goes on to the next counter after so many additions, so that none grows without end.
const ADDITIONS: u32 = 64;
/// After an operation that failed, so that a dead server is not asked without end.
const PAUSE: Duration = Duration::from_millis(20);
/// How late a busy machine may notice that a deadline has passed.
const SLACK: Duration = Duration::from_secs(15);

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
    /// A counter, put there empty unless one is there.
    Create,
    /// One addition to a counter, with its mark.
    Count(u64),
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
    /// The addition of this mark found no counter, and wrote nothing.
    Absent(Place, u64),
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
    /// How long an operation may take before it counts as hanging: see [`Load::patience`].
    pub patience: Duration,
    /// How often the database was killed, counted up after each kill and before it is started again.
    ///
    /// DynamoDB Local forgets its request tokens then, which the service does not. A deletion that was carried out
    /// before and is repeated after finds nothing, and cannot tell whose work that is.
    pub kills: Arc<AtomicU64>,
}

impl Load {
    /// How long an operation may take with these deadlines, on a busy machine.
    #[must_use]
    pub fn patience(deadlines: Deadlines) -> Duration {
        deadlines.operation + SLACK
    }

    /// Writes until `stop` is true or has no sender any more.
    ///
    /// # Panics
    /// If the journal does.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let load = Arc::new(self);
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let rng = Rng::with_seed(load.seed.wrapping_add(u64::from(number)));
            let mut task = Task { load: load.clone(), number, rng, added: 0, known: BTreeMap::new() };
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

/// A record as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    mark: u64,
    version: u64,
}

/// How an operation ended, sorted by what may then stand in the table.
enum Outcome {
    /// What it came to, if its place is one task's own.
    Done(Option<Held>),
    NotDone(String),
    Unknown(String),
    Wrong(String),
}

/// What a task knows of a place of its own.
#[derive(Clone, Copy)]
enum Known {
    State(Option<Held>),
    /// A write of it may still come.
    Nothing,
}

struct Task {
    load: Arc<Load>,
    number: u8,
    rng: Rng,
    /// How many additions it began.
    added: u32,
    known: BTreeMap<Place, Known>,
}

impl Task {
    async fn step(&mut self) {
        let place = self.draw();
        if self.rng.u8(0..8) == 0 {
            let id = counter(self.added / ADDITIONS);
            return self.count(Place { kind: Note::KIND.into(), id, ..place }).await;
        }
        let known = match self.known.get(&place) {
            Some(Known::State(known)) => *known,
            Some(Known::Nothing) => return tokio::task::yield_now().await,
            None => {
                let Some(found) = self.read(&place).await else { return };
                self.known.insert(place.clone(), Known::State(found));
                found
            }
        };
        match (known, self.rng.u8(0..10)) {
            (None, draw) => self.put(place, known, if draw < 5 { Put::Create } else { Put::Upsert }).await,
            (Some(_), 0..4) => self.put(place, known, Put::Upsert).await,
            (Some(held), 4..6) => self.put(place, known, Put::Replace(held.version)).await,
            (Some(held), 6..8) if place.kind == Note::KIND => self.update(place, held).await,
            (Some(held), 6..9) => self.delete(place, held).await,
            (Some(_), _) => {
                if let Some(found) = self.read(&place).await
                    && found != known
                {
                    self.wrong(format!("{place:?} reads as {found:?} where {known:?} was acknowledged"));
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

    async fn put(&mut self, place: Place, known: Option<Held>, put: Put) {
        let mark = self.rng.u64(1..);
        let (payload, attributes) = content(&place, mark);
        let (at, key) = (self.collection(&place), key(&place));
        let write = async {
            match at.put_payload(&key, payload, attributes, put).await {
                Ok(version) => written(known, Held { mark, version }),
                Err(error) => failed(&error),
            }
        };
        self.change(place, known, Some(mark), write).await;
    }

    async fn update(&mut self, place: Place, held: Held) {
        let mark = self.rng.u64(1..);
        let at = self.collection(&place);
        let mut seen = None;
        let write = async {
            let updated = at.update(&place.id, |found: &mut Note| {
                seen = Some(std::mem::replace(found, note(&place, mark)));
            });
            match updated.await {
                Ok(entry) => written(Some(held), Held { mark, version: entry.version }),
                Err(error) => failed(&error),
            }
        };
        self.change(place.clone(), Some(held), Some(mark), write).await;
        if seen.is_some_and(|seen| seen != note(&place, held.mark)) {
            self.wrong(format!("an update of {place:?} was given something else than {held:?}"));
        }
    }

    async fn delete(&mut self, place: Place, held: Held) {
        let (at, key) = (self.collection(&place), key(&place));
        let kills = self.load.kills.clone();
        let before = kills.load(SeqCst);
        let write = async {
            match at.delete_payload(&key, Delete::Any).await {
                Ok(true) => Outcome::Done(None),
                Ok(false) if kills.load(SeqCst) != before => {
                    Outcome::Unknown("there was nothing, after a kill that may have come between".into())
                }
                Ok(false) => Outcome::Wrong(format!("there was nothing, where {held:?} was acknowledged")),
                Err(error) => failed(&error),
            }
        };
        self.change(place, Some(held), None, write).await;
    }

    /// Adds a mark to a counter. Whoever finds none puts one there first.
    async fn count(&mut self, place: Place) {
        let at = self.collection(&place);
        for _ in 0..2 {
            let mark = self.rng.u64(1..);
            self.added += 1;
            let change = Change::Count(mark);
            (self.load.journal)(Event::Begun(place.clone(), change));
            let added = at.update(&place.id, |note: &mut Note| note.text.push_str(&token(mark)));
            let outcome = match self.patiently(&place, added).await {
                Some(Err(WriteError::NotFound { .. })) => {
                    (self.load.journal)(Event::Absent(place.clone(), mark));
                    if self.create(&place).await {
                        continue;
                    }
                    return;
                }
                Some(Ok(_)) => Outcome::Done(None),
                // Others write to it too: an addition of theirs that nobody waited for any more may still have come.
                Some(Err(error @ WriteError::Conflict { .. })) => Outcome::NotDone(chain(&error)),
                Some(Err(error)) => failed(&error),
                None => hanging(),
            };
            return self.tell(place, change, outcome).await;
        }
    }

    /// Puts an empty counter there, unless one is there. Says whether one is there for certain.
    async fn create(&self, place: &Place) -> bool {
        (self.load.journal)(Event::Begun(place.clone(), Change::Create));
        let (at, empty) = (self.collection(place), Note::new(&place.id, ""));
        let outcome = match self.patiently(place, at.put_if(&empty, Put::Create)).await {
            Some(Ok(_) | Err(WriteError::Conflict { .. })) => Outcome::Done(None),
            Some(Err(error)) => failed(&error),
            None => hanging(),
        };
        let is_there = matches!(outcome, Outcome::Done(_));
        self.tell(place.clone(), Change::Create, outcome).await;
        is_there
    }

    /// A write of a place of this task's own, which makes this of what is known.
    async fn change(
        &mut self,
        place: Place,
        known: Option<Held>,
        to: State,
        write: impl Future<Output = Outcome>,
    ) {
        let change = Change::Set { from: known.map(|held| held.mark), to };
        (self.load.journal)(Event::Begun(place.clone(), change));
        let outcome = self.patiently(&place, write).await.unwrap_or_else(hanging);
        let known = match outcome {
            Outcome::Done(now) => Known::State(now),
            Outcome::NotDone(_) => Known::State(known),
            Outcome::Unknown(_) | Outcome::Wrong(_) => Known::Nothing,
        };
        self.known.insert(place.clone(), known);
        self.tell(place, change, outcome).await;
    }

    async fn tell(&self, place: Place, change: Change, outcome: Outcome) {
        let event = match outcome {
            Outcome::Done(_) => return (self.load.journal)(Event::Done(place, change)),
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

    /// What is there, if it can be read now.
    async fn read(&self, place: &Place) -> Option<Option<Held>> {
        let (at, key) = (self.collection(place), key(place));
        match self.patiently(place, at.get_payload(&key)).await? {
            Ok(None) => Some(None),
            Ok(Some(entry)) => match mark_of(place, &entry) {
                Ok(mark) => Some(Some(Held { mark, version: entry.version })),
                Err(what) => {
                    self.wrong(what);
                    None
                }
            },
            Err(ReadError::Store(StoreError::Unavailable { .. }) | ReadError::Key(_)) => {
                time::sleep(PAUSE).await;
                None
            }
            Err(ReadError::Audit(error)) if is_late(&error) => {
                time::sleep(PAUSE).await;
                None
            }
            Err(error) => {
                self.wrong(format!("reading {place:?}: {}", chain(&error)));
                None
            }
        }
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

/// What was written, if its version says that it came straight after what was known.
fn written(known: Option<Held>, now: Held) -> Outcome {
    match known {
        Some(known) if now.version != known.version + 1 => {
            Outcome::Wrong(format!("it came to version {} after {known:?}", now.version))
        }
        _ => Outcome::Done(Some(now)),
    }
}

/// What an error says about what stands in the table. Nobody else writes to the places of a task, so a conflict or a
/// record that is gone is an outcome that must not be.
fn failed(error: &WriteError) -> Outcome {
    match error {
        WriteError::OutcomeUnknown { .. } => Outcome::Unknown(chain(error)),
        WriteError::Store(StoreError::Unavailable { .. }) | WriteError::Key(_) | WriteError::Busy { .. } => {
            Outcome::NotDone(chain(error))
        }
        WriteError::Audit(error) if is_late(error) => Outcome::NotDone(chain(error)),
        _ => Outcome::Wrong(chain(error)),
    }
}

/// Whether the audit log did not take an event in time. A chain that it writes to no more is something else.
pub(crate) fn is_late(error: &AuditUnavailable) -> bool {
    use AppendError::{Deadline, Full, OutcomeUnknown};
    matches!(error.source, Deadline { .. } | Full { .. } | OutcomeUnknown { .. })
}

fn hanging() -> Outcome {
    Outcome::Unknown("it hangs".into())
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
