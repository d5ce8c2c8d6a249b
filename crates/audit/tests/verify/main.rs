//! The verifier against logs that are sound, that grow, and that somebody damaged.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod damage;
mod damaged;
mod forks;
mod log;
mod reader;
mod report;
mod short;
mod sound;

/// How many random logs each law is tried on.
const CASES: u64 = 200;
