//! Verifications of a log that others write, one after the other, as somebody makes them who was given them to make.

use std::time::Duration;

use blue_encrypted_store::{
    Deadlines, EncryptedStore,
    blue_audit::{Baseline, Class},
};
use serde::{Deserialize, Serialize};

use crate::{KeyPlace, MasterKey, load};

const DEADLINES: Deadlines =
    Deadlines { attempt: Duration::from_secs(30), operation: Duration::from_secs(180) };

/// docs/audit.md of the repository: how far in the future a baseline may lie.
const TOLERANCE: Duration = Duration::from_secs(300);

/// How a log is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum How {
    /// From the beginning.
    Whole,
    /// From where the last verification ended.
    Onward,
    /// With the records and keys of the table.
    Deep,
}

/// What came of a verification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verified {
    /// How many events were read.
    pub events: u64,
    /// Whether the clock had been turned back behind the last verification, and this was found, as it has to be.
    pub clock_found: bool,
    /// What was found that is not so, with the report; or why it could not be verified. Empty if all is well.
    pub wrong: Vec<String>,
}

/// Whoever verifies a log.
#[derive(Debug)]
pub struct Verifier {
    /// Which table's.
    pub table: String,
    /// By which master key.
    pub key: KeyPlace,
    /// What the last verification reached.
    pub trusted: Option<Baseline>,
}

impl Verifier {
    /// Opens the log and verifies it.
    pub async fn verify(&mut self, how: How) -> Verified {
        match self.attempt(how).await {
            Ok(verified) => verified,
            Err(error) => {
                let wrong = vec![format!("{how:?} could not run: {error}")];
                Verified { events: 0, clock_found: false, wrong }
            }
        }
    }

    async fn attempt(&mut self, how: How) -> Result<Verified, String> {
        let key = MasterKey::at(self.key.clone()).await.provider();
        let builder = EncryptedStore::builder().table(&self.table).keys(key).deadlines(DEADLINES);
        let log = builder.open_audit().await.map_err(|error| load::chain(&error))?;
        let mut options = log.options();
        if how == How::Onward {
            options.trusted = self.trusted.take();
        }
        let known = options.trusted.as_ref().map(|trusted| trusted.time);
        let report = match how {
            How::Deep => log.verify_deep(&options).await.map_err(|error| load::chain(&error))?,
            How::Whole | How::Onward => log.verify(&options).await.map_err(|error| load::chain(&error))?,
        };
        let clock_went_back = known.is_some_and(|known| known - report.started > TOLERANCE);
        let listed = report.findings.listed();
        let clock_found = listed.len() == 1 && listed[0].class == Class::Clock;
        let as_it_is = report.findings.count() == listed.len() as u64
            && if clock_went_back { clock_found } else { listed.is_empty() };
        let mut wrong: Vec<String> = Vec::new();
        if !as_it_is {
            wrong.push(format!("{how:?}, clock went back: {clock_went_back}:\n{report}"));
            wrong.extend(listed.iter().map(|finding| format!("{finding:?}")));
        }
        let events = report.totals().events;
        self.trusted = Some(report.reached);
        Ok(Verified { events, clock_found: clock_found && as_it_is, wrong })
    }
}
