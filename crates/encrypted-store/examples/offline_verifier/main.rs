//! Verifies an export of the audit log where there is neither AWS nor network nor any key of the store: on an auditor's laptop.
//!
//! What it shows: the verifier over something else than the table, and checkpoints that were kept elsewhere as what the export is
//! compared with. Without one, an export that ends early, or was written anew as a whole, cannot be told from a sound one: an export
//! has no MACs.
//!
//! ```sh
//! eval "$(cargo xtask up)"                                              # those who keep the store:
//! export BES_CHECKPOINT_FILE=checkpoints.txt
//! cargo run --bin bes -- init
//! cargo run --bin bes -- put alice/inbox/note/1 --json '"call Bob"'
//! cargo run --bin bes -- audit checkpoint                               # says the public key at its first time: bes/default+…
//! cargo run --bin bes -- audit export -o export.jsonl
//!
//! cargo run --example offline_verifier -- \
//!     export.jsonl default checkpoints.txt 'bes/default+…'              # those who do not trust them; $? is 0, 1, 2 or 3
//! ```
//!
//! The exit code is that of `bes audit verify`: 0 verified, 1 tampering, 2 incomplete, 3 it could not be verified.
//!
//! For production: get the checkpoints and the public key from where whoever writes the table cannot write, another account or a
//! printout; and keep each export's newest checkpoint to compare the next one with. `bes audit verify --file` does the same.

#[path = "../shared/causes.rs"]
mod causes;
#[cfg(test)]
#[path = "../shared/sandbox.rs"]
mod sandbox;
#[cfg(test)]
mod tests;

use std::{
    env,
    error::Error,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use blue_encrypted_store::{
    Namespace,
    blue_audit::{self, NoteVerifier, Report, VerifyOptions},
    checkpoints::TrustedCheckpoints,
    export::ExportFile,
};

use self::causes::with_causes;

const USAGE: &str = "usage: offline_verifier EXPORT NAMESPACE [CHECKPOINTS VERIFIER...]";

/// Of a verification that could not run.
const NOT_VERIFIED: u8 = 3;

/// What is verified, and what it is compared with.
struct Task {
    export: PathBuf,
    namespace: Namespace,
    /// A file of checkpoints, and the public keys of those who may have signed them.
    checkpoints: Option<(PathBuf, Vec<NoteVerifier>)>,
}

impl Task {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let export = arguments.next().ok_or(USAGE)?.into();
        let namespace = Namespace::new(arguments.next().ok_or(USAGE)?)?;
        let checkpoints = match arguments.next() {
            None => None,
            Some(file) => {
                let known = arguments.map(|key| key.parse()).collect::<Result<Vec<_>, _>>()?;
                if known.is_empty() {
                    return Err(
                        "a checkpoint is as good as the key that it is verified by, and none is given".into(),
                    );
                }
                Some((file.into(), known))
            }
        };
        Ok(Self { export, namespace, checkpoints })
    }

    /// The report; an error says nothing about the log.
    async fn verify(&self) -> Result<Report, Box<dyn Error>> {
        let trusted = match &self.checkpoints {
            None => None,
            // Every signature in it is verified, and that no checkpoint goes back behind the one before.
            Some((file, known)) => {
                let read = TrustedCheckpoints::read(file, &self.namespace, known).await?;
                let latest = read.latest().cloned();
                Some(
                    latest
                        .ok_or("there is no checkpoint in the file, and somebody may have taken them away")?,
                )
            }
        };
        let export = ExportFile::open(&self.export).await;
        let export = export.map_err(|error| format!("cannot read {}: {error}", self.export.display()))?;
        let options = VerifyOptions {
            trusted: trusted.map(Into::into),
            // All of it, also what lies before the checkpoint.
            full: true,
            ..export.options(self.namespace.clone())
        };
        Ok(blue_audit::verify(Arc::new(export), &options).await?)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(run().await.unwrap_or_else(|error| {
        // Nobody is left to tell if this fails.
        let _ = writeln!(io::stderr(), "not verified: {}", with_causes(error.as_ref()));
        NOT_VERIFIED
    }))
}

/// What was typed. That a name of a file is no UTF-8 is an error like any other.
fn arguments() -> Result<impl Iterator<Item = String>, Box<dyn Error>> {
    let text =
        |argument: OsString| argument.into_string().map_err(|argument| format!("{argument:?} is no UTF-8"));
    Ok(env::args_os().skip(1).map(text).collect::<Result<Vec<_>, _>>()?.into_iter())
}

async fn run() -> Result<u8, Box<dyn Error>> {
    let report = Task::parse(arguments()?)?.verify().await?;
    // The verdict goes before whatever happens to the printing.
    let _ = writeln!(io::stdout(), "{report}");
    Ok(report.verdict().exit_code())
}
