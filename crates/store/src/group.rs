//! Appending to the audit log: a segment, and the writes of records that it tells of, together or not at all.

use std::{borrow::Borrow, collections::HashSet, error::Error, fmt, time::Duration};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    operation::{
        put_item::PutItemError,
        transact_write_items::TransactWriteItemsError::{
            TransactionCanceledException, TransactionInProgressException,
        },
    },
    types::CancellationReason,
};
use blue_address::Chain;
use uuid::Uuid;

use crate::{
    Current, Deadlines, GroupWrite, MalformedItem, Place, SegmentItem, Store, StoreError,
    calls::{Attempt, Deadline, PASSED, attempt, is_transient_reason, service_cause, service_error},
    error::Cause,
    item::{Condition, Item},
    segments,
};

const TRANSACTION: &str = "TransactWriteItems";
const PUT: &str = "PutItem";

/// How one attempt to append a segment ended.
#[derive(Debug)]
pub enum Appended {
    /// The segment is there and the writes are done.
    Done,
    /// This item lies in the segment's place: another segment or, if an earlier attempt was done unheard, this one; or
    /// what is none. This attempt did nothing.
    Taken(Result<SegmentItem, MalformedItem>),
    /// This attempt did nothing because of these writes: their positions, ascending, and what was in the way of each.
    /// Nothing was in the way of the segment.
    Refused(Vec<(usize, WriteRefusal)>),
    /// This attempt did nothing, and another may succeed: it was throttled, another transaction was in the way of the
    /// segment, or it was never sent.
    NotDone(StoreError),
    /// It may have been carried out, or be yet: [`StoreError::OutcomeUnknown`] of this one attempt.
    Unanswered(StoreError),
    /// This attempt did nothing, and to repeat it is of no use: denied, no such table, or refused as invalid.
    Failed(StoreError),
}

/// Why a write kept a group from being done.
#[derive(Debug)]
pub enum WriteRefusal {
    /// Something else was there than it expects: this, or nothing.
    Condition(Option<Current>),
    /// Another transaction or too much traffic was in its way at that moment: [`StoreError::Unavailable`].
    Busy(StoreError),
}

impl Store {
    /// Tries once, for at most `patience`, to add a segment where none is and to do `writes`, together or not at all.
    ///
    /// With writes it is a transaction under `token`, which costs each item two write units for one: at most 99
    /// writes and 4 MB with the segment, no two writes of one record, else it is refused. For ten minutes the
    /// service recognises a repeated token: the repetition succeeds if the first attempt did, and is not carried out
    /// twice. Repeated attempts must have the same segment and writes. Without writes it is a conditional PutItem,
    /// at half the price, and `token` is not used: a repetition finds its own segment ([`Appended::Taken`]).
    ///
    /// A timeout or a broken connection is [`Appended::Unanswered`], and nothing is guessed. Another segment in the
    /// same place then settles it: once one lies there, this one cannot come any more.
    pub async fn append_segment<W: Borrow<GroupWrite> + Sync>(
        &self,
        segment: &SegmentItem,
        writes: &[W],
        token: Uuid,
        patience: Duration,
    ) -> Appended {
        if patience.is_zero() {
            return Appended::NotDone(unavailable(TRANSACTION, 0, PASSED.into()));
        }
        let item = match segment.to_item() {
            Ok(item) => item,
            Err(error) => return Appended::Failed(error),
        };
        let writes: Vec<&GroupWrite> = writes.iter().map(Borrow::borrow).collect();
        // The service refuses it; DynamoDB Local, not in every version, judges one after the other.
        if let Some(place) = written_twice(&writes) {
            let source = format!("two of the writes are of {place}").into();
            return Appended::Failed(StoreError::Refused { operation: TRANSACTION, source });
        }
        let deadline = Deadlines { attempt: patience, operation: patience }.start();
        if writes.is_empty() {
            self.append_alone(segment, item, deadline).await
        } else {
            self.append_with(segment, item, &writes, token, deadline).await
        }
    }

    async fn append_alone(&self, segment: &SegmentItem, item: Item, deadline: Deadline) -> Appended {
        let request = self.table.put_item(item, Condition::absent());
        match attempt(PUT, 1, &self.table, deadline, request.send()).await {
            Attempt::Answered(Err(PutItemError::ConditionalCheckFailedException(failed))) => {
                self.taken(segment, failed.item, deadline).await
            }
            other => self.ended(PUT, other),
        }
    }

    async fn append_with(
        &self,
        segment: &SegmentItem,
        item: Item,
        writes: &[&GroupWrite],
        token: Uuid,
        deadline: Deadline,
    ) -> Appended {
        let mut parts = vec![self.table.transact_put(item, Condition::absent())];
        for write in writes {
            write.in_transaction(&self.table, &mut parts);
        }
        let request = self
            .table
            .client
            .transact_write_items()
            .client_request_token(token.to_string())
            .set_transact_items(Some(parts));
        match attempt(TRANSACTION, 1, &self.table, deadline, request.send()).await {
            Attempt::Answered(Err(TransactionCanceledException(cancelled)))
            | Attempt::Postponed(TransactionCanceledException(cancelled)) => {
                match judge(cancelled.cancellation_reasons.unwrap_or_default(), writes) {
                    Verdict::Taken(found) => self.taken(segment, found, deadline).await,
                    Verdict::Ended(appended) => appended,
                }
            }
            // An attempt before this one, under the same token, is not decided yet.
            Attempt::Postponed(error @ TransactionInProgressException(_)) => {
                Appended::Unanswered(unknown(TRANSACTION, service_cause(&error)))
            }
            other => self.ended(TRANSACTION, other),
        }
    }

