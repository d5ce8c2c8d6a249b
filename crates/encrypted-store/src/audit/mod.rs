//! The audit log of a store: what is recorded, when, and who waits for it.

mod changes;
mod deep;
mod event;
mod keys;
mod lease;
mod log;
mod metrics;
mod provider;
mod reader;
mod trace;
mod trail;

use std::time::Duration;

use blue_audit::AppenderConfig;

pub(crate) use self::{
    event::{Caller, Failure, Origin, Recorder},
    provider::{AuditedProvider, failure_of_provider, kek_name, key_failure},
    trail::{Changed, Opened, RecordChange, Trail, Unrecorded},
};
pub use self::{
    metrics::verification_did_not_run,
    reader::{AuditLog, AuditLogError},
    trace::{NotATraceparent, TraceContext},
};

/// How the audit log is written. It cannot be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditConfig {
    /// When the event of a write is durable.
    pub writes: WritePolicy,
    /// When the event of a read is durable.
    pub reads: ReadPolicy,
    /// Which chain this process writes to.
    pub chain: ChainPolicy,
    /// How it is written.
    pub appender: AppenderConfig,
}

/// When the event of a write is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WritePolicy {
    /// With the write, in one transaction: there is no write without its event, and no event of a success without its
    /// write. A crash loses nothing. Costs the record two write units for one, and a share of the segment's.
    #[default]
    Strict,
    /// Soon after the write. A crash loses the events of at most what waits in memory
    /// ([`AppenderConfig::waiting_kib`]), in practice those of the last second; the writes are there.
    Buffered,
}

/// When the event of a read is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadPolicy {
    /// Before the plaintext is released. A crash loses nothing.
    #[default]
    Strict,
    /// Before a principal's first read of a collection, an event is durable that grants it a window of reads under one key;
    /// the events of these reads follow as those of [`ReadPolicy::Buffered`]. A crash loses single events, never that
    /// this principal read this collection within the window.
    Lease {
        /// How long the window is, in whole seconds: 1 to 60; what is beyond counts as the nearest of them.
        window: Duration,
    },
    /// Soon after the read. A crash loses the events of at most what waits in memory
    /// ([`AppenderConfig::waiting_kib`]), in practice those of the last second.
    Buffered,
}

/// Which chain a process writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChainPolicy {
    /// The chain `main`, shared by all processes. They take turns in it: see docs/operations.md of the repository for
    /// what one chain takes.
    #[default]
    Shared,
    /// A chain of this process's own, named by a UUIDv7 and registered in the chain `registry`.
    PerWriter,
}
