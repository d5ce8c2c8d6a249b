//! A proxy between store and DynamoDB: faults that the real service produces too rarely to wait for.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::Client;
use blue_testkit::DynamoDb;
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time,
};

/// A request of the SDK, whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// The body.
    pub body: Value,
    /// Which of the requests of this operation for this key it is, from 1.
    pub attempt: u32,
}

impl Request {
    /// The partition key that it is about, or nothing.
    #[must_use]
    pub fn pk(&self) -> &str {
        self.key("pk")
    }

    /// The sort key that it is about, or nothing.
    #[must_use]
    pub fn sk(&self) -> &str {
        self.key("sk")
    }

    /// Every item that it would put or delete: partition key, sort key, and the part of the request that does it.
    #[must_use]
    pub fn writes(&self) -> Vec<(&str, &str, &Value)> {
        let parts: Vec<&Value> = match self.operation.as_str() {
            "PutItem" | "DeleteItem" => vec![&self.body],
            "TransactWriteItems" => {
                let items = self.body["TransactItems"].as_array().into_iter().flatten();
                items.filter_map(|item| item.get("Put").or_else(|| item.get("Delete"))).collect()
            }
            _ => Vec::new(),
        };
        parts.into_iter().map(|part| (text_at(part, "pk"), text_at(part, "sk"), part)).collect()
    }

    /// A GetItem of its table, strongly consistent.
    fn read_after(&self) -> Value {
        let of_first = |action| self.body.pointer(&format!("/TransactItems/0/{action}/TableName"));
        let table = self.body.get("TableName").or_else(|| of_first("Put")).or_else(|| of_first("Delete"));
        let key = |text: &str| json!({ "S": if text.is_empty() { "none" } else { text } });
        let key = json!({ "pk": key(self.pk()), "sk": key(self.sk()) });
        json!({ "TableName": table, "Key": key, "ConsistentRead": true })
    }

    fn key(&self, name: &str) -> &str {
        let within = |action: &'static str| {
            ["Item", "Key"].map(|part| self.body.pointer(&format!("{action}/{part}/{name}/S")))
        };
        let places = ["", "/TransactItems/0/Put", "/TransactItems/0/Delete"].map(within);
        places.into_iter().flatten().flatten().find_map(Value::as_str).unwrap_or_default()
    }
}

/// A key attribute of the item that a part of a request writes, or nothing.
fn text_at<'a>(part: &'a Value, name: &str) -> &'a str {
    let at = |place: &str| part.pointer(&format!("/{place}/{name}/S")).and_then(Value::as_str);
    at("Item").or_else(|| at("Key")).unwrap_or_default()
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It goes through, and its answer comes back.
    Forward,
    /// It goes through with this body in its body's place.
    Instead(Value),
    /// The connection is cut; DynamoDB never sees it.
    LoseRequest,
    /// DynamoDB carries it out, and then the connection is cut.
    LoseAnswer,
    /// DynamoDB carries it out, half of its answer comes back, and then the connection is cut.
    CutAnswer,
    /// DynamoDB carries it out, half of its answer comes back, and the other half after so long.
    SlowAnswer(Duration),
    /// DynamoDB carries it out, half of its answer comes back, which this tells, and then nothing more.
    HeldAnswer(Arc<Notify>),
    /// It goes through, and its answer comes back once a read that came after it was answered.
    ///
    /// DynamoDB Local with its tables on disk acknowledges a transaction a moment before it is written there, and a
    /// kill in that moment loses it; the service does not. A later read waits for the writing.
    Settled,
    /// DynamoDB never sees it, and nothing ever comes back.
    Silence,
    /// Not DynamoDB but this status and body answer.
    Answer(u16, String),
}

impl Fate {
    /// An error of this code, as the real service puts it.
    #[must_use]
    pub fn refusal(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"later"}}"#);
        Self::Answer(status, body)
    }
}

type Judge = dyn Fn(Request) -> BoxFuture<'static, Fate> + Send + Sync;

/// A proxy before the shared DynamoDB; it is gone when it is dropped.
pub struct Proxy {
    endpoint: String,
    seen: Arc<Mutex<HashMap<(String, String), u32>>>,
    /// Every connection holds a receiver.
    connections: Arc<watch::Sender<()>>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// A proxy where `judge` decides what becomes of each request. It is asked before the request goes on, and
    /// the request waits for its answer.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start<F, J>(judge: J) -> Self
    where
        F: Future<Output = Fate> + Send + 'static,
        J: Fn(Request) -> F + Send + Sync + 'static,
    {
        Self::between("127.0.0.1:0", DynamoDb::shared().endpoint(), judge).await.expect("a port is free")
    }

    /// As [`Self::start`], on this address and before this endpoint.
    ///
    /// # Errors
    /// If it cannot listen there.
    ///
    /// # Panics
    /// If the system does not say where it listens.
    pub async fn between<F, J>(listen_at: &str, upstream: &str, judge: J) -> io::Result<Self>
    where
        F: Future<Output = Fate> + Send + 'static,
        J: Fn(Request) -> F + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(listen_at).await?;
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let seen = Arc::default();
        let judge: Arc<Judge> = Arc::new(move |request| judge(request).boxed());
        let connections = Arc::new(watch::Sender::new(()));
        let listening =
            tokio::spawn(listen(listener, upstream, judge, Arc::clone(&seen), Arc::clone(&connections)));
        Ok(Self { endpoint, seen, connections, listening })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `client`, sent through this proxy.
    #[must_use]
    pub fn client(&self, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().endpoint_url(&self.endpoint).build())
    }

    /// Listens no more. Connections that are open stay so.
    pub fn refuse(&self) {
        self.listening.abort();
    }

    /// Waits until no connection is open: whatever was sent through it has then been carried out, or never will be.
    pub async fn drained(&self) {
        self.connections.closed().await;
    }

    /// How many requests of an operation it has seen, for any key.
    #[must_use]
    pub fn seen(&self, operation: &str) -> u32 {
        self.seen_at(operation, "")
    }

    /// How many requests of an operation it has seen for partition keys that start so.
    #[must_use]
    pub fn seen_at(&self, operation: &str, pk: &str) -> u32 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = seen.iter().filter(|((seen, key), _)| seen == operation && key.starts_with(pk));
        of_it.map(|(_, count)| count).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

