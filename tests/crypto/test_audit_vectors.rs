//! tests/vectors/audit: events, segments and checkpoints of an implementation made from docs/audit.md alone.

use blue_audit::{
    AuditKey, CryptoAuditEvent, CryptoOp, Details, Head, Outcome, Segment, SegmentBuilder, SegmentError,
};
use blue_envelope::address::{Chain, Namespace, push_length_prefixed};
use blue_envelope::primitive::expand;
use ring::hmac;
use serde::Deserialize;
use time::{PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};
use uuid::Uuid;

use crate::tally::{Passed, equal};
use crate::test_checkpoint_vectors;
use crate::vector::{Decimal, Fixed, Hex, Vector, every_change_is_noticed, run};

/// How many there are of each kind.
const KINDS: [(&str, u32); 13] = [
    ("event", 79),
    ("event-refused", 218),
    ("segment", 21),
    ("segment-refused", 114),
    ("note-key", 11),
    ("private-key-refused", 41),
    ("public-key-refused", 40),
    ("note", 27),
    ("note-refused", 85),
    ("checkpoint", 24),
    ("checkpoint-refused", 100),
    ("order", 10),
    ("order-refused", 24),
];

pub(crate) const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

#[test]
fn kat_audit_vectors() {
    run("Python, tests/vectors/audit", "audit", check, &KINDS);
}

#[test]
fn a_changed_audit_vector_fails() {
    every_change_is_noticed("audit", check);
}

