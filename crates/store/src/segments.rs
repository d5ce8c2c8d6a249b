//! Segments of the audit log as items, and reading them in order. What their events say is nothing to this crate.

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_address::Chain;

use crate::{
    MalformedItem, Store, StoreError,
    calls::Deadline,
    item::{self, Item, PK, SK, describe_key, integer},
    query::{Query, Range},
    size::{MAX_ITEM_SIZE, key_size, number_size},
};

const EVENTS: &str = "events";
const COUNT: &str = "count";
const HEAD_HASH: &str = "head_hash";
const MAC: &str = "mac";
const AUDIT_KEK_ID: &str = "audit_kek_id";

/// As many digits as the greatest sequence has, so that sort keys are in the order of the sequences.
const DIGITS: usize = 20;

/// A segment of the audit log as it lies in the table. Nothing of it is verified: whoever can write the table chose
/// it all.
#[derive(Clone, PartialEq, Eq)]
pub struct SegmentItem {
    /// The chain that it belongs to.
    pub chain: Chain,
    /// The sequence of its first event.
    pub first: u64,
    /// Its events: exactly the bytes that were hashed.
    pub events: Vec<u8>,
    /// How many events it says it holds.
    pub count: u32,
    /// The hash of the last event.
    pub head_hash: [u8; 32],
    /// What proves that a writer with the audit key made it.
    pub mac: [u8; 32],
    /// The id of that key.
    pub audit_kek_id: [u8; 16],
}

/// Without the bytes.
impl fmt::Debug for SegmentItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, first, events, count, head_hash: _, mac: _, audit_kek_id: _ } = self;
        f.debug_struct("SegmentItem")
            .field("chain", chain)
            .field("first", first)
            .field("events", &format_args!("[{} bytes]", events.len()))
            .field("count", count)
            .finish_non_exhaustive()
    }
}

/// What lies among the segments of a chain and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an item of the audit log is no segment")]
#[non_exhaustive]
pub struct MalformedSegment {
    /// The sequence that it lies at; none if its sort key is not one in twenty digits.
    pub first: Option<u64>,
    /// What is wrong with it.
    pub source: MalformedItem,
}

/// Some of a chain's segments, ascending by their first sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPage {
    /// One entry for each item, also for one that is no segment.
    pub segments: Vec<Result<SegmentItem, MalformedSegment>>,
    /// Where to go on: a sequence to ask from; `None` at the end.
    pub next: Option<u64>,
}

impl SegmentItem {
    /// The segment in an item. Every accepted item is its own one encoding: [`Self::to_item`] gives it back, unless it
    /// is larger than DynamoDB allows.
    ///
    /// # Errors
    /// [`MalformedSegment`] if this store cannot have written it: it has exactly the key and the five attributes of
    /// a segment, each of its type and length.
    pub fn from_item(item: HashMap<String, AttributeValue>) -> Result<Self, MalformedSegment> {
        decode_if(item, |_, _| true)
    }

