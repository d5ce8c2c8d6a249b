//! `claims`: every claim of docs/threat-model.md has a test that shows it, which exists and, by the output of `cargo test`, runs.
//!
//! The page says in a form of its own what is to be believed. Under `## Guarantees`, each guarantee is a heading
//! `### G1 What is guaranteed`, numbered in order, with nothing below it but claims: items of a list (`- `), each with at least
//! one link to a test. Anywhere on the page, such a link has the test's name as its text and its file as its target:
//! ``[`a_law_holds`](../tests/store/laws.rs)``.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

const PAGE: &str = "docs/threat-model.md";

/// Where tests are, beside each other.
const SOURCES: [&str; 4] = ["crates", "fuzz", "tests", "xtask"];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// See also that each test was run and passed, by this output of `cargo test`
    #[arg(long, value_name = "LOG")]
    ran: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::root();
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let page = Page::read(&page);
    let mut findings = page.findings.clone();
    findings.extend(unfounded(&page.links, &root)?);
    if let Some(log) = &arguments.ran {
        let bytes = fs::read(log).with_context(|| log.display().to_string())?;
        findings.extend(not_run(&page.links, &String::from_utf8_lossy(&bytes)));
    }
    for finding in &findings {
        println!("{PAGE}: {finding}");
    }
    ensure!(findings.is_empty(), "{} of what {PAGE} says is not shown", findings.len());
    let names: BTreeSet<&str> = page.links.iter().map(|link| link.name.as_str()).collect();
    println!(
        "{PAGE}: {} guarantees, {} claims, {} tests; each claim has one that is there{}",
        page.guarantees,
        page.claims,
        names.len(),
        if arguments.ran.is_some() { ", was run and passed" } else { "" },
    );
    Ok(())
}

/// A test that the page names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    line: usize,
    name: String,
    /// As the page has it: from the directory of the page.
    file: String,
}

/// What the page claims, and what is wrong with how it does.
#[derive(Debug, Default)]
struct Page {
    guarantees: usize,
    claims: usize,
    links: Vec<Link>,
    findings: Vec<String>,
}

/// What is read at the moment.
#[derive(Debug, Default)]
struct Place {
    in_guarantees: bool,
    /// The heading of the guarantee, and how many claims it has so far.
    guarantee: Option<(String, usize)>,
    /// Where the claim begins, and how many links it has so far.
    claim: Option<(usize, usize)>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut place = Place::default();
        for (line, text) in (1..).zip(text.lines()) {
            let links = links(line, text);
            if let Some(title) = text.strip_prefix("### ").filter(|_| place.in_guarantees) {
                page.end_guarantee(&mut place);
                page.begin_guarantee(&mut place, line, title);
            } else if let Some(title) = text.strip_prefix("## ") {
                page.end_guarantee(&mut place);
                place.in_guarantees = title == "Guarantees";
            } else if place.guarantee.is_some() {
                page.take_in(&mut place, line, text, links.len());
            }
            page.links.extend(links);
        }
        page.end_guarantee(&mut place);
        if page.claims == 0 {
            page.findings
                .push("it claims nothing; is it in the form that `cargo xtask claims` reads?".to_owned());
        }
        page.findings.extend(unknown_guarantees(text, page.guarantees));
        page
    }

    fn begin_guarantee(&mut self, place: &mut Place, line: usize, title: &str) {
        self.guarantees += 1;
        let number = format!("G{} ", self.guarantees);
        if !title.starts_with(&number) {
            self.findings.push(format!("line {line}: this guarantee's number is {}", number.trim()));
        }
        place.guarantee = Some((title.to_owned(), 0));
    }

    /// A line below the heading of a guarantee.
    fn take_in(&mut self, place: &mut Place, line: usize, text: &str, links: usize) {
        if text.starts_with("- ") {
            self.end_claim(place);
            self.claims += 1;
            if let Some((_, claims)) = &mut place.guarantee {
                *claims += 1;
            }
            place.claim = Some((line, links));
        } else if text.trim().is_empty() {
        } else if let Some((_, found)) = place.claim.as_mut().filter(|_| text.starts_with("  ")) {
            *found += links;
        } else {
            self.findings.push(format!("line {line}: this is no claim, and below a guarantee"));
        }
    }

    fn end_claim(&mut self, place: &mut Place) {
        if let Some((line, 0)) = place.claim.take() {
            self.findings.push(format!("line {line}: this claim names no test"));
        }
    }

    fn end_guarantee(&mut self, place: &mut Place) {
        self.end_claim(place);
        if let Some((title, 0)) = place.guarantee.take() {
            self.findings.push(format!("{title}: it has no claim"));
        }
    }
}

