//! A server that answers, by whichever way there is.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::{Access, Unanswered};
use crate::process::Process;
use crate::settings::{Services, Settings, cache};
use crate::{Service, StartError, docker, error, java, moto};

/// How long a server named by the environment may take to answer: it is meant to be up already.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(5);

/// A server that answers, and how it came to be. Dropping it ends the server if it was started here.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) access: Access,
    pub(crate) how: How,
    // Held for its `Drop` alone.
    _server: Server,
}

/// Which way a server was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// One that was there before, named by the SDK's variable for its address.
    Endpoint,
    /// A container of this image.
    Docker {
        /// The image's name and tag.
        image: String,
    },
    /// A process.
    Process {
        /// The directory that the program comes from: the one with `DynamoDBLocal.jar`, or a virtual environment.
        home: PathBuf,
    },
}

/// What is held for as long as the handle.
#[derive(Debug)]
enum Server {
    Foreign,
    Docker { _container: Box<docker::Container> },
    Process { _process: Process },
}

impl Running {
    /// Finds or starts a server in the order of the crate's docs, and returns when it has answered a request.
    pub(crate) async fn start(service: Service) -> Result<Self, StartError> {
        let running = Self::choose(&Settings::from_env(service)?).await?;
        say!("{}, {}", running.described(), running.access.endpoint);
        Ok(running)
    }

    /// As [`Self::start`], in sync and async code alike: on a thread of its own. The error is in words.
    pub(crate) fn start_anywhere(service: Service) -> Result<Self, String> {
        let starting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(StartError::Runtime)?.block_on(Self::start(service))
        });
        match starting.join() {
            Ok(started) => started.map_err(|error| error::chain(&error)),
            Err(_) => Err(format!("the thread that starts {service} panicked")),
        }
    }

    async fn choose(settings: &Settings) -> Result<Self, StartError> {
        let service = settings.service;
        if let Some(endpoint) = &settings.endpoint {
            return Self::by_endpoint(service, endpoint).await;
        }
        if settings.services == Services::Process {
            return Self::by_process(service).await;
        }
        let refused = match Self::by_docker(settings).await {
            Ok(running) => return Ok(running),
            Err(refused) if settings.services == Services::Docker || !refused.leads_on() => {
                return Err(refused);
            }
            Err(refused) => refused,
        };
        if matches!(refused, StartError::NoImage { .. }) {
            say!("{}; going on without Docker", error::chain(&refused));
        }
        match Self::by_process(service).await {
            Err(error) if error.lacks_runtime() => {
                Err(StartError::Neither { service, docker: Box::new(refused) })
            }
            other => other,
        }
    }

    async fn by_endpoint(service: Service, endpoint: &str) -> Result<Self, StartError> {
        let access = Access::from_env(service, endpoint);
        match access.wait(ENDPOINT_LIMIT, async || Ok(())).await {
            Ok(()) => Ok(Self { access, how: How::Endpoint, _server: Server::Foreign }),
            Err(Unanswered::Vain(error)) => Err(error),
            Err(Unanswered::Silent(source)) => {
                Err(StartError::EndpointSilent { service, endpoint: access.endpoint, source })
            }
        }
    }

    async fn by_docker(settings: &Settings) -> Result<Self, StartError> {
        let (container, access) = docker::Container::start(settings.service, &settings.image).await?;
        let how = How::Docker { image: settings.image.clone() };
        Ok(Self { access, how, _server: Server::Docker { _container: Box::new(container) } })
    }

    async fn by_process(service: Service) -> Result<Self, StartError> {
        let ((process, access), home) = match service {
            Service::DynamoDb => {
                let home = java::home().await?;
                let command = |port| java::command(&home, port, java::Data::Memory);
                (Process::start(service, &cache()?, command).await?, home)
            }
            Service::Kms => {
                let python = moto::python().await?;
                let command = |port| moto::command(&python, port);
                (Process::start(service, &cache()?, command).await?, python.home().to_owned())
            }
        };
        Ok(Self { access, how: How::Process { home }, _server: Server::Process { _process: process } })
    }

    /// Which way was taken, in plain words.
    pub(crate) fn described(&self) -> String {
        let service = self.access.service;
        let emulator = service.emulator();
        match &self.how {
            How::Endpoint => format!("the {service} that {} names", service.endpoint_variable()),
            How::Docker { image } => format!("{emulator} in a Docker container ({image})"),
            How::Process { home } => {
                format!("{emulator} as a {} process ({})", service.runtime(), home.display())
            }
        }
    }
}
