//! The file of the key that signs checkpoints.

use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use blue_address::Namespace;
use blue_audit::{Checkpoint, NoteKeyError, NoteSigner};
use zeroize::Zeroizing;

use super::{create_private_directory, directory_of, sync_directory};

/// More than any key's text has, with a name of 255 bytes percent-encoded.
const LONGEST: u64 = 1_024;

/// Why there is no signing key to use. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// There is no such file.
    #[error("there is no signing key file {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file is there already; an existing key is never overwritten.
    #[error("the signing key file {} exists already and is not overwritten", path.display())]
    AlreadyExists {
        /// Where.
        path: PathBuf,
    },
    /// Group or others can read it.
    #[error(
        "the signing key file {} is open to other users (mode {mode:04o}); make it private with: chmod 600 {}",
        path.display(), path.display()
    )]
    Permissions {
        /// Where.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is no signing key. (It is not shown.)
    #[error("the file {} holds no signing key", path.display())]
    Malformed {
        /// Where.
        path: PathBuf,
        /// What is wrong with it, if it is text.
        source: Option<NoteKeyError>,
    },
    /// The file system refused.
    #[error("cannot {action} the signing key file {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No randomness for a fresh key.
    #[error(transparent)]
    Generate(#[from] NoteKeyError),
}

/// Makes a fresh key for this namespace's checkpoints and its file, complete and private, or not at all: mode 0600, in a
/// directory that is made with 0700 if it is missing. The file is the line that [`NoteSigner::expose`] gives.
///
/// The public key, [`NoteSigner::verifier`], is what checkpoints are verified with. It is no secret, but whoever can
/// exchange it can exchange the checkpoints: give it to those who verify by a way of its own.
///
/// # Errors
/// [`SigningKeyError::AlreadyExists`] if anything is there already; [`SigningKeyError::Io`] if the file system refuses.
pub fn create_signing_key(
    path: impl Into<PathBuf>,
    namespace: &Namespace,
) -> Result<NoteSigner, SigningKeyError> {
    let path = path.into();
    let signer = NoteSigner::generate(Checkpoint::key_name(namespace))?;
    match write_new(&path, &signer.expose()) {
        Ok(()) => Ok(signer),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SigningKeyError::AlreadyExists { path })
        }
        Err(source) => Err(SigningKeyError::Io { action: "create", path, source }),
    }
}

/// Reads an existing key file, of [`create_signing_key`] or of another tool that makes keys for signed notes. One that
/// group or others can read is refused. On systems other than Unix, permissions are not checked.
///
/// # Errors
/// [`SigningKeyError`] if it is missing, open to others, malformed or unreadable.
pub fn open_signing_key(path: impl Into<PathBuf>) -> Result<NoteSigner, SigningKeyError> {
    let path = path.into();
    let io_error = |action, source| SigningKeyError::Io { action, path: path.clone(), source };
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SigningKeyError::NotFound { path });
        }
        Err(source) => return Err(io_error("open", source)),
    };
    let metadata = file.metadata().map_err(|source| io_error("examine", source))?;
    if !metadata.is_file() {
        return Err(SigningKeyError::Malformed { path, source: None });
    }
    check_private(&path, &metadata)?;

    // Of the whole length from the start, so that it never moves and leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(1_025));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|source| io_error("read", source))?;
    let text = str::from_utf8(&bytes).ok().filter(|text| text.len() <= 1_024);
    let text = text.map(|text| text.strip_suffix('\n').unwrap_or(text));
    match text.map(str::parse) {
        Some(Ok(signer)) => Ok(signer),
        Some(Err(error)) => Err(SigningKeyError::Malformed { path, source: Some(error) }),
        None => Err(SigningKeyError::Malformed { path, source: None }),
    }
}

