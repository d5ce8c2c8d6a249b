//! The table itself: whether it is there, whether it is ours, and how it comes and goes.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
        TableStatus, TimeToLiveStatus,
    },
};
use blue_address::Namespace;

use crate::{
    Deadline, Deadlines, Meta, Store, StoreError, TableError,
    calls::{GaveUp, Turns, ask, backoff, call, service_error},
    item::{Condition, Item, PK, SK},
    meta::meta_key,
    telemetry::Telemetry,
};

/// How long a table may take to be created or deleted.
const SETTLING: Duration = Duration::from_secs(120);

/// A table by name. It need not exist yet.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) deadlines: Deadlines,
    pub(crate) turns: Turns,
    pub(crate) telemetry: Telemetry,
}

/// What DynamoDB says of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Its ARN.
    pub arn: String,
    /// Its id, if the service gives one. A restored table has another.
    pub table_id: Option<String>,
}

impl Description {
    /// Whether this is a table of DynamoDB Local. Its ARN decides, which no account of AWS can have; the
    /// endpoint does not.
    #[must_use]
    pub fn is_dynamodb_local(&self) -> bool {
        self.arn.starts_with("arn:aws:dynamodb:ddblocal:000000000000:")
    }
}

/// A table that is fit to be a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examined {
    /// What DynamoDB says of it.
    pub description: Description,
    /// What it says of itself; nothing yet if it is empty.
    pub meta: Option<Meta>,
}

