//! What can be typed.

mod audit;
mod keys;

use std::{
    ffi::OsString,
    iter,
    path::{Path, PathBuf},
};

use blue_encrypted_store::blue_audit::NoteVerifier;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::audit::{
    Audit, AuditCheckpoint, AuditExport, AuditReport, AuditTail, AuditVerify, AuditWatch,
};
pub(crate) use self::keys::{
    Keys, KeysLs, KeysReseal, KeysRetire, KeysRewrap, KeysRewrapRoot, KeysRotate, KeysShred,
};
use crate::attr::Attr;

const AFTER_HELP: &str = "\
Addresses are TENANT/COLLECTION/KIND/ID; the id may contain '/'.

Exit codes:
   0  done
   1  another failure
   2  wrong usage or bad input
   3  not found
   4  conflict: the record is there already, or has another version
   5  tampered: what lies in the table is not what was written
   6  the key is unavailable, lost or changed
   7  the service is unavailable or denied it
   8  outcome unknown: a write was sent and never answered
   9  some lines, records or keys failed, or were left; each is reported
  10  the tenant was shredded
  11  the table cannot serve as a store: missing, of another schema, not ours
  12  stopped by SIGINT or SIGTERM: what was begun was finished; repeat the command to go on

`bes audit verify`, `report`, `checkpoint` and `watch`, and `bes doctor`, have exit codes of their own; see their --help.

Every setting can come from a flag, the environment (BES_*, AWS_*), or a TOML file, in this order; `bes config` \
shows which.";

const EXAMINED: &str = "\
Each check is ok, a warning, a failure, or skipped because of one before it.

Exit codes of this command:
   0  no check is a failure (some may be warnings)
   1  at least one is
   2  wrong usage, or settings that are not understood";

/// Client-side encrypted storage in one DynamoDB table.
#[derive(Debug, Parser)]
#[command(name = "bes", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every command takes. Each wins over the environment and the configuration file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings of every command")]
pub struct Global {
    /// The configuration file [env: BES_CONFIG] [default: ~/.blue/config.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The DynamoDB table [env: BES_TABLE] [default: blue-encrypted-store]
    #[arg(long, global = true, value_name = "NAME")]
    pub table: Option<String>,
    /// The namespace of the store [env: BES_NAMESPACE] [default: default]
    #[arg(long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The key file [env: BES_KEY_FILE] [default: ~/.blue/keys/umk.key]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<String>,
    /// The key of AWS KMS, with keys = kms: its id, ARN, alias or alias ARN [env: BES_KMS_KEY]
    #[arg(long, global = true, value_name = "KEY")]
    pub kms_key: Option<String>,
    /// Where DynamoDB is, if not in AWS itself [env: AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The AWS Region [env: AWS_REGION]
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Who the audit log says does it [env: BES_PRINCIPAL] [default: the user of the system]
    #[arg(long, global = true, value_name = "NAME")]
    pub principal: Option<String>,
    /// How to print data [env: BES_OUTPUT] [default: text: a table on a terminal, else plain lines]
    #[arg(long, global = true, value_name = "json|text")]
    pub output: Option<String>,
    /// Log to standard error: -v info, -vv debug, -vvv trace [env: BES_LOG, a tracing filter]
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the table and, with local keys, the key file if they are missing, and make the table a store
    Init,
    /// Write a record, from --json, --file or standard input
    Put(Put),
    /// Print a record
    Get(Get),
    /// List the records of a collection
    Ls(Ls),
    /// Delete a record
    Rm(Rm),
    /// Write every line of a JSON Lines file as a record
    Import(Import),
    /// Print all records of a collection as JSON Lines
    Export(Export),
    /// Verify, read and export the audit log, and sign checkpoints of it
    #[command(subcommand)]
    Audit(Audit),
    /// Show, rotate, retire and shred tenants' keys, and move records and keys from one to another
    #[command(subcommand)]
    Keys(Keys),
    /// Make a table that was restored from a backup the store, so that it can be written again
    Adopt(Adopt),
    /// Examine everything that the store depends on, and say what to do about what is wrong; changes nothing
    #[command(after_help = EXAMINED)]
    Doctor,
    /// Wipe a local database (DynamoDB Local only) and begin again with a fresh key
    Reset(Reset),
    /// Show every setting and where it comes from
    Config,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

impl Command {
    /// The words that name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Put(_) => "put",
            Self::Get(_) => "get",
            Self::Ls(_) => "ls",
            Self::Rm(_) => "rm",
            Self::Import(_) => "import",
            Self::Export(_) => "export",
            Self::Audit(audit) => audit.name(),
            Self::Keys(keys) => keys.name(),
            Self::Adopt(_) => "adopt",
            Self::Doctor => "doctor",
            Self::Reset(_) => "reset",
            Self::Config => "config",
            Self::Completions { .. } => "completions",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// TENANT/COLLECTION/KIND/ID
    pub(crate) address: String,
    /// The content, a JSON value
    #[arg(long, value_name = "JSON", conflicts_with = "file")]
    pub(crate) json: Option<String>,
    /// A file with the content; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Store the content as raw bytes, not as JSON
    #[arg(long, conflicts_with = "json")]
    pub(crate) bytes: bool,
    /// A cleartext attribute, readable in the table and authenticated: NAME=TEXT, NAME:int=5, NAME:bool=true,
    /// NAME:bytes=BASE64
    #[arg(long, value_name = "NAME[:TYPE]=VALUE")]
    pub(crate) attr: Vec<Attr>,
    /// Only if there is no such record
    #[arg(long, conflicts_with = "if_version")]
    pub(crate) if_absent: bool,
    /// Only if the record has this version
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// TENANT/COLLECTION/KIND/ID
    pub(crate) address: String,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// TENANT/COLLECTION
    pub(crate) collection: String,
    /// Only records of this kind
    #[arg(long)]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// TENANT/COLLECTION/KIND/ID
    pub(crate) address: String,
    /// Only if the record has this version
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// TENANT/COLLECTION
    pub(crate) collection: String,
    /// The kind of the records
    #[arg(long)]
    pub(crate) kind: String,
    /// The field that holds the id, a string or an integer
    #[arg(long, value_name = "FIELD")]
    pub(crate) id_field: String,
    /// Fields to store as cleartext attributes too, if a line has them: strings, integers or booleans
    #[arg(long, value_name = "FIELD,...", value_delimiter = ',')]
    pub(crate) attr: Vec<String>,
    /// How many records are written at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// The JSON Lines file; - is standard input
    pub(crate) file: PathBuf,
}

impl Import {
    /// The words that were typed after `bes` for this import, with standard input in the file's place. `None` if they are not
    /// all text.
    pub(crate) fn typed_with_standard_input() -> Option<Vec<String>> {
        let typed = std::env::args_os().skip(1).map(OsString::into_string);
        Self::with_standard_input(&typed.collect::<Result<Vec<_>, _>>().ok()?)
    }

