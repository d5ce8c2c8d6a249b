//! The AWS SDK's own configuration, and the clients that are made of it.

#[cfg(feature = "aws-kms")]
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_smithy_http_client::tls;
#[cfg(feature = "aws-kms")]
use blue_keys::{AwsKms, AwsKmsConfig, AwsKmsError};
use tokio::sync::OnceCell;

/// Region, credentials, profile and endpoints as the SDK finds them, with TLS by ring. Looked for once, when it is needed.
pub(crate) struct Aws {
    region: Option<String>,
    loaded: OnceCell<SdkConfig>,
}

impl Aws {
    /// `region` goes before the one that the SDK finds.
    pub(crate) fn new(region: Option<String>) -> Self {
        Self { region, loaded: OnceCell::new() }
    }

    /// A client of DynamoDB; `endpoint_url` goes before what the SDK finds, and is of DynamoDB alone.
    pub(crate) async fn dynamodb(&self, endpoint_url: Option<&str>) -> Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(self.config().await);
        if let Some(url) = endpoint_url {
            config = config.endpoint_url(url);
        }
        Client::from_conf(config.build())
    }

    /// The provider whose keys these are.
    #[cfg(feature = "aws-kms")]
    pub(crate) async fn kms(&self, config: AwsKmsConfig) -> Result<Arc<AwsKms>, AwsKmsError> {
        let client = aws_sdk_kms::Client::new(self.config().await);
        AwsKms::connect(&client, config).await.map(Arc::new)
    }

    pub(crate) async fn config(&self) -> &SdkConfig {
        let load = || async {
            let crypto = tls::rustls_provider::CryptoMode::Ring;
            let http = aws_smithy_http_client::Builder::new()
                .tls_provider(tls::Provider::Rustls(crypto))
                .build_https();
            let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
            if let Some(region) = &self.region {
                loader = loader.region(Region::new(region.clone()));
            }
            loader.load().await
        };
        self.loaded.get_or_init(load).await
    }
}
