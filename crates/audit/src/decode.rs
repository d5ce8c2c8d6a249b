//! Events, read back from the bytes that were hashed.

use blue_address::split_length_prefixed;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{CryptoAuditEvent, CryptoOp, Details, Outcome, event::LABEL, timestamp::read_timestamp};

/// The bytes are no event. They are named by the field that is wrong, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no audit event: {field} is not as specified")]
pub struct MalformedEvent {
    field: &'static str,
}

/// An event that borrows its texts from the bytes that it was read from. Nothing of it is copied or hashed before it is
/// asked for; [`CryptoAuditEvent::from`] makes it an event of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventView<'a> {
    details: Details<&'a str>,
    chain: &'a str,
    sequence: u64,
    previous_hash: &'a [u8; 32],
    event_bytes: &'a [u8],
}

impl<'a> EventView<'a> {
    /// Reads an event from its [`CryptoAuditEvent::event_bytes`]; whatever it accepts is its own encoding. It says nothing
    /// about who wrote them.
    ///
    /// # Errors
    /// [`MalformedEvent`] as docs/audit.md of the repository lists under "Event". Free text is not judged.
    pub fn decode(event_bytes: &'a [u8]) -> Result<Self, MalformedEvent> {
        let Decoded { details, chain, sequence, previous_hash } = Decoded::<&str>::of(event_bytes)?;
        Ok(Self { details, chain, sequence, previous_hash, event_bytes })
    }

    /// A view of an event beside its encoding.
    pub(crate) fn of_encoding(
        details: Details<&'a str>,
        chain: &'a str,
        sequence: u64,
        previous_hash: &'a [u8; 32],
        event_bytes: &'a [u8],
    ) -> Self {
        Self { details, chain, sequence, previous_hash, event_bytes }
    }

    /// What the event says.
    #[must_use]
    pub fn details(&self) -> &Details<&'a str> {
        &self.details
    }

    /// The chain it belongs to.
    #[must_use]
    pub fn chain(&self) -> &'a str {
        self.chain
    }

    /// Its place in the chain: from 0, without gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The hash of the event before it; [`GENESIS`](crate::GENESIS) for the first.
    #[must_use]
    pub fn previous_hash(&self) -> &'a [u8; 32] {
        self.previous_hash
    }

    /// The bytes that it was read from: [`CryptoAuditEvent::event_bytes`].
    #[must_use]
    pub fn event_bytes(&self) -> &'a [u8] {
        self.event_bytes
    }

    /// SHA-256 of [`Self::event_bytes`], computed each time that it is asked for.
    #[must_use]
    pub fn event_hash(&self) -> [u8; 32] {
        Sha256::digest(self.event_bytes).into()
    }
}

impl CryptoAuditEvent {
    /// Reads back an event, as [`EventView::decode`] does, and computes its hash.
    ///
    /// # Errors
    /// Those of [`EventView::decode`].
    pub fn decode(event_bytes: &[u8]) -> Result<Self, MalformedEvent> {
        EventView::decode(event_bytes).map(Self::from)
    }
}

/// What an event's bytes say, its texts read as whoever decodes them has use for.
pub(crate) struct Decoded<'a, Text> {
    pub(crate) details: Details<Text>,
    pub(crate) chain: Text,
    pub(crate) sequence: u64,
    pub(crate) previous_hash: &'a [u8; 32],
}

impl<'a, Text: ReadText<'a>> Decoded<'a, Text> {
    /// As [`EventView::decode`]. Inlined, so that what of it is not needed is not even stored.
    #[inline(always)]
    pub(crate) fn of(event_bytes: &'a [u8]) -> Result<Self, MalformedEvent> {
        let fields = event_bytes.strip_prefix(LABEL).ok_or(MalformedEvent { field: "the beginning" })?;
        let mut fields = Fields { rest: fields };
        let details = Details {
            event_id: Uuid::from_bytes(*fields.exactly("event_id")?),
            timestamp: fields.meaning("timestamp", read_timestamp)?,
            trace_id: fields.text("trace_id")?,
            span_id: fields.text("span_id")?,
            operation: fields.meaning("operation", CryptoOp::from_bytes)?,
            key_id: fields.text("key_id")?,
            principal: fields.text("principal")?,
            outcome: fields.meaning("outcome", Outcome::from_bytes)?,
            reason: fields.text("reason")?,
            resource: fields.text("resource")?,
            version: fields.number("version")?,
            content_digest: fields.meaning("content_digest", digest)?,
        };
        let chain = fields.text("chain")?;
        let (sequence, previous_hash) = (fields.number("sequence")?, fields.exactly("previous_hash")?);
        match fields.rest {
            [] => Ok(Self { details, chain, sequence, previous_hash }),
            _ => Err(MalformedEvent { field: "the end" }),
        }
    }
}

/// What a text is read as.
pub(crate) trait ReadText<'a>: Sized {
    /// `None` if the bytes are no UTF-8.
    fn read(bytes: &'a [u8]) -> Option<Self>;
}

