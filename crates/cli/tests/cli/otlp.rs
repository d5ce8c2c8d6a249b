//! Traces and metrics of a run, as an OTLP endpoint gets them.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::{
    bench::{Bench, Ran, run},
    collector::{Collector, Span},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn exporting<'a>(collector: &'a Collector, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut variables = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    variables.extend(more);
    variables
}

/// The last event of the log with this operation.
fn event(bench: &Bench, operation: &str) -> Value {
    let events = bench.run(&["--output", "json", "audit", "tail", "-n", "100"]).succeeded().json();
    events.into_iter().rfind(|event| event["operation"] == operation).unwrap()
}

#[test]
fn one_operation_has_the_same_ids_in_trace_log_and_audit_event() {
    let (bench, collector) = (Bench::initialised(), Collector::http());
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let more = [("TRACEPARENT", traceparent.as_str()), ("BES_LOG", "info"), ("BES_LOG_FORMAT", "json")];
    let ran = bench.run_with(&exporting(&collector, &more), &["put", "alice/inbox/note/1", "--json", "1"]);
    let ran = ran.succeeded();

    let (whole, put) = (collector.span("bes put"), collector.span("bes.put"));
    assert_eq!(
        (whole.trace_id.as_str(), whole.parent.as_str()),
        (TRACE, PARENT),
        "the caller's trace goes on"
    );
    assert_eq!((put.trace_id.as_str(), &put.parent), (TRACE, &whole.span_id));
    assert_eq!(put.attribute("bes.outcome").as_deref(), Some("success"));
    assert_eq!(whole.attribute("process.exit.code").as_deref(), Some("0"));
    let spans = collector.spans();
    let below = |parent: &Span| spans.iter().filter(|span| span.parent == parent.span_id).collect::<Vec<_>>();
    let appends = below(&put).into_iter().filter(|span| span.name == "bes.audit.append");
    let mut requests = appends.flat_map(below);
    assert!(
        requests.any(|request| request.name == "DynamoDB.TransactWriteItems"),
        "the transaction belongs to the put that waits for it: {spans:#?}"
    );

    let event = event(&bench, "encrypt");
    assert_eq!((&event["trace_id"], &event["span_id"]), (&json!(TRACE), &json!(put.span_id)));

    // The first write of a tenant makes its key, which is logged.
    let lines: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_key = lines.iter().find(|line| line["fields"]["message"] == "created the first key").unwrap();
    let of_put = of_key["spans"].as_array().unwrap().iter().find(|span| span["name"] == "bes.put").unwrap();
    assert_eq!((&of_put["trace_id"], &of_put["span_id"]), (&json!(TRACE), &json!(put.span_id)));
}

