//! The content of a record, between the caller's type and the sealed bytes.

use std::fmt;

use blue_envelope::{CONTENT_OFFSET, OVERHEAD};
use blue_store::PayloadType;
use serde_json::value::RawValue;

use crate::Padding;

/// The content of a record: a JSON text, or bytes. It is not shown by `Debug`.
#[derive(Clone)]
pub enum Payload {
    /// One JSON value, its text kept as it was given.
    Json(Box<RawValue>),
    /// Bytes, whatever they are.
    Bytes(Vec<u8>),
}

impl Payload {
    pub(crate) fn payload_type(&self) -> PayloadType {
        match self {
            Self::Json(_) => PayloadType::Json,
            Self::Bytes(_) => PayloadType::Bytes,
        }
    }

    /// The bytes to seal, after the room for an envelope's header. Only JSON is padded: trailing spaces do not
    /// change it.
    pub(crate) fn to_sealing_buffer(&self, padding: Padding) -> Vec<u8> {
        let (content, length) = match self {
            Self::Json(text) => (text.get().as_bytes(), padding.padded(text.get().len())),
            Self::Bytes(bytes) => (&bytes[..], bytes.len()),
        };
        let mut buffer = Vec::with_capacity(OVERHEAD + length);
        buffer.resize(CONTENT_OFFSET, 0);
        buffer.extend_from_slice(content);
        buffer.resize(CONTENT_OFFSET + length, b' ');
        buffer
    }

    /// The content of opened bytes, or `None` if they are not of that type.
    pub(crate) fn of_plaintext(payload_type: PayloadType, plaintext: Vec<u8>) -> Option<Self> {
        match payload_type {
            PayloadType::Json => {
                let mut text = String::from_utf8(plaintext).ok()?;
                text.truncate(text.trim_end_matches(' ').len());
                RawValue::from_string(text).ok().map(Self::Json)
            }
            PayloadType::Bytes => Some(Self::Bytes(plaintext)),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(text) => write!(f, "Json([{} bytes])", text.get().len()),
            Self::Bytes(bytes) => write!(f, "Bytes([{} bytes])", bytes.len()),
        }
    }
}
