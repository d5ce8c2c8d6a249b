//! Exports of the audit log: JSON Lines, one event each, as `bes audit export` writes them.
//!
//! - [`ExportedEvent`]: a line.
//! - [`ExportFile`]: a file of them, to be verified offline by [`blue_audit::verify()`].

mod event;
mod file;

pub use event::ExportedEvent;
pub use file::ExportFile;
