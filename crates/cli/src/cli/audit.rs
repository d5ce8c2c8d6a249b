//! What can be typed after `bes audit`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use blue_encrypted_store::{blue_audit::NoteVerifier, blue_audit::address::Chain};
use clap::{Args, Subcommand};

use crate::config;

const VERDICTS: &str = "\
Exit codes of this command:
   0  verified
   1  tampering: something was changed, taken out or put in
   2  incomplete: the log is empty, or shorter than the checkpoint knows it
   3  it could not run: wrong usage, no key, no service, an untrusted checkpoint, it was stopped, or
      what came of it was not delivered";

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Verify every hash, link and MAC of the log, and that it is no shorter than the last checkpoint
    #[command(after_help = VERDICTS)]
    Verify(AuditVerify),
    /// Verify all of the log, and write what came of it as one HTML page
    #[command(after_help = VERDICTS)]
    Report(AuditReport),
    /// Print the newest events
    Tail(AuditTail),
    /// Print all events as JSON Lines, which `bes audit verify --file` reads
    Export(AuditExport),
    /// Verify, and sign, publish and print a checkpoint of what was verified
    #[command(after_help = VERDICTS)]
    Checkpoint(AuditCheckpoint),
    /// Verify again and again, and alert if anything is found or it cannot run
    #[command(after_help = VERDICTS)]
    Watch(AuditWatch),
}

impl Audit {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Verify(_) => "audit verify",
            Self::Report(_) => "audit report",
            Self::Tail(_) => "audit tail",
            Self::Export(_) => "audit export",
            Self::Checkpoint(_) => "audit checkpoint",
            Self::Watch(_) => "audit watch",
        }
    }

    /// Whether the exit code is the verdict's.
    pub(crate) fn gives_a_verdict(&self) -> bool {
        matches!(self, Self::Verify(_) | Self::Report(_) | Self::Checkpoint(_) | Self::Watch(_))
    }
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// Read all of each chain, not only what lies behind the last checkpoint
    #[arg(long)]
    pub(crate) full: bool,
    /// Hold every record and key of the table against its events too
    #[arg(long, conflicts_with = "file")]
    pub(crate) deep: bool,
    /// How long --deep waits for an event that may be on its way, before it says that something differs [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = config::duration, requires = "deep")]
    pub(crate) patience: Option<Duration>,
    /// Compare with the last checkpoint of this file, instead of that of checkpoint_file
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Believe checkpoints that this public key signed, instead of those of checkpoint_verifiers
    #[arg(long, value_name = "KEY")]
    pub(crate) verifier: Vec<NoteVerifier>,
    /// Do without the key file: MACs are not checked, and no checkpoint is signed
    #[arg(long)]
    pub(crate) without_key: bool,
    /// Verify an export instead of the table; hashes, links and sequences are checked, MACs are not in it
    #[arg(long, value_name = "EXPORT")]
    pub(crate) file: Option<PathBuf>,
    /// Print the report as JSON, as --output json does
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditReport {
    /// Write to a file, which must not exist yet, instead of standard output
    #[arg(short = 'o', value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Hold every record and key of the table against its events too
    #[arg(long, conflicts_with = "file")]
    pub(crate) deep: bool,
    /// How long --deep waits for an event that may be on its way, before it says that something differs [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = config::duration, requires = "deep")]
    pub(crate) patience: Option<Duration>,
    /// Compare with the last checkpoint of this file, instead of that of checkpoint_file
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Believe checkpoints that this public key signed, instead of those of checkpoint_verifiers
    #[arg(long, value_name = "KEY")]
    pub(crate) verifier: Vec<NoteVerifier>,
    /// Do without the key file: MACs are not checked
    #[arg(long)]
    pub(crate) without_key: bool,
    /// Verify an export instead of the table; hashes, links and sequences are checked, MACs are not in it
    #[arg(long, value_name = "EXPORT")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditTail {
    /// Go on with what is appended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what was done with this tenant's records and keys
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Only events of this trace, 32 hexadecimal digits
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// Only what this principal did
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// How many events
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) lines: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct AuditExport {
    /// Only this chain
    #[arg(long)]
    pub(crate) chain: Option<Chain>,
    /// Write to a file, which must not exist yet, instead of standard output
    #[arg(short = 'o', value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditCheckpoint {
    /// Read all of each chain, not only what lies behind the last checkpoint
    #[arg(long)]
    pub(crate) full: bool,
    /// Begin a new file of checkpoints, though there is no earlier one to compare with
    #[arg(long)]
    pub(crate) begin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditWatch {
    /// How long from the beginning of one verification to that of the next, and how long each may take
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = config::duration)]
    pub(crate) every: Duration,
    /// Verify once, and end with its exit code
    #[arg(long)]
    pub(crate) once: bool,
    /// Read all of each chain in the first verification, as is done anyway without --once
    #[arg(long)]
    pub(crate) full: bool,
    /// Hold every record and key of the table against its events too, each time: reads all of the table
    #[arg(long)]
    pub(crate) deep: bool,
}
