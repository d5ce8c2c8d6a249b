//! Files of checkpoints, read back.

use std::{
    fs::File,
    io,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use blue_address::Namespace;
use blue_audit::{Checkpoint, GoesBack, MAX_NOTE_LEN, NoteVerifier, OpenCheckpointError};

use super::blocking;

/// What a file of checkpoints, as [`crate::checkpoints::FileSink`] writes it, says for certain: every entry was signed by a
/// known key, is of the one store, and comes after the entry before it.
///
/// The file is notes, each followed by an empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCheckpoints {
    latest: Option<Checkpoint>,
    count: u64,
    /// Where the last entry ends.
    pub(super) end: u64,
    torn: u64,
}

/// Why a file of checkpoints is not to be trusted, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedCheckpointsError {
    /// There is no such file. Whoever verifies a log against checkpoints should not go on as if there had been none.
    #[error("there is no file of checkpoints {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} the file of checkpoints {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An entry is not a checkpoint that a known key signed.
    #[error("entry {number} of {} is not a checkpoint by a known key", path.display())]
    Untrusted {
        /// In which file.
        path: PathBuf,
        /// Which entry, counted from 1.
        number: u64,
        /// What is wrong with it.
        source: OpenCheckpointError,
    },
    /// An entry is of another store.
    #[error("entry {number} of {} is of the namespace {found}", path.display())]
    Namespace {
        /// In which file.
        path: PathBuf,
        /// Which entry, counted from 1.
        number: u64,
        /// The entry's namespace.
        found: Namespace,
    },
    /// An entry goes back behind the one before it.
    #[error("entry {number} of {} does not come after the one before it", path.display())]
    GoesBack {
        /// In which file.
        path: PathBuf,
        /// Which entry, counted from 1.
        number: u64,
        /// In what.
        source: GoesBack,
    },
}

impl TrustedCheckpoints {
    /// Reads a whole file of checkpoints and verifies every entry, with the keys that are `known`.
    ///
    /// An entry that was not written to its end when its writer stopped is no entry: it is passed over, with a warning.
    /// Only the last one can be so.
    ///
    /// # Errors
    /// [`TrustedCheckpointsError`] for the first thing that is wrong, and then nothing of the file is to be trusted.
    pub async fn read(
        path: impl Into<PathBuf>,
        namespace: &Namespace,
        known: &[NoteVerifier],
    ) -> Result<Self, TrustedCheckpointsError> {
        let (path, namespace, known) = (path.into(), namespace.clone(), known.to_vec());
        blocking(move || match File::open(&path) {
            Ok(file) => Self::read_from(&file, &path, &namespace, &known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(TrustedCheckpointsError::NotFound { path })
            }
            Err(source) => Err(TrustedCheckpointsError::Io { action: "open", path, source }),
        })
        .await
    }

    /// The newest checkpoint; `None` if there is no entry yet.
    #[must_use]
    pub fn latest(&self) -> Option<&Checkpoint> {
        self.latest.as_ref()
    }

    /// How many checkpoints there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes of an unfinished entry are at the file's end.
    #[must_use]
    pub fn torn(&self) -> u64 {
        self.torn
    }

    pub(super) fn into_latest(self) -> Option<Checkpoint> {
        self.latest
    }

    /// The file from where it stands: at its beginning.
    pub(super) fn read_from(
        file: &File,
        path: &Path,
        namespace: &Namespace,
        known: &[NoteVerifier],
    ) -> Result<Self, TrustedCheckpointsError> {
        let mut reader = BufReader::new(file);
        let mut read = Self { latest: None, count: 0, end: 0, torn: 0 };
        loop {
            let entry = Entry::read(&mut reader).map_err(|source| TrustedCheckpointsError::Io {
                action: "read",
                path: path.to_owned(),
                source,
            })?;
            match entry {
                Entry::Complete(note) => read.take(&note, path, namespace, known)?,
                Entry::Torn(length) => {
                    if length > 0 {
                        tracing::warn!(
                            file = %path.display(),
                            bytes = length,
                            "the last entry of a file of checkpoints was not written to its end, and is passed over"
                        );
                    }
                    read.torn = length;
                    return Ok(read);
                }
            }
        }
    }

