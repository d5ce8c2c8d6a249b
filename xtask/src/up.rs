//! `up` and `down`: a DynamoDB Local, and with `--kms` a KMS emulator, for use by hand.
//!
//! What runs is written to `.bes/up.json` and `.bes/up-kms.json` in the workspace, the tables are under `.bes/dynamodb`.
//! Whether the server named there is still the one that was started is asked anew each time; nothing else is ever
//! stopped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use blue_testkit::Service;
use blue_testkit::keep::{self, Kept, Server};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Keep moto's KMS running, too, make a key in it, and print what leads `bes` to that key.
    ///
    /// It needs Docker, or Python 3.11. moto keeps its keys in memory: what is sealed under them is lost with `down`.
    #[arg(long)]
    kms: bool,
}

/// What is running, and the key that was made in it if it is a KMS.
#[derive(Debug, PartialEq, Eq)]
struct Up {
    kept: Kept,
    key: Option<String>,
}

/// Starts each server unless it runs, and prints its variables.
pub(crate) fn up(arguments: &Arguments) -> anyhow::Result<()> {
    let place = Place::open()?;
    let dynamodb = place.start(Service::DynamoDb)?;
    eprintln!(
        "Its tables are in {} and stay there. `cargo xtask down` stops it.",
        dynamodb.kept.data.display()
    );
    let mut variables = Vec::new();
    if arguments.kms {
        let kms = place.start(Service::Kms)?;
        eprintln!("It keeps its keys in memory alone: whatever is sealed under them is lost when it stops.");
        variables.extend(kms.kept.variables());
        if let Some(key) = kms.key {
            variables.extend([("BES_KEYS", "kms".to_owned()), ("BES_KMS_KEY", key)]);
        }
    }
    variables.extend(dynamodb.kept.variables());
    // Credentials are the same for both.
    let mut printed: Vec<&str> = Vec::new();
    for (name, value) in &variables {
        if !printed.contains(name) {
            println!("export {name}={value}");
            printed.push(name);
        }
    }
    Ok(())
}

/// Stops the servers that `up` started.
pub(crate) fn down() -> anyhow::Result<()> {
    let place = Place::open()?;
    let found = [place.read(Service::DynamoDb)?, place.read(Service::Kms)?];
    if found.iter().all(Option::is_none) {
        eprintln!("`up` has nothing running here; there is nothing to stop.");
    }
    for Up { kept, .. } in found.into_iter().flatten() {
        let emulator = kept.service.emulator();
        if kept.runs()? {
            kept.stop()?;
            eprintln!("Stopped {emulator} at {} ({}).", kept.endpoint, what(&kept));
            match kept.service {
                Service::DynamoDb => eprintln!("Its tables stay in {}.", kept.data.display()),
                Service::Kms => eprintln!("Its keys are gone."),
            }
        } else {
            eprintln!("The {emulator} that `up` started ({}) is gone already.", what(&kept));
        }
        place.forget(kept.service)?;
    }
    Ok(())
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

    fn start(&self, service: Service) -> anyhow::Result<Up> {
        let emulator = service.emulator();
        if let Some(up) = self.read(service)?
            && up.kept.runs()?
        {
            eprintln!("{emulator} runs already at {}.", up.kept.endpoint);
            return Ok(up);
        }
        let (kept, key) = crate::block_on(async {
            let kept = keep::start(service, &self.directory.join(service.to_string().to_lowercase())).await?;
            let key = match service {
                Service::DynamoDb => Ok(None),
                Service::Kms => kept.create_key().await.map(Some),
            };
            anyhow::Ok((kept, key))
        })??;
        let written = key.map_err(anyhow::Error::from).and_then(|key| {
            let up = Up { kept: kept.clone(), key };
            self.write(&up).map(|()| up)
        });
        // What cannot be written down could not be stopped again.
        if written.is_err() {
            kept.stop()?;
        } else {
            eprintln!("{emulator} now runs at {} ({}).", kept.endpoint, what(&kept));
        }
        written
    }

    fn state(&self, service: Service) -> PathBuf {
        self.directory.join(match service {
            Service::DynamoDb => "up.json",
            Service::Kms => "up-kms.json",
        })
    }

    fn read(&self, service: Service) -> anyhow::Result<Option<Up>> {
        let path = self.state(service);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let advice = format!(
            "it is not what `cargo xtask up` writes; delete it if no {} of this project runs",
            service.emulator()
        );
        parse(service, &text).with_context(|| format!("{}: {advice}", path.display())).map(Some)
    }

    fn write(&self, up: &Up) -> anyhow::Result<()> {
        let path = self.state(up.kept.service);
        fs::write(&path, format!("{:#}\n", to_json(up))).with_context(|| path.display().to_string())
    }

    fn forget(&self, service: Service) -> anyhow::Result<()> {
        let path = self.state(service);
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

fn to_json(up: &Up) -> Value {
    let server = match &up.kept.server {
        Server::Container { id } => json!({ "container": id }),
        Server::Process { pid, started } => json!({ "pid": pid, "started": started }),
    };
    json!({ "endpoint": up.kept.endpoint, "data": up.kept.data, "server": server, "key": up.key })
}

fn parse(service: Service, text: &str) -> anyhow::Result<Up> {
    let state: Value = serde_json::from_str(text)?;
    let string = |value: &Value, key: &str| {
        value[key].as_str().map(str::to_owned).with_context(|| format!("`{key}` is missing"))
    };
    let server = &state["server"];
    let server = match server["pid"].as_u64() {
        Some(pid) => Server::Process { pid: pid.try_into()?, started: string(server, "started")? },
        None => Server::Container { id: string(server, "container")? },
    };
    let endpoint = string(&state, "endpoint")?;
    let data = Path::new(&string(&state, "data")?).into();
    let key = state["key"].as_str().map(str::to_owned);
    Ok(Up { kept: Kept { service, endpoint, data, server }, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_is_read_back() {
        let container = Server::Container { id: "0123456789abcdef".to_owned() };
        let process = Server::Process { pid: 4711, started: "8150 ticks after boot x".to_owned() };
        for (service, server, key) in
            [(Service::DynamoDb, container, None), (Service::Kms, process, Some("arn:of-a-key".to_owned()))]
        {
            let endpoint = "http://127.0.0.1:8000".to_owned();
            let up = Up { kept: Kept { service, endpoint, data: "/some/where".into(), server }, key };
            assert_eq!(parse(service, &to_json(&up).to_string()).expect("its own words"), up);
        }
        parse(Service::DynamoDb, "{}").expect_err("no server in it");
    }
}