impl Table {
    /// The table `name` as `client` reaches it. The client's own retries are switched off for it; this crate
    /// retries itself.
    #[must_use]
    pub fn new(client: &Client, name: impl Into<String>, deadlines: Deadlines) -> Self {
        let config = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let name = name.into();
        let telemetry = Telemetry::of(&name);
        Self { client: Client::from_conf(config), name, deadlines, turns: Turns::new(), telemetry }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What DynamoDB says of it, or `None` if there is no such table.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or denies it.
    pub async fn describe(&self) -> Result<Option<Description>, StoreError> {
        Ok(self.describe_in_full().await?.map(|table| description(&table)))
    }

    /// Looks whether the table can serve as a store: its schema, that nothing deletes its items unseen, that
    /// no other Region writes it, and that it is either empty or already a store.
    ///
    /// # Errors
    /// [`StoreError::TableMissing`] if it is not there, else the [`TableError`] that says what stands against it.
    pub async fn examine(&self, writer_region: Option<&str>) -> Result<Examined, TableError> {
        let table = self.describe_in_full().await?.ok_or_else(|| self.missing())?;
        self.check_status(&table)?;
        self.check_schema(&table)?;
        self.check_replicas(&table, writer_region)?;
        self.check_time_to_live().await?;
        let mut meta = self.read_meta().await?;
        if meta.is_none() && !self.is_empty().await? {
            // Another process may have made it a store between the two looks: META is its first item.
            meta = self.read_meta().await?;
            if meta.is_none() {
                return Err(TableError::NotOurs { table: self.name.clone() });
            }
        }
        Ok(Examined { description: description(&table), meta })
    }

    /// Creates the table with on-demand capacity and waits until it is active. An existing table is left as
    /// it is.
    ///
    /// # Errors
    /// [`TableError::NotActive`] if that takes longer than two minutes.
    pub async fn create(&self) -> Result<(), TableError> {
        let deadline = Instant::now() + SETTLING;
        for attempt in 0.. {
            match self.status().await? {
                Some(TableStatus::Active) => break,
                // Also one that was being deleted a moment ago, and could not be created before it was gone.
                None => self.send_create().await?,
                Some(_) => {}
            }
            self.pause(attempt, deadline).await?;
        }
        Ok(())
    }

    /// Deletes the table with everything in it and waits until it is gone. A table that is not there is fine.
    ///
    /// # Errors
    /// [`TableError::NotActive`] if that takes longer than two minutes.
    pub async fn delete(&self) -> Result<(), TableError> {
        let deadline = Instant::now() + SETTLING;
        let request = self.client.delete_table().table_name(&self.name);
        let deleted = call("DeleteTable", self, self.deadlines.start(), || request.clone().send()).await;
        match deleted.map_err(GaveUp::unavailable)?.answer {
            Ok(_) => {}
            Err(error) if error.is_resource_not_found_exception() => {}
            Err(error) => return Err(service_error("DeleteTable", &self.name, error).into()),
        }
        for attempt in 0.. {
            if self.status().await?.is_none() {
                break;
            }
            self.pause(attempt, deadline).await?;
        }
        Ok(())
    }

    /// Makes an empty table a store, and gives back its META: `meta`, or what another process wrote first.
    ///
    /// # Errors
    /// [`TableError`] if it cannot be written or read.
    pub async fn initialise(&self, meta: &Meta) -> Result<Meta, TableError> {
        // What could not be read back is not written: an odd UMK id would spoil the table.
        Meta::decode(&self.name, &meta.encode())?;
        self.write_once(meta.encode(), self.deadlines.start()).await?;
        // Read what stands there, not what was sent: an unanswered attempt may have been overtaken.
        self.read_meta().await?.ok_or_else(|| TableError::NotOurs { table: self.name.clone() })
    }

    /// The store in this table, whose META must be of `namespace`.
    ///
    /// # Errors
    /// [`TableError::Namespace`].
    pub fn open(self, meta: &Meta, namespace: &Namespace) -> Result<Store, TableError> {
        self.check_namespace(meta, namespace)?;
        Ok(Store::new(self, meta.created))
    }

    /// Whether this table's META is of `namespace`.
    ///
    /// # Errors
    /// [`TableError::Namespace`].
    pub fn check_namespace(&self, meta: &Meta, namespace: &Namespace) -> Result<(), TableError> {
        if meta.namespace == namespace.as_str() {
            return Ok(());
        }
        Err(TableError::Namespace {
            table: self.name.clone(),
            found: meta.namespace.clone(),
            configured: namespace.to_string(),
        })
    }

    pub(crate) async fn describe_in_full(&self) -> Result<Option<TableDescription>, StoreError> {
        let request = self.client.describe_table().table_name(&self.name);
        let described = call("DescribeTable", self, self.deadlines.start(), || request.clone().send()).await;
        match described.map_err(GaveUp::unavailable)?.answer {
            Ok(answer) => Ok(answer.table),
            Err(error) if error.is_resource_not_found_exception() => Ok(None),
            Err(error) => Err(service_error("DescribeTable", &self.name, error)),
        }
    }

    pub(crate) fn missing(&self) -> StoreError {
        StoreError::TableMissing { table: self.name.clone() }
    }

    pub(crate) fn check_status(&self, table: &TableDescription) -> Result<(), TableError> {
        match &table.table_status {
            Some(status @ (TableStatus::Creating | TableStatus::Deleting)) => Err(TableError::NotActive {
                table: self.name.clone(),
                status: status.as_str().to_lowercase(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_schema(&self, table: &TableDescription) -> Result<(), TableError> {
        let keys: Vec<_> =
            table.key_schema().iter().map(|k| (k.attribute_name(), k.key_type().as_str())).collect();
        let not_strings: Vec<_> = table
            .attribute_definitions()
            .iter()
            .filter(|a| {
                matches!(a.attribute_name(), PK | SK) && *a.attribute_type() != ScalarAttributeType::S
            })
            .map(AttributeDefinition::attribute_name)
            .collect();
        let difference = if keys != [(PK, "HASH"), (SK, "RANGE")] {
            let found: Vec<_> = keys.iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
            format!("its keys are {}, not pk (HASH), sk (RANGE)", found.join(", "))
        } else if not_strings.is_empty() {
            return Ok(());
        } else {
            format!("{} should be of type S (string)", not_strings.join(" and "))
        };
        Err(TableError::Schema { table: self.name.clone(), difference })
    }

    pub(crate) fn check_replicas(
        &self,
        table: &TableDescription,
        writer_region: Option<&str>,
    ) -> Result<(), TableError> {
        let replicas = replicas(table);
        let region = self.client.config().region().map_or("unknown", AsRef::as_ref);
        if replicas.is_empty() || writer_region == Some(region) {
            return Ok(());
        }
        Err(TableError::Replicated {
            table: self.name.clone(),
            replicas,
            writer_region: writer_region.map(str::to_owned),
            region: region.to_owned(),
        })
    }

    /// Looks whether anything in the table is deleted by time to live, which no audit log would see.
    ///
    /// # Errors
    /// [`TableError::TimeToLive`] if so; [`StoreError`] if it could not be asked.
    pub async fn check_time_to_live(&self) -> Result<(), TableError> {
        let request = self.client.describe_time_to_live().table_name(&self.name);
        let answer =
            ask("DescribeTimeToLive", self, self.deadlines.start(), || request.clone().send()).await?;
        match answer.time_to_live_description {
            Some(ttl)
                if matches!(
                    ttl.time_to_live_status,
                    Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
                ) =>
            {
                Err(TableError::TimeToLive {
                    table: self.name.clone(),
                    attribute: ttl.attribute_name.unwrap_or_default(),
                })
            }
            _ => Ok(()),
        }
    }

    /// What the table says of itself; `None` if it is no store, or not yet.
    ///
    /// # Errors
    /// [`TableError`] if it could not be read, or is of another layout.
    pub async fn read_meta(&self) -> Result<Option<Meta>, TableError> {
        let item = self.read_item(meta_key(), self.deadlines.start()).await?;
        item.map(|item| Meta::decode(&self.name, &item)).transpose()
    }

    /// One item, strongly consistent.
    pub(crate) async fn read_item(&self, key: Item, deadline: Deadline) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(ask("GetItem", self, deadline, || request.clone().send()).await?.item)
    }

    /// Writes an item unless one is there; either is fine.
    pub(crate) async fn write_once(&self, item: Item, deadline: Deadline) -> Result<(), StoreError> {
        let request = self.put_item(item, Condition::absent());
        let put = call("PutItem", self, deadline, || request.clone().send()).await;
        match put.map_err(GaveUp::unavailable)?.answer {
            Ok(_) => Ok(()),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(service_error("PutItem", &self.name, error)),
        }
    }

    /// Whether there is no item in it.
    ///
    /// Rights: `dynamodb:Scan`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let request = self.client.scan().table_name(&self.name).limit(1).consistent_read(true);
        let answer = ask("Scan", self, self.deadlines.start(), || request.clone().send()).await?;
        Ok(answer.items().is_empty() && answer.last_evaluated_key.is_none())
    }

    async fn send_create(&self) -> Result<(), StoreError> {
        let request = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some([PK, SK].map(string_attribute).into()))
            .set_key_schema(Some(vec![key_element(PK, KeyType::Hash), key_element(SK, KeyType::Range)]));
        let created = call("CreateTable", self, self.deadlines.start(), || request.clone().send()).await;
        match created.map_err(GaveUp::unavailable)?.answer {
            Ok(_) => Ok(()),
            Err(error) if error.is_resource_in_use_exception() => Ok(()),
            Err(error) => Err(service_error("CreateTable", &self.name, error)),
        }
    }

    async fn status(&self) -> Result<Option<TableStatus>, StoreError> {
        Ok(self.describe_in_full().await?.and_then(|table| table.table_status))
    }

    /// Waits before the next look at a table that is not as it should be.
    async fn pause(&self, attempt: u32, deadline: Instant) -> Result<(), TableError> {
        if Instant::now() >= deadline {
            let status = self.status().await?;
            let status = status.map_or("missing".to_owned(), |status| status.as_str().to_lowercase());
            return Err(TableError::NotActive { table: self.name.clone(), status });
        }
        tokio::time::sleep(backoff(attempt)).await;
        Ok(())
    }
}

/// The other Regions that the table is in.
pub(crate) fn replicas(table: &TableDescription) -> Vec<String> {
    table.replicas().iter().filter_map(|replica| replica.region_name().map(str::to_owned)).collect()
}

pub(crate) fn description(table: &TableDescription) -> Description {
    Description {
        arn: table.table_arn().unwrap_or_default().to_owned(),
        table_id: table.table_id().map(str::to_owned),
    }
}

fn string_attribute(name: &str) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("name and type are set")
}

fn key_element(name: &str, key_type: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(key_type)
        .build()
        .expect("name and type are set")
}
