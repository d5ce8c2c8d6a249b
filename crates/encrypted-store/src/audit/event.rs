//! What an operation says of itself.

use blue_address::{NameError, Principal};
use blue_audit::{CryptoOp, Details, Outcome};

use super::TraceContext;

/// On whose behalf a handle works, as far as it was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) principal: Option<Principal>,
    pub(crate) trace: Option<TraceContext>,
}

impl Caller {
    pub(crate) fn with_principal(&self, principal: impl AsRef<str>) -> Result<Self, NameError> {
        Ok(Self { principal: Some(Principal::new(principal)?), trace: self.trace })
    }

    pub(crate) fn in_trace(&self, trace: TraceContext) -> Self {
        Self { principal: self.principal.clone(), trace: Some(trace) }
    }
}

/// What a process records of what no caller said anything about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) principal: Option<Principal>,
    /// The trace that the process was started in.
    pub(crate) environment: Option<TraceContext>,
}

/// On whose behalf one operation is done, and which trace it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    principal: Option<Principal>,
    trace: TraceContext,
}

impl Origin {
    /// The trace is that of the current OpenTelemetry span; else what the caller set; else that of the process's
    /// environment; else one of its own.
    pub(super) fn of(caller: &Caller, recorder: &Recorder) -> Self {
        let principal = caller.principal.as_ref().or(recorder.principal.as_ref()).cloned();
        let given = TraceContext::current().or(caller.trace).or(recorder.environment);
        Self { principal, trace: given.unwrap_or_else(TraceContext::fresh_and_logged) }
    }

    pub(crate) fn principal(&self) -> &str {
        self.principal.as_ref().map_or("", Principal::as_str)
    }

    /// An event that succeeded, to be completed by struct update.
    pub(crate) fn event(&self, operation: CryptoOp, resource: String) -> Details {
        Details {
            trace_id: self.trace.trace_id(),
            span_id: self.trace.span_id(),
            operation,
            principal: self.principal().to_owned(),
            resource,
            ..Details::now()
        }
    }
}

/// How an operation failed, as its event says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    pub(crate) reason: &'static str,
}

impl Failure {
    pub(crate) const fn failed(reason: &'static str) -> Self {
        Self { outcome: Outcome::Failure, reason }
    }

    pub(crate) const fn denied(reason: &'static str) -> Self {
        Self { outcome: Outcome::Denied, reason }
    }

    pub(crate) fn of(self, event: Details) -> Details {
        Details { outcome: self.outcome, reason: self.reason.to_owned(), ..event }
    }
}
