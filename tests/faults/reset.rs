//! A reset, killed after the yes: what docs/keys.md and docs/cli.md promise of the old store and the old key.
//!
//! Until the table is deleted, the old store is whole. A key file that was in the key's place is kept, under its name or
//! beside it, whatever happens. And `bes init`, or the reset that it leads to, comes to a working store.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::Duration,
};

use blue_encrypted_store::KeyProvider;
use blue_tests::{Item, Note, Sandbox, VerifiedLog, s};
use fastrand::Rng;
use rexpect::{
    process::{Signal, WaitStatus},
    session::{PtySession, spawn_command},
};
use tokio::{sync::watch, task::spawn_blocking, time};

use crate::{
    bes,
    gate::{Gate, PATIENCE},
    plan::{Life, Moment, Tally},
    writes::items,
};

/// How often a reset may be quicker than its kill. Each time the moment comes earlier.
const TRIES: u32 = 20;
const RECORDS: u8 = 3;

/// What is the matter with the key when the reset begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Kept,
    Missing,
    Changed,
    Damaged,
}

pub(crate) async fn live(life: &mut Life, tally: &mut Tally) {
    for _ in 0..life.kills {
        // How many tries it takes is not to change the next kill.
        kill_and_repair(life.rng.fork(), tally).await;
        tally.survived();
    }
}

async fn kill_and_repair(mut rng: Rng, tally: &mut Tally) {
    let key = [Key::Kept, Key::Missing, Key::Changed, Key::Damaged][rng.usize(0..4)];
    for attempt in 0..TRIES {
        let before = Before::new(key).await;
        // A reset sends about a dozen requests after the yes.
        let (requests, time) = (12 >> attempt, Duration::from_millis(150) / 2_u32.pow(attempt));
        let moment = Moment::within(&mut rng, requests.max(1), time);
        let was_killed = reset_until(&before.sandbox, key, moment).await;
        tally.checked(before.check_what_is_left(moment).await);
        tally.checked(before.repair(moment).await);
        if was_killed {
            return;
        }
    }
    panic!("{TRIES} resets ended before their kills");
}

/// Says whether it was killed before it ended.
async fn reset_until(sandbox: &Sandbox, key: Key, moment: Moment) -> bool {
    let gate = Gate::new().await;
    let arguments: &[&str] = if key == Key::Kept { &["reset"] } else { &["init"] };
    let command = bes::command(sandbox, gate.endpoint(), arguments);
    let asked = spawn_blocking(move || -> PtySession {
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        let mut session = spawn_command(command, Some(patience)).unwrap();
        session.exp_string("Reset local database? [y/N] ").unwrap();
        session.send_line("y").unwrap();
        session
    });
    let (_none, mut acknowledged) = watch::channel(0);
    let mut session = asked.await.unwrap();
    let ended = async {
        loop {
            match session.process().status() {
                Some(WaitStatus::StillAlive) => time::sleep(Duration::from_millis(5)).await,
                other => break other,
            }
        }
    };
    let ended = tokio::select! {
        () = gate.reach(moment, &mut acknowledged) => None,
        ended = ended => ended,
        () = time::sleep(PATIENCE) => panic!("the reset neither reached {moment:?} nor ended"),
    };
    let status = match ended {
        Some(status) => status,
        None => spawn_blocking(move || session.process_mut().kill(Signal::SIGKILL)).await.unwrap().unwrap(),
    };
    gate.shut().await;
    match status {
        WaitStatus::Exited(_, 0) => false,
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => true,
        other => panic!("the reset ended with {other:?}, at {moment:?}"),
    }
}

/// A store, its key file, and what of them is to outlive a reset.
struct Before {
    sandbox: Sandbox,
    key: Key,
    items: Vec<Item>,
    /// What the key file holds, if there is one.
    file: Option<String>,
}

