//! The laws that the fuzz targets assert.
//!
//! One public function per target. Each takes any bytes, hands them to a parser or decoder of the project, and
//! panics if what comes out breaks a law: a wrong class of refusal, an accepted input that is not its own
//! encoding, a changed byte that goes unnoticed. What is right is judged by a second, plain reading of the
//! documents under `docs/`, written here and sharing no code with what it judges.
//!
//! The targets proper, in `fuzz/fuzz_targets`, only call these functions, so that the committed corpus can be
//! replayed by an ordinary test on stable Rust (`tests/replay.rs`), and the seeds of the corpus be written by an
//! ordinary program (`examples/seeds.rs`).

mod address;
mod attributes;
mod audit_event;
mod checkpoint;
mod choices;
mod cli_attribute;
mod config;
mod digest;
mod envelope;
mod item;
mod key_file;
mod names;
mod note;
mod sealed;
mod segment;
mod wrapped_kek;

/// What the parser that a target is about made of its input. A corpus needs both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It took it.
    Accepted,
    /// It refused it, as it should.
    Refused,
}

impl Verdict {
    fn of(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// A law: panics if the code that it is about breaks it.
pub type Law = fn(&[u8]) -> Verdict;

/// Every target, by the name of its file under `fuzz_targets` and of its directory under `corpus`.
pub const TARGETS: [(&str, Law); 8] = [
    ("address", address),
    ("attributes", attributes),
    ("audit_event", audit_event),
    ("checkpoint", checkpoint),
    ("config", config),
    ("envelope", envelope),
    ("item", item),
    ("key_file", key_file),
];

/// Record paths, names and ids: see `docs/table.md`. The bytes are the text of a path.
pub fn address(data: &[u8]) -> Verdict {
    address::law(data)
}

/// Cleartext attributes: their canonical bytes as in `docs/envelope.md`, sets of them built from the data, and one
/// of them as it is typed after `bes put --attr`.
pub fn attributes(data: &[u8]) -> Verdict {
    let verdict = attributes::decoding(data);
    attributes::building(data);
    cli_attribute::law(data);
    verdict
}

/// Audit events and segments as in `docs/audit.md`: the bytes are an event's; a segment's events; and choices of
/// how to build a segment and what to change in it.
pub fn audit_event(data: &[u8]) -> Verdict {
    let verdict = audit_event::law(data);
    segment::law(data);
    verdict
}

/// Signed notes and checkpoints as in `docs/audit.md`: the bytes are a note, and the text of a checkpoint, which gets the
/// hash that fits it.
pub fn checkpoint(data: &[u8]) -> Verdict {
    checkpoint::law(data)
}

/// The configuration of `bes`. The bytes are the file; after a NUL, variables of the environment as `NAME=VALUE`
/// lines; after another NUL, flags as `name=value` lines.
pub fn config(data: &[u8]) -> Verdict {
    config::law(data)
}

/// Envelopes as in `docs/envelope.md`: the bytes are an envelope; and choices of what to seal and how to change it.
pub fn envelope(data: &[u8]) -> Verdict {
    let verdict = envelope::law(data);
    sealed::law(data);
    verdict
}

/// Records as DynamoDB items, as in `docs/table.md`. The bytes are choices of what stands in the item.
pub fn item(data: &[u8]) -> Verdict {
    item::law(data)
}

/// The local key file and the KEKs that it wraps, as in `docs/keys.md`: the bytes are a key file; a wrapped KEK; and
/// choices of what to wrap and how to change it.
pub fn key_file(data: &[u8]) -> Verdict {
    let verdict = key_file::law(data);
    wrapped_kek::arbitrary(data);
    wrapped_kek::wrapped(data);
    verdict
}
