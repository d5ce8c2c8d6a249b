//! The log events that stand in the sources of the crates.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The crates that ship and log, by the folder and the target that their events have unless they name one.
const CRATES: [(&str, &str); 7] = [
    ("address", "blue_address"),
    ("audit", "blue_audit"),
    ("cli", "blue_encrypted_store_cli"),
    ("encrypted-store", "blue_encrypted_store"),
    ("envelope", "blue_envelope"),
    ("keys", "blue_keys"),
    ("store", "blue_store"),
];

/// Level, target and message of each.
pub(crate) fn log_events() -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for (folder, target) in CRATES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(folder).join("src");
        for path in files(&source) {
            let text = fs::read_to_string(&path).expect("a source is text");
            for level in ["error", "warn", "info", "debug", "trace"] {
                for arguments in calls(&text, &format!("tracing::{level}!(")) {
                    let texts: Vec<&str> = literals(arguments).collect();
                    let message = *texts.last().expect("an event has a message");
                    let named = arguments.trim_start().starts_with("target:");
                    let target = if named { texts[0] } else { target };
                    found.insert((level.to_owned(), target.to_owned(), message.to_owned()));
                }
            }
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources can be read").flatten() {
        let path = entry.path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push(path);
        }
    }
    found
}

/// What stands between the parentheses of each call.
fn calls<'a>(text: &'a str, call: &str) -> Vec<&'a str> {
    let ends = |rest: &'a str| {
        let (mut depth, mut quoted) = (1, false);
        for (at, c) in rest.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return &rest[..at];
            }
        }
        panic!("a call has an end: {rest:.80}");
    };
    text.match_indices(call).map(|(at, _)| ends(&text[at + call.len()..])).collect()
}

/// The string literals. None of them has an escaped quote.
fn literals(arguments: &str) -> impl Iterator<Item = &str> {
    arguments.split('"').skip(1).step_by(2)
}
