//! `bes export`.

use blue_encrypted_store::{Collection, Kind, ReadError};
use futures::StreamExt;

use crate::{
    cli::Export,
    config::Config,
    failure::{self, Failure},
    json::{ByKey, RecordJson},
    output::Output,
    session::{self, CollectionPath},
    stop::Stop,
};

pub(super) async fn run(
    arguments: &Export,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let path = CollectionPath::parse(&arguments.collection)?;
    let kind = arguments.kind.as_ref().map(Kind::new).transpose()?;
    session::with_store_for_long(config, stop, async |store| {
        let printed = stop.unless_told(print(&path.within(store)?, kind, output)).await;
        printed.map_err(|failure| failure.having_come_to("not all records were printed", Vec::new()))
    })
    .await
}

async fn print(collection: &Collection, kind: Option<Kind>, output: &mut Output) -> Result<(), Failure> {
    let mut unopened = Unopened::default();
    let mut entries = collection.list_payloads(kind);
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => output.json(&RecordJson::whole(ByKey::of(&entry), &entry))?,
            Err(error) => unopened.note(error)?,
        }
    }
    unopened.outcome()
}

/// Records of a listing that did not open. Each is reported; none hides another.
#[derive(Default)]
pub(super) struct Unopened {
    count: u64,
}

impl Unopened {
    /// Reports one.
    ///
    /// # Errors
    /// An error that is of the whole listing, not of one record.
    pub(super) fn note(&mut self, error: ReadError) -> Result<(), Failure> {
        if matches!(error, ReadError::Store(_) | ReadError::Shredded(_)) {
            return Err(error.into());
        }
        self.count += 1;
        failure::report(&error.into());
        Ok(())
    }

    /// How the listing ends.
    pub(super) fn outcome(self) -> Result<(), Failure> {
        match self.count {
            0 => Ok(()),
            1 => Err(Failure::Partial("1 record did not open".to_owned())),
            count => Err(Failure::Partial(format!("{count} records did not open"))),
        }
    }
}
