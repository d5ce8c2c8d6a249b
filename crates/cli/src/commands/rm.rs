//! `bes rm`.

use blue_encrypted_store::{Delete, Key, RecordPath};
use serde_json::json;

use crate::{
    advice::quoted,
    cli::Rm,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &Rm,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let RecordPath { tenant, collection, kind, id } = arguments.address.parse()?;
    let address = &arguments.address;
    let delete = arguments.if_version.map_or(Delete::Any, Delete::Version);
    let deleted = session::with_store(config, stop, async |store| {
        let collection = store.tenant(&tenant)?.collection(&collection)?;
        let deleted = async { Ok(collection.delete_payload(&Key { kind, id }, delete).await?) };
        stop.unless_told(deleted).await.map_err(|failure| {
            failure.having_come_to(
                format!("it is not known whether {address} was deleted"),
                vec![format!("read it to know: bes get {}", quoted(address))],
            )
        })
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
