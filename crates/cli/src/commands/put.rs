//! `bes put`.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use blue_encrypted_store::{Key, Payload, Put as Expect, RecordPath};
use serde_json::{json, value::RawValue};

use crate::{
    attr::attributes,
    cli::Put,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
};

/// The most that is read: more than any item of DynamoDB holds, and little enough to hold in memory.
const LIMIT: u64 = 1 << 20;

pub(super) async fn run(arguments: Put, config: &Config, output: &mut Output) -> Result<(), Failure> {
    let RecordPath { tenant, collection, kind, id } = arguments.address.parse()?;
    let attributes = attributes(&arguments.attr)?;
    let expect = match arguments.if_version {
        Some(version) => Expect::Replace(version),
        None if arguments.if_absent => Expect::Create,
        None => Expect::Upsert,
    };
    let payload = content(&arguments)?;
    let version = session::with_store(config, async |store| {
        let collection = store.tenant(&tenant)?.collection(&collection)?;
        Ok(collection.put_payload(&Key { kind, id }, payload, attributes, expect).await?)
    });
    let version = version.await?;

    let address = &arguments.address;
    match output.format {
        Format::Json => output.json(&json!({ "address": address, "version": version })),
        Format::Text if output.is_terminal => output.line(&format!("{address} has version {version}")),
        Format::Text => output.line(&version.to_string()),
    }
}

fn content(arguments: &Put) -> Result<Payload, Failure> {
    let (what, bytes) = match (&arguments.json, &arguments.file) {
        (Some(json), _) => ("the text of --json".to_owned(), json.clone().into_bytes()),
        (None, Some(path)) if path != Path::new("-") => {
            (path.display().to_string(), read(path, File::open(path))?)
        }
        _ => {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                say!("Type the content, then press Ctrl-D on a line of its own.");
            }
            ("standard input".to_owned(), read(Path::new("standard input"), Ok(stdin.lock()))?)
        }
    };
    if arguments.bytes {
        return Ok(Payload::Bytes(bytes));
    }
    let text: Box<RawValue> =
        serde_json::from_slice(&bytes).map_err(|source| Failure::NotJson { what, source })?;
    Ok(Payload::Json(text))
}

fn read(path: &Path, opened: io::Result<impl Read>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = opened.and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    read.map_err(|source| Failure::Unreadable { path: PathBuf::from(path), source })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LIMIT) {
        return Err(Failure::Usage(format!(
            "{} has more than {LIMIT} bytes; one item of DynamoDB holds 409600",
            path.display()
        )));
    }
    Ok(bytes)
}
