//! A process that writes through the library, killed; its successors, killed; and what they leave.

use std::{process::Stdio, time::Duration};

use blue_testkit::DynamoDb;
use blue_tests::{Event, Ledger, Sandbox};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    sync::watch,
};

use crate::{
    database::check,
    gate::{Gate, was_killed},
    plan::{Life, Moment, Tally},
};

pub(crate) async fn live(life: &mut Life, tally: &mut Tally) {
    let sandbox = Sandbox::new("faults-writes").await;
    let mut ledger = Ledger::default();
    for kill in 0..life.kills {
        let rng = &mut life.rng;
        let moment = match (kill, rng.bool()) {
            // From before there is a table until some tenants have their first keys.
            (0, _) => Moment::within(rng, 40, Duration::from_millis(300)),
            (_, true) => Moment::within(rng, 200, Duration::from_millis(1_500)),
            (_, false) => Moment::after_some(rng, 150),
        };
        let events = write_until(&sandbox, rng.u64(..), moment).await;
        events.into_iter().for_each(|event| ledger.note(event));
        // What is there must be whole before anybody repairs it by opening.
        let before = ledger.acknowledged();
        let items = items(&sandbox).await;
        let store = sandbox.store().await;
        let findings = check(&mut ledger, &store, &items, &*sandbox.provider()).await;
        assert!(findings.is_empty(), "killed at {moment:?}, after {before} acknowledgements:\n{findings}");
        tally.survived();
    }
    tally.checked(ledger.acknowledged());
}

/// All that the writer said before it died at this moment.
async fn write_until(sandbox: &Sandbox, seed: u64, moment: Moment) -> Vec<Event> {
    let gate = Gate::new().await;
    let mut writer = Command::new(env!("CARGO_BIN_EXE_blue-tests-writer"));
    let key = serde_json::to_string(&sandbox.master_key.place()).unwrap();
    writer.arg(&sandbox.table).arg(key).arg(seed.to_string()).envs(sandbox.master_key.variables());
    writer.envs(DynamoDb::shared().variables()).env("AWS_ENDPOINT_URL_DYNAMODB", gate.endpoint());
    let mut writer = writer.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
    let (count, mut acknowledged) = watch::channel(0);
    let listener = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some(line) = said.next_line().await.unwrap() {
            let event = serde_json::from_str(&line).unwrap();
            count.send_modify(|count| *count += u64::from(matches!(event, Event::Done(..))));
            events.push(event);
        }
        events
    });
    let status = gate.kill(&mut writer, moment, &mut acknowledged).await;
    assert!(was_killed(status), "the writer ended by itself: {status}");
    listener.await.unwrap()
}

/// All items, or none if there is no table yet.
pub(crate) async fn items(sandbox: &Sandbox) -> Vec<blue_tests::Item> {
    match sandbox.client.describe_table().table_name(&sandbox.table).send().await {
        Ok(_) => sandbox.scan().await,
        Err(error)
            if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) =>
        {
            Vec::new()
        }
        Err(error) => panic!("{error:?}"),
    }
}
