//! The real service's words for what DynamoDB Local never says, replayed: what each says of a group.

use std::sync::{Arc, Mutex};

use blue_encrypted_store::table::{Appended, GroupWrite, Store, StoreError, WriteRefusal};
use blue_tests::{Fate, Proxy};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{PATIENCE, Setting, create, is_done, segment, taken};

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
const FAILED: (&str, &str) = ("ConditionalCheckFailed", "The conditional request failed");
const INVALID: (&str, &str) = ("ValidationError", "Item size has exceeded the maximum allowed size");
const COLLECTION: (&str, &str) = ("ItemCollectionSizeLimitExceeded", "Collection size exceeded.");
const DENIED: (&str, &str) = ("AccessDenied", "User is not authorized to perform: dynamodb:PutItem");

fn reason((code, message): (&str, &str)) -> Value {
    json!({ "Code": code, "Message": message })
}

fn none() -> Value {
    json!({ "Code": "None" })
}

fn cancelled(reasons: &[Value]) -> (u16, String) {
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
    (400, body.to_string())
}

fn error(status: u16, code: &str, message: &str) -> (u16, String) {
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message });
    (status, body.to_string())
}

/// A store whose attempts to append meet one answer after the other, and whose reads go through.
struct Replies {
    setting: Setting,
    proxy: Proxy,
    store: Store,
    next: Arc<Mutex<Option<(u16, String)>>>,
}

impl Replies {
    async fn new(name: &str) -> Self {
        let setting = Setting::new(name).await;
        let next = Arc::new(Mutex::new(None));
        let replies: Arc<Mutex<Option<(u16, String)>>> = next.clone();
        let proxy = Proxy::start(move |request| {
            let append = matches!(request.operation.as_str(), "PutItem" | "TransactWriteItems");
            let reply = if append { replies.lock().unwrap().take() } else { None };
            async move { reply.map_or(Fate::Forward, |(status, body)| Fate::Answer(status, body)) }
        })
        .await;
        let store = setting.through(&proxy);
        Self { setting, proxy, store, next }
    }

    /// What an attempt is taken for that meets this answer.
    async fn to(&self, writes: &[GroupWrite], answer: (u16, String)) -> Appended {
        let requests = || ["PutItem", "TransactWriteItems"].map(|operation| self.proxy.seen(operation));
        let before: u32 = requests().iter().sum();
        *self.next.lock().unwrap() = Some(answer);
        let appended = self.store.append_segment(&segment(0, 1), writes, Uuid::new_v4(), PATIENCE).await;
        assert_eq!(requests().iter().sum::<u32>(), before + 1, "one attempt, and no other");
        assert_eq!(*self.next.lock().unwrap(), None);
        appended
    }
}

fn writes() -> Vec<GroupWrite> {
    ["0", "1", "2"].map(create).into()
}

/// The reasons of a group of three writes, with this one at a position: 0 is the segment's.
fn only_at(position: usize, bad: Value) -> Vec<Value> {
    let mut reasons = vec![none(); 4];
    reasons[position] = bad;
    reasons
}

#[tokio::test]
async fn what_is_in_the_segments_way_for_a_moment_leaves_the_group_undone() {
    let replies = Replies::new("segment-busy").await;
    for transient in [CONFLICT, THROTTLED, EXCEEDED] {
        let appended = replies.to(&writes(), cancelled(&only_at(0, reason(transient)))).await;
        let Appended::NotDone(StoreError::Unavailable { source, .. }) = &appended else {
            panic!("{appended:?}");
        };
        assert_eq!(source.to_string(), format!("the segment: {}: {}", transient.0, transient.1));
        // Whatever else there is.
        let mut all = vec![reason(FAILED); 4];
        all[0] = reason(transient);
        let appended = replies.to(&writes(), cancelled(&all)).await;
        assert!(matches!(appended, Appended::NotDone(_)), "{appended:?}");
    }
}

