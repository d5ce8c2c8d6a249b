//! Both directions on random records: what Rust seals Python opens, what Python seals Rust opens and seals again to the
//! same bytes, and what one refuses the other refuses as the same. The same for random checkpoints, signed and opened.
//!
//! The seed of each run is printed; with it in `BES_AGREE_SEED`, the run is repeated.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::OnceLock;

use blue_audit::{Checkpoint, Head, NoteSigner};
use blue_envelope::address::{
    Address, Chain, Collection, ItemAttributes, Kind, Namespace, RecordId, Tenant, Value as Attribute,
};
use blue_envelope::{Context, Kek, KekId, SecretKey, open, seal};
use blue_testkit::python::Python;
use fastrand::Rng;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::tally::equal;
use crate::test_audit_vectors::TIMESTAMP;
use crate::test_checkpoint_vectors::{self, class};
use crate::test_envelope_vectors::{Class, check};
use crate::vector::{Vector, root};

const RECORDS: usize = 1_000;

fn python() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Python::with(&root().join("scripts/requirements.txt"))).unwrap()
    })
}

/// The lines that the script prints for these on its standard input.
fn script(arguments: &[&str], input: &[Value]) -> Vec<Value> {
    let mut file: File = tempfile::tempfile().unwrap();
    let lines: String = input.iter().map(|line| format!("{line}\n")).collect();
    file.write_all(lines.as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut command = python().command();
    command.arg(root().join("scripts/generate_test_vectors.py")).args(arguments).stdin(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn seeded() -> (u64, Rng) {
    let given = std::env::var("BES_AGREE_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("BES_AGREE_SEED={seed}");
    (seed, Rng::with_seed(seed))
}

#[test]
fn what_rust_seals_python_opens() {
    let mut random = seeded().1;
    let records: Vec<Record> = (0..RECORDS).map(|_| Record::random(&mut random)).collect();
    let sealed: Vec<Value> = records.iter().map(|record| record.line(&record.seal())).collect();
    let opened = script(&["open"], &sealed);
    assert_eq!(opened.len(), RECORDS);
    for ((record, line), opened) in records.iter().zip(&sealed).zip(opened) {
        assert_eq!(opened, json!({ "plaintext": hex::encode(&record.plaintext) }), "{line}");
    }
}

#[test]
fn what_python_seals_rust_opens_and_seals_again_to_the_same_bytes() {
    let (seed, _) = seeded();
    let count = RECORDS.to_string();
    let sealed = script(&["seal", "--seed", &seed.to_string(), "--count", &count], &[]);
    assert_eq!(sealed.len(), RECORDS);
    for (index, fields) in sealed.into_iter().enumerate() {
        let vector = Vector { name: format!("record {index}"), kind: "seal".to_owned(), fields };
        check(&vector).unwrap_or_else(|reason| panic!("{}: {reason}: {}", vector.name, vector.fields));
    }
}

#[test]
fn what_one_refuses_the_other_refuses_as_the_same() {
    let mut random = seeded().1;
    let (mut lines, mut classes) = (Vec::new(), Vec::new());
    for change in CHANGES.iter().cycle().take(CHANGES.len() * 25) {
        let mut record = Record::random(&mut random);
        let mut envelope = record.seal();
        change(&mut record, &mut envelope, &mut random);
        let refused = open(&record.kek(), &record.context(), &envelope).expect_err("it was changed");
        lines.push(record.line(&envelope));
        classes.push(Class::of(&refused));
    }
    for class in [Class::Malformed, Class::WrongKey, Class::Authentication] {
        assert!(classes.contains(&class), "{class:?} did not occur");
    }
    let answers = script(&["open"], &lines);
    assert_eq!(answers.len(), lines.len());
    for ((line, class), answer) in lines.iter().zip(classes).zip(answers) {
        assert_eq!(answer, json!({ "error": format!("{class:?}") }), "{line}");
    }
}

#[test]
fn what_python_signs_rust_opens_and_signs_again_to_the_same_bytes() {
    let (seed, _) = seeded();
    let count = RECORDS.to_string();
    let signed = script(&["sign-checkpoints", "--seed", &seed.to_string(), "--count", &count], &[]);
    assert_eq!(signed.len(), RECORDS);
    for (index, fields) in signed.into_iter().enumerate() {
        let vector = Vector { name: format!("checkpoint {index}"), kind: "checkpoint".to_owned(), fields };
        let checked = test_checkpoint_vectors::check(&vector).unwrap();
        checked.unwrap_or_else(|reason| panic!("{}: {reason}: {}", vector.name, vector.fields));
    }
}

#[test]
fn what_rust_signs_python_opens_and_what_it_refuses_python_refuses_as_the_same() {
    let mut random = seeded().1;
    let signer = NoteSigner::generate("bes/prod").unwrap();
    let known = signer.verifier();
    let (mut lines, mut answers) = (Vec::new(), Vec::new());
    for number in 0..RECORDS {
        let checkpoint = checkpoint(&mut random);
        let mut note = checkpoint.sign(&signer).unwrap().into_bytes();
        // Every other one is changed in one place, half of these so that what is signed is no checkpoint.
        match number % 4 {
            1 => {
                // As likely in the signature line as in the whole, which is mostly text.
                let from = if random.bool() { checkpoint.text().len() + 1 } else { 0 };
                let place = random.usize(from..note.len());
                note[place] ^= 1 << random.u8(..8);
            }
            3 => {
                let mut text = checkpoint.text().into_bytes();
                let place = random.usize(..text.len());
                text[place] = random.choice(*b"0Az +=\n").unwrap();
                let signed = str::from_utf8(&text).ok().and_then(|text| signer.sign(text).ok());
                note = signed.map_or(text, String::into_bytes);
            }
            _ => {}
        }
        lines.push(json!({ "note": hex::encode(&note), "known": [known.to_string()] }));
        answers.push(match Checkpoint::open(&note, std::slice::from_ref(known)) {
            Ok(checkpoint) => json!({ "checkpoint": shown(&checkpoint) }),
            Err(error) => json!({ "error": format!("{:?}", class(&error).unwrap()) }),
        });
    }
    for class in ["Malformed", "Signature", "Unverified"] {
        assert!(answers.contains(&json!({ "error": class })), "{class} did not occur");
    }
    let found = script(&["open-checkpoints"], &lines);
    assert_eq!(found.len(), answers.len());
    for ((line, answer), found) in lines.iter().zip(answers).zip(found) {
        assert_eq!(found, answer, "{line}");
    }
}

fn checkpoint(random: &mut Rng) -> Checkpoint {
    let time = |random: &mut Rng| {
        // The years 0 to 9999.
        let microseconds = random.i64(-62_167_219_200_000_000..253_402_300_800_000_000);
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1_000).unwrap()
    };
    let head = |random: &mut Rng| {
        let numbers = [0, 1, 1 << 53, random.u64(..1 << 58)];
        let next = random.choice(numbers).unwrap();
        let mut hash = [0; 32];
        if next > 0 {
            random.fill(&mut hash);
        }
        Head { next, hash }
    };
    let (mut chains, mut shredded) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..random.usize(..6) {
        chains.insert(Chain::new(name(random)).unwrap(), head(random));
        shredded.insert(Tenant::new(name(random)).unwrap(), time(random));
    }
    let table_id = random.bool().then(|| name(random));
    Checkpoint::new(Namespace::new(name(random)).unwrap(), time(random), table_id, chains, shredded).unwrap()
}

/// As the vectors have it.
fn shown(checkpoint: &Checkpoint) -> Value {
    let time = |time: OffsetDateTime| time.format(TIMESTAMP).unwrap();
    let chain = |(chain, head): (&Chain, &Head)| json!({ "chain": chain.as_str(), "next": head.next.to_string(), "head_hash": hex::encode(head.hash) });
    let tenant =
        |(tenant, at): (&Tenant, &OffsetDateTime)| json!({ "tenant": tenant.as_str(), "time": time(*at) });
    json!({
        "namespace": checkpoint.namespace().as_str(),
        "time": time(checkpoint.time()),
        "table_id": checkpoint.table_id(),
        "chains": checkpoint.chains().iter().map(chain).collect::<Vec<_>>(),
        "shredded": checkpoint.shredded().iter().map(tenant).collect::<Vec<_>>(),
    })
}

/// A change to what is opened, or to what it is opened with.
type Change = fn(&mut Record, &mut Vec<u8>, &mut Rng);

const CHANGES: [Change; 12] = [
    |_, envelope, random| {
        let bit = random.usize(..envelope.len() * 8);
        envelope[bit / 8] ^= 1 << (bit % 8);
    },
    // As likely in the parts as in the whole, which is mostly content.
    |_, envelope, random| envelope[random.usize(..117)] ^= random.u8(1..),
    |_, envelope, random| envelope[random.usize(..5)] ^= random.u8(1..),
    |_, envelope, random| envelope[random.usize(37..53)] ^= random.u8(1..),
    |_, envelope, random| envelope.truncate(random.usize(..envelope.len())),
    |_, envelope, random| envelope.push(random.u8(..)),
    |record, _, random| record.kek[random.usize(..32)] ^= random.u8(1..),
    |record, _, random| record.kek_id[random.usize(..16)] ^= random.u8(1..),
    |record, _, random| record.version ^= 1 << random.u32(..64),
    |record, _, random| {
        let text = random.choice(&mut record.texts).unwrap();
        let last = text.pop().unwrap();
        text.push(if last == 'x' { 'y' } else { 'x' });
    },
    |record, _, random| {
        // A part's end becomes the next one's beginning, where the parts leave room for it.
        let part = random.usize(..3);
        let moved = if record.texts[part].len() > 1 { record.texts[part].pop().unwrap() } else { 'x' };
        record.texts[part + 1].insert(0, moved);
        record.texts[part + 1].truncate(255);
    },
    |record, _, random| {
        // One attribute gone, or a first one.
        let kept = record.attributes.iter().skip(1).map(|(name, value)| (name.to_owned(), value.clone()));
        let mut fewer = ItemAttributes::default();
        kept.collect::<Vec<_>>().into_iter().for_each(|(name, value)| fewer.insert(name, value).unwrap());
        if fewer == record.attributes {
            fewer.insert("first", random.bool()).unwrap();
        }
        record.attributes = fewer;
    },
];

/// All that sealing takes but the DEK.
struct Record {
    kek_id: [u8; 16],
    kek: [u8; 32],
    /// Namespace, tenant, collection and kind.
    texts: [String; 4],
    id: String,
    version: u64,
    attributes: ItemAttributes,
    plaintext: Vec<u8>,
}

impl Record {
    fn random(random: &mut Rng) -> Self {
        let sizes = [0, 1, 15, 16, 17, 255, 4_096, random.usize(..5_000)];
        let mut record = Self {
            kek_id: [0; 16],
            kek: [0; 32],
            texts: [(); 4].map(|()| name(random)),
            id: text(random, 768),
            version: number(random).cast_unsigned(),
            attributes: attributes(random),
            plaintext: vec![0; random.choice(sizes).unwrap()],
        };
        random.fill(&mut record.kek_id);
        random.fill(&mut record.kek);
        random.fill(&mut record.plaintext);
        record
    }

    fn kek(&self) -> Kek {
        Kek::new(KekId::from_bytes(self.kek_id), SecretKey::from_slice(&self.kek).unwrap())
    }

    fn context(&self) -> Context {
        let [namespace, tenant, collection, kind] = &self.texts;
        let address = Address {
            namespace: Namespace::new(namespace).unwrap(),
            tenant: Tenant::new(tenant).unwrap(),
            collection: Collection::new(collection).unwrap(),
            kind: Kind::new(kind).unwrap(),
            id: RecordId::new(&self.id).unwrap(),
        };
        Context::new(&address, self.version, &self.attributes)
    }

    /// Sealed as a store seals, under a fresh DEK.
    fn seal(&self) -> Vec<u8> {
        let envelope = seal(&self.kek(), &self.context(), &self.plaintext).unwrap();
        let opened = open(&self.kek(), &self.context(), &envelope).unwrap();
        equal("the plaintext", &opened, &self.plaintext).unwrap();
        envelope
    }

    /// What the script's `open` reads.
    fn line(&self, envelope: &[u8]) -> Value {
        let [namespace, tenant, collection, kind] = &self.texts;
        let attribute = |(name, value): (&str, &Attribute)| {
            let (kind, value) = match value {
                Attribute::String(text) => ("string", json!(text)),
                Attribute::Integer(number) => ("integer", json!(number.to_string())),
                Attribute::Bool(bit) => ("bool", json!(bit)),
                Attribute::Bytes(bytes) => ("bytes", json!(hex::encode(bytes))),
            };
            json!({ "name": name, "type": kind, "value": value })
        };
        json!({
            "kek_id": hex::encode(self.kek_id),
            "kek": hex::encode(self.kek),
            "address": {
                "namespace": namespace, "tenant": tenant, "collection": collection, "kind": kind, "id": self.id,
            },
            "version": self.version.to_string(),
            "attributes": self.attributes.iter().map(attribute).collect::<Vec<_>>(),
            "envelope": hex::encode(envelope),
        })
    }
}

/// 1–255 bytes of 0x21–0x7E but `#` and `/`.
fn name(random: &mut Rng) -> String {
    let lengths = [1, 255, random.usize(1..20)];
    let length = random.choice(lengths).unwrap();
    let allowed = ('\u{21}'..='\u{7e}').filter(|c| !matches!(c, '#' | '/')).collect::<Vec<_>>();
    (0..length).map(|_| random.choice(&allowed).unwrap()).collect()
}

/// 1 to `most` bytes of UTF-8 without control characters, from all planes.
fn text(random: &mut Rng, most: usize) -> String {
    let lengths = [1, most, random.usize(1..30)];
    let length = random.choice(lengths).unwrap();
    let mut text = String::new();
    while text.len() < length {
        let character = if random.bool() { random.char('\u{20}'..'\u{7f}') } else { random.char(..) };
        if !character.is_control() && text.len() + character.len_utf8() <= length {
            text.push(character);
        }
    }
    text
}

/// As often at an edge as anywhere.
fn number(random: &mut Rng) -> i64 {
    let edges = [0, 1, -1, 10, -10, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1];
    if random.bool() { random.choice(edges).unwrap() } else { random.i64(..) }
}

/// Of all types; as often with the store's own as without.
fn attributes(random: &mut Rng) -> ItemAttributes {
    let mut attributes = ItemAttributes::default();
    if random.bool() {
        for name in ["_c", "_t", "_u"] {
            attributes.insert(name, number(random)).unwrap();
        }
    }
    for _ in 0..random.usize(..6) {
        let value = match random.u8(..6) {
            0 => Attribute::from(""),
            1 => Attribute::String(text(random, 300)),
            2 => Attribute::Integer(number(random)),
            3 => Attribute::Bool(random.bool()),
            4 => Attribute::Bytes(Vec::new()),
            _ => Attribute::Bytes((0..random.usize(..100)).map(|_| random.u8(..)).collect()),
        };
        // A name that is there already is not given twice.
        let _ = attributes.insert(text(random, 100), value);
    }
    attributes
}
