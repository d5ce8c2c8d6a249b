//! The four processes that write: started, killed, started again, their clocks stepped, and in the end told to stop.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use blue_testkit::DynamoDb;
use blue_tests::{Racer, Reads, Said, Sandbox};
use fastrand::Rng;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time,
};

use crate::{
    clock::{self, Clock},
    plan::Policy,
    round::PATIENCE,
    throttle::Throttle,
};

const PROCESSES: u8 = 4;
const TASKS: u8 = 16;

/// What the processes said, added up.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// A place for one process after the other.
struct Place {
    number: u8,
    clock: Option<Clock>,
    throttle: Throttle,
    running: Running,
}

struct Running {
    racer: Racer,
    child: Child,
    opened: watch::Receiver<bool>,
    /// Whether it said that it ended, once it has.
    said: JoinHandle<bool>,
}

pub(crate) struct Writers<'a> {
    sandbox: &'a Sandbox,
    policy: Policy,
    places: Vec<Place>,
    rng: Rng,
    pub(crate) sums: Arc<Sums>,
    pub(crate) kills: u64,
    pub(crate) steps: u64,
}

impl<'a> Writers<'a> {
    /// Starts all, and returns when their stores are open.
    pub(crate) async fn start(
        sandbox: &'a Sandbox,
        policy: Policy,
        library: Option<&Path>,
        mut rng: Rng,
    ) -> Self {
        let sums = Arc::<Sums>::default();
        let mut places = Vec::new();
        for number in 0..PROCESSES {
            let file = sandbox.path(&format!("clock-{number}"));
            let clock = library.map(|library| Clock::new(library, file));
            let throttle = Throttle::new(rng.fork()).await;
            let racer = racer(sandbox, policy, number, &mut rng);
            let running = run(sandbox, racer, clock.as_ref(), &throttle, sums.clone());
            places.push(Place { number, clock, throttle, running });
        }
        for place in &mut places {
            place.running.has_opened().await;
        }
        Self { sandbox, policy, places, rng, sums, kills: 0, steps: 0 }
    }

    /// Kills processes and steps clocks at moments of its own until it is told to stop; it kills once at least.
    pub(crate) async fn harass(&mut self, stop: &AtomicBool) {
        while !stop.load(SeqCst) || self.kills == 0 {
            time::sleep(Duration::from_millis(self.rng.u64(50..800))).await;
            let place = &mut self.places[self.rng.usize(..usize::from(PROCESSES))];
            if self.rng.u8(0..3) > 0 {
                if let Some(clock) = &place.clock {
                    clock.step(&mut self.rng);
                    self.steps += 1;
                }
                continue;
            }
            if place.running.racer.buffered_writes && self.policy != Policy::Lossy {
                continue;
            }
            place.running.kill().await;
            self.kills += 1;
            let racer = racer(self.sandbox, self.policy, place.number, &mut self.rng);
            place.running =
                run(self.sandbox, racer, place.clock.as_ref(), &place.throttle, self.sums.clone());
            if self.rng.u8(0..4) > 0 {
                place.running.has_opened().await;
            }
        }
    }

    /// Lets each end what it began, and says how many requests were refused on their way.
    pub(crate) async fn stop(self) -> u64 {
        let mut refused = 0;
        for mut place in self.places {
            drop(place.running.child.stdin.take());
            let ended = time::timeout(PATIENCE, place.running.child.wait()).await;
            let status = ended.expect("a process that is told to stop stops").unwrap();
            let said = place.running.said.await.unwrap();
            assert!(status.success() && said, "process {} ended by itself: {status}", place.number);
            time::timeout(PATIENCE, place.throttle.proxy.drained())
                .await
                .expect("its connections end with it");
            refused += place.throttle.refused();
        }
        refused
    }
}

/// What a process is to do. Of the first two, one shares a chain and one does not; the rest is luck.
fn racer(sandbox: &Sandbox, policy: Policy, number: u8, rng: &mut Rng) -> Racer {
    Racer {
        table: sandbox.table.clone(),
        key: sandbox.master_key.place(),
        number,
        tasks: TASKS,
        seed: rng.u64(..),
        own_chain: number == 1 || (number > 1 && rng.bool()),
        // Of one place always the same, so that who is killed is settled.
        buffered_writes: policy != Policy::Strict && number.is_multiple_of(2),
        reads: [Reads::Strict, Reads::Leased, Reads::Buffered][rng.usize(0..3)],
    }
}

fn run(
    sandbox: &Sandbox,
    racer: Racer,
    clock: Option<&Clock>,
    throttle: &Throttle,
    sums: Arc<Sums>,
) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blue-tests-racer"));
    command.arg(serde_json::to_string(&racer).unwrap());
    command.envs(sandbox.master_key.variables()).envs(DynamoDb::shared().variables());
    command.env("AWS_ENDPOINT_URL_DYNAMODB", throttle.proxy.endpoint());
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(clock) = clock {
        clock.govern(&mut command);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (open, opened) = watch::channel(false);
    let what = format!("{racer:?}");
    let said = tokio::spawn(async move {
        let mut ended = false;
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line).unwrap() {
                Said::Opened => {
                    open.send_replace(true);
                }
                Said::Done(count) => {
                    sums.done.fetch_add(count, SeqCst);
                }
                Said::Failed(_) => {
                    sums.failed.fetch_add(1, SeqCst);
                }
                Said::Wrong(wrong) => panic!("{what} says: {wrong}"),
                Said::Ended => ended = true,
            }
        }
        ended
    });
    Running { racer, child, opened, said }
}

impl Running {
    async fn has_opened(&mut self) {
        let opened = self.opened.wait_for(|opened| *opened);
        let opened = time::timeout(PATIENCE, opened).await.expect("a store is opened in time");
        assert!(opened.is_ok(), "it ended before it had opened its store: {:?}", self.racer);
    }

    async fn kill(&mut self) {
        let process = self.child.id();
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
        if let Some(process) = process {
            clock::forget(process);
        }
        // What it said to its end; a wrong that it told goes on here.
        let said = (&mut self.said).await;
        assert!(!said.unwrap(), "it ended by itself: {:?}", self.racer);
    }
}
