//! The names a record is addressed by.

use std::{fmt, str::FromStr, sync::Arc};

/// The longest name, in bytes.
pub const MAX_NAME_LEN: usize = 255;

/// The longest record id, in bytes of UTF-8.
///
/// `kind#id` is the table's sort key, which DynamoDB bounds at 1,024 bytes: 255 + 1 + 768.
pub const MAX_ID_LEN: usize = 768;

/// The longest principal, in bytes of UTF-8.
pub const MAX_PRINCIPAL_LEN: usize = 1_024;

/// A name or id that breaks its rules. `what` says which it was to be ("tenant", "record id", …).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was given.
    #[error("the {what} is empty")]
    Empty {
        /// Which name it was to be.
        what: &'static str,
    },
    /// More bytes than allowed.
    #[error("the {what} has {length} bytes, {limit} are allowed")]
    TooLong {
        /// Which name it was to be.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most bytes it may have.
        limit: usize,
    },
    /// A character that the name may not contain.
    #[error("the {what} contains {character:?} at byte {position}, which is not allowed: {rule}")]
    Forbidden {
        /// Which name it was to be.
        what: &'static str,
        /// The first character that is refused.
        character: char,
        /// Where it stands, in bytes from the start.
        position: usize,
        /// What is allowed instead.
        rule: &'static str,
    },
}

const NAME_RULE: &str = "visible ASCII except '#' and '/'";
const ID_RULE: &str = "UTF-8 without control characters";

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` once; whoever holds the value need not check again.
            ///
            /// # Errors
            /// [`NameError`], which says what is wrong and where.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                $check($what, $limit, text)?;
                Ok(Self(text.into()))
            }

            /// The text as given; it is never normalised.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        /// The text, shared and not copied.
        impl From<$name> for Arc<str> {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

name! {
    /// The name that one table's records share, fixed when the table is initialised. It is authenticated by
    /// every envelope, so that records of one store never open in another.
    Namespace, "namespace", MAX_NAME_LEN, check_name
}
name! {
    /// Whose data it is. Each tenant has a key of its own, and is erased by erasing that key.
    Tenant, "tenant", MAX_NAME_LEN, check_name
}
name! {
    /// A named set of one tenant's records, listed together.
    Collection, "collection", MAX_NAME_LEN, check_name
}
name! {
    /// The type of a record within its collection.
    Kind, "kind", MAX_NAME_LEN, check_name
}
name! {
    /// One sequence of audit events, each bound to the one before it.
    Chain, "chain", MAX_NAME_LEN, check_name
}
name! {
    /// Who does something, as the caller asserts it: 1–1,024 bytes of UTF-8 without control characters.
    Principal, "principal", MAX_PRINCIPAL_LEN, check_id
}
name! {
    /// What tells one record from the others of its kind: 1–768 bytes of UTF-8 without control characters.
    /// Ids sort bytewise. They are never normalised: "é" composed and decomposed are two ids.
    RecordId, "record id", MAX_ID_LEN, check_id
}

fn check_name(what: &'static str, limit: usize, text: &str) -> Result<(), NameError> {
    check_length(what, limit, text)?;
    let refused = |c: char| !matches!(c, '\u{21}'..='\u{7e}') || matches!(c, '#' | '/');
    check_characters(what, text, refused, NAME_RULE)
}

fn check_id(what: &'static str, limit: usize, text: &str) -> Result<(), NameError> {
    check_length(what, limit, text)?;
    check_characters(what, text, char::is_control, ID_RULE)
}

fn check_length(what: &'static str, limit: usize, text: &str) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty { what }),
        length if length > limit => Err(NameError::TooLong { what, length, limit }),
        _ => Ok(()),
    }
}

fn check_characters(
    what: &'static str,
    text: &str,
    refused: impl Fn(char) -> bool,
    rule: &'static str,
) -> Result<(), NameError> {
    match text.char_indices().find(|&(_, c)| refused(c)) {
        Some((position, character)) => Err(NameError::Forbidden { what, character, position, rule }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_ascii_without_the_separators() {
        for good in ["a", "A-Z_0.9~!", &"x".repeat(255)] {
            assert_eq!(Tenant::new(good).unwrap().as_str(), good);
        }
        for (bad, position) in [("a#b", 1), ("/", 0), ("a b", 1), ("ü", 0), ("tab\t", 3), ("\u{7f}", 0)] {
            let error = Tenant::new(bad).unwrap_err();
            assert!(
                matches!(error, NameError::Forbidden { position: p, .. } if p == position),
                "{bad:?}: {error}"
            );
        }
        assert_eq!(Kind::new("").unwrap_err(), NameError::Empty { what: "kind" });
        assert_eq!(
            Collection::new("x".repeat(256)).unwrap_err().to_string(),
            "the collection has 256 bytes, 255 are allowed"
        );
    }

    #[test]
    fn an_id_is_any_text_without_control_characters() {
        for good in ["a/b#c", "日本 語", "é", "e\u{301}", &"x".repeat(768)] {
            assert_eq!(RecordId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "\u{0}", "\u{85}", &"x".repeat(769)] {
            assert!(RecordId::new(bad).is_err(), "{bad:?}");
        }
    }
}
