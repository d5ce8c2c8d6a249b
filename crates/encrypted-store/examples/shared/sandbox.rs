//! What the tests of the examples share: a table and a master key of one test's own.

use std::{error::Error, sync::Arc, thread, time::Duration};

use aws_sdk_dynamodb::Client;
use blue_encrypted_store::{
    AwsKms, AwsKmsConfig, Builder, Deadlines, EncryptedStore, KeySource, LocalFile,
    blue_audit::{CryptoAuditEvent, Start, Step, Verdict, address::Chain},
};
use blue_testkit::{DynamoDb, Keys, Kms, unique_table};
use tempfile::TempDir;

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// When it goes, table and directory go with it.
pub(crate) struct Sandbox {
    pub(crate) table: String,
    pub(crate) client: Client,
    pub(crate) directory: TempDir,
    kms: Option<AwsKmsConfig>,
}

impl Sandbox {
    pub(crate) async fn new(name: &str) -> Self {
        let kms = match Keys::of_this_run() {
            Keys::Local => None,
            Keys::Kms => Some(AwsKmsConfig {
                connect_timeout: PATIENCE,
                attempt_timeout: PATIENCE,
                operation_timeout: PATIENCE,
                ..AwsKmsConfig::new(Kms::shared().create_key().await.unwrap())
            }),
        };
        let (client, directory) = (DynamoDb::shared().client().await, tempfile::tempdir().unwrap());
        Self { table: unique_table(name), client, directory, kms }
    }

    pub(crate) async fn builder(&self) -> Builder {
        let keys: KeySource = match &self.kms {
            Some(config) => {
                let kms = AwsKms::connect(&Kms::shared().client().await, config.clone()).await;
                Arc::new(kms.unwrap()).into()
            }
            None => LocalFile::open_or_create(self.directory.path().join("umk.key")).unwrap().into(),
        };
        let deadlines = Deadlines { attempt: PATIENCE, operation: 2 * PATIENCE };
        let builder = EncryptedStore::builder().table(&self.table).client(self.client.clone());
        builder.keys(keys).deadlines(deadlines)
    }

    /// The chain that the store writes to, of a log that verifies.
    pub(crate) async fn events(&self) -> Result<Vec<CryptoAuditEvent>, Box<dyn Error>> {
        let log = self.builder().await.open_audit().await?;
        let report = log.verify(&log.options()).await?;
        assert_eq!(report.verdict(), Verdict::Verified, "{report}");
        let mut chain = log.read(Chain::new("main")?, Start::Beginning);
        let mut events = Vec::new();
        while let Some(step) = chain.next().await? {
            match step {
                Step::Segment(segment) => events.extend(segment.events().map(CryptoAuditEvent::from)),
                Step::Finding(finding) => panic!("{finding}"),
            }
        }
        Ok(events)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let table = self.table.clone();
        let deletion = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                // A client of its own: the test's connections belong to the runtime that waits here.
                let client = DynamoDb::shared().client().await;
                // The table may never have been created.
                let _ = client.delete_table().table_name(table).send().await;
            });
        });
        deletion.join().expect("the deletion does not panic");
    }
}
