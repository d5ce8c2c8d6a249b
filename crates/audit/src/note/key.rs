//! The keys of signed notes.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Signed-note's byte for Ed25519, before the public key and before the seed.
const ED25519_TYPE: u8 = 0x01;

const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// The type byte and a seed or public key, and the same in base 64.
const KEY_DATA_LEN: usize = 1 + 32;
const KEY_DATA_TEXT_LEN: usize = 44;

/// Why there is no key. The text of a private key is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteKeyError {
    /// It cannot be the name of a key.
    #[error("the name of a key is not empty and contains no space, plus sign or control character")]
    Name,
    /// It is not written as such a key is.
    #[error("a {key} key is written {form}")]
    Malformed {
        /// Which key it was to be: "private" or "public".
        key: &'static str,
        /// How such a key is written.
        form: &'static str,
    },
    /// It is no Ed25519 key.
    #[error("the key is of another type than Ed25519")]
    Type,
    /// The id is not that of the name and the key.
    #[error("the id in the key is not the one of its name and public key")]
    Id,
    /// No randomness for a fresh key.
    #[error("the operating system gave no randomness")]
    Randomness,
}

const PUBLIC_FORM: NoteKeyError =
    NoteKeyError::Malformed { key: "public", form: "<name>+<8 hexadecimal digits>+<base64>" };
const PRIVATE_FORM: NoteKeyError =
    NoteKeyError::Malformed { key: "private", form: "PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64>" };

/// The public key that verifies notes: an Ed25519 key under a name, written
/// `<name>+<key id in hexadecimal>+<base64 of 0x01 ‖ public key>`.
///
/// The key id is the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl NoteVerifier {
    /// A public key (RFC 8032) under a name.
    ///
    /// # Errors
    /// [`NoteKeyError::Name`]: the name is empty, or contains a Unicode space, a plus sign or a control character.
    pub fn new(name: impl Into<String>, public: [u8; 32]) -> Result<Self, NoteKeyError> {
        let name = name.into();
        if !is_name(&name) {
            return Err(NoteKeyError::Name);
        }
        let hash = Sha256::new().chain_update(&name).chain_update([b'\n', ED25519_TYPE]).chain_update(public);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        Ok(Self { name, id: [a, b, c, d], public })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id. Together with the name it says which key a signature is by; it proves nothing.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(text.as_bytes(), signature).is_ok()
    }

    /// Name and id, as a person would tell keys apart.
    pub(super) fn short(&self) -> String {
        format!("{}+{}", self.name, hex(self.id))
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = [ED25519_TYPE; KEY_DATA_LEN];
        data[1..].copy_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex(self.id), BASE64.encode(&data))
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let KeyText { name, id, data } = KeyText::parse(text).ok_or(PUBLIC_FORM)?;
        // Go takes the id in capitals too. Nobody writes it so, and one key has one text here.
        let key = Self::new(name, *unpack(&data)?)?;
        if hex(key.id) == id { Ok(key) } else { Err(NoteKeyError::Id) }
    }
}

/// The private key that signs notes: an Ed25519 seed under a name, written
/// `PRIVATE+KEY+<name>+<key id in hexadecimal>+<base64 of 0x01 ‖ seed>`.
///
/// The seed is zeroised when this is dropped. What ring makes of it for each signature is not.
pub struct NoteSigner {
    seed: Zeroizing<[u8; 32]>,
    verifier: NoteVerifier,
}

impl NoteSigner {
    /// Makes a fresh key under a name. By C2SP's convention the name is that of the log, which it calls its origin:
    /// [`crate::Checkpoint::key_name`].
    ///
    /// # Errors
    /// [`NoteKeyError`] if the name cannot be one, or the system gives no randomness.
    pub fn generate(name: impl Into<String>) -> Result<Self, NoteKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).map_err(|_| NoteKeyError::Randomness)?;
        Self::of_seed(name, seed)
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The text of the private key, to be kept as secret as the key itself.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut data = Zeroizing::new([ED25519_TYPE; KEY_DATA_LEN]);
        data[1..].copy_from_slice(&*self.seed);
        let head = format!("{PRIVATE_PREFIX}{}+", self.verifier.short());
        // Of the whole length from the start, so that it never moves and leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(head.len() + KEY_DATA_TEXT_LEN));
        text.push_str(&head);
        BASE64.encode_append(&*data, &mut text);
        text
    }

    pub(super) fn signature(&self, text: &str) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(pair(&self.seed).sign(text.as_bytes()).as_ref());
        signature
    }

    fn of_seed(name: impl Into<String>, seed: Zeroizing<[u8; 32]>) -> Result<Self, NoteKeyError> {
        let mut public = [0; 32];
        public.copy_from_slice(pair(&seed).public_key().as_ref());
        Ok(Self { verifier: NoteVerifier::new(name, public)?, seed })
    }
}

/// Made anew for each use, since ring's copy is never zeroised.
fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are a seed")
}

impl FromStr for NoteSigner {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let key = text.strip_prefix(PRIVATE_PREFIX).and_then(KeyText::parse);
        let KeyText { name, id, data } = key.ok_or(PRIVATE_FORM)?;
        let key = Self::of_seed(name, unpack(&data)?)?;
        if hex(key.verifier.id) == id { Ok(key) } else { Err(NoteKeyError::Id) }
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// A key's text, taken apart. The data may be secret.
struct KeyText<'a> {
    name: &'a str,
    id: &'a str,
    data: Zeroizing<[u8; KEY_DATA_LEN]>,
}

