//! `bes import`: lines are read on a thread of their own and written by a number of lanes. A record's id decides
//! its lane, and a lane keeps the order of the file, so that of several lines with one id the last one wins. What
//! waits between them is bounded, and so is memory, however long the file.
//!
//! Told to stop, the lanes take nothing more and write what waits for them, so that the place to go on from is where the
//! reader was. What it holds in its hand then, and what it waits for, is read by nobody.

mod line;
mod place;
mod reader;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use blue_encrypted_store::{
    Collection, Key, Kind, Put, Tampered, TamperedCause, WriteError, keys::KeyringError, table::StoreError,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use self::{
    line::{Line, Schema},
    place::Place,
    reader::{Reader, Source},
};
use crate::{
    advice::{quoted, word},
    cli::Import,
    config::{Config, Format},
    failure::Failure,
    output::{Output, progress_target},
    session::{self, CollectionPath},
    stop::{Signal, Stop},
};

/// How many lines may wait for each lane.
const WAITING: usize = 4;

/// What came of a line, or of the whole.
enum Event {
    Written {
        number: u64,
    },
    /// There is nothing on this line.
    Empty {
        number: u64,
    },
    /// This line is not imported; the others are.
    Failed {
        number: u64,
        reason: String,
    },
    /// No line can be imported any more.
    Stop(Failure),
    /// The file ended; these fields were in none of its lines.
    End {
        never_seen: Vec<String>,
    },
}

/// What the reader and the lanes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    /// To go on.
    Never,
    /// To write what waits for them, and to take nothing more.
    TakeNothing,
    /// To write nothing more: it would fail.
    WriteNothing,
}

/// A line on its way to the table.
struct Numbered {
    number: u64,
    line: Line,
}

pub(super) async fn run(
    arguments: &Import,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let path = CollectionPath::parse(&arguments.collection)?;
    let kind = Kind::new(&arguments.kind)?;
    let schema = Schema::new(&arguments.id_field, &arguments.attr)?;
    let file = arguments.file.clone();
    let source = stop.unless_told_aside(move || reader::open(&file)).await?;
    session::with_store_for_long(config, stop, async |store| {
        let collection = path.within(store)?;
        import(arguments, collection, kind, (schema, source), stop, output).await
    })
    .await
}

async fn import(
    arguments: &Import,
    collection: Collection,
    kind: Kind,
    (schema, source): (Schema, Source),
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let (path, length) = (source.path.clone(), source.length);
    let (events, mut happened) = mpsc::channel(256);
    let (halt, halted) = watch::channel(Halt::Never);
    let read_so_far = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    let mut senders = Vec::new();
    for _ in 0..arguments.concurrency {
        let (sender, lines) = mpsc::channel(WAITING);
        senders.push(sender);
        lanes.spawn(lane(collection.clone(), kind.clone(), lines, events.clone(), halted.clone()));
    }
    Reader { schema, lanes: senders, events, read: read_so_far.clone(), halted }.start(source)?;

    let mut tally = Tally::new(path, length, read_so_far);
    loop {
        tokio::select! {
            Some(event) = happened.recv() => tally.note(event, &halt),
            signal = stop.told(), if tally.told.is_none() => tally.stop(signal, &halt),
            done = lanes.join_next() => if done.is_none() { break },
        }
    }
    // Every lane has ended, hence all that happened is in the channel.
    while let Ok(event) = happened.try_recv() {
        tally.note(event, &halt);
    }
    tally.finish(output)
}

