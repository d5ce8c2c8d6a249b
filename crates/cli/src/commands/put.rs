//! `bes put`.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use blue_encrypted_store::{Key, Payload, Put as Expect, RecordPath};
use serde_json::{json, value::RawValue};

use crate::{
    advice::quoted,
    attr::attributes,
    cli::Put,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
    stop::Stop,
};

/// The most that is read: more than any item of DynamoDB holds, and little enough to hold in memory.
const LIMIT: u64 = 1 << 20;

pub(super) async fn run(
    arguments: Put,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let Put { address, json, file, bytes, attr, if_absent, if_version } = arguments;
    let RecordPath { tenant, collection, kind, id } = address.parse()?;
    let attributes = attributes(&attr)?;
    let expect = match if_version {
        Some(version) => Expect::Replace(version),
        None if if_absent => Expect::Create,
        None => Expect::Upsert,
    };
    let payload = stop.unless_told_aside(move || content(json, file, bytes)).await?;
    let version = session::with_store(config, stop, async |store| {
        let collection = store.tenant(&tenant)?.collection(&collection)?;
        let written =
            async { Ok(collection.put_payload(&Key { kind, id }, payload, attributes, expect).await?) };
        stop.unless_told(written).await.map_err(|failure| {
            failure.having_come_to(
                format!("it is not known whether {address} was written"),
                vec![format!("read it to know: bes get {}", quoted(&address))],
            )
        })
    });
    let version = version.await?;

    match output.format {
        Format::Json => output.json(&json!({ "address": address, "version": version })),
        Format::Text if output.is_terminal => output.line(&format!("{address} has version {version}")),
        Format::Text => output.line(&version.to_string()),
    }
}

fn content(json: Option<String>, file: Option<PathBuf>, is_bytes: bool) -> Result<Payload, Failure> {
    let (what, bytes) = match (json, file) {
        (Some(json), _) => ("the text of --json".to_owned(), json.into_bytes()),
        (None, Some(path)) if path != Path::new("-") => {
            (path.display().to_string(), read(&path, File::open(&path))?)
        }
        _ => {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                say!("Type the content, then press Ctrl-D on a line of its own.");
            }
            ("standard input".to_owned(), read(Path::new("standard input"), Ok(stdin.lock()))?)
        }
    };
    if is_bytes {
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