    /// Only the parser knows which word is the file: another one may read the same.
    fn with_standard_input(typed: &[String]) -> Option<Vec<String>> {
        (0..typed.len()).find_map(|place| {
            let mut words = typed.to_vec();
            "-".clone_into(&mut words[place]);
            let bes = iter::once("bes").chain(words.iter().map(String::as_str));
            match Arguments::try_parse_from(bes).ok()?.command {
                Command::Import(import) if import.file == Path::new("-") => Some(words),
                _ => None,
            }
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// TENANT/COLLECTION
    pub(crate) collection: String,
    /// Only records of this kind
    #[arg(long)]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// The checkpoints of the table that it was restored from, instead of those of checkpoint_file: whoever was shredded
    /// by the last of them is shredded again
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Believe checkpoints that this public key signed, instead of those of checkpoint_verifiers
    #[arg(long, value_name = "KEY")]
    pub(crate) verifier: Vec<NoteVerifier>,
    /// Take the checkpoint though it is of another table than this was restored from
    #[arg(long)]
    pub(crate) any_table: bool,
    /// There are no checkpoints: tenants that were shredded after the backup are back
    #[arg(long, conflicts_with_all = ["checkpoint", "any_table"])]
    pub(crate) no_checkpoint: bool,
    /// Adopt a table whose audit log is not sound
    #[arg(long)]
    pub(crate) despite_findings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

impl Global {
    /// The value of the flag of a setting, given by its name with dashes.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<&str> {
        match name {
            "table" => self.table.as_deref(),
            "namespace" => self.namespace.as_deref(),
            "key-file" => self.key_file.as_deref(),
            "kms-key" => self.kms_key.as_deref(),
            "endpoint-url" => self.endpoint_url.as_deref(),
            "region" => self.region.as_deref(),
            "principal" => self.principal.as_deref(),
            "output" => self.output.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_takes_the_place_of_the_file_and_of_no_other_word() {
        let of = |typed: &str| {
            let typed: Vec<_> = typed.split(' ').map(str::to_owned).collect();
            Import::with_standard_input(&typed).map(|words| words.join(" "))
        };
        for (typed, expected) in [
            ("import t/c --kind k --id-field f f", "import t/c --kind k --id-field f -"),
            (
                "--table x import t/c x --id-field=x --kind x -v",
                "--table x import t/c - --id-field=x --kind x -v",
            ),
            ("import --kind k --id-field f t/c -- t/c", "import --kind k --id-field f t/c -- -"),
        ] {
            assert_eq!(of(typed).as_deref(), Some(expected));
        }
        assert_eq!(of("ls t/c"), None);
    }
}
