//! The content of a record, between the caller's type and the sealed bytes.

use std::fmt;

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

    /// The bytes to seal. Only JSON is padded: trailing spaces do not change it.
    pub(crate) fn to_plaintext(&self, padding: Padding) -> Vec<u8> {
        match self {
            Self::Json(text) => {
                let text = text.get().as_bytes();
                let mut out = Vec::with_capacity(padding.padded(text.len()));
                out.extend_from_slice(text);
                out.resize(padding.padded(text.len()), b' ');
                out
            }
            Self::Bytes(bytes) => bytes.clone(),
        }
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
