//! A table and a master key of one test's own.

use std::{collections::HashMap, path::PathBuf, sync::Arc, thread, time::Duration};

use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use blue_encrypted_store::{
    Builder, Collection, Deadlines, EncryptedStore, KeyProvider, KeySource, LocalFile,
};
use blue_testkit::{DynamoDb, Kms, unique_table};
use tempfile::TempDir;
use tokio::runtime;

use crate::{KeyPlace, MasterKey, VerifiedLog};

/// Where the key file is in the directory.
const KEY_FILE: &str = "keys/umk.key";

/// An item as it lies in the table.
pub type Item = HashMap<String, AttributeValue>;

/// A string attribute.
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute, its text as given.
pub fn n(text: impl ToString) -> AttributeValue {
    AttributeValue::N(text.to_string())
}

/// A binary attribute.
pub fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// All items of a table, in no order.
///
/// # Panics
/// If DynamoDB fails.
pub async fn scan(client: &Client, table: &str) -> Vec<Item> {
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().send();
    let mut items = Vec::new();
    while let Some(page) = pages.next().await {
        items.extend(page.expect("the table can be scanned").items.unwrap_or_default());
    }
    items
}

/// Those items that are none of the audit log's.
fn without_audit(mut items: Vec<Item>) -> Vec<Item> {
    items.retain(|item| {
        let pk = item["pk"].as_s().map_or("", String::as_str);
        !pk.starts_with("A#") && pk != "S#audit"
    });
    items
}

/// A table name, a master key and a directory, which holds the key if it is a file. When it goes, table and directory go with
/// it.
pub struct Sandbox {
    /// The table's name. It need not exist.
    pub table: String,
    /// A client for looking at the table, and for attacking it.
    pub client: Client,
    /// Of the provider of this run. A key file is not there before the first builder is.
    pub master_key: MasterKey,
    directory: TempDir,
}

impl Sandbox {
    /// A sandbox of its own for one test; the table does not exist yet.
    ///
    /// # Panics
    /// If no DynamoDB can be started, or no KMS where one is needed.
    pub async fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let master_key = MasterKey::new(directory.path().join(KEY_FILE)).await;
        Self::with(name, directory, master_key).await
    }

    /// As [`Self::new`], with a key file whatever the provider of this run is: for tests of key files themselves.
    ///
    /// # Panics
    /// If no DynamoDB can be started.
    pub async fn with_key_file(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let master_key = MasterKey::File(directory.path().join(KEY_FILE));
        Self::with(name, directory, master_key).await
    }

    /// As [`Self::new`], with a key of KMS whatever the provider of this run is.
    ///
    /// # Panics
    /// If no DynamoDB or KMS can be started.
    pub async fn with_kms_key(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let arn = Kms::shared().create_key().await.expect("KMS makes a key");
        Self::with(name, directory, MasterKey::at(KeyPlace::Kms(arn)).await).await
    }

    async fn with(name: &str, directory: TempDir, master_key: MasterKey) -> Self {
        let client = DynamoDb::shared().client().await;
        Self { table: unique_table(name), client, master_key, directory }
    }

    /// A place for files of this test, removed with the sandbox.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The place of the key file, if it is one.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.path(KEY_FILE)
    }

    /// The key file, which must be there: for tests of key files.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn key(&self) -> LocalFile {
        LocalFile::open(self.key_path()).expect("the key file is there")
    }

    /// For a builder: the master key. A key file that is missing is made.
    ///
    /// # Panics
    /// If the key file cannot be used.
    #[must_use]
    pub fn keys(&self) -> KeySource {
        self.master_key.source()
    }

    /// The provider of the master key. A key file must be there.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn KeyProvider> {
        self.master_key.provider()
    }

    /// The environment in which `bes` is at home here, and knows of nothing else.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = DynamoDb::shared().variables();
        variables.extend(self.master_key.variables());
        variables.extend([
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("BES_TABLE", self.table.clone()),
            ("HOME", self.path("").display().to_string()),
        ]);
        variables
    }

    /// A builder for this table and this master key, with deadlines that a busy machine can keep.
    ///
    /// # Panics
    /// If the key file cannot be used.
    #[must_use]
    pub fn builder(&self) -> Builder {
        let patient = Deadlines { attempt: Duration::from_secs(20), operation: Duration::from_secs(120) };
        EncryptedStore::builder()
            .table(&self.table)
            .client(self.client.clone())
            .keys(self.keys())
            .deadlines(patient)
    }

    /// The store, initialised.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn store(&self) -> EncryptedStore {
        self.builder().init().await.expect("the store can be initialised")
    }

    /// A collection of a store of its own, initialised.
    ///
    /// # Panics
    /// If the store cannot be opened or a name is not valid.
    pub async fn collection(&self, tenant: &str, collection: &str) -> Collection {
        let tenant = self.store().await.tenant(tenant).expect("a valid name");
        tenant.collection(collection).expect("a valid name")
    }

    /// This table's client, sent through another endpoint.
    #[must_use]
    pub fn client_through(&self, endpoint: &str) -> Client {
        Client::from_conf(self.client.config().to_builder().endpoint_url(endpoint).build())
    }

    /// The item at a key, read behind the store's back.
    ///
    /// # Panics
    /// If DynamoDB fails.
    pub async fn item(&self, pk: &str, sk: &str) -> Option<Item> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        get.key("pk", s(pk)).key("sk", s(sk)).send().await.expect("the item can be read").item
    }

    /// Writes an item behind the store's back.
    ///
    /// # Panics
    /// If DynamoDB refuses it.
    pub async fn put_item(&self, item: Item) {
        let shown = format!("{item:?}");
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.unwrap_or_else(|error| panic!("{error:?}: {shown}"));
    }

    /// Deletes an item behind the store's back.
    ///
    /// # Panics
    /// If DynamoDB fails.
    pub async fn delete_item(&self, pk: &str, sk: &str) {
        let delete = self.client.delete_item().table_name(&self.table);
        delete.key("pk", s(pk)).key("sk", s(sk)).send().await.expect("the item can be deleted");
    }

    /// All items, in no order.
    ///
    /// # Panics
    /// If DynamoDB fails.
    pub async fn scan(&self) -> Vec<Item> {
        scan(&self.client, &self.table).await
    }

    /// All items but those of the audit log and its key, which opening a store makes.
    ///
    /// # Panics
    /// If DynamoDB fails.
    pub async fn scan_without_audit(&self) -> Vec<Item> {
        without_audit(self.scan().await)
    }

    /// The audit log as it stands, verified.
    ///
    /// # Panics
    /// If it is not sound, or there is no key file.
    pub async fn audit_log(&self) -> VerifiedLog {
        let log = VerifiedLog::read(&self.scan().await, &*self.provider()).await;
        log.unwrap_or_else(|found| panic!("{found:#?}"))
    }

    /// The items of one partition.
    ///
    /// # Panics
    /// If DynamoDB fails.
    pub async fn partition(&self, pk: &str) -> Vec<Item> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk));
        query.send().await.expect("the partition can be read").items.unwrap_or_default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let table = self.table.clone();
        let deletion = thread::spawn(move || {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                // A client of its own: the test's connections belong to the runtime that waits here.
                let client = DynamoDb::shared().client().await;
                // The table may never have been created.
                let _ = client.delete_table().table_name(table).send().await;
            });
        });
        deletion.join().expect("the deletion does not panic");
    }
}
