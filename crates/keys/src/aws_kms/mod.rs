//! The key provider for production: the UMK is a symmetric key of AWS KMS, and never leaves it.

mod arn;
mod calls;
mod error;
mod telemetry;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_kms::{
    Client,
    config::{Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use blue_envelope::Kek;
use tokio::sync::Semaphore;

pub use self::{
    arn::KeyNameError,
    error::{AwsKmsError, KmsCallError},
};
use self::{
    arn::{KeyArn, KeyName},
    calls::{Key, MAX_CIPHERTEXT},
    telemetry::Telemetry,
};
use crate::{KeyContext, KeyError, KeyProvider, UmkId, WrappedKek};

const FORMAT: u8 = 0x02;

/// Before the first retry up to this long, doubled with each further one up to [`MAX_BACKOFF`] (full jitter).
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// How much one [`AwsKms`] and its clones are asked at once, so that a process whose keys have all gone cold opens no more
/// connections than this; the rest waits within its time.
const AT_ONCE: usize = 64;

/// Which keys of KMS, and how long a call may take.
///
/// A key has four forms of name: a key id, its ARN, an alias (`alias/NAME`), the ARN of an alias.
///
/// ```
/// use blue_keys::AwsKmsConfig;
///
/// let moved = AwsKmsConfig {
///     previous: vec!["arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".to_owned()],
///     ..AwsKmsConfig::new("alias/notes-2027")
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKmsConfig {
    /// The key that wraps.
    pub key: String,
    /// Further keys, whose wrapped KEKs are unwrapped and rewrapped: those that wrapped before. Default: none.
    pub previous: Vec<String>,
    /// How long a connection may take. Default: 2 s.
    pub connect_timeout: Duration,
    /// One request and its answer, with getting credentials, connecting and signing. Default: 3 s.
    pub attempt_timeout: Duration,
    /// What the provider is asked, with all its requests and their retries; and, when it is made, each look-up of a key.
    /// Default: 10 s, which leaves a store's operation (15 s) time to say so itself.
    pub operation_timeout: Duration,
    /// How often a request is sent at most. Only what is throttled or not answered is sent again; no request changes
    /// anything. Default: 4; 0 counts as 1.
    pub attempts: u32,
}

impl AwsKmsConfig {
    /// One key, and the defaults.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            previous: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            attempt_timeout: Duration::from_secs(3),
            operation_timeout: Duration::from_secs(10),
            attempts: 4,
        }
    }
}

/// A UMK in AWS KMS.
///
/// Its id is the ARN of the key. A wrapped KEK is `0x02` and what KMS calls a ciphertext blob, of at most 6,144 bytes; the
/// encryption context is [`KeyContext::encryption_context`].
///
/// Only the configured keys are ever asked to decrypt: the id beside a wrapped KEK chooses among them, and an answer from
/// another key is refused. A replica of a multi-Region key (`mrk-…`) counts as the key itself.
///
/// At most 64 calls are under way at once; others wait, within their [`AwsKmsConfig::operation_timeout`].
///
/// A KEK is overwritten when it is dropped, and so is the buffer in which the SDK hands it over. The copies that the SDK makes
/// on the way (the body of the answer, its Base64 text) are not.
#[derive(Clone)]
pub struct AwsKms {
    current: Key,
    previous: Vec<Key>,
    operation_timeout: Duration,
    turns: Arc<Semaphore>,
}

impl AwsKms {
    /// Finds out which keys are meant, once: an ARN of a key is taken as it is, and for any other name KMS is asked
    /// (DescribeKey). A key is called in the Region of its ARN, with the client's configuration otherwise; its time-outs and
    /// retries are replaced by those of `config`.
    ///
    /// # Errors
    /// [`AwsKmsError`]. Names are looked at before anything is asked.
    pub async fn connect(client: &Client, config: AwsKmsConfig) -> Result<Self, AwsKmsError> {
        let AwsKmsConfig { key, previous, operation_timeout, .. } = &config;
        let parse = |name: &String| match KeyName::parse(name) {
            Ok(parsed) => Ok((name.clone(), parsed)),
            Err(source) => Err(AwsKmsError::Name { name: name.clone(), source }),
        };
        let (current, previous) = (parse(key)?, previous.iter().map(parse).collect::<Result<Vec<_>, _>>()?);
        let mut clients = Clients::new(client, &config);
        let current = clients.key(current, *operation_timeout).await?;
        let mut others: Vec<Key> = Vec::new();
        for name in previous {
            let key = clients.key(name, *operation_timeout).await?;
            if !others.iter().chain([&current]).any(|known| known.arn == key.arn) {
                others.push(key);
            }
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self { current, previous: others, operation_timeout: *operation_timeout, turns })
    }

    /// The ids of the further keys that are accepted.
    pub fn previous(&self) -> impl Iterator<Item = &UmkId> {
        self.previous.iter().map(|key| &key.umk_id)
    }

    /// The configured key that such an id names: that very ARN, or a replica of the same key.
    fn configured(&self, umk_id: &UmkId) -> Option<&Key> {
        let named = KeyArn::parse(umk_id.as_str())?;
        let keys = || [&self.current].into_iter().chain(&self.previous);
        keys().find(|key| key.arn == named).or_else(|| keys().find(|key| key.arn.is_same_key(&named)))
    }

