//! Python with exactly the packages that a requirements file pins, in a virtual environment made on first use.
//!
//! Environments lie in the cache, one for each pair of requirements and interpreter, so that a changed pin or another
//! Python gets another. They cannot be moved once made; each is therefore made in its final place, under a file lock,
//! and a marker that is written last says that it is whole. One without it is made anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::StartError;
use crate::download::lock;
use crate::settings;

/// The oldest Python that the pinned releases run on.
const OLDEST: (u32, u32) = (3, 11);

/// For a few MB over a slow line.
const LIMIT: Duration = Duration::from_secs(600);

/// Says that an environment is whole. Its content is of no meaning.
const MARKER: &str = "complete";

/// The version on a line of its own, then all that tells one interpreter from another; and whether there is venv
/// with pip, which Debian packages apart.
const QUESTION: &str = "\
import sys
print('%d.%d' % sys.version_info[:2])
print(sys.version, sys.implementation.name, sys.base_prefix, sys.executable)
import ensurepip, venv
";

/// Why there is no such Python. The text says what is missing and what to do; the cause is in `source()`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// There is no Python.
    #[error(
        "no working `python3`: install Python, 3.11 or newer (Debian: apt-get install python3 python3-venv)"
    )]
    NoPython(#[source] io::Error),
    /// It is older than the pinned packages allow.
    #[error("`python3` is Python {found}, and 3.11 or newer is needed")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// It has no module venv, or none that can install pip.
    #[error(
        "this `python3` makes no virtual environments: install its venv (Debian: apt-get install python3-venv)"
    )]
    NoVenv(#[source] io::Error),
    /// The virtual environment could not be made.
    #[error("could not make the virtual environment {}", path.display())]
    Venv {
        /// Where.
        path: PathBuf,
        /// What Python said.
        source: io::Error,
    },
    /// pip did not install what is pinned: it was not to be had, or its hash was another.
    #[error("pip did not install what {} pins", requirements.display())]
    Install {
        /// The file that pins it.
        requirements: PathBuf,
        /// What pip said.
        source: io::Error,
    },
    /// A file or directory could not be used.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no cache to put it in.
    #[error(transparent)]
    Cache(Box<StartError>),
}

impl From<StartError> for PythonError {
    fn from(error: StartError) -> Self {
        Self::Cache(Box::new(error))
    }
}

/// An interpreter that sees the pinned packages and no others.
#[derive(Debug, Clone)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// The `python3` of this machine with what `requirements` pins: a pip requirements file with a hash for every
    /// package, dependencies included. Downloads on first use; later calls only look.
    ///
    /// # Errors
    /// When there is no Python, or not those packages; the text names what is missing. Never waits without end.
    pub async fn with(requirements: &Path) -> Result<Self, PythonError> {
        let cache = settings::cache()?;
        Self::make(Path::new("python3"), &cache, requirements).await
    }

    /// The directory of the virtual environment.
    pub(crate) fn home(&self) -> &Path {
        let interpreter = &*self.interpreter;
        interpreter.parent().and_then(Path::parent).unwrap_or(interpreter)
    }

    /// A command that runs this Python, alone: `-I` keeps the user's packages and `PYTHONPATH` out.
    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.interpreter);
        command.arg("-I");
        command
    }

    async fn make(program: &Path, cache: &Path, requirements: &Path) -> Result<Self, PythonError> {
        let pinned = fs::read(requirements).map_err(file(requirements))?;
        let identity = examine(program).await?;
        let key = Sha256::new().chain_update(&pinned).chain_update([0]).chain_update(&identity).finalize();
        let home = cache.join(format!("python-{}", &hex::encode(key)[..16]));
        let python = Self { interpreter: home.join("bin").join("python") };
        if home.join(MARKER).is_file() {
            return Ok(python);
        }
        let _turn = lock(cache.join("python.lock")).await?;
        if home.join(MARKER).is_file() {
            return Ok(python);
        }
        if home.exists() {
            say!("the virtual environment {} was never finished; it is made anew", home.display());
            fs::remove_dir_all(&home).map_err(file(&home))?;
        }
        say!("making a virtual environment for {} once, {}", requirements.display(), home.display());
        venv(program, &home).await?;
        // What was hashed is what is installed, whatever happens to the file meanwhile.
        let copy = home.join("requirements.txt");
        fs::write(&copy, &pinned).map_err(file(&copy))?;
        install(&python, &copy)
            .await
            .map_err(|source| PythonError::Install { requirements: requirements.to_owned(), source })?;
        let marker = home.join(MARKER);
        fs::write(&marker, "").map_err(file(marker))?;
        Ok(python)
    }
}

