//! `bes audit report`: the page says what `bes audit verify` says, and nothing that lies in the log can act in it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blue_encrypted_store::blue_audit::{CryptoAuditEvent, CryptoOp, Details, GENESIS, Outcome};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

use crate::bench::{Bench, text};

/// What somebody may have put into a name.
const HOSTILE: &str =
    "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u{202e}\u{0}\u{1b}[31m";

fn used() -> Bench {
    let bench = Bench::initialised();
    for address in ["alice/inbox/note/1", "alice/inbox/note/2", "bob/inbox/note/1"] {
        bench.run(&["put", address, "--json", "1", "--principal", "<script>alert(1)</script>"]).succeeded();
    }
    bench
}

/// A page as strict XML.
#[track_caller]
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}: {page}"))
}

/// All text in an element.
fn content(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

fn elements<'a>(page: &'a Document<'_>, name: &str, class: &str) -> Vec<Node<'a, 'a>> {
    let is = |node: &Node<'_, '_>| {
        let classes = node.attribute("class").unwrap_or_default();
        node.tag_name().name() == name && (class.is_empty() || classes.split(' ').any(|one| one == class))
    };
    page.root().descendants().filter(is).collect()
}

fn by_id<'a>(page: &'a Document<'_>, id: &str) -> Node<'a, 'a> {
    page.root()
        .descendants()
        .find(|node| node.attribute("id") == Some(id))
        .unwrap_or_else(|| panic!("no {id}"))
}

fn headline(page: &Document<'_>) -> String {
    content(elements(page, "h1", "")[0])
}

/// Whatever is said of the log as a whole, such as `MACs`.
fn fact(page: &Document<'_>, name: &str) -> String {
    let term = elements(page, "dt", "").into_iter().find(|term| content(*term) == name).unwrap();
    content(term.next_sibling_element().unwrap())
}

/// The rows of findings, without their numbers.
fn findings(page: &Document<'_>) -> Vec<Vec<String>> {
    let rows = page.root().descendants().filter(|node| {
        node.tag_name().name() == "tr" && node.attribute("id").is_some_and(|id| id.starts_with("finding-"))
    });
    rows.map(|row| row.children().filter(|cell| cell.tag_name().name() == "td").map(content).collect())
        .collect()
}

/// The page can do nothing and fetches nothing.
#[track_caller]
fn assert_inert(page: &Document<'_>) {
    let policy = page.root().descendants().find_map(|node| {
        let header = node.attribute("http-equiv").filter(|name| *name == "Content-Security-Policy");
        header.and_then(|_| node.attribute("content"))
    });
    assert_eq!(policy, Some("default-src 'none'; style-src 'unsafe-inline'"));
    for node in page.root().descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(
            !["script", "img", "link", "iframe", "object", "base", "form", "image", "use"].contains(&name),
            "{name}"
        );
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(
                !name.starts_with("on") && !["src", "srcset", "style", "action"].contains(&name),
                "{name}"
            );
            assert!(name != "href" || value.starts_with('#'), "{value}");
            assert!(!value.contains("url(") || value.starts_with("url(#"), "{value}");
        }
    }
    let style = content(elements(page, "style", "")[0]);
    assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
}

