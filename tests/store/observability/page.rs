//! The tables of docs/observability.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Names of spans, fields, metrics, attributes.
pub(crate) type Names = BTreeSet<String>;

/// What the page lists.
pub(crate) struct Page {
    /// By span, what fields it may have.
    pub(crate) spans: BTreeMap<String, Names>,
    /// Those of an operation.
    pub(crate) of_operations: Names,
    /// By metric, what attributes it may have.
    pub(crate) metrics: BTreeMap<String, Names>,
    /// By metric, its kind and unit.
    pub(crate) kinds: BTreeMap<String, String>,
    /// Level, target and message of log events.
    pub(crate) events: BTreeSet<(String, String, String)>,
}

/// The words of a cell that are set as code.
fn code(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The rows of the first table under a heading, without its own head.
fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("the page has this section");
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    rows.skip(2).map(cells).collect()
}

impl Page {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/observability.md");
        let text = std::fs::read_to_string(path).expect("the page is there");
        let of_operations: Names = [
            "bes.namespace",
            "bes.provider",
            "bes.tenant",
            "bes.collection",
            "bes.record",
            "bes.outcome",
            "error.type",
        ]
        .into_iter()
        .chain(["trace_id", "span_id"])
        .map(str::to_owned)
        .collect();
        let mut spans = BTreeMap::new();
        for row in table(&text, "Spans") {
            let fields: Names = match row[2] {
                "those of an operation" => of_operations.clone(),
                listed => code(listed).collect(),
            };
            spans.extend(code(row[0]).map(|span| (span, fields.clone())));
        }
        let (mut metrics, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for row in table(&text, "Metrics") {
            let name = code(row[0]).next().expect("a metric has a name");
            kinds.insert(name.clone(), row[1].to_owned());
            metrics.insert(name, code(row[2]).collect());
        }
        let events = table(&text, "Log events").into_iter();
        let one = |cell| code(cell).next().expect("it is set as code");
        let events = events.map(|row| (row[0].to_owned(), one(row[1]), one(row[2])));
        Self { spans, of_operations, metrics, kinds, events: events.collect() }
    }
}
