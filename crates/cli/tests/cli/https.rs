//! A webhook behind TLS, whose certificate the system trusts or does not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};

use crate::bench::Bench;

/// A server of HTTPS at localhost that answers each post with 204. It ends with the test program.
struct Https {
    url: String,
    /// The certificate that has to be trusted, as PEM.
    certificate: String,
    bodies: mpsc::Receiver<String>,
}

impl Https {
    fn start() -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![cert.der().clone()], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let (sender, bodies) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                // Who does not trust it hangs up.
                if let Ok(body) = answer(StreamOwned::new(connection, stream)) {
                    let _ = sender.send(body);
                }
            }
        });
        Self { url, certificate: cert.pem(), bodies }
    }
}

/// Answers one request, and gives back its body.
fn answer(stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<String> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    stream.get_mut().write_all(answer)?;
    stream.get_mut().flush()?;
    Ok(String::from_utf8(body).unwrap())
}

#[test]
fn an_alert_goes_to_a_webhook_that_the_system_trusts_and_to_no_other() {
    // A table that is not there cannot be verified, and that is alerted too.
    let bench = Bench::new();
    let https = Https::start();
    let certificate = bench.write("trusted.pem", &https.certificate).display().to_string();
    let trusting = [("BES_ALERT_WEBHOOK", https.url.as_str()), ("SSL_CERT_FILE", &certificate)];
    let ran = bench.run_with(&trusting, &["audit", "watch", "--once"]).exited(3);
    ran.never_said("the alert was not delivered");
    let alert: Value = serde_json::from_str(&https.bodies.recv().unwrap()).unwrap();
    assert_eq!(alert["verdict"], json!("not-run"), "{alert}");

    let stranger = Https::start();
    let untrusting = [("BES_ALERT_WEBHOOK", stranger.url.as_str()), ("SSL_CERT_FILE", &certificate)];
    let ran = bench.run_with(&untrusting, &["audit", "watch", "--once"]).exited(3);
    ran.said("the alert was not delivered to the webhook at https://localhost").said("certificate");
    assert!(stranger.bodies.try_recv().is_err());
}