    fn take(
        &mut self,
        note: &[u8],
        path: &Path,
        namespace: &Namespace,
        known: &[NoteVerifier],
    ) -> Result<(), TrustedCheckpointsError> {
        let (path, number) = (|| path.to_owned(), self.count + 1);
        let checkpoint = Checkpoint::open(note, known)
            .map_err(|source| TrustedCheckpointsError::Untrusted { path: path(), number, source })?;
        if checkpoint.namespace() != namespace {
            let found = checkpoint.namespace().clone();
            return Err(TrustedCheckpointsError::Namespace { path: path(), number, found });
        }
        if let Some(before) = &self.latest {
            checkpoint.comes_after(before).map_err(|source| TrustedCheckpointsError::GoesBack {
                path: path(),
                number,
                source,
            })?;
        }
        self.latest = Some(checkpoint);
        self.count = number;
        self.end += stored_len(note);
        Ok(())
    }
}

/// How many bytes a note takes in a file: those of the note and of the empty line after it.
fn stored_len(note: &[u8]) -> u64 {
    u64::try_from(note.len() + 1).expect("a note is far below 2^64 bytes")
}

/// What is next in a file.
enum Entry {
    /// A note. Nothing of it is verified.
    Complete(Vec<u8>),
    /// So many bytes, maybe none, and then the end.
    Torn(u64),
}

impl Entry {
    /// A checkpoint's text has no empty lines, so that a note of one is all up to the first empty line, and up to the next.
    fn read(reader: &mut BufReader<&File>) -> io::Result<Self> {
        // No note is longer, so that what is will not open.
        let longest = u64::try_from(MAX_NOTE_LEN + 1).expect("a small constant");
        let (mut entry, mut empty_lines) = (Vec::new(), 0);
        let mut limited = reader.by_ref().take(longest);
        while empty_lines < 2 {
            let line = entry.len();
            limited.read_until(b'\n', &mut entry)?;
            if entry.last() != Some(&b'\n') || entry.len() == line {
                return Ok(if limited.limit() == 0 { Self::Complete(entry) } else { Self::torn(&entry) });
            }
            empty_lines += u8::from(&entry[line..] == b"\n");
        }
        // A file system that made the file longer before it wrote the data may leave zeros in its last entry.
        if entry.contains(&0) && reader.fill_buf()?.is_empty() {
            return Ok(Self::torn(&entry));
        }
        entry.pop();
        Ok(Self::Complete(entry))
    }

