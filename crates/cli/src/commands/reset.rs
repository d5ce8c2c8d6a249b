//! `bes reset`.

use serde_json::json;

use crate::{
    cli::Reset,
    config::{Config, Format},
    failure::Failure,
    lost_key,
    output::Output,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &Reset,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let reset = stop.unless_told(async { Ok(lost_key::prepare(config).await?) }).await?;
    if !arguments.yes {
        if !lost_key::is_interactive() {
            return Err(Failure::NotConfirmed);
        }
        lost_key::explain(&reset);
        if !lost_key::confirm(stop).await? {
            return Err(Failure::Declined);
        }
    }
    // Begun, it is finished.
    let report = reset.wipe().await?;
    match output.format {
        Format::Json => output.json(&json!({
            "table": config.table.value,
            "key_file": report.new_key,
            "old_key_file": report.old_key,
        })),
        Format::Text => {
            lost_key::tell(config, &report);
            Ok(())
        }
    }
}
