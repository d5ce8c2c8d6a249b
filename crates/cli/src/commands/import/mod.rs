//! `bes import`: lines are read on a thread of their own and written by a number of lanes. A record's id decides
//! its lane, and a lane keeps the order of the file, so that of several lines with one id the last one wins. What
//! waits between them is bounded, and so is memory, however long the file.

mod line;
mod reader;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
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
    reader::{Reader, Source},
};
use crate::{
    cli::Import,
    config::{Config, Format},
    failure::Failure,
    output::{Output, progress_target},
    session::{self, CollectionPath},
};

/// How many lines may wait for each lane.
const WAITING: usize = 4;

/// What came of a line, or of the whole.
enum Event {
    Written,
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

/// A line on its way to the table.
struct Numbered {
    number: u64,
    line: Line,
}

pub(super) async fn run(arguments: &Import, config: &Config, output: &mut Output) -> Result<(), Failure> {
    let path = CollectionPath::parse(&arguments.collection)?;
    let kind = Kind::new(&arguments.kind)?;
    let schema = Schema::new(&arguments.id_field, &arguments.attr)?;
    let source = reader::open(&arguments.file)?;
    session::with_store_for_long(config, async |store| {
        let collection = path.within(store)?;
        import(arguments, collection, kind, schema, source, output).await
    })
    .await
}

async fn import(
    arguments: &Import,
    collection: Collection,
    kind: Kind,
    schema: Schema,
    source: Source,
    output: &mut Output,
) -> Result<(), Failure> {
    let length = source.length;
    let (events, mut happened) = mpsc::channel(256);
    let (stop, stopped) = watch::channel(false);
    let read_so_far = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    let mut senders = Vec::new();
    for _ in 0..arguments.concurrency {
        let (sender, lines) = mpsc::channel(WAITING);
        senders.push(sender);
        lanes.spawn(lane(collection.clone(), kind.clone(), lines, events.clone(), stopped.clone()));
    }
    Reader { schema, lanes: senders, events, read: read_so_far.clone() }.start(source)?;

    let mut tally = Tally::new(length, read_so_far);
    loop {
        tokio::select! {
            Some(event) = happened.recv() => tally.note(event, &stop),
            done = lanes.join_next() => if done.is_none() { break },
        }
    }
    // Every lane has ended, hence all that happened is in the channel.
    while let Ok(event) = happened.try_recv() {
        tally.note(event, &stop);
    }
    tally.finish(output)
}

/// Writes its lines one after the other.
async fn lane(
    collection: Collection,
    kind: Kind,
    mut lines: mpsc::Receiver<Numbered>,
    events: mpsc::Sender<Event>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let next = tokio::select! {
            biased;
            _ = stopped.wait_for(|&stopped| stopped) => return,
            next = lines.recv() => next,
        };
        let Some(Numbered { number, line: Line { id, payload, attributes } }) = next else { return };
        let key = Key { kind: kind.clone(), id };
        let event = match collection.put_payload(&key, payload, attributes, Put::Upsert).await {
            Ok(_) => Event::Written,
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
    stop: Option<Failure>,
    read: Arc<AtomicU64>,
    bar: ProgressBar,
}

impl Tally {
    fn new(length: Option<u64>, read: Arc<AtomicU64>) -> Self {
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
        Self { written: 0, failed: 0, stop: None, read, bar }
    }

    fn note(&mut self, event: Event, stop: &watch::Sender<bool>) {
        match event {
            Event::Written => self.written += 1,
            Event::Failed { number, reason } => {
                self.failed += 1;
                self.bar.suspend(|| say!("line {number}: {reason}"));
            }
            Event::Stop(failure) => {
                stop.send_replace(true);
                self.stop.get_or_insert(failure);
            }
            Event::End { never_seen } => {
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
        let Self { written, failed, stop, bar, .. } = self;
        bar.finish_and_clear();
        if output.format == Format::Json {
            let finished = stop.is_none();
            output.json(&json!({ "imported": written, "failed": failed, "finished": finished }))?;
        }
        say!("imported {}", lines(written));
        if let Some(failure) = stop {
            say!(
                "The rest was not tried. To import it, repeat the command: lines that are there are replaced."
            );
            return Err(failure);
        }
        match failed {
            0 => Ok(()),
            failed => Err(Failure::Partial(format!("{} could not be imported", lines(failed)))),
        }
    }
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}
