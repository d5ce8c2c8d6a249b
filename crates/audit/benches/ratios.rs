//! Linking and verifying against the SHA-256 of the same bytes, and two cores against one, both sides of each ratio
//! measured in turn. Prints one JSON object a line, of the hashed megabytes in a second.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod log;

use std::{hint::black_box, time::Instant};

use blue_turns::{Side, say, times};

use log::{Memory, Verifier, Writer, hash, hashed_len};

const LINK_ROUNDS: usize = 1_000;
/// How many segments are made in one of them.
const LINKED: u32 = 20;
const VERIFY_ROUNDS: usize = 60;
const VERIFIED: u64 = 100_000;

fn main() {
    let writer = Writer::new();
    let events = writer.events(1_000).swap_remove(0);
    let segment = [writer.first(&events)];
    let mut link = || {
        let begun = Instant::now();
        for _ in 0..LINKED {
            black_box(writer.first(black_box(&events)));
        }
        begun.elapsed() / LINKED
    };
    let mut sha256 = || {
        let begun = Instant::now();
        for _ in 0..LINKED {
            hash(&segment);
        }
        begun.elapsed() / LINKED
    };
    rates("encode, hash and link", "SHA-256", hashed_len(&segment), LINK_ROUNDS, &mut link, &mut sha256);

    let log = writer.log(&writer.events(VERIFIED));
    let hashed = hashed_len(&log);
    let on = |cores| {
        let (verifier, log) = (Verifier::of_cores(cores), &log);
        move || {
            let log = Memory::new(log.clone());
            let begun = Instant::now();
            verifier.verify(log, VERIFIED);
            begun.elapsed()
        }
    };
    let (mut one, mut two) = (on(1), on(2));
    let mut sha256 = || {
        // A copy as the verifier gets one, so that neither finds more in the caches than the other.
        let log = log.clone();
        let begun = Instant::now();
        hash(&log);
        begun.elapsed()
    };
    rates("verify from memory, one core", "SHA-256", hashed, VERIFY_ROUNDS, &mut one, &mut sha256);
    rates("verify from memory, two cores", "one core", hashed, VERIFY_ROUNDS, &mut two, &mut one);
}

fn rates(what: &str, than: &str, bytes: usize, rounds: usize, ours: &mut Side<'_>, theirs: &mut Side<'_>) {
    let bytes = f64::from(u32::try_from(bytes).unwrap());
    // Bytes in a nanosecond are thousands of megabytes in a second.
    let rate = |nanoseconds: f64| 1e3 * bytes / nanoseconds;
    let rounds = times(rounds, ours, theirs).into_iter().map(|(ours, theirs)| (rate(ours), rate(theirs)));
    say(what, than, "MB/s", &rounds.collect::<Vec<_>>());
}
