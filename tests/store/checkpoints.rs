//! Checkpoints that a process makes while it writes.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use blue_encrypted_store::{
    Collection, EncryptedStore, Put,
    blue_audit::{Checkpoint, CheckpointSink, NoteSigner, NoteVerifier, SinkError, Verdict},
    checkpoints::Checkpoints,
};
use blue_tests::{Note, Sandbox, b};
use tokio::sync::watch;

/// Keeps what it is given, and refuses it too if it was told to.
#[derive(Clone)]
struct Kept {
    notes: Arc<watch::Sender<Vec<String>>>,
    refuses: bool,
}

impl Kept {
    fn new(refuses: bool) -> Self {
        Self { notes: Arc::new(watch::Sender::new(Vec::new())), refuses }
    }

    /// The checkpoints, once there are so many.
    async fn at_least(&self, count: usize, known: &NoteVerifier) -> Vec<Checkpoint> {
        let mut notes = self.notes.subscribe();
        let notes = notes.wait_for(|notes| notes.len() >= count).await.unwrap().clone();
        notes.iter().map(|note| Checkpoint::open(note, std::slice::from_ref(known)).unwrap()).collect()
    }

    fn count(&self) -> usize {
        self.notes.borrow().len()
    }
}

#[async_trait]
impl CheckpointSink for Kept {
    async fn publish(&self, note: &str) -> Result<(), SinkError> {
        self.notes.send_modify(|notes| notes.push(note.to_owned()));
        if self.refuses {
            let source: Box<dyn std::error::Error + Send + Sync> = "it is full".into();
            return Err(SinkError::Undelivered { sink: "a test".to_owned(), source: source.into() });
        }
        Ok(())
    }
}

