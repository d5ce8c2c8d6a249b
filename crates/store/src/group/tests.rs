//! What the reasons of a cancelled transaction say.

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use aws_sdk_dynamodb::{Client, config};
use blue_address::ItemAttributes;

use super::*;
use crate::{Put, RecordWrite, Table, WRITE_ID_LEN, item};

fn writes(count: usize) -> Vec<GroupWrite> {
    let write = |i: usize| RecordWrite {
        path: format!("alice/inbox/note/{i}").parse().unwrap(),
        version: 1,
        envelope: vec![0; WRITE_ID_LEN],
        attributes: ItemAttributes::default(),
    };
    (0..count).map(|i| GroupWrite::put(write(i), Put::Create).unwrap()).collect()
}

fn reason(code: &str) -> CancellationReason {
    CancellationReason::builder().code(code).message("words of the service").build()
}

/// What the reasons say of a segment and so many writes.
fn judge(reasons: Vec<CancellationReason>, count: usize) -> Verdict {
    let writes = writes(count);
    super::judge(reasons, &writes.iter().collect::<Vec<_>>())
}

/// What a transaction of a segment and as many writes as there are further reasons says.
fn judged(codes: &[&str]) -> Verdict {
    judge(codes.iter().map(|code| reason(code)).collect(), codes.len() - 1)
}

fn ended(verdict: Verdict) -> Appended {
    match verdict {
        Verdict::Ended(appended) => appended,
        Verdict::Taken(found) => panic!("taken by {found:?}"),
    }
}

const TRANSIENT: [&str; 3] = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
const INVALID: [&str; 4] = ["ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied", "Whatever"];

#[test]
fn what_is_in_the_way_of_the_segment_goes_before_what_is_in_the_way_of_a_write() {
    let of_write = TRANSIENT.into_iter().chain(INVALID).chain(["ConditionalCheckFailed", "None"]);
    for other in of_write {
        assert!(matches!(judged(&["ConditionalCheckFailed", other]), Verdict::Taken(None)), "{other}");
        for busy in TRANSIENT {
            let appended = ended(judged(&[busy, other]));
            let Appended::NotDone(StoreError::Unavailable { source, .. }) = &appended else {
                panic!("{appended:?}");
            };
            assert_eq!(source.to_string(), format!("the segment: {busy}: words of the service"));
        }
        for invalid in INVALID {
            let appended = ended(judged(&[invalid, other]));
            let Appended::Failed(StoreError::Refused { source, .. } | StoreError::Denied { source, .. }) =
                &appended
            else {
                panic!("{appended:?}");
            };
            assert_eq!(source.to_string(), format!("the segment: {invalid}: words of the service"));
        }
    }
}

#[test]
fn a_segment_in_the_place_is_given_back() {
    let found = item::key("A#main", "00000000000000000000");
    let taken = CancellationReason::builder().code("ConditionalCheckFailed").set_item(Some(found.clone()));
    let verdict = judge(vec![taken.build(), reason("None")], 1);
    assert!(matches!(verdict, Verdict::Taken(Some(item)) if item == found));
}

