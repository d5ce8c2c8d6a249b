//! A home directory, a table, and the binary run between them.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use blue_testkit::{DynamoDb, Keys, Kms, unique_table};
use serde_json::Value;

/// How long a pseudo-terminal may keep silent, in milliseconds. No test takes as long by itself.
const PATIENCE: u64 = 60_000;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) struct Bench {
    pub(crate) table: String,
    /// The ARN of its key, if keys are in KMS; else there is a key file.
    kms_key: Option<String>,
    home: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    /// Nothing exists yet.
    pub(crate) fn new() -> Self {
        let make_key = || aside(async || Kms::shared().create_key().await.unwrap());
        let mut bench = Self::with_key_file();
        bench.kms_key = (Keys::of_this_run() == Keys::Kms).then(make_key);
        bench
    }

    /// With a key file whatever the provider of this run is: for tests of key files themselves.
    pub(crate) fn with_key_file() -> Self {
        Self { table: unique_table("cli"), kms_key: None, home: tempfile::tempdir().unwrap() }
    }

    /// After `bes init`.
    pub(crate) fn initialised() -> Self {
        let bench = Self::new();
        bench.run(&["init"]).succeeded();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The ARN of its key, if keys are in KMS.
    pub(crate) fn kms_key(&self) -> Option<&str> {
        self.kms_key.as_deref()
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.path(".blue/keys/umk.key")
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A key file that is well-formed and not the one that was made.
    pub(crate) fn replace_key_file(&self) {
        write_private(&self.key_file(), &format!("BES-UMK-1:{}\n", "07".repeat(32)));
    }

    /// The binary in a clean environment that leads to the servers, this home, this table and this key.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bes"));
        command.args(arguments).env_clear().current_dir(self.home.path());
        if let Some(key) = &self.kms_key {
            command.envs(Kms::shared().variables()).env("BES_KEYS", "kms").env("BES_KMS_KEY", key);
        }
        command.envs(DynamoDb::shared().variables()).env("HOME", self.home.path());
        command.env("BES_TABLE", &self.table).env("TERM", "xterm").env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments), "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        run(self.command(arguments), input)
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        run(command, "")
    }

    /// On a pseudo-terminal: waits for the question and answers it.
    pub(crate) fn answer(&self, arguments: &[&str], answer: &str) -> Ran {
        self.answer_to("Reset local database? [y/N] ", arguments, answer)
    }

    /// The same for another question.
    pub(crate) fn answer_to(&self, question: &str, arguments: &[&str], answer: &str) -> Ran {
        let mut session = rexpect::session::spawn_command(self.command(arguments), Some(PATIENCE)).unwrap();
        let before = session.exp_string(question).unwrap();
        session.send_line(answer).unwrap();
        let after = session.exp_eof().unwrap();
        ended(&session, before + &after)
    }

    /// On a pseudo-terminal: waits for this text and presses Ctrl-C.
    pub(crate) fn interrupt_at(&self, text: &str, arguments: &[&str]) -> Ran {
        let mut session = rexpect::session::spawn_command(self.command(arguments), Some(PATIENCE)).unwrap();
        let before = session.exp_string(text).unwrap();
        session.send_control('c').unwrap();
        let after = session.exp_eof().unwrap();
        ended(&session, before + &after)
    }

    /// On a pseudo-terminal, without an answer to anything.
    pub(crate) fn on_terminal(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        let mut session = rexpect::session::spawn_command(command, Some(PATIENCE)).unwrap();
        let text = session.exp_eof().unwrap();
        ended(&session, text)
    }

    /// Asks the database something.
    pub(crate) fn with_client<T: Send>(&self, ask: impl AsyncFnOnce(Client, String) -> T + Send) -> T {
        let table = self.table.clone();
        aside(async || ask(DynamoDb::shared().client().await, table).await)
    }

    /// Every item as it lies in the table, in a fixed order.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items = self.with_client(async |client, table| {
            let scan = client.scan().table_name(table).consistent_read(true);
            scan.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap()
        });
        items.sort_by_key(|item| [text(item, "pk"), text(item, "sk")]);
        items
    }

    /// All items but those of the audit log and its key, which opening a store makes.
    pub(crate) fn items_without_audit(&self) -> Vec<Item> {
        let mut items = self.items();
        items.retain(|item| {
            let pk = text(item, "pk");
            !pk.starts_with("A#") && pk != "S#audit"
        });
        items
    }

    /// What the table says of itself.
    pub(crate) fn meta(&self) -> Item {
        let meta = self.items().into_iter().find(|item| text(item, "pk") == "META");
        meta.expect("a store has a META")
    }

    /// How many items there are, whatever their keys.
    pub(crate) fn items_of_any_schema(&self) -> usize {
        self.with_client(async |client, table| {
            client.scan().table_name(table).send().await.unwrap().items().len()
        })
    }

    /// Erases a tenant's keys and leaves the tombstone, as a shred does.
    pub(crate) fn shred(&self, tenant: &str) {
        let partition = format!("K#{tenant}");
        for item in self.items().iter().filter(|item| text(item, "pk") == partition) {
            self.with_client(async |client, table| {
                let key = client.delete_item().table_name(table);
                key.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
            });
        }
        let tombstone = [("pk", partition.as_str()), ("sk", "0000000000"), ("time", "2026-01-02T03:04:05Z")];
        self.put_item(
            tombstone.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).into(),
        );
    }

    pub(crate) fn put_item(&self, item: Item) {
        self.with_client(async |client, table| {
            client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
        });
    }
}

/// Runs this on a thread of its own, since there may be a runtime here.
pub(crate) fn aside<T: Send>(run: impl AsyncFnOnce() -> T + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run())
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.with_client(async |client, table| {
            let _ = client.delete_table().table_name(table).send().await;
        });
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.exited(0)
    }

    #[track_caller]
    pub(crate) fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Standard error (on a pseudo-terminal: all output) has this text.
    #[track_caller]
    pub(crate) fn said(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn never_said(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "{text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn printed(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    /// Standard output as JSON values, one a line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn text(item: &Item, name: &str) -> String {
    item[name].as_s().unwrap().clone()
}

pub(crate) fn write_private(path: &Path, content: &str) {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn run(mut command: Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A command that reads nothing closes the pipe, which is fine.
        scope.spawn(move || stdin.write_all(input.as_bytes()).ok());
        child.wait_with_output().unwrap()
    });
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn ended(session: &rexpect::session::PtySession, text: String) -> Ran {
    use rexpect::process::WaitStatus;
    // rexpect makes a character of every byte.
    let bytes = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let text = String::from_utf8(bytes).unwrap();
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => {
            Ran { code, stdout: String::new(), stderr: text.replace("\r\n", "\n") }
        }
        other => panic!("{other:?}: {text}"),
    }
}
