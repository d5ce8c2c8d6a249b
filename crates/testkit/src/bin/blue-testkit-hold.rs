//! Starts a DynamoDB, prints where it listens, and holds it until standard input ends or the process is killed.
//!
//! The tests kill it in every way there is, to see that the server goes with it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::io::Read;
use std::process::ExitCode;

use blue_testkit::DynamoDb;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--shared") {
        hold(DynamoDb::shared());
        std::process::exit(3);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.expect("a runtime on a machine that can run tests").block_on(DynamoDb::start()) {
        Ok(dynamodb) => {
            hold(&dynamodb);
            ExitCode::SUCCESS
        }
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

fn hold(dynamodb: &DynamoDb) {
    println!("{}", dynamodb.endpoint());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
