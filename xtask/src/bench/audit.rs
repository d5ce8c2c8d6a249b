//! The audit log against SHA-256, by what criterion found.

use super::{
    Row,
    Target::AtLeast,
    read::{median, time},
};

/// Times are of all events of a benchmark. The ratio is that of rates: SHA-256's time to ours.
pub(super) fn rows(target: &str) -> anyhow::Result<Vec<Row>> {
    let link = median(target, "audit/link")?;
    let linked = median(target, "sha256/link")?;
    let one = median(target, "audit/verify, one core")?;
    let two = median(target, "audit/verify, two cores")?;
    let verified = median(target, "sha256/verify")?;
    let row = |what: &str, ours, than: &str, theirs: f64, target| Row {
        what: what.to_owned(),
        ours: time(ours),
        than: format!("{than}: {}", time(theirs)),
        ratio: theirs / ours,
        target: Some(AtLeast(target)),
    };
    Ok(vec![
        row("audit: encode, hash and link", link, "SHA-256", linked, 0.7),
        row("audit: verify from memory, one core", one, "SHA-256", verified, 0.8),
        row("audit: verify from memory, two cores", two, "one core", one, 1.8),
    ])
}
