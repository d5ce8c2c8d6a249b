//! tests/vectors/keys: key files, wrapped KEKs and tombstones of an implementation made from docs/keys.md alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::{io::Write, path::Path};

use blue_envelope::address::{ItemAttributes, Namespace, RecordPath, Tenant};
use blue_envelope::primitive::{MessageKey, expand};
use blue_envelope::{Context, Kek, KekId, SecretKey, seal_with_dek};
use blue_keys::{KeyContext, KeyError, KeyOwner, KeyProvider, LocalFile, LocalFileError, WrappedKek};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::tally::{Passed, equal};
use crate::test_tombstone_vectors;
use crate::vector::{Fixed, Hex, Vector, every_change_is_noticed, run};

/// How many there are of each kind.
const KINDS: [(&str, u32); 7] = [
    ("key-file", 5),
    ("key-file-refused", 34),
    ("wrap", 17),
    ("unwrap-refused", 55),
    ("encryption-context", 14),
    ("tombstone", 16),
    ("tombstone-refused", 27),
];

#[test]
fn kat_key_vectors() {
    run("Python, tests/vectors/keys", "keys", check, &KINDS);
}

#[test]
fn a_changed_key_vector_fails() {
    every_change_is_noticed("keys", check);
}

fn check(vector: &Vector) -> Result<Passed, String> {
    match vector.kind.as_str() {
        "key-file" => key_file(&vector.read()?),
        "key-file-refused" => key_file_refused(&vector.read()?),
        "wrap" => wrap(&vector.read()?),
        "unwrap-refused" => unwrap_refused(&vector.read()?),
        "encryption-context" => encryption_context(&vector.read()?),
        other => test_tombstone_vectors::check(vector)
            .unwrap_or_else(|| Err(format!("the kind {other:?} is unknown"))),
    }
}

/// A private file with these bytes, opened as a key file.
fn open(bytes: &[u8]) -> Result<LocalFile, LocalFileError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("umk.key");
    write_private(&path, bytes);
    LocalFile::open(path)
}

fn write_private(path: &Path, bytes: &[u8]) {
    let mut options = fs::File::options();
    options.write(true).create_new(true).mode(0o600).open(path).unwrap().write_all(bytes).unwrap();
}

