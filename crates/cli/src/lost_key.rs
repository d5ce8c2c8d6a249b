//! What happens when the key of a local database is lost: an explanation, and on a terminal the offer to begin
//! again. Nothing is generated or wiped before a yes, and a table that is not DynamoDB Local's never is.

use std::io::{self, BufRead, IsTerminal, Write};

use blue_encrypted_store::{LocalReset, OpenError, ResetError, ResetReport};

use crate::{
    config::{Config, Keys},
    failure::{self, Failure, KeyLost, Remedy},
    output::printable,
    session,
    stop::Stop,
};

/// Offers a reset on a terminal. `None` if it was accepted and done.
pub(crate) async fn offer_reset(config: &Config, error: OpenError, stop: &Stop) -> Option<Failure> {
    let lost = |error, remedy, told| Some(Failure::KeyLost(Box::new(KeyLost { error, remedy, told })));
    let reset = match stop.unless_told(async { Ok(prepare(config).await) }).await {
        Ok(Ok(reset)) => reset,
        Ok(Err(ResetError::NotLocalTable { arn })) => return lost(error, Remedy::None { arn }, false),
        Ok(Err(_)) => return lost(error, Remedy::NotKnown, false),
        Err(stopped) => return Some(stopped),
    };
    if !is_interactive() {
        return lost(error, Remedy::Reset, false);
    }
    say!("error: {}", printable(&error.to_string()));
    failure::causes(&error);
    say!("");
    say!("Without the key file it was encrypted under, nothing in this table can be read again.");
    say!("If you have that file, answer no and put it back at {}.", config.key_file.value.display());
    explain(&reset);
    match confirm(stop).await {
        Ok(true) => match reset.wipe().await {
            Ok(report) => {
                tell(config, &report);
                None
            }
            Err(error) => Some(error.into()),
        },
        Ok(false) => {
            say!("Nothing was changed.");
            lost(error, Remedy::Reset, true)
        }
        Err(failure) => Some(failure),
    }
}

/// Looks whether a reset may be done at all. Changes nothing.
pub(crate) async fn prepare(config: &Config) -> Result<LocalReset, ResetError> {
    // What KMS has is not lost, and not made anew.
    if config.keys.value != Keys::Local {
        return Err(ResetError::NotLocalKey);
    }
    session::builder(config).local_reset_at(config.key_file.value.clone()).await
}

/// Whether somebody is there to ask.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Says what a reset would do.
pub(crate) fn explain(reset: &LocalReset) {
    say!(
        "A reset deletes the local table {} with all its records and makes a fresh key at {}.",
        reset.table(),
        reset.key_path().display()
    );
    if reset.key_path().symlink_metadata().is_ok() {
        say!("The file that is there now is kept beside it under another name. Other tables may need it.");
    }
}

/// Asks; anything but a yes is a no.
pub(crate) async fn confirm(stop: &Stop) -> Result<bool, Failure> {
    let answer = ask("Reset local database? [y/N] ", stop).await?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks on the terminal. The answer ends with its line break; without one, there was none.
pub(crate) async fn ask(question: &str, stop: &Stop) -> Result<String, Failure> {
    let failed = |source| Failure::Io { what: "the answer cannot be read".to_owned(), source };
    let mut stderr = io::stderr();
    write!(stderr, "{question}").and_then(|()| stderr.flush()).map_err(failed)?;
    let answer = stop.unless_told_aside(move || {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(failed)?;
        Ok(answer)
    });
    let answer = answer.await;
    // The line of the question is still open.
    if answer.as_ref().map_or(true, String::is_empty) {
        say!("");
    }
    answer
}

/// Says what a reset did.
pub(crate) fn tell(config: &Config, report: &ResetReport) {
    say!(
        "Reset: the table {} is empty, with a fresh key at {}.",
        config.table.value,
        report.new_key.display()
    );
    if let Some(old) = &report.old_key {
        say!("The old key file is now {}.", old.display());
    }
}
