//! Checkpoints handed to a command.

use std::{ffi::OsString, io, path::Path, process::ExitStatus, process::Stdio, sync::Arc, time::Duration};

use async_trait::async_trait;
use blue_audit::{CheckpointSink, SinkError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

/// How much of what a failed command said is kept: its last bytes.
const TAIL: usize = 2_000;

/// How long, after the command's end, others that it started may hold on to its error output.
const GRACE: Duration = Duration::from_millis(200);

/// Runs a command of the user's for each checkpoint, with the note on its standard input: one that puts it into a bucket
/// with object lock, mails it, or commits it to a repository.
///
/// The command is run directly, by no shell, with this process's environment and working directory. Its standard output is
/// dropped. It has delivered the checkpoint if it exits with 0. After the timeout it is killed, on Unix with all of its
/// process group.
///
/// It needs a Tokio runtime with I/O and time enabled.
#[derive(Debug, Clone)]
pub struct CommandSink {
    program: OsString,
    arguments: Vec<OsString>,
    timeout: Duration,
}

/// Why a command did not deliver a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It could not be run.
    #[error("it cannot be run")]
    Start(#[source] io::Error),
    /// Its input, output or end could not be handled.
    #[error("its run cannot be followed")]
    Io(#[source] io::Error),
    /// It took too long, and was killed.
    #[error("it did not end within {} s", timeout.as_secs_f32())]
    TimedOut {
        /// How long it had.
        timeout: Duration,
    },
    /// It failed.
    #[error("it ended with {status}{}", said(stderr))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The last that it wrote to its standard error, without control characters.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl CommandSink {
    /// A command without arguments, which has 30 seconds.
    #[must_use]
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), timeout: Duration::from_secs(30) }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// How long it has from its start to its end.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn run(&self, note: &str) -> Result<(), CommandError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut running = Running(command.kill_on_drop(true).spawn().map_err(CommandError::Start)?);
        match timeout(self.timeout, running.finish(note)).await {
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((status, stderr))) => Err(CommandError::Failed { status, stderr: printable(&stderr) }),
            Ok(Err(error)) => Err(CommandError::Io(error)),
            Err(_) => Err(CommandError::TimedOut { timeout: self.timeout }),
        }
    }
}

#[async_trait]
impl CheckpointSink for CommandSink {
    async fn publish(&self, note: &str) -> Result<(), SinkError> {
        self.run(note).await.map_err(|error| SinkError::Undelivered {
            sink: format!("the command {}", Path::new(&self.program).display()),
            source: Arc::new(error),
        })
    }
}

/// A command that was started, and is killed when this is dropped before its end.
struct Running(Child);

impl Running {
    /// Gives it its input, and waits for its end.
    async fn finish(&mut self, note: &str) -> io::Result<(ExitStatus, Vec<u8>)> {
        let (stdin, stderr) = (self.0.stdin.take(), self.0.stderr.take());
        let write = async move {
            let Some(mut stdin) = stdin else { return Ok(()) };
            match stdin.write_all(note.as_bytes()).await {
                // It need not read it. Its exit says whether all is well.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            }
        };
        let mut tail = Vec::new();
        let read = async {
            match stderr {
                Some(stderr) => read_tail(stderr, &mut tail).await,
                None => Ok(()),
            }
        };
        let status = {
            let talk = async { tokio::try_join!(write, read) };
            let mut talk = std::pin::pin!(talk);
            tokio::select! {
                outcome = &mut talk => {
                    outcome?;
                    self.0.wait().await?
                }
                status = self.0.wait() => {
                    // What it said last may not be read yet; and what it started may live on, and never fall silent.
                    if let Ok(outcome) = timeout(GRACE, talk).await {
                        outcome?;
                    }
                    status?
                }
            }
        };
        Ok((status, tail))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it was waited for it has no id any more, and nobody else gets the signal.
        #[cfg(unix)]
        if let Some(group) =
            self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// Reads to the end, and keeps the last bytes alone.
async fn read_tail(mut from: impl AsyncRead + Unpin, tail: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 1_024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        tail.extend_from_slice(&buffer[..read]);
        let beyond = tail.len().saturating_sub(TAIL);
        tail.drain(..beyond);
    }
}

/// As text on one line.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, thread};

    use super::*;
    use crate::checkpoints::fixtures::{Store, block_on};

    fn shell(script: &str) -> CommandSink {
        CommandSink::new("sh").args(["-c", script])
    }

    fn failure(outcome: Result<(), CommandError>) -> String {
        match outcome {
            Err(error) => error.to_string(),
            Ok(()) => panic!("it is taken for delivered"),
        }
    }

    #[test]
    fn the_command_gets_exactly_the_note() {
        let store = Store::new("prod");
        let path = store.path("delivered");
        let sink = CommandSink::new("tee").args([&path]);
        // The second is longer than any pipe holds.
        for note in [store.note(1, 1), "long\n".repeat(100_000)] {
            block_on(sink.publish(&note)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), note);
        }
    }

