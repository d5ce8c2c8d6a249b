//! What the log says of each record, held against what lies in the table.
//!
//! A record's versions grow by one with each write, from the version that it was created with. So the version v of a
//! record is its last if an event tells that it was written, and none that v + 1 was, or that v was deleted. That needs
//! neither clocks nor an order among chains.
//!
//! Each version is written once and followed once, but for the last. A record that was rolled back and then written by an
//! honest writer has a version that was written twice, whether or not somebody wrote on: the sum of both stays uneven for
//! good, in whatever order the events come. One that was restored after its deletion, and then written, has a version that was
//! deleted and followed.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::{Class, CryptoAuditEvent, CryptoOp, Outcome};

/// The name of a record, shortened to 16 bytes of its SHA-256.
type Name = [u8; 16];

/// What the events of a log come to for each record: about 100 bytes of memory for each that they name, and 8 for each
/// deletion.
#[derive(Debug, Default)]
pub struct RecordLedger(HashMap<Name, History>);

/// What the events of one record come to.
#[derive(Debug, Default)]
struct History {
    /// The versions that were not written as often as they were followed.
    versions: Vec<Version>,
    /// The versions that were deleted.
    deleted: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Version {
    number: u64,
    /// The content that was written, the last if that was so more than once.
    written: Option<[u8; 32]>,
    /// How often that was.
    times: u32,
    /// The same, less how often the next version was written or this one deleted.
    open: i64,
}

/// A record as it lies in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordState {
    /// Its version.
    pub version: u64,
    /// Its content digest; `None` if what lies there is no envelope.
    pub content_digest: Option<[u8; 32]>,
}

impl RecordLedger {
    /// Takes an event in, each once. Of one chain they come in order, of several in any.
    pub fn note(&mut self, event: &CryptoAuditEvent) {
        let details = event.details();
        if details.outcome != Outcome::Success {
            return;
        }
        let name = || name(&details.resource);
        match (details.operation, details.content_digest) {
            (CryptoOp::Encrypt, Some(digest)) => {
                let history = self.0.entry(name()).or_default();
                history.change(details.version, |version| version.was_written(digest));
                if let Some(before) = details.version.checked_sub(1) {
                    history.change(before, Version::was_followed);
                }
            }
            // What was deleted had no version that could be read: whatever was there is gone.
            (CryptoOp::Delete, _) if details.version == 0 => {
                self.0.entry(name()).or_default().versions.retain(|version| !version.is_last());
            }
            (CryptoOp::Delete, _) => {
                let history = self.0.entry(name()).or_default();
                history.change(details.version, Version::was_followed);
                history.deleted.push(details.version);
            }
            _ => {}
        }
    }

    /// What is wrong with a record that lies in the table like this, or is not there; `None` if it is as the log
    /// says.
    #[must_use]
    pub fn judge(&self, resource: &str, stored: Option<RecordState>) -> Option<Class> {
        let history = self.0.get(&name(resource));
        let last: Vec<Version> = history.into_iter().flat_map(History::last).copied().collect();
        // It was rolled back before it was written again, whatever became of it since.
        if last.iter().any(|version| version.times > 1) {
            return Some(Class::StaleRecord);
        }
        if history.is_some_and(History::goes_on_after_deletion) {
            return Some(Class::RestoredRecord);
        }
        let Some(stored) = stored else {
            return (!last.is_empty()).then_some(Class::UnloggedDelete);
        };
        let here = last.iter().find(|version| version.number == stored.version);
        match here {
            Some(version) if version.written != stored.content_digest => Some(Class::Altered),
            Some(_) if last.len() == 1 => None,
            Some(_) => Some(Class::StaleRecord),
            None if history.is_none() => Some(Class::UnloggedRecord),
            None if last.is_empty() => Some(Class::RestoredRecord),
            None if last.iter().any(|version| version.number > stored.version) => Some(Class::StaleRecord),
            None => Some(Class::UnloggedRecord),
        }
    }

    /// Whether a record should lie in the table.
    #[must_use]
    pub fn expects(&self, resource: &str) -> bool {
        self.0.get(&name(resource)).is_some_and(|history| history.last().next().is_some())
    }