impl<'a> ReadText<'a> for &'a str {
    #[inline]
    fn read(bytes: &'a [u8]) -> Option<Self> {
        str::from_utf8(bytes).ok()
    }
}

/// The bytes of a text, for whoever has no use for more: that they are ASCII is much quicker to see.
pub(crate) struct TextBytes<'a>(pub(crate) &'a [u8]);

impl<'a> ReadText<'a> for TextBytes<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Option<Self> {
        (bytes.is_ascii() || str::from_utf8(bytes).is_ok()).then_some(Self(bytes))
    }
}

/// The fields that are still to be read.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    fn exactly<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], MalformedEvent> {
        self.meaning(field, |value| value.try_into().ok())
    }

    #[inline]
    fn number(&mut self, field: &'static str) -> Result<u64, MalformedEvent> {
        self.exactly(field).copied().map(u64::from_be_bytes)
    }

    #[inline]
    fn text<Text: ReadText<'a>>(&mut self, field: &'static str) -> Result<Text, MalformedEvent> {
        self.meaning(field, Text::read)
    }

    /// What the next field stands for, if it stands for anything.
    #[inline]
    fn meaning<T>(
        &mut self,
        field: &'static str,
        meaning: impl Fn(&'a [u8]) -> Option<T>,
    ) -> Result<T, MalformedEvent> {
        let (value, rest) = split_length_prefixed(self.rest).ok_or(MalformedEvent { field })?;
        self.rest = rest;
        meaning(value).ok_or(MalformedEvent { field })
    }
}

/// A digest, or none.
fn digest(value: &[u8]) -> Option<Option<[u8; 32]>> {
    if value.is_empty() { Some(None) } else { value.try_into().ok().map(Some) }
}

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
        let bytes = example().event_bytes().to_vec();
        let mut rest = &bytes[LABEL.len()..];
        let mut out = LABEL.to_vec();
        for place in 0..15 {
            let (field, after) = split_length_prefixed(rest).unwrap();
            push_length_prefixed(&mut out, if place == index { value } else { field });
            rest = after;
        }
        out
    }

    /// Which field is refused, whatever texts are read as.
    fn refusal(bytes: &[u8]) -> &'static str {
        let refusal = CryptoAuditEvent::decode(bytes).unwrap_err();
        assert_eq!(Decoded::<TextBytes<'_>>::of(bytes).err().as_ref(), Some(&refusal));
        refusal.field
    }

    fn accepted(bytes: &[u8]) -> CryptoAuditEvent {
        assert!(Decoded::<TextBytes<'_>>::of(bytes).is_ok());
        CryptoAuditEvent::decode(bytes).unwrap()
    }

    #[test]
    fn what_was_encoded_reads_back() {
        let event = example();
        assert_eq!(accepted(event.event_bytes()), event);
        let bare = Details { content_digest: None, ..Details::now() }.link("", u64::MAX, GENESIS);
        assert_eq!(accepted(bare.event_bytes()), bare);
    }

    #[test]
    fn every_truncation_and_every_longer_input_is_refused() {
        let bytes = example().event_bytes().to_vec();
        for length in 0..bytes.len() {
            refusal(&bytes[..length]);
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
            accepted(&with_field(index, &vec![0; length]));
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
        for word in ["Encrypt", "", "success", "encrypt\0"] {
            assert_eq!(refusal(&with_field(4, word.as_bytes())), "operation", "{word}");
        }
        for word in ["SUCCESS", "", "encrypt", "successs"] {
            assert_eq!(refusal(&with_field(7, word.as_bytes())), "outcome", "{word}");
        }
    }

    /// A character that is cut by the end of a field is none, whatever the length of the next field looks like.
    #[test]
    fn text_is_judged_by_itself_whatever_its_length() {
        let texts = [
            (2, "trace_id"),
            (3, "span_id"),
            (5, "key_id"),
            (6, "principal"),
            (8, "reason"),
            (9, "resource"),
            (12, "chain"),
        ];
        for length in [0, 1, 0x7f, 0x80, 0xbf, 0xc3, 0xff, 0x100, 0xc380, 0x1_0080] {
            let fits = with_field(6, &[&b"\xc3\xa9"[..], &vec![b'x'; length]].concat());
            let event = accepted(&fits);
            assert_eq!((event.event_bytes(), event.details().principal.len()), (&fits[..], 2 + length));
            for (index, name) in texts {
                let text = vec![b'x'; length];
                accepted(&with_field(index, &text));
                for cut in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x92"] {
                    assert_eq!(refusal(&with_field(index, &[&text, cut].concat())), name);
                    assert_eq!(refusal(&with_field(index, &[cut, &text].concat())), name);
                    assert_eq!(refusal(&with_field(index, &[b"\xa9", &text[..]].concat())), name);
                }
            }
        }
    }

    #[test]
    fn a_timestamp_has_one_text_only() {
        for good in
            ["0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T23:00:00.100000Z"]
        {
            let bytes = with_field(1, good.as_bytes());
            assert_eq!(accepted(&bytes).event_bytes(), bytes);
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