    #[test]
    fn a_command_may_leave_its_input_unread() {
        block_on(shell("exit 0").run(&"long\n".repeat(100_000))).unwrap();
        block_on(shell("exec 0<&-; exit 0").run("note\n")).unwrap();
    }

    #[test]
    fn a_command_that_fails_has_delivered_nothing_and_its_last_words_are_kept() {
        let said =
            failure(block_on(shell("cat >&2; printf '\\033[31mno\\r\\n  room\\n' >&2; exit 3").run("")));
        assert_eq!(said, "it ended with exit status: 3:  [31mno    room");
        assert_eq!(failure(block_on(shell("exit 1").run(""))), "it ended with exit status: 1");
        let said = failure(block_on(shell("yes first | head -c 300000 >&2; echo last >&2; exit 1").run("")));
        assert!(said.ends_with(" first last") && said.len() < 2_100, "{said}");
        assert!(failure(block_on(shell("kill -9 $$").run(""))).contains("signal: 9"));
        let outcome = block_on(shell("exit 1").publish(""));
        let Err(error @ SinkError::Undelivered { .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.to_string(), "the checkpoint was not delivered to the command sh");
    }

    #[test]
    fn a_command_that_is_not_there_is_an_error() {
        let sink = CommandSink::new("/nowhere/at-all");
        assert!(matches!(block_on(sink.run("")), Err(CommandError::Start(_))));
    }

    #[test]
    fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
        let store = Store::new("prod");
        let pipe = store.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).as_std_mut().status().unwrap().success());
        let script =
            format!("(exec 3>{}; echo started >&3; sleep 60; echo survived >&3) & wait", pipe.display());
        // On a busy machine it may not have come to anything in the first seconds.
        for seconds in [1, 2, 4, 8, 16] {
            let reader = thread::spawn({
                let pipe = pipe.clone();
                move || fs::read_to_string(pipe).unwrap()
            });
            let outcome = block_on(shell(&script).timeout(Duration::from_secs(seconds)).run("note\n"));
            assert!(matches!(outcome, Err(CommandError::TimedOut { .. })), "{outcome:?}");
            // The reader waits until somebody opens the other end, and ends when nobody has it open any more. Open for
            // both, it is open at once.
            while !reader.is_finished() {
                drop(fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
                thread::sleep(Duration::from_millis(10));
            }
            let said = reader.join().unwrap();
            if !said.is_empty() {
                assert_eq!(said, "started\n");
                return;
            }
        }
        panic!("it never started");
    }

    #[test]
    fn what_a_command_leaves_behind_does_not_hold_up_its_end() {
        let store = Store::new("prod");
        let pid = store.path("pid");
        // It keeps the error output open for longer than the command has time.
        let outcome = block_on(shell(&format!("sleep 120 & echo $! > {}", pid.display())).run("note\n"));
        let left = fs::read_to_string(pid).unwrap();
        assert!(Command::new("kill").arg(left.trim()).as_std_mut().status().unwrap().success());
        outcome.unwrap();
    }
}
