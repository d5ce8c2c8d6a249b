//! Signals: what was begun is finished or dropped, the place to go on from is said, and the second one ends it at once.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use blue_testkit::{Keys, only_with};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, Ran, run, text},
    server::{Action, Gate, Request, Server},
};

const IMPORT: [&str; 6] = ["import", "t/c", "--kind", "k", "--id-field", "id"];

/// What the first signal is answered with while something is finished.
const ANNOUNCED: &str = "what was begun is being finished; a second signal stops at once";

/// A run that is not at its end yet.
struct Going {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Going {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, stdout, stderr, said: String::new() }
    }

    fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it says this on standard error.
    fn says(&mut self, text: &str) {
        while !self.said.contains(text) {
            assert_ne!(self.stderr.read_line(&mut self.said).unwrap(), 0, "no {text:?} in {:?}", self.said);
        }
    }

    /// Waits for its end. Standard input stays open until then.
    fn ended(mut self) -> Ran {
        let stdin = self.child.stdin.take();
        self.stderr.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        drop(stdin);
        let code = status.code().unwrap_or_else(|| panic!("{status}: {}", self.said));
        Ran { code, stdout: self.stdout.join().unwrap(), stderr: self.said }
    }
}

fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{name}"), &child.id().to_string()]);
    run(kill, "").succeeded();
}

/// A server that holds up requests of this kind, and the gate that does.
fn holding(held: impl Fn(&Request) -> bool + Send + Sync + 'static) -> (Server, Gate) {
    let gate = Gate::default();
    let server = Server::start({
        let gate = gate.clone();
        move |request| {
            if held(request) {
                gate.pass();
            }
            Action::Forward
        }
    });
    (server, gate)
}

fn is_write(request: &Request) -> bool {
    request.operation == "TransactWriteItems" && request.body.contains("R#t#c")
}

fn is_read_of_log(request: &Request) -> bool {
    request.operation == "Query" && request.body.contains("A#main")
}

/// Through this server, with deadlines that a busy machine keeps.
fn through(server: &Server, bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.command(arguments);
    command.env("AWS_ENDPOINT_URL_DYNAMODB", &server.url);
    command.env("BES_ATTEMPT_TIMEOUT", "100s").env("BES_DEADLINE", "300s");
    command
}

/// The ids of all records.
fn ids(bench: &Bench) -> BTreeSet<String> {
    let items = bench.items();
    let records = items.iter().filter(|item| text(item, "pk").starts_with("R#"));
    records.map(|item| text(item, "sk").split_once('#').unwrap().1.to_owned()).collect()
}

