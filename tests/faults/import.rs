//! `bes import`, killed and repeated: what docs/cli.md promises of repeating it.

use std::{collections::BTreeMap, fmt::Write as _, fs, iter, process::Stdio, time::Duration};

use blue_encrypted_store::{Attributes, Entry, Payload};
use blue_tests::{Sandbox, VerifiedLog, half_there};
use fastrand::Rng;
use futures::TryStreamExt;
use tokio::{process::Command, sync::watch, time};

use crate::{
    bes,
    gate::{Gate, PATIENCE, was_killed},
    plan::{Life, Moment, Tally},
};

/// How often an import may be quicker than its kill. Each time the moment comes earlier.
const TRIES: u32 = 20;

/// Ids to texts.
type Records = BTreeMap<String, String>;

pub(crate) async fn live(life: &mut Life, tally: &mut Tally) {
    let sandbox = Sandbox::new("faults-import").await;
    sandbox.store().await;
    let mut expected = Records::new();
    for _ in 0..life.kills {
        // How many tries it takes is not to change the next kill.
        kill_and_repeat(&sandbox, life.rng.fork(), &mut expected, tally).await;
        tally.survived();
    }
}

async fn kill_and_repeat(sandbox: &Sandbox, mut rng: Rng, expected: &mut Records, tally: &mut Tally) {
    let rng = &mut rng;
    for attempt in 0..TRIES {
        let lines = lines(rng);
        let path = sandbox.path("in.jsonl");
        fs::write(&path, lines.iter().map(|(_, text)| text.clone() + "\n").collect::<String>()).unwrap();
        let concurrency = rng.u8(1..20).to_string();
        let arguments = ["import", "t/c", "--kind", "k", "--id-field", "id", "--attr", "turn"];
        let arguments = [&arguments[..], &["--concurrency", &concurrency, path.to_str().unwrap()]].concat();

        let requests = u32::try_from(lines.len()).unwrap() + 10;
        let time = Duration::from_millis(1_000);
        let moment = Moment::within(rng, (requests >> attempt).max(1), time / 2_u32.pow(attempt));
        let was_killed = import_until(sandbox, &arguments, moment).await;
        let items = sandbox.scan().await;
        let torn = half_there(&items);
        assert!(torn.is_empty(), "killed at {moment:?}: {torn:#?}");
        let unlogged = VerifiedLog::findings(&items, &*sandbox.provider()).await;
        assert!(unlogged.is_empty(), "killed at {moment:?}: {unlogged:#?}");
        let found = found(sandbox).await;
        for (id, text) in &found {
            let is_ours = lines.iter().any(|line| line.0 == *id && line.1 == *text);
            assert!(is_ours || expected.get(id) == Some(text), "{id} at {moment:?} is {text}");
        }
        for id in expected.keys() {
            assert!(found.contains_key(id), "{id} is gone at {moment:?}");
        }

        let ran = bes::run(sandbox, &arguments).await.succeeded();
        let said = format!("imported {} lines\n", lines.len());
        assert!(ran.stderr.contains(&said), "{ran:#?}");
        // Of lines with one id the last wins.
        let lasting = Records::from_iter(lines);
        let compared = u64::try_from(lasting.len()).unwrap();
        expected.extend(lasting);
        assert_eq!(self::found(sandbox).await, *expected, "repeated after a kill at {moment:?}");
        let unlogged = VerifiedLog::findings(&sandbox.scan().await, &*sandbox.provider()).await;
        assert!(unlogged.is_empty(), "repeated after a kill at {moment:?}: {unlogged:#?}");
        tally.checked(compared);
        if was_killed {
            return;
        }
    }
    panic!("{TRIES} imports ended before their kills");
}

/// Says whether it was killed before it ended.
async fn import_until(sandbox: &Sandbox, arguments: &[&str], moment: Moment) -> bool {
    let gate = Gate::new().await;
    let mut import = Command::from(bes::command(sandbox, gate.endpoint(), arguments));
    import.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let (_none, mut acknowledged) = watch::channel(0);
    let status = gate.kill(&mut import.spawn().unwrap(), moment, &mut acknowledged).await;
    assert!(was_killed(status) || status.success(), "{status} at {moment:?}");
    was_killed(status)
}

/// Between 20 and 120 lines; several ids come more than once.
fn lines(rng: &mut Rng) -> Vec<(String, String)> {
    let count = rng.usize(20..120);
    let line = |rng: &mut Rng| {
        let (id, turn) = (format!("r{:02}", rng.u8(0..80)), rng.u32(..));
        let length = if rng.u8(0..16) == 0 { 60_000 } else { 300 };
        let mut text = format!(r#"{{"id":"{id}","turn":{turn},"text":""#);
        let letters = rng.usize(0..length);
        text.extend(iter::repeat_with(|| rng.alphanumeric()).take(letters));
        write!(text, r#""}}"#).unwrap();
        (id, text)
    };
    (0..count).map(|_| line(rng)).collect()
}

/// All records, opened by a store of their own. Their attributes must be of the same line as their texts.
async fn found(sandbox: &Sandbox) -> Records {
    let entries = sandbox.collection("t", "c").await.list_payloads(None);
    let entries = time::timeout(PATIENCE, entries.try_collect::<Vec<_>>()).await;
    let text = |entry: Entry<Payload>| {
        let id = entry.key.id.to_string();
        let Payload::Json(text) = entry.value else { panic!("{id} is no JSON") };
        let line: serde_json::Value = serde_json::from_str(text.get()).unwrap();
        let attributes = Attributes::new().with("turn", line["turn"].as_i64().unwrap()).unwrap();
        assert_eq!(entry.attributes, attributes, "the attributes of {id}");
        (id, text.get().to_owned())
    };
    entries.expect("what is there can be read").unwrap().into_iter().map(text).collect()
}