    fn torn(bytes: &[u8]) -> Self {
        Self::Torn(u64::try_from(bytes.len()).expect("at most a note"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::checkpoints::fixtures::Store;

    fn of(store: &Store, content: impl AsRef<[u8]>) -> Result<TrustedCheckpoints, TrustedCheckpointsError> {
        fs::write(store.path("checkpoints"), content).unwrap();
        store.read(&store.path("checkpoints"))
    }

    #[test]
    fn a_missing_file_is_not_one_without_checkpoints() {
        let store = Store::new("prod");
        let path = store.path("checkpoints");
        assert!(matches!(store.read(&path), Err(TrustedCheckpointsError::NotFound { path: p }) if p == path));
        let empty = of(&store, "").unwrap();
        assert_eq!((empty.latest(), empty.count(), empty.torn()), (None, 0, 0));
    }

    #[test]
    fn an_entry_cut_short_at_any_place_is_passed_over() {
        let store = Store::new("prod");
        let (first, second) = (store.note(1, 1) + "\n", store.note(2, 2) + "\n");
        for length in 0..second.len() {
            let read = of(&store, [first.as_bytes(), &second.as_bytes()[..length]].concat()).unwrap();
            let torn = u64::try_from(length).unwrap();
            assert_eq!((read.latest(), read.torn()), (Some(&store.checkpoint(1, 1)), torn));
        }
        // A file system's zeros, in place of a part of it, of all of it, and after it.
        let mut zeros = second.clone().into_bytes();
        zeros[10..200].fill(0);
        for tail in [zeros, vec![0; 4_096], [&second.as_bytes()[..50], &[0; 50]].concat()] {
            let read = of(&store, [first.as_bytes(), &tail].concat()).unwrap();
            let torn = u64::try_from(tail.len()).unwrap();
            assert_eq!((read.latest(), read.torn()), (Some(&store.checkpoint(1, 1)), torn));
        }
        let alone = of(&store, &second[..40]).unwrap();
        assert_eq!((alone.latest(), alone.torn()), (None, 40));
    }

    #[test]
    fn a_changed_byte_anywhere_in_an_entry_is_an_error_or_makes_the_last_one_unfinished() {
        let store = Store::new("prod");
        let content = [1, 2].map(|count| store.note(count, count) + "\n").concat();
        let second = store.note(1, 1).len() + 1;
        for position in 0..content.len() {
            for bits in [0x01, 0x20] {
                let mut changed = content.clone().into_bytes();
                changed[position] ^= bits;
                // Of the newlines that end an entry, no key signed any.
                match of(&store, &changed) {
                    Err(TrustedCheckpointsError::Untrusted { number, .. }) => {
                        assert_eq!(number, if position < second { 1 } else { 2 }, "{position}");
                    }
                    Ok(read) => {
                        assert!(position >= second && read.torn() > 0, "{position}");
                        assert_eq!(read.latest(), Some(&store.checkpoint(1, 1)));
                    }
                    Err(error) => panic!("{position}: {error}"),
                }
            }
        }
    }

    #[test]
    fn only_the_last_entry_can_be_unfinished() {
        let store = Store::new("prod");
        let (first, second) = (store.note(1, 1), store.note(2, 2) + "\n");
        for length in 1..first.len() {
            let outcome = of(&store, [&first.as_bytes()[..length], b"\n", second.as_bytes()].concat());
            assert!(
                matches!(outcome, Err(TrustedCheckpointsError::Untrusted { number: 1, .. })),
                "{length}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_file_that_goes_back_is_an_error() {
        let store = Store::new("prod");
        for (notes, number) in [
            (vec![store.note(2, 2), store.note(1, 1)], 2),
            (vec![store.note(1, 1), store.note(1, 1)], 2),
            (vec![store.note(1, 5), store.note(2, 6), store.note(3, 5), store.note(4, 7)], 3),
        ] {
            let content: String = notes.iter().map(|note| format!("{note}\n")).collect();
            let outcome = of(&store, content);
            assert!(
                matches!(outcome, Err(TrustedCheckpointsError::GoesBack { number: n, .. }) if n == number),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn an_unknown_keys_and_another_stores_entries_are_errors() {
        let (store, other) = (Store::new("prod"), Store::new("test"));
        let content = format!("{}\n{}\n", store.note(1, 1), other.note(2, 2));
        let outcome = of(&store, &content);
        assert!(matches!(outcome, Err(TrustedCheckpointsError::Untrusted { number: 2, .. })), "{outcome:?}");
        let path = store.path("checkpoints");
        fs::write(&path, other.note(2, 2) + "\n").unwrap();
        let known = [store.known(), other.known()].concat();
        let read =
            TrustedCheckpoints::read_from(&File::open(&path).unwrap(), &path, &store.namespace, &known);
        let error = read.unwrap_err();
        assert_eq!(error.to_string(), format!("entry 1 of {} is of the namespace test", path.display()));
    }

    #[test]
    fn whatever_is_no_note_is_an_error_once_it_has_an_end() {
        let store = Store::new("prod");
        for content in ["\n\n", "a\n\nb\n\n", "\n\n\n\n"] {
            let outcome = of(&store, content);
            assert!(
                matches!(outcome, Err(TrustedCheckpointsError::Untrusted { number: 1, .. })),
                "{content:?}"
            );
        }
        // Even without one, when it is longer than any note.
        let outcome = of(&store, vec![b'a'; MAX_NOTE_LEN + 2]);
        assert!(matches!(outcome, Err(TrustedCheckpointsError::Untrusted { number: 1, .. })), "{outcome:?}");
    }
}
