//! The way from a process to DynamoDB: it tells the moment for the kill, and after it lets nothing more through.

use std::{
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{Arc, Mutex},
    time::Duration,
};

use blue_tests::{Fate, Proxy};
use tokio::{
    process::Child,
    sync::{Notify, watch},
    time,
};

use crate::plan::Moment;

/// How long anything may take that is not one operation with a deadline. A busy machine needs a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Gate {
    proxy: Proxy,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    watch: Mutex<Watch>,
    /// A request came.
    began: Notify,
    reached: Arc<Notify>,
}

#[derive(Default)]
enum Watch {
    #[default]
    Open,
    /// This many more, and then the one that is not answered.
    Counting {
        left: u32,
        carried_out: bool,
    },
    Shut,
}

impl State {
    fn judge(&self) -> Fate {
        self.began.notify_one();
        let mut watch = self.watch.lock().unwrap();
        match &mut *watch {
            Watch::Open => Fate::Forward,
            Watch::Shut => Fate::LoseRequest,
            Watch::Counting { left: 0, carried_out: true } => {
                *watch = Watch::Open;
                // Its reader is killed at what it tells, or dies of its own patience.
                Fate::HeldAnswer(self.reached.clone())
            }
            Watch::Counting { left: 0, carried_out: false } => {
                *watch = Watch::Open;
                self.reached.notify_one();
                Fate::Silence
            }
            Watch::Counting { left, .. } => {
                *left -= 1;
                Fate::Forward
            }
        }
    }
}

impl Gate {
    pub(crate) async fn new() -> Self {
        let state = Arc::<State>::default();
        let judge = state.clone();
        let proxy = Proxy::start(move |_| std::future::ready(judge.judge())).await;
        Self { proxy, state }
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.proxy.endpoint()
    }

    /// Waits for a moment. What it counts begins now; its clock at the first request, if none has come yet.
    /// `acknowledged` counts acknowledgements.
    pub(crate) async fn reach(&self, moment: Moment, acknowledged: &mut watch::Receiver<u64>) {
        match moment {
            Moment::Clock(after) => {
                self.state.began.notified().await;
                time::sleep(after).await;
            }
            Moment::Acknowledged(count, after) => {
                // No sender, nothing more to come: whoever kills then sees that it ended.
                let _ = acknowledged.wait_for(|&acknowledged| acknowledged >= count).await;
                time::sleep(after).await;
            }
            Moment::Request { before, carried_out } => {
                *self.state.watch.lock().unwrap() = Watch::Counting { left: before, carried_out };
                self.state.reached.notified().await;
            }
        }
    }

    /// When the process is dead: waits until nothing of it is on its way any more.
    pub(crate) async fn shut(&self) {
        *self.state.watch.lock().unwrap() = Watch::Shut;
        all_arrived(&self.proxy).await;
    }

    /// Kills a process at a moment, unless it ends by itself before.
    pub(crate) async fn kill(
        &self,
        child: &mut Child,
        moment: Moment,
        acknowledged: &mut watch::Receiver<u64>,
    ) -> ExitStatus {
        let ended = tokio::select! {
            () = self.reach(moment, acknowledged) => None,
            status = child.wait() => Some(status.unwrap()),
            () = time::sleep(PATIENCE) => panic!("it neither reached {moment:?} nor ended"),
        };
        let status = match ended {
            Some(status) => status,
            None => {
                child.start_kill().unwrap();
                child.wait().await.unwrap()
            }
        };
        self.shut().await;
        status
    }
}

/// Waits until nothing is on its way through a proxy whose clients are gone.
pub(crate) async fn all_arrived(proxy: &Proxy) {
    time::timeout(PATIENCE, proxy.drained()).await.expect("every connection ends with its client");
}

/// Whether it was our kill that ended a process.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}
