//! How to reach a server: its address, credentials, and a client of it.

use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::settings::{ENDPOINT, variable};

/// Between two questions whether a server is up.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// How long one such question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// DynamoDB Local checks no signature, but takes letters and digits alone for a key id.
const DUMMY: &str = "local";

#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) endpoint: String,
    region: String,
    key_id: String,
    secret: String,
    session: Option<String>,
}

impl Access {
    /// To a server started here, for which any credentials do.
    pub(crate) fn local(endpoint: String) -> Self {
        let region = "us-east-1".to_owned();
        Self { endpoint, region, key_id: DUMMY.to_owned(), secret: DUMMY.to_owned(), session: None }
    }

    /// To a server named by the environment: with its credentials and region, on which DynamoDB Local's view of the
    /// tables depends unless it runs with `-sharedDb`.
    pub(crate) fn from_env(endpoint: &str) -> Self {
        let mut access = Self::local(endpoint.to_owned());
        if let Some(region) = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
            access.region = region;
        }
        if let (Some(key_id), Some(secret)) =
            (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        {
            (access.key_id, access.secret, access.session) = (key_id, secret, variable("AWS_SESSION_TOKEN"));
        }
        access
    }

    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (ENDPOINT, self.endpoint.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_ACCESS_KEY_ID", self.key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
        ];
        variables.extend(self.session.clone().map(|session| ("AWS_SESSION_TOKEN", session)));
        variables
    }

    pub(crate) fn client(&self) -> Client {
        // Loading the machine's certificates takes longer than many a test, and plain HTTP needs none.
        let http = if self.endpoint.starts_with("https:") {
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
        } else {
            Builder::new().build_http()
        };
        let session = self.session.clone();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new(self.region.clone()))
            .credentials_provider(Credentials::new(&self.key_id, &self.secret, session, None, "testkit"))
            .http_client(http)
            .build();
        Client::from_conf(config)
    }
}

/// Asks one real question, once. Nothing but a well-formed answer counts.
pub(crate) async fn answers(client: &Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    let timeouts = TimeoutConfig::builder().operation_timeout(QUESTION_LIMIT).build();
    let once = aws_sdk_dynamodb::config::retry::RetryConfig::disabled();
    let overrides = Config::builder().timeout_config(timeouts).retry_config(once);
    client.list_tables().limit(1).customize().config_override(overrides).send().await?;
    Ok(())
}
