//! `bes init`.

use blue_encrypted_store::{
    EncryptedStore, KeySource, OpenError,
    table::{StoreError, TableError},
};
use serde_json::json;

use crate::{
    config::{Config, Format, Keys},
    failure::Failure,
    lost_key,
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(config: &Config, stop: &Stop, output: &mut Output) -> Result<(), Failure> {
    let (store, key_created, table_created) = match session::keys(config) {
        Ok(keys) => {
            let is_vacant = session::is_vacant(&keys);
            match stop.unless_told(async { Ok(open(config, keys).await) }).await? {
                Ok((store, table_created)) => (store, is_vacant, table_created),
                Err(error) => return failed(config, error, stop).await,
            }
        }
        Err(error) => return failed(config, error.into(), stop).await,
    };
    session::conclude(&store, Ok(())).await?;
    session::warn_if_restored(&store);

    let is_local = stop.unless_told(async { Ok(lost_key::prepare(config).await.is_ok()) }).await?;
    let (table, namespace) = (&config.table.value, &config.namespace.value);
    let is_file = config.keys.value == Keys::Local;
    if output.format == Format::Json {
        let mut done = json!({
            "table": table,
            "table_created": table_created,
            "namespace": namespace.as_str(),
            "local": is_local,
        });
        if is_file {
            done["key_file"] = json!(config.key_file.value);
            done["key_created"] = json!(key_created);
        } else {
            done["kms_key"] = json!(store.umk_id().as_str());
        }
        return output.json(&done);
    }
    let did = |created| if created { "created" } else { "found" };
    say!("{} the table {table}", did(table_created));
    if is_file {
        say!("{} the key file {}", did(key_created), config.key_file.value.display());
    } else {
        say!("used the KMS key {}", store.umk_id());
    }
    if store.restored().is_some() {
        return Ok(());
    }
    say!("The store is ready: table {table}, namespace {namespace}.");
    say!("");
    if is_file {
        say!("Keep a copy of the key file: without it, nothing in this table can be read again.");
    } else {
        say!(
            "Without that key, nothing in this table can be read again: see that nobody schedules its deletion."
        );
    }
    if is_local {
        say!(
            "Local data are not durable: if DynamoDB Local loses this table or you lose the key, all is lost."
        );
    }
    say!("Next: bes put alice/inbox/note/1 --json '{{\"text\":\"hello\"}}'");
    Ok(())
}

/// Opens the store; says whether its table had to be created.
async fn open(config: &Config, keys: KeySource) -> Result<(EncryptedStore, bool), OpenError> {
    match session::builder(config).keys(keys).open().await {
        Ok(store) => Ok((store, false)),
        Err(OpenError::Table(TableError::Store(StoreError::TableMissing { .. }))) => {
            let store = session::builder(config).keys(session::keys(config)?).init().await?;
            Ok((store, true))
        }
        Err(error) => Err(error),
    }
}

/// A reset that was accepted is all that init could have done.
async fn failed(config: &Config, error: OpenError, stop: &Stop) -> Result<(), Failure> {
    if session::is_key_lost(&error) {
        lost_key::offer_reset(config, error, stop).await.map_or(Ok(()), Err)
    } else {
        Err(error.into())
    }
}
