//! What can be typed after `bes keys`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Show the versions of a tenant's key, or of every tenant's, and who was shredded
    Ls(KeysLs),
    /// Make the next version of a tenant's key; what is written from then on is sealed under it
    Rotate(KeysRotate),
    /// Move every record of a tenant to its newest key, without decrypting any content
    Rewrap(KeysRewrap),
    /// Open every record of a tenant and seal it under a new data key: for the day after a compromise
    Reseal(KeysReseal),
    /// Delete an old version of a tenant's key, once no record needs it
    Retire(KeysRetire),
    /// Wrap every key of the store under another KMS key; records are not touched
    RewrapRoot(KeysRewrapRoot),
    /// Erase a tenant for good: its keys at once, then its records
    Shred(KeysShred),
}

impl Keys {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ls(_) => "keys ls",
            Self::Rotate(_) => "keys rotate",
            Self::Rewrap(_) => "keys rewrap",
            Self::Reseal(_) => "keys reseal",
            Self::Retire(_) => "keys retire",
            Self::RewrapRoot(_) => "keys rewrap-root",
            Self::Shred(_) => "keys shred",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeysLs {
    /// Only this tenant
    pub(crate) tenant: Option<String>,
    /// Count the records under each version too, which reads all of them
    #[arg(long)]
    pub(crate) count: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRotate {
    /// Whose key
    pub(crate) tenant: String,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRewrap {
    /// Whose records
    pub(crate) tenant: String,
    /// How many records are moved at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
}

#[derive(Debug, Args)]
pub(crate) struct KeysReseal {
    /// Whose records
    pub(crate) tenant: String,
    /// Only records last written before this moment, in RFC 3339, such as when an earlier run began [default: now]
    #[arg(long, value_name = "TIME", value_parser = config::moment)]
    pub(crate) before: Option<i64>,
    /// How many records are resealed at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRetire {
    /// Whose key
    pub(crate) tenant: String,
    /// Which version
    pub(crate) version: u32,
    /// How long other processes may go on with the keys that they have in memory [default: kek_ttl, twice the deadline
    /// and attempt_timeout together]
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRewrapRoot {
    /// The KMS key that all keys shall be wrapped under: an id, an ARN, an alias or its ARN
    #[arg(long, value_name = "KMS_KEY")]
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct KeysShred {
    /// Who
    pub(crate) tenant: String,
    /// The tenant's name once more, instead of being asked for it
    #[arg(long, value_name = "TENANT")]
    pub(crate) confirm: Option<String>,
    /// How long other processes may go on with the keys that they have in memory [default: kek_ttl, twice the deadline
    /// and attempt_timeout together]
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    pub(crate) wait: Option<Duration>,
}
