//! Signed notes: their form, and whose signatures count.

use blue_audit::{NoteError, NoteSigner, VerifiedNote};
use data_encoding::BASE64;

/// What a key is made of that every input may name: its text is in the dictionary and the seeds.
const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

/// Returns the text of a note, if the bytes are one, whoever signed it.
pub(crate) fn law(data: &[u8]) -> Option<&str> {
    let signer: NoteSigner = SIGNER.parse().expect("a key as specified");
    let known = signer.verifier();
    let note = parts(data);
    let strangers = VerifiedNote::open(data, &[]);
    match (&note, &strangers) {
        (None, Err(NoteError::Malformed(_))) | (Some(_), Err(NoteError::Unverified)) => {}
        _ => panic!("opened without a key: {strangers:?}"),
    }
    let opened = VerifiedNote::open(data, std::slice::from_ref(known));
    let Some((text, signatures)) = note else {
        assert!(matches!(opened, Err(NoteError::Malformed(_))), "{opened:?}");
        return None;
    };
    let by_known = signatures.iter().filter(|(name, id, _)| *name == known.name() && *id == known.id());
    // RFC 8032 gives each text one signature, and nobody without the seed finds another.
    let right = signer.sign(text).expect("the text of a note can be signed");
    let (_, right) = parts(right.as_bytes()).expect("it was just signed");
    let (mut good, mut bad) = (false, false);
    by_known.for_each(|signature| if *signature == right[0] { good = true } else { bad = true });
    match opened {
        Ok(opened) => {
            assert!(good && !bad);
            assert_eq!((opened.text(), opened.signers()), (text, std::slice::from_ref(known)));
        }
        Err(NoteError::Signature { .. }) => assert!(bad),
        Err(NoteError::Unverified) => assert!(!good && !bad),
        Err(other) => panic!("{other}"),
    }
    Some(text)
}

/// A signature's name, key id, and bytes.
type Signature<'a> = (&'a str, [u8; 4], Vec<u8>);

/// Text and signatures, as `docs/audit.md` has them under "Note".
fn parts(data: &[u8]) -> Option<(&str, Vec<Signature<'_>>)> {
    let note = std::str::from_utf8(data).ok()?;
    if note.len() > 16 << 20 || note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return None;
    }
    // From the last line up to the first empty one.
    let mut lines: Vec<&str> = note.strip_suffix('\n')?.split('\n').collect();
    let mut signatures = Vec::new();
    loop {
        match lines.pop()? {
            "" => break,
            line => signatures.push(signature(line)?),
        }
    }
    signatures.reverse();
    // A text is at least a newline: before the empty line that divides is another line.
    if lines.is_empty() || !(1..=100).contains(&signatures.len()) {
        return None;
    }
    let length = lines.iter().map(|line| line.len() + 1).sum();
    Some((&note[..length], signatures))
}

fn signature(line: &str) -> Option<Signature<'_>> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["\u{2014}", name, encoded] = words[..] else { return None };
    let space = |c: char| {
        matches!(c, '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}')
            || matches!(c, '\u{202f}' | '\u{205f}' | '\u{3000}')
    };
    if name.is_empty() || name.contains('+') || name.contains(space) {
        return None;
    }
    let bytes = BASE64.decode(encoded.as_bytes()).ok().filter(|bytes| bytes.len() >= 5)?;
    Some((name, bytes[..4].try_into().ok()?, bytes[4..].to_vec()))
}
