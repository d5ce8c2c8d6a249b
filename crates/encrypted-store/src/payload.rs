//! The content of a record, between the caller's type and the sealed bytes.

use std::fmt;

use blue_envelope::{CONTENT_OFFSET, OVERHEAD};
use blue_store::PayloadType;
use serde::Serialize;
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

/// Content in the buffer that it is sealed in: the room for an envelope's header, and what is to be sealed.
pub(crate) struct SealingBuffer {
    pub(crate) payload_type: PayloadType,
    pub(crate) bytes: Vec<u8>,
}

impl SealingBuffer {
    /// Serialises `value` to where it is sealed.
    pub(crate) fn of_value(value: &impl Serialize, padding: Padding) -> Result<Self, serde_json::Error> {
        // As much as most records have, so that few outgrow it.
        const ROOM: usize = 2_048;
        let mut bytes = room_for(ROOM);
        serde_json::to_writer(&mut bytes, value)?;
        Ok(Self::of_json(bytes, padding))
    }

    /// Copies a payload to where it is sealed.
    pub(crate) fn of_payload(payload: &Payload, padding: Padding) -> Self {
        match payload {
            Payload::Json(text) => {
                let text = text.get().as_bytes();
                let mut bytes = room_for(padding.padded(text.len()));
                bytes.extend_from_slice(text);
                Self::of_json(bytes, padding)
            }
            Payload::Bytes(content) => {
                let mut bytes = room_for(content.len());
                bytes.extend_from_slice(content);
                Self { payload_type: PayloadType::Bytes, bytes }
            }
        }
    }

    /// Only JSON is padded: trailing spaces do not change it.
    fn of_json(mut bytes: Vec<u8>, padding: Padding) -> Self {
        let length = padding.padded(bytes.len() - CONTENT_OFFSET);
        bytes.resize(CONTENT_OFFSET + length, b' ');
        Self { payload_type: PayloadType::Json, bytes }
    }
}

/// An envelope's header, empty, and room for the rest of one with so much content.
fn room_for(content: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(OVERHEAD + content);
    bytes.resize(CONTENT_OFFSET, 0);
    bytes
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(text) => write!(f, "Json([{} bytes])", text.get().len()),
            Self::Bytes(bytes) => write!(f, "Bytes([{} bytes])", bytes.len()),
        }
    }
}
