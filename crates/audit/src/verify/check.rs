//! One stored item by itself: what it is, before its place in the chain is judged.

use std::{error::Error, fmt::Write};

use blue_address::{Chain, Namespace};

use crate::{
    AuditKeys, Class, Events, KeylessSegment, Segment, SegmentError, Stored, VerifiedSegment, segment::Sound,
};

/// What every segment of a log is checked against.
#[derive(Debug, Clone)]
pub struct Checks {
    /// Whose log it is.
    pub namespace: Namespace,
    /// The store's audit keys. Without them MACs are not checked, and who wrote the log is not known.
    pub keys: Option<AuditKeys>,
}

/// A segment that is sound, as far as it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadSegment {
    /// With its MAC.
    Verified(VerifiedSegment),
    /// Without keys: it fits together, no more.
    Keyless(KeylessSegment),
}

impl ReadSegment {
    /// The events, at least one, in the order of their sequence.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        self.sound().events()
    }

    pub(super) fn sound(&self) -> &Sound {
        match self {
            Self::Verified(segment) => segment.sound(),
            Self::Keyless(segment) => segment.sound(),
        }
    }
}

/// An item that was checked by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// The sequence that it lies at, if it lies at one.
    pub(super) place: Option<u64>,
    /// How many bytes of events it holds.
    pub(super) bytes: u64,
    pub(super) found: Result<ReadSegment, Defect>,
}

/// What is wrong with an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defect {
    pub(super) class: Class,
    /// How many places it takes, if that is known in spite of all.
    pub(super) places: Option<u32>,
    pub(super) what: String,
}

impl Checks {
    pub(super) fn check(&self, chain: &Chain, stored: Stored) -> Checked {
        match stored {
            Stored::Segment(segment) => Checked {
                place: Some(segment.first),
                bytes: u64::try_from(segment.events.len()).unwrap_or(u64::MAX),
                found: self.check_segment(chain, segment),
            },
            Stored::Malformed { first, reason } => {
                let what = format!("no segment: {reason}");
                let defect = Defect { class: Class::Malformed, places: None, what };
                Checked { place: first, bytes: 0, found: Err(defect) }
            }
        }
    }

    fn check_segment(&self, chain: &Chain, segment: Segment) -> Result<ReadSegment, Defect> {
        if segment.chain != chain.as_str() {
            let what = "the segment is of another chain".to_owned();
            return Err(Defect { class: Class::Foreign, places: None, what });
        }
        let (count, key_id) = (segment.count, segment.audit_kek_id);
        let shape = segment
            .check_without_key()
            .map_err(|error| Defect::of(&error, segment.takes_its_places().then_some(count)))?;
        let keyless = KeylessSegment::new(segment, shape);
        let Some(keys) = &self.keys else { return Ok(ReadSegment::Keyless(keyless)) };
        let key = keys.find(&key_id).ok_or_else(|| Defect {
            class: Class::Foreign,
            // It has taken the place of something else, which may have been longer.
            places: None,
            what: "the segment's MAC was made under a key that is none of this store's".to_owned(),
        })?;
        let verified = keyless.authenticate(key, &self.namespace);
        Ok(ReadSegment::Verified(verified.map_err(|error| Defect::of(&error, Some(count)))?))
    }
}

impl Defect {
    fn of(error: &SegmentError, places: Option<u32>) -> Self {
        Self { class: class_of(error), places, what: text_of(error) }
    }
}

fn class_of(error: &SegmentError) -> Class {
    match error {
        SegmentError::Malformed(_) => Class::Malformed,
        SegmentError::Foreign { .. } | SegmentError::WrongKey => Class::Foreign,
        SegmentError::Mac => Class::Mac,
        SegmentError::Count { .. }
        | SegmentError::Sequence { .. }
        | SegmentError::Link { .. }
        | SegmentError::Head => Class::Altered,
    }
}

/// An error with all its causes.
fn text_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a String does not fail");
        cause = error.source();
    }
    text
}
