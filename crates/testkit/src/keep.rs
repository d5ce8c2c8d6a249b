//! An emulator that outlives the process that started it: DynamoDB Local with its tables on disk, or moto's KMS, which
//! keeps its keys in memory alone.
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

use crate::client::{Access, PAUSE, Unanswered};
use crate::settings::{Services, Settings, cache};
use crate::{Service, StartError, docker, download, guard, java, moto, process};

/// How long a server may take to stop when asked to, before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A server that runs on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Of what it is an emulator.
    pub service: Service,
    /// Where it listens, such as `http://127.0.0.1:8000`.
    pub endpoint: String,
    /// Where its tables are, and its messages if it is a process.
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

/// Starts a server that keeps what it keeps on disk under `data`, and returns when it answers.
///
/// A container if a Docker engine answers and has the image, else a process, whose messages go to `data` too;
/// `BES_SERVICES` and the other variables of the crate's docs choose as they do there, but a server named by the SDK's
/// variable is left aside. The tables of the two ways are kept apart: their formats differ.
///
/// # Errors
/// When no way leads to a server; the text names what is missing and what to install.
pub async fn start(service: Service, data: &Path) -> Result<Kept, StartError> {
    let settings = Settings::from_env(service)?;
    if settings.services != Services::Process {
        match container(service, &settings.image, &data.join("docker")).await {
            Err(refused) if settings.services == Services::Any && refused.leads_on() => {}
            other => return other,
        }
    }
    by_process(service, &data.join("process")).await
}

/// The directory that holds `DynamoDBLocal.jar`, downloaded if it is not in the cache yet.
///
/// # Errors
/// When it cannot be downloaded, or is not what is pinned.
pub async fn emulator_home() -> Result<PathBuf, StartError> {
    match java::named_home() {
        Some(home) => Ok(home),
        None => download::home(&cache()?).await,
    }
}

impl Kept {
    /// The SDK's variables that lead any program to this server.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.access().variables()
    }

    /// A new symmetric key of this KMS: its ARN.
    ///
    /// # Errors
    /// When it makes none.
    pub async fn create_key(&self) -> Result<String, StartError> {
        self.access().create_key().await
    }

    fn access(&self) -> Access {
        Access::local(self.service, self.endpoint.clone())
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
                    std::thread::sleep(PAUSE);
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

async fn container(service: Service, image: &str, data: &Path) -> Result<Kept, StartError> {
    docker::ready(service, image).await?;
    fs::create_dir_all(data).map_err(StartError::file(data))?;
    let data = data.canonicalize().map_err(StartError::file(data))?;
    let port = port(service)?;
    let mut run = docker::command();
    run.args(["run", "--detach", "--label", "blue-encrypted-store=up"]);
    run.args(["--publish", &format!("127.0.0.1:{port}:{}", service.port())]);
    match service {
        Service::DynamoDb => {
            let owner = fs::metadata(&data).map_err(StartError::file(&data))?;
            // As the user who calls, to whom the files then belong.
            run.args(["--user", &format!("{}:{}", owner.uid(), owner.gid())]);
            run.args(["--env", &format!("{}={}", java::NO_TELEMETRY.0, java::NO_TELEMETRY.1)]);
            run.args(["--volume", &format!("{}:/data", data.display()), image]);
            run.args(docker::command_line(&["-dbPath", "/data"]));
        }
        // Its entry point listens.
        Service::Kms => {
            run.arg(image);
        }
    }
    let id = quiet(run, "docker")?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let kept = Kept { service, endpoint, data, server: Server::Container { id } };
    let failed = |detail: &str, source| {
        let (image, detail) = (image.to_owned(), detail.to_owned());
        StartError::Container { image, detail, source }
    };
    let look = async || if kept.runs()? { Ok(()) } else { Err(failed("it ended", None)) };
    let error = match kept.access().wait(docker::LIMIT, look).await {
        Ok(()) => return Ok(kept),
        Err(Unanswered::Vain(error)) => error,
        Err(Unanswered::Silent(source)) => failed("it did not answer within 60 s", Some(source)),
    };
    kept.stop().and(Err(error))
}

async fn by_process(service: Service, data: &Path) -> Result<Kept, StartError> {
    let run = |source| StartError::Run { program: service.program(), source };
    fs::create_dir_all(data).map_err(StartError::file(data))?;
    let data = data.canonicalize().map_err(StartError::file(data))?;
    let port = port(service)?;
    let command = match service {
        Service::DynamoDb => java::command(&java::home().await?, port, java::Data::Directory(&data)),
        Service::Kms => moto::command(&moto::python().await?, port),
    };
    let log = data.join("messages.log");
    let log = File::options().create(true).truncate(true).read(true).write(true).open(&log).map_err(run)?;
    let mut child = guard::detached(&command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.try_clone().map_err(run)?)
        .spawn()
        .map_err(run)?;
    let access = Access::local(service, format!("http://127.0.0.1:{port}"));
    if let Err(error) = process::wait(&access, &mut child, &log).await {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let pid = child.id();
    let started = start_time(pid).ok_or_else(|| run(io::ErrorKind::NotFound.into()))?;
    Ok(Kept { service, endpoint: access.endpoint, data, server: Server::Process { pid, started } })
}

/// The emulator's own default port if it is free, or any free one.
fn port(service: Service) -> Result<u16, StartError> {
    if TcpListener::bind((Ipv4Addr::UNSPECIFIED, service.port())).is_ok() {
        return Ok(service.port());
    }
    process::free_port().map_err(|source| StartError::Run { program: service.program(), source })
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
            service: Service::DynamoDb,
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