#[test]
fn each_write_that_is_in_the_way_is_named_by_its_position() {
    let found = item::key("R#alice#inbox", "note#1");
    let failed = CancellationReason::builder().code("ConditionalCheckFailed").set_item(Some(found));
    let reasons = vec![
        CancellationReason::builder().build(),
        reason("None"),
        failed.build(),
        reason("TransactionConflict"),
        reason("None"),
        reason("ConditionalCheckFailed"),
        reason("ThrottlingError"),
        reason("ProvisionedThroughputExceeded"),
    ];
    let Appended::Refused(refused) = ended(judge(reasons, 7)) else { panic!("not refused") };
    let positions: Vec<_> = refused.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [1, 2, 4, 5, 6]);
    for (position, refusal) in refused {
        match (position, refusal) {
            (1, WriteRefusal::Condition(Some(current))) => {
                let reason = current.into_record().unwrap_err().reason;
                assert_eq!(reason, "_v is no version", "the item that was found, and not another");
            }
            (4, WriteRefusal::Condition(None)) => {}
            (2 | 5 | 6, WriteRefusal::Busy(StoreError::Unavailable { source, .. })) => {
                let text = source.to_string();
                assert!(text.starts_with(&format!("alice/inbox/note/{position}: ")), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_write_that_can_never_be_done_fails_the_group_and_is_named() {
    for invalid in INVALID {
        for others in [["None", "None"], ["ConditionalCheckFailed", "TransactionConflict"]] {
            let appended = ended(judged(&["None", others[0], invalid, others[1]]));
            let Appended::Failed(error) = &appended else { panic!("{appended:?}") };
            let (StoreError::Refused { source, .. } | StoreError::Denied { source, .. }) = error else {
                panic!("{error:?}");
            };
            assert_eq!(source.to_string(), format!("alice/inbox/note/1: {invalid}: words of the service"));
            assert_eq!(matches!(error, StoreError::Denied { .. }), invalid == "AccessDenied");
        }
    }
}

#[test]
fn reasons_that_do_not_fit_the_parts_say_nothing() {
    for codes in [&[][..], &["ConditionalCheckFailed"], &["None", "ConditionalCheckFailed", "None"]] {
        let reasons: Vec<_> = codes.iter().map(|code| reason(code)).collect();
        let appended = ended(judge(reasons, 1));
        let Appended::Unanswered(StoreError::OutcomeUnknown { source, .. }) = &appended else {
            panic!("{appended:?}");
        };
        assert_eq!(source.to_string(), format!("it was cancelled with {} reasons for 2 parts", codes.len()));
    }
    let appended = ended(judged(&["None", "None"]));
    assert!(matches!(appended, Appended::Unanswered(_)), "{appended:?}");
}

/// Gives no credentials, for this reason.
#[derive(Debug)]
struct Unsigned(fn() -> CredentialsError);

impl ProvideCredentials for Unsigned {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(self.0()))
    }
}

#[tokio::test]
async fn without_credentials_it_is_denied_and_without_them_for_a_moment_not_done() {
    let segment = SegmentItem {
        chain: Chain::new("main").unwrap(),
        first: 0,
        events: vec![],
        count: 0,
        head_hash: [0; 32],
        mac: [0; 32],
        audit_kek_id: [0; 16],
    };
    let append = async |why: fn() -> CredentialsError, writes: &[GroupWrite]| {
        let config = config::Builder::new()
            .behavior_version(config::BehaviorVersion::latest())
            .region(config::Region::new("eu-west-1"))
            .credentials_provider(Unsigned(why))
            .build();
        let table = Table::new(&Client::from_conf(config), "notes", Deadlines::default());
        let store = Store::new(table, 0);
        store.append_segment(&segment, writes, Uuid::nil(), Duration::from_secs(60)).await
    };
    for writes in [writes(0), writes(2)] {
        let none = append(|| CredentialsError::not_loaded("no profile"), &writes).await;
        let Appended::Failed(StoreError::Denied { source, .. }) = &none else { panic!("{none:?}") };
        assert_eq!(source.to_string(), "no profile");
        let later = append(|| CredentialsError::provider_error("no answer"), &writes).await;
        assert!(matches!(later, Appended::NotDone(StoreError::Unavailable { .. })), "{later:?}");
    }
}

#[test]
fn what_is_in_the_way_of_one_part_of_a_write_is_in_the_way_of_that_write() {
    let mut writes = writes(2);
    let tenant = blue_address::Tenant::new("alice").unwrap();
    let tombstone =
        crate::Tombstone { time: "now".to_owned(), kek_ids: vec![], mac: [7; 32], audit_kek_id: [8; 16] };
    let erasure = GroupWrite::erase_keys(&tenant, &crate::KeyItems::default(), &tombstone, true).unwrap();
    assert_eq!(erasure.parts(), 2);
    writes.insert(1, erasure);
    let judged = |codes: [&str; 5]| {
        let reasons = codes.iter().map(|code| reason(code)).collect();
        ended(super::judge(reasons, &writes.iter().collect::<Vec<_>>()))
    };
    const FAILED: &str = "ConditionalCheckFailed";
    for (codes, refused, busy) in [
        (["None", "None", FAILED, "None", "None"], 1, false),
        (["None", "None", "None", FAILED, "None"], 1, false),
        (["None", "None", "TransactionConflict", FAILED, "None"], 1, false),
        (["None", "None", FAILED, "TransactionConflict", "None"], 1, false),
        (["None", "None", "None", "TransactionConflict", "None"], 1, true),
        (["None", "None", "None", "None", FAILED], 2, false),
        (["None", FAILED, "None", "None", "None"], 0, false),
    ] {
        let Appended::Refused(refusals) = judged(codes) else { panic!("{codes:?}") };
        let [(position, refusal)] = &refusals[..] else { panic!("{codes:?}: {refusals:?}") };
        assert_eq!((*position, matches!(refusal, WriteRefusal::Busy(_))), (refused, busy), "{codes:?}");
    }
    assert!(matches!(judged(["None", "None", "None", "AccessDenied", "None"]), Appended::Failed(_)));
}
