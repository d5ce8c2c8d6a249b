//! `bes completions`.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{cli::Arguments, failure::Exit};

/// Prints the script. A pipe that was closed ends it quietly.
pub(crate) fn run(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "bes", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say!("error: standard output cannot be written\n  because {error}");
            Exit::Other
        }
        _ => Exit::Ok,
    }
}
