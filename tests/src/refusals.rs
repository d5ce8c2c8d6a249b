//! What the real service says when it is asked for too much, or for the same by two: DynamoDB Local never does.

use serde_json::{Value, json};

use crate::{Fate, Request};

const CONFLICT: (&str, &str) = ("TransactionConflict", "Transaction is ongoing for the item");
const THROTTLED: (&str, &str) = (
    "ThrottlingError",
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table \
     or index so please try again shortly.",
);
const EXCEEDED: (&str, &str) = (
    "ProvisionedThroughputExceeded",
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
     provisioning level with the UpdateTable API",
);

impl Fate {
    /// The service throttles: nothing was carried out. Which of its ways, `draw` says.
    #[must_use]
    pub fn throttled(draw: u8) -> Self {
        Self::refusal(
            400,
            ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]
                [usize::from(draw % 3)],
        )
    }

    /// Another request is in the way of this write: nothing was carried out. Which of its ways, and of which item of
    /// a transaction, `draw` says. What is no write is throttled: reads contend with nothing.
    #[must_use]
    pub fn contended(request: &Request, draw: u8) -> Self {
        match request.operation.as_str() {
            "TransactWriteItems" => {
                let items = request.body["TransactItems"].as_array().map_or(1, Vec::len).max(1);
                let reason = [CONFLICT, THROTTLED, EXCEEDED, CONFLICT][usize::from(draw % 4)];
                let mut reasons: Vec<Value> = vec![json!({ "Code": "None" }); items];
                reasons[usize::from(draw) / 4 % items] = json!({ "Code": reason.0, "Message": reason.1 });
                cancelled(&reasons)
            }
            "PutItem" | "DeleteItem" => Self::refusal(400, "TransactionConflictException"),
            _ => Self::throttled(draw),
        }
    }
}

fn cancelled(reasons: &[Value]) -> Fate {
    let codes: Vec<_> = reasons.iter().map(|reason| reason["Code"].as_str().unwrap_or_default()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": reasons,
        "Message": message,
    });
    Fate::Answer(400, body.to_string())
}
