//! What a keyring shows of itself (docs/observability.md of the repository has all of it).

use moka::notification::RemovalCause;
use opentelemetry::{KeyValue, global, metrics::Counter};
use tracing::Span;

/// The instruments of one keyring. They belong to the meter provider that the process had when it was made.
#[derive(Debug, Clone)]
pub(super) struct Telemetry {
    lookups: Counter<u64>,
    evictions: Counter<u64>,
}

impl Telemetry {
    pub(super) fn new() -> Self {
        let meter = global::meter("blue-keys");
        Self {
            lookups: meter
                .u64_counter("bes.keyring.lookups")
                .with_unit("{lookup}")
                .with_description(
                    "Uses of a tenant's keys: those that were at hand, and those that had to be read.",
                )
                .build(),
            evictions: meter
                .u64_counter("bes.keyring.evictions")
                .with_unit("{owner}")
                .with_description("Tenants' keys that were dropped: expired, or to make room.")
                .build(),
        }
    }

    pub(super) fn looked_up(&self, hit: bool) {
        self.lookups.add(1, &[KeyValue::new("bes.result", if hit { "hit" } else { "miss" })]);
    }

    pub(super) fn removed(&self, cause: RemovalCause) {
        let cause = match cause {
            RemovalCause::Expired => "expired",
            RemovalCause::Size => "size",
            // Replaced by newer ones, or forgotten on request.
            RemovalCause::Replaced | RemovalCause::Explicit => return,
        };
        self.evictions.add(1, &[KeyValue::new("bes.cause", cause)]);
    }
}

/// The span of a renewal. It belongs to no operation: that which was the first to find the keys near their end has them.
pub(super) fn refreshing(tenant: &str) -> Span {
    tracing::info_span!(parent: None, "bes.keyring.refresh", bes.tenant = tenant)
}
