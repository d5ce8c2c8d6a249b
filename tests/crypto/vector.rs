//! Vector files: tests/vectors/README.md says what they look like. Read strictly, since a field that is passed over is a
//! claim that nobody checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::tally::{Passed, Tally};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// One file: its kind, and the fields of that kind.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) fields: Value,
}

/// What checks a vector: `Err` says what is not as the vector has it.
pub(crate) type Check = fn(&Vector) -> Result<Passed, String>;

impl Vector {
    /// The fields as those of a kind, neither more nor fewer.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(self.fields.clone()).map_err(|error| error.to_string())
    }

    fn parse(file_name: &str, text: &str) -> Result<Self, String> {
        let mut fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut take = |field: &str| match fields.remove(field) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            _ => Err(format!("no text `{field}`")),
        };
        let (name, kind, _about) = (take("name")?, take("kind")?, take("about")?);
        if format!("{name}.json") != file_name {
            return Err(format!("is named {name:?}"));
        }
        Ok(Self { name, kind, fields: Value::Object(fields) })
    }
}

/// All vectors of a directory under `tests/vectors`, by name. Anything else in it is an error.
pub(crate) fn all(directory: &str) -> Vec<Vector> {
    let directory = root().join("tests/vectors").join(directory);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let vector = |name: &String| {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        Vector::parse(name, &text).unwrap_or_else(|reason| panic!("{name}: {reason}"))
    };
    names.iter().map(vector).collect()
}

/// Checks all vectors of a directory. `kinds` is how many there must be of each kind; each gives either known answers
/// or, if its name ends so, is `refused`.
pub(crate) fn run(source: &'static str, directory: &str, check: Check, kinds: &[(&str, u32)]) {
    let mut tally = Tally::of(source);
    let mut counts = BTreeMap::new();
    for vector in all(directory) {
        tally.ran(&vector.name, check(&vector));
        *counts.entry(vector.kind).or_insert(0) += 1;
    }
    let of = |refused| {
        let kinds = kinds.iter().filter(|(kind, _)| kind.ends_with("refused") == refused);
        kinds.map(|(_, count)| count).sum()
    };
    tally.must_be(of(false), of(true), &[]);
    let expected = kinds.iter().map(|&(kind, count)| (kind.to_owned(), count)).collect();
    assert_eq!(counts, expected, "{source}: other counts by kind");
}

/// All classes of refusal, of whatever directory.
const CLASSES: [&str; 20] = [
    "Malformed",
    "WrongKey",
    "Authentication",
    "Mac",
    "Count",
    "Foreign",
    "Sequence",
    "Link",
    "Head",
    "Type",
    "Name",
    "Id",
    "Signature",
    "Unverified",
    "Namespace",
    "Time",
    "Vanished",
    "Shorter",
    "Altered",
    "Shredded",
];

/// Changes each field of each vector that holds a known answer, one after the other, and has the check fail. Of a refusal
/// it changes the class alone, to every other one: what is refused usually stays refused when one more thing is wrong
/// with it.
pub(crate) fn every_change_is_noticed(directory: &str, check: Check) {
    let mut changed = 0;
    for vector in all(directory) {
        let passed = check(&vector).unwrap_or_else(|reason| panic!("{}: {reason}", vector.name));
        let mut paths = Vec::new();
        leaves(&vector.fields, String::new(), &mut paths);
        for path in paths.iter().filter(|path| passed == Passed::Answered || *path == "/error") {
            let original = vector.fields.pointer(path).unwrap();
            let classes = || CLASSES.into_iter().map(Value::from).filter(|class| class != original).collect();
            for other in if path == "/error" { classes() } else { changes(original) } {
                let mut vector = vector.clone();
                *vector.fields.pointer_mut(path).unwrap() = other.clone();
                let outcome = check(&vector);
                assert!(outcome.is_err(), "{}: {path} {original} as {other} goes unnoticed", vector.name);
                changed += 1;
            }
        }
    }
    assert!(changed > 0, "{directory}: nothing was changed");
}

/// The JSON pointers of all values that are neither objects nor lists; of a list, those in its first and last item.
fn leaves(value: &Value, path: String, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, v)| leaves(v, format!("{path}/{name}"), out)),
        Value::Array(items) => {
            let ends = items.iter().enumerate().filter(|(index, _)| [0, items.len() - 1].contains(index));
            ends.for_each(|(index, v)| leaves(v, format!("{path}/{index}"), out));
        }
        _ => out.push(path),
    }
}

/// The value with another first, middle or last character; hexadecimal stays hexadecimal, and a number a number.
fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(bit) => vec![Value::Bool(!bit)],
        Value::Number(number) => vec![Value::from(number.as_u64().unwrap() ^ 1)],
        Value::String(text) if text.is_empty() => vec![Value::from("00")],
        Value::String(text) => {
            let characters: Vec<char> = text.chars().collect();
            let change = |index: usize| {
                let mut characters = characters.clone();
                characters[index] = if characters[index] == '1' { '2' } else { '1' };
                Value::from(characters.into_iter().collect::<String>())
            };
            [0, characters.len() / 2, characters.len() - 1].map(change).to_vec()
        }
        Value::Null => vec![Value::from("00".repeat(32))],
        Value::Array(_) | Value::Object(_) => unreachable!("a leaf"),
    }
}

/// Lowercase hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(&text).map_err(D::Error::custom)?;
        if hex::encode(&bytes) == text {
            Ok(Self(bytes))
        } else {
            Err(D::Error::custom("uppercase hexadecimal"))
        }
    }
}

/// `N` bytes in lowercase hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fixed<const N: usize>(pub(crate) [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Hex(bytes) = Hex::deserialize(deserializer)?;
        let length = bytes.len();
        bytes.try_into().map(Self).map_err(|_| D::Error::custom(format!("{length} bytes instead of {N}")))
    }
}

/// A u64 as canonical decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal(pub(crate) u64);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().map_err(D::Error::custom)?;
        if u64::to_string(&number) == text {
            Ok(Self(number))
        } else {
            Err(D::Error::custom("not canonical"))
        }
    }
}

#[test]
fn a_vector_is_read_strictly() {
    let parse = |text: &str| Vector::parse("a.json", text);
    let good = r#"{"name": "a", "about": "x", "kind": "k", "more": 1}"#;
    assert_eq!(parse(good).unwrap().fields, serde_json::json!({"more": 1}));
    for (from, to) in [(r#""a""#, r#""b""#), (r#""about": "x", "#, ""), (r#""k""#, "1"), ("}", "")] {
        assert!(parse(&good.replacen(from, to, 1)).is_err(), "{from} to {to}");
    }
    assert!(serde_json::from_str::<Hex>("\"AB\"").is_err());
    assert!(serde_json::from_str::<Fixed<2>>("\"ab\"").is_err());
    assert!(serde_json::from_str::<Decimal>("\"01\"").is_err());
    assert!(serde_json::from_str::<Decimal>("\"+1\"").is_err());
    assert!(serde_json::from_str::<Decimal>("1").is_err());
}
