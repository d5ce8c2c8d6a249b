//! An export, read as if it were the log.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use blue_address::{Chain, Namespace, push_length_prefixed};
use blue_audit::{Cause, Page, Segment, SegmentSource, Stored, VerifyOptions};

use super::{ExportedEvent, event::ReadBack};
use crate::checkpoints::blocking;

/// The chain that a line belongs to which says nothing, if it is the first.
const MAIN: &str = "main";

/// How many lines of one chain share an entry of the index.
const LINES: u32 = 256;

/// So many bytes of lines, and the line that they end with, share an entry at most.
const RUN_LENGTH: u64 = 1 << 20;

/// The longest line: far beyond what an event can take.
const LONGEST: u64 = 1 << 20;

/// So many lines may stand behind a later one of their chain before the file is taken for none of ours.
const OUT_OF_ORDER: u32 = 10_000;

/// An export that was gone through once: where [`blue_audit::verify()`] reads segments from, each line being one of a single
/// event. It takes no key, no table and no network.
///
/// The file is gone through for an index of places, and then read page by page. Memory holds the index, an entry for some
/// hundred lines, and a few pages. The file must not change meanwhile; should it, the verification finds that or fails.
#[derive(Clone)]
pub struct ExportFile(Arc<Inner>);

struct Inner {
    file: Mutex<File>,
    chains: BTreeMap<Chain, Vec<Run>>,
}

/// Consecutive lines of one chain.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// No event of it, nor of those behind it, lies before this place.
    place: u64,
    /// The place of the last event of the chain that stands before it in the file.
    before: Option<u64>,
    /// Where its first line begins.
    offset: u64,
    /// Where its last line ends.
    end: u64,
    /// The number of its first line, from 1.
    line: u64,
}

impl ExportFile {
    /// Goes through a file. Lines that are no events are no error here: the verification reports them.
    ///
    /// # Errors
    /// If it is no regular file, cannot be read, or its lines are in another order than an export's.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        blocking(move || {
            let file = File::open(&path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is no regular file, and has to be read more than once"));
            }
            let chains = index(&file)?;
            Ok(Self(Arc::new(Inner { file: Mutex::new(file), chains })))
        })
        .await
    }

    /// All chains that it has lines of.
    #[must_use]
    pub fn chains(&self) -> Vec<Chain> {
        self.0.chains.keys().cloned().collect()
    }

    /// The options of a verification of all its chains, to be completed: without MACs, which an export has none of, and
    /// without anything that was known before. So whoever can write the file can write another one that fits together; only
    /// a checkpoint that was kept elsewhere ([`VerifyOptions::trusted`]) tells.
    #[must_use]
    pub fn options(&self, namespace: Namespace) -> VerifyOptions {
        VerifyOptions { chains: self.chains(), ..VerifyOptions::new(namespace, None) }
    }

    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Cause> {
        let inner = self.0.clone();
        blocking(move || read(&inner)).await.map_err(|error| Arc::new(error) as Cause)
    }
}

#[async_trait]
impl SegmentSource for ExportFile {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        let chain = chain.clone();
        self.look(move |inner| inner.page(&chain, from)).await
    }

    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        let chain = chain.clone();
        self.look(move |inner| inner.last(&chain, before)).await
    }
}

impl Inner {
    fn page(&self, chain: &Chain, from: u64) -> io::Result<Page> {
        let runs = self.chains.get(chain).map_or(&[][..], Vec::as_slice);
        let mut next = runs.partition_point(|run| run.place <= from).saturating_sub(1);
        let mut stored = Vec::new();
        // A run that has no event in its own place does not lead on: the next begins where it does.
        loop {
            let Some(run) = runs.get(next) else { return Ok(Page { stored, next: None }) };
            if run.place > from && !stored.is_empty() {
                return Ok(Page { stored, next: Some(run.place) });
            }
            let lies_behind = |item: &Stored| item.first().is_none_or(|first| first >= from);
            stored.extend(self.read(chain, run)?.into_iter().filter(lies_behind));
            next += 1;
        }
    }

