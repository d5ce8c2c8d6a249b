//! Logs on standard error: none unless asked for.

use std::io;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    registry::LookupSpan,
};

use super::{OURS, is_ours};
use crate::{
    config::{Config, Format},
    failure::Failure,
};

/// What logs as `-v` or else `BES_LOG` says, in the form that `BES_LOG_FORMAT` says.
pub(super) fn layer<S>(config: &Config) -> Result<Option<Box<dyn Layer<S> + Send + Sync>>, Failure>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let directives = match (config.verbose, &config.log) {
        (0, None) => return Ok(None),
        (0, Some(log)) => log.value.clone(),
        (1, _) => of_ours(Level::INFO),
        (2, _) => of_ours(Level::DEBUG),
        _ => of_ours(Level::TRACE),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        let source = config.log.as_ref().map_or_else(String::new, |log| log.source.to_string());
        Failure::Usage(format!("log cannot be {directives:?} (from {source}): {error}"))
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match config.log_format.value {
        Format::Json => lines.json().with_current_span(true).with_span_list(true).boxed(),
        Format::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
    };
    Ok(Some(layer.with_filter(filter.and(filter_fn(is_harmless))).boxed()))
}

fn of_ours(level: Level) -> String {
    OURS.map(|target| format!("{target}={level}")).join(",")
}

fn is_harmless(event: &Metadata<'_>) -> bool {
    *event.level() != Level::TRACE || is_ours(event)
}