/// An event as an export has it.
fn line(event: &CryptoAuditEvent) -> String {
    let details = event.details();
    let time = details.timestamp;
    let (year, month, day) = time.to_calendar_date();
    let event = json!({
        "event_id": details.event_id.to_string(),
        "timestamp": format!("{year:04}-{:02}-{day:02}T{:02}:00:00.000000Z", u8::from(month), time.hour()),
        "trace_id": details.trace_id, "span_id": details.span_id,
        "operation": details.operation.to_string(), "key_id": details.key_id,
        "principal": details.principal, "outcome": details.outcome.to_string(),
        "reason": details.reason, "resource": details.resource, "version": details.version,
        "content_digest": null, "chain": event.chain(), "sequence": event.sequence(),
        "previous_hash": hex(event.previous_hash()), "event_hash": hex(event.event_hash()),
    });
    event.to_string() + "\n"
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One chain of an export, an event on each of so many days before the turn of a year.
fn chain_of_days(name: &str, count: u64, change: impl Fn(u64, &mut Details)) -> String {
    let (mut lines, mut before) = (String::new(), GENESIS);
    for sequence in 0..count {
        let mut details = Details::now();
        let day = 20_000 - i64::try_from(sequence).unwrap();
        details.timestamp = time::OffsetDateTime::from_unix_timestamp(day * 86_400).unwrap();
        change(sequence, &mut details);
        let event = details.link(name, sequence, before);
        before = *event.event_hash();
        lines.push_str(&line(&event));
    }
    lines
}

fn report(bench: &Bench, arguments: &[&str], code: i32) -> String {
    bench.run(&[&["audit", "report"], arguments].concat()).exited(code).stdout
}

#[test]
fn a_sound_log_makes_a_page_that_says_so_and_counts_every_event() {
    let bench = used();
    let (path, stdout) = (bench.path("report.html"), report(&bench, &["--deep"], 0));
    let file = path.display().to_string();
    bench.run(&["audit", "report", "-o", &file]).succeeded().printed("");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&path).unwrap();
    let verified: Value = bench.run(&["audit", "verify", "--json"]).succeeded().json().remove(0);
    for (page, deep) in [(&written, false), (&stdout, true)] {
        assert!(!page.contains("alert"), "principals are not shown");
        let page = parsed(page);
        assert_inert(&page);
        assert_eq!(headline(&page), "Verified");
        assert_eq!(fact(&page, "Namespace"), "default");
        assert!(fact(&page, "Read from").starts_with(&format!("the table {}", bench.table)));
        assert!(fact(&page, "MACs").starts_with("checked"));
        assert!(fact(&page, "Checkpoint").starts_with("compared with none"));
        assert_eq!(fact(&page, "Records").starts_with("each record"), deep);
        assert_eq!(findings(&page), Vec::<Vec<String>>::new());
        assert_eq!(elements(&page, "rect", "found").len(), 1, "in the key alone");
        let head = verified["chains"][0]["head"].as_str().unwrap();
        assert_eq!(content(elements(&page, "td", "hash")[0]), head);

        // The sum over all days, and of all operations, is what was verified.
        let all = elements(&page, "tfoot", "")[0].descendants().filter(|node| node.tag_name().name() == "td");
        let sums: Vec<u64> = all.map(|cell| content(cell).parse().unwrap()).collect();
        assert_eq!(sums[0], verified["totals"]["events"].as_u64().unwrap());
        assert_eq!(sums[0], sums[1..].iter().sum::<u64>());
    }
    // What is there is not written over.
    bench.run(&["audit", "report", "-o", &file]).exited(3).said("cannot write").said("exists");
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    let page = report(&bench, &["--without-key"], 0);
    let page = parsed(&page);
    assert_eq!(headline(&page), "Verified, MACs not checked");
    assert!(fact(&page, "MACs").starts_with("not checked, for want of the key"));
}

