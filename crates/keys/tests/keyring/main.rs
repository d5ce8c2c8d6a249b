//! The keyring under load, over time, and when there is no key: every call is counted.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod counting;
mod crowds;
mod forgetting;
mod refusals;
mod time;
