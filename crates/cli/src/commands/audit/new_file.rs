//! A file that is there only once it is whole.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A new file, private: the log names who did what. Until it is whole it has another name, and goes if it never is.
pub(super) struct NewFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// # Errors
    /// [`Failure::Io`], also if something is in its place.
    pub(super) fn create(path: PathBuf) -> Result<Self, Failure> {
        vacant(&path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match NamedTempFile::new_in(directory.unwrap_or(Path::new("."))) {
            Ok(file) => Ok(Self { path, writer: BufWriter::new(file) }),
            Err(source) => Err(unwritten(&path, source)),
        }
    }

    /// Writes some of it.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.writer).map_err(|source| unwritten(&self.path, source))
    }

    /// It is whole.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self { path, mut writer } = self;
        let finish = || {
            writer.flush()?;
            let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(&path)?;
            Ok(())
        };
        finish().map_err(|source| unwritten(&path, source))
    }
}

/// Refuses a place that something is in.
pub(super) fn vacant(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(unwritten(path, io::ErrorKind::AlreadyExists.into())),
        Err(_) => Ok(()),
    }
}

fn unwritten(path: &Path, source: io::Error) -> Failure {
    Failure::Io { what: format!("cannot write {}", path.display()), source }
}