/// Writes a file that appears whole or not at all, and fails with `AlreadyExists` rather than replace another.
fn write_new(path: &Path, line: &str) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let directory = directory_of(path);
    create_private_directory(directory)?;
    // A temporary file of this crate has mode 0600 from its first moment.
    let mut file = tempfile::Builder::new().prefix(".signing-").tempfile_in(directory)?;
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

#[cfg(unix)]
fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), SigningKeyError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SigningKeyError::Permissions { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &fs::Metadata) -> Result<(), SigningKeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    // From the documentation of golang.org/x/mod/sumdb/note.
    const KEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    fn namespace() -> Namespace {
        Namespace::new("prod").unwrap()
    }

    #[test]
    fn a_key_file_reads_back_as_the_key_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/deep/signing.key");
        for namespace in ["prod", &"%".repeat(255)] {
            let created = create_signing_key(&path, &Namespace::new(namespace).unwrap()).unwrap();
            assert_eq!(open_signing_key(&path).unwrap().verifier(), created.verifier());
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", &*created.expose()));
            let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
            assert_eq!(files, 1, "no temporary file is left");
            fs::remove_file(&path).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn file_and_directory_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys/signing.key");
        create_signing_key(&path, &namespace()).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

        for open in [0o640, 0o604, 0o660, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = open_signing_key(&path).unwrap_err();
            assert!(matches!(error, SigningKeyError::Permissions { mode, .. } if mode == open));
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        open_signing_key(&path).unwrap();
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing.key");
        fs::write(&path, "precious").unwrap();
        let error = create_signing_key(&path, &namespace()).unwrap_err();
        assert!(matches!(error, SigningKeyError::AlreadyExists { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn of_many_who_create_at_once_one_succeeds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing.key");
        let created = thread::scope(|scope| {
            let create = || create_signing_key(&path, &namespace()).ok();
            let racers: Vec<_> = (0..16).map(|_| scope.spawn(create)).collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect::<Vec<_>>()
        });
        let [winner] = &created[..] else { panic!("{} keys", created.len()) };
        assert_eq!(open_signing_key(&path).unwrap().verifier(), winner.verifier());
    }

    #[test]
    fn a_key_made_elsewhere_is_taken_with_and_without_a_final_newline() {
        let directory = tempfile::tempdir().unwrap();
        for text in [KEY.to_owned(), format!("{KEY}\n")] {
            let path = directory.path().join("signing.key");
            let _ = fs::remove_file(&path);
            write_bytes(&path, text.as_bytes());
            assert_eq!(*open_signing_key(&path).unwrap().expose(), KEY);
        }
    }

    #[test]
    fn what_is_no_signing_key_is_refused_without_showing_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing.key");
        let long = format!("PRIVATE+KEY+{}+c74f20a3+", "n".repeat(2_000));
        for bad in [
            "",
            "\n",
            &KEY[1..],
            &format!("{KEY}\n\n"),
            &format!("{KEY}\r\n"),
            &KEY.replace("c74f", "c74e"),
            &long,
        ] {
            let _ = fs::remove_file(&path);
            write_bytes(&path, bad.as_bytes());
            let error = open_signing_key(&path).unwrap_err();
            assert!(matches!(error, SigningKeyError::Malformed { .. }), "{bad:?}: {error}");
            assert!(!format!("{error:?} {error}").contains("AYEKFAL"));
        }
        fs::remove_file(&path).unwrap();
        write_bytes(&path, b"\xff");
        assert!(matches!(open_signing_key(&path), Err(SigningKeyError::Malformed { source: None, .. })));
        assert!(open_signing_key(directory.path()).is_err());
        let missing = directory.path().join("absent");
        assert!(
            matches!(open_signing_key(&missing), Err(SigningKeyError::NotFound { path }) if path == missing)
        );
    }

    /// A private file of these bytes.
    fn write_bytes(path: &Path, bytes: &[u8]) {
        let mut file = tempfile::Builder::new().tempfile_in(path.parent().unwrap()).unwrap();
        file.write_all(bytes).unwrap();
        file.persist(path).unwrap();
    }
}
