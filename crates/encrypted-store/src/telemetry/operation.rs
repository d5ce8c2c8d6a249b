//! The operations that have a span, and a name in metrics.

use tracing::{Span, field};

use super::Described;

macro_rules! operations {
    ($($operation:ident $name:literal $span:literal)*) => {
        /// A public operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($operation),*
        }

        impl Operation {
            /// Its name in metrics.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$operation => $name),*
                }
            }

            pub(super) fn span(self, of: &Described<'_>) -> Span {
                match self {
                    $(Self::$operation => tracing::info_span!(
                        $span,
                        bes.namespace = of.namespace(),
                        bes.provider = of.provider(),
                        bes.tenant = of.tenant(),
                        bes.collection = of.collection(),
                        bes.record = of.record(),
                        bes.outcome = field::Empty,
                        "error.type" = field::Empty,
                        otel.status_code = field::Empty,
                        trace_id = field::Empty,
                        span_id = field::Empty,
                    )),*
                }
            }
        }
    };
}

operations! {
    Open "open" "bes.open"
    Init "init" "bes.init"
    OpenAudit "open_audit" "bes.open_audit"
    Adopt "adopt" "bes.adopt"
    Reset "reset" "bes.reset"
    Put "put" "bes.put"
    Get "get" "bes.get"
    List "list" "bes.list"
    Update "update" "bes.update"
    Delete "delete" "bes.delete"
    Tenants "tenants" "bes.tenants"
    Collections "collections" "bes.collections"
    Flush "flush" "bes.flush"
    Backups "backups" "bes.backups"
    KeysList "keys.list" "bes.keys.list"
    KeysCount "keys.count" "bes.keys.count"
    KeysRotate "keys.rotate" "bes.keys.rotate"
    KeysRewrap "keys.rewrap" "bes.keys.rewrap"
    KeysReseal "keys.reseal" "bes.keys.reseal"
    KeysRetire "keys.retire" "bes.keys.retire"
    KeysEraseKeys "keys.erase_keys" "bes.keys.erase_keys"
    KeysEraseRecords "keys.erase_records" "bes.keys.erase_records"
    RewrapRoot "rewrap_root" "bes.rewrap_root"
    Verify "audit.verify" "bes.audit.verify"
    VerifyDeep "audit.verify_deep" "bes.audit.verify_deep"
}
