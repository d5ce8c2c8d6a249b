//! The committed hashes of all vectors: a changed byte, a missing or an unlisted file fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::vector::root;

/// Paths from the root with their hashes, as `sha256sum` writes and checks them.
fn sums(list: &str) -> Result<BTreeMap<String, String>, String> {
    let mut sums = BTreeMap::new();
    for line in list.split_inclusive('\n') {
        let parts = line.strip_suffix('\n').and_then(|line| line.split_once("  "));
        let hexadecimal = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        match parts {
            Some((hash, path)) if hash.len() == 64 && hash.bytes().all(hexadecimal) => {
                if sums.insert(path.to_owned(), hash.to_owned()).is_some() {
                    return Err(format!("{path} is listed twice"));
                }
            }
            _ => return Err(format!("no hash and path: {line:?}")),
        }
    }
    Ok(sums)
}

/// Every listed file has its hash, and what is listed below `tests/vectors` is exactly `present`.
fn check(
    sums: &BTreeMap<String, String>,
    present: &[String],
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<(), String> {
    for (path, hash) in sums {
        let bytes = read(path).ok_or_else(|| format!("{path} is listed, and not there"))?;
        if hex::encode(Sha256::digest(&bytes)) != *hash {
            return Err(format!("{path} has another hash than is listed"));
        }
    }
    match present.iter().find(|path| !sums.contains_key(*path)) {
        Some(path) => Err(format!("{path} is there, and not listed")),
        None => Ok(()),
    }
}

fn read(path: &str) -> Option<Vec<u8>> {
    fs::read(root().join(path)).ok()
}

/// The files below a directory whose name ends so.
fn files(directory: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let path = format!("{directory}/{}", entry.unwrap().file_name().to_str().unwrap());
        if root().join(&path).is_dir() {
            found.extend(files(&path, extension));
        } else if Path::new(&path).extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

fn list(path: &str) -> BTreeMap<String, String> {
    sums(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

#[test]
fn nists_files_are_the_committed_bytes() {
    let (sums, present) = (list("tests/vectors/nist/SHA256SUMS"), files("tests/vectors/nist", "rsp"));
    assert_eq!((sums.len(), present.len()), (2, 2));
    check(&sums, &present, read).unwrap();
}

#[test]
fn every_vector_is_listed_with_its_hash_and_so_is_the_script_that_made_it() {
    let (sums, present) = (list("tests/vectors/SHA256SUMS"), files("tests/vectors", "json"));
    assert!(sums.contains_key("scripts/generate_test_vectors.py"));
    assert_eq!(sums.len(), present.len() + 1, "the vectors and the script");
    check(&sums, &present, read).unwrap();
}

/// The test of the tests.
#[test]
fn a_changed_a_missing_and_an_unlisted_file_are_noticed() {
    let sums = list("tests/vectors/nist/SHA256SUMS");
    let present: Vec<String> = sums.keys().cloned().collect();
    let path = &present[0];
    let flipped = |asked: &str| {
        let mut bytes = read(asked)?;
        let last = bytes.last_mut()?;
        *last ^= u8::from(asked == path);
        Some(bytes)
    };
    assert!(check(&sums, &present, flipped).unwrap_err().contains("another hash"));
    let without = |asked: &str| (asked != path).then(|| read(asked)).flatten();
    assert!(check(&sums, &present, without).unwrap_err().contains("not there"));
    let more = [&present[..], &["tests/vectors/new.json".to_owned()]].concat();
    assert!(check(&sums, &more, read).unwrap_err().contains("not listed"));
    let line = "ab".repeat(32) + "  a\n";
    assert!(self::sums(&line).is_ok());
    for bad in
        [line.to_uppercase(), line.replace("  ", " "), line.replace('\n', ""), line.repeat(2), "\n".into()]
    {
        assert!(self::sums(&bad).is_err(), "{bad:?}");
    }
}
