//! Events, read back from the bytes that were hashed.

use blue_address::split_length_prefixed;
use time::{OffsetDateTime, PrimitiveDateTime};
use uuid::Uuid;

use crate::{
    CryptoAuditEvent, CryptoOp, Details, Outcome,
    event::{LABEL, TIMESTAMP, timestamp_text},
};

/// The bytes are no event. They are named by the field that is wrong, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no audit event: {field} is not as specified")]
pub struct MalformedEvent {
    field: &'static str,
}

impl CryptoAuditEvent {
    /// Reads back an event from its [`CryptoAuditEvent::event_bytes`]; whatever it accepts is its own encoding. The
    /// event's hash is computed from the bytes, so it says nothing about who wrote them.
    ///
    /// # Errors
    /// [`MalformedEvent`] as docs/audit.md of the repository lists under "Event". Free text is not judged.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedEvent> {
        let fields = bytes.strip_prefix(LABEL).ok_or(MalformedEvent { field: "the beginning" })?;
        let mut fields = Fields(fields);
        let details = Details {
            event_id: Uuid::from_bytes(fields.exactly("event_id")?),
            timestamp: fields.timestamp()?,
            trace_id: fields.text("trace_id")?.to_owned(),
            span_id: fields.text("span_id")?.to_owned(),
            operation: fields.word("operation", CryptoOp::from_word)?,
            key_id: fields.text("key_id")?.to_owned(),
            principal: fields.text("principal")?.to_owned(),
            outcome: fields.word("outcome", Outcome::from_word)?,
            reason: fields.text("reason")?.to_owned(),
            resource: fields.text("resource")?.to_owned(),
            version: fields.number("version")?,
            content_digest: fields.digest()?,
        };
        let chain = fields.text("chain")?.to_owned();
        let (sequence, previous_hash) = (fields.number("sequence")?, fields.exactly("previous_hash")?);
        match fields.0 {
            [] => Ok(Self::of_encoding(details, chain, sequence, previous_hash, bytes)),
            _ => Err(MalformedEvent { field: "the end" }),
        }
    }
}

/// The fields that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self, field: &'static str) -> Result<&'a [u8], MalformedEvent> {
        let (value, rest) = split_length_prefixed(self.0).ok_or(MalformedEvent { field })?;
        self.0 = rest;
        Ok(value)
    }

    fn exactly<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], MalformedEvent> {
        self.next(field)?.try_into().map_err(|_| MalformedEvent { field })
    }

    fn number(&mut self, field: &'static str) -> Result<u64, MalformedEvent> {
        self.exactly(field).map(u64::from_be_bytes)
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, MalformedEvent> {
        str::from_utf8(self.next(field)?).map_err(|_| MalformedEvent { field })
    }

    fn word<T>(
        &mut self,
        field: &'static str,
        meaning: impl Fn(&str) -> Option<T>,
    ) -> Result<T, MalformedEvent> {
        meaning(self.text(field)?).ok_or(MalformedEvent { field })
    }

    /// A timestamp has one text only. The parser is laxer than that, so what it read is written again to see.
    fn timestamp(&mut self) -> Result<OffsetDateTime, MalformedEvent> {
        let field = "timestamp";
        let text = self.text(field)?;
        let read = PrimitiveDateTime::parse(text, TIMESTAMP).map_err(|_| MalformedEvent { field })?;
        let timestamp = read.assume_utc();
        // A year before 0 has a sign, and its own text is longer than a timestamp is.
        if text.len() == TIMESTAMP_LEN && timestamp_text(timestamp) == text {
            Ok(timestamp)
        } else {
            Err(MalformedEvent { field })
        }
    }

    fn digest(&mut self) -> Result<Option<[u8; 32]>, MalformedEvent> {
        let field = "content_digest";
        match self.next(field)? {
            [] => Ok(None),
            digest => digest.try_into().map(Some).map_err(|_| MalformedEvent { field }),
        }
    }
}

const TIMESTAMP_LEN: usize = "YYYY-MM-DDTHH:MM:SS.ffffffZ".len();

#[cfg(test)]
mod tests {
    use blue_address::push_length_prefixed;
    use time::macros::datetime;

    use super::*;
    use crate::GENESIS;