/// The links to tests in a line.
fn links(line: usize, text: &str) -> Vec<Link> {
    let link = |rest: &str| {
        let (name, rest) = rest.split_once("`](")?;
        let (file, _) = rest.split_once(')')?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_test = is_name && file.ends_with(".rs");
        is_test.then(|| Link { line, name: name.to_owned(), file: file.to_owned() })
    };
    text.split("[`").skip(1).filter_map(link).collect()
}

/// Guarantees that the page speaks of and does not have.
fn unknown_guarantees(page: &str, guarantees: usize) -> BTreeSet<String> {
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let number = |word: &str| word.strip_prefix('G')?.parse::<usize>().ok();
    let unknown = words.filter_map(number).filter(|number| !(1..=guarantees).contains(number));
    unknown.map(|number| format!("it speaks of G{number}, which there is not")).collect()
}

/// What the page names and is no test.
fn unfounded(links: &[Link], root: &Path) -> anyhow::Result<Vec<String>> {
    let directory = root.join(PAGE).parent().map(Path::to_path_buf).unwrap_or_default();
    let mut homes: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for source in SOURCES.iter().flat_map(|source| sources(&root.join(source))) {
        for name in tests(&fs::read_to_string(&source)?).into_keys() {
            homes.entry(name).or_default().insert(source.clone());
        }
    }
    let mut findings = Vec::new();
    for Link { line, name, file } in links {
        let Ok(path) = directory.join(file).canonicalize() else {
            findings.push(format!("line {line}: there is no {file}"));
            continue;
        };
        match tests(&fs::read_to_string(&path)?).get(name) {
            None => findings.push(format!("line {line}: {file} has no test {name}")),
            Some(Fate::Ignored) => findings.push(format!("line {line}: {name} of {file} is ignored")),
            // The output of `cargo test` could not tell them apart.
            Some(Fate::Run) if homes.get(name).is_some_and(|homes| homes.len() > 1) => {
                findings.push(format!("line {line}: {name} is the name of another test, too"));
            }
            Some(Fate::Run) => {}
        }
    }
    Ok(findings)
}

/// What becomes of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Run,
    Ignored,
}

/// The tests in a source: functions with `#[test]` or `#[tokio::test]`, also within `proptest!`.
fn tests(source: &str) -> BTreeMap<String, Fate> {
    let mut found = BTreeMap::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with("#[ignore");
        } else if let Some(name) = function(line) {
            if is_test {
                found.insert(name.to_owned(), if is_ignored { Fate::Ignored } else { Fate::Run });
            }
            (is_test, is_ignored) = (false, false);
        } else if line.is_empty() || line.ends_with('}') || line.ends_with(';') {
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    line.strip_prefix("fn ")?.split(end).next()
}

