//! What is said of a setting: to whoever reads about it, and to whoever got it wrong.

use std::fmt;

/// All that there is to say of one setting. Messages, `Config::load` and the documents take it from here.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Where it stands in the documents.
    pub group: Group,
    /// Its key in the configuration file.
    pub name: &'static str,
    /// Its flag, if it has one, without the two dashes.
    pub flag: Option<&'static str>,
    /// Its variables. The first that is set wins.
    pub variables: &'static [&'static str],
    /// What texts it takes.
    pub form: Form,
    /// What holds if it is not set.
    pub unset: Unset,
    /// One or two sentences of Markdown: what it does.
    pub meaning: &'static str,
}

/// Settings that belong together. They stand together in `Setting::ALL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The table and what is in it.
    Store,
    /// The master key, and tenants' keys.
    Keys,
    /// How AWS is reached.
    Aws,
    /// How long requests may take.
    Deadlines,
    /// What the audit log holds, and when.
    AuditLog,
    /// Checkpoints of the audit log.
    Checkpoints,
    /// Who is told what a verification found.
    Alerts,
    /// What is printed, and what is logged.
    Output,
}

/// What texts a setting takes: one of some words, or what is described, or either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The words, each with what it means.
    pub words: &'static [(&'static str, &'static str)],
    /// What else it takes; empty if there is nothing else.
    pub other: &'static str,
}

/// What holds if a setting is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// This text, as if it had been given.
    Default(&'static str),
    /// It has no value.
    None {
        /// What that means.
        meaning: &'static str,
        /// A text that could be given.
        example: &'static str,
    },
}

impl Group {
    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Store => "Store",
            Self::Keys => "Keys",
            Self::Aws => "AWS",
            Self::Deadlines => "Deadlines",
            Self::AuditLog => "Audit log",
            Self::Checkpoints => "Checkpoints",
            Self::Alerts => "Alerts",
            Self::Output => "Output and logs",
        }
    }
}

impl Form {
    /// One of these words.
    pub(super) const fn one_of(words: &'static [(&'static str, &'static str)]) -> Self {
        Self { words, other: "" }
    }

    /// What this says.
    pub(super) const fn described(other: &'static str) -> Self {
        Self { words: &[], other }
    }

    /// The word that was probably meant.
    pub(super) fn nearest_word(self, text: &str) -> Option<&'static str> {
        // No word has a colon: whoever wrote `lease:9` meant more than `lease`.
        let words = self.words.iter().map(|&(word, _)| word).filter(|_| !text.contains(':'));
        nearest(&text.to_lowercase(), words, 2)
    }
}

/// As in "it should be …".
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.iter().map(|&(word, _)| word);
        let all: Vec<_> = words.chain(Some(self.other).filter(|other| !other.is_empty())).collect();
        match all.split_last() {
            Some((last, [])) => f.write_str(last),
            Some((last, before)) => write!(f, "{} or {last}", before.join(", ")),
            None => Ok(()),
        }
    }
}

/// Of these names the one that is nearest to a text, if fewer than half of its characters, and no more than `most`, must
/// be changed to get there.
pub(super) fn nearest(
    text: &str,
    names: impl Iterator<Item = &'static str>,
    most: usize,
) -> Option<&'static str> {
    let near = names.map(|name| (strsim::damerau_levenshtein(text, name), name));
    let near = near.filter(|&(distance, name)| distance <= most && 2 * distance < name.chars().count());
    near.min_by_key(|&(distance, _)| distance).map(|(_, name)| name)
}
