//! What an appender shows of itself: a span for each segment, and how much waits for how long (docs/observability.md of the
//! repository has all of it).

use opentelemetry::{
    global,
    metrics::{Counter, Histogram, UpDownCounter},
};
use tokio::time::Instant;
use tracing::{Span, field, span::Id};

use super::Submission;
use crate::{Segment, SegmentLog};

/// Upper bounds of the buckets, in seconds.
const LAGS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Upper bounds of the buckets, in events or writes: a group has 99 writes at most, and some 170 events of ordinary names.
const SIZES: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 99.0, 200.0, 500.0];

/// The instruments of one appender. They belong to the meter provider that the process had when it was started.
pub(super) struct Telemetry {
    events: Histogram<u64>,
    writes: Histogram<u64>,
    lag: Histogram<f64>,
    depth: UpDownCounter<i64>,
    lost_races: Counter<u64>,
}

impl Default for Telemetry {
    fn default() -> Self {
        let meter = global::meter("blue-audit");
        let sizes = |name, unit, description| {
            let histogram = meter.u64_histogram(name).with_unit(unit).with_description(description);
            histogram.with_boundaries(SIZES.to_vec()).build()
        };
        Self {
            events: sizes("bes.audit.group.events", "{event}", "Events in each segment that was appended."),
            writes: sizes(
                "bes.audit.group.writes",
                "{write}",
                "Writes in the transaction of each segment that was appended.",
            ),
            lag: meter
                .f64_histogram("bes.audit.lag")
                .with_unit("s")
                .with_description("From the moment at which events were handed over until they were durable.")
                .with_boundaries(LAGS.to_vec())
                .build(),
            depth: meter
                .i64_up_down_counter("bes.audit.queue.depth")
                .with_unit("{submission}")
                .with_description("What waits to be appended, or is being appended.")
                .build(),
            lost_races: meter
                .u64_counter("bes.audit.lost_races")
                .with_unit("{race}")
                .with_description("Segments that were linked anew, because another writer was first.")
                .build(),
        }
    }
}

impl Telemetry {
    /// Counts a submission for as long as what it gives back is there.
    pub(super) fn queued(&self) -> Queued {
        self.depth.add(1, &[]);
        Queued { since: Instant::now(), depth: self.depth.clone() }
    }

    pub(super) fn durable(&self, queued: &Queued) {
        self.lag.record(queued.since.elapsed().as_secs_f64(), &[]);
    }

    /// Within the span of the group.
    pub(super) fn appended(&self, segment: &Segment, writes: usize) {
        let span = Span::current();
        span.record("bes.sequence", segment.first);
        span.record("bes.events", segment.count);
        span.record("bes.writes", writes);
        self.events.record(segment.count.into(), &[]);
        self.writes.record(writes.try_into().unwrap_or(u64::MAX), &[]);
    }

    pub(super) fn lost_race(&self) {
        self.lost_races.add(1, &[]);
    }
}

/// A submission that is not answered yet.
pub(super) struct Queued {
    /// When its events were handed over.
    pub(super) since: Instant,
    depth: UpDownCounter<i64>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.depth.add(-1, &[]);
    }
}

/// The span of a group. It is part of what waits for it: below the first operation, and linked to the others. What is
/// buffered has ended when it is sent, so its span has nothing to do with it.
pub(super) fn span_of<L: SegmentLog>(chain: &str, members: &[Submission<L>]) -> Span {
    let mut waiting = members.iter().map(|member| &member.span).filter(|span| !span.is_disabled());
    let below = |parent: Option<Id>| {
        tracing::info_span!(
            parent: parent,
            "bes.audit.append",
            bes.chain = chain,
            bes.sequence = field::Empty,
            bes.events = field::Empty,
            bes.writes = field::Empty,
        )
    };
    // By the subscriber that knows it, which need not be that of this task.
    let first = waiting.next().and_then(|first| {
        first.with_subscriber(|(id, subscriber)| {
            tracing::dispatcher::with_default(subscriber, || below(Some(id.clone())))
        })
    });
    let span = first.unwrap_or_else(|| below(None));
    for other in waiting {
        span.follows_from(other);
    }
    span
}