/// The Rust files of a directory and those below it.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The tests that did not run by this output of `cargo test`, or did not pass each time.
fn not_run(links: &[Link], log: &str) -> BTreeSet<String> {
    let mut ended: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in log.lines() {
        let Some((path, result)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        else {
            continue;
        };
        let path = path.split(" - ").next().unwrap_or(path);
        let name = path.rsplit("::").next().unwrap_or(path);
        ended.entry(name).or_default().insert(result.trim());
    }
    let finding = |Link { name, .. }: &Link| match ended.get(name.as_str()) {
        None => Some(format!("{name} was not run")),
        Some(results) if *results == BTreeSet::from(["ok"]) => None,
        Some(results) => Some(format!("{name} was run, and ended with: {results:?}")),
    };
    links.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
# Threats\n\nG1 holds, as [`not_a_claim`](../a.rs) tells.\n\n## Guarantees\n\n### G1 Nothing leaks\n\n\
- Nothing leaks: [`nothing_leaks`](../tests/leaks.rs),\n  nor later [`nor_later`](../tests/leaks.rs).\n- Nor there: \
[`nor_there`](../tests/there.rs).\n\n## Not covered\n\n- This is no claim.\n";

    fn findings(page: &str) -> Vec<String> {
        Page::read(page).findings
    }

    #[test]
    fn claims_and_their_tests_are_read() {
        let page = Page::read(SHOWN);
        assert_eq!((page.guarantees, page.claims, page.findings.len()), (1, 2, 0), "{page:?}");
        let links: Vec<_> = page.links.iter().map(|link| (link.name.as_str(), link.file.as_str())).collect();
        let leaks = "../tests/leaks.rs";
        let all = [("not_a_claim", "../a.rs"), ("nothing_leaks", leaks), ("nor_later", leaks)];
        assert_eq!(links, [&all[..], &[("nor_there", "../tests/there.rs")]].concat());
    }

    #[test]
    fn a_claim_without_a_test_is_found() {
        let without = SHOWN.replace("[`nor_there`](../tests/there.rs)", "[there](there.md), and `nor_there`");
        assert_eq!(findings(&without), ["line 11: this claim names no test"]);
        // One test of a claim stands for all of it.
        assert_eq!(findings(&SHOWN.replace("[`nor_later`](../tests/leaks.rs)", "later")).len(), 0);
        let aside = SHOWN.replace("## Not", "Believe us.\n\n## Not");
        assert_eq!(findings(&aside), ["line 13: this is no claim, and below a guarantee"]);
    }

    #[test]
    fn a_guarantee_without_claims_and_one_out_of_order_are_found() {
        let empty = SHOWN.replace("## Not", "### G2 Nothing moves\n\n## Not");
        assert_eq!(findings(&empty), ["G2 Nothing moves: it has no claim"]);
        let renumbered = SHOWN.replace("### G1", "### G2");
        let expected = ["line 7: this guarantee's number is G1", "it speaks of G2, which there is not"];
        assert_eq!(findings(&renumbered), expected);
    }

    #[test]
    fn a_page_that_claims_nothing_is_found() {
        for page in ["", "# Threats\n", &SHOWN.replace("## Guarantees", "## Promises")] {
            let found = findings(page);
            assert!(
                found.iter().any(|finding| finding.starts_with("it claims nothing")),
                "{page}: {found:?}"
            );
        }
    }

    #[test]
    fn a_link_that_leads_to_no_test_is_found() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in [
            ("docs/page.md", ""),
            (
                "tests/laws.rs",
                "#[test]\nfn holds() {}\n\nfn helper() {}\n\n#[test]\n#[ignore]\nfn slow() {}\n",
            ),
            ("crates/a/twice.rs", "#[test]\nfn twice() {}\n"),
            ("xtask/twice.rs", "#[tokio::test]\nasync fn twice() {}\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
            fs::write(path, text).expect("a file");
        }
        let link = |name: &str, file: &str| Link { line: 7, name: name.to_owned(), file: file.to_owned() };
        let found = |name, file| {
            unfounded(&[link(name, file)], root.path()).expect("everything can be read").join("; ")
        };
        let laws = "../tests/laws.rs";
        assert_eq!(found("holds", laws), "");
        assert_eq!(found("holds", "../tests/gone.rs"), "line 7: there is no ../tests/gone.rs");
        assert_eq!(found("gone", laws), "line 7: ../tests/laws.rs has no test gone");
        assert_eq!(found("helper", laws), "line 7: ../tests/laws.rs has no test helper");
        assert_eq!(found("slow", laws), "line 7: slow of ../tests/laws.rs is ignored");
        let twice = found("twice", "../xtask/twice.rs");
        assert_eq!(twice, "line 7: twice is the name of another test, too");
    }

    #[test]
    fn tests_are_told_from_other_functions() {
        let source = "#[test]\nfn plain() {\n    let x = 1;\n}\n/// Said of it.\n#[tokio::test(flavor = \"multi_thread\")]\n\
                      async fn waits() {}\nproptest! {\n    #[test]\n    fn for_all(a in 0..9) {}\n}\n#[test]\n\
                      #[ignore = \"slow\"]\nfn never() {}\n#[inline]\nfn other() {}\n// #[test]\nfn remarked() {}\n";
        let expected =
            [("for_all", Fate::Run), ("never", Fate::Ignored), ("plain", Fate::Run), ("waits", Fate::Run)];
        let found: Vec<_> = tests(source).into_iter().collect();
        assert_eq!(found, expected.map(|(name, fate)| (name.to_owned(), fate)));
    }

    #[test]
    fn a_test_that_did_not_run_and_pass_each_time_is_found() {
        let log = "test laws::holds ... ok\ntest holds ... ok\ntest fails ... ok\nnoise\ntest fails ... FAILED\n\
                   test slow ... ignored\ntest panics - should panic ... ok\ntest result: ok. 3 passed; 1 failed\n";
        let names = ["holds", "fails", "slow", "panics", "gone", "old"];
        let link = |name: &str| Link { line: 1, name: name.to_owned(), file: "x.rs".to_owned() };
        let found = not_run(&names.map(link), log);
        let expected = [
            r#"fails was run, and ended with: {"FAILED", "ok"}"#,
            "gone was not run",
            "old was not run",
            r#"slow was run, and ended with: {"ignored"}"#,
        ];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }
}
