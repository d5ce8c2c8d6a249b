use std::{fs, path::PathBuf};

use blue_encrypted_store::{
    Attributes, Key, Kind, Payload, Put, RecordId,
    blue_audit::{
        Checkpoint, CheckpointSink, CryptoAuditEvent, Details, GENESIS, NoteSigner, NoteVerifier, Verdict,
    },
    checkpoints::FileSink,
    export::ExportedEvent,
};

use crate::{Task, sandbox::Sandbox};

const NAMESPACE: &str = "default";

/// A log with some events, and a checkpoint of it.
struct Kept {
    sandbox: Sandbox,
    events: Vec<CryptoAuditEvent>,
    checkpoints: PathBuf,
    verifier: NoteVerifier,
}

impl Kept {
    async fn new(name: &str) -> Self {
        let sandbox = Sandbox::new(name).await;
        let store = sandbox.builder().await.principal("alice@example.org").init().await.unwrap();
        let notes = store.tenant("alice").unwrap().collection("notes").unwrap();
        for id in ["1", "2", "3"] {
            let key = Key { kind: Kind::new("note").unwrap(), id: RecordId::new(id).unwrap() };
            let text = Payload::Bytes(b"a note".to_vec());
            notes.put_payload(&key, text, Attributes::new(), Put::Create).await.unwrap();
        }

        let log = sandbox.builder().await.open_audit().await.unwrap();
        let report = log.verify(&log.options()).await.unwrap();
        let namespace = log.namespace();
        let signer = NoteSigner::generate(Checkpoint::key_name(namespace)).unwrap();
        let verifier = signer.verifier().clone();
        let checkpoints = sandbox.directory.path().join("checkpoints");
        let sink = FileSink::new(&checkpoints, namespace.clone(), vec![verifier.clone()]);
        let note = log.checkpoint(&report, None).unwrap().sign(&signer).unwrap();
        sink.publish(&note).await.unwrap();

        let events = sandbox.events().await.unwrap();
        Self { sandbox, events, checkpoints, verifier }
    }

    /// What comes of these bytes, without the checkpoint and with it.
    async fn verdicts(&self, export: &[u8]) -> (Verdict, Verdict) {
        let path = self.sandbox.directory.path().join("export.jsonl");
        fs::write(&path, export).unwrap();
        let path = path.to_str().unwrap();
        let alone = Task::parse([path, NAMESPACE].map(str::to_owned).into_iter()).unwrap();
        let (checkpoints, key) = (self.checkpoints.to_str().unwrap(), self.verifier.to_string());
        let compared = [path, NAMESPACE, checkpoints, &key].map(str::to_owned);
        let compared = Task::parse(compared.into_iter()).unwrap();
        (alone.verify().await.unwrap().verdict(), compared.verify().await.unwrap().verdict())
    }
}

/// As `bes audit export` writes it.
fn lines(events: &[CryptoAuditEvent]) -> Vec<u8> {
    let line =
        |event: &CryptoAuditEvent| serde_json::to_string(&ExportedEvent::of(&event.view())).unwrap() + "\n";
    events.iter().map(line).collect::<String>().into_bytes()
}

/// The same events by another principal, with all hashes made anew: what only a checkpoint can tell.
fn written_anew(events: &[CryptoAuditEvent]) -> Vec<CryptoAuditEvent> {
    let mut previous = GENESIS;
    let anew = events.iter().map(|event| {
        let details = Details { principal: "nobody".to_owned(), ..event.details().clone() };
        let event = details.link(event.chain(), event.sequence(), previous);
        previous = *event.event_hash();
        event
    });
    anew.collect()
}

#[tokio::test]
async fn an_export_verifies_and_one_altered_byte_of_it_is_found() {
    let kept = Kept::new("verifier-altered").await;
    let export = lines(&kept.events);
    assert_eq!(kept.verdicts(&export).await, (Verdict::Verified, Verdict::Verified));
    assert_eq!(kept.verdicts(&[]).await, (Verdict::Incomplete, Verdict::Incomplete));
    for position in (0..export.len()).step_by(13).chain([export.len() - 1]) {
        let mut altered = export.clone();
        altered[position] ^= 1;
        let verdicts = kept.verdicts(&altered).await;
        assert_eq!(verdicts, (Verdict::Tampered, Verdict::Tampered), "byte {position}");
    }
}

#[tokio::test]
async fn a_tail_that_was_cut_is_found_by_the_checkpoint_alone() {
    let kept = Kept::new("verifier-cut").await;
    for left in 1..kept.events.len() {
        let verdicts = kept.verdicts(&lines(&kept.events[..left])).await;
        assert_eq!(verdicts, (Verdict::Verified, Verdict::Incomplete), "{left} events are left");
    }
}

#[tokio::test]
async fn a_log_that_was_written_anew_is_found_by_the_checkpoint_alone() {
    let kept = Kept::new("verifier-anew").await;
    let verdicts = kept.verdicts(&lines(&written_anew(&kept.events))).await;
    assert_eq!(verdicts, (Verdict::Verified, Verdict::Tampered));
}

#[tokio::test]
async fn without_the_checkpoints_that_were_named_nothing_is_said_of_the_log() {
    let kept = Kept::new("verifier-missing").await;
    let path = kept.sandbox.directory.path().join("export.jsonl");
    fs::write(&path, lines(&kept.events)).unwrap();
    let (path, missing, key) = (path.to_str().unwrap(), "no/such/file", kept.verifier.to_string());
    let task = Task::parse([path, NAMESPACE, missing, &key].map(str::to_owned).into_iter()).unwrap();
    assert!(task.verify().await.is_err());
    let no_key = [path, NAMESPACE, missing].map(str::to_owned);
    assert!(Task::parse(no_key.into_iter()).is_err());
}