#[tokio::test]
async fn what_is_in_a_writes_way_for_a_moment_is_said_of_that_write() {
    let replies = Replies::new("write-busy").await;
    for transient in [CONFLICT, THROTTLED, EXCEEDED] {
        for position in 0..3 {
            let answer = cancelled(&only_at(1 + position, reason(transient)));
            let appended = replies.to(&writes(), answer).await;
            let Appended::Refused(refused) = &appended else { panic!("{appended:?}") };
            let [(at, WriteRefusal::Busy(StoreError::Unavailable { source, .. }))] = &refused[..] else {
                panic!("{refused:?}");
            };
            assert_eq!(*at, position);
            let text = format!("alice/inbox/note/{position}: {}: {}", transient.0, transient.1);
            assert_eq!(source.to_string(), text);
        }
    }
}

#[tokio::test]
async fn each_write_has_the_reason_in_its_place() {
    let replies = Replies::new("reasons").await;
    let mut found = reason(FAILED);
    found["Item"] = json!({
        "pk": { "S": "R#alice#inbox" }, "sk": { "S": "note#1" }, "_v": { "N": "77" }, "_e": { "B": "AAAA" },
    });
    let reasons = [none(), reason(THROTTLED), found, reason(FAILED)];
    let appended = replies.to(&writes(), cancelled(&reasons)).await;
    let Appended::Refused(refused) = appended else { panic!("{appended:?}") };
    let [(0, WriteRefusal::Busy(_)), (1, WriteRefusal::Condition(Some(current))), (2, absent)] = &refused[..]
    else {
        panic!("{refused:?}");
    };
    assert_eq!(current.clone().into_record().unwrap().version, 77);
    assert!(matches!(absent, WriteRefusal::Condition(None)), "{absent:?}");
}

#[tokio::test]
async fn what_no_repetition_changes_fails_the_group() {
    let replies = Replies::new("invalid").await;
    for invalid in [INVALID, COLLECTION, DENIED] {
        for position in 0..4 {
            let appended = replies.to(&writes(), cancelled(&only_at(position, reason(invalid)))).await;
            let Appended::Failed(error) = &appended else { panic!("{appended:?}") };
            let denied = matches!(error, StoreError::Denied { .. });
            assert_eq!(denied, invalid == DENIED, "{error:?}");
            let cause = std::error::Error::source(error).unwrap().to_string();
            assert!(cause.ends_with(&format!("{}: {}", invalid.0, invalid.1)), "{cause}");
        }
    }
}

#[tokio::test]
async fn a_cancellation_that_cannot_be_read_says_nothing() {
    let replies = Replies::new("unread").await;
    let no_list = error(400, "TransactionCanceledException", "Transaction cancelled");
    let no_array = r#"{"__type":"x#TransactionCanceledException","CancellationReasons":{"Code":"None"}}"#;
    for answer in [
        no_list,
        (400, no_array.to_owned()),
        cancelled(&[]),
        cancelled(&[reason(FAILED)]),
        cancelled(&[none(), none(), reason(FAILED)]),
        cancelled(&[none(), none(), none(), none(), reason(FAILED)]),
        cancelled(&vec![none(); 4]),
    ] {
        let appended = replies.to(&writes(), answer.clone()).await;
        assert!(
            matches!(appended, Appended::Unanswered(StoreError::OutcomeUnknown { .. })),
            "{answer:?}: {appended:?}"
        );
    }
}

#[tokio::test]
async fn a_segment_in_the_way_is_read_if_the_service_does_not_show_it() {
    let replies = Replies::new("unseen").await;
    let alone = || error(400, "ConditionalCheckFailedException", FAILED.1);
    let together = || cancelled(&only_at(0, reason(FAILED)));
    // Nothing lies there any more, as if an attacker had deleted it.
    for appended in [replies.to(&[], alone()).await, replies.to(&writes(), together()).await] {
        let Appended::NotDone(StoreError::Unavailable { source, .. }) = &appended else {
            panic!("{appended:?}");
        };
        assert_eq!(source.to_string(), "the segment's place was taken, and is free again");
    }
    assert!(is_done(&replies.setting.append(&segment(0, 9), &[]).await));
    for appended in [replies.to(&[], alone()).await, replies.to(&writes(), together()).await] {
        assert_eq!(taken(appended).unwrap(), segment(0, 9));
    }
    assert_eq!(replies.proxy.seen("GetItem"), 4);
}

