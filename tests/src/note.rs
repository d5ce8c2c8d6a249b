//! The record that most tests write.

use blue_encrypted_store::{AttributeError, Attributes, Record};
use serde::{Deserialize, Serialize};

/// A note with one cleartext attribute, its status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Its id.
    pub id: String,
    /// In clear.
    pub status: String,
    /// Sealed.
    pub text: String,
}

impl Note {
    /// An open note.
    #[must_use]
    pub fn new(id: &str, text: &str) -> Self {
        Self { id: id.into(), status: "open".into(), text: text.into() }
    }
}

impl Record for Note {
    const KIND: &'static str = "note";
    fn id(&self) -> &str {
        &self.id
    }
    fn attributes(&self) -> Result<Attributes, AttributeError> {
        Attributes::new().with("status", self.status.as_str())
    }
}
