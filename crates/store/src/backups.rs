//! Where else a table's items lie: what the service knows of backups, exports and points in time to restore to.

use aws_sdk_dynamodb::{
    primitives::{DateTime, DateTimeFormat},
    types::{BackupTypeFilter, PointInTimeRecoveryStatus},
};

use crate::{
    StoreError, Table,
    calls::{Deadline, ask},
};

/// What the service knows of copies of a table. Each part can be unknown for a reason of its own: a right that is missing, or a
/// service that has no such thing, as DynamoDB Local. Of copies that were made by reading the table, it knows nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Backups {
    /// The first and the last moment that the table can be restored to, in RFC 3339; `None` if point-in-time recovery is off.
    pub point_in_time: Result<Option<(String, String)>, StoreError>,
    /// The backups, those of AWS Backup among them.
    pub backups: Result<Vec<TableCopy>, StoreError>,
    /// The exports to S3 of the last 90 days.
    pub exports: Result<Vec<TableCopy>, StoreError>,
}

/// A copy of a table, at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableCopy {
    /// Its ARN.
    pub arn: String,
    /// When it was made, in RFC 3339, if the service says so.
    pub created: Option<String>,
}

impl Table {
    /// Asks the service for every copy of the table that it knows of.
    ///
    /// Rights: `dynamodb:DescribeContinuousBackups`, `dynamodb:ListBackups`, `dynamodb:ListExports`.
    pub async fn backups(&self) -> Backups {
        let (point_in_time, backups, exports) =
            tokio::join!(self.point_in_time(), self.list_backups(), self.list_exports());
        Backups { point_in_time, backups, exports }
    }

    /// The first and the last moment that the table can be restored to, in RFC 3339; `None` if point-in-time recovery is off.
    ///
    /// Rights: `dynamodb:DescribeContinuousBackups`.
    ///
    /// # Errors
    /// [`StoreError`]; DynamoDB Local refuses the question.
    pub async fn point_in_time(&self) -> Result<Option<(String, String)>, StoreError> {
        let request = self.client.describe_continuous_backups().table_name(&self.name);
        let deadline = self.deadlines.start();
        let answer = ask("DescribeContinuousBackups", self, deadline, || request.clone().send()).await?;
        let described = answer.continuous_backups_description;
        let recovery = described.and_then(|described| described.point_in_time_recovery_description);
        let recovery = recovery.filter(|recovery| {
            recovery.point_in_time_recovery_status == Some(PointInTimeRecoveryStatus::Enabled)
        });
        Ok(recovery.map(|recovery| {
            let moment = |time: Option<DateTime>| text(time).unwrap_or_default();
            (moment(recovery.earliest_restorable_date_time), moment(recovery.latest_restorable_date_time))
        }))
    }

    async fn list_backups(&self) -> Result<Vec<TableCopy>, StoreError> {
        let mut found = Vec::new();
        let mut from = None;
        let deadline: Deadline = self.deadlines.start();
        loop {
            let request = self
                .client
                .list_backups()
                .table_name(&self.name)
                .backup_type(BackupTypeFilter::All)
                .set_exclusive_start_backup_arn(from);
            let answer = ask("ListBackups", self, deadline, || request.clone().send()).await?;
            let backups = answer.backup_summaries.unwrap_or_default();
            found.extend(backups.into_iter().map(|backup| TableCopy {
                arn: backup.backup_arn.unwrap_or_default(),
                created: text(backup.backup_creation_date_time),
            }));
            from = answer.last_evaluated_backup_arn;
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    async fn list_exports(&self) -> Result<Vec<TableCopy>, StoreError> {
        let described = self.describe().await?.ok_or_else(|| self.missing())?;
        let arn = described.arn;
        let mut found = Vec::new();
        let mut from = None;
        let deadline: Deadline = self.deadlines.start();
        loop {
            let request = self.client.list_exports().table_arn(&arn).set_next_token(from);
            let answer = ask("ListExports", self, deadline, || request.clone().send()).await?;
            let exports = answer.export_summaries.unwrap_or_default();
            found.extend(
                exports
                    .into_iter()
                    .map(|export| TableCopy { arn: export.export_arn.unwrap_or_default(), created: None }),
            );
            from = answer.next_token;
            if from.is_none() {
                return Ok(found);
            }
        }
    }
}

fn text(time: Option<DateTime>) -> Option<String> {
    time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok())
}
