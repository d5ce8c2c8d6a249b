//! The item encryptor of the AWS Database Encryption SDK for DynamoDB, with a raw AES-256-GCM keyring.
//!
//! `pk`, `sk` and `status` are signed, `data` is encrypted and signed. The data key is fresh for each item: no
//! materials are cached.

use aws_db_esdk::{
    CryptoAction,
    item_encryptor::{client::Client, types::dynamo_db_item_encryptor_config::DynamoDbItemEncryptorConfig},
    material_providers::{
        client::Client as MaterialProviders,
        types::{
            AesWrappingAlg, DbeAlgorithmSuiteId, keyring::KeyringRef,
            material_providers_config::MaterialProvidersConfig,
        },
    },
};

use crate::{Item, KEY, stored_size};

/// Crate and version.
pub const PEER: &str = crate::ESDK;

/// What authenticates an item. Both suites encrypt with AES-256-GCM and commit to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// An HMAC alone.
    WithoutEcdsa,
    /// The HMAC, and an ECDSA signature over P-384 by a key pair that is fresh for each item.
    Default,
}

impl Suite {
    /// Both.
    pub const ALL: [Self; 2] = [Self::WithoutEcdsa, Self::Default];

    /// Its name in ids and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WithoutEcdsa => "without ECDSA",
            Self::Default => "default suite",
        }
    }

    const fn id(self) -> DbeAlgorithmSuiteId {
        match self {
            Self::WithoutEcdsa => DbeAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeySymsigHmacSha384,
            Self::Default => DbeAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeyEcdsaP384SymsigHmacSha384,
        }
    }
}

/// An encryptor of the items that [`item`](crate::item) gives. It panics where the SDK gives an error.
pub struct ItemEncryptor(Client);

impl ItemEncryptor {
    /// An encryptor that writes `suite`.
    pub async fn new(suite: Suite) -> Self {
        let actions = [
            ("pk", CryptoAction::SignOnly),
            ("sk", CryptoAction::SignOnly),
            ("status", CryptoAction::SignOnly),
            ("data", CryptoAction::EncryptAndSign),
        ];
        let config = DynamoDbItemEncryptorConfig::builder()
            .logical_table_name("invoices")
            .partition_key_name("pk")
            .sort_key_name("sk")
            .attribute_actions_on_encrypt(actions.map(|(name, action)| (name.to_owned(), action)))
            .keyring(local_keyring().await)
            .algorithm_suite_id(suite.id())
            .build()
            .expect("the configuration is complete");
        Self(Client::from_conf(config).expect("every attribute has an action"))
    }

    /// The item as it would be stored.
    pub async fn encrypt(&self, plaintext: Item) -> Item {
        let output = self.0.encrypt_item().plaintext_item(plaintext).send().await;
        output.expect("the item is valid").encrypted_item.expect("an answer has an item")
    }

    /// The item as it was before [`encrypt`](Self::encrypt).
    pub async fn decrypt(&self, encrypted: Item) -> Item {
        let output = self.0.decrypt_item().encrypted_item(encrypted).send().await;
        output.expect("the item is authentic").plaintext_item.expect("an answer has an item")
    }
}

/// How many bytes larger an item with that much data is when stored under `suite`.
pub async fn added_bytes(suite: Suite, data: usize) -> usize {
    let plaintext = crate::item(data);
    let before = stored_size(&plaintext);
    stored_size(&ItemEncryptor::new(suite).await.encrypt(plaintext).await) - before
}

async fn local_keyring() -> KeyringRef {
    let config = MaterialProvidersConfig::builder().build().expect("the defaults suffice");
    MaterialProviders::from_conf(config)
        .expect("the configuration is complete")
        .create_raw_aes_keyring()
        .key_namespace("peers")
        .key_name("local")
        .wrapping_key(KEY.to_vec())
        .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16)
        .send()
        .await
        .expect("the key has 256 bits")
}
