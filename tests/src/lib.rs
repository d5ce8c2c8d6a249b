//! What the suites share: a store in a table of its own, on the DynamoDB that `blue-testkit` started, and a proxy
//! before it that loses what it is told to lose.
//!
//! All of that is behind the feature `services`, on by default; the known-answer tests need none of it.
#![cfg(feature = "services")]

mod note;
mod proxy;
mod sandbox;

pub use note::Note;
pub use proxy::{Fate, Proxy, Request};
pub use sandbox::{Item, Sandbox, b, n, s};
