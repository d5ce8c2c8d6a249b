//! The appender against a log that loses answers, carries requests out late, throttles, and has other writers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use async_trait::async_trait;
use fastrand::Rng;
use uuid::Uuid;

use super::*;
use crate::{Appended, AuditKey, GENESIS, Page, Refusal, Segment, SegmentSource, Stored, VerifiedSegment};

/// Sets a record from one value to the next.
#[derive(Debug, Clone)]
struct Step {
    record: u64,
    from: u64,
    size: usize,
}

impl JoinedWrite for Step {
    fn place(&self) -> String {
        self.record.to_string()
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[derive(Default)]
struct Table {
    segments: BTreeMap<u64, Segment>,
    records: HashMap<u64, u64>,
    /// Requests that were sent, not answered, and may be carried out yet.
    late: Vec<(Segment, Vec<Step>)>,
    /// The writes of every request that was sent.
    sent: Vec<(Segment, Vec<Step>)>,
}

impl Table {
    fn try_append(&mut self, segment: &Segment, steps: &[Step]) -> Appended<u64> {
        let covered = self.segments.range(..=segment.first).next_back();
        if let Some(there) = self.segments.get(&segment.first) {
            return Appended::Taken(Stored::Segment(there.clone()));
        }
        assert!(
            covered.is_none_or(|(first, last)| first + u64::from(last.count) == segment.first),
            "a gap or an overlap"
        );
        let value = |step: &Step| self.records.get(&step.record).copied().unwrap_or_default();
        let refused: Vec<_> = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| value(step) != step.from)
            .map(|(index, step)| (index, Refusal::Condition(value(step))))
            .collect();
        if !refused.is_empty() {
            return Appended::Refused(refused);
        }
        self.records.extend(steps.iter().map(|step| (step.record, step.from + 1)));
        self.segments.insert(segment.first, segment.clone());
        Appended::Done
    }
}

/// What goes wrong, each in so many of a hundred attempts.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    answer_lost: u32,
    request_late: u32,
    not_done: u32,
    busy: u32,
    slow: bool,
    /// How long each write of a request takes, before it is known whether the segment's place is free.
    per_write: Duration,
}

struct Log {
    table: Mutex<Table>,
    rng: Mutex<Rng>,
    faults: Mutex<Faults>,
}

impl Log {
    fn new(seed: u64, faults: Faults) -> Arc<Self> {
        let rng = Mutex::new(Rng::with_seed(seed));
        Arc::new(Self { table: Mutex::default(), rng, faults: Mutex::new(faults) })
    }

    fn one_in_a_hundred(&self, times: u32) -> bool {
        self.rng.lock().unwrap().u32(0..100) < times
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap()
    }

    /// Carries out some of what is on its way.
    fn catch_up(&self) {
        let mut table = self.table();
        let late = std::mem::take(&mut table.late);
        for (segment, steps) in late {
            if self.one_in_a_hundred(50) {
                table.try_append(&segment, &steps);
            } else {
                table.late.push((segment, steps));
            }
        }
    }
}

fn cause(text: &str) -> Cause {
    Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(text))
}

#[async_trait]
impl SegmentSource for Log {
    async fn segments(&self, _: &Chain, from: u64) -> Result<Page, Cause> {
        let stored = self.table().segments.range(from..).map(|(_, s)| Stored::Segment(s.clone())).collect();
        Ok(Page { stored, next: None })
    }

    async fn last(&self, _: &Chain, before: Option<u64>) -> Result<Option<Stored>, Cause> {
        let table = self.table();
        let mut below = table.segments.range(..before.unwrap_or(u64::MAX));
        Ok(below.next_back().map(|(_, segment)| Stored::Segment(segment.clone())))
    }
}

#[async_trait]
impl SegmentLog for Log {
    type Write = Step;
    type Found = u64;

