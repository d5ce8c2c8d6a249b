//! What became of a Replace whose answer was lost.
//!
//! It is sent again under the same condition. If that fails, the item that stands in its way tells whether it is
//! the first attempt's own work, somebody else's, or cannot tell. It is never guessed.

use crate::item::{Item, trace};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Our write was done.
    Ours,
    /// It was not, and cannot be any more: somebody else's state is in its place.
    Theirs,
    /// Both would leave what is there.
    Unknown,
}

/// Compares what is stored now with what we sent as version v. Versions of one record grow by one with each write,
/// and its creation time is never changed by later writes. So:
/// - our write id is stored: it is ours;
/// - another write of the same record is stored as version v: ours never was;
/// - anything else: ours may have been there and been replaced or deleted since.
pub(crate) fn resolve(ours: &Item, stored: Option<&Item>) -> Resolution {
    let Some(stored) = stored.map(trace) else { return Resolution::Unknown };
    let ours = trace(ours);
    // To lack the same is to have nothing in common.
    if ours.write_id.is_some() && ours.write_id == stored.write_id {
        Resolution::Ours
    } else if ours.place().is_some() && ours.place() == stored.place() {
        Resolution::Theirs
    } else {
        Resolution::Unknown
    }
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

    fn after(stored: Option<&Item>) -> Resolution {
        resolve(&self::stored(1, 108, 100), stored)
    }

    #[test]
    fn a_lost_replace_is_ours_theirs_or_unknown() {
        assert_eq!(after(Some(&stored(1, 108, 100))), Resolution::Ours);
        assert_eq!(after(Some(&stored(2, 108, 100))), Resolution::Theirs, "theirs took our version");
        assert_eq!(after(Some(&stored(2, 109, 100))), Resolution::Unknown, "on top of ours or of theirs?");
        assert_eq!(after(Some(&stored(2, 500, 500))), Resolution::Unknown, "deleted and created anew");
        assert_eq!(after(Some(&stored(2, 107, 100))), Resolution::Unknown, "rolled back");
        assert_eq!(after(None), Resolution::Unknown, "deleted, before ours or after");
    }

    #[test]
    fn a_mangled_item_tells_nothing() {
        let mut item = stored(2, 108, 100);
        item.remove("_c");
        assert_eq!(after(Some(&item)), Resolution::Unknown);
        let mut ours = stored(1, 108, 100);
        ours.remove("_c");
        assert_eq!(resolve(&ours, Some(&item)), Resolution::Unknown, "nor if ours has no time either");
        assert_eq!(resolve(&Item::new(), Some(&Item::new())), Resolution::Unknown);
    }
}
