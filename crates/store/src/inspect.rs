//! A table looked at part by part, for whoever wants to know all that stands against it and not only the first thing.

use crate::{
    Description, StoreError, Table, TableError,
    table::{description, replicas},
};

/// What the service's description says of a table. [`Table::examine`] refuses a table for the first error in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspected {
    /// Its ARN and id.
    pub description: Description,
    /// Its status, in lower case: `active`, `updating`, `archived`, …
    pub status: String,
    /// Whether it is neither being made nor being deleted, and its keys are `pk` and `sk`, both strings.
    pub shape: Result<(), TableError>,
    /// The other Regions that it is in.
    pub replicas: Vec<String>,
    /// Whether this process may write it for all that is known of its replicas.
    pub writer: Result<(), TableError>,
    /// Whether it cannot be deleted by one call.
    pub deletion_protection: bool,
}

impl Table {
    /// What the service's description says of the table; `None` if there is no such table. Of what is in it, nothing.
    ///
    /// Rights: `dynamodb:DescribeTable`.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or denies it.
    pub async fn inspect(&self, writer_region: Option<&str>) -> Result<Option<Inspected>, StoreError> {
        let Some(table) = self.describe_in_full().await? else { return Ok(None) };
        Ok(Some(Inspected {
            description: description(&table),
            status: table.table_status().map_or_else(String::new, |status| status.as_str().to_lowercase()),
            shape: self.check_status(&table).and_then(|()| self.check_schema(&table)),
            replicas: replicas(&table),
            writer: self.check_replicas(&table, writer_region),
            deletion_protection: table.deletion_protection_enabled().unwrap_or_default(),
        }))
    }
}