    /// The versions of a record that were written, and of which no event tells that they were followed or deleted: one, if
    /// all is well and the record is there.
    #[must_use]
    pub fn open(&self, resource: &str) -> Vec<u64> {
        let history = self.0.get(&name(resource)).into_iter();
        history.flat_map(History::last).map(|version| version.number).collect()
    }

    /// How many records should lie in the table.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.0.values().filter(|history| history.last().next().is_some()).count()
    }
}

impl History {
    /// What was written and not followed.
    fn last(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.is_last())
    }

    /// Whether a version was deleted, and the next one written. (One that is made anew gets its version from the clock.)
    fn goes_on_after_deletion(&self) -> bool {
        let mut followed_twice = self.versions.iter().filter(|version| version.open < 0);
        followed_twice.any(|version| self.deleted.contains(&version.number))
    }

    /// Changes what is known of a version, and forgets it once it was written as often as it was followed.
    fn change(&mut self, number: u64, edit: impl FnOnce(&mut Version)) {
        let versions = &mut self.versions;
        let index = versions.iter().position(|version| version.number == number).unwrap_or_else(|| {
            versions.push(Version { number, written: None, times: 0, open: 0 });
            versions.len() - 1
        });
        edit(&mut versions[index]);
        if versions[index].open == 0 {
            versions.swap_remove(index);
        }
    }
}

impl Version {
    fn is_last(&self) -> bool {
        self.open > 0
    }

    fn was_written(&mut self, digest: [u8; 32]) {
        self.written = Some(digest);
        self.times = self.times.saturating_add(1);
        self.open += 1;
    }

    fn was_followed(&mut self) {
        self.open -= 1;
    }
}

