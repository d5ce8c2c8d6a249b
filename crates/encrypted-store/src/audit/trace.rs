//! Which trace an operation belongs to.

use std::{env, fmt, str::FromStr};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use uuid::Uuid;

/// The variable that a process is handed a trace by (W3C Trace Context, its traceparent).
const VARIABLE: &str = "TRACEPARENT";

/// A place in a trace: W3C Trace Context's trace-id and parent-id, neither of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    /// Whether whoever began it records it.
    sampled: bool,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a traceparent is 00-TRACE-SPAN-FLAGS, with 32, 16 and 2 lowercase hexadecimal digits, ids not all zero"
)]
pub struct NotATraceparent;

impl TraceContext {
    /// A place with these ids, in a trace that is sampled; `None` if one of them is zero, which stands for no trace.
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8]) -> Option<Self> {
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self { trace_id, span_id, sampled: true })
    }

    /// 32 lowercase hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// 16 lowercase hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.span_id))
    }

    /// That of the variable `TRACEPARENT`, if it is set to one.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let text = env::var(VARIABLE).ok().filter(|text| !text.is_empty())?;
        match text.parse() {
            Ok(trace) => Some(trace),
            Err(error) => {
                tracing::warn!(%error, "the variable TRACEPARENT is ignored");
                None
            }
        }
    }

    /// That of the current OpenTelemetry span, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        let context = Context::current();
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| Self {
            trace_id: span.trace_id().to_bytes(),
            span_id: span.span_id().to_bytes(),
            sampled: span.is_sampled(),
        })
    }

    /// A trace of its own, which is logged, so that logs and audit always join.
    pub(crate) fn fresh_and_logged() -> Self {
        let trace = Self::fresh();
        tracing::info!(trace_id = trace.trace_id(), span_id = trace.span_id(), "a trace of its own");
        trace
    }

    fn fresh() -> Self {
        let (trace_id, span_id) = (Uuid::new_v4().into_bytes(), Uuid::new_v4().as_u64_pair().0.to_be_bytes());
        Self { trace_id, span_id, sampled: true }
    }
}

/// Where a span of this process has its parent in another.
impl From<TraceContext> for SpanContext {
    fn from(TraceContext { trace_id, span_id, sampled }: TraceContext) -> Self {
        let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
        let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
        Self::new(trace_id, span_id, flags, true, TraceState::NONE)
    }
}

/// A `traceparent`, as version 00 of W3C Trace Context §3.2 has it; of a later version, its beginning.
impl FromStr for TraceContext {
    type Err = NotATraceparent;

    fn from_str(text: &str) -> Result<Self, NotATraceparent> {
        let mut parts = text.split('-');
        let mut next = |len| parts.next().and_then(|part| lower_hex(part, len)).ok_or(NotATraceparent);
        let version = next(2)?;
        let (trace_id, span_id) = (next(32)?, next(16)?);
        let flags = next(2)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return Err(NotATraceparent);
        }
        let span_id = u64::try_from(span_id).map_err(|_| NotATraceparent)?;
        let trace = Self::new(trace_id.to_be_bytes(), span_id.to_be_bytes()).ok_or(NotATraceparent)?;
        Ok(Self { sampled: flags & 1 == 1, ..trace })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), u8::from(self.sampled))
    }
}

fn lower_hex(part: &str, len: usize) -> Option<u128> {
    let digits = part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits { u128::from_str_radix(part, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_gives_its_ids() {
        let trace: TraceContext = EXAMPLE.parse().unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.span_id(), "00f067aa0ba902b7");
        assert_eq!(trace.to_string(), EXAMPLE);
        let unsampled = EXAMPLE.replace("-01", "-00");
        assert_eq!(unsampled.parse::<TraceContext>().unwrap().to_string(), unsampled);
        let later = EXAMPLE.replacen("00-", "cc-", 1) + "-what-comes";
        assert_eq!(later.parse(), Ok(trace), "of a later version");
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceContext>(), Err(NotATraceparent), "{bad}");
        }
    }

    #[test]
    fn fresh_ones_differ_and_are_valid() {
        let (one, other) = (TraceContext::fresh(), TraceContext::fresh());
        assert_ne!(one.trace_id(), other.trace_id());
        assert_eq!(one.to_string().parse(), Ok(one));
    }
}
