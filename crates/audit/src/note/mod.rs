//! Signed notes: a text, and under it the signatures of named Ed25519 keys.
//!
//! The format is C2SP's [signed-note](https://c2sp.org/signed-note), and its keys are written as the Go module
//! `golang.org/x/mod/sumdb/note` writes them, so that the tools of others read both.

mod key;

use std::fmt::Write;

use data_encoding::BASE64;

pub use key::{NoteKeyError, NoteSigner, NoteVerifier};

/// The most bytes that a note may have: 16 MiB. A checkpoint of 100,000 chains is shorter.
pub const MAX_NOTE_LEN: usize = 16 * 1024 * 1024;

/// The most signatures that a note may have, as in Go's implementation; the specification demands at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 100;

const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A text that is not signed, since no note can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsignableText {
    /// It does not end in a newline.
    #[error("the text of a note ends in a newline")]
    Unterminated,
    /// It contains a control character below U+0020 other than newline.
    #[error("the text of a note contains no control characters but newlines")]
    Control,
    /// The note would be longer than [`MAX_NOTE_LEN`].
    #[error("the note has {length} bytes, {MAX_NOTE_LEN} are allowed")]
    TooLong {
        /// How long it would be.
        length: usize,
    },
}

/// Why nothing of a note is to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The bytes are no note.
    #[error("the bytes are no signed note: {0}")]
    Malformed(&'static str),
    /// A signature that names a known key is not by that key over this text.
    #[error("the signature of {key} does not fit the text")]
    Signature {
        /// The key's name, a plus, and its id in hexadecimal.
        key: String,
    },
    /// No signature is by a known key.
    #[error("no signature of the note is by a known key")]
    Unverified,
}

/// A note's text, once a known key's signature over it was verified. There is no other way to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNote {
    text: String,
    signers: Vec<NoteVerifier>,
}

impl VerifiedNote {
    /// Opens a note: its form is checked first, then every signature by one of the `known` keys. Signatures by others are
    /// ignored, as long as they are well-formed.
    ///
    /// # Errors
    /// [`NoteError`], and then nothing of the note is to be believed. One bad signature by a known key is enough.
    pub fn open(note: impl AsRef<[u8]>, known: &[NoteVerifier]) -> Result<Self, NoteError> {
        let (text, signatures) = split(note.as_ref())?;
        let mut signers: Vec<NoteVerifier> = Vec::new();
        for signature in &signatures {
            // Several known keys may share a name and an id by someone's design. Each must have signed, so none has.
            for key in known.iter().filter(|key| key.name() == signature.name && key.id() == signature.key_id)
            {
                if !key.verifies(text, &signature.bytes) {
                    return Err(NoteError::Signature { key: key.short() });
                }
                if !signers.contains(key) {
                    signers.push(key.clone());
                }
            }
        }
        if signers.is_empty() {
            return Err(NoteError::Unverified);
        }
        Ok(Self { text: text.to_owned(), signers })
    }

    /// What was signed, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The known keys that signed it, at least one, in the order of their first signatures.
    #[must_use]
    pub fn signers(&self) -> &[NoteVerifier] {
        &self.signers
    }
}

impl NoteSigner {
    /// Signs a text: the note is the text, an empty line, and this key's signature on a line of its own.
    ///
    /// # Errors
    /// [`UnsignableText`] for a text that no note can hold.
    pub fn sign(&self, text: &str) -> Result<String, UnsignableText> {
        if !text.ends_with('\n') {
            return Err(UnsignableText::Unterminated);
        }
        if text.contains(is_forbidden) {
            return Err(UnsignableText::Control);
        }
        let key = self.verifier();
        let signature = [&key.id()[..], &self.signature(text)].concat();
        let mut note = text.to_owned();
        write!(note, "\n{SIGNATURE_PREFIX}{} {}\n", key.name(), BASE64.encode(&signature))
            .expect("a string takes all that is written to it");
        if note.len() > MAX_NOTE_LEN {
            return Err(UnsignableText::TooLong { length: note.len() });
        }
        Ok(note)
    }
}

