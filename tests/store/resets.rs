//! Resets that end half-way: the error says how far they came, no key file is lost, and `init` goes on from there.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_encrypted_store::{
    Deadlines, EncryptedStore, KeyProvider, LocalFile, OpenError, ResetError, ResetReport,
    table::{StoreError, TableError},
};
use blue_tests::{Fate, Keys, Note, Proxy, Sandbox, only_with};
use futures::future::join_all;

/// Why these are tests of local keys.
const RESET: &str = "a reset is of local keys";

/// A store with a record in it.
async fn store(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(name).await;
    sandbox.collection("alice", "inbox").await.put(&Note::new("1", "before")).await.unwrap();
    sandbox
}

/// Loses the answer to the first request of this operation, and all requests after it.
async fn lost_from(operation: &'static str) -> Proxy {
    let lost = Arc::new(AtomicBool::new(false));
    Proxy::start(move |request| {
        let fate = match lost.load(SeqCst) {
            true => Fate::LoseRequest,
            false if request.operation == operation => {
                lost.store(true, SeqCst);
                Fate::LoseAnswer
            }
            false => Fate::Forward,
        };
        async move { fate }
    })
    .await
}

/// A reset through a proxy. What is lost is given up early; until then a busy machine has time enough.
async fn reset(sandbox: &Sandbox, proxy: &Proxy, key: &Path) -> Result<ResetReport, ResetError> {
    let deadlines = Deadlines { attempt: Duration::from_secs(8), operation: Duration::from_secs(8) };
    let builder = EncryptedStore::builder().table(&sandbox.table).deadlines(deadlines);
    let reset = builder.client(proxy.client(&sandbox.client)).local_reset_at(key.to_owned()).await.unwrap();
    reset.wipe().await
}

/// `init` at this key file makes an empty store that takes records.
async fn init_makes_an_empty_store(sandbox: &Sandbox, key: &Path) {
    let keys = LocalFile::open_or_create(key).unwrap();
    let store = sandbox.builder().keys(keys).init().await.unwrap();
    let inbox = store.tenant("alice").unwrap().collection("inbox").unwrap();
    assert_eq!(inbox.get::<Note>("1").await.unwrap(), None);
    inbox.put(&Note::new("1", "after")).await.unwrap();
    assert_eq!(inbox.get("1").await.unwrap(), Some(Note::new("1", "after")));
}

