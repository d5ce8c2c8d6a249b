//! moto's KMS as a Python process, from a virtual environment of the cache's.

use std::path::Path;
use std::process::Command;

use crate::StartError;
use crate::python::{Python, PythonError};

/// Every package and its hash.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/moto-requirements.txt");

/// A Python with moto in it. Downloads on first use.
pub(crate) async fn python() -> Result<Python, StartError> {
    Python::with(Path::new(REQUIREMENTS)).await.map_err(|error| match error {
        PythonError::Cache(error) => *error,
        error => StartError::Python(error),
    })
}

/// The server's command line. It listens on loopback alone.
pub(crate) fn command(python: &Python, port: u16) -> Command {
    let mut command = python.command();
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    command
}
