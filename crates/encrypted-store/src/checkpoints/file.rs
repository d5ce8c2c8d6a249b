//! Checkpoints in a file.

use std::{
    fs, io,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use blue_address::Namespace;
use blue_audit::{Cause, Checkpoint, CheckpointSink, NoteVerifier, SinkError};

use super::{
    TrustedCheckpoints, TrustedCheckpointsError, blocking, create_private_directory, directory_of,
    sync_directory,
};

/// How long a writer waits for another one to be done with the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Adds checkpoints to a file, which [`TrustedCheckpoints`] reads back. Several processes may share it.
///
/// No entry of the file is ever changed, but one that was never finished makes room for the next. The file is made with
/// mode 0600, since it names chains and shredded tenants, and each checkpoint is on the disk before
/// [`CheckpointSink::publish`] returns. One that a known key did not sign, that is of another store, or that does not come
/// after the last one in the file, is refused.
///
/// A file on the machine that writes the table protects as little as that machine does. Let another one fetch it.
#[derive(Debug)]
pub struct FileSink {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    namespace: Namespace,
    known: Vec<NoteVerifier>,
    /// The file as this process left it, so that it need not read all of it each time.
    left: Mutex<Option<Left>>,
}

#[derive(Debug)]
struct Left {
    length: u64,
    latest: Checkpoint,
}

impl FileSink {
    /// A file for the checkpoints of one store, which these keys sign. It and its directory (0700) are made with the first.
    #[must_use]
    pub fn new(
        path: impl Into<PathBuf>,
        namespace: Namespace,
        known: impl IntoIterator<Item = NoteVerifier>,
    ) -> Self {
        let (path, known) = (path.into(), known.into_iter().collect());
        Self { place: Arc::new(Place { path, namespace, known, left: Mutex::new(None) }) }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.path
    }
}

#[async_trait]
impl CheckpointSink for FileSink {
    async fn publish(&self, note: &str) -> Result<(), SinkError> {
        let (place, note) = (self.place.clone(), note.to_owned());
        blocking(move || place.publish(&note)).await
    }
}

impl Place {
    fn publish(&self, note: &str) -> Result<(), SinkError> {
        let checkpoint = Checkpoint::open(note, &self.known).map_err(|error| self.refused(error))?;
        if *checkpoint.namespace() != self.namespace {
            let found = checkpoint.namespace().clone();
            return Err(self.refused(format!("it is of the namespace {found}, not {}", self.namespace)));
        }
        // Poisoned by a panic, it says at worst what the file's length contradicts.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = self.open().map_err(|error| self.undelivered(error))?;
        let length = file.metadata().map_err(|error| self.undelivered(error))?.len();
        let (latest, end) = match left.take() {
            Some(left) if left.length == length => (Some(left.latest), length),
            _ => self.read(&file)?,
        };
        let known = match latest {
            Some(latest) if latest == checkpoint => true,
            Some(latest) => {
                checkpoint.comes_after(&latest).map_err(|error| self.refused(error))?;
                false
            }
            None => false,
        };
        let mut write = || {
            if end < length {
                // An entry that its writer never finished, and never said was there.
                file.set_len(end)?;
            }
            if known {
                file.sync_all()?;
                return Ok(end);
            }
            let entry = format!("{note}\n");
            file.seek(SeekFrom::Start(end))?;
            file.write_all(entry.as_bytes())?;
            file.sync_all()?;
            file.stream_position()
        };
        let written = write();
        if written.is_err() {
            // What could not be made durable once may look so the next time, and must not be found there.
            let _ = file.set_len(end);
        }
        let length = written.map_err(|error| self.undelivered(error))?;
        *left = Some(Left { length, latest: checkpoint });
        Ok(())
    }

    /// The newest checkpoint of the file, and where its last entry ends.
    fn read(&self, file: &fs::File) -> Result<(Option<Checkpoint>, u64), SinkError> {
        match TrustedCheckpoints::read_from(file, &self.path, &self.namespace, &self.known) {
            Ok(read) => {
                let end = read.end;
                Ok((read.into_latest(), end))
            }
            Err(error @ TrustedCheckpointsError::Io { .. }) => Err(self.undelivered(error)),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// The file, for this writer alone until it is closed.
    fn open(&self) -> io::Result<fs::File> {
        let directory = directory_of(&self.path);
        create_private_directory(directory)?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path)?;
        lock(&file)?;
        if file.metadata()?.len() == 0 {
            sync_directory(directory)?;
        }
        Ok(file)
    }

    fn refused(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SinkError {
        SinkError::Refused { sink: self.name(), source: Cause::from(error.into()) }
    }

    fn undelivered(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SinkError {
        SinkError::Undelivered { sink: self.name(), source: Cause::from(error.into()) }
    }

    fn name(&self) -> String {
        format!("the file {}", self.path.display())
    }
}

fn lock(file: &fs::File) -> io::Result<()> {
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another writer does not let go of it"));
            }
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::fixtures::{Store, block_on};

    fn content(sink: &FileSink) -> String {
        fs::read_to_string(sink.path()).unwrap()
    }

    fn refusal(outcome: Result<(), SinkError>) -> String {
        match outcome {
            Err(SinkError::Refused { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_published_is_in_the_file_and_is_read_back() {
        let store = Store::new("prod");
        let sink = store.sink();
        for count in 1..=3 {
            block_on(sink.publish(&store.note(count, count))).unwrap();
            let read = store.read(sink.path()).unwrap();
            assert_eq!(
                (read.count(), read.latest(), read.torn()),
                (count, Some(&store.checkpoint(count, count)), 0)
            );
        }
        let notes: String = (1..=3).map(|count| store.note(count, count) + "\n").collect();
        assert_eq!(content(&sink), notes);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_so_is_a_directory_made_for_it() {
        use std::os::unix::fs::PermissionsExt;
        let store = Store::new("prod");
        let sink = FileSink::new(store.path("new/deep/checkpoints"), store.namespace.clone(), store.known());
        block_on(sink.publish(&store.note(1, 1))).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(sink.path()), mode(sink.path().parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn the_same_checkpoint_again_is_there_already() {
        let store = Store::new("prod");
        for sinks in [[store.sink(), store.sink()], [store.sink(), store.sink()]] {
            for sink in sinks {
                block_on(sink.publish(&store.note(1, 1))).unwrap();
                block_on(sink.publish(&store.note(1, 1))).unwrap();
                assert_eq!(content(&sink), store.note(1, 1) + "\n");
            }
        }
    }

    #[test]
    fn what_does_not_come_after_the_last_is_refused_and_changes_nothing() {
        let store = Store::new("prod");
        let sink = store.sink();
        block_on(sink.publish(&store.note(5, 5))).unwrap();
        let before = content(&sink);
        // To a writer that knows what it left, and to one that must read the file.
        for sink in [sink, store.sink()] {
            let shorter = refusal(block_on(sink.publish(&store.note(6, 4))));
            assert_eq!(shorter, "the chain main has 4 events in the checkpoint, and had 5 before");
            for (time, events) in [(4, 6), (5, 6)] {
                let older = refusal(block_on(sink.publish(&store.note(time, events))));
                assert_eq!(older, "the checkpoint is not later than the one before it");
            }
            assert_eq!(content(&sink), before);
        }
    }

    #[test]
    fn what_no_known_key_signed_or_another_stores_is_refused() {
        let (store, other) = (Store::new("prod"), Store::new("test"));
        let sink = store.sink();
        assert_eq!(refusal(block_on(sink.publish(&other.note(1, 1)))), "the checkpoint's note does not open");
        let changed = store.note(1, 1).replace("main 1", "main 2");
        assert_eq!(refusal(block_on(sink.publish(&changed))), "the checkpoint's note does not open");
        let no_checkpoint = store.signer.sign("bes/prod\n").unwrap();
        assert_eq!(refusal(block_on(sink.publish(&no_checkpoint))), "what was signed is no checkpoint");
        let both = FileSink::new(store.path("checkpoints"), store.namespace.clone(), other.known());
        assert_eq!(
            refusal(block_on(both.publish(&other.note(1, 1)))),
            "it is of the namespace test, not prod"
        );
        assert!(!sink.path().exists());
    }

    #[test]
    fn an_unfinished_entry_is_replaced_by_the_next_one() {
        let store = Store::new("prod");
        let (first, second, third) = (store.note(1, 1), store.note(2, 2), store.note(3, 3));
        for length in 0..=second.len() {
            let sink = store.sink();
            fs::write(
                sink.path(),
                format!("{first}\n{}", String::from_utf8_lossy(&second.as_bytes()[..length])),
            )
            .unwrap();
            block_on(sink.publish(&third)).unwrap();
            assert_eq!(content(&sink), format!("{first}\n{third}\n"), "{length}");
        }
    }

    #[test]
    fn a_file_that_is_not_to_be_trusted_takes_nothing_more() {
        let store = Store::new("prod");
        let sink = store.sink();
        let forged = store.note(1, 1).replace("main 1", "main 2") + "\n";
        fs::write(sink.path(), &forged).unwrap();
        let refused = refusal(block_on(sink.publish(&store.note(2, 2))));
        assert!(
            refused.starts_with("entry 1 of ") && refused.ends_with(" is not a checkpoint by a known key")
        );
        assert_eq!(content(&sink), forged);
    }

    #[test]
    fn what_another_writer_adds_is_not_overlooked() {
        let store = Store::new("prod");
        let (one, other) = (store.sink(), store.sink());
        block_on(one.publish(&store.note(1, 1))).unwrap();
        block_on(other.publish(&store.note(3, 3))).unwrap();
        refusal(block_on(one.publish(&store.note(2, 2))));
        block_on(one.publish(&store.note(4, 4))).unwrap();
        assert_eq!(store.read(one.path()).unwrap().count(), 3);
    }

    #[test]
    fn of_many_writers_at_once_none_tears_the_file() {
        let store = Store::new("prod");
        thread::scope(|scope| {
            for time in 1..=16 {
                let (sink, note) = (store.sink(), store.note(time, time));
                // Whether it is taken depends on who came before.
                scope.spawn(move || drop(block_on(sink.publish(&note))));
            }
        });
        let read = store.read(store.sink().path()).unwrap();
        // The last in time is taken whenever it comes.
        assert_eq!((read.latest(), read.torn()), (Some(&store.checkpoint(16, 16)), 0));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_no_refusal() {
        let store = Store::new("prod");
        fs::write(store.path("a-file"), "").unwrap();
        let sink = FileSink::new(store.path("a-file/checkpoints"), store.namespace.clone(), store.known());
        let outcome = block_on(sink.publish(&store.note(1, 1)));
        assert!(matches!(outcome, Err(SinkError::Undelivered { .. })), "{outcome:?}");
    }
}