/// What tells this interpreter from another, if it is one that will do.
async fn examine(program: &Path) -> Result<String, PythonError> {
    let mut question = tokio::process::Command::new(program);
    question.args(["-I", "-c", QUESTION]);
    let output = run(question).await.map_err(PythonError::NoPython)?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((version, identity)) = answer.split_once('\n') else {
        return Err(PythonError::NoPython(said(&output)));
    };
    let parsed = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.trim().parse::<u32>().ok()?)));
    match parsed {
        None => Err(PythonError::NoPython(said(&output))),
        Some(found) if found < OLDEST => Err(PythonError::TooOld { found: version.to_owned() }),
        Some(_) if !output.status.success() => Err(PythonError::NoVenv(said(&output))),
        Some(_) => Ok(identity.to_owned()),
    }
}

async fn venv(program: &Path, home: &Path) -> Result<(), PythonError> {
    let failed = |source| PythonError::Venv { path: home.to_owned(), source };
    let mut make = tokio::process::Command::new(program);
    make.args(["-I", "-m", "venv"]).arg(home);
    let output = run(make).await.map_err(failed)?;
    if output.status.success() { Ok(()) } else { Err(failed(said(&output))) }
}

async fn install(python: &Python, requirements: &Path) -> io::Result<()> {
    let mut pip = tokio::process::Command::from(python.command());
    // Wheels alone: a source distribution runs code of its own to be built.
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]).arg(requirements);
    let output = run(pip).await?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

async fn run(mut command: tokio::process::Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(LIMIT, command.output())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn said(output: &Output) -> io::Error {
    // venv reports its failure on standard output.
    let (stderr, stdout) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    let words = if stderr.trim().is_empty() { stdout.trim() } else { stderr.trim() };
    io::Error::other(format!("{words} ({})", output.status))
}

fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> PythonError {
    let path = path.into();
    move |source| PythonError::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program of this name that does what the shell script says.
    fn fake(directory: &Path, script: &str) -> PathBuf {
        let path = directory.join("python3");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a writable directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
        path
    }

    async fn refused(directory: &Path, program: &Path) -> PythonError {
        let requirements = directory.join("requirements.txt");
        fs::write(&requirements, "").expect("a writable directory");
        let error = Python::make(program, directory, &requirements).await.expect_err("no such Python");
        assert!(
            !fs::read_dir(directory).expect("it is there").any(|entry| {
                entry.expect("an entry").file_name().to_string_lossy().starts_with("python-")
            })
        );
        error
    }

    #[tokio::test]
    async fn a_python_that_will_not_do_is_refused_with_what_to_install() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let here = directory.path();
        let missing = refused(here, &here.join("absent")).await;
        assert!(matches!(&missing, PythonError::NoPython(_)), "{missing}");
        assert!(missing.to_string().contains("apt-get install python3 python3-venv"), "{missing}");
        let broken = refused(here, &fake(here, "echo 'no such library' >&2; exit 1")).await;
        assert!(matches!(broken, PythonError::NoPython(_)), "{broken}");
        let old = refused(here, &fake(here, "printf '3.9\\nrest\\n'")).await;
        assert!(matches!(&old, PythonError::TooOld { found } if found == "3.9"), "{old}");
        let split = "printf '3.11\\nrest\\n'; echo \"No module named 'ensurepip'\" >&2; exit 1";
        let split = refused(here, &fake(here, split)).await;
        assert!(matches!(&split, PythonError::NoVenv(source) if source.to_string().contains("ensurepip")));
        assert!(split.to_string().contains("apt-get install python3-venv"), "{split}");
    }

    #[tokio::test]
    async fn an_environment_that_was_never_finished_is_made_anew() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = directory.path().canonicalize().expect("it is there");
        let requirements = cache.join("pinned.txt");
        let wheel = cache.join("pinned-1-py3-none-any.whl");
        fs::write(&wheel, "not what was pinned").expect("a writable directory");
        let pin = format!("pinned @ file://{} --hash=sha256:{}\n", wheel.display(), "00".repeat(32));
        fs::write(&requirements, pin).expect("a writable directory");
        let make = || Python::make(Path::new("python3"), &cache, &requirements);
        for _ in 0..2 {
            let error = make().await.expect_err("another hash");
            let PythonError::Install { source, .. } = &error else { panic!("{error}") };
            assert!(source.to_string().contains("DO NOT MATCH THE HASHES"), "{source}");
        }
        fs::write(&requirements, "# nothing but the standard library\n").expect("a writable directory");
        let python = make().await.expect("nothing to download");
        let marker = python.interpreter.with_file_name("../complete");
        assert!(marker.is_file());
        fs::remove_file(&marker).expect("our own file");
        let left = python.interpreter.with_file_name("left-over");
        fs::write(&left, "").expect("our own directory");
        let again = make().await.expect("nothing to download");
        assert_eq!(again.interpreter, python.interpreter);
        assert!(marker.is_file() && !left.exists());
        let mut command = again.command();
        let output = command.args(["-c", "import sys; print(sys.prefix)"]).output().expect("a Python");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), again.home().to_string_lossy());
    }
}
