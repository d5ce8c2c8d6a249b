//! `layering`: what each crate must not depend on, checked against what cargo resolves.
//!
//! The rules are absences, since the layers are: a crate is known by what it knows nothing of.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::Value;

/// The four crates that only the facade, and what stands on it, may hold together.
const FOUR: [&str; 4] = ["blue-envelope", "blue-keys", "blue-store", "blue-audit"];

/// What the feature `aws-kms` of blue-keys brings in.
const SDK_OF_KEYS: &str = "aws-sdk-kms";

const FACADE: &str = "blue-encrypted-store";

/// Crypto and TLS libraries besides ring. A trailing `*` stands for any rest.
const OTHER_CRYPTO: [&str; 7] =
    ["aws-lc-*", "boring*", "openssl", "openssl-s*", "native-tls*", "mbedtls*", "s2n-tls*"];

/// The crates with a feature `test-vectors`, sealing and wrapping with caller-chosen randomness: for known-answer tests
/// alone.
const WITH_TEST_VECTORS: [&str; 2] = ["blue-envelope", "blue-keys"];
const TEST_VECTORS: &str = "test-vectors";

/// The features with which an absence holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Features {
    /// Whichever are on.
    All,
    /// Those that are on by default, and nothing else.
    Default,
}

/// The crate, its features, and the names that must not be below it.
const ABSENCES: [(&str, Features, &[&str]); 6] = [
    ("blue-address", Features::All, &["aws-*", "tokio*"]),
    ("blue-envelope", Features::All, &["aws-*", "tokio*"]),
    ("blue-keys", Features::All, &["aws-sdk-dynamodb", "aws-config", "blue-store", "blue-audit"]),
    // Its feature `aws-kms` alone brings the SDK in, and is not on by default.
    ("blue-keys", Features::Default, &["aws-*"]),
    ("blue-store", Features::All, &["blue-envelope", "blue-keys", "blue-audit"]),
    ("blue-audit", Features::All, &["aws-*", "blue-envelope", "blue-keys", "blue-store"]),
];

/// Checks every rule and prints each with its outcome.
pub(crate) fn run() -> anyhow::Result<()> {
    let members = members()?;
    let mut findings = Vec::new();
    for (name, features, forbidden) in ABSENCES {
        let (with, arguments): (_, &[&str]) = match features {
            Features::All => ("", &["--all-features"]),
            Features::Default => (" by default", &[]),
        };
        let found = forbidden_in(&tree(&[&["-p", name], arguments].concat())?, forbidden);
        findings.push((format!("{name}{with} depends on none of: {}", forbidden.join(", ")), found));
    }
    findings.push((format!("{SDK_OF_KEYS} is below blue-keys with all features"), {
        // Otherwise the rule above would hold for want of what it forbids.
        let tree = tree(&["-p", "blue-keys", "--all-features"])?;
        if forbidden_in(&tree, &[SDK_OF_KEYS]).is_empty() { vec!["blue-keys".to_owned()] } else { Vec::new() }
    }));
    let mut above = Vec::new();
    for member in &members {
        let tree = tree(&["-p", &member.name, "--all-features"])?;
        if holds_all_four_without_facade(&tree) {
            above.push(member.name.clone());
        }
    }
    findings.push((
        format!("only {FACADE}, and what depends on it, holds all four of: {}", FOUR.join(", ")),
        above,
    ));
    let mut enabling = Vec::new();
    for member in members.iter().filter(|member| member.shipped) {
        // All of its features, but for the one that is there for just that.
        let own = WITH_TEST_VECTORS.contains(&member.name.as_str());
        let features = member.features.iter().filter(|feature| !(own && *feature == TEST_VECTORS));
        let features = features.map(String::as_str).collect::<Vec<_>>().join(",");
        let tree = tree(&["-p", &member.name, "--features", &features, "--format", "{p}\t{f}"])?;
        let enabled = test_vectors_in(&tree);
        enabling.extend(enabled.into_iter().map(|enabled| format!("{} (of {enabled})", member.name)));
    }
    let with = WITH_TEST_VECTORS.join(" or ");
    findings.push((format!("no shipped crate turns on `{TEST_VECTORS}` of {with}"), enabling));
    let whole = tree(&["--workspace", "--all-features", "-e", "normal,build,dev"])?;
    findings.push((format!("no crypto library besides ring: {}", OTHER_CRYPTO.join(", ")), {
        forbidden_in(&whole, &OTHER_CRYPTO)
    }));
    report(&findings)
}

fn report(findings: &[(String, Vec<String>)]) -> anyhow::Result<()> {
    for (rule, found) in findings {
        let outcome =
            if found.is_empty() { "ok".to_owned() } else { format!("VIOLATED by {}", found.join(", ")) };
        println!("{rule}: {outcome}");
    }
    let violated = findings.iter().filter(|(_, found)| !found.is_empty()).count();
    ensure!(
        violated == 0,
        "{violated} of {} rules violated; `cargo tree -i NAME` shows the way in",
        findings.len()
    );
    Ok(())
}

