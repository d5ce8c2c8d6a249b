//! What the suites share: a store in a table of its own, on the DynamoDB that `blue-testkit` started; a proxy before it
//! that loses what it is told to lose; the table's audit log, verified; and a load of writes with a ledger of what must
//! stand in the table after it; honest work by several processes, and those who verify its log meanwhile.
//!
//! All of that is behind the feature `services`, on by default; the known-answer tests need none of it.
#![cfg(feature = "services")]

mod audit_log;
mod describe;
mod item_size;
mod ledger;
mod load;
mod master_key;
mod newer_key;
mod next_root;
mod note;
mod proxy;
mod racer;
mod refusals;
mod sandbox;
mod verifier;

pub use audit_log::VerifiedLog;
pub use blue_testkit::{Keys, only_with};
pub use describe::{described_table, describing};
pub use item_size::documented_size;
pub use ledger::{Findings, Ledger, half_there};
pub use load::{Change, Event, Journal, Load, Place, State};
pub use master_key::{KeyPlace, MasterKey};
pub use next_root::NextRoot;
pub use note::Note;
pub use proxy::{Fate, Proxy, Request};
pub use racer::{Racer, Reads, Said, Say};
pub use sandbox::{Item, Sandbox, b, n, s, scan};
pub use verifier::{How, Verified, Verifier};