/// Writes its lines one after the other.
async fn lane(
    collection: Collection,
    kind: Kind,
    mut lines: mpsc::Receiver<Numbered>,
    events: mpsc::Sender<Event>,
    mut halted: watch::Receiver<Halt>,
) {
    loop {
        let halt = *halted.borrow_and_update();
        match halt {
            Halt::Never => {}
            Halt::TakeNothing => lines.close(),
            Halt::WriteNothing => return,
        }
        let next = tokio::select! {
            biased;
            Ok(()) = halted.changed() => continue,
            next = lines.recv() => next,
        };
        let Some(Numbered { number, line: Line { id, payload, attributes } }) = next else { return };
        let key = Key { kind: kind.clone(), id };
        let event = match collection.put_payload(&key, payload, attributes, Put::Upsert).await {
            Ok(_) => Event::Written { number },
            Err(error) if is_of_all(&error) => Event::Stop(error.into()),
            Err(error) => Event::Failed { number, reason: line::chain(&error) },
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Whether every other line would fare the same.
fn is_of_all(error: &WriteError) -> bool {
    use KeyringError::{Provider, Regressed, Store};
    use StoreError::{Denied, TableMissing, Unavailable};
    match error {
        WriteError::Key(_) | WriteError::Shredded(_) => true,
        WriteError::Store(error) => matches!(error, Unavailable { .. } | Denied { .. } | TableMissing { .. }),
        // The tenant's key, not one record.
        WriteError::Tampered(Tampered { source: TamperedCause::Key(error), .. }) => {
            matches!(error, Provider { .. } | Regressed { .. } | Store { .. })
        }
        _ => false,
    }
}

/// What was done so far.
struct Tally {
    written: u64,
    failed: u64,
    /// Which lines were written, are empty or failed.
    place: Place,
    /// Whether the file was read to its end.
    read_all: bool,
    stop: Option<Failure>,
    told: Option<Signal>,
    path: PathBuf,
    /// Whether it can be read again from any line on.
    is_file: bool,
    read: Arc<AtomicU64>,
    bar: ProgressBar,
}

impl Tally {
    fn new(path: PathBuf, length: Option<u64>, read: Arc<AtomicU64>) -> Self {
        let (bar, template) = match length {
            Some(length) => (
                ProgressBar::new(length),
                "{bar:30} {percent:>3}% {bytes} of {total_bytes}, {msg}, {eta} left",
            ),
            None => (ProgressBar::no_length(), "{spinner} {bytes}, {msg}"),
        };
        bar.set_draw_target(progress_target());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            written: 0,
            failed: 0,
            place: Place::default(),
            read_all: false,
            stop: None,
            told: None,
            path,
            is_file: length.is_some(),
            read,
            bar,
        }
    }

    /// A signal came.
    fn stop(&mut self, signal: Signal, halt: &watch::Sender<Halt>) {
        self.told = Some(signal);
        halt.send_if_modified(|halt| {
            let is_first = *halt == Halt::Never;
            if is_first {
                *halt = Halt::TakeNothing;
            }
            is_first
        });
        self.bar.suspend(|| signal.announce());
    }

    fn note(&mut self, event: Event, halt: &watch::Sender<Halt>) {
        match event {
            Event::Written { number } => {
                self.written += 1;
                self.place.note(number);
            }
            Event::Empty { number } => self.place.note(number),
            Event::Failed { number, reason } => {
                self.failed += 1;
                self.place.note(number);
                self.bar.suspend(|| say!("line {number}: {reason}"));
            }
            Event::Stop(failure) => {
                halt.send_replace(Halt::WriteNothing);
                self.stop.get_or_insert(failure);
            }
            Event::End { never_seen } => {
                self.read_all = true;
                for field in never_seen {
                    self.bar.suspend(|| say!("warning: no line has the field {field:?} of --attr"));
                }
            }
        }
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} written, {} failed", self.written, self.failed));
        }
    }

    fn finish(self, output: &mut Output) -> Result<(), Failure> {
        let Self { written, failed, place, read_all, stop, told, path, is_file, bar, .. } = self;
        bar.finish_and_clear();
        // If all was read when the signal came, all is done.
        let told = told.filter(|_| stop.is_none() && !read_all);
        if output.format == Format::Json {
            let finished = stop.is_none() && told.is_none() && read_all;
            let mut done = json!({ "imported": written, "failed": failed, "finished": finished });
            if told.is_some() {
                done["stopped"] = true.into();
                done["resume_at"] = (place.up_to() + 1).into();
            }
            output.json(&done)?;
        }
        say!("imported {}", lines(written));
        if stop.is_none() && told.is_none() && !read_all {
            // Nobody said that the file ended: a thread did.
            return Err(Failure::Partial("the import broke off, and not all lines were tried".to_owned()));
        }
        if let Some(failure) = stop {
            say!(
                "The rest was not tried. To import it, repeat the command: lines that are there are replaced."
            );
            return Err(failure);
        }
        if let Some(signal) = told {
            let (came_to, go_on) = resumption(place.up_to(), failed, &path, is_file);
            return Err(Failure::stopped(signal, Some(came_to), go_on));
        }
        match failed {
            0 => Ok(()),
            failed => Err(Failure::Partial(format!("{} could not be imported", lines(failed)))),
        }
    }
}

/// How far an import came, and how to go on from there.
fn resumption(up_to: u64, failed: u64, path: &Path, is_file: bool) -> (String, Vec<String>) {
    let repeat = "repeat the command: lines that are there are replaced";
    let shown = path.display();
    if up_to == 0 {
        return (format!("no line of {shown} is done"), vec![repeat.to_owned()]);
    }
    let done = match failed {
        0 => "is done",
        _ => "is done, or was reported",
    };
    let came_to = format!("everything up to line {up_to} of {shown} {done}");
    let next = up_to + 1;
    let go_on = match (is_file, path.to_str(), Import::typed_with_standard_input()) {
        (true, Some(path), Some(words)) => {
            let words: Vec<_> = words.iter().map(|text| word(text)).collect();
            vec![
                format!("to go on: tail -n +{next} {} | bes {}", quoted(path), words.join(" ")),
                format!("or {repeat}"),
            ]
        }
        _ => vec![format!("to go on, give it what begins with line {next}; or {repeat}")],
    };
    (came_to, go_on)
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}