/// One signature line, taken apart.
struct Signature<'a> {
    name: &'a str,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// The text with its final newline, and the signatures under it, at least one.
fn split(note: &[u8]) -> Result<(&str, Vec<Signature<'_>>), NoteError> {
    let malformed = |what| Err(NoteError::Malformed(what));
    if note.len() > MAX_NOTE_LEN {
        return malformed("it is too long");
    }
    let Ok(note) = str::from_utf8(note) else { return malformed("it is not UTF-8") };
    if note.contains(is_forbidden) {
        return malformed("it contains a control character");
    }
    // The last empty line: a text may contain others.
    let Some(end) = note.rfind("\n\n") else { return malformed("no empty line ends its text") };
    let (text, signatures) = (&note[..=end], &note[end + 2..]);
    let Some(lines) = signatures.strip_suffix('\n') else { return malformed("no newline ends it") };
    let mut found = Vec::new();
    for line in lines.split('\n') {
        if found.len() == MAX_NOTE_SIGNATURES {
            return malformed("it has too many signatures");
        }
        let Some(signature) = signature(line) else { return malformed("a line is no signature") };
        found.push(signature);
    }
    Ok((text, found))
}

fn signature(line: &str) -> Option<Signature<'_>> {
    let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    if !key::is_name(name) {
        return None;
    }
    // One text for each signature: not several that end in padding, one behind the other, which would be decoded too.
    let text = signature;
    let signature = BASE64.decode(text.as_bytes()).ok().filter(|bytes| BASE64.encode(bytes) == text)?;
    let (&key_id, bytes) = signature.split_first_chunk()?;
    // A key's id alone is a signature by none.
    (!bytes.is_empty()).then(|| Signature { name, key_id, bytes: bytes.to_vec() })
}

