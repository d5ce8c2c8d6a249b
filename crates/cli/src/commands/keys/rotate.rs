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
    stop::Stop,
};

pub(super) async fn run(
    arguments: &KeysRotate,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    session::with_store(config, stop, async |store| {
        let tenant = &arguments.tenant;
        let keys = store.tenant(tenant)?.keys();
        let rotated = async { keys.rotate().await.map_err(|error| Failure::Rotate(Box::new(error))) };
        let newest = stop.unless_told(rotated).await.map_err(|failure| {
            let go_on = vec![format!("look before it is rotated again: bes keys ls {tenant}")];
            failure.having_come_to(format!("it is not known whether the key of {tenant} was rotated"), go_on)
        })?;
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
