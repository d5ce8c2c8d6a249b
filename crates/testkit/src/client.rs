//! How to reach a server: its address, credentials, and a client of it.

use std::error::Error;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::settings::variable;
use crate::{Service, StartError};

/// Between two questions whether a server is up.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// How long one such question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// The emulators check no signature, but DynamoDB Local takes letters and digits alone for a key id.
const DUMMY: &str = "local";

/// Why a question was not answered.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a server that was waited for is not used.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// It will not come.
    Vain(StartError),
    /// The time is over; the last question ended so.
    Silent(Cause),
}

#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) service: Service,
    pub(crate) endpoint: String,
    region: String,
    key_id: String,
    secret: String,
    session: Option<String>,
}

impl Access {
    /// To a server started here, for which any credentials do.
    pub(crate) fn local(service: Service, endpoint: String) -> Self {
        let region = "us-east-1".to_owned();
        let (key_id, secret) = (DUMMY.to_owned(), DUMMY.to_owned());
        Self { service, endpoint, region, key_id, secret, session: None }
    }

    /// To a server named by the environment: with its credentials and region, on which an emulator's view may depend:
    /// DynamoDB Local's of the tables unless it runs with `-sharedDb`, moto's of the keys always.
    pub(crate) fn from_env(service: Service, endpoint: &str) -> Self {
        let mut access = Self::local(service, endpoint.to_owned());
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
            (self.service.endpoint_variable(), self.endpoint.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_ACCESS_KEY_ID", self.key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
        ];
        variables.extend(self.session.clone().map(|session| ("AWS_SESSION_TOKEN", session)));
        variables
    }

    /// A client of DynamoDB at this address.
    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(self.http());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of KMS at this address.
    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(self.http());
        aws_sdk_kms::Client::from_conf(config.build())
    }

    /// A new symmetric key of KMS: its ARN.
    pub(crate) async fn create_key(&self) -> Result<String, StartError> {
        let created = self.kms().create_key().description("blue-encrypted-store: test data").send().await;
        let created = created.map_err(|error| StartError::NoKey(error.into()))?;
        let arn = created.key_metadata.and_then(|metadata| metadata.arn);
        arn.ok_or_else(|| StartError::NoKey("the answer has no ARN".into()))
    }

    /// Waits until the server answers. `look` says before each question whether that is in vain by now.
    pub(crate) async fn wait(
        &self,
        limit: Duration,
        mut look: impl AsyncFnMut() -> Result<(), StartError>,
    ) -> Result<(), Unanswered> {
        let until = Instant::now() + limit;
        loop {
            look().await.map_err(Unanswered::Vain)?;
            let Err(cause) = self.answers().await else { return Ok(()) };
            if Instant::now() >= until {
                return Err(Unanswered::Silent(cause));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks one real question, once. Nothing but a well-formed answer counts.
    async fn answers(&self) -> Result<(), Cause> {
        let timeouts = TimeoutConfig::builder().operation_timeout(QUESTION_LIMIT).build();
        let once = RetryConfig::disabled();
        match self.service {
            Service::DynamoDb => {
                let config = aws_sdk_dynamodb::Config::builder().timeout_config(timeouts).retry_config(once);
                self.dynamodb().list_tables().limit(1).customize().config_override(config).send().await?;
            }
            Service::Kms => {
                let config = aws_sdk_kms::Config::builder().timeout_config(timeouts).retry_config(once);
                self.kms().list_keys().limit(1).customize().config_override(config).send().await?;
            }
        }
        Ok(())
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.key_id, &self.secret, self.session.clone(), None, "testkit")
    }

    fn http(&self) -> SharedHttpClient {
        // Loading the machine's certificates takes longer than many a test, and plain HTTP needs none.
        if self.endpoint.starts_with("https:") {
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
        } else {
            Builder::new().build_http()
        }
    }
}