/// What no note contains: the control characters below U+0020, but not the newline.
fn is_forbidden(c: char) -> bool {
    c < ' ' && c != '\n'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // From the documentation of golang.org/x/mod/sumdb/note.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const BY_PETER: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6\
                            KE6RyyBwJnAM=\n";
    const BY_ENOCH: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1\
                            RvMc+QQ=\n";

    fn key(text: &str) -> NoteVerifier {
        text.parse().unwrap()
    }

    fn malformed(note: impl AsRef<[u8]>) -> &'static str {
        match VerifiedNote::open(note, &[key(PETER), key(ENOCH)]) {
            Err(NoteError::Malformed(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    fn bad_signature(note: &str, known: &[NoteVerifier]) -> String {
        match VerifiedNote::open(note, known) {
            Err(NoteError::Signature { key }) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_note_of_gos_documentation_opens_with_the_keys_that_are_known() {
        let note = format!("{TEXT}\n{BY_PETER}{BY_ENOCH}");
        for (known, signers) in [
            (vec![key(PETER)], vec![key(PETER)]),
            (vec![key(ENOCH)], vec![key(ENOCH)]),
            (vec![key(ENOCH), key(PETER), key(ENOCH)], vec![key(PETER), key(ENOCH)]),
        ] {
            let opened = VerifiedNote::open(&note, &known).unwrap();
            assert_eq!((opened.text(), opened.signers()), (TEXT, &signers[..]));
        }
        assert_eq!(VerifiedNote::open(&note, &[]), Err(NoteError::Unverified));
        let by_peter = format!("{TEXT}\n{BY_PETER}");
        assert_eq!(VerifiedNote::open(by_peter, &[key(ENOCH)]), Err(NoteError::Unverified));
    }

    #[test]
    fn a_checkpoint_of_gos_checksum_database_opens() {
        let text = "go.sum database tree\n30055305\nmXfgRcJ0bG0j3CPdKwgGWtUzBUbX67saZGRmFuJGGsM=\n";
        let note = format!(
            "{text}\n— sum.golang.org Az3grpgEild5qw7+5dtV13Kf1C2Xurm8q4fhdxvcsDHnqNTaxL2AFjBY+2TyGKevucFcAAlWFJJYle3EJlDCr\
             Q+y3A8=\n"
        );
        let known = key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");
        assert_eq!(VerifiedNote::open(note, &[known]).unwrap().text(), text);
    }

    /// No key for it is published, so that its form is all there is to check.
    #[test]
    fn the_note_of_the_specification_is_well_formed() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
                    — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ih\
                    AQwaqP3ZekRwNtIc=\n";
        assert_eq!(VerifiedNote::open(note, &[key(PETER)]), Err(NoteError::Unverified));
        let (text, signatures) = split(note.as_bytes()).unwrap();
        assert!(text.ends_with("sole:\n\ned è subito sera.\n"));
        assert_eq!(
            (signatures.len(), signatures[0].key_id, signatures[0].bytes.len()),
            (1, *b"\x36\x7b\xa0\x4b", 64)
        );
    }

    #[test]
    fn what_is_signed_opens_to_the_same_text() {
        let signer = NoteSigner::generate("bes/prod").unwrap();
        let known = [signer.verifier().clone()];
        for text in ["\n", "a\n", "\n\n\n", "a\n\n— b c\n", TEXT, "\u{7f}\u{85}é\u{1f600}\n"] {
            let note = signer.sign(text).unwrap();
            assert!(note.starts_with(text));
            assert_eq!(VerifiedNote::open(&note, &known).unwrap().text(), text);
            assert_eq!(signer.sign(text).unwrap(), note, "Ed25519 signatures are deterministic");
        }
    }

    #[test]
    fn a_text_that_no_note_can_hold_is_not_signed() {
        let signer = NoteSigner::generate("bes/prod").unwrap();
        for (text, error) in [
            ("", UnsignableText::Unterminated),
            ("a", UnsignableText::Unterminated),
            ("a\r\n", UnsignableText::Control),
            ("\t\n", UnsignableText::Control),
            ("\u{0}\n", UnsignableText::Control),
            ("\u{1f}\n", UnsignableText::Control),
        ] {
            assert_eq!(signer.sign(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_longest_note_opens_and_a_longer_one_is_neither_signed_nor_opened() {
        let signer = NoteSigner::generate("bes/prod").unwrap();
        let room = MAX_NOTE_LEN - (signer.sign("\n").unwrap().len() - 1);
        let text = "a".repeat(room - 1) + "\n";
        let note = signer.sign(&text).unwrap();
        assert_eq!((note.len(), MAX_NOTE_LEN), (16_777_216, 16_777_216));
        assert_eq!(VerifiedNote::open(&note, &[signer.verifier().clone()]).unwrap().text(), text);
        let longer = "a".to_owned() + &text;
        assert_eq!(signer.sign(&longer), Err(UnsignableText::TooLong { length: MAX_NOTE_LEN + 1 }));
        assert_eq!(malformed("a".to_owned() + &note), "it is too long");
    }

    #[test]
    fn a_bad_signature_of_a_known_key_refuses_the_whole() {
        let (peter, enoch) = (key(PETER), key(ENOCH));
        let other_text = format!("{}\n{BY_PETER}", TEXT.replace("your", "our"));
        assert_eq!(bad_signature(&other_text, std::slice::from_ref(&peter)), "PeterNeumann+c74f20a3");
        // Whatever stands before or after it, and though the same key's good signature does.
        let bad = BY_PETER.replace("ZJku", "ZJkv");
        for signatures in [format!("{bad}{BY_PETER}"), format!("{BY_PETER}{bad}"), format!("{BY_ENOCH}{bad}")]
        {
            let note = format!("{TEXT}\n{signatures}");
            assert_eq!(bad_signature(&note, &[peter.clone(), enoch.clone()]), "PeterNeumann+c74f20a3");
        }
        // One byte less is no signature either.
        let short = format!("{TEXT}\n— PeterNeumann {}\n", BASE64.encode(&[0xc7, 0x4f, 0x20, 0xa3, 1]));
        bad_signature(&short, std::slice::from_ref(&peter));
        // To those who do not know the key it is nothing.
        assert!(VerifiedNote::open(format!("{TEXT}\n{bad}{BY_ENOCH}"), &[enoch]).is_ok());
    }

    #[test]
    fn a_signature_is_by_a_key_only_under_its_name_and_its_id() {
        let peter = [key(PETER)];
        for line in [BY_PETER.replace("Peter", "Petra"), BY_PETER.replace("x08g", "x08h")] {
            let note = format!("{TEXT}\n{line}");
            assert_eq!(VerifiedNote::open(note, &peter), Err(NoteError::Unverified), "{line}");
        }
    }

    #[test]
    fn whatever_is_no_note_is_malformed() {
        let note = format!("{TEXT}\n{BY_PETER}");
        let empty_line = "no empty line ends its text";
        let no_signature = "a line is no signature";
        assert_eq!(malformed(""), empty_line);
        assert_eq!(malformed(TEXT), empty_line);
        assert_eq!(malformed(format!("{TEXT}{BY_PETER}")), empty_line);
        assert_eq!(malformed(format!("{TEXT}\n")), "no newline ends it");
        let pieces = BASE64.encode(&[1, 2, 3, 4]) + &BASE64.encode(&[5; 65]);
        assert_eq!(malformed(format!("{TEXT}\n— PeterNeumann {pieces}\n")), no_signature);
        assert_eq!(malformed(note.trim_end()), "no newline ends it");
        assert_eq!(malformed(note.replace('\n', "\r\n")), "it contains a control character");
        assert_eq!(malformed(format!("\u{1f}{note}")), "it contains a control character");
        assert_eq!(malformed([note.as_bytes(), b"\xff\n"].concat()), "it is not UTF-8");
        for (from, to) in [
            ("— Peter", "- Peter"),
            ("— Peter", "—\u{a0}Peter"),
            ("— Peter", "—  Peter"),
            ("— Peter", " — Peter"),
            ("— PeterNeumann ", "— "),
            ("PeterNeumann x", "Peter\u{2003}Neumann x"),
            ("PeterNeumann x", "Peter+Neumann x"),
            ("nAM=\n", "nAM\n"),
            ("nAM=\n", "nAN=\n"),
            ("nAM=\n", "nAM= \n"),
            ("nAM=\n", "nAM=\nMore.\n"),
            ("x08go/", "x08go_"),
        ] {
            assert_eq!(malformed(note.replacen(from, to, 1)), no_signature, "{from:?} to {to:?}");
        }
        // A key's id, and no signature after it.
        assert_eq!(malformed(format!("{TEXT}\n— PeterNeumann x08gow==\n")), no_signature);
        // Even a stranger's signature must have the form of one.
        assert_eq!(malformed(format!("{note}— Nobody ?\n")), no_signature);
    }

    #[test]
    fn a_note_has_up_to_a_hundred_signatures() {
        let most = format!("{TEXT}\n{}{BY_PETER}", BY_ENOCH.repeat(MAX_NOTE_SIGNATURES - 1));
        assert_eq!(VerifiedNote::open(&most, &[key(PETER), key(ENOCH)]).unwrap().signers().len(), 2);
        assert_eq!(malformed(most + BY_ENOCH), "it has too many signatures");
    }

    proptest! {
        #[test]
        fn a_note_with_any_byte_changed_does_not_open_to_another_text(position in 0..10_000_usize, bits in 1..=255_u8) {
            let mut note = format!("{TEXT}\n{BY_PETER}").into_bytes();
            let position = position % note.len();
            note[position] ^= bits;
            prop_assert!(VerifiedNote::open(note, &[key(PETER)]).is_err());
        }
    }
}