#[test]
fn a_log_that_was_edited_shows_the_finding_in_its_place() {
    let bench = used();
    let mut segments = bench.items();
    segments.retain(|item| text(item, "pk") == "A#main");
    let mut item = segments.remove(1);
    let mut events = item["events"].as_b().unwrap().clone().into_inner();
    *events.last_mut().unwrap() ^= 1;
    item.insert("events".to_owned(), AttributeValue::B(Blob::new(events)));
    bench.put_item(item);

    let verified: Value = bench.run(&["audit", "verify", "--json"]).exited(1).json().remove(0);
    let found = &verified["findings"][0];
    let path = bench.path("report.html");
    let ran = bench.run(&["audit", "report", "-o", path.to_str().unwrap()]).exited(1);
    ran.said("not as it was written");
    let page = fs::read_to_string(&path).unwrap();
    let page = parsed(&page);
    assert_eq!(headline(&page), "Tampered: 1 finding");
    let rows = findings(&page);
    let (first, last) = (&found["sequences"]["first"], &found["sequences"]["last"]);
    let sequences = if first == last { first.to_string() } else { format!("{first}-{last}") };
    assert_eq!(rows[0][..3], [found["class"].as_str().unwrap(), "main", &sequences]);
    assert_eq!(rows[0][5], found["what"].as_str().unwrap());

    // On the line of its chain: behind its beginning, before its end, and named there.
    let mark = |name| {
        let mut marks =
            elements(&page, "rect", name).into_iter().filter(|mark| mark.attribute("x").is_some());
        let mark = marks.next_back().unwrap();
        ["x", "width"].map(|name| mark.attribute(name).unwrap().parse::<u32>().unwrap())
    };
    let ([sound, length], [x, width]) = (mark("sound"), mark("found"));
    assert!(sound < x && x + width < sound + length, "{sound} {length} {x} {width}");
    assert_eq!(content(elements(&page, "text", "found-number")[0]), "1");
    assert_eq!(content(by_id(&page, "strip-text-1")), "1 finding");
    let links: Vec<_> = elements(&page, "a", "").into_iter().filter_map(|a| a.attribute("href")).collect();
    assert_eq!(links, ["#finding-1"]);
}

#[test]
fn a_log_that_was_cut_behind_its_checkpoint_is_2_and_nothing_is_signed() {
    let bench = used();
    let (checkpoints, key) = (bench.path("checkpoints"), bench.path(".blue/keys/checkpoint.key"));
    let file = checkpoints.display().to_string();
    let with_file = [("BES_CHECKPOINT_FILE", file.as_str())];
    bench.run_with(&with_file, &["audit", "report"]).succeeded();
    assert!(!key.exists() && !checkpoints.exists(), "a report signs nothing");
    bench.run_with(&with_file, &["audit", "checkpoint"]).succeeded();
    let signed = fs::read_to_string(&checkpoints).unwrap();
    let page = bench.run_with(&with_file, &["audit", "report"]).succeeded().stdout;
    let page = parsed(&page);
    assert!(fact(&page, "Checkpoint").contains(&file), "{}", fact(&page, "Checkpoint"));
    assert!(content(by_id(&page, "strip-text-1")).contains("; the checkpoint knows all before sequence "));
    assert_eq!(fs::read_to_string(&checkpoints).unwrap(), signed);

    let exported = bench.run(&["audit", "export"]).succeeded().stdout;
    let (shorter, _) = exported.trim_end().rsplit_once('\n').unwrap();
    let export = bench.write("log.jsonl", &format!("{shorter}\n"));
    let arguments = ["--file", export.to_str().unwrap(), "--checkpoint", &file];
    let page = report(&bench, &arguments, 2);
    let page = parsed(&page);
    assert_eq!(headline(&page), "Incomplete: 1 finding");
    assert_eq!(findings(&page)[0][..2], ["truncated", "main"]);
    fs::write(&checkpoints, signed.replace("chain main ", "chain main 1")).unwrap();
    bench.run_with(&with_file, &["audit", "report"]).exited(3).said("is not a checkpoint by a known key");
}

