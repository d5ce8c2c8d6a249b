//! Way 3: an emulator as a process of its own, which ends with its handle or with this process.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::client::{Access, Unanswered};
use crate::{Service, StartError, download, guard};

/// How long a started server may take to answer; a laptop needs two seconds, a busy CI machine ten.
const LIMIT: Duration = Duration::from_secs(60);

/// How many ports are tried, should other programs take them between our look and the server's.
const PORTS: usize = 5;

/// An emulator that ends with this handle, or with this process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stderr: File,
    port: u16,
}

impl Process {
    /// Starts the emulator by the command line for a port, on a free one.
    pub(crate) async fn start(
        service: Service,
        cache: &Path,
        command: impl Fn(u16) -> Command,
    ) -> Result<(Self, Access), StartError> {
        // One start at a time, over all processes: a port that was free for us is not given to another of ours
        // before the server holds it, and so what answers there is the server we started.
        let _turn = download::lock(cache.join("start.lock")).await?;
        let mut tries = 1;
        loop {
            let port =
                free_port().map_err(|source| StartError::Run { program: service.program(), source })?;
            match Self::start_at(service, port, &command(port)).await {
                Err(StartError::NoPort { .. }) if tries < PORTS => tries += 1,
                other => return other,
            }
        }
    }

    /// By this command line, which is for this port.
    pub(crate) async fn start_at(
        service: Service,
        port: u16,
        command: &Command,
    ) -> Result<(Self, Access), StartError> {
        let run = |source| StartError::Run { program: service.program(), source };
        // A file rather than a pipe: nobody has to read it for the server to go on.
        let stderr = tempfile::tempfile().map_err(run)?;
        let child = guard::program(command)
            .stdout(Stdio::null())
            .stderr(stderr.try_clone().map_err(run)?)
            .spawn()
            .map_err(run)?;
        let mut process = Self { child, stderr, port };
        let access = Access::local(service, format!("http://127.0.0.1:{port}"));
        wait(&access, &mut process.child, &process.stderr).await?;
        Ok((process, access))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

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

/// Waits until a server answers, and no longer than it lives.
pub(crate) async fn wait(access: &Access, child: &mut Child, stderr: &File) -> Result<(), StartError> {
    let service = access.service;
    let look = async || {
        let said = text(stderr);
        if said.contains(service.port_taken()) {
            return Err(StartError::NoPort { service, stderr: said });
        }
        let ended =
            child.try_wait().map_err(|source| StartError::Run { program: service.program(), source })?;
        ended.map_or(Ok(()), |status| Err(StartError::Died { service, status, stderr: text(stderr) }))
    };
    access.wait(LIMIT, look).await.map_err(|unanswered| match unanswered {
        Unanswered::Vain(error) => error,
        Unanswered::Silent(source) => {
            StartError::Silent { service, seconds: LIMIT.as_secs(), stderr: text(stderr), source }
        }
    })
}

/// A port that was free a moment ago, on all interfaces as DynamoDB Local will want it.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port())
}

/// The first lines of what was written, without moving the writer's place in the file.
fn text(stderr: &File) -> String {
    let mut buffer = vec![0; 4096];
    let length = stderr.read_at(&mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}
