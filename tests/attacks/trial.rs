//! One attack on the good table: the edit, what is found, the edit undone, and nothing found.

use std::time::Duration;

use blue_encrypted_store::{
    AuditLog, EncryptedStore,
    blue_audit::{Baseline, NoteSigner, Report, Verdict},
    checkpoints::TrustedCheckpoints,
};
use fastrand::Rng;

use crate::{
    checkpoints::File,
    corpus::{Attack, Attempt},
    edit::{Edit, Reading},
    good::Good,
    plan::Outcome,
};

/// The good table, and who verifies it.
pub(crate) struct Trial {
    good: Good,
    /// Signs checkpoints.
    signer: NoteSigner,
    log: AuditLog,
    without_keys: AuditLog,
}

/// How one verification is made.
struct Way {
    trusted: Option<Baseline>,
    full: bool,
    deep: bool,
}

impl Trial {
    pub(crate) async fn new(rng: &mut Rng) -> Self {
        let good = Good::new(rng).await;
        // All its writers record strictly.
        let log = good.sandbox.builder().open_audit().await.unwrap().patience(Duration::ZERO);
        let keyless =
            EncryptedStore::builder().table(&good.sandbox.table).client(good.sandbox.client.clone());
        let without_keys = keyless.open_audit().await.unwrap().patience(Duration::ZERO);
        assert!(log.checks_macs() && !without_keys.checks_macs());
        Self { good, signer: NoteSigner::generate("bes/default").unwrap(), log, without_keys }
    }

    pub(crate) async fn attack(&self, attack: &Attack, rng: &mut Rng) -> Outcome {
        match (attack.attempt)(&self.good, rng) {
            Attempt::Edit(edit) => self.edit(edit, rng).await,
            Attempt::Checkpoints(attempt) => self.checkpoints(attempt(&self.good, &self.signer, rng)).await,
        }
    }

    async fn edit(&self, edit: Edit, rng: &mut Rng) -> Outcome {
        let way = self.way(&edit, rng);
        for (place, item) in &edit.writes {
            assert_ne!(self.good.items.get(place), item.as_ref(), "an edit changes {place:?}");
        }
        self.write(edit.writes.iter().map(|(place, item)| (place, item.as_ref()))).await;
        let attacked = self.verify(&self.log, &way).await;
        let attacked_keyless = self.verify(&self.without_keys, &way).await;
        self.write(edit.writes.keys().map(|place| (place, self.good.items.get(place)))).await;
        // The clock's finding is about the checkpoint, and goes with it.
        let trusted = way.trusted.filter(|trusted| trusted.time <= time::OffsetDateTime::now_utc());
        let undone = self.verify(&self.log, &Way { trusted, ..way }).await;

        let judge = |seen: &crate::edit::Seen, report: &Report, how: &str| {
            let judged = seen.judge(report.findings.listed(), report.verdict().exit_code());
            judged.map_err(|what| format!("{how}: {what}; the edit was of {:?}", edit.writes.keys()))
        };
        judge(&edit.seen, &attacked, "with keys")?;
        judge(edit.keyless.as_ref().unwrap_or(&edit.seen), &attacked_keyless, "without keys")?;
        if undone.verdict() != Verdict::Verified || undone.reached.chains != self.good.known.chains {
            return Err(format!("undone, the log is not as it was: {undone}"));
        }
        Ok(())
    }

    fn way(&self, edit: &Edit, rng: &mut Rng) -> Way {
        let (trusted, full) = match &edit.from {
            Reading::Beginning => (None, false),
            Reading::AnywhereBefore(chain, first) if rng.bool() => {
                (Some(self.good.known_at(chain, rng.u64(0..=*first))), false)
            }
            Reading::AnywhereBefore(..) => (None, false),
            Reading::Checkpoint { baseline, full } => (Some(baseline.clone()), *full),
        };
        Way { trusted, full, deep: edit.deep }
    }

    async fn verify(&self, log: &AuditLog, way: &Way) -> Report {
        let mut options = log.options();
        (options.trusted, options.full) = (way.trusted.clone(), way.full);
        if way.deep { log.verify_deep(&options).await.unwrap() } else { log.verify(&options).await.unwrap() }
    }

    async fn write<'a>(
        &self,
        writes: impl Iterator<Item = (&'a crate::good::Place, Option<&'a blue_tests::Item>)>,
    ) {
        for (place, item) in writes {
            match item {
                Some(item) => self.good.sandbox.put_item(item.clone()).await,
                None => self.good.sandbox.delete_item(&place.0, &place.1).await,
            }
        }
    }

    /// A file of checkpoints that somebody presents is refused, and the one that was kept is read.
    async fn checkpoints(&self, file: File) -> Outcome {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints");
        let known = [self.signer.verifier().clone()];
        let mut read = Vec::new();
        for text in [&file.presented, &file.kept] {
            std::fs::write(&path, text).unwrap();
            read.push(TrustedCheckpoints::read(&path, &self.good.namespace, &known).await);
        }
        let kept =
            read.pop().unwrap().map_err(|error| format!("the file that was kept is refused: {error:?}"))?;
        let latest = kept.latest().cloned().map(Baseline::from);
        if latest.as_ref().map(|latest| &latest.chains) != Some(&self.good.known.chains) {
            return Err(format!("the file that was kept ends with {latest:?}"));
        }
        match read.pop().unwrap() {
            Err(error) if (file.refused)(&error) => Ok(()),
            other => Err(format!("read as {other:?}")),
        }
    }
}
