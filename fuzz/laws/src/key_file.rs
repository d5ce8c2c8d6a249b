//! The local key file.

use std::{cell::OnceCell, fs, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use blue_keys::{KeyProvider, LocalFile, LocalFileError};
use data_encoding::HEXLOWER;
use tempfile::TempDir;

use crate::{Verdict, digest::expand};

thread_local! {
    static DIRECTORY: OnceCell<TempDir> = const { OnceCell::new() };
}

pub(crate) fn law(data: &[u8]) -> Verdict {
    let opened = with_file(data, LocalFile::open);
    let expected = key(data);
    match (&opened, expected) {
        (Ok(opened), Some(key)) => {
            let id = format!("local:{}", HEXLOWER.encode(&expand(&key, b"bes1/umk-id")[..16]));
            assert_eq!(opened.umk_id().as_str(), id);
            assert!(!format!("{opened:?}").contains(&HEXLOWER.encode(&key)), "it prints its key");
        }
        (Err(error), None) => {
            // Nothing of the content is in the message: any other content is refused in the very same words.
            let other = with_file(b"", LocalFile::open).expect_err("an empty file is no key file");
            assert!(matches!(error, LocalFileError::Malformed { .. }), "{error}");
            assert_eq!(error.to_string(), other.to_string());
            assert_eq!(format!("{error:?}"), format!("{other:?}"));
        }
        _ => panic!("the file gave {opened:?}"),
    }
    Verdict::of(opened.is_ok())
}

/// The key in a file of exactly `BES-UMK-1:`, 64 lowercase hexadecimal digits and a newline.
pub(crate) fn key(data: &[u8]) -> Option<[u8; 32]> {
    let digits = data.strip_prefix(b"BES-UMK-1:")?.strip_suffix(b"\n")?;
    HEXLOWER.decode(digits).ok()?.try_into().ok()
}

/// The text of a file that holds a key.
pub(crate) fn text(key: &[u8; 32]) -> Vec<u8> {
    format!("BES-UMK-1:{}\n", HEXLOWER.encode(key)).into_bytes()
}

/// Does something with a private file of this content, always at the same path.
pub(crate) fn with_file<T>(content: &[u8], f: impl FnOnce(PathBuf) -> T) -> T {
    DIRECTORY.with(|directory| {
        let path = directory.get_or_init(directory_in_memory).path().join("umk.key");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .expect("a file of our own");
        file.write_all(content).expect("room for a small file");
        drop(file);
        f(path)
    })
}

/// In memory where Linux has its usual place for that: a disk would be most of a run.
fn directory_in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}
