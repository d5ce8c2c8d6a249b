//! `bes keys retire`.

use serde_json::json;

use super::seconds;
use crate::{
    cli::KeysRetire,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &KeysRetire,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let KeysRetire { tenant, version, wait } = arguments;
    session::with_store_for_long(config, stop, async |store| {
        let keys = store.tenant(tenant)?.keys();
        let wait = wait.unwrap_or_else(|| keys.settling_time());
        say!(
            "Looking whether a record needs it; then waiting {} for other processes, and looking again.",
            seconds(wait)
        );
        let retired = async {
            let retired = keys.retire_after(*version, wait).await;
            retired.map_err(|error| Failure::Retire(Box::new(error)))
        };
        let retired = stop.unless_told(retired).await.map_err(|failure| {
            let go_on = vec![format!(
                "look whether it is there, and if so, repeat the command: bes keys ls {tenant}"
            )];
            failure
                .having_come_to(format!("version {version} of the key of {tenant} may be gone or not"), go_on)
        })?;
        if output.format == Format::Json {
            output.json(&json!({
                "tenant": tenant,
                "version": retired.version,
                "kek_id": retired.kek_id.to_string(),
            }))?;
        }
        say!("Version {version} of the key of {tenant} is gone.");
        Ok(())
    })
    .await
}