fn check(vector: &Vector) -> Result<Passed, String> {
    match vector.kind.as_str() {
        "event" => event(&vector.read()?),
        "event-refused" => event_refused(&vector.read()?),
        "segment" => segment(&vector.read()?),
        "segment-refused" => segment_refused(vector.read()?),
        other => test_checkpoint_vectors::check(vector)
            .unwrap_or_else(|| Err(format!("the kind {other:?} is unknown"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    event: EventText,
    expected: EventBytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventBytes {
    event_bytes: Hex,
    event_hash: Fixed<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventText {
    event_id: String,
    timestamp: String,
    trace_id: String,
    span_id: String,
    operation: String,
    key_id: String,
    principal: String,
    outcome: String,
    reason: String,
    resource: String,
    version: Decimal,
    content_digest: Option<Fixed<32>>,
    chain: String,
    sequence: Decimal,
    previous_hash: Fixed<32>,
}

impl EventText {
    fn read(&self) -> Result<CryptoAuditEvent, String> {
        let event_id = Uuid::parse_str(&self.event_id).map_err(|error| error.to_string())?;
        if event_id.hyphenated().to_string() != self.event_id {
            return Err(format!("{} is not hyphenated lowercase", self.event_id));
        }
        let timestamp =
            PrimitiveDateTime::parse(&self.timestamp, TIMESTAMP).map_err(|error| error.to_string())?;
        let operation = CryptoOp::from_word(&self.operation);
        let outcome = Outcome::from_word(&self.outcome);
        let details = Details {
            event_id,
            timestamp: timestamp.assume_utc(),
            trace_id: self.trace_id.clone(),
            span_id: self.span_id.clone(),
            operation: operation.ok_or_else(|| format!("no operation: {}", self.operation))?,
            key_id: self.key_id.clone(),
            principal: self.principal.clone(),
            outcome: outcome.ok_or_else(|| format!("no outcome: {}", self.outcome))?,
            reason: self.reason.clone(),
            resource: self.resource.clone(),
            version: self.version.0,
            content_digest: self.content_digest.map(|Fixed(digest)| digest),
        };
        Ok(details.link(&*self.chain, self.sequence.0, self.previous_hash.0))
    }
}

fn event(vector: &Event) -> Result<Passed, String> {
    let EventBytes { event_bytes: Hex(bytes), event_hash: Fixed(hash) } = &vector.expected;
    let event = vector.event.read()?;
    equal("the event", event.event_bytes(), bytes)?;
    equal("its hash", event.event_hash(), hash)?;
    let read_back = CryptoAuditEvent::decode(bytes).map_err(|error| error.to_string())?;
    if read_back == event { Ok(Passed::Answered) } else { Err(format!("reads back as {read_back:?}")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventRefused {
    event_bytes: Hex,
}

fn event_refused(vector: &EventRefused) -> Result<Passed, String> {
    match CryptoAuditEvent::decode(&vector.event_bytes.0) {
        Err(_) => Ok(Passed::Refused),
        Ok(event) => Err(format!("is accepted as {event:?}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentText {
    audit_kek_id: Fixed<16>,
    audit_kek: Fixed<32>,
    namespace: String,
    chain: String,
    first: Decimal,
    events: Vec<EventText>,
    expected: SegmentBytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentBytes {
    events: Hex,
    count: u32,
    previous_hash: Fixed<32>,
    head_hash: Fixed<32>,
    mac_key: Fixed<32>,
    mac: Fixed<32>,
}

fn segment(vector: &SegmentText) -> Result<Passed, String> {
    let expected = &vector.expected;
    let namespace = Namespace::new(&vector.namespace).map_err(|error| error.to_string())?;
    let key = AuditKey::new(vector.audit_kek_id.0, &vector.audit_kek.0);
    let events = vector.events.iter().map(EventText::read).collect::<Result<Vec<_>, _>>()?;
    let segment = Segment::new(&key, &namespace, &events).map_err(|error| error.to_string())?;
    if (&segment.chain, segment.first) != (&vector.chain, vector.first.0) {
        return Err(format!("it begins at {} {}", segment.chain, segment.first));
    }
    equal("the events", &segment.events, &expected.events.0)?;
    equal("the count", &segment.count.to_be_bytes(), &expected.count.to_be_bytes())?;
    equal("the previous hash", events[0].previous_hash(), &expected.previous_hash.0)?;
    equal("the head", &segment.head_hash, &expected.head_hash.0)?;
    equal("the mac", &segment.mac, &expected.mac.0)?;
    equal("the key's id", &segment.audit_kek_id, &vector.audit_kek_id.0)?;
    check_mac(vector)?;
    if built(&events, &key, &namespace)? != segment {
        return Err("a builder makes another segment of the same".to_owned());
    }
    match segment.verify(&key, &namespace) {
        Ok(verified) if verified.events().map(CryptoAuditEvent::from).eq(events) => Ok(Passed::Answered),
        other => Err(format!("verifies as {other:?}")),
    }
}

/// The segment that a writer makes of what the events say.
fn built(events: &[CryptoAuditEvent], key: &AuditKey, namespace: &Namespace) -> Result<Segment, String> {
    let chain = Chain::new(events[0].chain()).map_err(|error| error.to_string())?;
    let before = Head { next: events[0].sequence(), hash: *events[0].previous_hash() };
    let mut builder = SegmentBuilder::new(chain, before);
    for event in events {
        builder.push(event.details()).map_err(|error| error.to_string())?;
    }
    builder.finish(key, namespace).map_err(|error| error.to_string())
}

/// The mac key of the vector is the one that its mac was made with.
fn check_mac(vector: &SegmentText) -> Result<(), String> {
    let expected = &vector.expected;
    let mut mac_key = [0; 32];
    expand(&vector.audit_kek.0, &[b"bes1/audit-mac"], &mut mac_key);
    equal("the mac key", &mac_key, &expected.mac_key.0)?;
    let mut bytes = [b"bes1/segment", &vector.audit_kek_id.0[..]].concat();
    push_length_prefixed(&mut bytes, vector.namespace.as_bytes());
    push_length_prefixed(&mut bytes, vector.chain.as_bytes());
    bytes.extend(vector.first.0.to_be_bytes());
    bytes.extend(expected.count.to_be_bytes());
    bytes.extend(expected.previous_hash.0);
    bytes.extend(expected.head_hash.0);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key), &bytes);
    equal("the mac by its key", mac.as_ref(), &expected.mac.0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentRefused {
    audit_kek_id: Fixed<16>,
    audit_kek: Fixed<32>,
    namespace: String,
    chain: String,
    first: Decimal,
    stored: Stored,
    error: Class,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    events: Hex,
    count: u32,
    head_hash: Fixed<32>,
    mac: Fixed<32>,
    audit_kek_id: Fixed<16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Class {
    Malformed,
    WrongKey,
    Mac,
    Count,
    Foreign,
    Sequence,
    Link,
    Head,
}

fn segment_refused(vector: SegmentRefused) -> Result<Passed, String> {
    let namespace = Namespace::new(&vector.namespace).map_err(|error| error.to_string())?;
    let key = AuditKey::new(vector.audit_kek_id.0, &vector.audit_kek.0);
    let segment = Segment {
        chain: vector.chain,
        first: vector.first.0,
        events: vector.stored.events.0,
        count: vector.stored.count,
        head_hash: vector.stored.head_hash.0,
        mac: vector.stored.mac.0,
        audit_kek_id: vector.stored.audit_kek_id.0,
    };
    let found = match segment.verify(&key, &namespace) {
        Ok(_) => return Err("it verifies".to_owned()),
        Err(SegmentError::Malformed(_)) => Class::Malformed,
        Err(SegmentError::WrongKey) => Class::WrongKey,
        Err(SegmentError::Mac) => Class::Mac,
        Err(SegmentError::Count { .. }) => Class::Count,
        Err(SegmentError::Foreign { .. }) => Class::Foreign,
        Err(SegmentError::Sequence { .. }) => Class::Sequence,
        Err(SegmentError::Link { .. }) => Class::Link,
        Err(SegmentError::Head) => Class::Head,
        Err(other) => return Err(format!("a class that docs/audit.md does not have: {other}")),
    };
    if found == vector.error { Ok(Passed::Refused) } else { Err(format!("is refused as {found:?}")) }
}

/// The test of the tests, for what has no class to change.
#[test]
fn an_event_that_is_accepted_is_no_refusal() {
    let read = |bytes: &[u8]| {
        let fields = serde_json::json!({ "event_bytes": hex::encode(bytes) });
        check(&Vector { name: "a".to_owned(), kind: "event-refused".to_owned(), fields })
    };
    let good = Details::now().link("main", 0, [0; 32]).event_bytes().to_vec();
    read(&good).unwrap_err();
    assert_eq!(read(&good[1..]), Ok(Passed::Refused));
}
