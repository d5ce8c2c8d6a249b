//! A DynamoDB Local that outlives the process that started it, with its tables on disk.
//!
//! For `cargo xtask up` and `down`: [`start`] detaches a server from this process and from the terminal, and the
//! [`Kept`] it returns is what to write down in order to find it, ask for it and stop it again later. A `Kept` names
//! its server so that nothing else can be meant: a container by its id, a process by its number and start time.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Access;
use crate::docker::{self, PORT};
use crate::settings::{Services, Settings};
use crate::{StartError, client, download, guard, java};

/// How long a server may take to stop when asked to, before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long a container may take to answer.
const CONTAINER_LIMIT: Duration = Duration::from_secs(60);

/// The port that is taken if it is free: DynamoDB Local's own default.
const USUAL_PORT: u16 = 8000;

/// A server that runs on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it listens, such as `http://127.0.0.1:8000`.
    pub endpoint: String,
    /// Where its tables are.
    pub data: PathBuf,
    /// What runs.
    pub server: Server,
}

/// What runs, named so that only the server itself is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A container.
    Container {
        /// The engine's id for it.
        id: String,
    },
    /// A process.
    Process {
        /// Its number.
        pid: u32,
        /// When it started, as the operating system words it: another process with the same number differs in it.
        started: String,
    },
}

/// Starts a server that keeps its tables under `data`, and returns when it answers.
///
/// A container if a Docker engine answers and has the image, else a Java process, whose messages go to `data` too;
/// `BES_SERVICES` and the other variables of the crate's docs choose as they do there, but a server named by
/// `AWS_ENDPOINT_URL_DYNAMODB` is left aside. The tables of the two ways are kept apart: their formats differ.
///
/// # Errors
/// When no way leads to a server; the text names what is missing and what to install.
pub async fn start(data: &Path) -> Result<Kept, StartError> {
    let settings = Settings::from_env()?;
    if settings.services != Services::Process {
        match container(&settings.image, &data.join("docker")).await {
            Err(refused) if settings.services == Services::Any && refused.leads_on() => {}
            other => return other,
        }
    }
    process(&settings, &data.join("process")).await
}

/// The directory that holds `DynamoDBLocal.jar`, downloaded if it is not in the cache yet.
///
/// # Errors
/// When it cannot be downloaded, or is not what is pinned.
pub async fn emulator_home() -> Result<PathBuf, StartError> {
    let settings = Settings::from_env()?;
    match &settings.home {
        Some(home) => Ok(home.clone()),
        None => download::home(&settings.cache()?).await,
    }
}

