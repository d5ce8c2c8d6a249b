//! `bes init`.

use blue_encrypted_store::{
    EncryptedStore, KeyFile, OpenError,
    table::{StoreError, TableError},
};
use serde_json::json;

use crate::{
    config::{Config, Format},
    failure::Failure,
    lost_key,
    output::Output,
    session,
};

pub(super) async fn run(config: &Config, output: &mut Output) -> Result<(), Failure> {
    let (key_created, table_created, is_restored) = match session::key_file(config) {
        Ok(keys) => {
            let is_vacant = matches!(keys, KeyFile::Vacant(_));
            match open(config, keys).await {
                Ok((store, table_created)) => {
                    session::conclude(&store, Ok(())).await?;
                    session::warn_if_restored(&store);
                    (is_vacant, table_created, store.restored().is_some())
                }
                Err(error) => return failed(config, error).await,
            }
        }
        Err(error) => return failed(config, error.into()).await,
    };

    let is_local = lost_key::prepare(config).await.is_ok();
    let (table, namespace) = (&config.table.value, &config.namespace.value);
    let key = config.key_file.value.display();
    if output.format == Format::Json {
        return output.json(&json!({
            "table": table,
            "table_created": table_created,
            "namespace": namespace.as_str(),
            "key_file": config.key_file.value,
            "key_created": key_created,
            "local": is_local,
        }));
    }
    let did = |created| if created { "created" } else { "found" };
    say!("{} the table {table}", did(table_created));
    say!("{} the key file {key}", did(key_created));
    if is_restored {
        return Ok(());
    }
    say!("The store is ready: table {table}, namespace {namespace}.");
    say!("");
    say!("Keep a copy of the key file: without it, nothing in this table can be read again.");
    if is_local {
        say!(
            "Local data are not durable: if DynamoDB Local loses this table or you lose the key, all is lost."
        );
    }
    say!("Next: bes put alice/inbox/note/1 --json '{{\"text\":\"hello\"}}'");
    Ok(())
}

/// Opens the store; says whether its table had to be created.
async fn open(config: &Config, keys: KeyFile) -> Result<(EncryptedStore, bool), OpenError> {
    match session::builder(config).keys(keys).open().await {
        Ok(store) => Ok((store, false)),
        Err(OpenError::Table(TableError::Store(StoreError::TableMissing { .. }))) => {
            let store = session::builder(config).keys(session::key_file(config)?).init().await?;
            Ok((store, true))
        }
        Err(error) => Err(error),
    }
}

/// A reset that was accepted is all that init could have done.
async fn failed(config: &Config, error: OpenError) -> Result<(), Failure> {
    if session::is_key_lost(&error) {
        lost_key::offer_reset(config, error).await.map_or(Ok(()), Err)
    } else {
        Err(error.into())
    }
}
