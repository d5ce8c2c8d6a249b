//! What monitoring sees of verifications: OpenTelemetry counters and a gauge, through whatever provider the process has.
//!
//! They are made anew each time: what was made before a provider was set would count nowhere.

use std::{collections::BTreeMap, time::SystemTime};

use blue_address::Namespace;
use blue_audit::{Report, Verdict};
use opentelemetry::{KeyValue, global, metrics::Meter};

fn meter() -> Meter {
    global::meter("blue-encrypted-store")
}

fn count(name: &'static str, unit: &'static str, by: u64, attributes: &[KeyValue]) {
    meter().u64_counter(name).with_unit(unit).build().add(by, attributes);
}

fn count_verification(namespace: &Namespace, verdict: String) {
    let attributes =
        [KeyValue::new("bes.namespace", namespace.to_string()), KeyValue::new("bes.verdict", verdict)];
    count("bes.audit.verifications", "{verification}", 1, &attributes);
}

/// Counts a verification, the events that it read, and what it found; and logs what it found.
pub(super) fn verified(report: &Report) {
    count_verification(&report.namespace, report.verdict().to_string());
    let of = KeyValue::new("bes.namespace", report.namespace.to_string());
    count("bes.audit.verified_events", "{event}", report.totals().events, std::slice::from_ref(&of));
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in report.findings.listed() {
        *classes.entry(finding.class.as_str()).or_default() += 1;
    }
    if report.findings.left_out() > 0 {
        classes.insert("not-listed", report.findings.left_out());
    }
    for (class, findings) in classes {
        let attributes = [of.clone(), KeyValue::new("bes.class", class)];
        count("bes.audit.discontinuities", "{discontinuity}", findings, &attributes);
    }
    if report.verdict() == Verdict::Verified {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let gauge = meter().u64_gauge("bes.audit.verified_at").with_unit("s").build();
        gauge.record(now.as_secs(), std::slice::from_ref(&of));
    }
    if report.findings.count() > 0 {
        let (verdict, findings) = (report.verdict(), report.findings.count());
        tracing::error!(target: "bes::audit", %verdict, findings, "the audit log is not verified");
    }
}

/// Counts a verification that did not run: for whoever is to verify a log and does not get as far as
/// [`AuditLog::verify`](crate::AuditLog::verify), which counts its own.
pub fn verification_did_not_run(namespace: &Namespace) {
    count_verification(namespace, "not-run".to_owned());
}
