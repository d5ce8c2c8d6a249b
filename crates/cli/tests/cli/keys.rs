//! `bes keys`: the life of a tenant's key, as its operator meets it. A local key gets no second version by itself, and is
//! given one behind the store's back for what comes after a rotation.

use blue_testkit::{Keys, only_with};
use serde_json::Value;

use crate::bench::{Bench, Ran, text};

/// Some records, under the first version.
fn filled() -> Bench {
    let bench = Bench::initialised();
    for id in 1..=5 {
        bench.run(&["put", &format!("alice/inbox/note/{id}"), "--json", &id.to_string()]).succeeded();
    }
    bench
}

fn listed(bench: &Bench, arguments: &[&str]) -> Vec<Value> {
    bench.run(&[&["keys", "ls", "--output", "json"], arguments].concat()).succeeded().json()
}

fn is_local() -> bool {
    Keys::of_this_run() == Keys::Local
}

#[test]
fn a_key_is_listed_rotated_emptied_and_retired() {
    let bench = filled();
    let [alice] = &listed(&bench, &["alice", "--count"])[..] else { panic!("one tenant") };
    assert_eq!((&alice["tenant"], &alice["versions"][0]["version"]), (&"alice".into(), &1.into()));
    assert_eq!((&alice["versions"][0]["records"], &alice["unreadable"]), (&5.into(), &0.into()));
    if is_local() {
        let refused = bench.run(&["keys", "rotate", "alice"]).exited(2);
        refused.said("error: local keys are never rotated: local data is disposable").said("help: ");
        assert_eq!(listed(&bench, &["alice"])[0]["versions"].as_array().unwrap().len(), 1);
        let refused = bench.run(&["keys", "rewrap-root", "--to", "alias/other"]).exited(2);
        refused.said("error: local keys are never rotated");
    }
    if !only_with!(Keys::Kms, "local keys are never rotated") {
        return;
    }
    let rotated = bench.run(&["keys", "rotate", "alice", "--output", "json"]).succeeded();
    assert_eq!(rotated.json()[0]["version"], 2);
    let kek_id = rotated.json()[0]["kek_id"].clone();
    rotated.said("version 2 now").said("within 60 s").said("bes keys rewrap alice");
    bench.run(&["put", "alice/inbox/note/6", "--json", "6"]).succeeded();
    let counts = listed(&bench, &["alice", "--count"]);
    assert_eq!(counts[0]["versions"][1]["kek_id"], kek_id);
    let records = |counts: &[Value]| [0, 1].map(|i| counts[0]["versions"][i]["records"].as_u64().unwrap());
    assert_eq!(records(&counts), [5, 1]);

    let refused = bench.run(&["keys", "retire", "alice", "1", "--wait", "1ms"]).exited(4);
    refused
        .said("is needed by alice/inbox/note/")
        .said("help: move the records first: bes keys rewrap alice");
    let moved = bench.run(&["keys", "rewrap", "alice", "--output", "json"]).succeeded();
    assert_eq!((&moved.json()[0]["moved"], &moved.json()[0]["already"]), (&5.into(), &1.into()));
    moved.said("5 records moved to version 2");
    assert_eq!(records(&listed(&bench, &["alice", "--count"])), [0, 6]);
    bench.run(&["keys", "retire", "alice", "2", "--wait", "1ms"]).exited(4).said("is the newest key");
    bench.run(&["keys", "retire", "alice", "7", "--wait", "1ms"]).exited(3).said("has no version 7");
    bench.run(&["keys", "retire", "alice", "1", "--wait", "1ms"]).succeeded().said("Version 1 of the key");
    assert_eq!(listed(&bench, &[])[0]["versions"].as_array().unwrap().len(), 1);
    for id in 1..=6 {
        let printed = format!("{id}\n");
        bench.run(&["get", &format!("alice/inbox/note/{id}")]).succeeded().printed(&printed);
    }
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

#[test]
fn resealing_leaves_the_content_and_says_how_to_go_on() {
    let bench = filled();
    let before = bench.items_without_audit();
    let ran = bench.run(&["keys", "reseal", "alice", "--output", "json"]).succeeded();
    assert_eq!((&ran.json()[0]["moved"], &ran.json()[0]["failed"]), (&5.into(), &0.into()));
    ran.said("Resealing what was last written before ").said("5 records resealed under version 1");
    let after = bench.items_without_audit();
    assert_eq!(before.len(), after.len());
    let envelopes = |items: &[crate::bench::Item]| {
        items.iter().filter_map(|item| item.get("_e").cloned()).collect::<Vec<_>>()
    };
    assert!(envelopes(&before).iter().all(|envelope| !envelopes(&after).contains(envelope)));
    bench.run(&["get", "alice/inbox/note/3"]).succeeded().printed("3\n");
    let ran = bench.run(&["keys", "reseal", "alice", "--before", "2026-01-02T03:04:05Z"]).succeeded();
    ran.said("0 records resealed").said("5 needed nothing");
    bench.run(&["keys", "reseal", "alice", "--before", "yesterday"]).exited(2).said("2026-01-02T03:04:05Z");
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

#[test]
fn what_cannot_be_moved_is_named_and_makes_the_exit_code_9() {
    let bench = filled();
    let mut item = bench.items().into_iter().find(|item| text(item, "sk") == "note#3").unwrap();
    let mut envelope = item["_e"].as_b().unwrap().as_ref().to_vec();
    envelope[60] ^= 1;
    item.insert("_e".to_owned(), aws_sdk_dynamodb::types::AttributeValue::B(envelope.into()));
    bench.put_item(item);
    let ran = bench.run(&["keys", "reseal", "alice"]).exited(9);
    ran.said("alice/inbox/note/3: the record alice/inbox/note/3 was tampered with")
        .said("1 record could not be");
    bench.run(&["get", "alice/inbox/note/4"]).succeeded();
}

#[test]
fn a_tenant_is_shredded_only_with_its_name_typed_back() {
    let bench = filled();
    bench.run(&["put", "bob/inbox/note/1", "--json", "1"]).succeeded();
    let before = bench.items_without_audit();
    let shred = ["keys", "shred", "alice", "--wait", "1ms"];
    bench.run(&shred).exited(2).said("it needs --confirm alice");
    let other = bench.run(&[&shred[..], &["--confirm", "bob"]].concat()).exited(2);
    other.said("--confirm names \"bob\", not \"alice\": nothing was done");
    typed(&bench, &shred, "Alice").exited(1).said("that is not the tenant's name: nothing was done");
    assert_eq!(bench.items_without_audit(), before);

    let ran = typed(&bench, &shred, "alice").exited(0);
    ran.said("deletes the key of alice (1 version)")
        .said("The key of alice is gone.")
        .said("5 records deleted");
    let left = bench.items_without_audit();
    assert!(!left.iter().any(|item| text(item, "pk") == "R#alice#inbox"), "{left:?}");
    let of_keys: Vec<_> = left.iter().filter(|item| text(item, "pk") == "K#alice").collect();
    assert_eq!(of_keys.len(), 1);
    assert_eq!(text(of_keys[0], "sk"), "0000000000");

    bench.run(&["put", "alice/inbox/note/1", "--json", "1"]).exited(10).said("was shredded at");
    bench.run(&["keys", "rewrap", "alice"]).exited(10).said("was shredded at");
    let [alice, bob] = &listed(&bench, &[])[..] else { panic!("two tenants") };
    assert_eq!((&alice["tenant"], &alice["shredded"]), (&"alice".into(), &text(of_keys[0], "time").into()));
    assert_eq!(bob["versions"].as_array().unwrap().len(), 1);
    let again = bench.run(&[&shred[..], &["--confirm", "alice", "--output", "json"]].concat()).succeeded();
    assert_eq!(again.json()[0]["records_deleted"], 0);
    again.said("alice was shredded at").said("point-in-time recovery");
    bench.run(&["get", "bob/inbox/note/1"]).succeeded().printed("1\n");
    bench.run(&["audit", "verify", "--deep"]).succeeded();
}

/// On a terminal, with this as the answer.
fn typed(bench: &Bench, arguments: &[&str], answer: &str) -> Ran {
    bench.answer_to("Type the tenant's name to shred it: ", arguments, answer)
}

#[test]
fn a_tenant_without_a_key_is_said_to_have_none() {
    let bench = Bench::initialised();
    bench.run(&["keys", "ls"]).succeeded().printed("");
    bench.run(&["keys", "ls", "nobody"]).succeeded().said("nobody has no key: its first write makes one.");
    bench.run(&["keys", "rewrap", "nobody"]).exited(3).said("nobody has no key");
    let odd = [("pk", "K#zoe"), ("sk", "no version")]
        .map(|(name, text)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned())));
    for tenant in ["yan", "zoe"] {
        bench.run(&["put", &format!("{tenant}/inbox/note/1"), "--json", "1"]).succeeded();
    }
    bench.put_item(odd.into());
    let ran = bench.run(&["keys", "ls"]).exited(9).said("zoe: ").said("the keys of 1 tenant cannot be read");
    assert!(ran.stdout.starts_with("yan\t1\t"), "{ran:?}");
    bench.run(&["keys", "ls", "no#body"]).exited(2).said("the tenant contains '#'");
    for command in ["rotate", "rewrap", "reseal", "shred"] {
        bench.run(&["keys", command]).exited(2).said("<TENANT>");
    }
}
