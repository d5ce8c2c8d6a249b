//! The layout of an envelope. Nothing here knows a key.

use ring::digest;

use crate::KekId;

/// Bytes 0–3 of every envelope.
pub const MAGIC: [u8; 4] = *b"BES1";
/// Byte 4: AES-256-GCM with HKDF-SHA-256, key- and context-committing. 0x02 is reserved.
pub const SUITE: u8 = 0x01;
/// A KEK or a DEK, in bytes.
pub const KEY_LEN: usize = 32;
/// An AES-GCM tag, in bytes.
pub const TAG_LEN: usize = 16;

pub(crate) const COMMITMENT_OFFSET: usize = 5;
pub(crate) const KEK_ID_OFFSET: usize = 37;
pub(crate) const WRAPPED_DEK_OFFSET: usize = 53;
/// Where ciphertext begins; an envelope's fixed part is as long.
pub const CONTENT_OFFSET: usize = 101;
/// How much longer an envelope is than its plaintext, at any size, in bytes.
pub const OVERHEAD: usize = CONTENT_OFFSET + TAG_LEN;
/// The first bytes of an envelope, which identify one write: magic, suite and commitment. [`crate::rewrap`]
/// leaves them alone.
pub const WRITE_ID_LEN: usize = KEK_ID_OFFSET;

/// The bytes are no envelope of format 1: too short, another magic, or another suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than [`OVERHEAD`], the length of an envelope with empty content.
    #[error("an envelope has at least {OVERHEAD} bytes, this has {length}")]
    Short {
        /// How many bytes there are.
        length: usize,
    },
    /// The first four bytes are not [`MAGIC`].
    #[error("the bytes do not begin with the envelope magic BES1")]
    Magic,
    /// A suite that this version does not know.
    #[error("the envelope suite {suite:#04x} is unknown")]
    Suite {
        /// The suite byte found.
        suite: u8,
    },
}

/// The parts of an envelope, borrowed. Well-formed, but nothing of it is verified: whoever wrote the bytes
/// chose them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    bytes: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the parts. Every accepted input is its own one encoding: [`Envelope::as_bytes`] gives it back.
    ///
    /// # Errors
    /// [`Malformed`] as `docs/envelope.md` lists under "What is refused".
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        // "shorter than 117 bytes"
        if bytes.len() < OVERHEAD {
            return Err(Malformed::Short { length: bytes.len() });
        }
        // "magic other than BES1"
        if bytes[..COMMITMENT_OFFSET - 1] != MAGIC {
            return Err(Malformed::Magic);
        }
        // "unknown suite"
        match bytes[COMMITMENT_OFFSET - 1] {
            SUITE => Ok(Self { bytes }),
            suite => Err(Malformed::Suite { suite }),
        }
    }

    /// All bytes, as parsed.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes 0–36: what identifies this one write.
    #[must_use]
    pub fn write_id(&self) -> &'a [u8; WRITE_ID_LEN] {
        self.bytes.first_chunk().expect("parse checked the length")
    }

    /// Bytes 5–36: the commitment to DEK and context.
    #[must_use]
    pub fn commitment(&self) -> &'a [u8; 32] {
        part(self.bytes, COMMITMENT_OFFSET)
    }

    /// Bytes 37–52: the KEK that wraps the DEK.
    #[must_use]
    pub fn kek_id(&self) -> KekId {
        KekId::from_bytes(*part(self.bytes, KEK_ID_OFFSET))
    }

    /// Bytes 53–100: the wrapped DEK, 32 bytes and a tag.
    #[must_use]
    pub fn wrapped_dek(&self) -> &'a [u8; KEY_LEN + TAG_LEN] {
        part(self.bytes, WRAPPED_DEK_OFFSET)
    }

    /// Bytes from 101: ciphertext and its tag.
    #[must_use]
    pub fn content(&self) -> &'a [u8] {
        &self.bytes[CONTENT_OFFSET..]
    }

    /// SHA-256 over bytes 0–36 and 101–end: the fingerprint of what was written, which a rewrap does not
    /// change. The audit log records it.
    #[must_use]
    pub fn content_digest(&self) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(self.write_id());
        hash.update(self.content());
        hash.finish().as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
    }
}

fn part<const N: usize>(bytes: &[u8], offset: usize) -> &[u8; N] {
    bytes[offset..].first_chunk().expect("parse checked the length")
}