/// The packages in cargo's output that match a pattern. The first line, the crate itself, counts too: no rule names
/// its own crate.
fn forbidden_in(tree: &str, patterns: &[&str]) -> Vec<String> {
    let matches = |name: &str| {
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
    };
    packages(tree).into_iter().filter(|name| matches(name)).map(str::to_owned).collect()
}

fn holds_all_four_without_facade(tree: &str) -> bool {
    let packages = packages(tree);
    FOUR.iter().all(|name| packages.contains(name)) && !packages.contains(FACADE)
}

/// The packages whose `test-vectors` is on, in lines of a package, a tab and its features.
fn test_vectors_in(tree: &str) -> Vec<&str> {
    let on = |line: &&str| {
        let (_, features) = line.split_once('\t').unwrap_or_default();
        features.trim_end_matches("(*)").trim().split(',').any(|feature| feature == TEST_VECTORS)
    };
    let enabled: Vec<&str> =
        tree.lines().filter(on).filter_map(|line| line.split_whitespace().next()).collect();
    WITH_TEST_VECTORS.into_iter().filter(|name| enabled.contains(name)).collect()
}

fn packages(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

struct Member {
    name: String,
    shipped: bool,
    features: Vec<String>,
}

fn members() -> anyhow::Result<Vec<Member>> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let member = |package: &Value| {
        // `publish = false` comes out as an empty list of registries.
        let shipped = package["publish"].as_array().is_none_or(|registries| !registries.is_empty());
        let name = package["name"].as_str().context("a package without a name")?.to_owned();
        let features = package["features"].as_object().context("a package without features")?;
        Ok(Member { name, shipped, features: features.keys().cloned().collect() })
    };
    packages.iter().map(member).collect()
}

/// One line for each package, on any platform, that the arguments lead to by normal dependencies or by those named.
fn tree(arguments: &[&str]) -> anyhow::Result<String> {
    let edges: &[&str] = if arguments.contains(&"-e") { &[] } else { &["-e", "normal"] };
    cargo(&[&["tree", "--prefix", "none", "--target", "all"], edges, arguments].concat())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<String> {
    let output = crate::cargo().args(arguments).arg("--locked").output()?;
    let failed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {} failed: {failed}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "blue-audit v0.1.0 (/w/crates/audit)\nsha2 v0.11.0\nblue-store v0.1.0 (/w/crates/store)\n\
                        aws-sdk-dynamodb v1.136.0\ntokio v1.54.0\ntokio v1.54.0 (*)\nblue-address v0.1.0 (/w)\n";

    #[test]
    fn a_forbidden_dependency_is_found() {
        assert_eq!(forbidden_in(TREE, &["aws-*", "blue-keys"]), ["aws-sdk-dynamodb"]);
        assert_eq!(forbidden_in(TREE, &["tokio*", "blue-store"]), ["blue-store", "tokio"]);
        assert!(forbidden_in(TREE, &["blue-keys", "blue-envelope", "sha"]).is_empty());
    }

    #[test]
    fn a_crate_that_bypasses_the_facade_is_found() {
        let four = "shortcut v1\nblue-envelope v1\nblue-keys v1\nblue-store v1\nblue-audit v1\n";
        assert!(holds_all_four_without_facade(four));
        assert!(!holds_all_four_without_facade(&format!("{four}blue-encrypted-store v1\n")));
        assert!(!holds_all_four_without_facade(TREE));
    }

    #[test]
    fn a_crate_that_seals_with_chosen_randomness_is_found() {
        let tree = "app v1 (/w)\tdefault\nblue-envelope v1 (/w/e)\tdefault,test-vectors\nblue-keys v1 (/w/k)\t (*)\n";
        assert_eq!(test_vectors_in(tree), ["blue-envelope"]);
        assert_eq!(test_vectors_in("blue-keys v1 (/w/k)\ttest-vectors (*)\n"), ["blue-keys"]);
        assert!(
            test_vectors_in("blue-keys v1 (/w/k)\ttest-vectors-not\nother v1\ttest-vectors\n").is_empty()
        );
    }

    #[test]
    fn a_violated_rule_is_a_failure() {
        let kept = ("a rule".to_owned(), Vec::new());
        let violated = ("another".to_owned(), vec!["culprit".to_owned()]);
        report(std::slice::from_ref(&kept)).expect("nothing violated");
        let error = report(&[kept, violated]).expect_err("one violated");
        assert!(error.to_string().starts_with("1 of 2 rules violated"), "{error}");
    }
}
