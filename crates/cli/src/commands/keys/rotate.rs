//! `bes keys rotate`.

use serde_json::json;

use super::seconds;
use crate::{
    cli::KeysRotate,
    config::{Config, Format},
    failure::Failure,
    json::Time,
    output::Output,
    session,
};

pub(super) async fn run(arguments: &KeysRotate, config: &Config, output: &mut Output) -> Result<(), Failure> {
    session::with_store(config, async |store| {
        let keys = store.tenant(&arguments.tenant)?.keys();
        let newest = keys.rotate().await.map_err(|error| Failure::Rotate(Box::new(error)))?;
        if output.format == Format::Json {
            output.json(&json!({
                "tenant": arguments.tenant,
                "version": newest.version,
                "created": Time(newest.created).to_string(),
                "kek_id": newest.kek_id.to_string(),
                "umk_id": newest.umk_id.as_str(),
            }))?;
        }
        say!("The newest key of {} is version {} now.", arguments.tenant, newest.version);
        say!("All processes begin to write under it within {}.", seconds(config.kek_ttl.value));
        say!("To move the records that are there: bes keys rewrap {}", arguments.tenant);
        Ok(())
    })
    .await
}
