//! An event as JSON, and back.

use blue_audit::{CryptoAuditEvent, CryptoOp, Details, EventView, Outcome};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description,
};
use uuid::Uuid;

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// One line of an export, as serde writes and reads it in JSON: every field of an event, by the names of docs/audit.md of
/// the repository; hashes in lowercase hexadecimal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedEvent {
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
    version: u64,
    content_digest: Option<String>,
    chain: String,
    sequence: u64,
    previous_hash: String,
    event_hash: String,
}

/// An event that was read back, and the hash that was written beside it.
pub(super) struct ReadBack {
    pub(super) event: CryptoAuditEvent,
    pub(super) claimed_hash: [u8; 32],
}

impl ExportedEvent {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &EventView<'_>) -> Self {
        let details = event.details();
        Self {
            event_id: details.event_id.hyphenated().to_string(),
            timestamp: time_text(details.timestamp),
            trace_id: details.trace_id.to_owned(),
            span_id: details.span_id.to_owned(),
            operation: details.operation.to_string(),
            key_id: details.key_id.to_owned(),
            principal: details.principal.to_owned(),
            outcome: details.outcome.to_string(),
            reason: details.reason.to_owned(),
            resource: details.resource.to_owned(),
            version: details.version,
            content_digest: details.content_digest.map(|digest| HEXLOWER.encode(&digest)),
            chain: event.chain().to_owned(),
            sequence: event.sequence(),
            previous_hash: HEXLOWER.encode(event.previous_hash()),
            event_hash: HEXLOWER.encode(&event.event_hash()),
        }
    }

    /// The event, with the hash that its fields have, whatever hash was written beside it. Of each field only the text
    /// that [`ExportedEvent::of`] writes is accepted. The error names the field that is not such a text.
    pub(super) fn read_back(self) -> Result<ReadBack, &'static str> {
        let claimed_hash = hash(&self.event_hash).ok_or("event_hash")?;
        let event_id = Uuid::parse_str(&self.event_id).ok();
        let digest = self.content_digest.as_deref().map(|digest| hash(digest).ok_or("content_digest"));
        let details = Details {
            event_id: event_id.filter(|id| id.hyphenated().to_string() == self.event_id).ok_or("event_id")?,
            timestamp: time(&self.timestamp).ok_or("timestamp")?,
            trace_id: self.trace_id,
            span_id: self.span_id,
            operation: CryptoOp::from_word(&self.operation).ok_or("operation")?,
            key_id: self.key_id,
            principal: self.principal,
            outcome: Outcome::from_word(&self.outcome).ok_or("outcome")?,
            reason: self.reason,
            resource: self.resource,
            version: self.version,
            content_digest: digest.transpose()?,
        };
        let previous_hash = hash(&self.previous_hash).ok_or("previous_hash")?;
        Ok(ReadBack { event: details.link(self.chain, self.sequence, previous_hash), claimed_hash })
    }
}

fn time_text(time: OffsetDateTime) -> String {
    // An event's time is within the years that the format has.
    time.format(TIME).unwrap_or_default()
}

/// The time that a text stands for, if it is the very text that stands for that time.
fn time(text: &str) -> Option<OffsetDateTime> {
    let time = PrimitiveDateTime::parse(text, TIME).ok()?.assume_utc();
    ((0..=9999).contains(&time.year()) && time_text(time) == text).then_some(time)
}

fn hash(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> CryptoAuditEvent {
        let details = Details {
            principal: "a\n\"b\u{1b}".to_owned(),
            resource: "bes:prod/alice".to_owned(),
            content_digest: Some([7; 32]),
            ..Details::now()
        };
        details.link("main", 3, [9; 32])
    }

    #[test]
    fn an_event_comes_back_from_its_json() {
        let written = serde_json::to_string(&ExportedEvent::of(&event().view())).unwrap();
        assert!(!written.contains('\n'), "{written}");
        let read: ExportedEvent = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
        let ReadBack { event, claimed_hash } = read.read_back().unwrap();
        assert_eq!(*event.event_hash(), claimed_hash);
    }

    #[test]
    fn a_field_that_is_not_written_so_is_named() {
        type Change = fn(&mut ExportedEvent);
        let changes: [(&str, Change); 9] = [
            ("event_id", |e| e.event_id = e.event_id.to_uppercase() + "A"),
            ("event_id", |e| e.event_id = e.event_id.replace('-', "")),
            ("timestamp", |e| e.timestamp = "-0001-01-01T00:00:00.000000Z".to_owned()),
            ("timestamp", |e| e.timestamp = "2026-01-01T00:00:60.000000Z".to_owned()),
            ("operation", |e| e.operation = "Encrypt".to_owned()),
            ("outcome", |e| e.outcome = String::new()),
            ("content_digest", |e| e.content_digest = Some("07".to_owned())),
            ("previous_hash", |e| e.previous_hash = "AB".repeat(32)),
            ("event_hash", |e| e.event_hash = String::new()),
        ];
        for (field, change) in changes {
            let mut json = ExportedEvent::of(&event().view());
            change(&mut json);
            assert_eq!(json.read_back().err(), Some(field));
        }
    }
}
