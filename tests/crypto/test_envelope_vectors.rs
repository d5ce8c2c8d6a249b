//! tests/vectors/envelope: what an implementation made from docs/envelope.md alone sealed, rewrapped and refused.

use blue_envelope::address::{Attributes, Collection, ItemAttributes, Kind, Namespace, RecordId, Tenant};
use blue_envelope::primitive::{MessageKey, expand};
use blue_envelope::{
    Context, Envelope, Kek, KekId, OpenError, SUITE, SecretKey, open, open_in_place, rewrap, seal_with_dek,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::record::{AddressText, Attribute, Content, item};
use crate::tally::{Passed, equal};
use crate::vector::{Decimal, Fixed, Hex, Vector, every_change_is_noticed, run};

/// How many there are of each kind.
const KINDS: [(&str, u32); 5] =
    [("seal", 83), ("open-refused", 162), ("rewrap", 8), ("rewrap-refused", 24), ("name-refused", 93)];

#[test]
fn kat_envelope_vectors() {
    run("Python, tests/vectors/envelope", "envelope", check, &KINDS);
}

#[test]
fn a_changed_envelope_vector_fails() {
    every_change_is_noticed("envelope", check);
}

pub(crate) fn check(vector: &Vector) -> Result<Passed, String> {
    match vector.kind.as_str() {
        "seal" => seal(vector.read()?),
        "open-refused" => open_refused(&vector.read()?),
        "rewrap" => rewrapped(&vector.read()?),
        "rewrap-refused" => rewrap_refused(&vector.read()?),
        "name-refused" => name_refused(&vector.read()?),
        other => Err(format!("the kind {other:?} is unknown")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    kek_id: Fixed<16>,
    kek: Fixed<32>,
    dek: Fixed<32>,
    address: AddressText,
    version: Decimal,
    attributes: Vec<Attribute>,
    plaintext: Content,
    expected: Sealed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    address: Hex,
    attributes: Encoding,
    context: Fixed<32>,
    content_key: Fixed<32>,
    commitment: Fixed<32>,
    wrap_key: Fixed<32>,
    content_digest: Fixed<32>,
    envelope: EnvelopeBytes,
}

/// Bytes, or where they are many, their length and hash.
#[derive(Deserialize)]
#[serde(untagged)]
enum Encoding {
    Bytes(Hex),
    Hashed(Hashed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hashed {
    length: usize,
    sha256: Fixed<32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EnvelopeBytes {
    Bytes(Hex),
    Cut(Box<Cut>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    head: Fixed<101>,
    tag: Fixed<16>,
    length: usize,
    sha256: Fixed<32>,
}

fn seal(vector: Seal) -> Result<Passed, String> {
    let Seal { kek_id, kek: Fixed(kek_bytes), dek: Fixed(dek), version: Decimal(version), expected, .. } =
        vector;
    let (address, attributes) = (vector.address.read()?, item(&vector.attributes)?);
    let plaintext = vector.plaintext.bytes();

    let mut encoded = Vec::new();
    address.encode_into(&mut encoded);
    equal("the address", &encoded, &expected.address.0)?;
    check_attributes(&attributes, version, &expected.attributes)?;
    let context = Context::new(&address, version, &attributes);
    equal("the context", context.as_bytes(), &expected.context.0)?;

    let Fixed(commitment) = expected.commitment;
    let (mut okm, mut wrap_key) = ([0; 64], [0; 32]);
    expand(&dek, &[b"bes1/content", &[SUITE], context.as_bytes()], &mut okm);
    equal("the content key", &okm[..32], &expected.content_key.0)?;
    equal("the commitment", &okm[32..], &commitment)?;
    expand(&kek_bytes, &[b"bes1/wrap", &[SUITE], &commitment], &mut wrap_key);
    equal("the wrap key", &wrap_key, &expected.wrap_key.0)?;

    let kek = kek(kek_id, Fixed(kek_bytes));
    let dek_secret = SecretKey::from_slice(&dek).unwrap();
    let envelope = seal_with_dek(dek_secret, &kek, &context, &plaintext).map_err(|e| e.to_string())?;
    match &expected.envelope {
        EnvelopeBytes::Bytes(Hex(bytes)) => equal("the envelope", &envelope, bytes)?,
        EnvelopeBytes::Cut(cut) => {
            equal("the head", &envelope[..101], &cut.head.0)?;
            equal("the tag", &envelope[envelope.len() - 16..], &cut.tag.0)?;
            check_hashed("the envelope", &envelope, cut.length, &cut.sha256)?;
        }
    }
    check_parts(&envelope, &kek, &commitment, &expected.content_digest)?;
    check_keys(&envelope, &wrap_key, okm.first_chunk().unwrap(), &dek, &plaintext)?;
    opens(&kek, &context, &envelope, &plaintext)?;
    Ok(Passed::Answered)
}

fn check_attributes(item: &ItemAttributes, version: u64, expected: &Encoding) -> Result<(), String> {
    let mut encoded = Vec::new();
    item.encode_into(version, &mut encoded);
    match expected {
        Encoding::Bytes(Hex(bytes)) => equal("the attributes", &encoded, bytes)?,
        Encoding::Hashed(Hashed { length, sha256 }) => {
            check_hashed("the attributes", &encoded, *length, sha256)?;
        }
    }
    match ItemAttributes::decode(&encoded) {
        Ok(decoded) if decoded == (version, item.clone()) => Ok(()),
        other => Err(format!("the attributes read back as {other:?}")),
    }
}

fn check_hashed(what: &str, bytes: &[u8], length: usize, sha256: &Fixed<32>) -> Result<(), String> {
    if bytes.len() != length {
        return Err(format!("{what} has {} bytes, expected {length}", bytes.len()));
    }
    equal(&format!("the hash of {what}"), &Sha256::digest(bytes), &sha256.0)
}

fn check_parts(bytes: &[u8], kek: &Kek, commitment: &[u8; 32], digest: &Fixed<32>) -> Result<(), String> {
    let envelope = Envelope::parse(bytes).map_err(|error| error.to_string())?;
    equal("all bytes", envelope.as_bytes(), bytes)?;
    equal("the write id", envelope.write_id(), &bytes[..37])?;
    equal("the commitment within", envelope.commitment(), commitment)?;
    equal("the key's id within", envelope.kek_id().as_bytes(), kek.id().as_bytes())?;
    equal("the wrapped DEK", envelope.wrapped_dek(), &bytes[53..101])?;
    equal("the content", envelope.content(), &bytes[101..])?;
    equal("the content digest", &envelope.content_digest(), &digest.0)
}

/// The keys of the vector are those that the envelope's two ciphertexts were made with.
fn check_keys(
    bytes: &[u8],
    wrap_key: &[u8; 32],
    content_key: &[u8; 32],
    dek: &[u8; 32],
    plaintext: &[u8],
) -> Result<(), String> {
    let (mut wrapped, mut content) = (bytes[53..101].to_vec(), bytes[101..].to_vec());
    let found = MessageKey::new(wrap_key).decrypt(&bytes[..53], &mut wrapped);
    equal("what the wrap key unwraps", found.map_err(|error| error.to_string())?, dek)?;
    let found = MessageKey::new(content_key).decrypt(&bytes[..37], &mut content);
    equal("what the content key decrypts", found.map_err(|error| error.to_string())?, plaintext)
}

fn opens(kek: &Kek, context: &Context, envelope: &[u8], plaintext: &[u8]) -> Result<(), String> {
    let opened = open(kek, context, envelope).map_err(|error| error.to_string())?;
    equal("the plaintext", &opened, plaintext)?;
    let mut buffer = envelope.to_vec();
    open_in_place(kek, context, &mut buffer).map_err(|error| error.to_string())?;
    equal("the plaintext in place", &buffer, plaintext)
}

fn kek(Fixed(id): Fixed<16>, Fixed(key): Fixed<32>) -> Kek {
    Kek::new(KekId::from_bytes(id), SecretKey::from_slice(&key).unwrap())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRefused {
    kek_id: Fixed<16>,
    kek: Fixed<32>,
    address: AddressText,
    version: Decimal,
    attributes: Vec<Attribute>,
    envelope: Hex,
    error: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Class {
    Malformed,
    WrongKey,
    Authentication,
}

impl Class {
    pub(crate) fn of(error: &OpenError) -> Self {
        match error {
            OpenError::Malformed(_) => Self::Malformed,
            OpenError::WrongKey { .. } => Self::WrongKey,
            OpenError::Authentication => Self::Authentication,
            other => panic!("a class that docs/envelope.md does not have: {other}"),
        }
    }

    fn refuses<T>(self, what: &str, outcome: Result<T, OpenError>) -> Result<(), String> {
        match outcome.map_err(|error| Self::of(&error)) {
            Err(found) if found == self => Ok(()),
            Err(found) => Err(format!("{what} is refused as {found:?}, expected {self:?}")),
            Ok(_) => Err(format!("{what} is not refused, expected {self:?}")),
        }
    }
}

fn open_refused(vector: &OpenRefused) -> Result<Passed, String> {
    let kek = kek(vector.kek_id, vector.kek);
    let context = Context::new(&vector.address.read()?, vector.version.0, &item(&vector.attributes)?);
    let Hex(envelope) = &vector.envelope;
    vector.error.refuses("opening", open(&kek, &context, envelope))?;
    vector.error.refuses("opening in place", open_in_place(&kek, &context, &mut envelope.clone()))?;
    parses_unless_malformed(envelope, vector.error)?;
    Ok(Passed::Refused)
}

fn parses_unless_malformed(envelope: &[u8], error: Class) -> Result<(), String> {
    match Envelope::parse(envelope) {
        Err(_) if error == Class::Malformed => Ok(()),
        Ok(parsed) if error != Class::Malformed => equal("all bytes", parsed.as_bytes(), envelope),
        other => Err(format!("parsing gives {:?}, expected {error:?}", other.map(|_| "an envelope"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KekBytes {
    kek_id: Fixed<16>,
    kek: Fixed<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewrap {
    from: KekBytes,
    to: KekBytes,
    envelope: Hex,
    address: AddressText,
    version: Decimal,
    attributes: Vec<Attribute>,
    plaintext: Content,
    expected: Rewrapped,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewrapped {
    envelope: Hex,
    content_digest: Fixed<32>,
}

fn rewrapped(vector: &Rewrap) -> Result<Passed, String> {
    let [from, to] = [&vector.from, &vector.to].map(|key| kek(key.kek_id, key.kek));
    let context = Context::new(&vector.address.read()?, vector.version.0, &item(&vector.attributes)?);
    let Hex(before) = &vector.envelope;
    let digest = |bytes: &[u8]| Envelope::parse(bytes).map(|parsed| parsed.content_digest());
    let before_digest = digest(before).map_err(|error| error.to_string())?;
    equal("the content digest before", &before_digest, &vector.expected.content_digest.0)?;
    opens(&from, &context, before, &vector.plaintext.bytes())?;

    let mut envelope = before.clone();
    rewrap(&from, &to, &mut envelope).map_err(|error| error.to_string())?;
    equal("the rewrapped envelope", &envelope, &vector.expected.envelope.0)?;
    equal("the write id", &envelope[..37], &before[..37])?;
    equal("the content", &envelope[101..], &before[101..])?;
    let after_digest = digest(&envelope).map_err(|error| error.to_string())?;
    equal("the content digest after", &after_digest, &vector.expected.content_digest.0)?;
    opens(&to, &context, &envelope, &vector.plaintext.bytes())?;
    Ok(Passed::Answered)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RewrapRefused {
    from: KekBytes,
    to: KekBytes,
    envelope: Hex,
    error: Class,
}

fn rewrap_refused(vector: &RewrapRefused) -> Result<Passed, String> {
    let [from, to] = [&vector.from, &vector.to].map(|key| kek(key.kek_id, key.kek));
    let mut envelope = vector.envelope.0.clone();
    vector.error.refuses("rewrapping", rewrap(&from, &to, &mut envelope))?;
    equal("the envelope after a refusal", &envelope, &vector.envelope.0)?;
    parses_unless_malformed(&envelope, vector.error)?;
    Ok(Passed::Refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameRefused {
    part: Part,
    text: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Namespace,
    Tenant,
    Collection,
    Kind,
    Id,
    Attribute,
}

fn name_refused(vector: &NameRefused) -> Result<Passed, String> {
    let text = vector.text.as_str();
    let accepted = match vector.part {
        Part::Namespace => Namespace::new(text).is_ok(),
        Part::Tenant => Tenant::new(text).is_ok(),
        Part::Collection => Collection::new(text).is_ok(),
        Part::Kind => Kind::new(text).is_ok(),
        Part::Id => RecordId::new(text).is_ok(),
        Part::Attribute => Attributes::new().with(text, true).is_ok(),
    };
    if accepted { Err(format!("{text:?} is accepted")) } else { Ok(Passed::Refused) }
}

/// The test of the tests, for what has no class to change.
#[test]
fn a_name_that_is_accepted_is_no_refusal() {
    for part in ["namespace", "tenant", "collection", "kind", "id", "attribute"] {
        let read = |text: &str| {
            let fields = serde_json::json!({ "part": part, "text": text });
            check(&Vector { name: part.to_owned(), kind: "name-refused".to_owned(), fields })
        };
        assert_eq!(read(""), Ok(Passed::Refused));
        read("x").unwrap_err();
    }
}
