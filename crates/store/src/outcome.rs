//! What became of a conditional write whose answer was lost.
//!
//! The write is sent again under the same condition. If that fails, the item that stands in its way tells
//! whether it is the first attempt's own work, somebody else's, or cannot tell. It is never guessed.

use crate::item::{Item, WRITE_ID_LEN, trace};

/// What we tried to write, as far as it identifies the write.
pub(crate) struct Ours<'a> {
    pub(crate) write_id: &'a [u8],
    pub(crate) version: u64,
    pub(crate) created: i64,
    pub(crate) creates: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Our write was done.
    Ours,
    /// It was not, and cannot be any more: somebody else's state is in its place.
    Theirs,
    /// Both would leave what is there.
    Unknown,
}

/// Compares what is stored now with what we sent.
///
/// Versions of one record grow by one with each write, and a record's creation time is never changed by later
/// writes; a record created anew has a later one. So:
/// - our write id is stored: it is ours;
/// - a Replace made version v, and another write of the same record is stored as v: ours never was;
/// - a Create finds a record created before it: ours never was;
/// - anything else (ours may have been there and been replaced or deleted since): unknown.
pub(crate) fn resolve(ours: &Ours<'_>, stored: Option<&Item>) -> Resolution {
    let Some(stored) = stored.map(trace) else { return Resolution::Unknown };
    if stored.write_id.is_some_and(|id| id == &ours.write_id[..WRITE_ID_LEN]) {
        return Resolution::Ours;
    }
    let (Some(version), Some(created)) = (stored.version, stored.created) else { return Resolution::Unknown };
    let theirs = if ours.creates {
        created < ours.created || (created == ours.created && version == ours.version)
    } else {
        created == ours.created && version == ours.version
    };
    if theirs { Resolution::Theirs } else { Resolution::Unknown }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

    use super::*;

    fn stored(write_id: u8, version: u64, created: i64) -> Item {
        [
            ("_e", AttributeValue::B(Blob::new(vec![write_id; 117]))),
            ("_v", AttributeValue::N(version.to_string())),
            ("_c", AttributeValue::N(created.to_string())),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn after(creates: bool, stored: Option<&Item>) -> Resolution {
        let ours = if creates {
            Ours { write_id: &[1; 37], version: 100, created: 100, creates }
        } else {
            Ours { write_id: &[1; 37], version: 108, created: 100, creates }
        };
        resolve(&ours, stored)
    }

    #[test]
    fn a_lost_create_is_ours_theirs_or_unknown() {
        assert_eq!(after(true, Some(&stored(1, 100, 100))), Resolution::Ours);
        assert_eq!(after(true, Some(&stored(2, 99, 99))), Resolution::Theirs, "it was there before");
        assert_eq!(after(true, Some(&stored(2, 150, 90))), Resolution::Theirs, "it was there before");
        assert_eq!(after(true, Some(&stored(2, 100, 100))), Resolution::Theirs, "created in the same µs");
        assert_eq!(after(true, Some(&stored(2, 101, 100))), Resolution::Unknown, "ours, replaced since?");
        assert_eq!(
            after(true, Some(&stored(2, 120, 120))),
            Resolution::Unknown,
            "ours, deleted and created anew?"
        );
        assert_eq!(after(true, None), Resolution::Unknown);
    }

    #[test]
    fn a_lost_replace_is_ours_theirs_or_unknown() {
        assert_eq!(after(false, Some(&stored(1, 108, 100))), Resolution::Ours);
        assert_eq!(after(false, Some(&stored(2, 108, 100))), Resolution::Theirs, "theirs took our version");
        assert_eq!(
            after(false, Some(&stored(2, 109, 100))),
            Resolution::Unknown,
            "on top of ours or of theirs?"
        );
        assert_eq!(after(false, Some(&stored(2, 500, 500))), Resolution::Unknown, "deleted and created anew");
        assert_eq!(after(false, Some(&stored(2, 107, 100))), Resolution::Unknown, "rolled back");
        assert_eq!(after(false, None), Resolution::Unknown, "deleted, before ours or after");
    }

    #[test]
    fn a_mangled_item_tells_nothing() {
        let mut item = stored(2, 108, 100);
        item.remove("_c");
        assert_eq!(after(false, Some(&item)), Resolution::Unknown);
    }
}