    /// A wrapped KEK taken apart: the configured key that it is said to be under, and KMS's ciphertext.
    fn open<'a>(&self, wrapped: &'a WrappedKek) -> Result<(&Key, &'a [u8]), KeyError> {
        let key = self.configured(wrapped.umk_id());
        let key = key.ok_or_else(|| KeyError::NotConfigured { umk_id: wrapped.umk_id().clone() })?;
        match wrapped.as_bytes() {
            [FORMAT, ciphertext @ ..] if (1..=MAX_CIPHERTEXT).contains(&ciphertext.len()) => {
                Ok((key, ciphertext))
            }
            _ => Err(KeyError::Malformed),
        }
    }

    fn wrapped(&self, ciphertext: &[u8]) -> WrappedKek {
        WrappedKek::new(self.current.umk_id.clone(), [&[FORMAT], ciphertext].concat())
    }

    /// Bounds what the provider is asked, and how much of it at once, whatever the client does.
    async fn in_time<T>(
        &self,
        operation: &'static str,
        asking: impl Future<Output = Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        let asking = async {
            let _turn = self.turns.acquire().await.expect("nobody closes it");
            asking.await
        };
        let asked = tokio::time::timeout(self.operation_timeout, asking).await;
        asked.unwrap_or_else(|_| Err(KmsCallError::too_late(operation)))
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("umk_id", &self.current.umk_id)
            .field("previous", &self.previous().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyProvider for AwsKms {
    fn umk_id(&self) -> &UmkId {
        &self.current.umk_id
    }

    fn accepts(&self, umk_id: &UmkId) -> bool {
        self.configured(umk_id).is_some()
    }

    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        let generating = self.current.generate_data_key(context);
        let (secret, ciphertext) = self.in_time("GenerateDataKey", generating).await?;
        Ok((Kek::new(context.kek_id, secret), self.wrapped(&ciphertext)))
    }

    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        let (key, ciphertext) = self.open(wrapped)?;
        let secret = self.in_time("Decrypt", key.decrypt(ciphertext, context)).await?;
        Ok(Kek::new(context.kek_id, secret))
    }

    /// By one ReEncrypt if both keys are in one Region, so that the KEK does not leave KMS; else by Decrypt and Encrypt.
    async fn rewrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<WrappedKek, KeyError> {
        let (key, ciphertext) = self.open(wrapped)?;
        let current = &self.current;
        let ciphertext = if key.arn.region() == current.arn.region() {
            self.in_time("ReEncrypt", key.re_encrypt(current, ciphertext, context)).await?
        } else {
            let moving = async {
                let secret = key.decrypt(ciphertext, context).await?;
                current.encrypt(&secret, context).await
            };
            self.in_time("Decrypt and Encrypt", moving).await?
        };
        Ok(self.wrapped(&ciphertext))
    }
}

/// One client for each Region.
struct Clients {
    base: aws_sdk_kms::config::Builder,
    own_region: Option<String>,
    by_region: HashMap<String, Client>,
    telemetry: Telemetry,
}

impl Clients {
    fn new(client: &Client, config: &AwsKmsConfig) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(config.attempts.max(1))
            .with_initial_backoff(INITIAL_BACKOFF)
            .with_max_backoff(MAX_BACKOFF);
        // The operation is bounded by the provider: what it is asked may take several.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(config.connect_timeout)
            .operation_attempt_timeout(config.attempt_timeout)
            .build();
        Self {
            base: client.config().to_builder().retry_config(retries).timeout_config(timeouts),
            own_region: client.config().region().map(ToString::to_string),
            by_region: HashMap::new(),
            telemetry: Telemetry::new(),
        }
    }

    fn of(&mut self, region: &str) -> Client {
        let make = || Client::from_conf(self.base.clone().region(Region::new(region.to_owned())).build());
        self.by_region.entry(region.to_owned()).or_insert_with(make).clone()
    }

    /// The key of a name that was parsed.
    async fn key(&mut self, (name, parsed): (String, KeyName), limit: Duration) -> Result<Key, AwsKmsError> {
        let region = match parsed {
            KeyName::Arn(arn) => return Ok(self.found(arn)),
            KeyName::AliasArn { region } => region,
            KeyName::Here => {
                self.own_region.clone().ok_or_else(|| AwsKmsError::NoRegion { name: name.clone() })?
            }
        };
        let client = self.of(&region);
        let described = tokio::time::timeout(limit, calls::describe(&client, &self.telemetry, &name)).await;
        let arn = described.unwrap_or_else(|_| {
            let source = KmsCallError::too_late("DescribeKey");
            Err(AwsKmsError::Unresolved { name: name.clone(), source })
        })?;
        Ok(self.found(arn))
    }

    fn found(&mut self, arn: KeyArn) -> Key {
        let client = self.of(arn.region());
        Key { umk_id: UmkId::new(arn.to_string()), arn, client, telemetry: self.telemetry.clone() }
    }
}

#[cfg(test)]
mod tests;