impl Before {
    async fn new(key: Key) -> Self {
        let sandbox = Sandbox::new("faults-reset").await;
        let inbox = sandbox.collection("alice", "inbox").await;
        for id in 0..RECORDS {
            inbox.put(&note(id)).await.unwrap();
        }
        let path = sandbox.key_path();
        match key {
            Key::Kept => {}
            Key::Missing => fs::remove_file(&path).unwrap(),
            Key::Changed => fs::write(&path, format!("BES-UMK-1:{}\n", "07".repeat(32))).unwrap(),
            Key::Damaged => fs::write(&path, "BES-UMK-1:1234\n").unwrap(),
        }
        let file = fs::read_to_string(&path).ok();
        let items = sorted(sandbox.scan().await);
        Self { sandbox, key, items, file }
    }

    /// Says how many records it compared: none if the table is gone.
    async fn check_what_is_left(&self, moment: Moment) -> u64 {
        self.check_keys(moment);
        let left = sorted(items(&self.sandbox).await);
        if left == self.items {
            if self.key == Key::Kept {
                let keys = self.sandbox.key();
                let store = self.sandbox.builder().keys(keys).open().await.unwrap();
                let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
                for id in 0..RECORDS {
                    assert_eq!(inbox.get(id.to_string()).await.unwrap(), Some(note(id)), "{moment:?}");
                }
            }
            return RECORDS.into();
        }
        // Nothing, or a META of a key that is there, and what opening that store made of its audit log.
        if !left.is_empty() {
            let key = self.sandbox.key();
            let made = [s("META"), s("S#audit"), s("A#main")];
            assert!(left.iter().all(|item| made.contains(&item["pk"])), "{moment:?}: {left:#?}");
            let mut umk_ids: Vec<_> = left.iter().filter_map(|item| item.get("umk_id")).collect();
            umk_ids.dedup();
            assert_eq!(umk_ids, [&s(key.umk_id().as_str())], "{moment:?}");
            assert_eq!(VerifiedLog::findings(&left, &key).await, Vec::<String>::new(), "{moment:?}");
        }
        0
    }

    /// Every key file that was there is there, and nothing in the directory is open to others.
    fn check_keys(&self, moment: Moment) {
        let directory = self.sandbox.key_path().parent().unwrap().to_owned();
        let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        for file in &files {
            let mode = fs::metadata(file).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600, "{} at {moment:?}", file.display());
        }
        if let Some(kept) = &self.file {
            let kept = files.iter().filter(|file| fs::read_to_string(file).unwrap() == *kept);
            assert_eq!(kept.count(), 1, "the old key at {moment:?}, {:?}: {files:?}", self.key);
        }
        // A link that a kill left behind must not make two names of one key.
        for file in &files {
            assert_eq!(fs::metadata(file).unwrap().nlink(), 1, "{} at {moment:?}", file.display());
        }
    }

    /// `bes init`, and if the key is lost still, the reset that it names. Says how many writes it compared then.
    async fn repair(&self, moment: Moment) -> u64 {
        let sandbox = &self.sandbox;
        let init = bes::run(sandbox, &["init"]).await;
        if init.code != Some(0) {
            assert_eq!(init.code, Some(6), "{moment:?}, {:?}: {init:#?}", self.key);
            let reset = bes::run(sandbox, &["reset", "--yes"]).await;
            assert_eq!(reset.code, Some(0), "{moment:?}, {:?}: {reset:#?} after {init:#?}", self.key);
        }
        bes::run(sandbox, &["put", "bob/inbox/note/1", "--json", "2"]).await.succeeded();
        let got = bes::run(sandbox, &["get", "bob/inbox/note/1"]).await.succeeded();
        assert_eq!(got.stdout, "2\n");
        self.check_keys(moment);
        1
    }
}

fn note(id: u8) -> Note {
    Note::new(&id.to_string(), "before")
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| ["pk", "sk"].map(|name| item[name].as_s().unwrap().clone()));
    items
}
