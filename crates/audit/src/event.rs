//! One audit event, its bytes and its hash.

use std::{fmt, sync::Arc};

use blue_address::push_length_prefixed;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::{
    EventView,
    timestamp::{TIMESTAMP_LEN, timestamp_bytes},
};

/// The `previous_hash` of a chain's first event.
pub const GENESIS: [u8; 32] = [0; 32];

/// What every event's bytes begin with.
pub(crate) const LABEL: &[u8] = b"bes1/event";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that stands for it in the hashed bytes.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// What a word stands for; `None` if it is none of them.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::from_bytes(word.as_bytes())
            }

            /// The same for a word in ASCII.
            #[inline]
            pub(crate) fn from_bytes(word: &[u8]) -> Option<Self> {
                // Each length is known here, so that no comparison is a call.
                $(if word == $word.as_bytes() {
                    return Some(Self::$variant);
                })*
                None
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What was done.
    CryptoOp {
        /// A record was sealed and written.
        Encrypt = "encrypt",
        /// A record was opened.
        Decrypt = "decrypt",
        /// A record was deleted.
        Delete = "delete",
        /// A KEK was generated.
        GenerateKek = "generate_kek",
        /// A KEK was unwrapped.
        UnwrapKek = "unwrap_kek",
        /// A tenant got a new KEK version.
        Rotate = "rotate",
        /// A record was moved to another KEK.
        Rewrap = "rewrap",
        /// A KEK was moved to another UMK.
        RewrapRoot = "rewrap_root",
        /// A KEK version was removed.
        Retire = "retire",
        /// A tenant's keys were erased.
        Shred = "shred",
        /// A principal was granted a window of reads.
        Lease = "lease",
        /// A chain was opened.
        OpenChain = "open_chain",
        /// A restored table was adopted.
        Adopt = "adopt",
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It was done.
        Success = "success",
        /// It was tried and failed.
        Failure = "failure",
        /// It was refused.
        Denied = "denied",
    }
}

/// All that an event says but its place in a chain. The texts are the event's own, or `&str` of an [`EventView`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Details<Text = String> {
    /// The event's own id, a UUIDv7.
    pub event_id: Uuid,
    /// When, in the years 0–9999 of UTC. It is hashed and stored in UTC, cut to the microsecond.
    pub timestamp: OffsetDateTime,
    /// W3C trace id, 32 lowercase hexadecimal digits, or empty.
    pub trace_id: Text,
    /// W3C span id, 16 lowercase hexadecimal digits, or empty.
    pub span_id: Text,
    /// What was done.
    pub operation: CryptoOp,
    /// The KEK's id; for operations on a KEK, the UMK's id.
    pub key_id: Text,
    /// Who did it, as the caller asserts.
    pub principal: Text,
    /// How it ended.
    pub outcome: Outcome,
    /// A stable error code, or empty.
    pub reason: Text,
    /// What it was done to: [`crate::resource`]; trailing parts may be left out.
    pub resource: Text,
    /// The record's version, or 0.
    pub version: u64,
    /// The envelope's content digest, if there is one.
    pub content_digest: Option<[u8; 32]>,
}

impl Details {
    /// A fresh id and the current time; everything else empty, an [`CryptoOp::Encrypt`] that succeeded. Meant
    /// to be completed by struct update.
    #[must_use]
    pub fn now() -> Self {
        Self {
            event_id: Uuid::now_v7(),
            timestamp: OffsetDateTime::now_utc(),
            trace_id: String::new(),
            span_id: String::new(),
            operation: CryptoOp::Encrypt,
            key_id: String::new(),
            principal: String::new(),
            outcome: Outcome::Success,
            reason: String::new(),
            resource: String::new(),
            version: 0,
            content_digest: None,
        }
    }

    /// Puts the event into its place in a chain and computes its hash.
    ///
    /// # Panics
    /// If the time is not within the years 0–9999 of UTC: no timestamp stands for it.
    #[must_use]
    #[inline]
    pub fn link(
        mut self,
        chain: impl Into<Arc<str>>,
        sequence: u64,
        previous_hash: [u8; 32],
    ) -> CryptoAuditEvent {
        self.timestamp = in_utc(self.timestamp);
        let microsecond = self.timestamp.replace_microsecond(self.timestamp.microsecond());
        self.timestamp = microsecond.expect("a time's own microsecond is within its range");
        let chain = chain.into();
        let mut event_bytes = Vec::with_capacity(self.encoded_len(&chain));
        self.encode_onto(&mut event_bytes, &self.timestamp_bytes(), &chain, sequence, &previous_hash);
        let event_hash = Sha256::digest(&event_bytes).into();
        CryptoAuditEvent { details: self, chain, sequence, previous_hash, event_bytes, event_hash }
    }