    fn last(&self, chain: &Chain, before: Option<u64>) -> io::Result<Option<Stored>> {
        let runs = self.chains.get(chain).map_or(&[][..], Vec::as_slice);
        let is_before = |place: u64| before.is_none_or(|before| place < before);
        for run in runs.iter().rev().filter(|run| is_before(run.place)) {
            let found = self.read(chain, run)?.into_iter().rev();
            if let Some(last) = found.into_iter().find(|item| item.first().is_some_and(is_before)) {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    /// The lines of a run. Should the file have changed since it was gone through, that shows as it would have then.
    fn read(&self, chain: &Chain, run: &Run) -> io::Result<Vec<Stored>> {
        // A reader that panicked has left the file where the next one does not care.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(run.offset))?;
        let mut lines = Lines::new((&*file).take(run.end - run.offset), run.line);
        let (mut last, mut stored) = (run.before, Vec::new());
        while let Some(line) = lines.next()? {
            let parsed = parse(line.text);
            stored.push(classify(chain, parsed, line.number, &mut last));
        }
        Ok(stored)
    }
}

fn index(file: &File) -> io::Result<BTreeMap<Chain, Vec<Run>>> {
    let mut runs: BTreeMap<Chain, Vec<Run>> = BTreeMap::new();
    let mut last: BTreeMap<Chain, Option<u64>> = BTreeMap::new();
    // A line that says nothing belongs to the chain of the line before it.
    let mut current = Chain::new(MAIN).expect("the name of a chain");
    let (mut offset, mut lines_in_run, mut out_of_order) = (0, 0, 0);
    let mut lines = Lines::new(file, 1);
    while let Some(line) = lines.next()? {
        let parsed = parse(line.text);
        let chain = parsed.as_ref().ok().and_then(|read| Chain::new(read.event.chain()).ok());
        let chain = chain.unwrap_or_else(|| current.clone());
        let before = last.entry(chain.clone()).or_default();
        let (was, number) = (*before, line.number);
        let (begin, end) = (offset, offset + line.length);
        offset = end;
        if classify(&chain, parsed, number, before).first().is_none() {
            out_of_order += 1;
            if out_of_order > OUT_OF_ORDER {
                return Err(io::Error::other("its lines are not in the order of their sequences"));
            }
        }
        let of_chain = runs.entry(chain.clone()).or_default();
        match of_chain.last_mut() {
            Some(run) if run.end == begin && lines_in_run < LINES && run.end - run.offset < RUN_LENGTH => {
                run.end = end;
            }
            _ => {
                let place = was.map_or(0, |was| was.saturating_add(1));
                of_chain.push(Run { place, before: was, offset: begin, end, line: number });
                lines_in_run = 0;
            }
        }
        lines_in_run += 1;
        current = chain;
    }
    Ok(runs)
}

/// What a line holds, as what lies in a segment's place.
fn classify(chain: &Chain, parsed: Result<ReadBack, String>, number: u64, last: &mut Option<u64>) -> Stored {
    let read = match parsed {
        Ok(read) if read.event.chain() == chain.as_str() => read,
        other => {
            let reason = other.err().unwrap_or_else(|| "it is of another chain".to_owned());
            // It has most likely taken the place of the event that belongs here.
            let first = last.map_or(Some(0), |last| last.checked_add(1));
            *last = first.or(*last);
            return Stored::Malformed { first, reason: format!("line {number}: {reason}") };
        }
    };
    let sequence = read.event.sequence();
    if let Some(last) = last.filter(|&last| sequence <= last) {
        let reason = format!("line {number}: event {sequence} stands behind event {last}");
        return Stored::Malformed { first: None, reason };
    }
    *last = Some(sequence);
    let mut events = Vec::new();
    push_length_prefixed(&mut events, read.event.event_bytes());
    Stored::Segment(Segment {
        chain: chain.to_string(),
        first: sequence,
        events,
        count: 1,
        head_hash: read.claimed_hash,
        // An export has no MACs, and none is looked at.
        mac: [0; 32],
        audit_kek_id: [0; 16],
    })
}

fn parse(line: &[u8]) -> Result<ReadBack, String> {
    let json: ExportedEvent = serde_json::from_slice(line).map_err(|error| format!("no event: {error}"))?;
    json.read_back().map_err(|field| format!("no event: {field} is not as an export has it"))
}

/// A line, and its place in the file.
struct Line<'a> {
    text: &'a [u8],
    number: u64,
    /// With its end, and with the empty lines before it.
    length: u64,
}

/// The lines of a file that are not empty.
struct Lines<R> {
    reader: BufReader<R>,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    fn new(from: R, number: u64) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, from), buffer: Vec::new(), number }
    }

    /// The next line. One that is too long is cut, so that it parses as nothing.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut length = 0;
        loop {
            self.buffer.clear();
            let read = self.reader.by_ref().take(LONGEST).read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            length += bytes(read);
            if self.buffer.last() != Some(&b'\n') {
                length += self.skip_line()?;
            }
            self.number += 1;
            let is_empty = self.buffer.trim_ascii().is_empty();
            if !is_empty || bytes(read) == LONGEST {
                return Ok(Some(Line { text: self.buffer.trim_ascii(), number: self.number - 1, length }));
            }
        }
    }

    /// Passes over what is left of a line.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let available = self.reader.fill_buf()?;
            let end = available.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
            let length = end.unwrap_or(available.len());
            self.reader.consume(length);
            skipped += bytes(length);
            if end.is_some() || length == 0 {
                return Ok(skipped);
            }
        }
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
