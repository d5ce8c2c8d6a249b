//! Reading lines, and giving each to its lane.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::{mpsc, watch};

use super::{
    Event, Halt, Numbered,
    line::{LineError, Schema},
};
use crate::failure::Failure;

/// The longest line that is looked at, in bytes: an item of DynamoDB holds no more, and content is stored as it is.
const LONGEST: usize = 409_600;

/// What is imported.
pub(super) struct Source {
    pub(super) path: PathBuf,
    input: Box<dyn Read + Send>,
    /// Its length in bytes, if it is a file.
    pub(super) length: Option<u64>,
}

/// Opens a file, or standard input for `-`.
pub(super) fn open(path: &Path) -> Result<Source, Failure> {
    if path == Path::new("-") {
        return Ok(Source { path: "standard input".into(), input: Box::new(io::stdin()), length: None });
    }
    let failed = |source| Failure::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let length = metadata.is_file().then_some(metadata.len());
    Ok(Source { path: path.to_owned(), input: Box::new(file), length })
}

/// Reads, checks and distributes lines.
pub(super) struct Reader {
    pub(super) schema: Schema,
    pub(super) lanes: Vec<mpsc::Sender<Numbered>>,
    pub(super) events: mpsc::Sender<Event>,
    /// How many bytes were read.
    pub(super) read: Arc<AtomicU64>,
    /// What the lanes are told.
    pub(super) halted: watch::Receiver<Halt>,
}

impl Reader {
    /// Runs on a thread of its own until the input ends or no more is taken.
    pub(super) fn start(self, source: Source) -> Result<(), Failure> {
        let started = thread::Builder::new().name("reader".to_owned()).spawn(move || {
            // An error says that nobody listens any more; then there is nothing left to do.
            let _ = self.run(source);
        });
        match started {
            Ok(_) => Ok(()),
            Err(source) => Err(Failure::Io { what: "no thread can be started to read".to_owned(), source }),
        }
    }

    fn run(mut self, Source { path, input, .. }: Source) -> Result<(), Gone> {
        let hasher = RandomState::new();
        let mut input = BufReader::with_capacity(1 << 16, input);
        let mut bytes = Vec::new();
        for number in 1.. {
            if *self.halted.borrow() != Halt::Never {
                return Ok(());
            }
            bytes.clear();
            let whole = match read_line(&mut input, &mut bytes, &self.read) {
                Ok(None) => break,
                Ok(Some(whole)) => whole,
                Err(source) => {
                    return self.tell(Event::Stop(Failure::Unreadable { path, source }));
                }
            };
            let text =
                if number == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
            let parsed =
                if whole { self.schema.parse(text) } else { Err(LineError::TooLong { limit: LONGEST }) };
            match parsed {
                Ok(None) => self.tell(Event::Empty { number })?,
                Ok(Some(line)) => {
                    let lane = hasher.hash_one(line.id.as_str())
                        % u64::try_from(self.lanes.len()).map_err(|_| Gone)?;
                    let lane = &self.lanes[usize::try_from(lane).map_err(|_| Gone)?];
                    lane.blocking_send(Numbered { number, line }).map_err(|_| Gone)?;
                }
                Err(error) => {
                    self.tell(Event::Failed { number, reason: super::line::chain(&error) })?;
                }
            }
        }
        let never_seen = self.schema.never_seen();
        self.tell(Event::End { never_seen })
    }

    fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.blocking_send(event).map_err(|_| Gone)
    }
}

/// Nobody listens any more.
struct Gone;

/// Reads up to a line break into `line`, of which it keeps no more than [`LONGEST`] bytes. `None` at the end;
/// otherwise whether the line was kept whole.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, read: &AtomicU64) -> io::Result<Option<bool>> {
    let (mut begun, mut whole) = (false, true);
    loop {
        let available = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        if available.is_empty() {
            return Ok(begun.then_some(whole));
        }
        begun = true;
        let line_break = available.iter().position(|&b| b == b'\n');
        let part = &available[..line_break.unwrap_or(available.len())];
        let room = LONGEST - line.len();
        whole &= part.len() <= room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = part.len() + usize::from(line_break.is_some());
        read.fetch_add(used.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        input.consume(used);
        if line_break.is_some() {
            return Ok(Some(whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_a_long_one_is_cut_without_harm_to_the_next() {
        let long = vec![b'x'; LONGEST + 1];
        let text = [b"a\n\nb\r\n", &long[..], b"\nlast"].concat();
        let mut input = BufReader::with_capacity(7, &text[..]);
        let read = AtomicU64::new(0);
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while let Some(whole) = read_line(&mut input, &mut line, &read).unwrap() {
            lines.push((line.len(), whole));
            line.clear();
        }
        assert_eq!(lines, [(1, true), (0, true), (2, true), (LONGEST, false), (4, true)]);
        assert_eq!(read.into_inner(), u64::try_from(text.len()).unwrap());
    }
}
