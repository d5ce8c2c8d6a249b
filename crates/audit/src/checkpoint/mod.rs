//! Checkpoints: how far every chain had come at one moment, as a text to be signed and kept outside the table.

mod order;
mod sink;
mod text;

use std::collections::BTreeMap;

use blue_address::{Chain, Namespace, Tenant};
use time::{OffsetDateTime, UtcOffset};

use crate::{Baseline, GENESIS, Head, NoteError, NoteSigner, NoteVerifier, UnsignableText, VerifiedNote};

pub use order::GoesBack;
pub use sink::{CheckpointSink, SinkError};
pub use text::MalformedCheckpoint;

/// How far every chain of one store had come, and which tenants were shredded, at one moment.
///
/// Its text is exact (docs/audit.md of the repository, "Checkpoint"): the same checkpoint has the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    namespace: Namespace,
    time: OffsetDateTime,
    table_id: Option<String>,
    chains: BTreeMap<Chain, Head>,
    shredded: BTreeMap<Tenant, OffsetDateTime>,
    events: u64,
}

/// Why there is no such checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A time that no timestamp stands for.
    #[error("a checkpoint's times are within the years 0-9999")]
    Time,
    /// The table's id is not what it may be.
    #[error("a table's id is 1 to 255 visible ASCII characters")]
    TableId,
    /// A chain without events that has a head, or the reverse.
    #[error("the head of the chain {chain} is zeros if, and only if, it has no events")]
    Head {
        /// Which chain.
        chain: Chain,
    },
    /// More events than a number can say.
    #[error("all chains together have more than 2^64 - 1 events")]
    TooManyEvents,
}

/// Why a note is no checkpoint to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCheckpointError {
    /// The note does not open.
    #[error("the checkpoint's note does not open")]
    Note(#[from] NoteError),
    /// A known key signed it, and it is no checkpoint.
    #[error("what was signed is no checkpoint")]
    Malformed(#[from] MalformedCheckpoint),
}

impl Checkpoint {
    /// A checkpoint of these chains. Times are brought to UTC and cut to the microsecond.
    ///
    /// # Errors
    /// [`CheckpointError`] for what no checkpoint can say.
    pub fn new(
        namespace: Namespace,
        time: OffsetDateTime,
        table_id: Option<String>,
        chains: BTreeMap<Chain, Head>,
        shredded: BTreeMap<Tenant, OffsetDateTime>,
    ) -> Result<Self, CheckpointError> {
        let visible = |id: &String| {
            (1..=MAX_TABLE_ID_LEN).contains(&id.len()) && id.bytes().all(|c| matches!(c, 0x21..=0x7e))
        };
        if !table_id.iter().all(visible) {
            return Err(CheckpointError::TableId);
        }
        let mut events: u64 = 0;
        for (chain, head) in &chains {
            if (head.next == 0) != (head.hash == GENESIS) {
                return Err(CheckpointError::Head { chain: chain.clone() });
            }
            events = events.checked_add(head.next).ok_or(CheckpointError::TooManyEvents)?;
        }
        let shredded = shredded.into_iter().map(|(tenant, time)| Ok((tenant, timestamp(time)?)));
        let shredded = shredded.collect::<Result<_, CheckpointError>>()?;
        Ok(Self { namespace, time: timestamp(time)?, table_id, chains, shredded, events })
    }

    /// The checkpoint of what a verification reached.
    ///
    /// # Errors
    /// As for [`Checkpoint::new`].
    pub fn of(
        namespace: Namespace,
        reached: Baseline,
        shredded: BTreeMap<Tenant, OffsetDateTime>,
    ) -> Result<Self, CheckpointError> {
        Self::new(namespace, reached.time, reached.table_id, reached.chains, shredded)
    }

    /// Of which store it is.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// When it was made, by the clock of who made it.
    #[must_use]
    pub fn time(&self) -> OffsetDateTime {
        self.time
    }

    /// The id that the service gives the table, if it gives one.
    #[must_use]
    pub fn table_id(&self) -> Option<&str> {
        self.table_id.as_deref()
    }

    /// All chains, and how far each had come.
    #[must_use]
    pub fn chains(&self) -> &BTreeMap<Chain, Head> {
        &self.chains
    }

    /// All shredded tenants, and when each was shredded.
    #[must_use]
    pub fn shredded(&self) -> &BTreeMap<Tenant, OffsetDateTime> {
        &self.shredded
    }

    /// The number of events in all chains.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The name that the key for this namespace's checkpoints should have: `bes/<namespace>`, as their first line has it,
    /// but with `%2B` for `+`, which no key's name contains, and `%25` for `%`.
    #[must_use]
    pub fn key_name(namespace: &Namespace) -> String {
        format!("{ORIGIN_PREFIX}{}", namespace.as_str().replace('%', "%25").replace('+', "%2B"))
    }

    /// Signs the checkpoint: the note that is published.
    ///
    /// # Errors
    /// [`UnsignableText::TooLong`], beyond some 50,000 chains or shredded tenants.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, UnsignableText> {
        signer.sign(&self.text())
    }

    /// Opens a note that is a checkpoint, signed by a known key. Whoever knows which store it should be of compares
    /// [`Checkpoint::namespace`] as well.
    ///
    /// # Errors
    /// [`OpenCheckpointError`] if the note does not open, or its text is no checkpoint.
    pub fn open(note: impl AsRef<[u8]>, known: &[NoteVerifier]) -> Result<Self, OpenCheckpointError> {
        let note = VerifiedNote::open(note, known)?;
        Ok(Self::parse(note.text())?)
    }
}

