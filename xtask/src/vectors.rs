//! `vectors`: the files that the Python script writes, made anew, or compared with what is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use blue_testkit::python::Python;
use sha2::{Digest, Sha256};

const SCRIPT: &str = "scripts/generate_test_vectors.py";
const REQUIREMENTS: &str = "scripts/requirements.txt";
const VECTORS: &str = "tests/vectors";
const SUMS: &str = "SHA256SUMS";

/// What the script writes below `tests/vectors`, besides [`SUMS`].
const DIRECTORIES: [&str; 3] = ["envelope", "keys", "audit"];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if one byte differs from what is committed.
    #[arg(long)]
    check: bool,
}

/// A path below `tests/vectors`, and what the file there holds.
type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::root();
    let committed = root.join(VECTORS);
    let python = crate::block_on(Python::with(&root.join(REQUIREMENTS)))??;
    if !arguments.check {
        return generate(&python, &committed);
    }
    let fresh = tempfile::tempdir()?;
    generate(&python, fresh.path())?;
    let (made, kept) = (files(fresh.path())?, files(&committed)?);
    let mut differences = differences(&made, &kept);
    println!("compared {} files byte for byte with {VECTORS}", made.len());
    for list in [committed.join(SUMS), committed.join("nist").join(SUMS)] {
        let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        let (count, wrong) = sums(&root, &text)?;
        println!("hashed {count} files of {}", list.strip_prefix(&root).unwrap_or(&list).display());
        differences.extend(wrong);
    }
    for difference in &differences {
        println!("{difference}");
    }
    ensure!(differences.is_empty(), "{} of the committed vectors differ", differences.len());
    println!("all as committed");
    Ok(())
}

fn generate(python: &Python, out: &Path) -> anyhow::Result<()> {
    let mut script: Command = python.command();
    script.arg(crate::root().join(SCRIPT)).arg("generate").arg("--out").arg(out);
    let status = script.status().context(SCRIPT)?;
    ensure!(status.success(), "{SCRIPT} failed ({status})");
    Ok(())
}

fn files(directory: &Path) -> anyhow::Result<Files> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let mut files = Files::new();
    for name in DIRECTORIES {
        let below = directory.join(name);
        for entry in fs::read_dir(&below).with_context(|| below.display().to_string())? {
            let entry = entry?;
            let path = format!("{name}/{}", entry.file_name().to_string_lossy());
            files.insert(path, read(&entry.path())?);
        }
    }
    files.insert(SUMS.to_owned(), read(&directory.join(SUMS))?);
    Ok(files)
}

fn differences(made: &Files, kept: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (path, bytes) in made {
        match kept.get(path) {
            None => found.push(format!("missing: {VECTORS}/{path}")),
            Some(kept) if kept != bytes => found.push(format!("differs: {VECTORS}/{path}")),
            Some(_) => {}
        }
    }
    let extra = kept.keys().filter(|path| !made.contains_key(*path));
    found.extend(extra.map(|path| format!("not of the script: {VECTORS}/{path}")));
    found
}

/// How many files a list of hashes names, and which of them have others.
fn sums(root: &Path, list: &str) -> anyhow::Result<(usize, Vec<String>)> {
    let mut wrong = Vec::new();
    for line in list.lines() {
        let (hash, path) = line.split_once("  ").with_context(|| format!("no hash and path: {line:?}"))?;
        match fs::read(root.join(path)) {
            Ok(bytes) if hex::encode(Sha256::digest(&bytes)) == hash => {}
            Ok(_) => wrong.push(format!("another hash than is listed: {path}")),
            Err(error) => wrong.push(format!("listed, and not to be read ({error}): {path}")),
        }
    }
    ensure!(!list.is_empty(), "an empty list of hashes");
    Ok((list.lines().count(), wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Files {
        files.iter().map(|&(path, content)| (path.to_owned(), content.into())).collect()
    }

    #[test]
    fn a_missing_a_changed_and_an_extra_file_are_each_named() {
        let made = of(&[("keys/a.json", "1"), ("keys/b.json", "2")]);
        assert!(differences(&made, &made).is_empty());
        assert_eq!(
            differences(&made, &of(&[("keys/a.json", "2"), ("keys/c.json", "2")])),
            [
                "differs: tests/vectors/keys/a.json",
                "missing: tests/vectors/keys/b.json",
                "not of the script: tests/vectors/keys/c.json",
            ]
        );
    }

    #[test]
    fn a_hash_that_does_not_fit_is_named() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("a"), "abc")?;
        // FIPS 180-2, appendix B.1.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sums(directory.path(), &format!("{hash}  a\n"))?, (1, Vec::new()));
        let (count, wrong) = sums(directory.path(), &format!("{hash}  b\n{}  a\n", hash.replace('b', "c")))?;
        assert_eq!((count, wrong.len()), (2, 2), "{wrong:?}");
        sums(directory.path(), "").expect_err("nothing to compare");
        sums(directory.path(), hash).expect_err("no path");
        Ok(())
    }
}
