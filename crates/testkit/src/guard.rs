//! Watchdogs: `sh` processes that end a server when this process is gone, however it went.
//!
//! Each waits for the end of a pipe whose writing end this process holds. The kernel closes that end on any exit,
//! SIGKILL and `process::exit` included, which no destructor and no signal handler covers. Watchdogs stand in process
//! groups of their own, so that the terminal's Ctrl-C reaches this process and not them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Becomes the program in its arguments, with a watchdog beside it in the same process group, and nothing else in
/// it. `kill 0` therefore reaches that program alone, and no number is remembered that could come to mean another
/// process: a group's number is not given out again while a member lives.
const PROGRAM: &str = r#"
exec 3<&0 </dev/null
{ read -r line <&3; kill -s KILL 0; } &
exec 3<&-
exec "$@"
"#;

/// Runs the command in its arguments at the end of the pipe.
const COMMAND: &str = r#"read -r line; "$@""#;

/// Starts `program`, killed at the latest when this process ends. The caller sets standard output and error; neither
/// may be a pipe that somebody reads to its end.
pub(crate) fn program(program: &Command) -> Command {
    let mut guarded = shell(PROGRAM, program);
    guarded.stdin(Stdio::piped());
    guarded
}

/// Starts `program` so that it stays when this process and its terminal are gone.
pub(crate) fn detached(program: &Command) -> Command {
    shell(r#"trap '' HUP; exec "$@""#, program)
}

/// Runs a command when this process ends, or when the guard is dropped, whichever is first.
#[derive(Debug)]
pub(crate) struct AtEnd {
    watchdog: Child,
}

impl AtEnd {
    pub(crate) fn run(command: &Command) -> io::Result<Self> {
        let mut shell = shell(COMMAND, command);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { watchdog: shell.spawn()? })
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        // `wait` closes the pipe first, and so sets the watchdog off.
        let _ = self.watchdog.wait();
    }
}

fn shell(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg("testkit").arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.process_group(0);
    shell
}
