//! The audit log, held against the last checkpoint. This is no verification: of each chain, one segment is looked at.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use blue_address::{Chain, Namespace};
use blue_audit::{Checkpoint, Head, NoteVerifier};
use blue_store::{Deadline, Deadlines, Store, StoreError};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Examination, Finding, MUCH_SKEW, Subject};
use crate::checkpoints::{SigningKeyError, TrustedCheckpoints, TrustedCheckpointsError, open_signing_key};

/// How many chains are looked at at once.
const AT_ONCE: usize = 16;

/// The keys that checkpoints are believed by.
pub(super) fn known(
    verifiers: Option<Vec<NoteVerifier>>,
    own: Option<PathBuf>,
) -> Result<Vec<NoteVerifier>, SigningKeyError> {
    match (verifiers, own) {
        (Some(known), _) => Ok(known),
        (None, None) => Ok(Vec::new()),
        (None, Some(path)) => match open_signing_key(path) {
            Ok(signer) => Ok(vec![signer.verifier().clone()]),
            Err(SigningKeyError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        },
    }
}

pub(super) async fn examine(
    found: &mut Examination,
    store: Option<Arc<Store>>,
    file: Option<PathBuf>,
    known: Result<Vec<NoteVerifier>, SigningKeyError>,
    namespace: &Namespace,
    deadlines: Deadlines,
) {
    let latest = match latest(file.as_deref(), known, namespace).await {
        Ok(latest) => latest,
        Err(finding) => {
            found.note(Subject::AuditHead, finding);
            found.note(Subject::LastVerification, Finding::Skipped { because: Subject::AuditHead });
            return;
        }
    };
    let head = match store {
        Some(store) => compared(&store, &latest, deadlines.start()).await,
        None => Finding::Skipped { because: Subject::Meta },
    };
    found.note(Subject::AuditHead, head);
    found.note(Subject::LastVerification, age(&latest));
}

/// The newest checkpoint of the file, or why there is none to be believed.
async fn latest(
    file: Option<&Path>,
    known: Result<Vec<NoteVerifier>, SigningKeyError>,
    namespace: &Namespace,
) -> Result<Checkpoint, Finding> {
    let Some(path) = file else { return Err(Finding::NoCheckpointFile) };
    let path = path.to_owned();
    let known = known.map_err(Finding::SigningKey)?;
    match TrustedCheckpoints::read(&path, namespace, &known).await {
        // Nobody has signed one, since there is no key yet that could have.
        Err(TrustedCheckpointsError::NotFound { .. }) if known.is_empty() => {
            Err(Finding::NoCheckpointYet { path })
        }
        _ if known.is_empty() => Err(Finding::NoVerifier { path }),
        Err(error) => Err(Finding::Checkpoints(error)),
        Ok(read) => read.latest().cloned().ok_or(Finding::NoCheckpoint { path }),
    }
}

fn age(checkpoint: &Checkpoint) -> Finding {
    let time = checkpoint.time();
    let age = match SystemTime::now().duration_since(time.into()) {
        Ok(age) => Some(age),
        // Clocks of two machines differ.
        Err(ahead) if ahead.duration() <= MUCH_SKEW => Some(Duration::ZERO),
        Err(_) => None,
    };
    Finding::Verified { time, age }
}

/// Holds every chain against what the checkpoint says of it.
async fn compared(store: &Store, checkpoint: &Checkpoint, deadline: Deadline) -> Finding {
    let chains: Vec<_> = checkpoint.chains().iter().map(|(chain, head)| (chain.clone(), *head)).collect();
    let looks = chains.into_iter().map(|(chain, head)| look(store, chain, head, deadline));
    let looked: Result<Vec<_>, _> = stream::iter(looks).buffered(AT_ONCE).try_collect().await;
    match looked {
        Err(error) => Finding::AuditUnread(error),
        Ok(looked) => looked
            .into_iter()
            .flatten()
            .next()
            .unwrap_or(Finding::AuditHead { chains: checkpoint.chains().len(), events: checkpoint.events() }),
    }
}

/// What is wrong with a chain as far as the checkpoint goes: a segment ends there, with the event that it names.
async fn look(
    store: &Store,
    chain: Chain,
    head: Head,
    deadline: Deadline,
) -> Result<Option<Finding>, StoreError> {
    let known = head.next;
    if known == 0 {
        return Ok(None);
    }
    let events = match store.last_segment(&chain, Some(known), deadline).await? {
        None => 0,
        Some(Err(_)) => return Ok(Some(Finding::AuditForked { chain, known })),
        Some(Ok(segment)) => {
            let next = segment.first.saturating_add(segment.count.into());
            if next > known || (next == known && segment.head_hash != head.hash) {
                return Ok(Some(Finding::AuditForked { chain, known }));
            }
            next
        }
    };
    Ok((events < known).then_some(Finding::AuditShorter { chain, events, known }))
}