    /// The time as it is hashed.
    ///
    /// # Panics
    /// As [`Details::link`].
    pub(crate) fn timestamp_bytes(&self) -> [u8; TIMESTAMP_LEN] {
        timestamp_bytes(in_utc(self.timestamp))
    }

    /// Appends the bytes that [`CryptoAuditEvent::event_bytes`] describes: [`Self::encoded_len`] of them.
    pub(crate) fn encode_onto(
        &self,
        out: &mut Vec<u8>,
        timestamp: &[u8; TIMESTAMP_LEN],
        chain: &str,
        sequence: u64,
        previous_hash: &[u8; 32],
    ) {
        out.extend_from_slice(LABEL);
        // One by one, and not in a loop over all: the compiler knows the lengths of half of them.
        push_length_prefixed(out, self.event_id.as_bytes());
        push_length_prefixed(out, timestamp);
        push_length_prefixed(out, self.trace_id.as_bytes());
        push_length_prefixed(out, self.span_id.as_bytes());
        push_length_prefixed(out, self.operation.as_str().as_bytes());
        push_length_prefixed(out, self.key_id.as_bytes());
        push_length_prefixed(out, self.principal.as_bytes());
        push_length_prefixed(out, self.outcome.as_str().as_bytes());
        push_length_prefixed(out, self.reason.as_bytes());
        push_length_prefixed(out, self.resource.as_bytes());
        push_length_prefixed(out, &self.version.to_be_bytes());
        match &self.content_digest {
            Some(digest) => push_length_prefixed(out, digest),
            None => push_length_prefixed(out, &[]),
        }
        push_length_prefixed(out, chain.as_bytes());
        push_length_prefixed(out, &sequence.to_be_bytes());
        push_length_prefixed(out, previous_hash);
    }

    /// How many bytes the event takes in a segment of `chain`: its encoding with the length before it.
    #[must_use]
    pub fn stored_len(&self, chain: &blue_address::Chain) -> usize {
        4 + self.encoded_len(chain.as_str())
    }

    pub(crate) fn encoded_len(&self, chain: &str) -> usize {
        // Every field with the four bytes of its length; 16 + 8 + 8 + 32 bytes are of fixed fields besides the timestamp.
        const FIXED: usize = LABEL.len() + 15 * 4 + TIMESTAMP_LEN + 16 + 8 + 8 + 32;
        let texts =
            [&self.trace_id, &self.span_id, &self.key_id, &self.principal, &self.reason, &self.resource];
        FIXED
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + self.operation.as_str().len()
            + self.outcome.as_str().len()
            + chain.len()
            + self.content_digest.map_or(0, |digest| digest.len())
    }
}

impl<Text> Details<Text> {
    /// The same, with each text made into one of another kind.
    pub(crate) fn with_texts<'a, Other>(&'a self, text: impl Fn(&'a Text) -> Other) -> Details<Other> {
        Details {
            event_id: self.event_id,
            timestamp: self.timestamp,
            trace_id: text(&self.trace_id),
            span_id: text(&self.span_id),
            operation: self.operation,
            key_id: text(&self.key_id),
            principal: text(&self.principal),
            outcome: self.outcome,
            reason: text(&self.reason),
            resource: text(&self.resource),
            version: self.version,
            content_digest: self.content_digest,
        }
    }
}

/// An event in its place in a chain, with its encoding. Its hash always fits: there is no way to build one with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoAuditEvent {
    details: Details,
    chain: Arc<str>,
    sequence: u64,
    previous_hash: [u8; 32],
    event_bytes: Vec<u8>,
    event_hash: [u8; 32],
}

impl CryptoAuditEvent {
    /// What the event says.
    #[must_use]
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// The chain it belongs to.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Its place in the chain: from 0, without gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The hash of the event before it; [`GENESIS`] for the first.
    #[must_use]
    pub fn previous_hash(&self) -> &[u8; 32] {
        &self.previous_hash
    }

    /// SHA-256 of [`Self::event_bytes`].
    #[must_use]
    pub fn event_hash(&self) -> &[u8; 32] {
        &self.event_hash
    }

    /// The bytes that are hashed, as docs/audit.md of the repository specifies them:
    ///
    /// ```text
    /// "bes1/event" ‖ lp(event_id) ‖ lp(timestamp) ‖ lp(trace_id) ‖ lp(span_id) ‖ lp(operation) ‖ lp(key_id)
    ///   ‖ lp(principal) ‖ lp(outcome) ‖ lp(reason) ‖ lp(resource) ‖ lp(version) ‖ lp(content_digest)
    ///   ‖ lp(chain) ‖ lp(sequence) ‖ lp(previous_hash)
    /// ```
    ///
    /// `lp(x)` is the length of x as a big-endian u32, then x. event_id has 16 bytes; version and sequence are
    /// big-endian u64; hashes are raw, an absent content_digest is empty; the rest is UTF-8 text. The timestamp
    /// is `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
    #[must_use]
    pub fn event_bytes(&self) -> &[u8] {
        &self.event_bytes
    }

