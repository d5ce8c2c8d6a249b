//! What the log says of each record, held against what lies in the table.
//!
//! A record's versions grow by one with each write, from the version that it was created with, which is the time. So its
//! writes make runs of versions, one for each life: from a creation to the last write before a deletion. Events may come in
//! any order, and no clock is needed, to say of a run which version is its last; whether that was deleted; that a version was
//! written twice, which is so only if the record was put back to an older state before an honest writer went on; and that a
//! version was deleted and yet followed by the next, which is so only if it was put back after its deletion.
//!
//! One kind of event needs a clock: the deletion of something that had no version that could be read. It ended the life that
//! was under way when it happened, which is the last that had begun by then; and if that was written to afterwards, it was put
//! back. (Where clocks are apart by more than lies between these, what is then found is an alarm too many, never one too few:
//! nobody but an attacker makes a version unreadable.)

use std::{collections::HashMap, ops::Range};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{Class, CryptoOp, Details, Outcome};

/// The name of a record, shortened to 16 bytes of its SHA-256.
type Name = [u8; 16];

/// What the events of a log come to for each record: about 200 bytes of memory for each that they name, and 100 more for each
/// further time that it was made and deleted.
#[derive(Debug, Default)]
pub struct RecordLedger(HashMap<Name, History>);

/// What the events of one record come to.
#[derive(Debug, Default)]
struct History {
    /// Ascending; between each and the next there are versions of which nothing is known.
    runs: Vec<Run>,
    /// The versions that were deleted, ascending.
    deleted: Vec<u64>,
    /// When something was deleted that had no readable version, ascending, in µs since the Unix epoch, as versions begin.
    emptied: Vec<u64>,
    /// Whether a version was written more than once.
    twice: bool,
}

/// Versions that were all written.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    last: u64,
    /// The content of the last.
    content: [u8; 32],
    /// When the latest event of them was, in µs since the Unix epoch.
    latest: u64,
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
    /// Takes in what an event says, each event once. Of one chain they come in order, of several in any.
    pub fn note<Text: AsRef<str>>(&mut self, details: &Details<Text>) {
        if details.outcome != Outcome::Success {
            return;
        }
        let written = details.content_digest.filter(|_| details.operation == CryptoOp::Encrypt);
        if written.is_none() && details.operation != CryptoOp::Delete {
            return;
        }
        let history = self.0.entry(name(details.resource.as_ref())).or_default();
        match (written, details.version) {
            (Some(content), version) => history.written(version, content, micros(details.timestamp)),
            // What was deleted had no version that could be read.
            (None, 0) => insert_once(&mut history.emptied, micros(details.timestamp)),
            (None, version) => insert_once(&mut history.deleted, version),
        }
    }

    /// What is wrong with a record that lies in the table like this, or is not there; `None` if it is as the log
    /// says.
    #[must_use]
    pub fn judge(&self, resource: &str, stored: Option<RecordState>) -> Option<Class> {
        let Some(history) = self.0.get(&name(resource)) else {
            return stored.map(|_| Class::UnloggedRecord);
        };
        if history.twice {
            return Some(Class::StaleRecord);
        }
        let last: Vec<&Run> = history.last().collect();
        let Some(stored) = stored else {
            return (!last.is_empty()).then_some(Class::UnloggedDelete);
        };
        if history.goes_on_after_deletion() {
            return Some(Class::RestoredRecord);
        }
        match last.iter().find(|run| run.last == stored.version) {
            Some(run) if Some(run.content) != stored.content_digest => Some(Class::Altered),
            Some(_) if last.len() == 1 => None,
            Some(_) => Some(Class::StaleRecord),
            None if last.is_empty() => Some(Class::RestoredRecord),
            None if last.iter().any(|run| run.last > stored.version) => Some(Class::StaleRecord),
            None => Some(Class::UnloggedRecord),
        }
    }

    /// Whether a record should lie in the table.
    #[must_use]
    pub fn expects(&self, resource: &str) -> bool {
        self.0.get(&name(resource)).is_some_and(History::is_there)
    }

    /// The versions of a record that were written, and of which no event tells that they were followed or deleted: one, if
    /// all is well and the record is there.
    #[must_use]
    pub fn open(&self, resource: &str) -> Vec<u64> {
        let history = self.0.get(&name(resource)).into_iter();
        history.flat_map(History::last).map(|run| run.last).collect()
    }

    /// How many records should lie in the table.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.0.values().filter(|history| history.is_there()).count()
    }
}

