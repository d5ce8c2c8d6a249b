//! The committed corpus, replayed on stable Rust.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use blue_fuzz_laws::{TARGETS, Verdict};

/// Above it a file is no example of anything.
const LARGEST: u64 = 8 * 1024;

fn fuzz(directory: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(directory)
}

/// The names of a directory's entries, those of files without `extension`.
fn names(directory: &Path, extension: &str) -> BTreeSet<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| name(entry.unwrap()).trim_end_matches(extension).to_owned()).collect()
}

#[test]
fn every_law_holds_for_the_whole_corpus() {
    let mut count = 0;
    for (target, law) in TARGETS {
        let directory = fuzz("corpus").join(target);
        let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for name in names(&directory, "") {
            let path = directory.join(name);
            assert!(path.metadata().unwrap().len() <= LARGEST, "{} is too large", path.display());
            let data = fs::read(&path).unwrap();
            let verdict = std::panic::catch_unwind(|| law(&data))
                .unwrap_or_else(|_| panic!("{target} does not hold for {}", path.display()));
            *verdicts.entry(verdict).or_default() += 1;
            count += 1;
        }
        println!("{target}: {verdicts:?}");
        // A corpus that the parser only refuses, or only takes, shows half of what it does.
        for verdict in [Verdict::Accepted, Verdict::Refused] {
            assert!(verdicts.contains_key(&verdict), "no file in corpus/{target} is {verdict:?}");
        }
    }
    println!("{count} files replayed for {} targets", TARGETS.len());
}

#[test]
fn every_target_has_its_law_its_corpus_and_nothing_else_has() {
    let laws: BTreeSet<String> = TARGETS.iter().map(|(target, _)| (*target).to_owned()).collect();
    assert_eq!(names(&fuzz("corpus"), ""), laws);
    assert_eq!(names(&fuzz("fuzz_targets"), ".rs"), laws);
    for target in &laws {
        let source = fs::read_to_string(fuzz("fuzz_targets").join(format!("{target}.rs"))).unwrap();
        assert!(source.contains(&format!("blue_fuzz_laws::{target}(data)")), "{target} runs another law");
    }
}