#[tokio::test]
async fn an_item_from_another_place_is_not_taken_for_the_one_in_the_way() {
    let replies = Replies::new("elsewhere").await;
    let found = json!({ "pk": { "S": "A#main" }, "sk": { "S": "00000000000000000001" } });
    let mut reason = reason(FAILED);
    reason["Item"] = found.clone();
    let alone = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": FAILED.1,
        "Item": found,
    });
    for appended in [
        replies.to(&[], (400, alone.to_string())).await,
        replies.to(&writes(), cancelled(&only_at(0, reason))).await,
    ] {
        assert_eq!(taken(appended).unwrap_err().reason, "another item was asked for");
    }
    assert_eq!(replies.proxy.seen("GetItem"), 0);
}

#[derive(Debug, PartialEq)]
enum End {
    NotDone,
    Unanswered,
    Refused,
    Denied,
    TableMissing,
}

fn end(appended: Appended) -> End {
    match appended {
        Appended::NotDone(StoreError::Unavailable { attempts: 1, .. }) => End::NotDone,
        Appended::Unanswered(StoreError::OutcomeUnknown { attempts: 1, .. }) => End::Unanswered,
        Appended::Failed(StoreError::Refused { .. }) => End::Refused,
        Appended::Failed(StoreError::Denied { .. }) => End::Denied,
        Appended::Failed(StoreError::TableMissing { .. }) => End::TableMissing,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_of_the_whole_request_is_sorted_by_what_it_says_was_done() {
    let replies = Replies::new("errors").await;
    let mut cases = 0;
    for (answer, expected) in [
        (error(400, "ProvisionedThroughputExceededException", "later"), End::NotDone),
        (error(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput."), End::NotDone),
        (error(400, "RequestLimitExceeded", "later"), End::NotDone),
        (error(400, "TransactionConflictException", CONFLICT.1), End::NotDone),
        (error(500, "InternalServerError", "Internal server error"), End::Unanswered),
        (error(503, "ServiceUnavailable", "later"), End::Unanswered),
        ((500, String::new()), End::Unanswered),
        ((502, "<html>bad gateway</html>".to_owned()), End::Unanswered),
        ((200, "<html>welcome</html>".to_owned()), End::Unanswered),
        ((400, "<html>bad request</html>".to_owned()), End::Unanswered),
        ((400, "{}".to_owned()), End::Unanswered),
        (error(400, "ValidationException", "1 validation error detected"), End::Refused),
        (error(400, "AccessDeniedException", DENIED.1), End::Denied),
        (error(400, "ExpiredTokenException", "The security token included is expired"), End::Denied),
        (error(400, "ResourceNotFoundException", "Requested resource not found"), End::TableMissing),
    ] {
        for writes in [vec![], writes()] {
            let shown = format!("{answer:?} to {} writes", writes.len());
            assert_eq!(end(replies.to(&writes, answer.clone()).await), expected, "{shown}");
            cases += 1;
        }
    }
    // These are answers to transactions alone.
    for (answer, expected) in [
        (
            error(
                400,
                "TransactionInProgressException",
                "Transaction is ongoing for the client request token",
            ),
            End::Unanswered,
        ),
        (
            error(400, "IdempotentParameterMismatchException", "The request parameters do not match"),
            End::Refused,
        ),
    ] {
        assert_eq!(end(replies.to(&writes(), answer).await), expected);
        cases += 1;
    }
    assert_eq!(cases, 32);
    assert_eq!(replies.setting.stored_segment(0).await, None, "none of them reached the database");
}
