//! What is known of copies of the table. DynamoDB Local knows of none, so the service's own answers are replayed.

use blue_encrypted_store::table::StoreError;
use blue_tests::{Fate, Proxy, described_table};
use serde_json::{Value, json};

use crate::Setting;

/// A way to the table on which the service answers these three so.
async fn answering(setting: &Setting, continuous: Fate, backups: [Value; 2], exports: Value) -> Proxy {
    let described = described_table(&setting.sandbox.table, None, &[]);
    Proxy::start(move |request| {
        let next_page = request.body.get("ExclusiveStartBackupArn").is_some();
        std::future::ready(match request.operation.as_str() {
            "DescribeTable" => Fate::Answer(200, described.clone()),
            "DescribeContinuousBackups" => continuous.clone(),
            "ListBackups" => Fate::Answer(200, backups[usize::from(next_page)].to_string()),
            "ListExports" => Fate::Answer(200, exports.to_string()),
            _ => Fate::Forward,
        })
    })
    .await
}

fn continuous(status: &str) -> Value {
    json!({ "ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {
            "PointInTimeRecoveryStatus": status,
            "EarliestRestorableDateTime": 1_767_225_600.0,
            "LatestRestorableDateTime": 1_767_312_000.0,
        },
    }})
}

#[tokio::test]
async fn every_copy_that_the_service_knows_of_is_told() {
    let setting = Setting::new("backups").await;
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/notes/backup/01489602797149-73d8d5bc";
    let export = "arn:aws:dynamodb:us-east-1:123456789012:table/notes/export/01695353076000-06e2188f";
    let backup =
        |i: u32| json!({ "BackupArn": format!("{arn}{i}"), "BackupCreationDateTime": 1_767_225_600.0 });
    let pages = [
        json!({ "BackupSummaries": [backup(1), backup(2)], "LastEvaluatedBackupArn": format!("{arn}2") }),
        json!({ "BackupSummaries": [backup(3)] }),
    ];
    let exports = json!({ "ExportSummaries": [{ "ExportArn": export, "ExportStatus": "COMPLETED" }] });
    let enabled = Fate::Answer(200, continuous("ENABLED").to_string());
    let proxy = answering(&setting, enabled, pages.clone(), exports.clone()).await;
    let open = || async {
        let builder = setting.sandbox.builder().client(proxy.client(&setting.sandbox.client));
        builder.open().await.unwrap().backups().await
    };
    let found = open().await;
    let window = found.point_in_time.unwrap().unwrap();
    assert_eq!(window, ("2026-01-01T00:00:00Z".to_owned(), "2026-01-02T00:00:00Z".to_owned()));
    let backups = found.backups.unwrap();
    let arns: Vec<_> = backups.iter().map(|copy| copy.arn.as_str()).collect();
    assert_eq!(arns, [1, 2, 3].map(|i| format!("{arn}{i}")));
    assert!(backups.iter().all(|copy| copy.created.as_deref() == Some("2026-01-01T00:00:00Z")));
    assert_eq!(found.exports.unwrap()[0].arn, export);
    assert_eq!((proxy.seen("ListBackups"), proxy.seen("ListExports")), (2, 1));
}

#[tokio::test]
async fn what_is_off_is_told_apart_from_what_is_not_known() {
    let setting = Setting::new("backups-off").await;
    let none = [json!({ "BackupSummaries": [] }), json!({})];
    let off = Fate::Answer(200, continuous("DISABLED").to_string());
    let proxy = answering(&setting, off, none.clone(), json!({})).await;
    let store = setting.sandbox.builder().client(proxy.client(&setting.sandbox.client)).open().await.unwrap();
    let found = store.backups().await;
    assert_eq!(found.point_in_time.unwrap(), None);
    assert_eq!((found.backups.unwrap(), found.exports.unwrap()), (vec![], vec![]));

    let denied = Fate::refusal(400, "AccessDeniedException");
    let proxy = answering(&setting, denied, none, json!({})).await;
    let store = setting.sandbox.builder().client(proxy.client(&setting.sandbox.client)).open().await.unwrap();
    let found = store.backups().await;
    assert!(matches!(found.point_in_time, Err(StoreError::Denied { .. })), "{found:?}");
    assert_eq!(found.backups.unwrap(), []);
}