/// All that lies beside the key file and at its place.
fn files(key: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(key.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn is_unavailable(error: &OpenError) -> bool {
    matches!(error, OpenError::Table(TableError::Store(StoreError::Unavailable { .. })))
}

/// What can be in a key's place and is no usable key.
const UNUSABLE: [&str; 5] =
    ["damaged", "open to others", "a directory", "a link to itself", "a link to nothing"];

fn put_in_place(what: &str, key: &Path) {
    if what == "open to others" {
        return fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::remove_file(key).unwrap();
    match what {
        "damaged" => fs::write(key, "BES-UMK-1:1234\n").unwrap(),
        "a directory" => fs::create_dir(key).unwrap(),
        "a link to itself" => symlink(key, key).unwrap(),
        _ => symlink("nothing", key).unwrap(),
    }
}

/// Enough to tell it from all others.
fn looks(path: &Path) -> (fs::FileType, u32, Option<Vec<u8>>, Option<PathBuf>) {
    let metadata = path.symlink_metadata().unwrap();
    let content = metadata.is_file().then(|| fs::read(path).unwrap());
    (metadata.file_type(), metadata.permissions().mode(), content, fs::read_link(path).ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_no_usable_key_is_beside_before_the_table_goes() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    join_all(UNUSABLE.map(goes_first)).await;
}

async fn goes_first(what: &str) {
    let sandbox = store("reset-unusable").await;
    let key = sandbox.key_path();
    put_in_place(what, &key);
    let before = looks(&key);
    let proxy = lost_from("DeleteTable").await;

    let error = reset(&sandbox, &proxy, &key).await.unwrap_err();
    let ResetError::Unfinished { table, wiped: false, old_key: Some(aside), source } = &error else {
        panic!("{what}: {error:?}")
    };
    assert!(*table == sandbox.table && is_unavailable(source), "{what}: {error:?}");
    assert_eq!(files(&key), slice::from_ref(aside), "{what}");
    assert_eq!(looks(aside), before, "{what}");
    let text = error.to_string();
    assert!(text.contains(&sandbox.table) && text.contains(aside.to_str().unwrap()), "{text}");
    assert!(text.contains("it is not known whether"), "{text}");

    // It was wiped: no table, and no key.
    init_makes_an_empty_store(&sandbox, &key).await;
    assert_eq!(files(&key), [key.clone(), aside.clone()], "{what}");
    assert_eq!(looks(aside), before, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_usable_key_stays_in_its_place_until_the_table_is_gone() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    let sandbox = store("reset-usable").await;
    let (key, umk_id) = (sandbox.key_path(), sandbox.key().umk_id().clone());
    let proxy = lost_from("DeleteTable").await;
    let error = reset(&sandbox, &proxy, &key).await.unwrap_err();
    let ResetError::Unfinished { wiped: false, old_key: None, source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(is_unavailable(source), "{error:?}");
    assert!(!error.to_string().contains("old key file"), "{error}");
    assert_eq!(files(&key), slice::from_ref(&key));

    init_makes_an_empty_store(&sandbox, &key).await;
    assert_eq!(sandbox.key().umk_id(), &umk_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_ends_after_the_wiping_says_so_and_where_the_old_key_is() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    for what in ["usable", "damaged"] {
        let sandbox = store("reset-wiped").await;
        let key = sandbox.key_path();
        if what == "damaged" {
            put_in_place(what, &key);
        }
        let before = looks(&key);
        let proxy = lost_from("CreateTable").await;
        let error = reset(&sandbox, &proxy, &key).await.unwrap_err();
        let ResetError::Unfinished { wiped: true, old_key: Some(aside), source, .. } = &error else {
            panic!("{what}: {error:?}")
        };
        assert!(is_unavailable(source), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("the table {} is wiped", sandbox.table)), "{text}");
        assert!(text.contains(aside.to_str().unwrap()), "{text}");
        assert_eq!(looks(aside), before, "{what}");

        let fresh = sandbox.key().umk_id().clone();
        init_makes_an_empty_store(&sandbox, &key).await;
        assert_eq!(sandbox.key().umk_id(), &fresh);
        assert_eq!(files(&key), [key.clone(), aside.clone()], "{what}");
    }
}

/// A name so long that the longer one beside it is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_moved_stays_and_the_error_says_whether_the_table_is_wiped() {
    if !only_with!(Keys::Local, RESET) {
        return;
    }
    for what in UNUSABLE.into_iter().chain(["usable"]) {
        let sandbox = store("reset-unmoved").await;
        let key = sandbox.key_path().with_file_name("k".repeat(250));
        fs::rename(sandbox.key_path(), &key).unwrap();
        let is_usable = what == "usable";
        if !is_usable {
            put_in_place(what, &key);
        }
        let (before, items) = (looks(&key), sandbox.scan().await.len());
        let proxy = Proxy::start(|_| async { Fate::Forward }).await;

        let error = reset(&sandbox, &proxy, &key).await.unwrap_err();
        let ResetError::KeyFile { path, wiped, source } = &error else { panic!("{what}: {error:?}") };
        assert_eq!((path, *wiped), (&key, is_usable), "{what}");
        assert_eq!(source.kind(), io::ErrorKind::InvalidFilename, "{what}");
        assert_eq!(error.to_string().starts_with("the table is wiped, but "), is_usable, "{error}");
        assert_eq!((files(&key), looks(&key)), (vec![key.clone()], before), "{what}");
        if is_usable {
            init_makes_an_empty_store(&sandbox, &key).await;
        } else {
            assert_eq!(proxy.seen("DeleteTable"), 0, "{what}");
            assert_eq!(sandbox.scan().await.len(), items, "{what}");
        }
    }
}
