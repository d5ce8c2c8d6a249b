//! `bes keys shred`.

use blue_encrypted_store::{EncryptedStore, KeyVersions, TenantKeys, table::Backups};
use serde_json::json;

use super::{counted, seconds};
use crate::{
    cli::KeysShred,
    config::{Config, Format},
    failure::Failure,
    lost_key,
    output::{Output, printable},
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &KeysShred,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let tenant = &arguments.tenant;
    if let Some(confirmed) = &arguments.confirm
        && confirmed != tenant
    {
        return Err(Failure::Usage(format!(
            "--confirm names {confirmed:?}, not {tenant:?}: nothing was done"
        )));
    }
    session::with_store_for_long(config, stop, async |store| {
        let keys = store.tenant(tenant)?.keys();
        stop.unless_told(explain(store, &keys, tenant)).await?;
        if arguments.confirm.is_none() {
            confirm(tenant, stop).await?;
        }
        stop.unless_told(shred(arguments, &keys, output)).await.map_err(|failure| {
            failure.having_come_to(
                format!("{tenant} may be shredded in part"),
                vec!["to go on, repeat the command".to_owned()],
            )
        })
    })
    .await
}

/// What will be gone, and what is known of where else it may lie.
async fn explain(store: &EncryptedStore, keys: &TenantKeys, tenant: &str) -> Result<(), Failure> {
    let found = keys.list().await.map_err(Failure::Store)?;
    match &found.shredded {
        Some(time) => say!(
            "{tenant} was shredded at {}. What is left of its key ({}) and records will be deleted.",
            printable(time),
            versions(&found)
        ),
        None if found.versions.is_empty() => say!(
            "{tenant} has no key, and perhaps never had a record. Its name will never be used; its records, if there are any, \
             will be deleted."
        ),
        None => say!(
            "This deletes the key of {tenant} ({}) and then its records. Nothing brings them back, and the name is never used again.",
            versions(&found)
        ),
    }
    let Backups { point_in_time, backups, exports, .. } = store.backups().await;
    match point_in_time {
        Ok(None) => say!("Point-in-time recovery is off."),
        Ok(Some((earliest, latest))) => {
            say!(
                "Point-in-time recovery can bring the key back, until its window has passed: now {earliest} to {latest}."
            );
        }
        Err(error) => say!("It is not known whether point-in-time recovery can bring the key back: {error}."),
    }
    for (found, one, many) in [(backups, "backup", "backups"), (exports, "export", "exports")] {
        match found {
            Ok(copies) if copies.is_empty() => say!("No {many} of the table are known."),
            Ok(copies) => {
                let count = u64::try_from(copies.len()).unwrap_or(u64::MAX);
                say!("{} of the table may hold the key:", counted(count, one, many));
                for copy in copies {
                    say!(
                        "  {} {}",
                        printable(copy.created.as_deref().unwrap_or_default()),
                        printable(&copy.arn)
                    );
                }
            }
            Err(error) => say!("It is not known which {many} of the table there are: {error}."),
        }
    }
    Ok(())
}

fn versions(found: &KeyVersions) -> String {
    counted(u64::try_from(found.versions.len()).unwrap_or(u64::MAX), "version", "versions")
}

async fn confirm(tenant: &str, stop: &Stop) -> Result<(), Failure> {
    if !lost_key::is_interactive() {
        return Err(Failure::Usage(format!(
            "a shred cannot be undone; without a terminal to ask on, it needs --confirm {tenant}"
        )));
    }
    let answer = lost_key::ask("Type the tenant's name to shred it: ", stop).await?;
    if answer.trim_end_matches(['\r', '\n']) == tenant { Ok(()) } else { Err(Failure::NotShredded) }
}

async fn shred(arguments: &KeysShred, keys: &TenantKeys, output: &mut Output) -> Result<(), Failure> {
    let failed = |error| Failure::Shred(Box::new(error));
    let tenant = &arguments.tenant;
    if keys.erase_keys().await.map_err(failed)? {
        say!("The key of {tenant} is gone.");
    }
    let wait = arguments.wait.unwrap_or_else(|| keys.settling_time());
    say!(
        "Waiting {} until every other process has forgotten it; then its records are deleted.",
        seconds(wait)
    );
    tokio::time::sleep(wait).await;
    let erased = keys.erase_records().await;
    let erased = erased.inspect_err(|_| say!("To go on, repeat the command.")).map_err(failed)?;
    let time = keys.list().await.map_err(Failure::Store)?.shredded;
    if output.format == Format::Json {
        output.json(&json!({
            "tenant": tenant,
            "shredded": time,
            "records_deleted": erased.records,
            "items_left": erased.left,
        }))?;
    }
    if erased.left > 0 {
        let left = counted(erased.left, "item", "items");
        let deleted = counted(erased.records, "record", "records");
        say!("{tenant} is shredded: {deleted} deleted.");
        return Err(Failure::Partial(format!("{left} among its records are no records, and were left")));
    }
    say!("{tenant} is shredded: {} deleted.", counted(erased.records, "record", "records"));
    Ok(())
}