    async fn append(&self, segment: &Segment, writes: &[&Step], _: Uuid, _: Duration) -> Appended<u64> {
        let faults = *self.faults.lock().unwrap();
        if faults.slow {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(faults.per_write * u32::try_from(writes.len()).unwrap()).await;
        if faults.request_late < 100 {
            self.catch_up();
        }
        let steps: Vec<Step> = writes.iter().map(|&step| step.clone()).collect();
        self.table().sent.push((segment.clone(), steps.clone()));
        if self.one_in_a_hundred(faults.not_done) {
            return Appended::NotDone(cause("throttled"));
        }
        if self.one_in_a_hundred(faults.request_late) {
            self.table().late.push((segment.clone(), steps));
            return Appended::Unanswered(cause("late"));
        }
        if !steps.is_empty() && self.one_in_a_hundred(faults.busy) {
            let index = self.rng.lock().unwrap().usize(0..steps.len());
            return Appended::Refused(vec![(index, Refusal::Busy(cause("conflict")))]);
        }
        let appended = self.table().try_append(segment, &steps);
        if self.one_in_a_hundred(faults.answer_lost) {
            return Appended::Unanswered(cause("cut"));
        }
        appended
    }
}

fn keys() -> AuditKeys {
    AuditKeys::new(AuditKey::new([7; 16], &[1; 32]), [])
}

fn namespace() -> Namespace {
    Namespace::new("prod").unwrap()
}

fn appender(log: &Arc<Log>) -> Appender<Log> {
    let chain = Chain::new("main").unwrap();
    Appender::start(log.clone(), keys(), namespace(), chain, AppenderConfig::default())
}

fn event(resource: impl ToString) -> Details {
    Details { resource: resource.to_string(), ..Details::now() }
}

fn soon() -> Instant {
    tokio::time::Instant::now().into_std() + Duration::from_secs(20)
}

/// Every segment authentic, and linked to the one before it.
fn verified(log: &Log) -> Vec<VerifiedSegment> {
    let (mut next, mut hash) = (0, GENESIS);
    let segments: Vec<Segment> = log.table().segments.values().cloned().collect();
    let verify = |segment: Segment| {
        assert_eq!(segment.first, next);
        let verified = segment.clone().verify(keys().newest(), &namespace()).unwrap();
        assert_eq!(*verified.events().next().unwrap().previous_hash(), hash);
        (next, hash) = (next + u64::from(segment.count), segment.head_hash);
        verified
    };
    segments.into_iter().map(verify).collect()
}

fn resources(log: &Log) -> Vec<String> {
    let segments = verified(log);
    let events = segments.iter().flat_map(VerifiedSegment::events);
    events.map(|event| event.details().resource.to_owned()).collect()
}

#[tokio::test]
async fn events_are_appended_in_order_and_linked() {
    let log = Log::new(1, Faults::default());
    let appender = appender(&log);
    for number in 0..10 {
        appender.append(vec![event(number)], soon()).await.unwrap();
    }
    assert_eq!(resources(&log), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(appender.head().unwrap().next, 10);
}

#[tokio::test]
async fn what_waits_together_shares_a_segment() {
    let log = Log::new(1, Faults { slow: true, ..Faults::default() });
    let appender = appender(&log);
    let step = |record| Step { record, from: 0, size: 1_000 };
    let commits = (0..300).map(|record| appender.commit(vec![event(record)], step(record), soon()));
    for committed in futures::future::join_all(commits).await {
        assert!(matches!(committed.unwrap(), Committed::Done(_)));
    }
    verified(&log);
    let table = log.table();
    assert_eq!(table.records.len(), 300);
    assert!(table.segments.len() <= 6, "{} segments", table.segments.len());
    assert!(table.sent.iter().all(|(_, steps)| steps.len() <= MAX_GROUP_WRITES));
}

/// A transaction of many writes takes longer than an append, so somebody who only appends would be first each time.
#[tokio::test(start_paused = true)]
async fn who_appends_all_the_time_keeps_nobody_from_writing() {
    let per_write = Duration::from_micros(500);
    let log = Log::new(1, Faults { slow: true, per_write, ..Faults::default() });
    let rival = appender(&log);
    let reader = tokio::spawn(async move {
        let mut rng = Rng::with_seed(2);
        loop {
            rival.append(vec![event("read")], soon()).await.unwrap();
            tokio::time::sleep(Duration::from_micros(rng.u64(0..8_000))).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let writer = appender(&log);
    let step = |record| Step { record, from: 0, size: 1_000 };
    let commits = (0..200).map(|record| writer.commit(vec![event(record)], step(record), soon()));
    for committed in futures::future::join_all(commits).await {
        assert!(matches!(committed, Ok(Committed::Done(_))), "{committed:?}");
    }
    reader.abort();
    assert_eq!(log.table().records.len(), 200);
    let largest = log.table().sent.iter().map(|(_, steps)| steps.len()).max();
    assert_eq!(largest, Some(MAX_GROUP_WRITES), "as many as possible are tried first");
    verified(&log);
}

#[tokio::test]
async fn groups_keep_within_every_limit() {
    let log = Log::new(1, Faults { slow: true, ..Faults::default() });
    let appender = appender(&log);
    let step = |record| Step { record, from: 0, size: 390_000 };
    let large = (0..40).map(|record| appender.commit(vec![event("x".repeat(3_000))], step(record), soon()));
    // The same place again and again: one after the other.
    let same =
        (0..20).map(|from| appender.commit(vec![event(from)], Step { record: 99, from, size: 1 }, soon()));
    let (large, same) =
        futures::future::join(futures::future::join_all(large), futures::future::join_all(same)).await;
    for committed in large.into_iter().chain(same) {
        assert!(matches!(committed.unwrap(), Committed::Done(_)));
    }
    verified(&log);
    for (segment, steps) in &log.table().sent {
        let writes: usize = steps.iter().map(|step| step.size).sum();
        assert!(segment.events.len() <= MAX_SEGMENT_LEN);
        assert!(segment.events.len() + writes <= MAX_REQUEST_LEN);
        let mut places: Vec<_> = steps.iter().map(|step| step.record).collect();
        places.dedup();
        assert_eq!(places.len(), steps.len());
    }
}

#[tokio::test]
async fn a_failed_condition_fails_its_own_operation_alone() {
    let log = Log::new(1, Faults { slow: true, ..Faults::default() });
    log.table().records.extend([(3, 7), (5, 9)]);
    let appender = appender(&log);
    let step = |record| Step { record, from: 0, size: 10 };
    let commits = (0..10).map(|record| appender.commit(vec![event(record)], step(record), soon()));
    for (record, committed) in futures::future::join_all(commits).await.into_iter().enumerate() {
        match (record, committed.unwrap()) {
            (3, Committed::Conflict(found)) => assert_eq!(found, 7),
            (5, Committed::Conflict(found)) => assert_eq!(found, 9),
            (_, committed) => assert!(matches!(committed, Committed::Done(_)), "{record}"),
        }
    }
    assert_eq!(resources(&log).len(), 8, "nothing is said of what was not done");
}

#[tokio::test]
async fn a_list_takes_as_few_segments_as_hold_it() {
    let log = Log::new(1, Faults::default());
    let events: Vec<_> = (0..1_000).map(event).collect();
    let chain = Chain::new("main").unwrap();
    let bytes: usize = events.iter().map(|event| event.stored_len(&chain)).sum();
    appender(&log).append(events, soon()).await.unwrap();
    assert_eq!(log.table().segments.len(), bytes.div_ceil(MAX_SEGMENT_LEN));
    let stored: usize = log.table().segments.values().map(|segment| segment.events.len()).sum();
    assert_eq!(stored, bytes);
    assert_eq!(resources(&log).len(), 1_000);
}

#[tokio::test]
async fn an_event_larger_than_a_segment_is_refused() {
    let log = Log::new(1, Faults::default());
    let error = appender(&log).append(vec![event("x".repeat(MAX_SEGMENT_LEN))], soon()).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    assert!(log.table().segments.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_log_that_takes_nothing_is_an_error_at_the_deadline() {
    let log = Log::new(1, Faults { not_done: 100, ..Faults::default() });
    let appender = appender(&log);
    let step = Step { record: 1, from: 0, size: 10 };
    let error = appender.commit(vec![event(1)], step, soon()).await.unwrap_err();
    assert!(matches!(error, AppendError::Deadline { source: Some(_), .. }), "{error:?}");
    // It was taken back, so it is not done later either.
    *log.faults.lock().unwrap() = Faults::default();
    appender.append(vec![event(2)], soon()).await.unwrap();
    assert_eq!(resources(&log), ["2"]);
    assert!(log.table().records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded() {
    let log = Log::new(1, Faults { not_done: 100, ..Faults::default() });
    let appender = appender(&log);
    for _ in 0..AppenderConfig::default().waiting_kib {
        appender.reserve(1, soon()).await.unwrap().buffer(vec![event("buffered")]).unwrap();
    }
    let full = appender.reserve(1, soon()).await.err().unwrap();
    assert!(matches!(full, AppendError::Full { .. }), "{full:?}");
    let full = appender.append(vec![event(1)], soon()).await.unwrap_err();
    assert!(matches!(full, AppendError::Full { .. }), "{full:?}");
    *log.faults.lock().unwrap() = Faults::default();
    appender.flush(soon()).await.unwrap();
    assert_eq!(resources(&log).len(), usize::try_from(AppenderConfig::default().waiting_kib).unwrap());
}

#[tokio::test]
async fn buffered_events_are_there_after_a_flush() {
    let log = Log::new(1, Faults { answer_lost: 20, request_late: 20, not_done: 20, ..Faults::default() });
    let appender = appender(&log);
    for number in 0..500 {
        appender.reserve(1, soon()).await.unwrap().buffer(vec![event(number)]).unwrap();
    }
    appender.flush(soon()).await.unwrap();
    assert_eq!(resources(&log), (0..500).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn buffered_events_wait_for_others_but_not_for_long() {
    let log = Log::new(1, Faults::default());
    let appender = appender(&log);
    let linger = AppenderConfig::default().linger;
    for number in 0..3 {
        appender.reserve(1, soon()).await.unwrap().buffer(vec![event(number)]).unwrap();
        tokio::time::sleep(linger / 4).await;
    }
    assert!(log.table().segments.is_empty(), "the first one waits yet");
    tokio::time::sleep(linger / 2).await;
    assert_eq!(resources(&log), ["0", "1", "2"]);
    assert_eq!(log.table().segments.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_waits_waits_for_buffered_events_to_be_more() {
    let log = Log::new(1, Faults::default());
    let appender = appender(&log);
    let begun = tokio::time::Instant::now();
    appender.reserve(1, soon()).await.unwrap().buffer(vec![event("buffered")]).unwrap();
    tokio::task::yield_now().await;
    appender.append(vec![event("waited for")], soon()).await.unwrap();
    assert_eq!(resources(&log), ["buffered", "waited for"]);
    appender.reserve(1, soon()).await.unwrap().buffer(vec![event("flushed")]).unwrap();
    tokio::task::yield_now().await;
    appender.flush(soon()).await.unwrap();
    assert_eq!((log.table().segments.len(), begun.elapsed()), (2, Duration::ZERO));
}

/// Neither when it was put off, and put back before what lingers.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_put_off_waits_for_no_buffered_events() {
    let log = Log::new(1, Faults { busy: 100, ..Faults::default() });
    let config = AppenderConfig { linger: Duration::from_secs(3_600), ..AppenderConfig::default() };
    let appender = Appender::start(log.clone(), keys(), namespace(), Chain::new("main").unwrap(), config);
    let begun = tokio::time::Instant::now();
    appender.reserve(1, soon()).await.unwrap().buffer(vec![event("buffered")]).unwrap();
    let step = Step { record: 1, from: 0, size: 10 };
    let writing = tokio::spawn({
        let appender = appender.clone();
        async move { appender.commit(vec![event("waited for")], step, soon()).await }
    });
    // In this order: others are in its way, so it is to be sent alone; then it is not done; then it is.
    tokio::time::sleep(Duration::from_millis(5)).await;
    *log.faults.lock().unwrap() = Faults { not_done: 100, ..Faults::default() };
    tokio::time::sleep(Duration::from_secs(1)).await;
    *log.faults.lock().unwrap() = Faults::default();
    assert!(matches!(writing.await.unwrap(), Ok(Committed::Done(_))));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// It sleeps until then: on a paused clock, whoever spins never ends.
#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_is_to_be_sent_alone() {
    let log = Log::new(1, Faults { busy: 100, ..Faults::default() });
    let appender = appender(&log);
    let step = Step { record: 1, from: 0, size: 10 };
    let write = tokio::spawn({
        let appender = appender.clone();
        async move { appender.commit(vec![event(1)], step, soon()).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    *log.faults.lock().unwrap() = Faults::default();
    appender.flush(soon()).await.unwrap();
    assert!(matches!(write.await.unwrap(), Ok(Committed::Done(0))));
}

#[tokio::test(start_paused = true)]
async fn buffered_events_that_fill_a_segment_wait_no_longer() {
    let log = Log::new(1, Faults::default());
    let appender = appender(&log);
    let len = event(0).stored_len(&Chain::new("main").unwrap());
    let begun = tokio::time::Instant::now();
    for _ in 0..MAX_SEGMENT_LEN.div_ceil(len) {
        appender.reserve(1, soon()).await.unwrap().buffer(vec![event(0)]).unwrap();
    }
    while log.table().segments.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_buffered_when_the_last_appender_goes_is_written_at_once() {
    let log = Log::new(1, Faults::default());
    let appender = appender(&log);
    let begun = tokio::time::Instant::now();
    appender.reserve(1, soon()).await.unwrap().buffer(vec![event("buffered")]).unwrap();
    drop(appender);
    while log.table().segments.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_decided_by_a_fence() {
    let log = Log::new(1, Faults { request_late: 100, ..Faults::default() });
    let appender = appender(&log);
    let error = appender.commit(vec![event(1)], Step { record: 1, from: 0, size: 10 }, soon()).await;
    assert!(matches!(error.unwrap_err(), AppendError::OutcomeUnknown { .. }));
    // Now nothing is carried out that was on its way, and the chain says that it was not done.
    log.table().late.clear();
    *log.faults.lock().unwrap() = Faults::default();
    appender.append(vec![event(2)], soon()).await.unwrap();
    let segments = verified(&log);
    let fence = *segments[0].events().next().unwrap().details();
    assert_eq!((fence.outcome, fence.reason), (crate::Outcome::Failure, "not_done"));
    assert_eq!(resources(&log), ["1", "2"]);
    assert!(log.table().records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_buffered_event_does_not_hold_up_what_nobody_waits_for_any_more() {
    let log = Log::new(1, Faults { request_late: 100, ..Faults::default() });
    let appender = appender(&log);
    // Both go into one attempt, which is never carried out.
    appender.reserve(1, soon()).await.unwrap().buffer(vec![event("buffered")]).unwrap();
    let error = appender.commit(vec![event(1)], Step { record: 1, from: 0, size: 10 }, soon()).await;
    assert!(matches!(error.unwrap_err(), AppendError::OutcomeUnknown { .. }));
    assert_eq!(log.table().sent[0].1.len(), 1, "the write was in the first attempt");
    // Somebody else's write makes it impossible, so that sending it again decides nothing.
    log.table().late.clear();
    log.table().records.insert(1, 9);
    *log.faults.lock().unwrap() = Faults::default();
    appender.flush(soon()).await.unwrap();
    assert_eq!(resources(&log), ["buffered", "1"]);
}

#[tokio::test]
async fn a_chain_that_was_cut_back_or_rewritten_stops_its_writer() {
    for (keep, rewrite) in [(1, false), (0, false), (2, true)] {
        let log = Log::new(1, Faults::default());
        let chain = Chain::new("main").unwrap();
        let config = AppenderConfig { look_again: Duration::ZERO, ..AppenderConfig::default() };
        let appender = Appender::start(log.clone(), keys(), namespace(), chain, config);
        for number in 0..3 {
            appender.append(vec![event(number)], soon()).await.unwrap();
        }
        log.table().segments.retain(|&first, _| first < keep);
        if rewrite {
            let previous = log.table().segments[&1].head_hash;
            let other = event("other").link("main", 2, previous);
            log.table().segments.insert(2, Segment::new(keys().newest(), &namespace(), &[other]).unwrap());
        }
        for _ in 0..2 {
            let error = appender.append(vec![event(4)], soon()).await.unwrap_err();
            let AppendError::Stopped { source, .. } = error else { panic!("{error:?}") };
            match source {
                Stopped::Regressed { seen: 3, found } if !rewrite => assert_eq!(found, keep),
                Stopped::Rewritten { next: 3 } if rewrite => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(log.table().segments.len(), usize::try_from(keep).unwrap() + usize::from(rewrite));
    }
}

#[tokio::test]
async fn nothing_is_linked_to_what_is_not_authentic() {
    let log = Log::new(1, Faults::default());
    let appender = appender(&log);
    appender.append(vec![event(0)], soon()).await.unwrap();
    let forged = event("forged").link("main", 1, log.table().segments[&0].head_hash);
    let stranger = AuditKey::new([7; 16], &[2; 32]);
    log.table().segments.insert(1, Segment::new(&stranger, &namespace(), &[forged]).unwrap());
    let error = appender.append(vec![event(1)], soon()).await.unwrap_err();
    let AppendError::Stopped { source: Stopped::NotAuthentic { sequence: 1, .. }, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(log.table().segments.len(), 2);
}

#[tokio::test]
async fn a_chain_without_sequences_left_stops_its_writer() {
    let log = Log::new(1, Faults::default());
    let last = event("last").link("main", u64::MAX - 1, [9; 32]);
    let segment = Segment::new(keys().newest(), &namespace(), &[last]).unwrap();
    log.table().segments.insert(segment.first, segment);
    let appender = appender(&log);
    appender.reserve(2, soon()).await.unwrap().buffer(vec![event(0), event(1)]).unwrap();
    let error = appender.append(vec![event(2)], soon()).await.unwrap_err();
    let AppendError::Stopped { source: Stopped::Exhausted { next: u64::MAX }, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(log.table().segments.len(), 1);
}

/// Several processes, each fault at once, and a table that is asked afterwards what really happened.
#[tokio::test]
async fn every_answer_is_true_whatever_goes_wrong() {
    for seed in 0..6 {
        let faults = Faults {
            answer_lost: 8,
            request_late: 8,
            not_done: 8,
            busy: 8,
            slow: seed % 2 == 0,
            ..Faults::default()
        };
        let log = Log::new(seed, faults);
        let writers: Vec<_> = (0..3).map(|_| appender(&log)).collect();
        let tasks = (0..24_u64).map(|task| {
            let appender = writers[usize::try_from(task % 3).unwrap()].clone();
            let log = log.clone();
            tokio::spawn(async move {
                let (mut done, mut unknown) = (Vec::new(), Vec::new());
                for round in 0..20 {
                    let record = if round % 4 == 0 { 1_000 } else { task };
                    let from = log.table().records.get(&record).copied().unwrap_or_default();
                    let name = format!("{task}/{round}");
                    let wait = Duration::from_millis(if round % 5 == 0 { 30 } else { 20_000 });
                    let step = Step { record, from, size: 100 };
                    match appender.commit(vec![event(&name)], step, Instant::now() + wait).await {
                        Ok(Committed::Done(_)) => done.push(name),
                        Ok(Committed::Conflict(found)) => assert_ne!(found, from),
                        Err(AppendError::OutcomeUnknown { .. }) => unknown.push(name),
                        Err(AppendError::Deadline { .. } | AppendError::Full { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                (done, unknown)
            })
        });
        let answers = futures::future::join_all(tasks).await;
        *log.faults.lock().unwrap() = Faults::default();
        for writer in &writers {
            writer.append(vec![event("end")], soon()).await.unwrap();
            writer.flush(soon()).await.unwrap();
        }
        let segments = verified(&log);
        let events: Vec<_> =
            segments.iter().flat_map(VerifiedSegment::events).map(|event| *event.details()).collect();
        let succeeded = |name: &String| {
            let told =
                |event: &&Details<&str>| event.resource == name && event.outcome == crate::Outcome::Success;
            events.iter().filter(told).count()
        };
        let (mut done, mut unknown) = (0, 0);
        for (told_done, told_unknown) in answers.into_iter().map(Result::unwrap) {
            for name in &told_done {
                assert_eq!(succeeded(name), 1, "{name} of seed {seed}");
            }
            done += told_done.len();
            unknown += told_unknown.iter().map(succeeded).sum::<usize>();
        }
        let all =
            events.iter().filter(|event| event.resource != "end" && event.outcome == crate::Outcome::Success);
        assert_eq!(all.count(), done + unknown, "an event of a write that was not done, seed {seed}");
        let steps: u64 = log.table().records.values().sum();
        assert_eq!(steps, u64::try_from(done + unknown).unwrap(), "a write without its event, seed {seed}");
        assert!(done > 100, "only {done} done with seed {seed}");
    }
}
