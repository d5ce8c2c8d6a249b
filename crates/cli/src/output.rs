//! Standard output: data, and nothing else.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::ProgressDrawTarget;
use serde::Serialize;

use crate::{
    config::{Config, Format},
    failure::Failure,
};

/// The least width, in characters, to which a table is fitted; a narrower terminal breaks the lines itself.
const NARROWEST: u16 = 40;

/// Standard output in the format that was asked for.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    pub(crate) format: Format,
    pub(crate) is_terminal: bool,
}

impl Output {
    pub(crate) fn new(config: &Config) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self { out: BufWriter::new(stdout), format: config.output.value, is_terminal }
    }

    /// One JSON value on a line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| failed(error.into()))?;
        self.bytes(b"\n")
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(failed)
    }

    /// Sends out what was printed so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(failed)
    }

    /// Everything must have gone out before a run can be said to have succeeded.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.out.flush().map_err(failed)
    }
}

/// Rows of text: on a terminal kept until the end and laid out as a table, else printed at once, tab-separated and
/// without a header.
pub(crate) struct Rows {
    table: Option<Table>,
}

impl Rows {
    pub(crate) fn new(output: &Output, header: &[&str]) -> Self {
        let table = output.is_terminal.then(|| {
            let mut table = Table::new();
            table.load_style(presets::UTF8_FULL_CONDENSED);
            // A terminal that does not know its width says 0.
            if table.width().is_some_and(|width| width >= NARROWEST) {
                table.set_content_arrangement(ContentArrangement::Dynamic);
            }
            table.set_header(header.iter().copied());
            table
        });
        Self { table }
    }

    pub(crate) fn row(&mut self, output: &mut Output, cells: &[&str]) -> Result<(), Failure> {
        match &mut self.table {
            Some(table) => {
                table.add_row(cells.iter().map(|cell| printable(cell)));
                Ok(())
            }
            None => output.line(&cells.join("\t")),
        }
    }

    pub(crate) fn finish(self, output: &mut Output) -> Result<(), Failure> {
        match self.table {
            Some(table) if !table.is_empty() => output.line(&table.to_string()),
            _ => Ok(()),
        }
    }
}

/// Where progress is shown: on a terminal, or nowhere.
pub(crate) fn progress_target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

/// Without the control characters by which data could steer a terminal. Line breaks stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// On one line, and all that does not print escaped.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

fn failed(source: io::Error) -> Failure {
    if source.kind() == io::ErrorKind::BrokenPipe {
        return Failure::ClosedPipe;
    }
    Failure::Io { what: "standard output cannot be written".to_owned(), source }
}
