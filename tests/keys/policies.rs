//! The policies of docs/aws.md name the calls that the code makes, neither more nor fewer.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Names of IAM that are no actions.
const CONDITION_KEYS: [&str; 4] =
    ["dynamodb:LeadingKeys", "dynamodb:EnclosingOperation", "kms:EncryptionContext", "kms:ViaService"];

#[test]
fn the_policies_name_what_the_code_calls() {
    let named = actions(&read("docs/aws.md"));
    let mut called = calls("dynamodb", "crates/store/src");
    called.extend(calls("kms", "crates/keys/src/aws_kms"));
    assert!(called.contains("dynamodb:ConditionCheckItem") && called.contains("kms:Decrypt"), "{called:?}");
    assert_eq!(named, called);
}

#[test]
fn the_template_has_the_policies_of_the_page() {
    let template = read("docs/aws/blue-encrypted-store.yaml");
    let policies = template.split_once("WriterPolicy:").unwrap().1;
    let page = read("docs/aws.md");
    let blocks = page.split("```json").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let blocks: Vec<_> = blocks.collect();
    assert_eq!(blocks.len(), 4);
    let statements = |text: &str| {
        let of_line = |line: &str| {
            let (_, id) = line.split_once("Sid")?;
            let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
            Some(id)
        };
        text.lines().filter_map(of_line).collect::<Vec<_>>()
    };
    assert_eq!(statements(&blocks.concat()), statements(policies));
    assert_eq!(actions(&blocks.concat()), actions(policies));
    for block in blocks {
        let policy: serde_json::Value = serde_json::from_str(block).unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
    }
}

/// All actions that a text names.
fn actions(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
    let is_action = |word: &&str| {
        let service = word.split(':').next().unwrap_or_default();
        let name = word.split(':').nth(1).unwrap_or_default();
        matches!(service, "dynamodb" | "kms") && name.starts_with(|c: char| c.is_ascii_uppercase())
    };
    let is_condition = |word: &&str| CONDITION_KEYS.iter().any(|key| word.starts_with(key));
    words.filter(is_action).filter(|word| !is_condition(word)).map(str::to_owned).collect()
}

/// The rights that the calls of a client need, by the source.
fn calls(service: &str, directory: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in sources(&root().join(directory)) {
        let source: String = fs::read_to_string(&path).unwrap().split_whitespace().collect();
        for call in source.split("client.").skip(1) {
            let Some((name, _)) = call.split_once('(') else { continue };
            match name {
                "config" | "clone" | "transact_write_items" => {}
                "re_encrypt" => found.extend(["kms:ReEncryptFrom".to_owned(), "kms:ReEncryptTo".to_owned()]),
                name if name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
                    found.insert(format!("{service}:{}", pascal(name)));
                }
                _ => {}
            }
        }
        // The parts of transactions need the rights of the operations that they stand for.
        for (part, action) in [
            ("=Put::builder()", "PutItem"),
            ("=Delete::builder()", "DeleteItem"),
            ("=Update::builder()", "UpdateItem"),
            ("=ConditionCheck::builder()", "ConditionCheckItem"),
        ] {
            if source.contains(part) {
                found.insert(format!("{service}:{action}"));
            }
        }
    }
    found
}

/// The files of a directory and those below it, without tests.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_test {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push(path);
        }
    }
    found
}

fn pascal(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
