//! The dashboard and the alerts, as they name metrics: as the collector's exporter for Prometheus writes them.

use std::{collections::BTreeSet, fs, path::Path};

use crate::page::{Names, Page};

/// What Prometheus has of the metrics of the page: series, and labels.
fn known(page: &Page) -> (Vec<Names>, Names) {
    let underscored = |name: &str| name.replace('.', "_");
    let series = page.kinds.iter().map(|(name, kind)| {
        let name = underscored(name);
        let of_histogram = |name: String| ["bucket", "sum", "count"].map(|part| format!("{name}_{part}"));
        match kind.as_str() {
            "histogram, s" => of_histogram(name + "_seconds").into(),
            "gauge, s" => [name + "_seconds"].into(),
            kind if kind.starts_with("histogram, {") => of_histogram(name).into(),
            kind if kind.starts_with("counter, {") => [name + "_total"].into(),
            kind if kind.starts_with("up-down counter, {") => [name].into(),
            kind => panic!("{name} is of no kind that is known: {kind}"),
        }
    });
    let labels = page.metrics.values().flatten().map(|name| underscored(name)).collect();
    (series.collect(), labels)
}

/// Every word of ours in a file.
fn words(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/observability").join(file);
    let text = fs::read_to_string(path).expect("the file is there");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("bes_") || word.starts_with("db_client_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_there_are_and_the_dashboard_all_of_them() {
    let (series, labels) = known(&Page::read());
    for file in ["dashboard.json", "alerts.yaml"] {
        for word in words(file) {
            let is_known = labels.contains(&word) || series.iter().any(|of| of.contains(&word));
            assert!(is_known, "{file} has {word}, which no metric is named");
        }
    }
    let shown = words("dashboard.json");
    for of in series {
        assert!(!of.is_disjoint(&shown), "no panel of the dashboard has any of {of:?}");
    }
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/observability/dashboard.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dashboard).expect("the file is there")).expect("it is JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
}
