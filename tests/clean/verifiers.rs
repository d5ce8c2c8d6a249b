//! Those who verify: processes of their own, one of them with a clock that steps.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use blue_testkit::DynamoDb;
use blue_tests::{How, Sandbox, Verified};
use fastrand::Rng;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time,
};

use crate::{
    clock::Clock,
    plan::{Counts, Policy},
    round::PATIENCE,
    throttle::Throttle,
};

pub(crate) const VERIFIERS: usize = 3;
/// The longest pause between two runs of a verifier.
const PAUSE: u64 = 600;

/// A verifier's process.
struct Verifier {
    child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    clock: Option<Clock>,
    throttle: Throttle,
}

/// The runs of one table.
pub(crate) struct Runs {
    pub(crate) policy: Policy,
    /// How many are to be made yet.
    pub(crate) left: AtomicU64,
    /// Where their turns begin, so that tables with few runs have runs of all kinds together.
    pub(crate) offset: u64,
}

impl Runs {
    /// The kind of the next run, if there is one.
    fn next(&self) -> Option<How> {
        let left = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).ok()?;
        Some(match (left + self.offset) % 3 {
            0 => How::Whole,
            1 => How::Onward,
            _ if self.policy.is_deep() => How::Deep,
            _ => How::Onward,
        })
    }
}

/// Makes runs for as long as any are left, and says what came of them.
pub(crate) async fn verify(
    sandbox: &Sandbox,
    number: usize,
    runs: &Runs,
    library: Option<&Path>,
    mut rng: Rng,
) -> Counts {
    // The others' clocks are right.
    let library = library.filter(|_| number == 0);
    let mut verifier = Verifier::start(sandbox, number, library, &mut rng).await;
    let mut counts = Counts::default();
    while let Some(how) = runs.next() {
        // Before the first there is nothing to go on from.
        let how = if how == How::Onward && counts.runs == 0 { How::Whole } else { how };
        if let Some(clock) = &verifier.clock {
            clock.step(&mut rng);
            counts.steps += 1;
        }
        let verified = verifier.run(how).await;
        assert!(verified.wrong.is_empty(), "a false alarm:\n{}", verified.wrong.join("\n"));
        counts.runs += 1;
        counts.read += verified.events;
        counts.clock_found += u64::from(verified.clock_found);
        match how {
            How::Whole => counts.whole += 1,
            How::Onward => counts.onward += 1,
            How::Deep => counts.deep += 1,
        }
        time::sleep(Duration::from_millis(rng.u64(0..PAUSE))).await;
    }
    counts.throttled = verifier.throttle.refused();
    verifier.stop().await;
    counts
}

impl Verifier {
    async fn start(sandbox: &Sandbox, number: usize, library: Option<&Path>, rng: &mut Rng) -> Self {
        let throttle = Throttle::new(rng.fork()).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_blue-tests-racer"));
        let key = serde_json::to_string(&sandbox.master_key.place()).unwrap();
        command.arg("verify").arg(&sandbox.table).arg(key);
        command.envs(sandbox.master_key.variables()).envs(DynamoDb::shared().variables());
        command.env("AWS_ENDPOINT_URL_DYNAMODB", throttle.proxy.endpoint());
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        let file = sandbox.path(&format!("clock-of-verifier-{number}"));
        let clock = library.map(|library| Clock::new(library, file));
        if let Some(clock) = &clock {
            clock.govern(&mut command);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (ask, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, ask, answers: BufReader::new(answers).lines(), clock, throttle }
    }

    async fn run(&mut self, how: How) -> Verified {
        let line = format!("{}\n", serde_json::to_string(&how).unwrap());
        self.ask.write_all(line.as_bytes()).await.unwrap();
        let answer = time::timeout(PATIENCE, self.answers.next_line()).await;
        let answer = answer.expect("a verification ends").unwrap().expect("the verifier lives");
        serde_json::from_str(&answer).unwrap()
    }
    async fn stop(mut self) {
        drop(self.ask);
        let ended = time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("it ends when nothing more is asked").unwrap().success());
    }
}