impl<'a> KeyText<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        // Base 64 has plus signs, too.
        let (id, encoded) = rest.split_once('+')?;
        let mut data = Zeroizing::new([0; KEY_DATA_LEN]);
        // 33 bytes are a multiple of three, so that there is no padding and no shorter text of this length.
        if encoded.len() != KEY_DATA_TEXT_LEN || encoded.contains('=') {
            return None;
        }
        BASE64.decode_mut(encoded.as_bytes(), &mut *data).ok()?;
        Some(Self { name, id, data })
    }
}

/// The key after its type byte.
fn unpack(data: &[u8; KEY_DATA_LEN]) -> Result<Zeroizing<[u8; 32]>, NoteKeyError> {
    let [ED25519_TYPE, key @ ..] = data else { return Err(NoteKeyError::Type) };
    Ok(Zeroizing::new(*key))
}

/// Not empty, and no Unicode space, plus sign or control character that a note forbids.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || matches!(c, '\0'..='\u{1f}' | '+'))
}

/// A key's id as it is written.
fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the documentation and the tests of golang.org/x/mod/sumdb/note.
    const PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn private(text: &str) -> Result<NoteSigner, NoteKeyError> {
        text.parse()
    }

    fn public(text: &str) -> Result<NoteVerifier, NoteKeyError> {
        text.parse()
    }

    #[test]
    fn gos_private_key_is_the_one_of_gos_public_key() {
        let signer = private(PRIVATE).unwrap();
        assert_eq!(signer.verifier().to_string(), PUBLIC);
        assert_eq!(*signer.verifier(), public(PUBLIC).unwrap());
        assert_eq!(
            (signer.verifier().name(), signer.verifier().id()),
            ("PeterNeumann", *b"\xc7\x4f\x20\xa3")
        );
        assert_eq!(*signer.expose(), PRIVATE);
        let again = NoteVerifier::new("PeterNeumann", *signer.verifier().public_key());
        assert_eq!(again.as_ref(), Ok(signer.verifier()));
    }

    #[test]
    fn a_generated_key_reads_back_from_its_text() {
        for name in ["bes/prod", "é", "sum.golang.org", "\u{7f}"] {
            let signer = NoteSigner::generate(name).unwrap();
            let again = private(&signer.expose()).unwrap();
            assert_eq!((again.verifier(), &again.seed), (signer.verifier(), &signer.seed));
            assert_eq!(public(&signer.verifier().to_string()).unwrap(), *signer.verifier());
            assert_ne!(NoteSigner::generate(name).unwrap().seed, signer.seed);
        }
    }

    #[test]
    fn a_name_is_visible_text_without_plus_signs() {
        for bad in [
            "", " ", "a b", "a+b", "a\nb", "\t", "a\u{a0}", "\u{2028}", "\u{85}", "\u{0}", "\u{1f}",
            "\u{3000}",
        ] {
            assert_eq!(NoteSigner::generate(bad).unwrap_err(), NoteKeyError::Name, "{bad:?}");
            assert_eq!(NoteVerifier::new(bad, [0; 32]), Err(NoteKeyError::Name), "{bad:?}");
        }
        assert!(NoteVerifier::new("\u{200b}", [0; 32]).is_ok());
    }

    #[test]
    fn no_part_of_a_key_and_no_changed_key_is_a_key() {
        for text in [PRIVATE, PUBLIC] {
            let read = |text: &str| {
                if text.contains("KEY+") { private(text).map(drop) } else { public(text).map(drop) }
            };
            for start in 0..=text.len() {
                for end in start..=text.len() {
                    assert_eq!(
                        read(&text[start..end]).is_ok(),
                        &text[start..end] == PUBLIC || end - start == text.len()
                    );
                }
            }
            for position in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                bytes[position] += 1;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(private(&changed).is_err() && public(&changed).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn each_refusal_says_what_is_wrong() {
        assert_eq!(private(PUBLIC).unwrap_err(), PRIVATE_FORM);
        assert_eq!(public(PRIVATE), Err(PUBLIC_FORM));
        // As Go has them: a key that is too long, and one of another type, each under an id that fits.
        let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
        assert_eq!(public(long), Err(PUBLIC_FORM));
        let other = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(public(other), Err(NoteKeyError::Type));
        assert_eq!(public(&PUBLIC.replace("c74f20a3", "c74f20a4")), Err(NoteKeyError::Id));
        assert_eq!(public(&PUBLIC.replace("c74f20a3", "C74F20A3")), Err(NoteKeyError::Id));
        assert_eq!(private(&PRIVATE.replace("c74f20a3", "c74f20a4")).unwrap_err(), NoteKeyError::Id);
        assert_eq!(public(&PUBLIC.replace("Peter", "Pet er")), Err(NoteKeyError::Name));
        // 32 bytes and a padding of one character are as long as 33 bytes.
        let padded = format!("{}A=", &PUBLIC[..PUBLIC.len() - 2]);
        assert_eq!(public(&padded), Err(PUBLIC_FORM));
        assert_eq!(PUBLIC_FORM.to_string(), "a public key is written <name>+<8 hexadecimal digits>+<base64>");
    }

    #[test]
    fn a_private_key_is_not_shown() {
        let shown = format!("{:?}", private(PRIVATE).unwrap());
        assert!(shown.contains("PeterNeumann"), "{shown}");
        assert!(!shown.contains("seed") && !shown.contains("129, 10, 20, 2"), "{shown}");
        let refused = private(&PRIVATE.replace("c74f", "c74e")).unwrap_err();
        assert!(!format!("{refused:?} {refused}").contains("AYEKFAL"));
    }
}
