//! `bes get`.

use blue_encrypted_store::{Key, Payload, RecordPath};

use crate::{
    cli::Get,
    config::{Config, Format},
    failure::Failure,
    json::{ByAddress, RecordJson},
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &Get,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let RecordPath { tenant, collection, kind, id } = arguments.address.parse()?;
    let address = &arguments.address;
    let entry = session::with_store(config, stop, async |store| {
        let collection = store.tenant(&tenant)?.collection(&collection)?;
        stop.unless_told(async { Ok(collection.get_payload(&Key { kind, id }).await?) }).await
    });
    let entry = entry.await?.ok_or_else(|| Failure::NotFound { address: address.clone() })?;
    match (output.format, &entry.value) {
        (Format::Json, _) => output.json(&RecordJson::whole(ByAddress { address }, &entry)),
        (Format::Text, Payload::Json(text)) => output.line(text.get()),
        (Format::Text, Payload::Bytes(bytes)) => output.bytes(bytes),
    }
}