/// What the first line of a checkpoint begins with.
const ORIGIN_PREFIX: &str = "bes/";

/// What the verifier measures a log by.
impl From<Checkpoint> for Baseline {
    fn from(checkpoint: Checkpoint) -> Self {
        let Checkpoint { time, table_id, chains, .. } = checkpoint;
        Self { chains, time, table_id }
    }
}

const MAX_TABLE_ID_LEN: usize = 255;

/// The time in UTC, to the microsecond.
fn timestamp(time: OffsetDateTime) -> Result<OffsetDateTime, CheckpointError> {
    let utc = time.checked_to_offset(UtcOffset::UTC).filter(|utc| (0..=9999).contains(&utc.year()));
    let utc = utc.ok_or(CheckpointError::Time)?;
    Ok(utc.replace_microsecond(utc.microsecond()).expect("a time's own microsecond is within its range"))
}

#[cfg(test)]
mod tests {
    use std::iter;

    use time::macros::datetime;

    use super::*;

    const TIME: OffsetDateTime = datetime!(2026-01-02 03:04:05.678901234 +02:00);

    fn namespace() -> Namespace {
        Namespace::new("prod").unwrap()
    }

    fn with_chains(chains: &[(&str, Head)]) -> Result<Checkpoint, CheckpointError> {
        let chains = chains.iter().map(|&(chain, head)| (Chain::new(chain).unwrap(), head)).collect();
        Checkpoint::new(namespace(), TIME, None, chains, BTreeMap::new())
    }

    fn with_table_id(id: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::new(namespace(), TIME, Some(id.to_owned()), BTreeMap::new(), BTreeMap::new())
    }

    #[test]
    fn times_are_in_utc_and_to_the_microsecond() {
        let shredded = BTreeMap::from([(Tenant::new("bob").unwrap(), TIME)]);
        let checkpoint = Checkpoint::new(namespace(), TIME, None, BTreeMap::new(), shredded).unwrap();
        let utc = datetime!(2026-01-02 01:04:05.678901 UTC);
        assert_eq!((checkpoint.time(), checkpoint.time().offset()), (utc, UtcOffset::UTC));
        assert_eq!(checkpoint.shredded().values().collect::<Vec<_>>(), [&utc]);
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
    }

