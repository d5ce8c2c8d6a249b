//! Checkpoints in a log.

use std::{
    fmt, io,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use blue_audit::{CheckpointSink, SinkError};
use serde::Serialize;

use super::blocking;

/// Writes each checkpoint as one line to where the service's log goes, for whatever collects it: a log that leaves the
/// machine at once is a place outside the table.
///
/// The line is a JSON object whose `checkpoint` is the note, so that its newlines are none of the log's.
pub struct LogSink {
    destination: Destination,
}

enum Destination {
    Tracing,
    Writer(Arc<Mutex<dyn Write + Send>>),
}

#[derive(Serialize)]
struct Line<'a> {
    checkpoint: &'a str,
}

impl LogSink {
    /// A tracing event at the level `info`, with the target `bes::checkpoint`, whose field `note` is the JSON object. What
    /// becomes of it is up to the subscriber: one that drops events drops checkpoints.
    #[must_use]
    pub fn tracing() -> Self {
        Self { destination: Destination::Tracing }
    }

    /// A line on the standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// A line to any writer, which is flushed after it.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self { destination: Destination::Writer(Arc::new(Mutex::new(writer))) }
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSink").finish_non_exhaustive()
    }
}

#[async_trait]
impl CheckpointSink for LogSink {
    async fn publish(&self, note: &str) -> Result<(), SinkError> {
        let line = serde_json::to_string(&Line { checkpoint: note }).expect("a text is JSON");
        match &self.destination {
            Destination::Tracing => {
                tracing::info!(target: "bes::checkpoint", note = %line, "checkpoint");
                Ok(())
            }
            Destination::Writer(writer) => {
                let writer = writer.clone();
                let write = move || {
                    // A writer that panicked is asked again, and says itself what it cannot do.
                    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                    writer.write_all((line + "\n").as_bytes())?;
                    writer.flush()
                };
                blocking(write).await.map_err(|error: io::Error| SinkError::Undelivered {
                    sink: "the log".to_owned(),
                    source: Arc::new(error),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::fixtures::{Store, block_on};

    /// A writer that others can look at, and that fails when it is told to.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (written, fails) = &mut *self.0.lock().unwrap();
            if *fails {
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.lock().unwrap().0.extend(b"|flushed");
            Ok(())
        }
    }

    #[test]
    fn a_checkpoint_is_one_line_of_json() {
        let (store, shared) = (Store::new("prod"), Shared::default());
        let sink = LogSink::to(shared.clone());
        block_on(sink.publish(&store.note(1, 1))).unwrap();
        let written = String::from_utf8(shared.0.lock().unwrap().0.clone()).unwrap();
        let line = written.strip_suffix("\n|flushed").unwrap();
        assert!(!line.contains(|c: char| c.is_control()), "{line}");
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(read, serde_json::json!({ "checkpoint": store.note(1, 1) }));
    }

    #[test]
    fn a_log_that_takes_nothing_is_an_error() {
        let (store, shared) = (Store::new("prod"), Shared::default());
        shared.0.lock().unwrap().1 = true;
        let outcome = block_on(LogSink::to(shared).publish(&store.note(1, 1)));
        assert!(matches!(outcome, Err(SinkError::Undelivered { .. })), "{outcome:?}");
    }
}
