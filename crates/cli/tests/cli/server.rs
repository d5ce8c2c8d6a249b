//! A loopback server that stands where DynamoDB should be: it answers by itself, passes requests on to the real
//! one, or cuts the connection.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use blue_testkit::DynamoDb;

/// One request to DynamoDB.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Such as `GetItem`.
    pub(crate) operation: String,
    pub(crate) body: String,
}

pub(crate) enum Action {
    /// A status and a JSON body.
    Answer(u16, String),
    /// The real server's answer.
    Forward,
    /// The same with another `Date`, or none.
    ForwardDated(Option<String>),
    /// None at all.
    Cut,
}

/// Holds requests up until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(u32, bool)>, Condvar)>);

impl Gate {
    /// Waits for it.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().0 += 1;
        changed.notify_all();
        drop(changed.wait_while(state.lock().unwrap(), |(_, is_open)| !*is_open).unwrap());
    }

    /// Waits until somebody waits for it.
    pub(crate) fn reached(&self) {
        let (state, changed) = &*self.0;
        drop(changed.wait_while(state.lock().unwrap(), |(waiting, _)| *waiting == 0).unwrap());
    }

    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().1 = true;
        changed.notify_all();
    }
}

/// Answers until the test program ends.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(act: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (act, noted) = (Arc::new(act), seen.clone());
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (act, noted) = (act.clone(), noted.clone());
                // An error is the client's going away.
                thread::spawn(move || serve(&connection, &*act, &noted).ok());
            }
        });
        Self { url, seen }
    }

    /// The operations that were asked for, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|request| request.operation.clone()).collect()
    }
}

fn serve(
    connection: &TcpStream,
    act: &dyn Fn(&Request) -> Action,
    seen: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    while let Some((head, body)) = read_request(&mut reader)? {
        let operation = header(&head, "x-amz-target").unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let request = Request { operation, body: String::from_utf8_lossy(&body).into_owned() };
        seen.lock().unwrap().push(request.clone());
        let mut out = connection;
        match act(&request) {
            Action::Answer(status, json) => write!(
                out,
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{json}",
                json.len()
            )?,
            Action::Forward => {
                out.write_all(&forward(&head, &body)?)?;
                return connection.shutdown(Shutdown::Both);
            }
            Action::ForwardDated(date) => {
                out.write_all(&dated(&forward(&head, &body)?, date.as_deref()))?;
                return connection.shutdown(Shutdown::Both);
            }
            Action::Cut => return connection.shutdown(Shutdown::Both),
        }
    }
    Ok(())
}

/// The lines of the head, and the body.
pub(crate) fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(Vec<String>, Vec<u8>)>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

fn header(head: &[String], name: &str) -> Option<String> {
    let value = |line: &String| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    };
    head.iter().find_map(value)
}

fn forward(head: &[String], body: &[u8]) -> io::Result<Vec<u8>> {
    let address =
        DynamoDb::shared().endpoint().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let mut upstream = TcpStream::connect(address)?;
    let head = head.iter().filter(|line| !line.to_lowercase().starts_with("connection:"));
    let head: String = head.map(|line| format!("{line}\r\n")).collect();
    write!(upstream, "{head}connection: close\r\n\r\n")?;
    upstream.write_all(body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer with this date in place of its own.
fn dated(answer: &[u8], date: Option<&str>) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines: Vec<_> =
        head.lines().filter(|line| !line.to_lowercase().starts_with("date:")).map(str::to_owned).collect();
    lines.extend(date.map(|date| format!("Date: {date}")));
    [lines.join("\r\n").as_bytes(), &answer[end..]].concat()
}