    /// The same event, borrowed.
    #[must_use]
    pub fn view(&self) -> EventView<'_> {
        let details = self.details.with_texts(String::as_str);
        EventView::of_encoding(details, &self.chain, self.sequence, &self.previous_hash, &self.event_bytes)
    }
}

/// Copies an event out of the bytes that it was read from, and computes its hash.
impl From<EventView<'_>> for CryptoAuditEvent {
    fn from(event: EventView<'_>) -> Self {
        Self {
            details: event.details().with_texts(|text| (*text).to_owned()),
            chain: event.chain().into(),
            sequence: event.sequence(),
            previous_hash: *event.previous_hash(),
            event_bytes: event.event_bytes().to_vec(),
            event_hash: event.event_hash(),
        }
    }
}

fn in_utc(timestamp: OffsetDateTime) -> OffsetDateTime {
    let utc = timestamp.checked_to_offset(UtcOffset::UTC).filter(|utc| (0..=9999).contains(&utc.year()));
    utc.expect("an event happens within the years 0-9999")
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use blue_address::Chain;
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::{Head, SegmentBuilder, timestamp::timestamp_text};

    fn example() -> Details {
        let digest = hex::decode("e8319151b0d5a6ac006fcf190a1461eee7d925f97a369672f428e7f4ddf50e3b").unwrap();
        Details {
            event_id: Uuid::parse_str("0190163d-8694-739b-aea5-966c26f8ad90").unwrap(),
            timestamp: datetime!(2026-11-23 12:00:00.000001 UTC),
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
            span_id: "00f067aa0ba902b7".into(),
            operation: CryptoOp::Encrypt,
            key_id: "00112233-4455-4677-8899-aabbccddeeff".into(),
            principal: "alice@example.org".into(),
            outcome: Outcome::Success,
            reason: String::new(),
            resource: "bes:prod/alice/inbox/note/a%2Fb%20%C3%A9".into(),
            version: 1_700_000_000_000_000,
            content_digest: Some(digest.try_into().unwrap()),
        }
    }

    /// The bytes come from an independent implementation in Python.
    #[test]
    fn the_encoding_is_the_specified_bytes() {
        let event = example().link("main", 0, GENESIS);
        let expected = "626573312f6576656e74000000100190163d8694739baea5966c26f8ad900000001b323032362d31312d\
            32335431323a30303a30302e3030303030315a000000203462663932663335373762333464613661336365393239643065\
            3065343733360000001030306630363761613062613930326237\
            00000007656e63727970740000002430303131323233332d343435352d343637372d383839392d616162626363646465\
            65666600000011616c696365406578616d706c652e6f726700000007737563636573730000000000000028\
            6265733a70726f642f616c6963652f696e626f782f6e6f74652f61253246622532302543332541390000000800060a24\
            181e400000000020e8319151b0d5a6ac006fcf190a1461eee7d925f97a369672f428e7f4ddf50e3b000000046d61696e\
            00000008000000000000000000000020";
        assert_eq!(hex::encode(event.event_bytes()), format!("{expected}{}", "00".repeat(32)));
        assert_eq!(
            hex::encode(event.event_hash()),
            "8df0a59a8da60f276cb1a1d45bcfa7a177b39eab17fbbae14f000b6bc6d0cf73"
        );
    }

    #[test]
    fn time_is_hashed_in_utc_to_the_microsecond() {
        let linked = |timestamp| Details { timestamp, ..example() }.link("main", 0, GENESIS);
        let event = linked(datetime!(2026-01-02 03:04:05.123456789 +02:00));
        assert_eq!(timestamp_text(event.details().timestamp), "2026-01-02T01:04:05.123456Z");
        assert_eq!(event, linked(datetime!(2026-01-02 01:04:05.123456 UTC)));
        let event = linked(datetime!(0001-01-01 00:00:00 UTC));
        assert_eq!(timestamp_text(event.details().timestamp), "0001-01-01T00:00:00.000000Z");
    }

    #[test]
    fn an_absent_digest_is_not_a_zero_digest() {
        let without = Details { content_digest: None, ..example() }.link("main", 0, GENESIS);
        let zero = Details { content_digest: Some([0; 32]), ..example() }.link("main", 0, GENESIS);
        assert_ne!(without.event_hash(), zero.event_hash());
    }

    fn details() -> impl Strategy<Value = Details> {
        let texts = ("[ab]{0,2}", "[ab]{0,2}", "[ab]{0,2}", "[ab]{0,2}", "[ab]{0,2}", "[ab]{0,2}");
        let rest = (0..3_u64, proptest::option::of(0..2_u8), any::<bool>(), any::<bool>(), 0..2_i64);
        (texts, rest).prop_map(|((trace_id, span_id, key_id, principal, reason, resource), rest)| Details {
            trace_id,
            span_id,
            key_id,
            principal,
            reason,
            resource,
            version: rest.0,
            content_digest: rest.1.map(|byte| [byte; 32]),
            operation: if rest.2 { CryptoOp::Encrypt } else { CryptoOp::Decrypt },
            outcome: if rest.3 { Outcome::Success } else { Outcome::Denied },
            timestamp: example().timestamp + time::Duration::microseconds(rest.4),
            event_id: example().event_id,
        })
    }

    /// All that is hashed.
    type Parts = (Details, String, u64, u8);

    fn parts() -> impl Strategy<Value = Parts> {
        (details(), "[ab]{1,2}", 0..2_u64, 0..2_u8)
    }

    fn hash((details, chain, sequence, previous): Parts) -> [u8; 32] {
        *details.link(chain, sequence, [previous; 32]).event_hash()
    }

    proptest! {
        #[test]
        fn events_that_differ_anywhere_differ_in_their_hash(
            a in parts(), other in parts(), event_id: [u8; 16],
            taken in proptest::collection::btree_set(0..15_usize, 0..3),
        ) {
            // Two events at random differ in nearly everything; these differ in two fields at most.
            let mut b = a.clone();
            for field in taken {
                match field {
                    0 => b.0.event_id = Uuid::from_bytes(event_id),
                    1 => b.0.timestamp = other.0.timestamp,
                    2 => b.0.trace_id.clone_from(&other.0.trace_id),
                    3 => b.0.span_id.clone_from(&other.0.span_id),
                    4 => b.0.operation = other.0.operation,
                    5 => b.0.key_id.clone_from(&other.0.key_id),
                    6 => b.0.principal.clone_from(&other.0.principal),
                    7 => b.0.outcome = other.0.outcome,
                    8 => b.0.reason.clone_from(&other.0.reason),
                    9 => b.0.resource.clone_from(&other.0.resource),
                    10 => b.0.version = other.0.version,
                    11 => b.0.content_digest = other.0.content_digest,
                    12 => b.1.clone_from(&other.1),
                    13 => b.2 = other.2,
                    _ => b.3 = other.3,
                }
            }
            prop_assert_eq!(hash(a.clone()) == hash(b.clone()), a == b);
        }
    }

    #[test]
    fn a_letter_that_moves_into_the_next_field_changes_the_hash() {
        type Field = fn(&mut Details) -> &mut String;
        let adjacent: [(Field, Field); 3] = [
            (|details| &mut details.trace_id, |details| &mut details.span_id),
            (|details| &mut details.key_id, |details| &mut details.principal),
            (|details| &mut details.reason, |details| &mut details.resource),
        ];
        for (first, second) in adjacent {
            let moved = |left: &str, right: &str| {
                let mut details = example();
                first(&mut details).replace_range(.., left);
                second(&mut details).replace_range(.., right);
                hash((details, "main".into(), 0, 0))
            };
            assert_ne!(moved("ab", "c"), moved("a", "bc"));
            assert_ne!(moved("a", ""), moved("", "a"));
        }
    }

    #[test]
    fn a_time_beyond_the_years_of_a_timestamp_is_not_linked() {
        for timestamp in [
            datetime!(-0001-12-31 23:59:59.999999 UTC),
            datetime!(0000-01-01 00:30 +01:00),
            datetime!(9999-12-31 23:30 -01:00),
        ] {
            let details = Details { timestamp, ..example() };
            let head = Head { next: 0, hash: GENESIS };
            let mut builder = SegmentBuilder::new(Chain::new("main").unwrap(), head);
            builder.push(&example()).unwrap();
            let before = format!("{builder:?}");
            let push = AssertUnwindSafe(|| builder.push(&details));
            assert!(catch_unwind(push).is_err(), "{timestamp}");
            assert_eq!(format!("{builder:?}"), before, "it left no trace");
            assert!(catch_unwind(|| details.link("main", 0, GENESIS)).is_err(), "{timestamp}");
        }
        let edge = Details { timestamp: datetime!(0000-01-01 00:00 UTC), ..example() };
        let event = edge.link("main", 0, GENESIS);
        assert_eq!(CryptoAuditEvent::decode(event.event_bytes()), Ok(event));
    }
}
