//! Of tests/vectors/audit, what is about signed notes and checkpoints. (`test_audit_vectors` walks the directory.)

use std::collections::BTreeMap;

use blue_audit::{
    Checkpoint, GoesBack, Head, NoteError, NoteKeyError, NoteSigner, NoteVerifier, VerifiedNote,
};
use blue_envelope::address::{Chain, Namespace, Tenant};
use data_encoding::BASE64;
use serde::Deserialize;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::tally::{Passed, equal};
use crate::test_audit_vectors::TIMESTAMP;
use crate::vector::{Decimal, Fixed, Hex, Vector};

/// What of a vector does not hold; `None` for a kind that is not of these.
pub(crate) fn check(vector: &Vector) -> Option<Result<Passed, String>> {
    let checked = match vector.kind.as_str() {
        "note-key" => vector.read().and_then(|vector| note_key(&vector)),
        "private-key-refused" => vector.read().and_then(|vector| private_key_refused(&vector)),
        "public-key-refused" => vector.read().and_then(|vector| public_key_refused(&vector)),
        "note" => vector.read().and_then(|vector| note(&vector)),
        "note-refused" => vector.read().and_then(|vector| note_refused(&vector)),
        "checkpoint" => vector.read().and_then(|vector| checkpoint(&vector)),
        "checkpoint-refused" => vector.read().and_then(|vector| checkpoint_refused(&vector)),
        "order" => vector.read().and_then(|vector| order(&vector)),
        "order-refused" => vector.read().and_then(|vector| order_refused(&vector)),
        _ => return None,
    };
    Some(checked)
}

