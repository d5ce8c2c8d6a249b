//! What the tests of this module share.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use blue_address::{Chain, Namespace};
use blue_audit::{Checkpoint, Head, NoteSigner, NoteVerifier};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::{FileSink, TrustedCheckpoints, TrustedCheckpointsError};

/// A store without a table: a namespace, its key, and a directory for its files.
pub(super) struct Store {
    pub(super) namespace: Namespace,
    pub(super) signer: NoteSigner,
    directory: TempDir,
}

impl Store {
    pub(super) fn new(namespace: &str) -> Self {
        let namespace = Namespace::new(namespace).unwrap();
        let signer = NoteSigner::generate(Checkpoint::key_name(&namespace)).unwrap();
        Self { namespace, signer, directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn known(&self) -> Vec<NoteVerifier> {
        vec![self.signer.verifier().clone()]
    }

    pub(super) fn sink(&self) -> FileSink {
        FileSink::new(self.path("checkpoints"), self.namespace.clone(), self.known())
    }

    /// A checkpoint at a second, with so many events.
    pub(super) fn checkpoint(&self, second: u64, events: u64) -> Checkpoint {
        let time = OffsetDateTime::UNIX_EPOCH + Duration::seconds(second.try_into().unwrap());
        let mut hash = [1; 32];
        hash[..8].copy_from_slice(&events.to_be_bytes());
        let chains = BTreeMap::from([(Chain::new("main").unwrap(), Head { next: events, hash })]);
        Checkpoint::new(self.namespace.clone(), time, None, chains, BTreeMap::new()).unwrap()
    }

    pub(super) fn note(&self, second: u64, events: u64) -> String {
        self.checkpoint(second, events).sign(&self.signer).unwrap()
    }

    pub(super) fn read(&self, path: &Path) -> Result<TrustedCheckpoints, TrustedCheckpointsError> {
        block_on(TrustedCheckpoints::read(path, &self.namespace, &self.known()))
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
