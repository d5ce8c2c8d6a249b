//! Writes to a store until it is killed, and says on standard output what it begins and what was acknowledged: one
//! event a line, as JSON, written whole before the next step. Its arguments are the table, the place of the key (as JSON) and the
//! seed.
//!
//! The fault suite kills it. It ends by itself only when nobody reads what it says any more.

use std::{
    io::{self, Write},
    process,
    sync::Arc,
};

use blue_encrypted_store::{Deadlines, EncryptedStore};
use blue_tests::{Event, Load, MasterKey};
use tokio::sync::watch;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let [table, key, seed] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        panic!("arguments: TABLE KEY SEED");
    };
    let key = MasterKey::at(serde_json::from_str(key).expect("the place of a key")).await.source();
    let deadlines = Deadlines::default();
    let store = EncryptedStore::builder().table(table).keys(key).deadlines(deadlines).init().await;
    let store = store.expect("the store can be initialised");
    let journal = Arc::new(|event: Event| say(&event));
    let seed = seed.parse().expect("the seed is a number");
    let (_running, stop) = watch::channel(false);
    // No database is killed here.
    let load = Load { store, journal, seed, patience: Load::patience(deadlines), kills: Arc::default() };
    load.run(stop).await;
}

fn say(event: &Event) {
    let mut line = serde_json::to_string(event).expect("an event is JSON");
    line.push('\n');
    // One write, which a pipe takes whole.
    if io::stdout().lock().write_all(line.as_bytes()).is_err() {
        process::exit(1);
    }
}
