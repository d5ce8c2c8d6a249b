//! Writes the documents of the configuration into the repository, or compares those that are there: what
//! `cargo xtask configuration [--check]` runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::{fs, io, path::Path, process::ExitCode};

use blue_encrypted_store_cli::config;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write(),
        ["--check"] => check(),
        _ => Err(io::Error::other("the only argument is --check")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: not current: cargo xtask configuration makes them anew");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> io::Result<bool> {
    for (path, made) in config::documents() {
        fs::write(root().join(path), made)?;
        println!("wrote {path}");
    }
    Ok(true)
}

/// Whether each document is what would be written; says where one is not.
fn check() -> io::Result<bool> {
    let mut current = true;
    for (path, made) in config::documents() {
        let committed = fs::read_to_string(root().join(path))
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        let differs = difference(&made, &committed);
        current &= differs.is_none();
        match differs {
            None => println!("{path} is current"),
            Some((line, made, committed)) => {
                println!("{path}:{line} differs\n  made:      {made}\n  committed: {committed}");
            }
        }
    }
    Ok(current)
}

/// The first line that differs, counted from 1.
fn difference<'t>(made: &'t str, committed: &'t str) -> Option<(usize, &'t str, &'t str)> {
    // Split, not `lines`: the last line must end, too.
    let (mut made, mut committed) = (made.split('\n'), committed.split('\n'));
    for line in 1.. {
        match (made.next(), committed.next()) {
            (None, None) => break,
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => return Some((line, ours.unwrap_or("(ends)"), theirs.unwrap_or("(ends)"))),
        }
    }
    None
}

/// The repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