impl Kept {
    /// The SDK's variables that lead any program to this server.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        Access::local(self.endpoint.clone()).variables()
    }

    /// Whether the server is still there.
    ///
    /// # Errors
    /// When the engine that runs the container cannot be asked.
    pub fn runs(&self) -> Result<bool, StartError> {
        match &self.server {
            Server::Container { id } => {
                let mut list = docker::command();
                list.args(["ps", "--quiet", "--no-trunc", "--filter", &format!("id={id}")]);
                Ok(quiet(list, "docker")? == *id)
            }
            Server::Process { pid, started } => Ok(start_time(*pid).is_some_and(|now| now == *started)),
        }
    }

    /// Stops the server and waits until it is gone; its tables stay. Does nothing if it is gone already.
    ///
    /// # Errors
    /// When it cannot be stopped.
    pub fn stop(&self) -> Result<(), StartError> {
        match &self.server {
            Server::Container { id } => {
                let mut remove = docker::command();
                remove.args(["rm", "--force", "--volumes", id]);
                if self.runs()? { quiet(remove, "docker").map(|_| ()) } else { Ok(()) }
            }
            Server::Process { pid, .. } => {
                self.signal(*pid, "TERM")?;
                let until = Instant::now() + STOP_LIMIT;
                while self.runs()? && Instant::now() < until {
                    std::thread::sleep(client::PAUSE);
                }
                self.signal(*pid, "KILL")
            }
        }
    }

    fn signal(&self, pid: u32, signal: &str) -> Result<(), StartError> {
        if !self.runs()? {
            return Ok(());
        }
        // The shell's own `kill`: the program of that name is not on every machine.
        let mut kill = Command::new("sh");
        kill.args(["-c", r#"kill -s "$1" "$2""#, "kill", signal, &pid.to_string()]);
        quiet(kill, "kill").map(|_| ())
    }
}

async fn container(image: &str, data: &Path) -> Result<Kept, StartError> {
    docker::ready(image).await?;
    fs::create_dir_all(data).map_err(StartError::file(data))?;
    let data = data.canonicalize().map_err(StartError::file(data))?;
    let owner = fs::metadata(&data).map_err(StartError::file(&data))?;
    let port = port()?;
    let mut run = docker::command();
    run.args(["run", "--detach", "--label", "blue-encrypted-store=up"]);
    // As the user who calls, to whom the files then belong.
    run.args(["--user", &format!("{}:{}", owner.uid(), owner.gid())]);
    run.args(["--env", &format!("{}={}", java::NO_TELEMETRY.0, java::NO_TELEMETRY.1)]);
    run.args(["--publish", &format!("127.0.0.1:{port}:{PORT}")]);
    run.args(["--volume", &format!("{}:/data", data.display()), image]);
    run.args(docker::command_line(&["-dbPath", "/data"]));
    let id = quiet(run, "docker")?;
    let kept = Kept { endpoint: format!("http://127.0.0.1:{port}"), data, server: Server::Container { id } };
    let client = Access::local(kept.endpoint.clone()).client();
    let until = Instant::now() + CONTAINER_LIMIT;
    while let Err(source) = client::answers(&client).await {
        let ended = !kept.runs()?;
        if ended || Instant::now() >= until {
            let detail = if ended { "it ended" } else { "it did not answer within 60 s" };
            let error = StartError::Container {
                image: image.to_owned(),
                detail: detail.to_owned(),
                source: Some(source),
            };
            return kept.stop().and(Err(error));
        }
        tokio::time::sleep(client::PAUSE).await;
    }
    Ok(kept)
}

async fn process(settings: &Settings, data: &Path) -> Result<Kept, StartError> {
    let run = |source| StartError::Run { program: "java", source };
    let home = java::home(settings).await?;
    fs::create_dir_all(data).map_err(StartError::file(data))?;
    let data = data.canonicalize().map_err(StartError::file(data))?;
    let log = data.join("messages.log");
    let log = File::options().create(true).truncate(true).read(true).write(true).open(&log).map_err(run)?;
    let port = port()?;
    let mut child = guard::detached(&java::command(&home, port, java::Data::Directory(&data)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.try_clone().map_err(run)?)
        .spawn()
        .map_err(run)?;
    let access = Access::local(format!("http://127.0.0.1:{port}"));
    if let Err(error) = java::wait(&access, &mut child, &log).await {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let pid = child.id();
    let started = start_time(pid).ok_or_else(|| run(io::ErrorKind::NotFound.into()))?;
    Ok(Kept { endpoint: access.endpoint, data, server: Server::Process { pid, started } })
}

/// The usual port, or any free one.
fn port() -> Result<u16, StartError> {
    if TcpListener::bind((Ipv4Addr::UNSPECIFIED, USUAL_PORT)).is_ok() {
        return Ok(USUAL_PORT);
    }
    java::free_port().map_err(|source| StartError::Run { program: "java", source })
}

/// When a process started, in words that another process with its number would not share; none if it is gone.
fn start_time(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Fields after the parenthesised name, which may itself hold blanks: the state is field 3, the start
        // time field 22 (proc(5)). A zombie has ended.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let ticks = fields.nth(18)?;
        return (state != "Z").then(|| format!("{ticks} ticks after boot {}", boot.trim()));
    }
    let mut ps = Command::new("ps");
    ps.args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).stdin(Stdio::null());
    let output = String::from_utf8(ps.output().ok()?.stdout).ok()?;
    let (state, started) = output.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// Runs a program and returns what it printed; its messages become the error.
fn quiet(mut command: Command, program: &'static str) -> Result<String, StartError> {
    let run = |source| StartError::Run { program, source };
    let output = command.stdin(Stdio::null()).output().map_err(run)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(run(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_number() {
        let me = std::process::id();
        let started = start_time(me).expect("this process runs");
        let kept = |started| Kept {
            endpoint: "http://127.0.0.1:1".to_owned(),
            data: PathBuf::new(),
            server: Server::Process { pid: me, started },
        };
        assert!(kept(started.clone()).runs().expect("an answer"));
        let another = kept(format!("{started}1"));
        assert!(!another.runs().expect("an answer"));
        // It would end this very test if it took the number for the process.
        another.stop().expect("nothing to stop");
    }
}