    fn example() -> CryptoAuditEvent {
        let timestamp = datetime!(2026-11-23 12:00:00.000001 UTC);
        Details {
            timestamp,
            principal: "é".into(),
            version: 7,
            content_digest: Some([3; 32]),
            ..Details::now()
        }
        .link("main", 5, [9; 32])
    }

    /// The fields of the example, one of them replaced.
    fn with_field(index: usize, value: &[u8]) -> Vec<u8> {
        let bytes = example().event_bytes();
        let mut rest = &bytes[LABEL.len()..];
        let mut out = LABEL.to_vec();
        for place in 0..15 {
            let (field, after) = split_length_prefixed(rest).unwrap();
            push_length_prefixed(&mut out, if place == index { value } else { field });
            rest = after;
        }
        out
    }

    fn refusal(bytes: &[u8]) -> &'static str {
        CryptoAuditEvent::decode(bytes).unwrap_err().field
    }

    #[test]
    fn what_was_encoded_reads_back() {
        let event = example();
        assert_eq!(CryptoAuditEvent::decode(&event.event_bytes()), Ok(event));
        let bare = Details { content_digest: None, ..Details::now() }.link("", u64::MAX, GENESIS);
        assert_eq!(CryptoAuditEvent::decode(&bare.event_bytes()), Ok(bare));
    }

    #[test]
    fn every_truncation_and_every_longer_input_is_refused() {
        let bytes = example().event_bytes();
        for length in 0..bytes.len() {
            assert!(CryptoAuditEvent::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(refusal(&[&bytes[..], &[0]].concat()), "the end");
        assert_eq!(refusal(b"bes1/Event"), "the beginning");
        assert_eq!(
            CryptoAuditEvent::decode(b"").unwrap_err().to_string(),
            "the bytes are no audit event: the beginning is not as specified"
        );
    }

    #[test]
    fn a_field_of_another_length_is_refused() {
        for (index, name, length) in [
            (0, "event_id", 16),
            (10, "version", 8),
            (11, "content_digest", 32),
            (13, "sequence", 8),
            (14, "previous_hash", 32),
        ] {
            assert!(CryptoAuditEvent::decode(&with_field(index, &vec![0; length])).is_ok());
            assert_eq!(refusal(&with_field(index, &vec![0; length - 1])), name);
            assert_eq!(refusal(&with_field(index, &vec![0; length + 1])), name);
        }
        for (index, name) in [(0, "event_id"), (10, "version"), (13, "sequence"), (14, "previous_hash")] {
            assert_eq!(refusal(&with_field(index, b"")), name);
        }
    }

    #[test]
    fn text_that_is_not_utf_8_and_words_that_are_not_known_are_refused() {
        for (index, name) in [
            (2, "trace_id"),
            (3, "span_id"),
            (4, "operation"),
            (5, "key_id"),
            (6, "principal"),
            (7, "outcome"),
            (8, "reason"),
            (9, "resource"),
            (12, "chain"),
        ] {
            assert_eq!(refusal(&with_field(index, b"\xff")), name);
        }
        for (index, word) in
            [(4, "Encrypt"), (4, ""), (4, "success"), (7, "SUCCESS"), (7, ""), (7, "encrypt")]
        {
            assert!(CryptoAuditEvent::decode(&with_field(index, word.as_bytes())).is_err(), "{word}");
        }
    }

    #[test]
    fn a_timestamp_has_one_text_only() {
        for good in
            ["0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T23:00:00.100000Z"]
        {
            let bytes = with_field(1, good.as_bytes());
            assert_eq!(CryptoAuditEvent::decode(&bytes).unwrap().event_bytes(), bytes);
        }
        for bad in [
            "",
            "2026-02-29T00:00:00.000000Z",
            "2026-11-23T24:00:00.000000Z",
            "2026-11-23T23:59:60.000000Z",
            "2026-11-23t00:00:00.000000Z",
            "2026-11-23T00:00:00.000000z",
            "2026-11-23 00:00:00.000000Z",
            "2026-11-23T00:00:00.00000Z",
            "2026-11-23T00:00:00.0000000Z",
            "2026-11-23T00:00:00.000000+00:00",
            "+2026-11-23T00:00:00.000000Z",
            "-0001-11-23T00:00:00.000000Z",
            "2026-1-23T00:00:00.000000Z",
            "2026-11-23T00:00:00.000000Z ",
        ] {
            assert_eq!(refusal(&with_field(1, bad.as_bytes())), "timestamp", "{bad}");
        }
    }
}
