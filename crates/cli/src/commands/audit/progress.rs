//! How far a verification came, for one that is told to stop.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use blue_encrypted_store::blue_audit::{Events, Finding, Observer, address::Chain};

use crate::{failure::Failure, stop::Stop};

/// Counts the events that were read, and passes all on.
#[derive(Default)]
pub(super) struct Progress {
    events: AtomicU64,
    next: Option<Arc<dyn Observer>>,
}

impl Progress {
    pub(super) fn passing_on_to(next: Arc<dyn Observer>) -> Self {
        Self { next: Some(next), ..Self::default() }
    }

    /// Verifies, unless a signal comes: a verification that was stopped has no verdict.
    pub(super) async fn unless_told<T>(
        &self,
        stop: &Stop,
        verification: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        stop.unless_told(verification).await.map_err(|failure| {
            let came_to = match self.events.load(Ordering::Relaxed) {
                0 => "nothing of the audit log was verified".to_owned(),
                1 => "1 event was read, and there is no verdict".to_owned(),
                events => format!("{events} events were read, and there is no verdict"),
            };
            failure.having_come_to(came_to, Vec::new())
        })
    }
}

impl Observer for Progress {
    fn segment(&self, chain: &Chain, events: Events<'_>) {
        self.events.fetch_add(u64::try_from(events.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(next) = &self.next {
            next.segment(chain, events);
        }
    }

    fn finding(&self, finding: &Finding) {
        if let Some(next) = &self.next {
            next.finding(finding);
        }
    }
}
