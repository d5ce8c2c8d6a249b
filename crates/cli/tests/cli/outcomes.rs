//! Every exit code, with what is said along with it.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    bench::{Bench, text},
    server::{Action, Server},
};

#[test]
fn bad_input_is_2_and_names_what_is_wrong() {
    let bench = Bench::initialised();
    let put = |more: &[&str]| bench.run(&[&["put", "t/c/k/1"], more].concat()).exited(2);
    put(&["--json", "hello"])
        .said("the text of --json is no JSON value")
        .said("because expected value at line 1");
    put(&["--json", "1", "--attr", "x"]).said("there is no '='");
    put(&["--json", "1", "--attr", "pk=x"]).said("\"pk\" is reserved");
    put(&["--json", "1", "--attr", "_x=1"]).said("\"_x\" is reserved");
    put(&["--json", "1", "--attr", "n:int=1.0"]).said("is no whole number");
    put(&["--json", "1", "--attr", "dc:title=x"]).said("there is no type \"title\"");
    put(&["--json", "1", "--attr", "a=1", "--attr", "a=2"]).said("\"a\" is given twice");
    put(&["--json", "1", "--if-absent", "--if-version", "1"]).said("cannot be used with");
    put(&["--file", "nowhere"]).said("cannot read nowhere").said("because No such file");
    put(&[]).said("standard input is no JSON value");
    bench.run(&["put", "t/c/k", "--json", "1"]).exited(2).said("\"t/c/k\" has 3");
    bench.run(&["put", "t#/c/k/1", "--json", "1"]).exited(2).said("the tenant contains '#' at byte 1");
    bench.run(&["get", "t/c/k/\u{1}"]).exited(2).said("the record id contains");
    bench.run(&["ls", "t/c/k"]).exited(2).said("\"t/c/k\" has 3");
    bench.run(&["frobnicate"]).exited(2).said("unrecognized subcommand");

    let large = format!("\"{}\"", "x".repeat(409_600));
    let ran = bench.run_with_input(&["put", "t/c/k/1"], &large).exited(2);
    ran.said("the record t/c/k/1 is too large").said("DynamoDB allows 409600");
    let huge = "x".repeat(1 << 21);
    bench.run_with_input(&["put", "t/c/k/1", "--bytes"], &huge).exited(2).said("has more than 1048576 bytes");
    assert!(bench.items().iter().all(|item| !text(item, "pk").starts_with("R#")), "nothing was written");
}

#[test]
fn no_record_is_3() {
    let bench = Bench::initialised();
    bench.run(&["get", "t/c/k/1"]).exited(3).printed("").said("error: there is no record t/c/k/1");
    bench.run(&["rm", "t/c/k/1"]).exited(3).said("there is no record t/c/k/1");
    bench.run(&["rm", "t/c/k/1", "--if-version", "1"]).exited(3);
    bench.run(&["put", "t/c/k/1", "--json", "1", "--if-version", "1"]).exited(3);
}

#[test]
fn another_version_is_4() {
    let bench = Bench::initialised();
    let version = bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded().stdout;
    let there = format!("the record t/c/k/1 is there with version {}", version.trim());
    let look = "help: nothing was changed; look and decide: bes get t/c/k/1";
    bench.run(&["put", "t/c/k/1", "--json", "2", "--if-absent"]).exited(4).said(&there).said(look);
    bench.run(&["put", "t/c/k/1", "--json", "2", "--if-version", "1"]).exited(4).said(&there);
    bench.run(&["rm", "t/c/k/1", "--if-version", "1"]).exited(4).said(&there);
    bench.run(&["get", "t/c/k/1"]).printed("1\n");
}

#[test]
fn a_tampered_record_is_5_and_hides_no_other() {
    let bench = Bench::initialised();
    for id in ["1", "2", "3"] {
        bench.run(&["put", &format!("t/c/k/{id}"), "--json", id, "--attr", "s=x"]).succeeded();
    }
    let mut item = bench.items().into_iter().find(|item| text(item, "sk") == "k#2").unwrap();
    item.insert("s".to_owned(), AttributeValue::S("y".to_owned()));
    bench.put_item(item);

    let ran = bench.run(&["get", "t/c/k/2"]).exited(5).printed("");
    ran.said("error: the record t/c/k/2 was tampered with, or is damaged").said("bes rm t/c/k/2");
    bench.run(&["put", "t/c/k/2", "--json", "0"]).exited(5);
    let ran = bench.run(&["export", "t/c"]).exited(9).said("t/c/k/2").said("error: 1 record did not open");
    let values: Vec<_> = ran.json().iter().map(|line| line["value"].clone()).collect();
    assert_eq!(values, [1, 3]);
    let ran = bench.run(&["ls", "t/c"]).exited(9).said("t/c/k/2");
    assert_eq!(ran.stdout.lines().count(), 2);
    bench.run(&["rm", "t/c/k/2"]).succeeded();
    bench.run(&["export", "t/c"]).succeeded();
}