async fn listen(
    listener: TcpListener,
    upstream: String,
    judge: Arc<Judge>,
    seen: Arc<Mutex<HashMap<(String, String), u32>>>,
    connections: Arc<watch::Sender<()>>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (judge, seen, open) = (judge.clone(), seen.clone(), connections.subscribe());
        let upstream = upstream.clone();
        tokio::spawn(async move {
            // Any error ends this connection alone, as it would in a real proxy.
            let _ = serve(socket, &upstream, &*judge, &seen).await;
            drop(open);
        });
    }
}

/// One connection of the SDK, and one to DynamoDB for it.
async fn serve(
    socket: TcpStream,
    upstream: &str,
    judge: &Judge,
    seen: &Mutex<HashMap<(String, String), u32>>,
) -> io::Result<()> {
    let mut client = BufReader::new(socket);
    let mut upstream = BufReader::new(TcpStream::connect(upstream).await?);
    while let Some(message) = Message::read(&mut client).await? {
        let operation = message.header("x-amz-target").and_then(|target| target.rsplit('.').next());
        let operation = operation.unwrap_or_default().to_owned();
        let body = serde_json::from_slice(&message.body)?;
        let mut request = Request { operation, body, attempt: 0 };
        request.attempt = {
            let key = (request.operation.clone(), format!("{} {}", request.pk(), request.sk()));
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let count = seen.entry(key).or_default();
            *count += 1;
            *count
        };
        let read_after = request.read_after();
        let fate = judge(request).await;
        let forwarded = match &fate {
            Fate::LoseRequest => return Ok(()),
            Fate::Silence => return until_gone(&mut client).await,
            Fate::Answer(status, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Replayed\r\nContent-Type: application/x-amz-json-1.0\r\n\
                     Content-Length: {length}\r\n\r\n{body}"
                );
                client.write_all(answer.as_bytes()).await?;
                continue;
            }
            Fate::Instead(body) => message.with_body(&serde_json::to_vec(body)?),
            _ => message,
        };
        upstream.write_all(&forwarded.to_bytes()).await?;
        let answer = Message::read(&mut upstream).await?.ok_or(io::ErrorKind::UnexpectedEof)?.to_bytes();
        if matches!(fate, Fate::Settled) {
            let read = forwarded.for_operation("GetItem").with_body(&serde_json::to_vec(&read_after)?);
            upstream.write_all(&read.to_bytes()).await?;
            Message::read(&mut upstream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        let (first, rest) = answer.split_at(answer.len() / 2);
        match fate {
            Fate::LoseAnswer => return Ok(()),
            Fate::CutAnswer => return client.write_all(first).await,
            Fate::SlowAnswer(pause) => {
                client.write_all(first).await?;
                // Until then the other side has nothing to say, unless it goes.
                if time::timeout(pause, client.fill_buf()).await.is_ok() {
                    return Ok(());
                }
                client.write_all(rest).await?;
            }
            Fate::HeldAnswer(came) => {
                client.write_all(first).await?;
                came.notify_one();
                return until_gone(&mut client).await;
            }
            _ => client.write_all(&answer).await?,
        }
    }
    Ok(())
}

/// Until the other side has lost patience.
async fn until_gone(client: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await?;
    Ok(())
}

/// An HTTP/1.1 message.
struct Message {
    /// Start line and headers, each with its line end, without the framing of the body.
    head: Vec<String>,
    body: Vec<u8>,
}

impl Message {
    async fn read(from: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            if line == "\r\n" {
                break;
            }
            head.push(line);
        }
        let mut message = Self { head, body: Vec::new() };
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        if message.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                from.read_line(&mut line).await?;
                let length = usize::from_str_radix(line.trim(), 16).map_err(invalid)?;
                let mut chunk = vec![0; length + 2];
                from.read_exact(&mut chunk).await?;
                message.body.extend_from_slice(&chunk[..length]);
                if length == 0 {
                    break;
                }
            }
        } else if let Some(length) = message.header("content-length") {
            message.body = vec![0; length.parse().map_err(invalid)?];
            from.read_exact(&mut message.body).await?;
        }
        message.head.retain(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("transfer-encoding:") && !line.starts_with("content-length:")
        });
        Ok(Some(message))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The same for another operation. DynamoDB Local checks no signature.
    fn for_operation(mut self, operation: &str) -> Self {
        self.head.retain(|line| !line.to_ascii_lowercase().starts_with("x-amz-target:"));
        self.head.push(format!("X-Amz-Target: DynamoDB_20120810.{operation}\r\n"));
        self
    }

    fn with_body(self, body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..self }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
        [self.head.concat().as_bytes(), length.as_bytes(), &self.body].concat()
    }
}
