//! `bes`, run between a sandbox and an endpoint.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use blue_testkit::DynamoDb;
use blue_tests::Sandbox;
use tokio::time;

use crate::gate::PATIENCE;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary in a clean environment that leads to this table and master key, and to the database through `endpoint`.
pub(crate) fn command(sandbox: &Sandbox, endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blue-tests-bes"));
    command.args(arguments).env_clear().envs(sandbox.variables());
    command.env("AWS_ENDPOINT_URL_DYNAMODB", endpoint).env("TERM", "xterm");
    command
}

/// Runs it to its end, straight to the database, without a terminal.
pub(crate) async fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    run_within(PATIENCE, sandbox, arguments).await
}

/// The same, for what may take longer than most.
pub(crate) async fn run_within(patience: Duration, sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let command = command(sandbox, DynamoDb::shared().endpoint(), arguments);
    let mut command = tokio::process::Command::from(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ended = time::timeout(patience, output).await;
    let ended = ended.unwrap_or_else(|_| panic!("bes {arguments:?} had not ended after {patience:?}"));
    let Output { status, stdout, stderr } = ended.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}
