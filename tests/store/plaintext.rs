//! The table holds nothing readable but what was named to be readable.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    path::Path,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_encrypted_store::{Attributes, Collection, Key, Kind, Payload, Put, RecordId};
use blue_tests::{Item, Sandbox, s};
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXUPPER};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value as Json;

const RECORDS: usize = 400;
const NAMED: [&str; 2] = ["state", "party"];
/// Shorter values are found anywhere.
const SHORTEST: usize = 4;

/// Real records, one JSON object a line.
fn lines() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/legislators.jsonl");
    let text = fs::read_to_string(path).expect("the data set is part of the repository");
    let lines: Vec<_> = text.lines().take(RECORDS).map(str::to_owned).collect();
    assert_eq!(lines.len(), RECORDS);
    lines
}

async fn import(collection: &Collection, lines: &[String]) {
    let writes = lines.iter().map(|line| async move {
        let object: Json = serde_json::from_str(line).unwrap();
        let mut attributes = Attributes::new();
        for name in NAMED {
            if let Some(value) = object[name].as_str() {
                attributes.insert(name, value).unwrap();
            }
        }
        let key = Key {
            kind: Kind::new("legislator").unwrap(),
            id: RecordId::new(object["id"].as_str().unwrap()).unwrap(),
        };
        let payload = Payload::Json(serde_json::from_str(line).unwrap());
        collection.put_payload(&key, payload, attributes, Put::Upsert).await
    });
    let written: Vec<u64> =
        stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(8).try_collect().await.unwrap();
    assert_eq!(written.len(), lines.len());
}

/// All strings within a value, except those of the fields of `object` that are named.
fn strings<'a>(value: &'a Json, top: bool, found: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => found.push(text),
        Json::Array(all) => all.iter().for_each(|value| strings(value, false, found)),
        Json::Object(fields) => {
            for (name, value) in fields {
                if !(top && NAMED.contains(&name.as_str())) {
                    strings(value, false, found);
                }
            }
        }
        _ => {}
    }
}

/// Every text to look for, in every form that it might be found in.
struct Search {
    /// The forms by their first bytes: form and the text it stands for.
    by_prefix: HashMap<[u8; SHORTEST], Vec<(Vec<u8>, String)>>,
}

impl Search {
    fn new(texts: &BTreeSet<String>) -> Self {
        let mut by_prefix: HashMap<_, Vec<_>> = HashMap::new();
        for text in texts {
            let bytes = text.as_bytes();
            let mut forms = vec![
                bytes.to_vec(),
                HEXLOWER.encode(bytes).into_bytes(),
                HEXUPPER.encode(bytes).into_bytes(),
            ];
            // In base64 the same bytes look three ways, by where they begin; the digits at the edges depend on
            // the bytes before and after.
            for before in 0..3 {
                let padded = [&vec![0; before][..], bytes].concat();
                let digits = BASE64_NOPAD.encode(&padded).into_bytes();
                let whole = padded.len() * 8 / 6;
                forms.push(digits[[0, 2, 3][before]..whole].to_vec());
            }
            for form in forms {
                if let Some(prefix) = form.first_chunk() {
                    by_prefix.entry(*prefix).or_default().push((form, text.clone()));
                }
            }
        }
        Self { by_prefix }
    }

    fn find(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (start, prefix) in bytes.windows(SHORTEST).enumerate() {
            for (form, text) in self.by_prefix.get(prefix).into_iter().flatten() {
                if bytes[start..].starts_with(form) {
                    found.push(text.as_str());
                }
            }
        }
        found
    }