impl History {
    fn written(&mut self, version: u64, content: [u8; 32], when: u64) {
        let runs = &mut self.runs;
        let behind = runs.partition_point(|run| run.first <= version);
        let before = behind.checked_sub(1);
        if let Some(run) = before.map(|before| &mut runs[before])
            && version <= run.last
        {
            self.twice = true;
            run.latest = run.latest.max(when);
            if run.last == version {
                run.content = content;
            }
            return;
        }
        // It stands alone, and then joins what it touches.
        let mut run = Run { first: version, last: version, content, latest: when };
        let mut joined = behind..behind;
        if let Some(next) = runs.get(behind).filter(|next| next.first == version + 1) {
            run = Run { first: version, latest: when.max(next.latest), ..*next };
            joined.end += 1;
        }
        if let Some(before) = before.filter(|&before| runs[before].last + 1 == version) {
            run = Run { first: runs[before].first, latest: run.latest.max(runs[before].latest), ..run };
            joined.start = before;
        }
        if joined.is_empty() {
            // Most have one for good.
            runs.reserve_exact(1);
        }
        runs.splice(joined, [run]);
    }

    /// Each run, and when the next life began; [`u64::MAX`] after the last.
    fn lives(&self) -> impl Iterator<Item = (&Run, u64)> {
        let next = self.runs.iter().skip(1).map(|next| next.first).chain([u64::MAX]);
        self.runs.iter().zip(next)
    }

    /// The runs that no event tells the end of.
    fn last(&self) -> impl Iterator<Item = &Run> {
        let ended = |run: &Run, next| {
            self.deleted.binary_search(&run.last).is_ok() || self.was_emptied(run.first.max(run.latest)..next)
        };
        self.lives().filter(move |&(run, next)| !ended(run, next)).map(|(run, _)| run)
    }

    /// Whether something without a readable version was deleted then.
    fn was_emptied(&self, when: Range<u64>) -> bool {
        let place = self.emptied.partition_point(|emptied| *emptied < when.start);
        self.emptied.get(place).is_some_and(|emptied| *emptied < when.end)
    }

    fn is_there(&self) -> bool {
        self.last().next().is_some()
    }

    /// Whether a version was deleted, and the next one written.
    fn goes_on_after_deletion(&self) -> bool {
        let followed = |&version: &u64| {
            let behind = self.runs.partition_point(|run| run.first <= version);
            behind.checked_sub(1).is_some_and(|before| version < self.runs[before].last)
        };
        self.deleted.iter().any(followed)
            || self.lives().any(|(run, next)| self.was_emptied(run.first..run.latest.min(next)))
    }
}

