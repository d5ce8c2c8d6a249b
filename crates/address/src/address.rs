//! The full address of a record, and the short form that people type.

use std::{fmt, str::FromStr};

use crate::{Collection, Kind, NameError, Namespace, RecordId, Tenant, push_length_prefixed};

/// Where a record is, and what its envelope is bound to: moved to any other address it does not open.
///
/// `Display` leaves the namespace out: `tenant/collection/kind/id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The namespace of the store.
    pub namespace: Namespace,
    /// Whose record it is.
    pub tenant: Tenant,
    /// The collection it belongs to.
    pub collection: Collection,
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
}

impl Address {
    /// Appends `lp(namespace) ‖ lp(tenant) ‖ lp(collection) ‖ lp(kind) ‖ lp(id)`, the bytes that an envelope
    /// authenticates.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        for part in [
            self.namespace.as_str(),
            self.tenant.as_str(),
            self.collection.as_str(),
            self.kind.as_str(),
            self.id.as_str(),
        ] {
            push_length_prefixed(out, part.as_bytes());
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace: _, tenant, collection, kind, id } = self;
        write!(f, "{tenant}/{collection}/{kind}/{id}")
    }
}

/// `tenant/collection/kind/id`: an address without its namespace, which configuration gives.
/// Everything after the third `/` is the id, which may itself contain `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordPath {
    /// Whose record it is.
    pub tenant: Tenant,
    /// The collection it belongs to.
    pub collection: Collection,
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
}

impl RecordPath {
    /// The full address of this record in `namespace`.
    #[must_use]
    pub fn within(self, namespace: Namespace) -> Address {
        let Self { tenant, collection, kind, id } = self;
        Address { namespace, tenant, collection, kind, id }
    }
}

impl fmt::Display for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, collection, kind, id } = self;
        write!(f, "{tenant}/{collection}/{kind}/{id}")
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Fewer than four parts.
    #[error("an address has four parts, tenant/collection/kind/id; {text:?} has {found}")]
    Parts {
        /// What was given.
        text: String,
        /// How many parts it has.
        found: usize,
    },
    /// One of the parts breaks the rules of its name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for RecordPath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let [tenant, collection, kind, id] = parts[..] else {
            return Err(AddressError::Parts { text: text.to_owned(), found: parts.len() });
        };
        Ok(Self {
            tenant: Tenant::new(tenant)?,
            collection: Collection::new(collection)?,
            kind: Kind::new(kind)?,
            id: RecordId::new(id)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_keeps_its_slashes() {
        let path: RecordPath = "alice/inbox/note/2026/11/23".parse().unwrap();
        assert_eq!(path.id.as_str(), "2026/11/23");
        assert_eq!(path.to_string(), "alice/inbox/note/2026/11/23");
    }

    #[test]
    fn a_short_address_says_how_many_parts_it_has() {
        let error = "alice/inbox".parse::<RecordPath>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "an address has four parts, tenant/collection/kind/id; \"alice/inbox\" has 2"
        );
        assert!(matches!("a//k/i".parse::<RecordPath>(), Err(AddressError::Name(NameError::Empty { .. }))));
    }

    fn name() -> impl Strategy<Value = String> {
        "[!-.0-~&&[^#]]{1,8}"
    }

    /// Short and of two letters, so that many differ only by where one part ends and the next begins.
    fn parts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ab]{1,2}", 5)
    }

    fn address(parts: &[String]) -> Address {
        Address {
            namespace: Namespace::new(&parts[0]).unwrap(),
            tenant: Tenant::new(&parts[1]).unwrap(),
            collection: Collection::new(&parts[2]).unwrap(),
            kind: Kind::new(&parts[3]).unwrap(),
            id: RecordId::new(&parts[4]).unwrap(),
        }
    }

    fn encode(parts: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        address(parts).encode_into(&mut out);
        out
    }

    #[test]
    fn an_address_prints_without_its_namespace() {
        let path: RecordPath = "alice/inbox/note/1".parse().unwrap();
        assert_eq!(path.within(Namespace::new("prod").unwrap()).to_string(), "alice/inbox/note/1");
    }

    proptest! {
        #[test]
        fn what_an_address_prints_parses_back(t in name(), c in name(), k in name(), id in "\\PC{1,20}") {
            let text = format!("{t}/{c}/{k}/{id}");
            prop_assert_eq!(text.parse::<RecordPath>().unwrap().to_string(), text);
        }

        #[test]
        fn two_addresses_never_share_their_bytes(a in parts(), other in parts(), taken in 0..6_usize) {
            // Two addresses at random differ in nearly every part; these differ in one, or in none.
            let mut b = a.clone();
            b.iter_mut().zip(other).skip(taken).take(1).for_each(|(part, other)| *part = other);
            prop_assert_eq!(encode(&a) == encode(&b), a == b);
        }

        #[test]
        fn a_letter_that_moves_into_the_next_part_changes_the_bytes(a in parts(), first in 0..4_usize) {
            let mut b = a.clone();
            let letter = b[first].pop().unwrap();
            b[first + 1].insert(0, letter);
            // A part that this left empty is no name: both get a letter more.
            let [a, b] = [a, b].map(|mut parts| {
                parts[first].insert(0, 'a');
                parts
            });
            prop_assert_ne!(encode(&a), encode(&b));
        }
    }
}
