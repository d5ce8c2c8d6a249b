//! Errors, as what the caller can do about them.

use std::error::Error;

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use blue_encrypted_store::{
    AuditUnavailable, ReadError, WriteError,
    blue_audit::{AppendError, address::NameError},
    table::StoreError,
};
use serde_json::json;

use crate::causes::with_causes;

/// Seconds until it is worth to try again. The store has tried until its deadline already.
const PAUSE: HeaderValue = HeaderValue::from_static("5");

/// An answer that is none of those that were asked for. It says no more than the caller may know: what happened is in this
/// service's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// For programs. It does not change.
    pub(crate) code: &'static str,
}

impl Failure {
    pub(crate) const BAD_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, "bad_request");
    pub(crate) const UNAUTHENTICATED: Self = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated");
    pub(crate) const FORBIDDEN: Self = Self::new(StatusCode::FORBIDDEN, "forbidden");
    pub(crate) const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "not_found");
    /// Somebody else was faster: read it again, and decide anew.
    pub(crate) const CHANGED: Self = Self::new(StatusCode::PRECONDITION_FAILED, "changed");
    /// Writes without a condition kept being in each other's way.
    pub(crate) const CONFLICT: Self = Self::new(StatusCode::CONFLICT, "conflict");
    /// The tenant was erased, for good.
    pub(crate) const ERASED: Self = Self::new(StatusCode::GONE, "erased");
    pub(crate) const TOO_LARGE: Self = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large");
    /// Nothing was done. The same request may succeed later.
    pub(crate) const UNAVAILABLE: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    /// It may have been done or not: read it to know.
    pub(crate) const OUTCOME_UNKNOWN: Self = Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown");
    /// Nothing that the caller can do anything about.
    pub(crate) const INTERNAL: Self = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal");

    const fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code }
    }

    /// Tells the operator, so that the caller need not be told: an error where somebody has to look, a warning where waiting may
    /// help. The library's errors hold addresses, and neither content nor keys.
    fn noted(self, error: &(dyn Error + 'static)) -> Self {
        match self {
            Self::INTERNAL => tracing::error!("{}", with_causes(error)),
            Self::UNAVAILABLE | Self::OUTCOME_UNKNOWN => tracing::warn!("{}", with_causes(error)),
            _ => {}
        }
        self
    }

    /// A write that was not done. With a condition, what was not found as expected is 412 (RFC 9110 §13.1.1).
    pub(crate) fn of_write(error: &WriteError, conditional: bool) -> Self {
        let failure = match error {
            WriteError::Name(_) => Self::BAD_REQUEST,
            WriteError::TooLarge { .. } => Self::TOO_LARGE,
            WriteError::Conflict { .. } | WriteError::NotFound { .. } if conditional => Self::CHANGED,
            WriteError::Conflict { .. } => Self::CONFLICT,
            WriteError::NotFound { .. } => Self::NOT_FOUND,
            WriteError::Shredded(_) => Self::ERASED,
            WriteError::Busy { .. } | WriteError::Key(_) => Self::UNAVAILABLE,
            // Until an operator adopts the table.
            WriteError::Restored(_) => Self::UNAVAILABLE,
            WriteError::Store(error) => of_store(error),
            WriteError::Audit(error) => of_audit(error),
            WriteError::OutcomeUnknown { .. } => Self::OUTCOME_UNKNOWN,
            // What lies in the table was tampered with or is of another type; or a bug.
            _ => Self::INTERNAL,
        };
        failure.noted(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let failure = match &error {
            ReadError::Name(_) => Self::BAD_REQUEST,
            ReadError::Shredded(_) => Self::ERASED,
            ReadError::Key(_) => Self::UNAVAILABLE,
            ReadError::Store(error) => of_store(error),
            ReadError::Audit(error) => of_audit(error),
            // Tampered with, or of another type. An attacker who edits the table learns nothing here from what he tried.
            _ => Self::INTERNAL,
        };
        failure.noted(&error)
    }
}

impl From<NameError> for Failure {
    fn from(_: NameError) -> Self {
        Self::BAD_REQUEST
    }
}

fn of_store(error: &StoreError) -> Failure {
    match error {
        StoreError::Unavailable { .. } => Failure::UNAVAILABLE,
        // Denied, no such table, malformed: waiting does not help.
        _ => Failure::INTERNAL,
    }
}

/// An event that the log did not take: then the content was not released, or the write not done.
fn of_audit(error: &AuditUnavailable) -> Failure {
    match error.source {
        AppendError::Full { .. } | AppendError::Deadline { .. } | AppendError::OutcomeUnknown { .. } => {
            Failure::UNAVAILABLE
        }
        // The log cannot be written, or is not as this process left it.
        _ => Failure::INTERNAL,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.code }))).into_response();
        match self {
            Self::UNAVAILABLE => response.headers_mut().insert(RETRY_AFTER, PAUSE),
            Self::UNAUTHENTICATED => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => None,
        };
        response
    }
}
