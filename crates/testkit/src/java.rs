//! Way 3: DynamoDB Local as a Java process.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::client::{self, Access};
use crate::settings::{Settings, variable};
use crate::{StartError, download, guard};

/// How long a started server may take to answer; a laptop needs two seconds, a busy CI machine ten.
const LIMIT: Duration = Duration::from_secs(60);

/// How many ports are tried, should other programs take them between our look and the server's.
const PORTS: usize = 5;

/// What the server writes when its port is taken. It does not end then, but stays without listening.
const PORT_TAKEN: &str = "Failed to bind";

/// The heap at most: 256 requests of 400 KB each at once were seen to fit in half of it.
const HEAP: &str = "-Xmx1g";

/// Beside the option `-disableTelemetry`, which alone still reports a first start, and waits for the network to do so.
pub(crate) const NO_TELEMETRY: (&str, &str) = ("DDB_LOCAL_TELEMETRY", "0");

/// A DynamoDB Local that ends with this handle, or with this process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stderr: File,
    port: u16,
}

/// Where the server keeps its tables.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data<'a> {
    Memory,
    Directory(&'a Path),
}

/// The directory with the server's jar: the one the environment names, or the downloaded one.
pub(crate) async fn home(settings: &Settings) -> Result<PathBuf, StartError> {
    check_java().await?;
    match &settings.home {
        Some(home) if home.join("DynamoDBLocal.jar").is_file() => {
            home.canonicalize().map_err(StartError::file(home))
        }
        Some(home) => Err(StartError::NoJar(home.clone())),
        None => download::home(&settings.cache()?).await,
    }
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

/// A port that was free a moment ago, on all interfaces as the server will want it.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port())
}

/// Waits until a server answers, and no longer than it lives.
pub(crate) async fn wait(access: &Access, child: &mut Child, stderr: &File) -> Result<(), StartError> {
    let client = access.client();
    let until = Instant::now() + LIMIT;
    loop {
        let said = text(stderr);
        if said.contains(PORT_TAKEN) {
            return Err(StartError::NoPort(said));
        }
        if let Some(status) =
            child.try_wait().map_err(|source| StartError::Run { program: "java", source })?
        {
            return Err(StartError::Died { status, stderr: said });
        }
        let Err(source) = client::answers(&client).await else { return Ok(()) };
        if Instant::now() >= until {
            return Err(StartError::Silent { seconds: LIMIT.as_secs(), stderr: said, source });
        }
        tokio::time::sleep(client::PAUSE).await;
    }
}

impl Process {
    pub(crate) async fn start(
        home: &Path,
        cache: &Path,
        data: Data<'_>,
    ) -> Result<(Self, Access), StartError> {
        // One start at a time, over all processes: a port that was free for us is not given to another of ours
        // before the server holds it, and so what answers there is the server we started.
        let _turn = download::lock(cache.join("start.lock")).await?;
        let mut tries = 1;
        loop {
            let port = free_port().map_err(|source| StartError::Run { program: "java", source })?;
            match Self::start_at(port, &command(home, port, data)).await {
                Err(StartError::NoPort(_)) if tries < PORTS => tries += 1,
                other => return other,
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// By this command line, which is for this port.
    pub(crate) async fn start_at(port: u16, command: &Command) -> Result<(Self, Access), StartError> {
        let run = |source| StartError::Run { program: "java", source };
        // A file rather than a pipe: nobody has to read it for the server to go on.
        let stderr = tempfile::tempfile().map_err(run)?;
        let child = guard::program(command)
            .stdout(Stdio::null())
            .stderr(stderr.try_clone().map_err(run)?)
            .spawn()
            .map_err(run)?;
        let mut process = Self { child, stderr, port };
        let access = Access::local(format!("http://127.0.0.1:{port}"));
        wait(&access, &mut process.child, &process.stderr).await?;
        Ok((process, access))
    }
}

impl Process {
    /// Kills it, and says how it ended: not by our signal if it had ended before.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        let _ = self.child.kill();
        // This also closes the watchdog's pipe, which ends the watchdog.
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
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

/// The first lines of what was written, without moving the writer's place in the file.
fn text(stderr: &File) -> String {
    let mut buffer = vec![0; 4096];
    let length = stderr.read_at(&mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}
