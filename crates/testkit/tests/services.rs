//! The test kit keeps its word: what it starts answers, and is gone when whoever started it is, however that ended.
//!
//! They run whichever way the environment leads to, Docker or processes, and where a test is about one way it brings its
//! own surroundings: an engine that is not there, or one that has no images.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use blue_testkit::{Durable, DynamoDb, How, Kms, Service};

/// How long a server may take to go once its owner is gone: an engine needs a second or two.
const GONE_LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_server_answers_and_ends_with_its_handle() {
    let dynamodb = DynamoDb::start().await.expect("a server");
    dynamodb.client().await.list_tables().send().await.expect("an answer");
    let endpoint = dynamodb.endpoint().to_owned();
    assert_eq!(dynamodb.variables()[0], ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.clone()));
    let started_here = *dynamodb.how() != How::Endpoint;
    drop(dynamodb);
    assert_eq!(listens(&endpoint), !started_here, "{endpoint}");
}

#[tokio::test]
async fn a_kms_answers_and_ends_with_its_handle() {
    let kms = Kms::start().await.expect("a server");
    let key = kms.create_key().await.expect("a key");
    let client = kms.client().await;
    let made = client.generate_data_key().key_id(&key).number_of_bytes(32).send().await.expect("a data key");
    assert_eq!(made.key_id(), Some(&*key));
    let wrapped = made.ciphertext_blob.expect("a ciphertext");
    let opened = client.decrypt().key_id(&key).ciphertext_blob(wrapped).send().await.expect("the data key");
    assert_eq!(opened.plaintext, made.plaintext);
    let endpoint = kms.endpoint().to_owned();
    assert_eq!(kms.variables()[0], ("AWS_ENDPOINT_URL_KMS", endpoint.clone()));
    let started_here = *kms.how() != How::Endpoint;
    drop(kms);
    assert_eq!(listens(&endpoint), !started_here, "{endpoint}");
}

#[test]
fn a_kms_process_listens_on_loopback_alone() {
    // Where the test has an address of its own beside loopback, as nearly every machine has.
    let Some(own) = own_address() else {
        let _ = writeln!(std::io::stderr(), "this machine has no address but loopback");
        return;
    };
    let holder = Holder::start(&["--kms"], &[("BES_SERVICES", "process")]);
    let port = holder.endpoint.rsplit_once(':').expect("a port").1;
    TcpStream::connect(format!("{own}:{port}")).expect_err("nobody listens there");
}

#[test]
fn the_shared_server_is_one_for_sync_and_async_code() {
    let (dynamodb, kms) = (DynamoDb::shared(), Kms::shared());
    for threads in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let mut threads = threads;
        let runtime = threads.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            assert_eq!(DynamoDb::shared().endpoint(), dynamodb.endpoint());
            DynamoDb::shared().client().await.list_tables().send().await.expect("an answer");
            assert_eq!(Kms::shared().endpoint(), kms.endpoint());
            Kms::shared().client().await.list_keys().send().await.expect("an answer");
        });
    }
}

#[test]
fn sigkill_of_its_owner_ends_the_server() {
    for service in SERVICES {
        let mut holder = Holder::start(option(service), &[]);
        holder.process.kill().expect("a process to kill");
        assert!(gone(&holder.endpoint), "{} still listens", holder.endpoint);
    }
}