fn name(resource: &str) -> Name {
    let digest: [u8; 32] = Sha256::digest(resource).into();
    *digest.first_chunk().expect("32 bytes are more than 16")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Details, GENESIS};

    fn event(operation: CryptoOp, version: u64, digest: u8) -> CryptoAuditEvent {
        let content_digest = (operation == CryptoOp::Encrypt).then_some([digest; 32]);
        let details =
            Details { operation, resource: "r".to_owned(), version, content_digest, ..Details::now() };
        details.link("main", 0, GENESIS)
    }

    fn written(version: u64) -> CryptoAuditEvent {
        event(CryptoOp::Encrypt, version, u8::try_from(version % 251).expect("a small number"))
    }

    fn deleted(version: u64) -> CryptoAuditEvent {
        event(CryptoOp::Delete, version, 0)
    }

    fn ledger(events: &[CryptoAuditEvent]) -> RecordLedger {
        let mut ledger = RecordLedger::default();
        events.iter().for_each(|event| ledger.note(event));
        ledger
    }

    fn stored(version: u64) -> Option<RecordState> {
        let digest = u8::try_from(version % 251).expect("a small number");
        Some(RecordState { version, content_digest: Some([digest; 32]) })
    }

    #[test]
    fn a_record_is_as_its_last_event_says() {
        let ledger = ledger(&[written(100), written(101), written(102)]);
        assert_eq!(ledger.judge("r", stored(102)), None);
        assert_eq!(ledger.judge("r", stored(101)), Some(Class::StaleRecord));
        assert_eq!(ledger.judge("r", stored(100)), Some(Class::StaleRecord));
        assert_eq!(ledger.judge("r", stored(103)), Some(Class::UnloggedRecord));
        assert_eq!(ledger.judge("r", None), Some(Class::UnloggedDelete));
        for content_digest in [None, Some([0; 32])] {
            let state = Some(RecordState { version: 102, content_digest });
            assert_eq!(ledger.judge("r", state), Some(Class::Altered));
        }
        assert_eq!(ledger.judge("another", stored(1)), Some(Class::UnloggedRecord));
        assert_eq!(ledger.judge("another", None), None);
        assert_eq!((ledger.expected(), ledger.expects("r")), (1, true));
        assert_eq!((ledger.open("r"), ledger.open("another")), (vec![102], vec![]));
    }

    #[test]
    fn what_was_deleted_is_gone() {
        let ledger = ledger(&[written(100), written(101), deleted(101)]);
        assert_eq!(ledger.judge("r", None), None);
        assert_eq!(ledger.judge("r", stored(101)), Some(Class::RestoredRecord));
        assert_eq!(ledger.judge("r", stored(100)), Some(Class::RestoredRecord));
        assert_eq!(ledger.expected(), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_between_delete_and_create_changes_nothing() {
        let ledger = ledger(&[written(500), written(501), deleted(501), written(100), written(101)]);
        assert_eq!(ledger.judge("r", stored(101)), None);
        assert_eq!(ledger.judge("r", stored(501)), Some(Class::UnloggedRecord));
        assert_eq!(ledger.judge("r", stored(100)), Some(Class::StaleRecord));
    }

    #[test]
    fn events_of_several_chains_come_in_any_order() {
        let mut events = vec![written(100), written(101), deleted(101), written(900), written(901)];
        for _ in 0..200 {
            fastrand::shuffle(&mut events);
            let ledger = ledger(&events);
            assert_eq!(ledger.judge("r", stored(901)), None);
            assert_eq!(ledger.judge("r", stored(101)), Some(Class::StaleRecord));
        }
    }

    #[test]
    fn a_record_that_was_rolled_back_and_then_written_again_is_seen() {
        let again = event(CryptoOp::Encrypt, 101, 77);
        let ledger = ledger(&[written(100), written(101), written(102), again]);
        let state = Some(RecordState { version: 101, content_digest: Some([77; 32]) });
        assert_eq!(ledger.judge("r", state), Some(Class::StaleRecord));
    }

    #[test]
    fn a_rollback_that_was_written_over_is_seen_for_good_and_in_any_order() {
        let rewritten = |version| event(CryptoOp::Encrypt, version, 77);
        let now = |version| Some(RecordState { version, content_digest: Some([77; 32]) });
        let first: Vec<_> = (100..110).map(written).collect();
        for back in 1..5 {
            for on in 0..3 {
                // Rolled back by so many, and written as often and so many times more.
                let again: Vec<_> = (110 - back..110 + on).map(rewritten).collect();
                let mut events = [first.clone(), again].concat();
                for _ in 0..20 {
                    let ledger = ledger(&events);
                    assert!(ledger.judge("r", now(109 + on)).is_some(), "back {back}, on {on}");
                    let mut deleted_since = events.clone();
                    deleted_since.push(deleted(109 + on));
                    assert!(
                        self::ledger(&deleted_since).judge("r", None).is_some(),
                        "back {back}, on {on}, deleted"
                    );
                    fastrand::shuffle(&mut events);
                }
            }
        }
        let ledger = ledger(&[first, vec![rewritten(109)]].concat());
        assert_eq!(ledger.judge("r", now(109)), Some(Class::StaleRecord));
    }

    #[test]
    fn a_restored_record_that_was_written_again_is_seen_in_any_order() {
        let mut events = vec![written(100), written(101), deleted(101), written(102), written(103)];
        for _ in 0..100 {
            assert_eq!(ledger(&events).judge("r", stored(103)), Some(Class::RestoredRecord));
            fastrand::shuffle(&mut events);
        }
        let anew = [written(100), written(101), deleted(101), written(900), written(901)];
        assert_eq!(ledger(&anew).judge("r", stored(901)), None);
    }

    #[test]
    fn a_mangled_record_that_was_deleted_leaves_nothing_open() {
        let ledger = ledger(&[written(100), deleted(0)]);
        assert_eq!(ledger.judge("r", None), None);
        assert_eq!(ledger.judge("r", stored(100)), Some(Class::RestoredRecord));
    }

    #[test]
    fn what_failed_changed_nothing() {
        let details = Details { outcome: Outcome::Failure, ..deleted(100).details().clone() };
        let ledger = ledger(&[written(100), details.link("main", 1, GENESIS)]);
        assert_eq!(ledger.judge("r", stored(100)), None);
    }
}