/// Since the Unix epoch, as versions begin.
fn micros(when: OffsetDateTime) -> u64 {
    u64::try_from(when.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

fn insert_once(ascending: &mut Vec<u64>, number: u64) {
    if let Err(place) = ascending.binary_search(&number) {
        ascending.reserve_exact(1);
        ascending.insert(place, number);
    }
}

fn name(resource: &str) -> Name {
    let digest: [u8; 32] = Sha256::digest(resource).into();
    *digest.first_chunk().expect("32 bytes are more than 16")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(i64::try_from(micros).unwrap())
    }

    /// At the time that is its version.
    fn event(operation: CryptoOp, version: u64, digest: u8) -> Details {
        let content_digest = (operation == CryptoOp::Encrypt).then_some([digest; 32]);
        let timestamp = at(version);
        Details { operation, resource: "r".to_owned(), version, content_digest, timestamp, ..Details::now() }
    }

    fn written(version: u64) -> Details {
        event(CryptoOp::Encrypt, version, u8::try_from(version % 251).expect("a small number"))
    }

    fn deleted(version: u64) -> Details {
        event(CryptoOp::Delete, version, 0)
    }

    /// The deletion of something without a readable version.
    fn emptied(micros: u64) -> Details {
        Details { timestamp: at(micros), ..deleted(0) }
    }

    fn ledger(events: &[Details]) -> RecordLedger {
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
        let rewritten = |version| event(CryptoOp::Encrypt, version, 77);
        let now = |version| Some(RecordState { version, content_digest: Some([77; 32]) });
        for (back, class) in [(0, Class::RestoredRecord), (1, Class::StaleRecord), (2, Class::StaleRecord)] {
            for on in 1..4 {
                let mut events = vec![written(100), written(101), written(102), deleted(102)];
                events.extend((103 - back..103 - back + on).map(rewritten));
                for _ in 0..100 {
                    let judged = ledger(&events).judge("r", now(102 - back + on));
                    assert_eq!(judged, Some(class), "{back} back, {on} on");
                    fastrand::shuffle(&mut events);
                }
            }
        }
        let anew = [written(100), written(101), deleted(101), written(900), written(901)];
        assert_eq!(ledger(&anew).judge("r", stored(901)), None);
    }

    /// Put back, and taken away again as docs/operations.md advises; or made without an event, and deleted with one.
    #[test]
    fn what_was_mended_is_no_finding_for_good() {
        let twice_deleted = [written(100), written(101), deleted(101), deleted(101)];
        assert_eq!(ledger(&twice_deleted).judge("r", None), None);
        let and_made_anew = [&twice_deleted[..], &[written(900)]].concat();
        assert_eq!(ledger(&and_made_anew).judge("r", stored(900)), None);
        let made_untold = [deleted(500), written(900), written(901)];
        assert_eq!(ledger(&made_untold).judge("r", stored(901)), None);
    }

    #[test]
    fn what_a_mangled_record_was_deleted_with_does_not_hide_that_it_was_rolled_back() {
        let again = event(CryptoOp::Encrypt, 102, 77);
        let events = [written(100), written(101), written(102), again, emptied(200), written(900)];
        assert_eq!(ledger(&events).judge("r", stored(900)), Some(Class::StaleRecord));
    }

    /// What each history comes to, in whatever order its events are heard.
    fn judged_in_any_order(events: &[Details], state: Option<RecordState>) -> Option<Class> {
        let mut events = events.to_vec();
        let judged = ledger(&events).judge("r", state);
        for _ in 0..100 {
            fastrand::shuffle(&mut events);
            assert_eq!(ledger(&events).judge("r", state), judged);
        }
        judged
    }

    #[test]
    fn a_mangled_record_that_was_deleted_ends_one_life() {
        let once = [written(100), emptied(200)];
        assert_eq!(judged_in_any_order(&once, None), None);
        assert_eq!(judged_in_any_order(&once, stored(100)), Some(Class::RestoredRecord));
        assert_eq!((ledger(&once).expects("r"), ledger(&once).open("r")), (false, vec![]));

        let and_made_anew = [written(100), emptied(200), written(900), written(901)];
        assert_eq!(judged_in_any_order(&and_made_anew, stored(901)), None);
        assert_eq!(judged_in_any_order(&and_made_anew, None), Some(Class::UnloggedDelete));
        assert_eq!(judged_in_any_order(&and_made_anew, stored(100)), Some(Class::StaleRecord));

        let never_made = [emptied(50), written(100)];
        assert_eq!(judged_in_any_order(&never_made, stored(100)), None);
        let made_untold_after_its_end = [written(100), deleted(100), emptied(200), written(900)];
        assert_eq!(judged_in_any_order(&made_untold_after_its_end, stored(900)), None);
    }

    #[test]
    fn a_mangled_record_that_was_deleted_restored_and_written_is_seen_in_any_order() {
        let restored = Details { timestamp: at(300), ..written(101) };
        let mut events = vec![written(100), emptied(200), restored];
        assert_eq!(judged_in_any_order(&events, stored(101)), Some(Class::RestoredRecord));
        assert_eq!(judged_in_any_order(&events, None), Some(Class::UnloggedDelete));
        events.push(written(900));
        assert_eq!(judged_in_any_order(&events, stored(900)), Some(Class::RestoredRecord));
        let rolled_back = Details { timestamp: at(300), ..event(CryptoOp::Encrypt, 100, 77) };
        let events = [written(100), emptied(200), rolled_back];
        assert_eq!(judged_in_any_order(&events, None), Some(Class::StaleRecord));
    }

    /// Somebody deleted it once without an event; what is mangled and deleted afterwards, however often, is another life's.
    #[test]
    fn a_mangled_record_that_was_deleted_hides_no_other_deletion() {
        let mut events = vec![written(100), written(900)];
        assert_eq!(judged_in_any_order(&events, stored(900)), Some(Class::StaleRecord));
        for when in [1_000, 1_100, 1_200] {
            events.push(emptied(when));
            assert_eq!(judged_in_any_order(&events, None), Some(Class::UnloggedDelete));
            assert_eq!(ledger(&events).open("r"), [100]);
        }
    }

    #[test]
    fn what_failed_changed_nothing() {
        let failed = Details { outcome: Outcome::Failure, ..deleted(100) };
        let ledger = ledger(&[written(100), failed]);
        assert_eq!(ledger.judge("r", stored(100)), None);
    }
}
