//! `bes rm`.

use blue_encrypted_store::{Delete, Key, RecordPath};
use serde_json::json;

use crate::{
    cli::Rm,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
};

pub(super) async fn run(arguments: &Rm, config: &Config, output: &mut Output) -> Result<(), Failure> {
    let RecordPath { tenant, collection, kind, id } = arguments.address.parse()?;
    let address = &arguments.address;
    let delete = arguments.if_version.map_or(Delete::Any, Delete::Version);
    let deleted = session::with_store(config, async |store| {
        let collection = store.tenant(&tenant)?.collection(&collection)?;
        Ok(collection.delete_payload(&Key { kind, id }, delete).await?)
    });
    if !deleted.await? {
        return Err(Failure::NotFound { address: address.clone() });
    }
    match output.format {
        Format::Json => output.json(&json!({ "address": address, "deleted": true })),
        Format::Text => {
            say!("deleted {address}");
            Ok(())
        }
    }
}
