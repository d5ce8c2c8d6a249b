//! `bes keys ls`.

use blue_encrypted_store::{EncryptedStore, KeyUse, KeyVersions, table::StoreError};
use serde_json::json;

use super::counted;
use crate::{
    cli::KeysLs,
    config::{Config, Format},
    failure::Failure,
    json::Time,
    output::{Output, Rows, printable},
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &KeysLs,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    session::with_store(config, stop, async |store| stop.unless_told(list(arguments, store, output)).await)
        .await
}

async fn list(arguments: &KeysLs, store: &EncryptedStore, output: &mut Output) -> Result<(), Failure> {
    let tenants = match &arguments.tenant {
        Some(tenant) => vec![store.tenant(tenant)?],
        None => {
            let names = store.tenants().await.map_err(Failure::Store)?;
            names.into_iter().map(|name| store.tenant(name)).collect::<Result<_, _>>()?
        }
    };
    let mut header = vec!["tenant", "version", "created", "kek_id", "wrapped by"];
    if arguments.count {
        header.push("records");
    }
    let mut rows = Rows::new(output, &header);
    let mut unreadable = 0;
    for tenant in &tenants {
        let keys = tenant.keys();
        let found = match keys.list().await {
            Ok(found) => found,
            // Of one tenant; the others are shown all the same.
            Err(StoreError::Malformed(error)) => {
                say!("{}: {}", tenant.name(), printable(&error.to_string()));
                unreadable += 1;
                continue;
            }
            Err(error) => return Err(Failure::Store(error)),
        };
        let used = if arguments.count { Some(keys.count().await.map_err(Failure::Store)?) } else { None };
        let name = tenant.name().as_str();
        match output.format {
            Format::Json => output.json(&as_json(name, &found, used.as_ref()))?,
            Format::Text => as_rows(name, &found, used.as_ref(), &mut rows, output)?,
        }
        if arguments.tenant.is_some() && found.versions.is_empty() && found.shredded.is_none() {
            say!("{name} has no key: its first write makes one.");
        }
        tell_of_others(name, &found, used);
    }
    rows.finish(output)?;
    match unreadable {
        0 => Ok(()),
        count => Err(Failure::Partial(format!(
            "the keys of {} cannot be read",
            counted(count, "tenant", "tenants")
        ))),
    }
}

fn as_json(tenant: &str, found: &KeyVersions, used: Option<&KeyUse>) -> serde_json::Value {
    let versions = found.versions.iter().map(|key| {
        let mut version = json!({
            "version": key.version,
            "created": Time(key.created).to_string(),
            "kek_id": key.kek_id.to_string(),
            "umk_id": key.umk_id.as_str(),
        });
        if let Some(used) = used {
            version["records"] = used.records.get(&key.kek_id).copied().unwrap_or_default().into();
        }
        version
    });
    let mut all = json!({ "tenant": tenant, "versions": versions.collect::<Vec<_>>() });
    if let Some(time) = &found.shredded {
        all["shredded"] = time.as_str().into();
    }
    if let Some(used) = used {
        all["unreadable"] = used.unreadable.into();
    }
    all
}

fn as_rows(
    tenant: &str,
    found: &KeyVersions,
    used: Option<&KeyUse>,
    rows: &mut Rows,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(time) = &found.shredded {
        let mut cells = vec![tenant, "shredded", time.as_str(), "", ""];
        if used.is_some() {
            cells.push("");
        }
        rows.row(output, &cells)?;
    }
    for key in &found.versions {
        let (version, created) = (key.version.to_string(), Time(key.created).to_string());
        let (kek_id, umk_id) = (key.kek_id.to_string(), key.umk_id.as_str());
        let mut cells = vec![tenant, &version, &created, &kek_id, umk_id];
        let records = used.map(|used| used.records.get(&key.kek_id).copied().unwrap_or_default().to_string());
        cells.extend(records.as_deref());
        rows.row(output, &cells)?;
    }
    Ok(())
}

/// What lies among the records and under none of the keys.
fn tell_of_others(tenant: &str, found: &KeyVersions, used: Option<KeyUse>) {
    let Some(KeyUse { mut records, unreadable, .. }) = used else { return };
    for key in &found.versions {
        records.remove(&key.kek_id);
    }
    let others: u64 = records.values().sum();
    if others > 0 {
        let others = counted(others, "record lies", "records lie");
        say!("warning: {others} under keys that {tenant} does not have");
    }
    if unreadable > 0 {
        let items = counted(unreadable, "item", "items");
        say!("warning: {items} among the records of {tenant} cannot be read as records");
    }
}
