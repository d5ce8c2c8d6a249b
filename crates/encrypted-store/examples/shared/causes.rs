//! An error in words. The library's errors leave their causes to `source()`, so that a chain repeats nothing.

use std::error::Error;

/// An error and all its causes on one line.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
