//! Optimistic concurrency: ETags are versions of records (RFC 9110 §13.1).

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderValue,
        header::{IF_MATCH, IF_NONE_MATCH},
        request::Parts,
    },
};
use blue_encrypted_store::{Delete, Put};

use crate::{failure::Failure, service::Service};

/// What a request expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It does not say.
    None,
    /// `If-None-Match: *`: nothing.
    Absent,
    /// `If-Match: "VERSION"`: this version.
    Version(u64),
}

impl Condition {
    pub(crate) fn is_set(self) -> bool {
        self != Self::None
    }

    pub(crate) fn put(self) -> Put {
        match self {
            Self::None => Put::Upsert,
            Self::Absent => Put::Create,
            Self::Version(version) => Put::Replace(version),
        }
    }

    /// `None`: no delete can be done on this condition.
    pub(crate) fn delete(self) -> Option<Delete> {
        match self {
            Self::None => Some(Delete::Any),
            Self::Absent => None,
            Self::Version(version) => Some(Delete::Version(version)),
        }
    }
}

/// The ETag of a version: a strong one, since a version stands for these very bytes.
pub(crate) fn etag(version: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes are a header's value")
}

impl FromRequestParts<Arc<Service>> for Condition {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Service>) -> Result<Self, Failure> {
        let text = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
        match (text(IF_MATCH), text(IF_NONE_MATCH)) {
            (None, None) => Ok(Self::None),
            (None, Some(b"*")) => Ok(Self::Absent),
            // One ETag of ours. What else the RFC allows (lists, weak ones, `*`) no client of ours sends.
            (Some(etag), None) => version(etag).map(Self::Version).ok_or(Failure::BAD_REQUEST),
            _ => Err(Failure::BAD_REQUEST),
        }
    }
}

fn version(etag: &[u8]) -> Option<u64> {
    let digits = etag.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    str::from_utf8(digits).ok()?.parse().ok()
}