#[test]
fn nothing_that_lies_in_an_export_acts_in_the_page() {
    let bench = Bench::new();
    let opened = |sequence: u64, details: &mut Details| {
        details.operation = CryptoOp::OpenChain;
        details.outcome = Outcome::Success;
        details.principal = HOSTILE.to_owned();
        // No chain of this store; then chains that are not there, one with a name of the kind that a chain can have.
        details.resource = match sequence {
            0 => format!("bes:default/%23audit/{HOSTILE}"),
            _ => "bes:default/%23audit/%3Csvg%3Cscript%3Ealert%281%29%22%27%26".to_owned(),
        };
    };
    let lines =
        chain_of_days("registry", 2, opened) + &chain_of_days("<b>\"'&", 3, |_, _| ()) + HOSTILE + "\n";
    let export = bench.write("<b>&.jsonl", &lines);
    let page = report(&bench, &["--file", export.to_str().unwrap(), "--namespace", "default"], 1);
    let parsed = parsed(&page);
    assert_inert(&parsed);
    assert!(fact(&parsed, "Read from").contains("<b>&.jsonl"));
    let names: Vec<_> = elements(&parsed, "h3", "name").into_iter().map(content).collect();
    assert_eq!(names, ["<b>\"'&", "<svg<script>alert(1)\"'&", "registry"]);
    let rows = findings(&parsed);
    let resource = "bes:default/%23audit/</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\
                    \\u{202e}\\0\\u{1b}[31m";
    assert!(rows.iter().any(|row| row[0] == "malformed" && row[4] == resource), "{rows:?}");
    assert!(rows.iter().any(|row| row[0] == "vanished-chain"), "{rows:?}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
    let verified =
        bench.run(&["audit", "verify", "--json", "--file", export.to_str().unwrap()]).exited(1).json();
    assert_eq!(rows.len(), verified[0]["findings"].as_array().unwrap().len());
}

#[test]
fn a_page_of_any_number_of_days_has_a_bar_for_each_period() {
    let bench = Bench::new();
    for (days, bars, noun) in [(0, 0, "day"), (1, 1, "day"), (400, 400, "day"), (401, 58, "week")] {
        let log = chain_of_days("main", days, |sequence, details| {
            details.outcome = if sequence % 100 == 7 { Outcome::Denied } else { Outcome::Success };
        });
        let export = bench.write("log.jsonl", &log);
        let code = if days == 0 { 2 } else { 0 };
        let page = report(&bench, &["--file", export.to_str().unwrap()], code);
        let page = parsed(&page);
        assert_inert(&page);
        assert_eq!(content(by_id(&page, "events")), format!("Events, by {noun}"));
        let plots = elements(&page, "figure", "");
        // One of all; and one of what was denied, if anything was.
        assert_eq!(plots.len(), usize::from(days > 0) + usize::from(days > 7), "{days}");
        for plot in &plots {
            let of = |class| plot.descendants().filter(move |node| node.attribute("class") == Some(class));
            assert_eq!(of("hover").count(), bars, "{days}");
            let bars: usize =
                of("encrypt").map(|path| path.attribute("d").unwrap().matches('M').count()).sum();
            assert!(bars > 0, "{days}");
        }
        if let Some(plot) = plots.first() {
            let drawn = plot.descendants().find(|node| node.attribute("class") == Some("encrypt")).unwrap();
            let with_success = bars - usize::from(days == 400) * 4;
            assert_eq!(drawn.attribute("d").unwrap().matches('M').count(), with_success, "{days}");
        }
    }
}

#[test]
fn a_report_that_cannot_be_made_is_3_and_leaves_no_file() {
    let bench = used();
    let is_empty = |directory: &Path| fs::read_dir(directory).unwrap().next().is_none();
    let directory = bench.path("out");
    fs::create_dir(&directory).unwrap();
    let to = directory.join("report.html").display().to_string();
    bench.run(&["audit", "report", "-o", &to, "--frobnicate"]).exited(3).said("unexpected argument");
    bench.run(&["audit", "report", "-o", &to, "--file", "nowhere"]).exited(3).said("cannot read nowhere");
    bench
        .run(&["audit", "report", "-o", &to, "--table", "no-such-table"])
        .exited(3)
        .said("there is no table");
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9"), ("BES_DEADLINE", "1s")];
    bench.run_with(&nowhere, &["audit", "report", "-o", &to]).exited(3).said("did not answer");
    assert!(is_empty(&directory));
    let missing = bench.path("missing/report.html").display().to_string();
    bench.run(&["audit", "report", "-o", &missing]).exited(3).said("cannot write");
    // The verdict goes before a page that cannot be written.
    let export = bench.write("log.jsonl", "{}\n").display().to_string();
    bench.run(&["audit", "report", "-o", &missing, "--file", &export]).exited(1).said("cannot write");
}