    #[test]
    fn a_time_outside_the_years_0_to_9999_is_refused() {
        let at = |time| Checkpoint::new(namespace(), time, None, BTreeMap::new(), BTreeMap::new());
        for beyond in [datetime!(-0001-12-31 23:59:59 UTC), datetime!(0000-01-01 00:00 +01:00)] {
            assert_eq!(at(beyond), Err(CheckpointError::Time));
            let shredded = iter::once((Tenant::new("bob").unwrap(), beyond)).collect();
            let checkpoint = Checkpoint::new(namespace(), TIME, None, BTreeMap::new(), shredded);
            assert_eq!(checkpoint, Err(CheckpointError::Time));
        }
        assert!(
            at(datetime!(0000-01-01 00:00 UTC)).is_ok() && at(datetime!(9999-12-31 23:59:59 UTC)).is_ok()
        );
        assert_eq!(at(datetime!(9999-12-31 23:59:59 -01:00)), Err(CheckpointError::Time));
    }

    #[test]
    fn a_table_id_is_visible_ascii() {
        for good in ["t", "!~#/", &"t".repeat(255)] {
            assert_eq!(with_table_id(good).unwrap().table_id(), Some(good));
        }
        for bad in ["", " ", "a b", "a\n", "\u{7f}", "é", &"t".repeat(256)] {
            assert_eq!(with_table_id(bad), Err(CheckpointError::TableId), "{bad:?}");
        }
    }

    #[test]
    fn a_chain_has_a_head_exactly_if_it_has_events() {
        let bare = Head { next: 0, hash: GENESIS };
        assert_eq!(with_chains(&[("main", bare)]).unwrap().events(), 0);
        for wrong in [Head { next: 1, ..bare }, Head { hash: [1; 32], ..bare }] {
            let chain = Chain::new("main").unwrap();
            assert_eq!(with_chains(&[("main", wrong)]), Err(CheckpointError::Head { chain }));
        }
    }

    #[test]
    fn the_number_of_events_is_a_u64() {
        let of = |next| Head { next, hash: [1; 32] };
        assert_eq!(with_chains(&[("a", of(u64::MAX - 1)), ("b", of(1))]).unwrap().events(), u64::MAX);
        assert_eq!(with_chains(&[("a", of(u64::MAX)), ("b", of(1))]), Err(CheckpointError::TooManyEvents));
    }

    #[test]
    fn a_baseline_makes_the_checkpoint_that_it_came_from() {
        let chains = BTreeMap::from([(Chain::new("main").unwrap(), Head { next: 3, hash: [1; 32] })]);
        let shredded = BTreeMap::from([(Tenant::new("bob").unwrap(), TIME)]);
        let id = Some("t".to_owned());
        let checkpoint =
            Checkpoint::new(namespace(), TIME, id.clone(), chains.clone(), shredded.clone()).unwrap();
        let baseline = Baseline::from(checkpoint.clone());
        assert_eq!(baseline, Baseline { chains, time: checkpoint.time(), table_id: id });
        assert_eq!(Checkpoint::of(namespace(), baseline, shredded), Ok(checkpoint));
    }

    #[test]
    fn a_signed_checkpoint_opens_with_its_key_and_no_other() {
        let signer = NoteSigner::generate(Checkpoint::key_name(&namespace())).unwrap();
        let checkpoint = with_chains(&[("main", Head { next: 3, hash: [1; 32] })]).unwrap();
        let note = checkpoint.sign(&signer).unwrap();
        assert_eq!(Checkpoint::open(&note, &[signer.verifier().clone()]), Ok(checkpoint));
        let other = NoteSigner::generate(Checkpoint::key_name(&namespace())).unwrap();
        let opened = Checkpoint::open(&note, &[other.verifier().clone()]);
        assert_eq!(opened, Err(OpenCheckpointError::Note(NoteError::Unverified)));
        let something = signer.sign("bes/prod\n").unwrap();
        let opened = Checkpoint::open(something, &[signer.verifier().clone()]);
        assert!(matches!(opened, Err(OpenCheckpointError::Malformed(_))), "{opened:?}");
    }

    #[test]
    fn every_namespace_has_a_key_name_of_its_own() {
        let names = ["prod", "a+b", "a%2Bb", "a%b", "a%25b", "+", "%"].map(|name| {
            let name = Checkpoint::key_name(&Namespace::new(name).unwrap());
            NoteSigner::generate(&name).unwrap();
            name
        });
        assert_eq!(names[..2], ["bes/prod", "bes/a%2Bb"]);
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }
}
