//! What an attack is: what it writes, from where the log is verified then, and what has to be found.

use std::collections::BTreeMap;

use blue_encrypted_store::{
    blue_audit::{Baseline, Class, Finding},
    table::SegmentItem,
};
use blue_tests::Item;

use crate::good::{Place, segment_place};

/// What is done to the table, and what has to come of it.
pub(crate) struct Edit {
    /// What lies in these places afterwards: an item, or nothing.
    pub(crate) writes: BTreeMap<Place, Option<Item>>,
    pub(crate) from: Reading,
    /// Whether records and key items are held against the log as well.
    pub(crate) deep: bool,
    /// What has to be found with the audit keys.
    pub(crate) seen: Seen,
    /// And without them, if that is something else.
    pub(crate) keyless: Option<Seen>,
}

/// Reading where the log is verified.
pub(crate) enum Reading {
    /// Reading its beginning.
    Beginning,
    /// Reading its beginning, or from any place of this chain up to a sequence: it must make no difference.
    AnywhereBefore(String, u64),
    /// Reading what was known when all was well; to be read from there on or, `full`, from the beginning.
    Checkpoint { baseline: Baseline, full: bool },
}

/// What is found.
pub(crate) enum Seen {
    /// These, and nothing else.
    Exactly(Vec<Expected>),
    /// One or more, all of these classes: of what is replaced by a whole other history, the lengths decide.
    Some(&'static [Class]),
}

/// One finding.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Its class; several where the place of a bit decides.
    classes: Vec<Class>,
    /// In which chain, and at which sequence it begins.
    at: Option<(String, u64)>,
    /// What it is about.
    resource: Option<String>,
}

impl Expected {
    pub(crate) fn of(class: Class) -> Self {
        Self { classes: vec![class], at: None, resource: None }
    }

    pub(crate) fn at(class: Class, chain: &str, first: u64) -> Self {
        Self { at: Some((chain.to_owned(), first)), ..Self::of(class) }
    }

    pub(crate) fn about(class: Class, resource: String) -> Self {
        Self { resource: Some(resource), ..Self::of(class) }
    }

    pub(crate) fn or(mut self, class: Class) -> Self {
        self.classes.push(class);
        self
    }

    fn is(&self, finding: &Finding) -> bool {
        let at = finding.chain.as_ref().zip(finding.sequences);
        let at = at.map(|(chain, sequences)| (chain.to_string(), sequences.first));
        self.classes.contains(&finding.class)
            && (self.at.is_none() || self.at == at)
            && (self.resource.is_none() || self.resource == finding.resource)
    }
}

impl Seen {
    /// Nothing: all fits together for whoever has not the keys.
    pub(crate) const NOTHING: Self = Self::Exactly(Vec::new());

    /// # Errors
    /// What was found instead.
    pub(crate) fn judge(&self, found: &[Finding], exit_code: u8) -> Result<(), String> {
        let shown = || found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let fits = match self {
            Self::Some(classes) => {
                !found.is_empty() && found.iter().all(|finding| classes.contains(&finding.class))
            }
            Self::Exactly(expected) => {
                let mut left: Vec<_> = found.iter().collect();
                let all = expected.iter().all(|one| {
                    let index = left.iter().position(|finding| one.is(finding));
                    index.map(|index| left.remove(index)).is_some()
                });
                all && left.is_empty()
            }
        };
        if !fits {
            return Err(format!("found [{}] instead of {}", shown(), self.shown()));
        }
        // The rule of docs/audit.md, "What it comes to".
        let incomplete = [Class::Truncated, Class::VanishedChain, Class::Clock];
        let due = match found {
            [] => 0,
            found if found.iter().all(|finding| incomplete.contains(&finding.class)) => 2,
            _ => 1,
        };
        if exit_code == due { Ok(()) } else { Err(format!("exit code {exit_code} for [{}]", shown())) }
    }

    fn shown(&self) -> String {
        match self {
            Self::Some(classes) => format!("some of {classes:?}"),
            Self::Exactly(expected) => format!("{expected:?}"),
        }
    }
}

impl Edit {
    /// An edit of nothing yet, which nobody sees.
    pub(crate) fn from(from: Reading) -> Self {
        Self { writes: BTreeMap::new(), from, deep: false, seen: Seen::NOTHING, keyless: None }
    }

    /// An edit whose first effect on a chain is at this sequence.
    pub(crate) fn at(chain: &str, first: u64) -> Self {
        Self::from(Reading::AnywhereBefore(chain.to_owned(), first))
    }

    /// An edit of what only a deep verification looks at.
    pub(crate) fn deep() -> Self {
        Self { deep: true, ..Self::from(Reading::Beginning) }
    }

    pub(crate) fn put(mut self, item: Item) -> Self {
        self.writes.insert(crate::good::place(&item), Some(item));
        self
    }

    pub(crate) fn put_segment(self, segment: &SegmentItem) -> Self {
        self.put(segment.to_item().expect("a segment of these sizes fits"))
    }

    pub(crate) fn delete(mut self, place: Place) -> Self {
        self.writes.insert(place, None);
        self
    }

    pub(crate) fn delete_segment(self, chain: &str, first: u64) -> Self {
        self.delete(segment_place(chain, first))
    }

    /// Has to be found: this, besides whatever else was said.
    pub(crate) fn sees(mut self, expected: Expected) -> Self {
        match &mut self.seen {
            Seen::Exactly(all) => all.push(expected),
            Seen::Some(_) => self.seen = Seen::Exactly(vec![expected]),
        }
        self
    }

    pub(crate) fn keyless(mut self, seen: Seen) -> Self {
        self.keyless = Some(seen);
        self
    }

    /// Without the keys, nothing but these.
    pub(crate) fn keyless_sees(self, expected: impl IntoIterator<Item = Expected>) -> Self {
        self.keyless(Seen::Exactly(expected.into_iter().collect()))
    }
}

#[test]
fn a_finding_too_few_too_many_or_of_another_class_place_or_verdict_fails() {
    let found = |class, first| Finding {
        chain: Some(blue_encrypted_store::blue_audit::address::Chain::new("main").unwrap()),
        sequences: Some(blue_encrypted_store::blue_audit::Sequences::one(first)),
        ..Finding::new(class, "")
    };
    let one = Seen::Exactly(vec![Expected::at(Class::Mac, "main", 7)]);
    assert_eq!(one.judge(&[found(Class::Mac, 7)], 1), Ok(()));
    for (findings, exit_code) in [
        (vec![], 0),
        (vec![found(Class::Mac, 7)], 2),
        (vec![found(Class::Mac, 7)], 0),
        (vec![found(Class::Mac, 8)], 1),
        (vec![found(Class::Altered, 7)], 1),
        (vec![found(Class::Mac, 7), found(Class::Mac, 7)], 1),
        (vec![found(Class::Mac, 7), found(Class::Fork, 8)], 1),
    ] {
        assert!(one.judge(&findings, exit_code).is_err(), "{findings:?} {exit_code}");
    }
    assert!(Seen::NOTHING.judge(&[found(Class::Mac, 7)], 1).is_err());
    assert_eq!(Seen::NOTHING.judge(&[], 0), Ok(()));
    let some = Seen::Some(&[Class::Fork]);
    assert!(some.judge(&[], 0).is_err() && some.judge(&[found(Class::Mac, 7)], 1).is_err());
    let clock = Seen::Exactly(vec![Expected::of(Class::Clock)]);
    assert_eq!(clock.judge(&[Finding::new(Class::Clock, "")], 2), Ok(()));
    assert!(clock.judge(&[Finding::new(Class::Clock, "")], 1).is_err());
}
