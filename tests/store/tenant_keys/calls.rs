//! What keys cost: calls of the key provider, counted in the audit log and, where there is an endpoint, there too.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use blue_encrypted_store::{
    AwsKms, AwsKmsConfig, Collection, EncryptedStore, KeyProvider, KeyringConfig,
    blue_audit::{CryptoOp, Details},
};
use blue_testkit::Kms;
use blue_tests::{Fate, KeyPlace, Note, Proxy, Sandbox};
use futures::{StreamExt, stream};

use crate::{inbox, is_success_of};

/// How many reads and writes there are, unless `BES_KEY_OPERATIONS` says otherwise.
const OPERATIONS: usize = 3_000;
const TENANTS: usize = 100;
const AT_ONCE: usize = 64;

/// The sandbox's provider; one of KMS asks through a proxy, which counts.
async fn counted(sandbox: &Sandbox) -> (Arc<dyn KeyProvider>, Option<Proxy>) {
    let KeyPlace::Kms(arn) = sandbox.master_key.place() else {
        drop(sandbox.builder().init().await.unwrap());
        return (sandbox.provider(), None);
    };
    let forward = |_| std::future::ready(Fate::Forward);
    let proxy = Proxy::between("127.0.0.1:0", Kms::shared().endpoint(), forward).await.unwrap();
    let client = Kms::shared().client().await;
    let client =
        aws_sdk_kms::Client::from_conf(client.config().to_builder().endpoint_url(proxy.endpoint()).build());
    let patience = Duration::from_secs(60);
    let config =
        AwsKmsConfig { attempt_timeout: patience, operation_timeout: patience, ..AwsKmsConfig::new(arn) };
    (Arc::new(AwsKms::connect(&client, config).await.unwrap()), Some(proxy))
}

/// Half of them writes, half reads, over all tenants in turn, many at once.
async fn work(store: &EncryptedStore, operations: usize) {
    let inboxes: Vec<Collection> = (0..TENANTS).map(|i| inbox(store, &format!("tenant-{i}"))).collect();
    stream::iter(0..operations)
        .for_each_concurrent(AT_ONCE, |i| {
            let inbox = &inboxes[i % TENANTS];
            async move {
                if (i / TENANTS).is_multiple_of(2) {
                    inbox.put(&Note::new(&(i / TENANTS % 20).to_string(), "text")).await.unwrap();
                } else {
                    inbox.get::<Note>("0").await.unwrap();
                }
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tenants_cost_a_hundred_calls_for_each_time_to_live_however_much_is_done() {
    let operations = std::env::var("BES_KEY_OPERATIONS").map_or(OPERATIONS, |text| text.parse().unwrap());
    let sandbox = Sandbox::new("calls").await;
    let (provider, proxy) = counted(&sandbox).await;
    let ttl = KeyringConfig::default().ttl;
    // One process makes the keys, another finds them.
    let mut spent = Vec::new();
    for _ in 0..2 {
        let store = sandbox.builder().keys(provider.clone()).init().await.unwrap();
        store.flush().await.unwrap();
        let before = calls(&sandbox, proxy.as_ref()).await;
        let began = Instant::now();
        work(&store, operations / 2).await;
        // A key in use is renewed when nine tenths of its time are over.
        let times = began.elapsed().as_secs() / (ttl.as_secs() * 9 / 10) + 1;
        store.flush().await.unwrap();
        let after = calls(&sandbox, proxy.as_ref()).await;
        spent.push((after.0 - before.0, after.1 - before.1, usize::try_from(times).unwrap()));
    }
    let [(made, found_while_making, times), (made_again, found, times_again)] = spent[..] else { panic!() };
    // Not `eprintln!`, which the test harness captures.
    let told = format!(
        "calls: {operations} operations, {TENANTS} tenants: {spent:?} (made, unwrapped, times to live)"
    );
    writeln!(std::io::stderr(), "{told}").unwrap();
    assert_eq!((made, made_again), (TENANTS, 0));
    assert!(found_while_making <= TENANTS * times, "{spent:?}");
    assert!((TENANTS..=TENANTS * times_again).contains(&found), "{spent:?}");
}

/// How many keys were made and unwrapped up to now. The endpoint, where there is one, saw as many requests.
async fn calls(sandbox: &Sandbox, proxy: Option<&Proxy>) -> (usize, usize) {
    let log = sandbox.audit_log().await;
    let of = |operation| log.events().filter(|event: &&Details| is_success_of(operation, event)).count();
    let calls = (of(CryptoOp::GenerateKek), of(CryptoOp::UnwrapKek));
    if let Some(proxy) = proxy {
        let seen = |operation| usize::try_from(proxy.seen(operation)).unwrap();
        assert_eq!((seen("GenerateDataKey"), seen("Decrypt")), calls, "the endpoint and the log agree");
    }
    calls
}

/// More at once than there are threads, connections or turns.
#[test]
fn ten_thousand_operations_at_once_on_one_thread_end_within_their_deadlines() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime
        .block_on(runtime.spawn(async {
            let sandbox = Sandbox::new("one-thread").await;
            // One thread makes a hundred keys beside all else.
            let keyring =
                KeyringConfig { fetch_timeout: Duration::from_secs(120), ..KeyringConfig::default() };
            let store = sandbox.builder().keyring(keyring).init().await.unwrap();
            let ended = stream::iter((0..10_000_usize).map(|i| {
                let inbox = inbox(&store, &format!("tenant-{}", i % TENANTS));
                tokio::spawn(async move {
                    let began = Instant::now();
                    let ended = match i % 4 {
                        0 => inbox
                            .put(&Note::new(&i.to_string(), "text"))
                            .await
                            .map(drop)
                            .map_err(|e| e.to_string()),
                        _ => inbox.get::<Note>("0").await.map(drop).map_err(|e| e.to_string()),
                    };
                    (began.elapsed(), ended)
                })
            }))
            .buffer_unordered(10_000);
            let ended: Vec<_> = ended.collect().await;
            // The sandbox's, and what a busy machine takes to notice that it is over.
            let limit = Duration::from_secs(120 + 30);
            for ended in ended {
                let (took, ended) = ended.unwrap();
                assert!(ended.is_ok(), "{ended:?}");
                assert!(took < limit, "{took:?}");
            }
        }))
        .unwrap();
}