#[test]
fn a_shredded_tenant_is_10() {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded();
    bench.shred("t");
    let shredded = "t was shredded at 2026-01-02T03:04:05Z";
    bench.run(&["get", "t/c/k/1"]).exited(10).said(shredded).said("needs another name");
    bench.run(&["put", "t/c/k/2", "--json", "1"]).exited(10).said(shredded);
    bench.run(&["export", "t/c"]).exited(10).said(shredded).printed("");
    bench.run(&["put", "other/c/k/1", "--json", "1"]).succeeded();
}

#[test]
fn a_write_that_is_never_answered_is_8() {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded();
    let server = Server::start(|request| {
        if request.operation == "TransactWriteItems" && request.body.contains("R#t#c") {
            Action::Cut
        } else {
            Action::Forward
        }
    });
    let variables = [("AWS_ENDPOINT_URL_DYNAMODB", server.url.as_str()), ("BES_DEADLINE", "2s")];
    let ran = bench.run_with(&variables, &["put", "t/c/k/o'2", "--json", "2", "--if-absent"]).exited(8);
    let ran = ran.said("it is not known whether t/c/k/o'2 was written");
    ran.said(r"help: read it again to know: bes get 't/c/k/o'\''2'");
}

#[test]
fn a_denial_is_7() {
    let bench = Bench::new();
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: x is not authorized"}"#;
    let server = Server::start(move |_| Action::Answer(400, denied.to_owned()));
    let ran = bench.run_with(&[("AWS_ENDPOINT_URL_DYNAMODB", &server.url)], &["get", "t/c/k/1"]).exited(7);
    let ran =
        ran.said("error: the database denied DescribeTable").said("because AccessDeniedException: User: x");
    ran.said("help: set AWS_ACCESS_KEY_ID");
    assert!(!bench.key_file().exists());
}

#[test]
fn what_the_sdk_lacks_is_named() {
    let bench = Bench::initialised();
    let without = |names: &[&str]| {
        let mut command = bench.command(&["ls", "t/c"]);
        for name in names {
            command.env_remove(name);
        }
        crate::bench::run(command, "")
    };
    without(&["AWS_REGION", "AWS_DEFAULT_REGION"])
        .exited(2)
        .said("no AWS Region is configured")
        .said("--region");
    let ran = without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]).exited(7);
    ran.said("the database denied DescribeTable")
        .said("help: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}

#[test]
fn an_endpoint_where_nothing_listens_is_7_in_good_time() {
    let bench = Bench::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let started = std::time::Instant::now();
    let ran = bench.run(&["--endpoint-url", &url, "init"]).exited(7);
    assert!(started.elapsed().as_secs() < 30);
    let ran = ran.said("the database did not answer DescribeTable").said("Connection refused");
    ran.said(&format!("help: the endpoint is {url} (from --endpoint-url)")).said("cargo xtask up");
    assert!(!bench.key_file().exists(), "nothing was made");
}

#[test]
fn an_endpoint_that_keeps_silent_is_7_within_the_deadline() {
    let bench = Bench::new();
    let server = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(600));
        Action::Cut
    });
    let variables = [
        ("AWS_ENDPOINT_URL_DYNAMODB", server.url.as_str()),
        ("BES_DEADLINE", "2s"),
        ("BES_ATTEMPT_TIMEOUT", "1s"),
    ];
    let started = std::time::Instant::now();
    let ran = bench.run_with(&variables, &["ls", "t/c"]).exited(7);
    assert!(started.elapsed().as_secs() < 30);
    ran.said("the database did not answer DescribeTable").said(&server.url);
}

#[test]
fn help_lists_the_exit_codes_and_completions_need_no_configuration() {
    let bench = Bench::new();
    let help = bench.run(&["--help"]).succeeded().stdout;
    for line in
        ["0  done", "6  the key is unavailable, lost or changed", "11  the table cannot serve as a store"]
    {
        assert!(help.contains(line), "{help}");
    }
    let ran = bench.run_with(&[("BES_OUTPUT", "nonsense")], &["completions", "bash"]).succeeded();
    assert!(ran.stdout.contains("complete -F _bes"), "{}", ran.stdout);
}
