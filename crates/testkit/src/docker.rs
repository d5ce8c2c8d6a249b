//! Way 2: an emulator in a container, through testcontainers.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{ContainerPort, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, TestcontainersError};

use crate::client::{Access, Unanswered};
use crate::guard::AtEnd;
use crate::java::NO_TELEMETRY;
use crate::{Service, StartError};

/// How long the engine may take to say that it is there.
const PING_LIMIT: Duration = Duration::from_secs(5);

/// How long a pull may take.
const PULL_LIMIT: Duration = Duration::from_secs(300);

/// How long the container may take to answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A container that is removed with this handle, or with this process.
#[derive(Debug)]
pub(crate) struct Container {
    container: Option<ContainerAsync<GenericImage>>,
    _watchdog: Option<AtEnd>,
}

impl Container {
    pub(crate) async fn start(service: Service, image: &str) -> Result<(Self, Access), StartError> {
        ready(service, image).await?;
        let failed = |error: TestcontainersError| StartError::Container {
            image: image.to_owned(),
            detail: "the engine refused".to_owned(),
            source: Some(error.into()),
        };
        // Watched before it is there: whenever this process ends, the name leads to the container.
        let name = container_name();
        let watchdog = watchdog(&name)?;
        let mut request = generic(image).with_exposed_port(port(service)).with_container_name(name);
        // moto's image needs no arguments: its entry point listens.
        if service == Service::DynamoDb {
            let command_line = command_line(&["-inMemory"]);
            request = request.with_env_var(NO_TELEMETRY.0, NO_TELEMETRY.1).with_cmd(command_line);
        }
        let running = request.start().await.map_err(failed)?;
        let host = running.get_host().await.map_err(failed)?.to_string();
        // `localhost` may mean ::1 first, where an engine need not listen.
        let host = if host == "localhost" { "127.0.0.1" } else { &host };
        let port = running.get_host_port_ipv4(port(service)).await.map_err(failed)?;
        let access = Access::local(service, format!("http://{host}:{port}"));
        wait(&access, image, &running).await?;
        Ok((Self { container: Some(running), _watchdog: watchdog }, access))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        // On a thread of its own: there may be no runtime here, and one that is here must not be blocked on itself.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(container.rm()))
        });
        let _ = removing.join();
    }
}

/// An engine answers and has the image, pulled if need be.
pub(crate) async fn ready(service: Service, image: &str) -> Result<(), StartError> {
    let engine = docker_client_instance().await.map_err(|error| StartError::NoEngine(error.into()))?;
    match tokio::time::timeout(PING_LIMIT, engine.ping()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(StartError::NoEngine(error.into())),
        Err(error) => return Err(StartError::NoEngine(error.into())),
    }
    if engine.inspect_image(image).await.is_ok() {
        return Ok(());
    }
    say!("pulling the image {image}");
    let no_image = |source| StartError::NoImage { service, image: image.to_owned(), source };
    match tokio::time::timeout(PULL_LIMIT, generic(image).pull_image()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(no_image(error.into())),
        Err(error) => Err(no_image(error.into())),
    }
}

/// DynamoDB Local's arguments in a container, where the entry point is `java` and the working directory its home.
pub(crate) fn command_line<'a>(data: &[&'a str]) -> Vec<&'a str> {
    let mut line = vec!["-Xmx1g", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"];
    line.extend(["-sharedDb", "-disableTelemetry"]);
    line.extend(data);
    line
}

/// The `docker` command, set to the engine that testcontainers takes.
pub(crate) fn command() -> Command {
    const SOCKET: &str = "/var/run/docker.sock";
    let mut docker = Command::new("docker");
    if env::var_os("DOCKER_HOST").is_none() && Path::new(SOCKET).exists() {
        docker.arg(format!("--host=unix://{SOCKET}"));
    }
    docker
}

async fn wait(
    access: &Access,
    image: &str,
    running: &ContainerAsync<GenericImage>,
) -> Result<(), StartError> {
    let failed = async |what: &str, source| {
        let said = running.stderr_to_vec().await.unwrap_or_default();
        let detail = format!("{what}: {}", String::from_utf8_lossy(&said).trim());
        StartError::Container { image: image.to_owned(), detail, source }
    };
    let look = async || {
        let ended = !running.is_running().await.unwrap_or(false);
        if ended { Err(failed("it ended", None).await) } else { Ok(()) }
    };
    match access.wait(LIMIT, look).await {
        Ok(()) => Ok(()),
        Err(Unanswered::Vain(error)) => Err(error),
        Err(Unanswered::Silent(source)) => Err(failed("it did not answer within 60 s", Some(source)).await),
    }
}

fn watchdog(name: &str) -> Result<Option<AtEnd>, StartError> {
    let mut version = command();
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        say!("there is no `docker` command: the container {name} will outlive a process that is killed");
        return Ok(None);
    }
    let mut remove = command();
    remove.args(["rm", "--force", "--volumes", name]);
    AtEnd::run(&remove).map(Some).map_err(|source| StartError::Run { program: "sh", source })
}

fn generic(image: &str) -> GenericImage {
    // A colon before the last slash belongs to a registry's port.
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    GenericImage::new(name, tag)
}

fn port(service: Service) -> ContainerPort {
    service.port().tcp()
}

fn container_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("blue-testkit-{}-{now:x}", std::process::id())
}
