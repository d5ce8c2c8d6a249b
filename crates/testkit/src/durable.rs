//! A DynamoDB Local with its tables on disk, which can be killed and started again where it was.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::client::{Access, PAUSE};
use crate::process::Process;
use crate::settings::cache;
use crate::{Service, StartError, java};

/// How long another program may hold the port when the server is to come back to it.
const PORT_LIMIT: Duration = Duration::from_secs(60);

/// A DynamoDB Local whose tables outlive it: in a directory of the caller's.
///
/// It is the Java process always, whatever `BES_SERVICES` and `AWS_ENDPOINT_URL_DYNAMODB` say: a server that is to be
/// killed must be one of our own, and a container's port and process are its engine's. It therefore needs a Java even
/// where there is Docker. Dropping it ends the server; the directory stays.
#[derive(Debug)]
pub struct Durable {
    home: PathBuf,
    data: PathBuf,
    port: u16,
    access: Access,
    process: Option<Process>,
}

impl Durable {
    /// Starts a server on `data`, which must be a directory, and returns when it has answered a request.
    ///
    /// # Errors
    /// When there is no Java or no DynamoDB Local to be had, or it does not come up. Never waits without end.
    pub async fn start(data: &Path) -> Result<Self, StartError> {
        let home = java::home().await?;
        let data = data.canonicalize().map_err(StartError::file(data))?;
        let command = |port| java::command(&home, port, java::Data::Directory(&data));
        let (process, access) = Process::start(Service::DynamoDb, &cache()?, command).await?;
        let port = process.port();
        Ok(Self { home, data, port, access, process: Some(process) })
    }

    /// Where it listens, now and after every restart.
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// The SDK's variables that lead any program to this server.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.access.variables()
    }

    /// A client of this server, with connections of its own.
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        self.access.dynamodb()
    }

    /// Kills the server (SIGKILL) and waits until it is gone. Says how it ended, which is by signal 9 unless it had
    /// ended by itself before; `None` if it was not there to be killed.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        self.process.take()?.kill().ok()
    }

    /// Kills the server if it runs, starts it again on the same port and the same tables, and returns when it has
    /// answered a request.
    ///
    /// # Errors
    /// When it does not come up, or the port stays taken.
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.start_again(None).await
    }

    /// As [`Self::restart`], and none of its files may grow beyond so many bytes, as on a full disk. It needs 16 MiB for
    /// files of its own that are no tables.
    ///
    /// # Errors
    /// As [`Self::restart`].
    pub async fn restart_bounded(&mut self, bytes: u64) -> Result<(), StartError> {
        self.start_again(Some(bytes)).await
    }

    async fn start_again(&mut self, largest_file: Option<u64>) -> Result<(), StartError> {
        self.kill();
        let until = Instant::now() + PORT_LIMIT;
        let mut command = java::command(&self.home, self.port, java::Data::Directory(&self.data));
        if let Some(bytes) = largest_file {
            command = java::bounded(&command, bytes);
        }
        loop {
            match Process::start_at(Service::DynamoDb, self.port, &command).await {
                // A connection of any program may hold it for a moment.
                Err(StartError::NoPort { .. }) if Instant::now() < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
                Ok((process, _)) => {
                    self.process = Some(process);
                    return Ok(());
                }
            }
        }
    }
}