struct Setting {
    sandbox: Sandbox,
    kept: Kept,
    known: NoteVerifier,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Setting {
    /// A store whose checkpoints are kept, made as `when` says.
    async fn new(
        name: &str,
        refuses: bool,
        when: impl FnOnce(Checkpoints) -> Checkpoints,
    ) -> (Self, EncryptedStore) {
        let sandbox = Sandbox::new(name).await;
        let signer = NoteSigner::generate("bes/default").unwrap();
        let known = signer.verifier().clone();
        let (kept, failures) = (Kept::new(refuses), Arc::<Mutex<Vec<String>>>::default());
        let tell = failures.clone();
        let checkpoints = Checkpoints::signed_by(signer)
            .to(Box::new(kept.clone()))
            .on_failure(move |error| tell.lock().unwrap().push(error.to_string()));
        let store = sandbox.builder().checkpoints(when(checkpoints)).init().await.unwrap();
        (Self { sandbox, kept, known, failures }, store)
    }

    async fn failed(&self) -> String {
        loop {
            if let Some(failure) = self.failures.lock().unwrap().first() {
                return failure.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn inbox(store: &EncryptedStore) -> Collection {
    store.tenant("alice").unwrap().collection("inbox").unwrap()
}

#[tokio::test]
async fn after_so_many_events_there_is_a_checkpoint_that_the_log_reaches() {
    let (setting, store) = Setting::new("cp-events", false, |checkpoints| checkpoints.every_events(5)).await;
    let mut last: Option<Checkpoint> = None;
    for round in 1..=3 {
        for id in 0..6 {
            inbox(&store).put(&Note::new(&format!("{round}-{id}"), "text")).await.unwrap();
        }
        let all = setting.kept.at_least(round, &setting.known).await;
        for checkpoint in &all[round - 1..] {
            assert!(last.as_ref().is_none_or(|last| checkpoint.comes_after(last).is_ok()), "{all:?}");
            assert!(checkpoint.events() >= last.as_ref().map_or(0, Checkpoint::events) + 5, "{all:?}");
            last = Some(checkpoint.clone());
        }
    }
    let log = setting.sandbox.builder().open_audit().await.unwrap();
    let mut options = log.options();
    options.trusted = last.map(Into::into);
    let report = log.verify(&options).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    assert!(setting.failures.lock().unwrap().is_empty());
}

#[tokio::test]
async fn after_so_much_time_there_is_one_if_there_was_anything_to_tell() {
    let every = Duration::from_millis(300);
    let (setting, store) = Setting::new("cp-time", false, |checkpoints| checkpoints.every(every)).await;
    inbox(&store).put(&Note::new("1", "text")).await.unwrap();
    let first = setting.kept.at_least(1, &setting.known).await;
    // Whatever was told by then is told: nothing is written any more.
    store.flush().await.unwrap();
    loop {
        let count = setting.kept.count();
        tokio::time::sleep(4 * every).await;
        if setting.kept.count() == count {
            break;
        }
    }
    let quiet = setting.kept.count();
    inbox(&store).put(&Note::new("2", "text")).await.unwrap();
    let all = setting.kept.at_least(quiet + 1, &setting.known).await;
    assert!(all.last().unwrap().events() > first[0].events());
}

#[tokio::test]
async fn they_end_with_the_store() {
    let (setting, store) = Setting::new("cp-end", false, |checkpoints| checkpoints.every_events(1)).await;
    inbox(&store).put(&Note::new("1", "text")).await.unwrap();
    setting.kept.at_least(1, &setting.known).await;
    store.flush().await.unwrap();
    drop(store);
    // The sink is held by the task alone, besides this test.
    while Arc::strong_count(&setting.kept.notes) > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_is_not_sound_is_not_signed_and_told() {
    let (setting, store) = Setting::new("cp-unsound", false, |checkpoints| checkpoints.every_events(3)).await;
    let mut segment = setting.sandbox.item("A#main", &format!("{:020}", 0)).await.unwrap();
    segment.insert("mac".to_owned(), b([0; 32]));
    setting.sandbox.put_item(segment).await;
    while setting.failures.lock().unwrap().is_empty() {
        inbox(&store).put(&Note::new("1", "text")).await.unwrap();
    }
    assert_eq!(setting.failed().await, "the audit log is not sound, but tampered");
    assert_eq!(setting.kept.count(), 0);
}

#[tokio::test]
async fn a_sink_that_fails_is_told_and_gets_the_next_one() {
    let (setting, store) = Setting::new("cp-sink", true, |checkpoints| checkpoints.every_events(2)).await;
    for round in 1..=2 {
        inbox(&store).put(&Note::new(&round.to_string(), "text")).await.unwrap();
        inbox(&store).put(&Note::new(&round.to_string(), "more")).await.unwrap();
        setting.kept.at_least(round, &setting.known).await;
    }
    assert_eq!(setting.failed().await, "the checkpoint was not delivered to a test");
}

#[tokio::test]
async fn a_log_that_was_cut_short_behind_the_last_checkpoint_is_not_signed_nor_signed_for_ever() {
    let (setting, store) = Setting::new("cp-cut", false, |checkpoints| checkpoints.every_events(8)).await;
    let log = setting.sandbox.builder().open_audit().await.unwrap();
    let from = loop {
        inbox(&store).put(&Note::new("1", "text")).await.unwrap();
        store.flush().await.unwrap();
        let end = log.verify(&log.options()).await.unwrap().chains[0].next;
        let last = setting.kept.at_least(0, &setting.known).await.pop();
        // So close behind one that none is being made, nor will be after three events more.
        match last.map(|last| last.chains().values().next().unwrap().next) {
            Some(last) if end < last + 5 => break last,
            _ => {}
        }
    };
    for _ in 0..3 {
        inbox(&store).put_if(&Note::new(&fastrand::u64(..).to_string(), "text"), Put::Create).await.unwrap();
    }
    let signed = setting.kept.count();
    for segment in setting.sandbox.partition("A#main").await {
        let sk = segment["sk"].as_s().unwrap();
        if sk.parse::<u64>().unwrap() >= from {
            setting.sandbox.delete_item("A#main", sk).await;
        }
    }
    // What it writes next lies behind a hole, or it notices that the end is not where it was.
    while setting.failures.lock().unwrap().is_empty() {
        if inbox(&store).put(&Note::new("2", "text")).await.is_err() {
            break;
        }
    }
    drop(store);
    while Arc::strong_count(&setting.kept.notes) > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(setting.kept.count(), signed, "{:?}", setting.failures.lock().unwrap());
}
