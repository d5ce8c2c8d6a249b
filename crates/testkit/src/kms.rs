//! A KMS for tests.

use std::sync::OnceLock;

use crate::running::{How, Running};
use crate::{Service, StartError};

/// A KMS that answers, and how it came to be. moto's, unless `AWS_ENDPOINT_URL_KMS` names another.
///
/// Dropping it ends the server if it was started here, and its keys with it.
#[derive(Debug)]
pub struct Kms(Running);

impl Kms {
    /// Finds or starts a server in the order of the crate's docs, and returns when it has answered a request.
    ///
    /// # Errors
    /// When no way leads to a server; the text names what is missing and what to install. Never waits without end.
    pub async fn start() -> Result<Self, StartError> {
        Running::start(Service::Kms).await.map(Self)
    }

    /// One server for the whole process: started at first use, ended when the process ends, however it ends.
    ///
    /// Works in sync code and inside any tokio runtime, since it starts on a thread of its own.
    ///
    /// # Panics
    /// When no server can be started, with the text of the [`StartError`] and its causes, on every call.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Kms, String>> = OnceLock::new();
        match SHARED.get_or_init(|| Running::start_anywhere(Service::Kms).map(Self)) {
            Ok(kms) => kms,
            Err(text) => panic!("no KMS to test against: {text}"),
        }
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    pub fn endpoint(&self) -> &str {
        &self.0.access.endpoint
    }

    /// Which way was taken.
    pub fn how(&self) -> &How {
        &self.0.how
    }

    /// Which way was taken, in plain words.
    pub fn described(&self) -> String {
        self.0.described()
    }

    /// The SDK's variables that lead any program to this server.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.0.access.variables()
    }

    /// A client of this server, with connections of its own, as [`crate::DynamoDb::client`] has them.
    pub async fn client(&self) -> aws_sdk_kms::Client {
        self.0.access.kms()
    }

    /// A new symmetric key that nobody else uses: its ARN.
    ///
    /// # Errors
    /// When the server makes none.
    pub async fn create_key(&self) -> Result<String, StartError> {
        self.0.access.create_key().await
    }
}
