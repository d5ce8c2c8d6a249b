//! Checkpoints of the audit log, outside the table: where their key is, where they go, and which of them to trust.
//!
//! - [`create_signing_key`], [`open_signing_key`]: the key that signs them, in a file.
//! - [`FileSink`], [`LogSink`], [`CommandSink`]: where signed checkpoints are delivered.
//! - [`Checkpoints`]: those that a process makes while it writes.
//! - [`TrustedCheckpoints`]: a file of them, read back: every signature verified, and no checkpoint behind the one before.
//!
//! A checkpoint shows later that a chain was cut short or written anew, but only if whoever can write the table could not
//! change it: it belongs on another machine, or in an account of its own.

mod command;
mod file;
#[cfg(test)]
mod fixtures;
mod key_file;
mod log;
mod periodic;
mod trusted;

pub use command::{CommandError, CommandSink};
pub use file::FileSink;
pub use key_file::{SigningKeyError, create_signing_key, open_signing_key};
pub use log::LogSink;
pub use periodic::{Checkpoints, NotPublished};
pub use trusted::{TrustedCheckpoints, TrustedCheckpointsError};

use std::{fs, io, path::Path};

/// Runs what blocks where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(f).await {
        Ok(outcome) => outcome,
        // It is never cancelled, so it panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The directory that a file is in.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn create_private_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn create_private_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

/// Makes a new directory entry durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
