//! DynamoDB Local as a Java process.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::settings::{cache, directory, variable};
use crate::{StartError, download};

/// How long Java may take to say its version.
const LIMIT: Duration = Duration::from_secs(60);

/// The heap at most: 256 requests of 400 KB each at once were seen to fit in half of it.
const HEAP: &str = "-Xmx1g";

/// Beside the option `-disableTelemetry`, which alone still reports a first start, and waits for the network to do so.
pub(crate) const NO_TELEMETRY: (&str, &str) = ("DDB_LOCAL_TELEMETRY", "0");

/// Where the server keeps its tables.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data<'a> {
    Memory,
    Directory(&'a Path),
}

/// The directory with the server's jar: the one the environment names, or the downloaded one.
pub(crate) async fn home() -> Result<PathBuf, StartError> {
    check_java().await?;
    match named_home() {
        Some(home) if home.join("DynamoDBLocal.jar").is_file() => {
            home.canonicalize().map_err(StartError::file(home))
        }
        Some(home) => Err(StartError::NoJar(home)),
        None => download::home(&cache()?).await,
    }
}

/// The one the environment names.
pub(crate) fn named_home() -> Option<PathBuf> {
    directory("DYNAMODB_LOCAL_HOME")
}

/// The server's command line.
pub(crate) fn command(home: &Path, port: u16, data: Data<'_>) -> Command {
    let mut command = Command::new(java());
    command.env(NO_TELEMETRY.0, NO_TELEMETRY.1);
    // Quick to start rather than quick in the long run: most tests last seconds.
    command.args([HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg(prefixed("-Djava.library.path=", &home.join("DynamoDBLocal_lib")));
    command.arg("-jar").arg(home.join("DynamoDBLocal.jar"));
    command.args(["-sharedDb", "-disableTelemetry", "-port", &port.to_string()]);
    match data {
        Data::Memory => command.arg("-inMemory"),
        Data::Directory(path) => command.arg("-dbPath").arg(path),
    };
    command
}

/// The same command line for a server of which no file may grow beyond so many bytes, as on a full disk.
pub(crate) fn bounded(command: &Command, bytes: u64) -> Command {
    let mut bounded = Command::new("sh");
    // POSIX counts in blocks of 512 bytes.
    bounded.args(["-c", r#"ulimit -f "$0" && exec "$@""#, &(bytes / 512).to_string()]);
    bounded.arg(command.get_program()).args(command.get_args());
    bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bounded
}

async fn check_java() -> Result<(), StartError> {
    // Asked rather than looked for: macOS has a `java` that only says how to get one.
    let mut version = tokio::process::Command::new(java());
    version.arg("-version").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, version.output())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(StartError::NoJava)?;
    if output.status.success() {
        return Ok(());
    }
    Err(StartError::NoJava(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
}

fn java() -> PathBuf {
    variable("JAVA_HOME").map_or_else(|| "java".into(), |home| Path::new(&home).join("bin").join("java"))
}

fn prefixed(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(prefix);
    argument.push(path);
    argument
}
