//! One process of honest work (its first argument is what it does, as JSON), which ends when its standard input does;
//! or, after `verify TABLE KEY` (as JSON), one that makes a verification for each line of its standard input.
//!
//! The suite of clean runs starts several, and kills those that write.

use std::{
    io::{self, BufRead, Write},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use blue_tests::{Racer, Said, Verifier};
use serde::Serialize;
use tokio::sync::mpsc;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["verify", table, key] => {
            let key = serde_json::from_str(key).expect("the place of a key");
            verify(Verifier { table: (*table).into(), key, trusted: None }).await
        }
        [racer] => race(serde_json::from_str(racer).expect("what it is to do")).await,
        _ => panic!("arguments: RACER, or verify TABLE KEY"),
    }
}

async fn race(racer: Racer) {
    let stop = Arc::<AtomicBool>::default();
    let told = stop.clone();
    thread::spawn(move || {
        // Nothing is ever written to it: its end is the word.
        let _ = io::stdin().lock().read_line(&mut String::new());
        told.store(true, SeqCst);
    });
    racer.race(stop, Arc::new(|said: Said| say(&said))).await;
}

async fn verify(mut verifier: Verifier) {
    let (ask, mut asked) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = ask.send(line);
        }
    });
    while let Some(line) = asked.recv().await {
        say(&verifier.verify(serde_json::from_str(&line).expect("how to verify")).await);
    }
}

fn say(what: &impl Serialize) {
    let mut line = serde_json::to_string(what).expect("it is JSON");
    line.push('\n');
    // One write, which a pipe takes whole.
    if io::stdout().lock().write_all(line.as_bytes()).is_err() {
        process::exit(1);
    }
}
