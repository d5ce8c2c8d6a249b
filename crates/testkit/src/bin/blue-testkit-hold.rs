//! Starts a DynamoDB (with `--kms`: a KMS), prints where it listens, and holds it until standard input ends or the process
//! is killed.
//!
//! The tests kill it in every way there is, to see that the server goes with it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::io::Read;
use std::process::ExitCode;

use blue_testkit::{DynamoDb, Kms, StartError};

fn main() -> ExitCode {
    let is_given = |option: &str| std::env::args().any(|argument| argument == option);
    if is_given("--shared") {
        hold(if is_given("--kms") { Kms::shared().endpoint() } else { DynamoDb::shared().endpoint() });
        std::process::exit(3);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime on a machine that can run tests");
    let held: Result<(), StartError> = if is_given("--kms") {
        runtime.block_on(Kms::start()).map(|kms| hold(kms.endpoint()))
    } else {
        runtime.block_on(DynamoDb::start()).map(|dynamodb| hold(dynamodb.endpoint()))
    };
    match held {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn hold(endpoint: &str) {
    println!("{endpoint}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
