//! `bes import`, killed and repeated: what docs/cli.md promises of repeating it.

use std::{collections::BTreeMap, fmt::Write as _, fs, iter, process::Stdio, time::Duration};

use blue_encrypted_store::Payload;
use blue_tests::{Sandbox, half_there};
use fastrand::Rng;
use futures::TryStreamExt;
use tokio::{process::Command, sync::watch};

use crate::{
    bes,
    gate::{Gate, was_killed},
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
        kill_and_repeat(&sandbox, &mut life.rng, &mut expected, tally).await;
        tally.survived();
    }
}

async fn kill_and_repeat(sandbox: &Sandbox, rng: &mut Rng, expected: &mut Records, tally: &mut Tally) {
    for attempt in 0..TRIES {
        let lines = lines(rng);
        let path = sandbox.key_path().with_file_name("in.jsonl");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, lines.iter().map(|(_, text)| text.clone() + "\n").collect::<String>()).unwrap();
        let concurrency = rng.u8(1..20).to_string();
        let arguments = ["import", "t/c", "--kind", "k", "--id-field", "id", "--attr", "turn"];
        let arguments = [&arguments[..], &["--concurrency", &concurrency, path.to_str().unwrap()]].concat();

        let requests = u32::try_from(lines.len()).unwrap() + 10;
        let time = Duration::from_millis(1_000);
        let moment = Moment::within(rng, (requests >> attempt).max(1), time / 2_u32.pow(attempt));
        let was_killed = import_until(sandbox, &arguments, moment).await;
        let torn = half_there(&sandbox.scan().await);
        assert!(torn.is_empty(), "killed at {moment:?}: {torn:#?}");
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
        tally.checked(u64::try_from(lines.len()).unwrap());
        // Of lines with one id the last wins.
        expected.extend(lines);
        assert_eq!(self::found(sandbox).await, *expected, "repeated after a kill at {moment:?}");
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

/// All records, opened by a store of their own.
async fn found(sandbox: &Sandbox) -> Records {
    let entries = sandbox.collection("t", "c").await.list_payloads(None);
    let entries: Vec<_> = entries.try_collect().await.unwrap();
    let text = |payload| match payload {
        Payload::Json(text) => text.get().to_owned(),
        Payload::Bytes(bytes) => panic!("{bytes:?}"),
    };
    entries.into_iter().map(|entry| (entry.key.id.to_string(), text(entry.value))).collect()
}