    /// Gives back what was found in the segment's place or, if the service did not say what, lies there now.
    async fn taken(&self, segment: &SegmentItem, found: Option<Item>, deadline: Deadline) -> Appended {
        let found = match found {
            Some(item) => Ok(Some(item)),
            None => self.table.read_item(segment.key(), deadline).await,
        };
        match found {
            Ok(Some(item)) => {
                let asked = |chain: &Chain, first| *chain == segment.chain && first == segment.first;
                Appended::Taken(segments::decode_if(item, asked).map_err(|malformed| malformed.source))
            }
            Ok(None) => {
                let cause = "the segment's place was taken, and is free again".into();
                Appended::NotDone(unavailable("GetItem", 1, cause))
            }
            Err(error) => Appended::NotDone(error),
        }
    }

    /// An attempt that no part of the group decided.
    fn ended<T, E>(&self, operation: &'static str, attempt: Attempt<T, E>) -> Appended
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match attempt {
            Attempt::Answered(Ok(_)) => Appended::Done,
            // Somebody refused, and who or what cannot be read.
            Attempt::Answered(Err(error)) if error.code().is_none() => {
                Appended::Unanswered(unknown(operation, service_cause(&error)))
            }
            Attempt::Answered(Err(error)) => {
                Appended::Failed(service_error(operation, &self.table.name, error))
            }
            Attempt::Postponed(error) => Appended::NotDone(unavailable(operation, 1, service_cause(&error))),
            Attempt::NotSent(cause) | Attempt::NotConnected(cause) => {
                Appended::NotDone(unavailable(operation, 1, cause))
            }
            Attempt::Unsendable { cause: source, denied: true } => {
                Appended::Failed(StoreError::Denied { operation, source })
            }
            Attempt::Unsendable { cause, denied: false } => {
                Appended::Failed(unavailable(operation, 1, cause))
            }
            Attempt::Unanswered(cause) => Appended::Unanswered(unknown(operation, cause)),
        }
    }
}

fn written_twice<'a>(writes: &[&'a GroupWrite]) -> Option<&'a Place> {
    let mut seen = HashSet::new();
    writes.iter().map(|write| write.place()).find(|place| !seen.insert(*place))
}

/// What the reasons of a cancelled transaction say of it.
enum Verdict {
    /// The segment's place is taken, by this if the service says so.
    Taken(Option<Item>),
    Ended(Appended),
}

/// What the service says of one part of a cancelled transaction.
enum Reason {
    /// Nothing: it was not this part.
    Clear,
    ConditionFailed(Option<Item>),
    Busy(Cause),
    /// Not to be done at all.
    Invalid(StoreError),
}

impl Reason {
    fn of(reason: CancellationReason, part: impl fmt::Display) -> Self {
        let CancellationReason { item, code, message, .. } = reason;
        let Some(code) = code.filter(|code| code != "None") else { return Self::Clear };
        let message = message.map_or(String::new(), |message| format!(": {message}"));
        let cause = format!("{part}: {code}{message}").into();
        match code.as_str() {
            "ConditionalCheckFailed" => Self::ConditionFailed(item),
            code if is_transient_reason(code) => Self::Busy(cause),
            "AccessDenied" => Self::Invalid(StoreError::Denied { operation: TRANSACTION, source: cause }),
            _ => Self::Invalid(StoreError::Refused { operation: TRANSACTION, source: cause }),
        }
    }
}

/// Reads the reasons: one for each part of the transaction, in the order of the parts, the segment's first. What is
/// in the way of the segment goes before all else, since without it nothing of the group can be done.
fn judge(reasons: Vec<CancellationReason>, writes: &[&GroupWrite]) -> Verdict {
    let nothing_said = |cause: &str| Verdict::Ended(Appended::Unanswered(unknown(TRANSACTION, cause.into())));
    let parts = 1 + writes.iter().map(|write| write.parts()).sum::<usize>();
    if reasons.len() != parts {
        return nothing_said(&format!("it was cancelled with {} reasons for {parts} parts", reasons.len()));
    }
    let mut reasons = reasons.into_iter();
    match reasons.next().map_or(Reason::Clear, |reason| Reason::of(reason, "the segment")) {
        Reason::Clear => {}
        Reason::ConditionFailed(found) => return Verdict::Taken(found),
        Reason::Busy(cause) => {
            return Verdict::Ended(Appended::NotDone(unavailable(TRANSACTION, 1, cause)));
        }
        Reason::Invalid(error) => return Verdict::Ended(Appended::Failed(error)),
    }
    let mut refused = Vec::new();
    for (position, write) in writes.iter().enumerate() {
        let mut refusal = None;
        for reason in reasons.by_ref().take(write.parts()) {
            match Reason::of(reason, write.place()) {
                Reason::Clear => {}
                // To send it again is of no use, whatever else was in its way.
                Reason::ConditionFailed(found) => {
                    refusal = Some(WriteRefusal::Condition(write.found(found)));
                }
                Reason::Busy(cause) => {
                    refusal.get_or_insert_with(|| WriteRefusal::Busy(unavailable(TRANSACTION, 1, cause)));
                }
                Reason::Invalid(error) => return Verdict::Ended(Appended::Failed(error)),
            }
        }
        refused.extend(refusal.map(|refusal| (position, refusal)));
    }
    if refused.is_empty() {
        return nothing_said("it was cancelled for no reason");
    }
    Verdict::Ended(Appended::Refused(refused))
}

fn unavailable(operation: &'static str, attempts: u32, source: Cause) -> StoreError {
    StoreError::Unavailable { operation, attempts, source }
}

fn unknown(operation: &'static str, source: Cause) -> StoreError {
    StoreError::OutcomeUnknown { operation, attempts: 1, source }
}

#[cfg(test)]
mod tests;