fn provider(Fixed(umk): &Fixed<32>) -> LocalFile {
    open(format!("BES-UMK-1:{}\n", hex::encode(umk)).as_bytes()).unwrap()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    file: Hex,
    expected: Umk,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Umk {
    umk: Fixed<32>,
    umk_id: String,
}

fn key_file(vector: &KeyFile) -> Result<Passed, String> {
    let Umk { umk, umk_id } = &vector.expected;
    let opened = open(&vector.file.0).map_err(|error| error.to_string())?;
    if opened.umk_id().as_str() != umk_id {
        return Err(format!("the UMK's id is {}, expected {umk_id}", opened.umk_id()));
    }
    // The key is not shown. Two providers with the same key wrap to the same bytes.
    let context = ContextText {
        namespace: "n".to_owned(),
        purpose: "records".to_owned(),
        tenant: "t".to_owned(),
        version: 1,
        kek_id: Fixed([0; 16]),
    };
    let by = |provider: &LocalFile| {
        provider.wrap_with_salt(&secret(&Fixed([0; 32])), [0; 16], &context.read().unwrap())
    };
    equal("what the UMK wraps", by(&opened).as_bytes(), by(&provider(umk)).as_bytes())?;
    Ok(Passed::Answered)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFileRefused {
    file: Hex,
}

fn key_file_refused(vector: &KeyFileRefused) -> Result<Passed, String> {
    match open(&vector.file.0) {
        Err(LocalFileError::Malformed { .. }) => Ok(Passed::Refused),
        Err(other) => Err(format!("refused for another reason: {other}")),
        Ok(_) => Err("these bytes are accepted".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextText {
    namespace: String,
    purpose: String,
    tenant: String,
    version: u32,
    kek_id: Fixed<16>,
}

impl ContextText {
    fn read(&self) -> Result<KeyContext, String> {
        let tenant = self.tenant.as_str();
        let owner = match self.purpose.as_str() {
            "records" => KeyOwner::Tenant(Tenant::new(tenant).map_err(|error| error.to_string())?),
            "audit" if tenant.is_empty() => KeyOwner::Audit,
            other => return Err(format!("the purpose {other:?} with the tenant {tenant:?}")),
        };
        let namespace = Namespace::new(&self.namespace).map_err(|error| error.to_string())?;
        Ok(KeyContext {
            namespace,
            purpose: owner.into(),
            version: self.version,
            kek_id: KekId::from_bytes(self.kek_id.0),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrap {
    umk: Fixed<32>,
    salt: Fixed<16>,
    kek: Fixed<32>,
    context: ContextText,
    expected: Wrapped,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    ctx: Hex,
    wrapping_key: Fixed<32>,
    wrapped: Fixed<65>,
}

fn wrap(vector: &Wrap) -> Result<Passed, String> {
    let Wrapped { ctx: Hex(ctx), wrapping_key, wrapped: Fixed(expected) } = &vector.expected;
    let context = vector.context.read()?;
    equal("ctx", &context.encode(), ctx)?;
    let mut key = [0; 32];
    expand(&vector.umk.0, &[b"bes1/umk-wrap", &vector.salt.0, &Sha256::digest(ctx)], &mut key);
    equal("the wrapping key", &key, &wrapping_key.0)?;
    let mut sealed = expected[17..].to_vec();
    let aad = [b"bes1/kek\x01", &ctx[..]].concat();
    let unwrapped = MessageKey::new(&key).decrypt(&aad, &mut sealed).map_err(|error| error.to_string())?;
    equal("what the wrapping key unwraps", unwrapped, &vector.kek.0)?;

    let provider = provider(&vector.umk);
    let wrapped = provider.wrap_with_salt(&secret(&vector.kek), vector.salt.0, &context);
    equal("the wrapped KEK", wrapped.as_bytes(), expected)?;
    let unwrapped = unwrap(&provider, expected, &context).map_err(|error| error.to_string())?;
    // The key is not shown. Two equal keys seal to the same bytes.
    let known = Kek::new(context.kek_id, secret(&vector.kek));
    equal("what the unwrapped KEK seals", &sealed_by(&unwrapped), &sealed_by(&known))?;
    Ok(Passed::Answered)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnwrapRefused {
    umk: Fixed<32>,
    context: ContextText,
    wrapped: Hex,
    error: Class,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Class {
    Malformed,
    Authentication,
}

fn unwrap_refused(vector: &UnwrapRefused) -> Result<Passed, String> {
    let outcome = unwrap(&provider(&vector.umk), &vector.wrapped.0, &vector.context.read()?);
    match (vector.error, outcome) {
        (Class::Malformed, Err(KeyError::Malformed))
        | (Class::Authentication, Err(KeyError::Authentication)) => Ok(Passed::Refused),
        (expected, Err(other)) => Err(format!("refused with {other:?}, expected {expected:?}")),
        (expected, Ok(_)) => Err(format!("unwrapped, expected {expected:?}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncryptionContext {
    context: ContextText,
    expected: BTreeMap<String, String>,
}

fn encryption_context(vector: &EncryptionContext) -> Result<Passed, String> {
    let found = vector.context.read()?.encryption_context();
    let found: BTreeMap<_, _> = found.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if found == vector.expected {
        Ok(Passed::Answered)
    } else {
        Err(format!("the encryption context is {found:?}, expected {:?}", vector.expected))
    }
}

fn unwrap(provider: &LocalFile, wrapped: &[u8], context: &KeyContext) -> Result<Kek, KeyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(provider.unwrap_kek(&WrappedKek::new(provider.umk_id().clone(), wrapped.to_vec()), context))
}

fn secret(Fixed(bytes): &Fixed<32>) -> SecretKey {
    SecretKey::from_slice(bytes).unwrap()
}

fn sealed_by(kek: &Kek) -> Vec<u8> {
    let address = "t/c/k/i".parse::<RecordPath>().unwrap().within(Namespace::new("n").unwrap());
    let context = Context::new(&address, 1, &ItemAttributes::default());
    seal_with_dek(secret(&Fixed([0; 32])), kek, &context, b"the same").unwrap()
}

/// The test of the tests, for what has no class to change.
#[test]
fn a_good_key_file_is_no_refusal() {
    let read = |file: &str| {
        let fields = serde_json::json!({ "file": hex::encode(file) });
        check(&Vector { name: "a".to_owned(), kind: "key-file-refused".to_owned(), fields })
    };
    let good = format!("BES-UMK-1:{}\n", "0a".repeat(32));
    read(&good).unwrap_err();
    assert_eq!(read(good.trim()), Ok(Passed::Refused));
}