/// Whether what should be refused is, and as what it should be.
fn refused<C: PartialEq + std::fmt::Debug>(found: Option<C>, class: C) -> Result<Passed, String> {
    match found {
        None => Err("it is accepted".to_owned()),
        Some(found) if found == class => Ok(Passed::Refused),
        Some(found) => Err(format!("is refused as {found:?}")),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteKey {
    private: String,
    expected: KeyParts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyParts {
    name: String,
    key_id: Fixed<4>,
    seed: Hex,
    public_key: Fixed<32>,
    public: String,
}

fn note_key(vector: &NoteKey) -> Result<Passed, String> {
    let expected = &vector.expected;
    let signer: NoteSigner = vector.private.parse().map_err(text)?;
    let key = signer.verifier();
    equal("the private key", signer.expose().as_bytes(), vector.private.as_bytes())?;
    equal("the name", key.name().as_bytes(), expected.name.as_bytes())?;
    equal("the id", &key.id(), &expected.key_id.0)?;
    equal("the public key", key.public_key(), &expected.public_key.0)?;
    equal("the public key, written", key.to_string().as_bytes(), expected.public.as_bytes())?;
    // The seed shows in nothing but the text.
    let data = BASE64.encode(&[&[1], &expected.seed.0[..]].concat());
    if !vector.private.ends_with(&format!("+{data}")) {
        return Err("the seed is another".to_owned());
    }
    let read: NoteVerifier = expected.public.parse().map_err(text)?;
    let made = NoteVerifier::new(&expected.name, expected.public_key.0).map_err(text)?;
    if read == *key && made == *key { Ok(Passed::Answered) } else { Err(format!("is read as {read:?}")) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum KeyClass {
    Malformed,
    Type,
    Name,
    Id,
}

impl KeyClass {
    fn of(error: NoteKeyError) -> Option<Self> {
        match error {
            NoteKeyError::Malformed { .. } => Some(Self::Malformed),
            NoteKeyError::Type => Some(Self::Type),
            NoteKeyError::Name => Some(Self::Name),
            NoteKeyError::Id => Some(Self::Id),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateKeyRefused {
    private: String,
    error: KeyClass,
}

fn private_key_refused(vector: &PrivateKeyRefused) -> Result<Passed, String> {
    refused(vector.private.parse::<NoteSigner>().err().and_then(KeyClass::of), vector.error)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKeyRefused {
    public: String,
    error: KeyClass,
}

fn public_key_refused(vector: &PublicKeyRefused) -> Result<Passed, String> {
    refused(vector.public.parse::<NoteVerifier>().err().and_then(KeyClass::of), vector.error)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
    signatures: Vec<Signature>,
    known: Vec<String>,
    expected: Opened,
}

/// By a key, or a line as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Signature {
    Private(String),
    Line(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    note: String,
    signers: Vec<String>,
}

impl Signature {
    /// A note of this signature alone.
    fn sign(&self, text_to_sign: &str) -> Result<String, String> {
        match self {
            Self::Private(key) => key.parse::<NoteSigner>().map_err(text)?.sign(text_to_sign).map_err(text),
            Self::Line(line) => Ok(format!("{text_to_sign}\n{line}\n")),
        }
    }
}

fn keys(texts: &[String]) -> Result<Vec<NoteVerifier>, String> {
    texts.iter().map(|key| key.parse().map_err(text)).collect()
}

fn note(vector: &Note) -> Result<Passed, String> {
    let Opened { note, signers } = &vector.expected;
    let mut made = format!("{}\n", vector.text);
    for signature in &vector.signatures {
        let alone = signature.sign(&vector.text)?;
        made +=
            alone.strip_prefix(&format!("{}\n", vector.text)).ok_or("the note begins with another text")?;
    }
    equal("the note", made.as_bytes(), note.as_bytes())?;
    let opened = VerifiedNote::open(note, &keys(&vector.known)?).map_err(text)?;
    equal("the text", opened.text().as_bytes(), vector.text.as_bytes())?;
    if opened.signers() == keys(signers)? {
        Ok(Passed::Answered)
    } else {
        Err(format!("is signed by {:?}", opened.signers()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum NoteClass {
    Malformed,
    Signature,
    Unverified,
}

impl NoteClass {
    pub(crate) fn of(error: &NoteError) -> Option<Self> {
        match error {
            NoteError::Malformed(_) => Some(Self::Malformed),
            NoteError::Signature { .. } => Some(Self::Signature),
            NoteError::Unverified => Some(Self::Unverified),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteRefused {
    note: Hex,
    known: Vec<String>,
    error: NoteClass,
}

fn note_refused(vector: &NoteRefused) -> Result<Passed, String> {
    let opened = VerifiedNote::open(&vector.note.0, &keys(&vector.known)?);
    refused(opened.err().as_ref().and_then(NoteClass::of), vector.error)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    namespace: String,
    time: String,
    table_id: Option<String>,
    chains: Vec<ChainText>,
    shredded: Vec<Shredded>,
    private: String,
    expected: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainText {
    chain: String,
    next: Decimal,
    head_hash: Fixed<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shredded {
    tenant: String,
    time: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    text: String,
    note: String,
}

fn time(time: &str) -> Result<OffsetDateTime, String> {
    PrimitiveDateTime::parse(time, TIMESTAMP).map(PrimitiveDateTime::assume_utc).map_err(text)
}

impl Signed {
    fn checkpoint(&self) -> Result<Checkpoint, String> {
        let chain = |of: &ChainText| {
            let head = Head { next: of.next.0, hash: of.head_hash.0 };
            Ok((Chain::new(&of.chain).map_err(text)?, head))
        };
        let tenant = |of: &Shredded| Ok((Tenant::new(&of.tenant).map_err(text)?, time(&of.time)?));
        let chains = self.chains.iter().map(chain).collect::<Result<BTreeMap<_, _>, String>>()?;
        let shredded = self.shredded.iter().map(tenant).collect::<Result<BTreeMap<_, _>, String>>()?;
        let namespace = Namespace::new(&self.namespace).map_err(text)?;
        Checkpoint::new(namespace, time(&self.time)?, self.table_id.clone(), chains, shredded).map_err(text)
    }
}

fn checkpoint(vector: &Signed) -> Result<Passed, String> {
    let Texts { text: expected, note } = &vector.expected;
    let (checkpoint, signer) = (vector.checkpoint()?, vector.private.parse::<NoteSigner>().map_err(text)?);
    let key = signer.verifier();
    equal("the text", checkpoint.text().as_bytes(), expected.as_bytes())?;
    equal("the key's name", key.name().as_bytes(), Checkpoint::key_name(checkpoint.namespace()).as_bytes())?;
    let signed = checkpoint.sign(&signer).map_err(text)?;
    equal("the note", signed.as_bytes(), note.as_bytes())?;
    let opened = Checkpoint::open(note, std::slice::from_ref(key)).map_err(text)?;
    if opened == checkpoint { Ok(Passed::Answered) } else { Err(format!("reads back as {opened:?}")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointRefused {
    text: String,
}

fn checkpoint_refused(vector: &CheckpointRefused) -> Result<Passed, String> {
    match Checkpoint::parse(&vector.text) {
        Err(_) => Ok(Passed::Refused),
        Ok(checkpoint) => Err(format!("is accepted as {checkpoint:?}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    before: String,
    after: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderRefused {
    before: String,
    after: String,
    error: OrderClass,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum OrderClass {
    Namespace,
    Time,
    Vanished,
    Shorter,
    Altered,
    Shredded,
}

fn order(vector: &Order) -> Result<Passed, String> {
    let read = |of: &str| Checkpoint::parse(of).map_err(text);
    read(&vector.after)?.comes_after(&read(&vector.before)?).map_err(text)?;
    Ok(Passed::Answered)
}

fn order_refused(vector: &OrderRefused) -> Result<Passed, String> {
    let read = |of: &str| Checkpoint::parse(of).map_err(text);
    let class = match read(&vector.after)?.comes_after(&read(&vector.before)?) {
        Ok(()) => None,
        Err(GoesBack::Namespace { .. }) => Some(OrderClass::Namespace),
        Err(GoesBack::Time) => Some(OrderClass::Time),
        Err(GoesBack::Vanished { .. }) => Some(OrderClass::Vanished),
        Err(GoesBack::Shorter { .. }) => Some(OrderClass::Shorter),
        Err(GoesBack::Altered { .. }) => Some(OrderClass::Altered),
        Err(GoesBack::Shredded { .. }) => Some(OrderClass::Shredded),
        Err(other) => return Err(format!("a class that docs/audit.md does not have: {other}")),
    };
    refused(class, vector.error)
}

/// The class that docs/audit.md gives the refusal of a note that should be a checkpoint.
#[cfg(feature = "services")]
pub(crate) fn class(error: &blue_audit::OpenCheckpointError) -> Option<NoteClass> {
    use blue_audit::OpenCheckpointError;
    match error {
        OpenCheckpointError::Note(error) => NoteClass::of(error),
        OpenCheckpointError::Malformed(_) => Some(NoteClass::Malformed),
        _ => None,
    }
}

#[test]
fn the_example_of_the_specification_is_a_vector() {
    let vectors = crate::vector::all("audit");
    let example = vectors.iter().find(|vector| vector.name == "checkpoint-example").unwrap();
    let example: Signed = example.read().unwrap();
    let key = example.private.parse::<NoteSigner>().unwrap().verifier().to_string();
    let specification = std::fs::read_to_string(crate::vector::root().join("docs/audit.md")).unwrap();
    for shown in [&example.expected.note, &format!("{key}\n")] {
        assert!(specification.contains(&format!("\n```\n{shown}```\n")), "{shown}");
    }
}

/// The test of the tests, for what has no class to change.
#[test]
fn a_checkpoint_that_is_accepted_is_no_refusal() {
    let namespace = Namespace::new("prod").unwrap();
    let none = (BTreeMap::new(), BTreeMap::new());
    let good = Checkpoint::new(namespace, OffsetDateTime::UNIX_EPOCH, None, none.0, none.1).unwrap().text();
    let read = |of: &str| checkpoint_refused(&CheckpointRefused { text: of.to_owned() });
    read(&good).unwrap_err();
    assert_eq!(read(&good[1..]), Ok(Passed::Refused));
}
