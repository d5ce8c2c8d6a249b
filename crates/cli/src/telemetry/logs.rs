//! Logs on standard error: none unless asked for.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{config::Config, failure::Failure};

/// The crates whose events `-v` shows, and the only ones whose TRACE events are ever shown: at that level, the
/// SDK would log whole answers, wrapped keys included.
const OURS: [&str; 7] =
    ["bes", "blue_address", "blue_audit", "blue_encrypted_store", "blue_envelope", "blue_keys", "blue_store"];

/// Starts logging as `-v` or else `BES_LOG` says.
pub(crate) fn start(config: &Config) -> Result<(), Failure> {
    let directives = match (config.verbose, &config.log) {
        (0, None) => return Ok(()),
        (0, Some(log)) => log.value.clone(),
        (1, _) => of_ours(Level::INFO),
        (2, _) => of_ours(Level::DEBUG),
        _ => of_ours(Level::TRACE),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        let source = config.log.as_ref().map_or_else(String::new, |log| log.source.to_string());
        Failure::Usage(format!("log cannot be {directives:?} (from {source}): {error}"))
    })?;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_filter(filter.and(filter_fn(is_harmless)));
    tracing_subscriber::registry().with(layer).init();
    Ok(())
}

fn of_ours(level: Level) -> String {
    OURS.map(|target| format!("{target}={level}")).join(",")
}

fn is_harmless(event: &Metadata<'_>) -> bool {
    let of_crate = |name: &&str| event.target().split("::").next() == Some(name);
    *event.level() != Level::TRACE || OURS.iter().any(of_crate)
}