#[test]
fn an_import_of_standard_input_says_the_line_to_go_on_with() {
    let bench = Bench::initialised();
    let going = Going::start(bench.command(&[&IMPORT[..], &["--output", "json", "-"]].concat()));
    let lines = "{\"id\":1}\n{\"id\":2}\n\nno json\n{\"id\":3}\n{\"id\":4}\n";
    going.child.stdin.as_ref().unwrap().write_all(lines.as_bytes()).unwrap();
    while ids(&bench).len() < 4 {
        thread::sleep(Duration::from_millis(50));
    }
    going.signal("INT");
    let ran = going.ended().exited(12);
    let expected = json!({ "imported": 4, "failed": 1, "finished": false, "stopped": true, "resume_at": 7 });
    assert_eq!(ran.json(), [expected]);
    let ran = ran.said("SIGINT: ").said(ANNOUNCED).said("line 4: it is no JSON object");
    ran.said(
        "error: stopped by SIGINT: everything up to line 6 of standard input is done, or was reported\n\
         help: to go on, give it what begins with line 7; or repeat the command: lines that are there are replaced\n",
    );
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

#[test]
fn an_import_of_a_file_goes_on_with_the_command_that_it_prints() {
    let bench = Bench::initialised();
    // Every tenth line is a later turn of the same record.
    let id = |line: u32| if line.is_multiple_of(10) { 0 } else { line };
    let lines: String = (1..=300).map(|n| format!("{{\"id\":{},\"line\":{n}}}\n", id(n))).collect();
    bench.write("it's/in.jsonl", &lines);
    let (server, gate) = holding(is_write);
    let arguments = [&IMPORT[..], &["--concurrency", "4", "it's/in.jsonl", "--output", "json"]].concat();
    let mut going = Going::start(through(&server, &bench, &arguments));
    gate.reached();
    going.signal("TERM");
    going.says(ANNOUNCED);
    gate.open();
    let ran = going.ended().exited(12);
    let [done] = &ran.json()[..] else { panic!("{ran:#?}") };
    assert_eq!((&done["finished"], &done["stopped"]), (&json!(false), &json!(true)));
    let next = u32::try_from(done["resume_at"].as_u64().unwrap()).unwrap();
    assert!((2..300).contains(&next), "the lanes took no more than waited for them: {done}");
    assert_eq!(done["imported"], next - 1, "and all that they took is done");
    assert_eq!(ids(&bench), (1..next).map(|line| id(line).to_string()).collect());

    let ran = ran
        .said(&format!("stopped by SIGTERM: everything up to line {} of it's/in.jsonl is done\n", next - 1));
    let printed = ran.stderr.lines().find_map(|line| line.strip_prefix("help: to go on: ")).unwrap();
    let expected = format!(
        r"tail -n +{next} 'it'\''s/in.jsonl' | bes import t/c --kind k --id-field id --concurrency 4 - --output json"
    );
    assert_eq!(printed, expected);
    let ran = in_shell(&bench, printed).succeeded();
    let expected = json!({ "imported": 301 - next, "failed": 0, "finished": true });
    assert_eq!(ran.json(), [expected]);
    let exported = bench.run(&["export", "t/c"]).succeeded().json();
    assert_eq!(exported.len(), 271);
    for record in &exported {
        let line = if record["id"] == "0" { "300" } else { record["id"].as_str().unwrap() };
        assert_eq!(record["value"]["line"].to_string(), line);
    }
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

fn in_shell(bench: &Bench, line: &str) -> Ran {
    let bes = bench.command(&[]);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).env_clear().current_dir(bes.get_current_dir().unwrap());
    shell.envs(bes.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let directory = Path::new(env!("CARGO_BIN_EXE_bes")).parent().unwrap().to_str().unwrap();
    shell.env("PATH", format!("{directory}:/usr/bin:/bin"));
    run(shell, "")
}

#[test]
fn a_second_signal_ends_it_at_once_with_nothing_half_done() {
    for (second, code) in [("INT", 130), ("TERM", 143)] {
        let bench = Bench::initialised();
        let lines: String = (1..=100).map(|n| format!("{{\"id\":{n}}}\n")).collect();
        let file = bench.write("in.jsonl", &lines);
        // Until the program ends.
        let (server, gate) = holding(is_write);
        let arguments = [&IMPORT[..], &[file.to_str().unwrap()]].concat();
        let mut going = Going::start(through(&server, &bench, &arguments));
        gate.reached();
        going.signal("INT");
        going.says(ANNOUNCED);
        going.signal(second);
        going.ended().exited(code).printed("");
        assert_eq!(ids(&bench).len(), 0);
        bench.run(&["audit", "verify", "--deep"]).succeeded();
    }
}

#[test]
fn records_that_are_being_moved_are_moved_and_no_others() {
    let bench = Bench::initialised();
    let lines: String = (0..30).map(|n| format!("{{\"id\":{n}}}\n")).collect();
    bench.run_with_input(&[&IMPORT[..], &["-"]].concat(), &lines).succeeded();
    // By the clock of this machine, too.
    let moment = |ran: &Ran| ran.stderr.split("--before ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let stop = |command: &[&str]| {
        let (server, gate) = holding(is_write);
        let arguments = [command, &["t", "--concurrency", "4", "--output", "json"]].concat();
        let mut going = Going::start(through(&server, &bench, &arguments));
        gate.reached();
        going.signal("INT");
        going.says(ANNOUNCED);
        gate.open();
        let ran = going.ended().exited(12).said("stopped by SIGINT: not all records were looked at");
        assert_eq!((&ran.json()[0]["moved"], &ran.json()[0]["stopped"]), (&json!(4), &json!(true)));
        ran
    };
    let ran = stop(&["keys", "reseal"]).said("help: to go on, repeat it so: bes keys reseal t --before ");
    let again = ["keys", "reseal", "t", "--before", &moment(&ran), "--output", "json"];
    let again = bench.run(&again).succeeded().json();
    assert_eq!((&again[0]["moved"], &again[0]["already"]), (&json!(26), &json!(4)));
    assert_eq!(again[0].get("stopped"), None);

    if only_with!(Keys::Kms, "local keys are never rotated") {
        bench.run(&["keys", "rotate", "t"]).succeeded();
        stop(&["keys", "rewrap"]).said("help: to go on, repeat the command: bes keys rewrap t\n");
        let again = bench.run(&["keys", "rewrap", "t", "--output", "json"]).succeeded().json();
        assert_eq!((&again[0]["moved"], &again[0]["already"]), (&json!(26), &json!(4)));
    }
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

#[test]
fn a_verification_that_is_stopped_has_no_verdict_and_leaves_nothing() {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded();
    let checkpoints = bench.path("checkpoints");
    let left = || {
        let names = fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<BTreeSet<_>>()
    };
    let before = left();
    let commands = [
        (&["verify"][..], 3),
        (&["verify", "--deep"], 3),
        (&["checkpoint"], 3),
        (&["report", "-o", "page.html"], 3),
        (&["watch", "--once"], 3),
        (&["watch"], 0),
        (&["export", "-o", "events.jsonl"], 12),
        (&["tail"], 12),
    ];
    for (command, code) in commands {
        let (server, gate) = holding(is_read_of_log);
        let mut command = through(&server, &bench, &[&["audit"], command].concat());
        command.env("BES_CHECKPOINT_FILE", &checkpoints);
        let going = Going::start(command);
        gate.reached();
        going.signal("TERM");
        let ran = going.ended().exited(code).printed("");
        if code == 0 {
            ran.said("stopped\n")
        } else {
            ran.said("error: stopped by SIGTERM")
        };
        assert_eq!(left(), before);
    }
}

#[test]
fn tail_is_followed_until_it_is_told_to_end() {
    let bench = Bench::initialised();
    let mut command = bench.command(&["audit", "tail", "--follow"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("generate_kek"));
    signal(&child, "TERM");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(12));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "error: stopped by SIGTERM\n");
}

/// A checkpoint that is being delivered is delivered.
#[test]
fn a_watch_finishes_what_it_publishes() {
    let bench = Bench::initialised();
    let script = "cat > note.part; : > begun; while [ ! -e go ]; do sleep 0.05; done; mv note.part note";
    let script = bench.write("publish.sh", script).display().to_string();
    let mut command = bench.command(&["audit", "watch"]);
    command.env("PATH", "/usr/bin:/bin").env("BES_CHECKPOINT_COMMAND", format!("sh {script}"));
    let going = Going::start(command);
    while !bench.path("begun").exists() {
        thread::sleep(Duration::from_millis(20));
    }
    going.signal("TERM");
    bench.write("go", "");
    going.ended().succeeded().said("stopped\n");
    assert!(fs::read_to_string(bench.path("note")).unwrap().contains("\n\u{2014} "), "a signed note");
}

#[test]
fn other_commands_drop_what_they_do() {
    let bench = Bench::initialised();
    bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded();
    let reads_record = |request: &Request| request.operation != "Scan" && request.body.contains("R#t#c");
    for (command, said) in [
        (&["get", "t/c/k/1"][..], "error: stopped by SIGINT\n"),
        (&["ls", "t/c"], "error: stopped by SIGINT\n"),
        (&["export", "t/c"], "error: stopped by SIGINT: not all records were printed\n"),
        (
            &["put", "t/c/k/2", "--json", "1"],
            "error: stopped by SIGINT: it is not known whether t/c/k/2 was written\n",
        ),
        (&["rm", "t/c/k/1"], "error: stopped by SIGINT: it is not known whether t/c/k/1 was deleted\n"),
        (&["keys", "ls", "t"], "error: stopped by SIGINT\n"),
        (&["keys", "retire", "t", "1"], "version 1 of the key of t may be gone or not\n"),
        (&["keys", "shred", "t", "--confirm", "t"], "error: stopped by SIGINT\n"),
    ] {
        let (server, gate) = holding(move |request| reads_record(request) || request.body.contains("K#t"));
        let going = Going::start(through(&server, &bench, command));
        gate.reached();
        going.signal("INT");
        going.ended().exited(12).printed("").said(said);
    }
    bench.run(&["get", "t/c/k/1"]).succeeded().printed("1\n");
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

#[test]
fn a_question_ends_with_a_signal_too() {
    let bench = Bench::with_key_file();
    bench.run(&["init"]).succeeded();
    bench.run(&["put", "t/c/k/1", "--json", "1"]).succeeded();
    let before: Vec<Value> = bench.run(&["export", "t/c"]).succeeded().json();
    for (question, command) in [
        ("Reset local database? [y/N] ", &["reset"][..]),
        ("Type the tenant's name to shred it: ", &["keys", "shred", "t"]),
        ("press Ctrl-D on a line of its own.", &["put", "t/c/k/1"]),
    ] {
        bench.interrupt_at(question, command).exited(12).said("error: stopped by SIGINT");
    }
    assert_eq!(bench.run(&["export", "t/c"]).succeeded().json(), before);
}