    /// What is found in an item's names and values, with where it lies.
    fn find_in(&self, items: &[Item]) -> HashSet<(String, String)> {
        let mut found = HashSet::new();
        for item in items {
            let place = format!("{:?} {:?}", item["pk"], item["sk"]);
            for (name, value) in item {
                let value = match value {
                    AttributeValue::S(text) | AttributeValue::N(text) => text.as_bytes(),
                    AttributeValue::B(bytes) => bytes.as_ref(),
                    AttributeValue::Bool(_) => &[],
                    other => panic!("{place}: {other:?}"),
                };
                for bytes in [name.as_bytes(), value] {
                    found.extend(self.find(bytes).into_iter().map(|text| (place.clone(), text.to_owned())));
                }
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_an_unnamed_field_is_found_anywhere_in_the_table() {
    let lines = lines();
    let sandbox = Sandbox::new("plaintext").await;
    let collection = sandbox.collection("congress", "members").await;
    import(&collection, &lines).await;

    let objects: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut clear: HashSet<&str> = HashSet::from(["congress", "members", "legislator", "default"]);
    for object in &objects {
        clear.extend(["id"].iter().chain(&NAMED).filter_map(|name| object[*name].as_str()));
    }
    let (mut total, mut short, mut named) = (0, 0, 0);
    let mut sealed = BTreeSet::new();
    for object in &objects {
        let mut found = Vec::new();
        strings(object, true, &mut found);
        for text in found {
            total += 1;
            if text.len() < SHORTEST {
                short += 1;
            } else if clear.iter().any(|clear| clear.contains(text)) {
                named += 1;
            } else {
                sealed.insert(text.to_owned());
            }
        }
    }
    assert!(total > 5_000, "{total} values");
    assert!(named < total / 2 && short < total / 2, "of {total} values {named} are in clear, {short} short");
    assert!(sealed.len() > 1_200, "{} different values to look for", sealed.len());

    let items = sandbox.scan().await;
    let audit = items.len() - sandbox.scan_without_audit().await.len();
    assert_eq!(items.len() - audit, RECORDS + 4, "META, key, two directory entries");
    assert!(audit > 1, "the audit log is searched too");
    let search = Search::new(&sealed);
    let first = search.find_in(&items);
    // Four random bytes may spell a word. Sealed anew, they do not spell it again.
    import(&collection, &lines).await;
    let second = search.find_in(&sandbox.scan().await);
    let both: Vec<_> = first.intersection(&second).collect();
    assert!(both.is_empty(), "{both:?}");
    assert!(first.len() < 20 && second.len() < 20, "{first:?} {second:?}");

    // The same search finds what is to be found: names in clear, and sealed values put in by hand.
    let parties = BTreeSet::from(["Republican".to_owned(), "Democrat".to_owned()]);
    assert!(Search::new(&parties).find_in(&items).len() > RECORDS / 2);
    let mut control = 0;
    for text in sealed.iter().take(100) {
        for before in 0..3 {
            let bytes = [&vec![b'?'; before][..], text.as_bytes(), b"!"].concat();
            for value in [
                Blob::new(bytes.clone()),
                Blob::new(HEXLOWER.encode(&bytes)),
                Blob::new(BASE64.encode(&bytes)),
            ] {
                let item: Item = [
                    ("pk".to_owned(), s("x")),
                    ("sk".to_owned(), s("x")),
                    ("x".to_owned(), AttributeValue::B(value)),
                ]
                .into();
                let found = search.find_in(&[item]);
                assert!(found.iter().any(|(_, hit)| hit == text), "{text:?} after {before} bytes");
                control += 1;
            }
        }
    }
    assert_eq!(control, 900);

    // And the records come back as they were.
    let back: Vec<_> = collection.list_payloads(None).try_collect().await.unwrap();
    assert_eq!(back.len(), RECORDS);
    let by_id: HashMap<_, _> =
        objects.iter().map(|object| (object["id"].as_str().unwrap(), object)).collect();
    for entry in back {
        let Payload::Json(text) = &entry.value else { panic!("{entry:?}") };
        let object: Json = serde_json::from_str(text.get()).unwrap();
        assert_eq!(by_id[entry.key.id.as_str()], &object);
        assert_eq!(entry.attributes.len(), NAMED.iter().filter(|name| object[**name].is_string()).count());
    }
}
