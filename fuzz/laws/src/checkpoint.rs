//! Checkpoints: what is read is what would be written, and nothing else.

use blue_audit::{Baseline, Checkpoint, NoteSigner};
use data_encoding::BASE64;

use crate::{Verdict, audit_event::is_timestamp, digest::sha256, names::is_name, note};

/// The bytes are a note, or the text of a checkpoint.
pub(crate) fn law(data: &[u8]) -> Verdict {
    let of_note = note::law(data).map(|text| judge(text) | judge(&with_its_hash(text)));
    let alone = std::str::from_utf8(data).ok().map(|text| judge(text) | judge(&with_its_hash(text)));
    Verdict::of(of_note == Some(true) || alone == Some(true))
}

/// Whether it is a checkpoint.
fn judge(text: &str) -> bool {
    let read = Checkpoint::parse(text);
    assert_eq!(read.is_ok(), is_checkpoint(text).is_some(), "{read:?}");
    let Ok(checkpoint) = read else { return false };
    assert_eq!(checkpoint.text(), text, "what is accepted is its own text");
    assert!(checkpoint.comes_after(&checkpoint).is_err(), "nothing comes after itself");

    let (namespace, shredded) = (checkpoint.namespace().clone(), checkpoint.shredded().clone());
    let again = Checkpoint::of(namespace.clone(), Baseline::from(checkpoint.clone()), shredded);
    assert_eq!(again.as_ref(), Ok(&checkpoint));
    let signer = NoteSigner::generate(Checkpoint::key_name(&namespace)).expect("a name for every namespace");
    let note = checkpoint.sign(&signer).expect("far below the bound");
    assert_eq!(Checkpoint::open(note, std::slice::from_ref(signer.verifier())), Ok(checkpoint));
    true
}

/// The text with the third line that fits the lines after it: a fuzzer finds no hash.
fn with_its_hash(text: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let [_, _, _, rest @ .., _] = &lines[..] else { return text.to_owned() };
    let hash = BASE64.encode(&hash(rest));
    lines[2] = &hash;
    lines.join("\n")
}

fn hash(lines: &[&str]) -> [u8; 32] {
    let mut bytes = b"bes1/checkpoint".to_vec();
    for line in lines {
        bytes.extend(u32::try_from(line.len()).expect("a short line").to_be_bytes());
        bytes.extend(line.as_bytes());
    }
    sha256(&[&bytes])
}

/// The grammar of `docs/audit.md`, "Text".
fn is_checkpoint(text: &str) -> Option<()> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let (origin, events, third) = (lines.next()?, lines.next()?, lines.next()?);
    let rest: Vec<&str> = lines.collect();
    must(is_name(origin.strip_prefix("bes/")?))?;
    must(third == BASE64.encode(&hash(&rest)))?;

    // The kinds of line in their order; within a kind, ascending names. Of the first two there is at most one line.
    let (mut sum, mut last) = (0_u64, (0, ""));
    for (index, line) in rest.iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let place = match words[..] {
            ["time", time] => must(is_timestamp(time.as_bytes())).map(|()| (1, "")),
            ["table", id] => {
                let visible = id.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
                must(visible && (1..=255).contains(&id.len())).map(|()| (2, ""))
            }
            ["chain", chain, next, head] => {
                let (next, head) = (number(next)?, BASE64.decode(head.as_bytes()).ok()?);
                sum = sum.checked_add(next)?;
                let zeros = head.iter().all(|&byte| byte == 0);
                must(is_name(chain) && head.len() == 32 && zeros == (next == 0)).map(|()| (3, chain))
            }
            ["shredded", tenant, time] => {
                must(is_name(tenant) && is_timestamp(time.as_bytes())).map(|()| (4, tenant))
            }
            _ => None,
        }?;
        must((index > 0 || place.0 == 1) && place > last)?;
        last = place;
    }
    must(!rest.is_empty() && number(events)? == sum)
}

/// Decimal, as a number is written.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    must(digits)?;
    text.parse().ok()
}

fn must(holds: bool) -> Option<()> {
    holds.then_some(())
}
