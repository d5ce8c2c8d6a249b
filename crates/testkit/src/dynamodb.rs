//! A DynamoDB for tests.

use std::sync::OnceLock;

use crate::running::{How, Running};
use crate::{Service, StartError};

/// A DynamoDB that answers, and how it came to be.
///
/// Dropping it ends the server if it was started here, and waits until it is gone.
#[derive(Debug)]
pub struct DynamoDb(Running);

impl DynamoDb {
    /// Finds or starts a server in the order of the crate's docs, and returns when it has answered a request.
    ///
    /// # Errors
    /// When no way leads to a server; the text names what is missing and what to install. Never waits without end.
    pub async fn start() -> Result<Self, StartError> {
        Running::start(Service::DynamoDb).await.map(Self)
    }

    /// One server for the whole process: started at first use, ended when the process ends, however it ends.
    ///
    /// Works in sync code and inside any tokio runtime, since it starts on a thread of its own.
    ///
    /// # Panics
    /// When no server can be started, with the text of the [`StartError`] and its causes, on every call.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<DynamoDb, String>> = OnceLock::new();
        match SHARED.get_or_init(|| Running::start_anywhere(Service::DynamoDb).map(Self)) {
            Ok(dynamodb) => dynamodb,
            Err(text) => panic!("no DynamoDB to test against: {text}"),
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

    /// A client of this server.
    ///
    /// Each call makes one with connections of its own: a pooled connection is driven by the runtime that opened it,
    /// and every `#[tokio::test]` has its own.
    pub async fn client(&self) -> aws_sdk_dynamodb::Client {
        self.0.access.dynamodb()
    }
}
