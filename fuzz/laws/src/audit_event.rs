//! The bytes of one audit event.

use blue_audit::CryptoAuditEvent;

use crate::{Verdict, digest::sha256};

pub(crate) const OPERATIONS: [&str; 13] = [
    "encrypt",
    "decrypt",
    "delete",
    "generate_kek",
    "unwrap_kek",
    "rotate",
    "rewrap",
    "rewrap_root",
    "retire",
    "shred",
    "lease",
    "open_chain",
    "adopt",
];

pub(crate) const OUTCOMES: [&str; 3] = ["success", "failure", "denied"];

pub(crate) fn law(data: &[u8]) -> Verdict {
    let decoded = CryptoAuditEvent::decode(data);
    let expected = fields(data);
    assert_eq!(decoded.is_ok(), expected.is_some(), "{decoded:?}");
    if let Some((event, fields)) = decoded.ok().zip(expected) {
        assert_eq!(event.event_bytes(), data, "accepted bytes are their own encoding");
        assert_eq!(*event.event_hash(), sha256(&[data]));
        let details = event.details();
        let texts = [
            &details.trace_id,
            &details.span_id,
            details.operation.as_str(),
            &details.key_id,
            &details.principal,
            details.outcome.as_str(),
            &details.reason,
            &details.resource,
        ];
        assert!(texts.iter().map(|text| text.as_bytes()).eq(fields[2..10].iter().copied()));
        assert_eq!(details.version.to_be_bytes(), fields[10]);
        assert_eq!(event.chain().as_bytes(), fields[12]);
        assert_eq!(event.sequence().to_be_bytes(), fields[13]);
        let moved = details.clone().link(event.chain(), event.sequence(), *event.previous_hash());
        assert_eq!(moved, event, "linked anew in the same place it is the same event");
    }
    Verdict::of(expected.is_some())
}

/// The fifteen fields of an event as `docs/audit.md` specifies them, or nothing.
pub(crate) fn fields(data: &[u8]) -> Option<[&[u8]; 15]> {
    let mut rest = data.strip_prefix(b"bes1/event")?;
    let mut fields = [&[][..]; 15];
    for field in &mut fields {
        (*field, rest) = prefixed(rest)?;
    }
    let [event_id, timestamp, .., version, digest, _, sequence, previous] = fields;
    let lengths = event_id.len() == 16
        && version.len() == 8
        && (digest.is_empty() || digest.len() == 32)
        && sequence.len() == 8
        && previous.len() == 32;
    let texts = [2, 3, 4, 5, 6, 7, 8, 9, 12]
        .into_iter()
        .all(|index: usize| std::str::from_utf8(fields[index]).is_ok());
    let words = OPERATIONS.iter().any(|word| word.as_bytes() == fields[4])
        && OUTCOMES.iter().any(|word| word.as_bytes() == fields[7]);
    (rest.is_empty() && lengths && texts && words && is_timestamp(timestamp)).then_some(fields)
}

/// `lp(x)` and what follows it.
pub(crate) fn prefixed(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, data) = data.split_at_checked(4)?;
    data.split_at_checked(u32::from_be_bytes(length.try_into().ok()?).try_into().ok()?)
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`, of a day that the Gregorian calendar has.
pub(crate) fn is_timestamp(text: &[u8]) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd.ddddddZ";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'd' { byte.is_ascii_digit() } else { byte == shape };
    if text.len() != shape.len() || !text.iter().zip(shape).all(fits) {
        return false;
    }
    let number =
        |at: std::ops::Range<usize>| text[at].iter().fold(0_u32, |n, d| n * 10 + u32::from(d - b'0'));
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11..13) < 24 && number(14..16) < 60 && number(17..19) < 60
}
