//! The table as the audit log's store of segments.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use blue_audit::{Appended, Cause, JoinedWrite, Page, Refusal, Segment, SegmentLog, SegmentSource, Stored};
use blue_store::{
    Current, Deadlines, GroupWrite, MalformedSegment, SegmentItem, Store, StoreError, WriteRefusal,
    address::Chain,
};
use uuid::Uuid;

/// Segments as items of the table.
pub(crate) struct TableLog {
    pub(crate) store: Arc<Store>,
    pub(crate) deadlines: Deadlines,
}

/// A write, on its way into a group.
pub(crate) struct Joined(pub(crate) GroupWrite);

impl JoinedWrite for Joined {
    fn place(&self) -> String {
        self.0.place().to_string()
    }

    fn parts(&self) -> usize {
        self.0.parts()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

#[async_trait]
impl SegmentSource for TableLog {
    async fn segments(&self, chain: &Chain, from: u64) -> Result<Page, Cause> {
        let page = self.store.segments(chain, from, self.deadlines.start()).await.map_err(cause)?;
        Ok(Page { stored: page.segments.into_iter().map(stored).collect(), next: page.next })
    }

    async fn last(&self, chain: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        let last = self.store.last_segment(chain, before, self.deadlines.start()).await.map_err(cause)?;
        Ok(last.map(stored))
    }
}

#[async_trait]
impl SegmentLog for TableLog {
    type Write = Joined;
    type Found = Option<Current>;

    async fn append(
        &self,
        segment: &Segment,
        writes: &[&Joined],
        token: Uuid,
        patience: Duration,
    ) -> Appended<Option<Current>> {
        let Ok(chain) = Chain::new(&segment.chain) else {
            let error: Box<dyn std::error::Error + Send + Sync> = "the chain's name breaks the rules".into();
            return Appended::Failed(error.into());
        };
        let item = SegmentItem {
            chain,
            first: segment.first,
            events: segment.events.clone(),
            count: segment.count,
            head_hash: segment.head_hash,
            mac: segment.mac,
            audit_kek_id: segment.audit_kek_id,
        };
        let writes: Vec<&GroupWrite> = writes.iter().map(|write| &write.0).collect();
        match self.store.append_segment(&item, &writes, token, patience).await {
            blue_store::Appended::Done => Appended::Done,
            blue_store::Appended::Taken(Ok(item)) => Appended::Taken(Stored::Segment(segment_of(item))),
            blue_store::Appended::Taken(Err(error)) => {
                Appended::Taken(Stored::Malformed { first: Some(segment.first), reason: error.reason })
            }
            blue_store::Appended::Refused(refusals) => Appended::Refused(
                refusals.into_iter().map(|(position, refusal)| (position, refusal_of(refusal))).collect(),
            ),
            blue_store::Appended::NotDone(error) => Appended::NotDone(cause(error)),
            blue_store::Appended::Unanswered(error) => Appended::Unanswered(cause(error)),
            blue_store::Appended::Failed(error) => Appended::Failed(cause(error)),
        }
    }
}

fn refusal_of(refusal: WriteRefusal) -> Refusal<Option<Current>> {
    match refusal {
        WriteRefusal::Condition(found) => Refusal::Condition(found),
        WriteRefusal::Busy(error) => Refusal::Busy(cause(error)),
    }
}

fn stored(item: Result<SegmentItem, MalformedSegment>) -> Stored {
    match item {
        Ok(item) => Stored::Segment(segment_of(item)),
        Err(MalformedSegment { first: Some(first), source, .. }) => {
            Stored::Malformed { first: Some(first), reason: source.reason }
        }
        // Without a sequence, its key is all that says where it lies.
        Err(MalformedSegment { first: None, source, .. }) => {
            Stored::Malformed { first: None, reason: source.to_string() }
        }
    }
}

fn segment_of(item: SegmentItem) -> Segment {
    let SegmentItem { chain, first, events, count, head_hash, mac, audit_kek_id } = item;
    Segment { chain: chain.to_string(), first, events, count, head_hash, mac, audit_kek_id }
}

fn cause(error: StoreError) -> Cause {
    Arc::new(error)
}