#[test]
fn both_protocols_bring_traces_and_metrics() {
    for (collector, protocol) in [(Collector::http(), "http/protobuf"), (Collector::grpc(), "grpc")] {
        let bench = Bench::initialised();
        let more =
            [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_RESOURCE_ATTRIBUTES", "deployment=test")];
        bench
            .run_with(&exporting(&collector, &more), &["put", "t/c/k/1", "--json", "1"])
            .succeeded()
            .never_said("warning");
        assert_eq!(
            collector.span("bes put").attribute_names(),
            ["bes.command", "process.exit.code"],
            "{protocol}"
        );
        let metrics = collector.metrics();
        for metric in ["bes.operation.duration", "db.client.operation.duration", "bes.audit.lag"] {
            assert!(metrics.iter().any(|found| found == metric), "{metric} by {protocol}: {metrics:?}");
        }
        assert!(collector.resources("service.name").iter().all(|name| name == "bes"));
        assert!(collector.resources("deployment").iter().any(|name| name == "test"));
    }
}

#[test]
fn names_are_exported_only_if_they_are_to_be() {
    let (bench, hidden, shown) = (Bench::initialised(), Collector::http(), Collector::http());
    let put = ["put", "alice-tenant/inbox-name/note-kind/id-of-it", "--json", "1"];
    bench.run_with(&exporting(&hidden, &[]), &put).succeeded();
    bench.run_with(&exporting(&shown, &[("BES_TELEMETRY_NAMES", "shown")]), &put).succeeded();
    let has = |collector: &Collector, text: &str| {
        collector.bytes().windows(text.len()).any(|window| window == text.as_bytes())
    };
    for name in ["alice-tenant", "inbox-name", "note-kind", "id-of-it"] {
        assert!(!has(&hidden, name), "{name}");
        // That of a tenant never is.
        assert_eq!(has(&shown, name), name != "alice-tenant", "{name}");
    }
    let (hidden, shown) = (hidden.span("bes.put"), shown.span("bes.put"));
    assert_eq!(hidden.attribute("bes.tenant"), shown.attribute("bes.tenant"));
    assert_eq!(hidden.attribute("bes.tenant").unwrap().len(), 64);
    assert_eq!(shown.attribute("bes.record").as_deref(), Some("note-kind/id-of-it"));
}

#[test]
fn a_run_that_fails_is_exported_all_the_same() {
    let (bench, collector) = (Bench::initialised(), Collector::http());
    bench.run_with(&exporting(&collector, &[]), &["rm", "t/c/k/1", "--if-version", "1"]).exited(3);
    let (whole, removed) = (collector.span("bes rm"), collector.span("bes.delete"));
    assert_eq!((whole.failed, whole.attribute("process.exit.code").as_deref()), (true, Some("3")));
    assert_eq!((removed.failed, removed.attribute("error.type").as_deref()), (true, Some("not_found")));
}

#[test]
fn a_run_that_is_told_to_end_is_exported_all_the_same() {
    let (bench, collector) = (Bench::initialised(), Collector::http());
    for signal in ["-INT", "-TERM"] {
        let mut watch = watching(&bench, &exporting(&collector, &[]));
        run_kill(&watch, signal);
        assert_eq!(watch.wait().unwrap().code(), Some(0));
    }
    let spans = collector.spans();
    for name in ["bes audit watch", "bes.audit.verify"] {
        assert_eq!(spans.iter().filter(|span| span.name == name).count(), 2, "{name}: {spans:?}");
    }
}

#[test]
fn what_cannot_be_delivered_is_said_and_concerns_nothing_else() {
    let bench = Bench::initialised();
    let nobody = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    for protocol in ["http/protobuf", "grpc"] {
        let variables =
            [nobody, ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000")];
        let ran: Ran = bench.run_with(&variables, &["put", "t/c/k/1", "--json", "1"]).succeeded();
        ran.said("warning: traces are not exported: ").said("warning: metrics are not exported: ");
    }
}

#[test]
fn an_exporter_that_there_is_not_is_refused_by_its_name() {
    let bench = Bench::new();
    let ran = bench.run_with(&[("OTEL_TRACES_EXPORTER", "console")], &["init"]).exited(2);
    ran.said("OTEL_TRACES_EXPORTER cannot be \"console\": it should be otlp or none");
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")];
    bench.run_with(&variables, &["init"]).exited(2).said("it should be http/protobuf or grpc");
    assert!(!bench.key_file().exists(), "nothing was begun");
}

/// A verifier that has verified once and waits.
fn watching(bench: &Bench, variables: &[(&str, &str)]) -> Child {
    let mut command = bench.command(&["--output", "json", "audit", "watch"]);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let first = BufReader::new(child.stdout.as_mut().unwrap()).lines().next();
    first.unwrap().unwrap();
    child
}

fn run_kill(child: &Child, signal: &str) {
    let mut kill = std::process::Command::new("kill");
    kill.args([signal, &child.id().to_string()]);
    run(kill, "").succeeded();
}

/// OpenTelemetry's SDK names the threads of its exporters.
#[cfg(target_os = "linux")]
#[test]
fn without_configuration_there_is_no_thread_of_an_exporter() {
    let exporters = |child: &Child| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("OpenTelemetry")).count()
    };
    let (bench, collector) = (Bench::initialised(), Collector::http());
    for (variables, expected) in [(vec![], 0), (exporting(&collector, &[]), 2)] {
        let mut watch = watching(&bench, &variables);
        let found = exporters(&watch);
        run_kill(&watch, "-TERM");
        watch.wait().unwrap();
        assert_eq!(found, expected, "{variables:?}");
    }
}
