//! `bes ls`.

use blue_encrypted_store::{Collection, Entry, Kind, Payload};
use futures::StreamExt;

use crate::{
    cli::Ls,
    config::{Config, Format},
    failure::Failure,
    json::{AttributesJson, ByKey, RecordJson, Time},
    output::{Output, Rows},
    session::{self, CollectionPath},
    stop::Stop,
};

use super::export::Unopened;

pub(super) async fn run(
    arguments: &Ls,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let path = CollectionPath::parse(&arguments.collection)?;
    let kind = arguments.kind.as_ref().map(Kind::new).transpose()?;
    session::with_store(config, stop, async |store| {
        stop.unless_told(list(&path.within(store)?, kind, output)).await
    })
    .await
}

async fn list(collection: &Collection, kind: Option<Kind>, output: &mut Output) -> Result<(), Failure> {
    let mut rows = Rows::new(output, &["kind", "id", "version", "updated", "attributes"]);
    let mut unopened = Unopened::default();
    let mut entries = collection.list_payloads(kind);
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                unopened.note(error)?;
                continue;
            }
        };
        match output.format {
            Format::Json => output.json(&RecordJson::outside(ByKey::of(&entry), &entry))?,
            Format::Text => row(&mut rows, output, &entry)?,
        }
    }
    rows.finish(output)?;
    unopened.outcome()
}

fn row(rows: &mut Rows, output: &mut Output, entry: &Entry<Payload>) -> Result<(), Failure> {
    let attributes = serde_json::to_string(&AttributesJson(&entry.attributes)).map_err(|error| {
        Failure::Io { what: "the attributes cannot be shown".to_owned(), source: error.into() }
    })?;
    let (kind, id) = (entry.key.kind.as_str(), entry.key.id.as_str());
    let (version, updated) = (entry.version.to_string(), Time(entry.updated).to_string());
    if output.is_terminal {
        // To the second, for want of room.
        let updated = updated.split('.').next().unwrap_or(&updated).replace('T', " ");
        return rows.row(output, &[kind, id, &version, &updated, &attributes]);
    }
    let created = Time(entry.created).to_string();
    rows.row(output, &[kind, id, &version, &created, &updated, &attributes])
}
