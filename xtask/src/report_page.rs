//! `report-page`: the page of `bes audit report` in a real browser, where it must fetch nothing and say nothing.
//!
//! Chromium opens the page of a store's log as it is, and again after somebody has edited it, and logs what the pages
//! fetch and what they write to the console. A page that does both shows first that either would be seen.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_testkit::{DynamoDb, unique_table};
use serde_json::Value;

/// What browsers of this kind are called.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A page that does what none of ours may.
const TALKATIVE: &str = "<!DOCTYPE html><title>-</title><img src=\"http://127.0.0.1:9/fetched\"><script>console.log('said')</script>";

/// How the browser writes down what a page says.
const SAID: &str = "CONSOLE";

pub(crate) async fn run() -> anyhow::Result<()> {
    let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let browser = BROWSERS.iter().find(is_there).context("no Chromium (Debian: apt-get install chromium)")?;
    let built = crate::cargo().args(["build", "--package", "blue-encrypted-store-cli"]).status()?;
    ensure!(built.success(), "`bes` does not build");
    let place = crate::root().join("target/report-page");
    fs::create_dir_all(&place)?;
    let place = Place { browser, directory: place, profile: tempfile::tempdir()? };

    fs::write(place.directory.join("talkative.html"), TALKATIVE)?;
    let seen = place.open("talkative")?;
    ensure!(
        seen.said.len() == 1 && seen.fetched == ["http://127.0.0.1:9/fetched"],
        "the browser hides something: {seen:?}"
    );

    let dynamodb = DynamoDb::start().await?;
    let store = Store { dynamodb: &dynamodb, home: tempfile::tempdir()?, table: unique_table("report") };
    let checked = check(&store, &place).await;
    let deleted = dynamodb.client().await.delete_table().table_name(&store.table).send().await;
    checked?;
    deleted?;
    Ok(())
}

async fn check(store: &Store<'_>, place: &Place<'_>) -> anyhow::Result<()> {
    store.bes(&["init"], 0)?;
    for address in ["alice/inbox/note/1", "alice/inbox/note/2", "bob/inbox/note/1"] {
        store.bes(&["put", address, "--json", "1", "--principal", "<script>alert(1)</script>"], 0)?;
    }
    for (name, code) in [("sound", 0), ("tampered", 1)] {
        if name == "tampered" {
            store.tamper().await?;
        }
        let page = place.directory.join(name).with_extension("html");
        if page.exists() {
            fs::remove_file(&page)?;
        }
        store.bes(&["audit", "report", "-o", &page.display().to_string()], code)?;
        let seen = place.open(name)?;
        ensure!(seen.said.is_empty() && seen.fetched.is_empty(), "the {name} page is not quiet: {seen:?}");
        println!(
            "{}: nothing fetched, nothing said; {}",
            page.display(),
            page.with_extension("png").display()
        );
    }
    Ok(())
}

/// A browser, and where its pages lie.
struct Place<'a> {
    browser: &'a str,
    directory: PathBuf,
    profile: tempfile::TempDir,
}

/// What a page did.
#[derive(Debug)]
struct Seen {
    said: Vec<String>,
    fetched: Vec<String>,
}

impl Place<'_> {
    /// Opens a page, takes a picture of it, and tells what it did.
    fn open(&self, name: &str) -> anyhow::Result<Seen> {
        let file = |extension| self.directory.join(name).with_extension(extension);
        let log = self.profile.path().join("net.json");
        let mut browser = Command::new(self.browser);
        browser.args([
            "--headless",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--window-size=1200,2400",
        ]);
        browser.args(["--enable-logging=stderr", "--v=0"]);
        // For root there is no sandbox.
        if self.profile.path().metadata()?.uid() == 0 {
            browser.arg("--no-sandbox");
        }
        browser.arg(format!("--user-data-dir={}", self.profile.path().display()));
        browser.arg(format!("--log-net-log={}", log.display()));
        browser.arg(format!("--screenshot={}", file("png").display()));
        browser.arg(format!("file://{}", file("html").display()));
        let output = browser.stdin(Stdio::null()).output()?;
        ensure!(output.status.success() && file("png").exists(), "{} failed: {output:?}", self.browser);
        let messages = String::from_utf8_lossy(&output.stderr);
        let said = messages.lines().filter(|line| line.contains(SAID)).map(str::to_owned).collect();
        Ok(Seen { said, fetched: fetched(&log)? })
    }
}

/// What pages asked for, out of a log of all that the browser asked for.
fn fetched(log: &Path) -> anyhow::Result<Vec<String>> {
    let log: Value = serde_json::from_str(&fs::read_to_string(log)?).context("the browser's log")?;
    let events = log["events"].as_array().context("the browser's log has no events")?;
    let of_pages = events.iter().map(|event| &event["params"]).filter(|params| {
        // So the browser calls itself.
        params["initiator"].as_str().is_some_and(|initiator| initiator != "not an origin")
    });
    let mut urls: Vec<String> =
        of_pages.filter_map(|params| params["url"].as_str().map(str::to_owned)).collect();
    urls.dedup();
    Ok(urls)
}

/// A store of the command line.
struct Store<'a> {
    dynamodb: &'a DynamoDb,
    home: tempfile::TempDir,
    table: String,
}

impl Store<'_> {
    fn bes(&self, arguments: &[&str], code: i32) -> anyhow::Result<()> {
        let mut bes = crate::cargo();
        bes.args(["run", "--quiet", "--package", "blue-encrypted-store-cli", "--"]).args(arguments);
        bes.envs(self.dynamodb.variables()).env("BES_TABLE", &self.table);
        // No setting of whoever runs this.
        let config = self.home.path().join("config.toml");
        fs::write(&config, "")?;
        bes.env("BES_CONFIG", config);
        bes.env("BES_KEY_FILE", self.home.path().join("umk.key"));
        let output = bes.stdin(Stdio::null()).output()?;
        ensure!(output.status.code() == Some(code), "bes {arguments:?}: {output:?}");
        Ok(())
    }

    /// Changes a byte of the second segment.
    async fn tamper(&self) -> anyhow::Result<()> {
        let client = self.dynamodb.client().await;
        let query = client.query().table_name(&self.table).key_condition_expression("pk = :pk");
        let chain = query.expression_attribute_values(":pk", AttributeValue::S("A#main".to_owned()));
        let mut item = chain.send().await?.items().get(1).context("no second segment")?.clone();
        let events = item.get_mut("events").context("no events")?;
        if let AttributeValue::B(bytes) = events {
            let mut bytes = bytes.clone().into_inner();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            *events = AttributeValue::B(Blob::new(bytes));
        }
        client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }
}
