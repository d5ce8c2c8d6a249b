//! What DescribeTable says of a table in an account. DynamoDB Local's have neither id nor replicas.

use serde_json::json;

use crate::{Fate, Proxy};

/// The answer of the real service for a table of this name, with this id and replicas in these Regions.
#[must_use]
pub fn described_table(table: &str, table_id: Option<&str>, replicas: &[&str]) -> String {
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let mut table = json!({
        "TableName": table,
        "TableArn": format!("arn:aws:dynamodb:us-east-1:123456789012:table/{table}"),
        "TableStatus": "ACTIVE",
        "AttributeDefinitions": [attribute("pk"), attribute("sk")],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "Replicas": replicas.iter().map(|region| json!({"RegionName": region})).collect::<Vec<_>>(),
    });
    if let Some(id) = table_id {
        table["TableId"] = json!(id);
    }
    json!({ "Table": table }).to_string()
}

/// A proxy that answers DescribeTable with this, and lets all else through.
pub async fn describing(described: String) -> Proxy {
    Proxy::start(move |request| {
        let described = described.clone();
        async move {
            if request.operation == "DescribeTable" { Fate::Answer(200, described) } else { Fate::Forward }
        }
    })
    .await
}