    /// The item that this segment is in the table.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub fn to_item(&self) -> Result<HashMap<String, AttributeValue>, StoreError> {
        if self.size() > MAX_ITEM_SIZE {
            return Err(StoreError::TooLarge { size: self.size() });
        }
        let Self { chain: _, first: _, events, count, head_hash, mac, audit_kek_id } = self;
        let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
        let mut item = self.key();
        item.extend(
            [
                (EVENTS, bytes(events)),
                (COUNT, AttributeValue::N(count.to_string())),
                (HEAD_HASH, bytes(head_hash)),
                (MAC, bytes(mac)),
                (AUDIT_KEK_ID, bytes(audit_kek_id)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(item)
    }

    /// Its size in bytes, counted as DynamoDB counts: that of its events and at most 402 more.
    #[must_use]
    pub fn size(&self) -> usize {
        let Self { chain, first, events, count, head_hash, mac, audit_kek_id } = self;
        let names: usize = [EVENTS, COUNT, HEAD_HASH, MAC, AUDIT_KEK_ID].map(str::len).iter().sum();
        let values = events.len() + number_size(&count.to_string());
        let fixed = head_hash.len() + mac.len() + audit_kek_id.len();
        key_size(&partition(chain), &sort_key(*first)) + names + values + fixed
    }

    pub(crate) fn key(&self) -> Item {
        segment_key(&self.chain, self.first)
    }
}

impl Store {
    /// The last item of a chain, strongly consistent; with `before`, the last that lies before this sequence. What is
    /// no segment sorts by its sort key, and may be the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_segment(
        &self,
        chain: &Chain,
        before: Option<u64>,
        deadline: Deadline,
    ) -> Result<Option<Result<SegmentItem, MalformedSegment>>, StoreError> {
        let partition = partition(chain);
        let bound = before.map(sort_key);
        let query = Query {
            range: bound.as_deref().map_or(Range::All, Range::Before),
            descending: true,
            limit: Some(1),
            ..Query::of(&partition)
        };
        let (items, _) = self.table.query(query, deadline).await?;
        let asked = |of: &Chain, first| of == chain && before.is_none_or(|before| first < before);
        Ok(items.into_iter().next().map(|item| decode_if(item, asked)))
    }

    /// Segments of a chain from a sequence on, strongly consistent: as many as one answer holds (1 MB), and some at
    /// least if there are any. What is no segment is an entry of the page where its sort key puts it; from 0, or from
    /// where a page says to go on, none is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn segments(
        &self,
        chain: &Chain,
        from: u64,
        deadline: Deadline,
    ) -> Result<SegmentPage, StoreError> {
        let partition = partition(chain);
        let asked = |of: &Chain, first| of == chain && first >= from;
        // After the sequence before, not from this one: a malformed sort key may lie between the two.
        let before = from.checked_sub(1).map(sort_key);
        let mut segments = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let query = Query {
                range: before.as_deref().map_or(Range::All, Range::After),
                from: after.as_deref(),
                ..Query::of(&partition)
            };
            let (items, next) = self.table.query(query, deadline).await?;
            segments.extend(items.into_iter().map(|item| decode_if(item, asked)));
            let Some(next) = next else { return Ok(SegmentPage { segments, next: None }) };
            // From a sort key that is no sequence, no sequence says where to go on.
            if let Some(next) = sequence(&next).and_then(|last| last.checked_add(1)) {
                return Ok(SegmentPage { segments, next: Some(next) });
            }
            after = Some(next);
        }
    }
}

pub(crate) fn segment_key(chain: &Chain, first: u64) -> Item {
    item::key(partition(chain), sort_key(first))
}

fn partition(chain: &Chain) -> String {
    format!("A#{chain}")
}

fn sort_key(first: u64) -> String {
    format!("{first:0DIGITS$}")
}

/// The sequence that a sort key stands for.
pub(crate) fn sequence(sk: &str) -> Option<u64> {
    let digits = sk.len() == DIGITS && sk.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| sk.parse().ok()).flatten()
}

/// The segment in an item that lies where `asked` allows.
pub(crate) fn decode_if(
    item: Item,
    asked: impl FnOnce(&Chain, u64) -> bool,
) -> Result<SegmentItem, MalformedSegment> {
    let first = item::text(&item, SK).and_then(sequence);
    decode(&item, first, asked)
        .map_err(|reason| MalformedItem { key: describe_key(&item), reason })
        .map_err(|source| MalformedSegment { first, source })
}

fn decode(
    item: &Item,
    first: Option<u64>,
    asked: impl FnOnce(&Chain, u64) -> bool,
) -> Result<SegmentItem, String> {
    let chain = item::text(item, PK).and_then(|pk| pk.strip_prefix("A#"));
    let chain = chain.ok_or_else(|| "its partition key is not A#chain".to_owned())?;
    let chain = Chain::new(chain).map_err(|error| error.to_string())?;
    let first = first.ok_or_else(|| format!("its sort key is no sequence in {DIGITS} digits"))?;
    if !asked(&chain, first) {
        return Err("another item was asked for".to_owned());
    }
    let known = [PK, SK, EVENTS, COUNT, HEAD_HASH, MAC, AUDIT_KEK_ID];
    if let Some(name) = item.keys().filter(|name| !known.contains(&name.as_str())).min() {
        return Err(format!("a segment has no attribute {name:?}"));
    }
    let count = integer(item, COUNT).and_then(|count| u32::try_from(count).ok());
    Ok(SegmentItem {
        chain,
        first,
        events: bytes(item, EVENTS)?.to_vec(),
        count: count.ok_or_else(|| format!("{COUNT} is no number of events"))?,
        head_hash: exactly(item, HEAD_HASH)?,
        mac: exactly(item, MAC)?,
        audit_kek_id: exactly(item, AUDIT_KEK_ID)?,
    })
}

fn bytes<'a>(item: &'a Item, name: &str) -> Result<&'a [u8], String> {
    match item.get(name) {
        Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref()),
        _ => Err(format!("{name} is missing or no byte string")),
    }
}

fn exactly<const N: usize>(item: &Item, name: &str) -> Result<[u8; N], String> {
    bytes(item, name)?.try_into().map_err(|_| format!("{name} has not {N} bytes"))
}

#[cfg(test)]
mod tests;