#[test]
fn ctrl_c_ends_the_server() {
    for service in SERVICES {
        let mut holder = Holder::start(option(service), &[]);
        // What a terminal does: the signal goes to the whole process group of the foreground.
        let kill = format!("kill -s INT -- -{}", holder.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        holder.process.wait().expect("its end");
        assert!(gone(&holder.endpoint), "{} still listens", holder.endpoint);
    }
}

#[test]
fn exit_without_destructors_ends_the_shared_server() {
    for service in SERVICES {
        let mut holder = Holder::start(&[option(service), &["--shared"]].concat(), &[]);
        assert_eq!(holder.let_go().code(), Some(3), "it ends by `process::exit`");
        assert!(gone(&holder.endpoint), "{} still listens", holder.endpoint);
    }
}

#[tokio::test]
async fn a_durable_server_comes_back_where_it_was_with_its_tables() {
    let data = tempfile::tempdir().expect("a directory");
    let mut server = Durable::start(data.path()).await.expect("a server");
    let client = server.client();
    create_table(&client, "kept").await;
    let endpoint = server.endpoint().to_owned();
    server.kill();
    assert!(!listens(&endpoint), "{endpoint}");
    server.restart().await.expect("the server again");
    assert_eq!(server.endpoint(), endpoint);
    let tables = client.list_tables().send().await.expect("an answer");
    assert_eq!(tables.table_names(), ["kept"]);
    drop(server);
    assert!(!listens(&endpoint), "{endpoint}");
}

#[test]
fn a_server_named_by_the_environment_is_used_and_left_running() {
    for service in SERVICES {
        let variable = service.endpoint_variable();
        let mut owner = Holder::start(option(service), &[]);
        let guest = run(hold(service).env(variable, &owner.endpoint));
        assert!(guest.status.success(), "{}", said(&guest));
        assert_eq!(String::from_utf8_lossy(&guest.stdout).trim(), owner.endpoint);
        assert!(said(&guest).contains(&format!("the {service} that {variable} names")), "{}", said(&guest));
        assert!(listens(&owner.endpoint));
        owner.let_go();
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    for service in SERVICES {
        let nobody =
            TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port");
        let variable = service.endpoint_variable();
        let refused = run(hold(service).env(variable, format!("http://{nobody}")));
        assert!(!refused.status.success());
        let expected = format!("{variable} is http://{nobody}, and no {service} answers there");
        assert!(said(&refused).contains(&expected), "{}", said(&refused));
    }
}

#[test]
fn docker_demanded_without_an_engine_says_so() {
    for service in SERVICES {
        let refused = run(hold(service).env("BES_SERVICES", "docker").env("DOCKER_HOST", NO_ENGINE));
        assert!(!refused.status.success());
        assert!(said(&refused).contains("no Docker engine answers"), "{}", said(&refused));
    }
}

#[test]
fn docker_demanded_with_an_image_that_cannot_be_had_says_so() {
    for service in SERVICES {
        let mut hold = hold(service);
        hold.env("BES_SERVICES", "docker").env("DOCKER_HOST", engine_without_images());
        let refused = run(hold.env(service.image_variable(), "localhost:1/no/such:image"));
        assert!(!refused.status.success());
        let expected = "the image localhost:1/no/such:image is neither on this machine nor to be pulled; name another in";
        let expected = format!("{expected} {}", service.image_variable());
        assert!(said(&refused).contains(&expected), "{}", said(&refused));
    }
}

#[test]
fn an_image_that_cannot_be_had_leads_on_to_the_process() {
    for (service, runtime) in [(Service::DynamoDb, "Java"), (Service::Kms, "Python")] {
        let mut hold = hold(service);
        hold.env_remove("BES_SERVICES").env("DOCKER_HOST", engine_without_images());
        // The runtime may be missing where there is Docker: what counts here is that it is tried.
        let led_on = run(hold.env(service.image_variable(), "localhost:1/no/such:image"));
        let said = said(&led_on);
        assert!(said.contains("going on without Docker"), "{said}");
        let is_tried = said.contains(&format!("as a {runtime} process"));
        assert!(is_tried || said.contains(&format!("{runtime} is here")), "{said}");
    }
}

#[test]
fn with_nothing_to_start_it_says_what_to_install() {
    for (service, runtime) in [(Service::DynamoDb, "Java"), (Service::Kms, "Python")] {
        let mut hold = hold(service);
        hold.env_remove("BES_SERVICES").env_remove("JAVA_HOME").env("DOCKER_HOST", NO_ENGINE);
        let refused = run(hold.env("PATH", "/no/such/directory"));
        assert!(!refused.status.success());
        let expected = format!("neither a Docker engine nor {runtime} is here: install");
        assert!(said(&refused).contains(&expected), "{}", said(&refused));
        // And where Docker is not asked, what is missing is told alone.
        let mut hold = self::hold(service);
        hold.env("BES_SERVICES", "process").env_remove("JAVA_HOME").env("PATH", "/no/such/directory");
        let refused = run(&mut hold);
        assert!(!refused.status.success());
        let expected = format!("no working `{}`: install", runtime.to_lowercase());
        assert!(said(&refused).contains(&expected.replace("python", "python3")), "{}", said(&refused));
    }
}

#[test]
fn an_unknown_demand_is_refused() {
    let refused = run(hold(Service::DynamoDb).env("BES_SERVICES", "podman"));
    assert!(!refused.status.success());
    assert!(said(&refused).contains("it takes `docker` or `process`"), "{}", said(&refused));
}

async fn create_table(client: &Client, name: &str) {
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let table = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let table = table.attribute_definitions(id.build().expect("name and type are set"));
    let table = table.key_schema(key.build().expect("name and type are set"));
    table.send().await.expect("the table is created");
}

const NO_ENGINE: &str = "unix:///no/such/docker.sock";

const SERVICES: [Service; 2] = [Service::DynamoDb, Service::Kms];

/// What makes the helper hold this service.
fn option(service: Service) -> &'static [&'static str] {
    match service {
        Service::Kms => &["--kms"],
        _ => &[],
    }
}

/// A process that holds a server, killed at the latest with this handle.
struct Holder {
    process: Child,
    endpoint: String,
}

impl Holder {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut hold = hold(Service::DynamoDb);
        hold.args(arguments).envs(variables.iter().copied()).process_group(0);
        let mut process = hold.spawn().expect("the helper");
        let mut endpoint = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut endpoint).expect("a line");
        let endpoint = endpoint.trim().to_owned();
        assert!(listens(&endpoint), "the helper did not start a server");
        Self { process, endpoint }
    }

    /// Ends the process in its own way.
    fn let_go(&mut self) -> ExitStatus {
        drop(self.process.stdin.take());
        self.process.wait().expect("its end")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The helper, which holds a server until its standard input ends.
fn hold(service: Service) -> Command {
    let mut hold = Command::new(env!("CARGO_BIN_EXE_blue-testkit-hold"));
    for service in SERVICES {
        hold.env_remove(service.endpoint_variable());
    }
    hold.args(option(service)).stdin(Stdio::piped()).stdout(Stdio::piped());
    hold
}

/// Runs the helper with nothing to wait for.
fn run(hold: &mut Command) -> Output {
    hold.stdin(Stdio::null()).stderr(Stdio::piped()).output().expect("the helper")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn gone(endpoint: &str) -> bool {
    let until = Instant::now() + GONE_LIMIT;
    while listens(endpoint) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    !listens(endpoint)
}

fn listens(endpoint: &str) -> bool {
    endpoint.strip_prefix("http://").is_some_and(|address| TcpStream::connect(address).is_ok())
}

/// An address of this machine that others could reach. Nothing is sent to learn it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

/// Speaks as much of the engine's protocol as it takes to say: I am here, and I have no such image.
fn engine_without_images() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap_or(0);
            let ping = String::from_utf8_lossy(&request[..read])
                .lines()
                .next()
                .is_some_and(|l| l.contains("/_ping"));
            let (status, body) =
                if ping { ("200 OK", "OK") } else { ("404 Not Found", r#"{"message":"no such image"}"#) };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = connection.write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("tcp://{address}")
}
