//! Checkpoints that a process makes while it writes.

use std::{fmt, sync::Arc, time::Duration};

use blue_audit::{
    Checkpoint, CheckpointError, CheckpointSink, GoesBack, Head, NoteSigner, Report, SinkError, Start, Step,
    UnsignableText, Verdict, VerifyError, VerifyOptions, address::Chain,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::AuditLog;

/// Checkpoints that a process makes while it writes: after so many events of its chain, or so much time if there were any.
/// Before each one the log is verified from the last one on; what is not sound is not signed.
///
/// It is done beside the operations, and none of them waits for it. A process that ends does not make a last one.
pub struct Checkpoints {
    signer: NoteSigner,
    sinks: Vec<Box<dyn CheckpointSink>>,
    after: Option<Checkpoint>,
    events: Option<u64>,
    every: Option<Duration>,
    failed: Option<Arc<OnFailure>>,
}

type OnFailure = dyn Fn(&NotPublished) + Send + Sync;

/// Why no checkpoint was made, or why it did not get everywhere. The next one is made all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotPublished {
    /// The log could not be read.
    #[error("the audit log could not be verified")]
    Verify(#[from] VerifyError),
    /// It is not sound.
    #[error("the audit log is not sound, but {}", .0.verdict())]
    Findings(Box<Report>),
    /// It ends before this process has seen it end, or with another history.
    #[error("the chain {chain} is not as this process has seen it")]
    WentBack {
        /// Which chain.
        chain: Chain,
    },
    /// It has no checkpoint.
    #[error("no checkpoint can be made of what was verified")]
    Checkpoint(#[from] CheckpointError),
    /// It went back behind the last one.
    #[error("the audit log went back behind the last checkpoint")]
    GoesBack(#[from] GoesBack),
    /// It is too long.
    #[error("the checkpoint cannot be signed")]
    Unsignable(#[from] UnsignableText),
    /// A sink did not take it.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Checkpoints {
    /// Signed by this key; as yet neither made at any time nor delivered to anybody.
    #[must_use]
    pub fn signed_by(signer: NoteSigner) -> Self {
        Self { signer, sinks: Vec::new(), after: None, events: None, every: None, failed: None }
    }

    /// Delivers each of them there too.
    #[must_use]
    pub fn to(mut self, sink: Box<dyn CheckpointSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// The last one that was made before. Without it the first verification reads the whole log.
    #[must_use]
    pub fn after(mut self, checkpoint: Checkpoint) -> Self {
        self.after = Some(checkpoint);
        self
    }

    /// Makes one after so many events of the chain that this process writes; 0 counts as 1.
    #[must_use]
    pub fn every_events(mut self, events: u64) -> Self {
        self.events = Some(events.max(1));
        self
    }

    /// Makes one after so much time, if there was any event meanwhile.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }

    /// Tells of failures. They are logged at error level in any case.
    #[must_use]
    pub fn on_failure(mut self, tell: impl Fn(&NotPublished) + Send + Sync + 'static) -> Self {
        self.failed = Some(Arc::new(tell));
        self
    }

    /// Makes them until the chain is written no more.
    pub(crate) async fn run(self, log: AuditLog, chain: Chain, mut head: watch::Receiver<Option<Head>>) {
        let known = |checkpoint: &Checkpoint| checkpoint.chains().get(&chain).map_or(0, |head| head.next);
        let mut last = self.after.clone();
        let mut covered = last.as_ref().map_or(0, known);
        while self.is_due(&mut head, covered).await {
            let seen = *head.borrow();
            // Whatever comes of it, not again at once.
            covered = covered.max(seen.map_or(0, |head| head.next));
            let reached = seen.map(|head| (chain.clone(), head));
            let published = match self.signed(&log, last.as_ref(), reached).await {
                Ok((checkpoint, note)) => {
                    covered = covered.max(known(&checkpoint));
                    // It is the truth from now on, whoever got it.
                    last = Some(checkpoint);
                    self.publish(&note).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = published {
                self.tell(&error);
            }
        }
    }

    fn tell(&self, error: &NotPublished) {
        let source = std::error::Error::source(error);
        tracing::error!(target: "bes::audit", %error, ?source, "no checkpoint was made, or not delivered");
        if let Some(tell) = &self.failed {
            tell(error);
        }
    }

    /// Waits until the next one is due. Says `false` if the chain is written no more.
    async fn is_due(&self, head: &mut watch::Receiver<Option<Head>>, covered: u64) -> bool {
        let mut at = self.every.map(|every| Instant::now() + every);
        loop {
            // Closed, though there may be something new.
            if head.has_changed().is_err() {
                return false;
            }
            let new = next(head).saturating_sub(covered);
            if self.events.is_some_and(|events| new >= events) {
                return true;
            }
            let tick = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = head.changed() => if changed.is_err() {
                    return false;
                },
                () = tick => {
                    if next(head) > covered {
                        return true;
                    }
                    at = self.every.map(|every| Instant::now() + every);
                }
            }
        }
    }

    /// A checkpoint of the log, verified from the last one on; the chain that this process writes has to reach as far as it saw
    /// it.
    async fn signed(
        &self,
        log: &AuditLog,
        last: Option<&Checkpoint>,
        reached: Option<(Chain, Head)>,
    ) -> Result<(Checkpoint, String), NotPublished> {
        let options = VerifyOptions { trusted: last.cloned().map(Into::into), ..log.options() };
        let report = log.verify(&options).await?;
        if report.verdict() != Verdict::Verified {
            return Err(NotPublished::Findings(Box::new(report)));
        }
        if let Some((chain, head)) = reached
            && !has(log, &chain, head).await?
        {
            return Err(NotPublished::WentBack { chain });
        }
        let checkpoint = log.checkpoint(&report, last)?;
        if let Some(last) = last {
            checkpoint.comes_after(last)?;
        }
        let note = checkpoint.sign(&self.signer)?;
        Ok((checkpoint, note))
    }

    /// One that fails keeps no other from getting it.
    async fn publish(&self, note: &str) -> Result<(), NotPublished> {
        let mut outcome = Ok(());
        for sink in &self.sinks {
            if let Err(error) = sink.publish(note).await {
                outcome = Err(error.into());
            }
        }
        outcome
    }
}

/// Whether the last event before this end is in the chain.
async fn has(log: &AuditLog, chain: &Chain, head: Head) -> Result<bool, VerifyError> {
    let Some(last) = head.next.checked_sub(1) else { return Ok(true) };
    let mut reader = log.read(chain.clone(), Start::Containing(last));
    while let Some(step) = reader.next().await? {
        if let Step::Segment(segment) = step {
            let last = segment.events().find(|event| event.sequence() == last);
            return Ok(last.is_some_and(|event| event.event_hash() == head.hash));
        }
    }
    Ok(false)
}

fn next(head: &watch::Receiver<Option<Head>>) -> u64 {
    head.borrow().map_or(0, |head| head.next)
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer, sinks, after, events, every, failed: _ } = self;
        f.debug_struct("Checkpoints")
            .field("signer", signer.verifier())
            .field("sinks", &sinks.len())
            .field("after", &after.as_ref().map(Checkpoint::time))
            .field("events", events)
            .field("every", every)
            .finish_non_exhaustive()
    }
}
