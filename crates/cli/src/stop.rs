//! Signals that tell this process to stop: SIGINT and SIGTERM, or Ctrl-C where there are no others.
//!
//! They are listened for once, for the whole process. The first one is passed on to the command, which finishes what it
//! began or drops it, whichever it documents; either way control comes back to `main`. The second ends the process at once:
//! whatever is written is written in one transaction with its event, so no half of it is left.

use std::{fmt, future, io, pin::pin, thread};

use tokio::sync::{oneshot, watch};

use crate::failure::Failure;

/// What tells a process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, as of Ctrl-C on a terminal.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is Ctrl-C alone"))]
    Terminate,
}

impl Signal {
    /// The exit code of a process that it ended, as shells have it: 128 and its number.
    fn code(self) -> i32 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }

    /// Says that it came, while what was begun is being finished.
    pub(crate) fn announce(self) {
        say!("{self}: what was begun is being finished; a second signal stops at once");
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// How a command ended that was told to stop.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) signal: Signal,
    /// How far it came, if there is anything to say of it.
    pub(crate) came_to: Option<String>,
    /// How to go on, one piece of advice a line.
    pub(crate) go_on: Vec<String>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by {}", self.signal)?;
        match &self.came_to {
            Some(came_to) => write!(f, ": {came_to}"),
            None => Ok(()),
        }
    }
}

/// Knows whether this process was told to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Option<Signal>>);

impl Stop {
    /// Listens from now on, as long as the runtime lives that this is called in.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |source| Failure::Io { what: "signals cannot be waited for".to_owned(), source };
        let mut signals = Signals::new().map_err(failed)?;
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            tell.send_replace(Some(signals.next().await));
            std::process::exit(signals.next().await.code());
        });
        Ok(Self(told))
    }

    /// Waits for the first signal; if it came already, not at all.
    pub(crate) async fn told(&self) -> Signal {
        let mut told = self.0.clone();
        let signal = told.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
        match signal {
            Some(signal) => signal,
            // Nobody listens any more.
            None => future::pending().await,
        }
    }

    /// Does this, unless a signal comes first: then it is dropped. If it is done at that very moment, it is done.
    pub(crate) async fn unless_told<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = work => done,
            signal = self.told() => Err(Failure::stopped(signal, None, Vec::new())),
        }
    }

    /// Does this, which stops by itself, and says when a signal comes meanwhile.
    pub(crate) async fn announced<T>(
        &self,
        work: impl Future<Output = T>,
        announce: impl FnOnce(Signal),
    ) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            signal = self.told() => announce(signal),
        }
        work.await
    }

    /// As [`Self::unless_told`] for what blocks until somebody does something, such as reading standard input: on a thread of its own, which
    /// a process that ends does not wait for.
    pub(crate) async fn unless_told_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (send, done) = oneshot::channel();
        let failed = |source| Failure::Io { what: "no thread can be started to read".to_owned(), source };
        thread::Builder::new().spawn(move || send.send(work())).map_err(failed)?;
        let done = async { done.await.unwrap_or_else(|_| Err(failed(io::Error::other("it panicked")))) };
        self.unless_told(done).await
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "where there are signals, it can fail")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            // Without signals it runs until it is killed.
            Err(_) => future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_when_the_signal_comes_is_done() {
        let (tell, told) = watch::channel(None);
        let stop = Stop(told);
        tell.send_replace(Some(Signal::Terminate));
        assert_eq!(stop.told().await, Signal::Terminate);
        assert!(matches!(stop.unless_told(async { Ok(7) }).await, Ok(7)));
        let dropped = stop.unless_told(future::pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(dropped.to_string(), "stopped by SIGTERM");
    }

    #[tokio::test]
    async fn who_is_not_told_does_not_stop() {
        let (tell, told) = watch::channel(None);
        let stop = Stop(told);
        drop(tell);
        assert!(matches!(stop.unless_told_aside(|| Ok("read")).await, Ok("read")));
    }
}
