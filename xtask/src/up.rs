//! `up` and `down`: a DynamoDB Local for use by hand.
//!
//! What runs is written to `.bes/up.json` in the workspace, its tables are under `.bes/dynamodb`. Whether the server
//! named there is still the one that was started is asked anew each time; nothing else is ever stopped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use blue_testkit::keep::{self, Kept, Server};
use serde_json::{Value, json};

/// Starts the server unless it runs, and prints its variables.
pub(crate) fn up() -> anyhow::Result<()> {
    let place = Place::open()?;
    let kept = match place.read()? {
        Some(kept) if kept.runs()? => {
            eprintln!("DynamoDB Local runs already at {}.", kept.endpoint);
            kept
        }
        _ => {
            let kept = crate::block_on(keep::start(&place.directory.join("dynamodb")))??;
            // What cannot be written down could not be stopped again.
            if let Err(error) = place.write(&kept) {
                kept.stop()?;
                return Err(error);
            }
            eprintln!("DynamoDB Local now runs at {} ({}).", kept.endpoint, what(&kept));
            kept
        }
    };
    eprintln!("Its tables are in {} and stay there. `cargo xtask down` stops it.", kept.data.display());
    for (name, value) in kept.variables() {
        println!("export {name}={value}");
    }
    Ok(())
}

/// Stops the server that `up` started.
pub(crate) fn down() -> anyhow::Result<()> {
    let place = Place::open()?;
    match place.read()? {
        Some(kept) if kept.runs()? => {
            kept.stop()?;
            eprintln!("Stopped DynamoDB Local at {} ({}).", kept.endpoint, what(&kept));
            eprintln!("Its tables stay in {}.", kept.data.display());
        }
        Some(kept) => eprintln!("The DynamoDB Local that `up` started ({}) is gone already.", what(&kept)),
        None => eprintln!("`up` has nothing running here; there is nothing to stop."),
    }
    place.forget()
}

/// `.bes` in the workspace, used by one command at a time.
struct Place {
    directory: PathBuf,
    _turn: File,
}

impl Place {
    fn open() -> anyhow::Result<Self> {
        let directory = crate::root().join(".bes");
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let turn = File::create(directory.join("up.lock")).and_then(|file| file.lock().map(|()| file));
        Ok(Self { _turn: turn.context("could not lock .bes/up.lock")?, directory })
    }

    fn state(&self) -> PathBuf {
        self.directory.join("up.json")
    }

    fn read(&self) -> anyhow::Result<Option<Kept>> {
        let path = self.state();
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let advice =
            "it is not what `cargo xtask up` writes; delete it if no DynamoDB Local of this project runs";
        parse(&text).with_context(|| format!("{}: {advice}", path.display())).map(Some)
    }

    fn write(&self, kept: &Kept) -> anyhow::Result<()> {
        let path = self.state();
        fs::write(&path, format!("{:#}\n", to_json(kept))).with_context(|| path.display().to_string())
    }

    fn forget(&self) -> anyhow::Result<()> {
        let path = self.state();
        if path.exists() {
            fs::remove_file(&path).with_context(|| path.display().to_string())
        } else {
            Ok(())
        }
    }
}

fn what(kept: &Kept) -> String {
    match &kept.server {
        Server::Container { id } => format!("container {}", id.get(..12).unwrap_or(id)),
        Server::Process { pid, .. } => format!("process {pid}"),
    }
}

fn to_json(kept: &Kept) -> Value {
    let server = match &kept.server {
        Server::Container { id } => json!({ "container": id }),
        Server::Process { pid, started } => json!({ "pid": pid, "started": started }),
    };
    json!({ "endpoint": kept.endpoint, "data": kept.data, "server": server })
}

fn parse(text: &str) -> anyhow::Result<Kept> {
    let state: Value = serde_json::from_str(text)?;
    let string = |value: &Value, key: &str| {
        value[key].as_str().map(str::to_owned).with_context(|| format!("`{key}` is missing"))
    };
    let server = &state["server"];
    let server = match server["pid"].as_u64() {
        Some(pid) => Server::Process { pid: pid.try_into()?, started: string(server, "started")? },
        None => Server::Container { id: string(server, "container")? },
    };
    Ok(Kept {
        endpoint: string(&state, "endpoint")?,
        data: Path::new(&string(&state, "data")?).into(),
        server,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_is_read_back() {
        let container = Server::Container { id: "0123456789abcdef".to_owned() };
        let process = Server::Process { pid: 4711, started: "8150 ticks after boot x".to_owned() };
        for server in [container, process] {
            let kept =
                Kept { endpoint: "http://127.0.0.1:8000".to_owned(), data: "/some/where".into(), server };
            assert_eq!(parse(&to_json(&kept).to_string()).expect("its own words"), kept);
        }
        parse("{}").expect_err("no server in it");
    }
}
