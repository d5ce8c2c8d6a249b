//! Records and key items that no event tells of.

use std::ops::Range;

use blue_encrypted_store::{
    TenantName,
    blue_audit::{
        Class, CryptoAuditEvent, CryptoOp, Details, GENESIS, chain_resource, kek_resource, tenant_resource,
    },
    envelope::{Envelope, KekId},
    table::address::Chain,
};
use blue_tests::{Item, b, n, s};
use fastrand::Rng;

use crate::{
    edit::{Edit, Expected, Seen},
    fields::flip,
    good::{Good, Place, one, place},
};

fn is_record(place: &Place) -> bool {
    place.0.starts_with("R#")
}

fn any_record<'a>(good: &'a Good, rng: &mut Rng) -> &'a Item {
    one(rng, good.items.iter().filter(|(place, _)| is_record(place)).map(|(_, item)| item))
}

fn version(record: &Item) -> u64 {
    record["_v"].as_n().unwrap().parse().unwrap()
}

pub(crate) fn rolled_back(good: &Good, rng: &mut Rng) -> Edit {
    let record = one(rng, good.stale.iter());
    Edit::deep().put(record.clone()).sees(Expected::about(Class::StaleRecord, good.name(record)))
}

/// Rolled back, and then written by honest writers, as often as it was rolled back or more: each state that lies there has an
/// event.
pub(crate) fn rolled_back_and_written_over(good: &Good, rng: &mut Rng) -> Edit {
    let stale = one(rng, good.stale.iter());
    let now = &good.items[&place(stale)];
    let to = version(now) + rng.u64(0..3);
    written_over(good, rng, stale, version(stale)..to, Class::StaleRecord)
}

/// Restored after its deletion, to the version that was deleted or an older one, and then written by honest writers.
pub(crate) fn restored_and_written_over(good: &Good, rng: &mut Rng) -> Edit {
    let deleted = one(rng, good.deleted.iter());
    let name = good.name(deleted);
    let told = || good.runs().flat_map(|run| &run.events).map(CryptoAuditEvent::details);
    let of = |operation| told().filter(move |told| told.operation == operation);
    let versions = |operation| of(operation).filter(|told| told.resource == name).map(|told| told.version);
    let last = versions(CryptoOp::Delete).next().expect("the log tells of it");
    let first = versions(CryptoOp::Encrypt).min().expect("the log tells of it");
    let from = rng.u64(first..=last);
    let to = from + rng.u64(1..4);
    let class = if from == last { Class::RestoredRecord } else { Class::StaleRecord };
    written_over(good, rng, deleted, from..to, class)
}

/// A record in whose place this once lay, after a write of each of these versions.
fn written_over(good: &Good, rng: &mut Rng, once: &Item, versions: Range<u64>, class: Class) -> Edit {
    let (name, mut record) = (good.name(once), once.clone());
    let mut envelope = record["_e"].as_b().unwrap().as_ref().to_vec();
    let last = envelope.len() - 1;
    // By one write or by several, all of them through one chain.
    let run = good.pick(rng, |run| run.chain() != "registry" && good.next(run).is_none());
    let mut events: Vec<CryptoAuditEvent> = Vec::new();
    for version in versions.start + 1..=versions.end {
        flip(&mut envelope[last..], rng);
        let sealed = Envelope::parse(&envelope).unwrap();
        let written = Details {
            operation: CryptoOp::Encrypt,
            key_id: sealed.kek_id().to_string(),
            resource: name.clone(),
            version,
            content_digest: Some(sealed.content_digest()),
            ..Details::now()
        };
        let before = events.last().or(run.events.last()).unwrap();
        events.push(written.link(run.chain(), before.sequence() + 1, *before.event_hash()));
    }
    record.insert("_v".to_owned(), n(versions.end));
    record.insert("_e".to_owned(), b(envelope));
    Edit::deep().put(record).put_segment(&good.sealed(&events)).sees(Expected::about(class, name))
}

pub(crate) fn deleted(good: &Good, rng: &mut Rng) -> Edit {
    let record = any_record(good, rng);
    Edit::deep().delete(place(record)).sees(Expected::about(Class::UnloggedDelete, good.name(record)))
}

pub(crate) fn restored(good: &Good, rng: &mut Rng) -> Edit {
    let record = one(rng, good.deleted.iter());
    Edit::deep().put(record.clone()).sees(Expected::about(Class::RestoredRecord, good.name(record)))
}

/// A bit of what events bind: of the envelope, but for its wrapped key, or of the version. Of the rest, reading tells.
pub(crate) fn bit_flipped(good: &Good, rng: &mut Rng) -> Edit {
    let mut record = any_record(good, rng).clone();
    let class = if rng.u8(0..4) > 0 {
        let mut envelope = record["_e"].as_b().unwrap().as_ref().to_vec();
        let byte = one(rng, (0..37).chain(101..envelope.len()));
        flip(&mut envelope[byte..=byte], rng);
        record.insert("_e".to_owned(), b(envelope));
        Class::Altered
    } else {
        let (before, bit) = (version(&record), 1_u64 << rng.u32(0..50));
        record.insert("_v".to_owned(), n(before ^ bit));
        if before & bit == 0 { Class::UnloggedRecord } else { Class::StaleRecord }
    };
    let name = good.name(&record);
    Edit::deep().put(record).sees(Expected::about(class, name))
}

/// What a record is where no event puts it.
fn planted_at(good: &Good, mut record: Item, (pk, sk): Place) -> Edit {
    record.extend([("pk".to_owned(), s(&pk)), ("sk".to_owned(), s(&sk))]);
    let there = good.items.get(&(pk, sk)).map(version);
    let was_there = good.deleted.iter().any(|deleted| place(deleted) == place(&record));
    let class = match there {
        Some(there) if version(&record) < there => Class::StaleRecord,
        Some(there) if version(&record) == there => Class::Altered,
        None if was_there => Class::RestoredRecord,
        _ => Class::UnloggedRecord,
    };
    let name = good.name(&record);
    Edit::deep().put(record).sees(Expected::about(class, name))
}

pub(crate) fn planted(good: &Good, rng: &mut Rng) -> Edit {
    let record = any_record(good, rng);
    let to = match rng.u8(0..3) {
        0 => place(one(rng, good.deleted.iter())),
        1 => ("R#dave#outbox".to_owned(), format!("note#{}", rng.u16(..))),
        _ => {
            place(one(rng, good.items.values().filter(|other| is_record(&place(other)) && *other != record)))
        }
    };
    planted_at(good, record.clone(), to)
}

pub(crate) fn planted_from_another_store(good: &Good, rng: &mut Rng) -> Edit {
    let items = if rng.bool() { &good.elsewhere } else { &good.strangers };
    let record = one(rng, items.iter().filter(|item| is_record(&place(item))));
    planted_at(good, record.clone(), place(record))
}

fn any_key<'a>(good: &'a Good, rng: &mut Rng) -> &'a Item {
    one(rng, good.items.iter().filter(|((pk, _), _)| pk.starts_with("K#")).map(|(_, item)| item))
}

/// A key item, with an id that nobody made.
fn key(good: &Good, rng: &mut Rng, mut item: Item, tenant: &str, sk: String) -> Edit {
    let id: [u8; 16] = rng.u128(..).to_be_bytes();
    item.insert("kek_id".to_owned(), b(id));
    item.extend([("pk".to_owned(), s(format!("K#{tenant}"))), ("sk".to_owned(), s(sk))]);
    let tenant = TenantName::new(tenant).unwrap();
    let name = kek_resource(&good.namespace, Some(&tenant), KekId::from_bytes(id).as_bytes());
    Edit::deep().put(item).sees(Expected::about(Class::KeyItem, name))
}

pub(crate) fn key_planted(good: &Good, rng: &mut Rng) -> Edit {
    let item = any_key(good, rng).clone();
    let tenant = one(rng, ["alice", "bob", "dave"].into_iter());
    let sk = format!("{:010}", if tenant == "dave" { 1 } else { rng.u32(2..1_000_000) });
    key(good, rng, item, tenant, sk)
}

pub(crate) fn key_renamed(good: &Good, rng: &mut Rng) -> Edit {
    let item = any_key(good, rng).clone();
    let (pk, sk) = place(&item);
    let gone = key_name(good, &item);
    key(good, rng, item, pk.trim_start_matches("K#"), sk).sees(Expected::about(Class::KeyItem, gone))
}

/// How events name the key of an item.
fn key_name(good: &Good, item: &Item) -> String {
    let tenant = TenantName::new(place(item).0.trim_start_matches("K#")).unwrap();
    let id = item["kek_id"].as_b().unwrap().as_ref().try_into().unwrap();
    kek_resource(&good.namespace, Some(&tenant), &id)
}

pub(crate) fn unknown_item(_: &Good, rng: &mut Rng) -> Edit {
    let pk = one(rng, ["X#alice", "r#alice#inbox", "Meta", "S#other", "a#main"].into_iter());
    let item = Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(rng.u16(..).to_string()))]);
    Edit::deep().put(item).sees(Expected::of(Class::Foreign))
}

/// Sound, under the real key, and outside all that is verified.
pub(crate) fn unregistered_chain(good: &Good, rng: &mut Rng) -> Edit {
    let chain = format!("uninvited-{}", rng.u16(..));
    let mut events = Vec::new();
    let mut previous_hash = GENESIS;
    for sequence in 0..rng.u64(2..20) {
        let event = Details::now().link(&*chain, sequence, previous_hash);
        previous_hash = *event.event_hash();
        events.push(event);
    }
    Edit::deep().put_segment(&good.sealed(&events)).sees(Expected::of(Class::Foreign))
}

/// What looks like a chain whose process ended before it was registered.
pub(crate) fn unregistered_event(good: &Good, rng: &mut Rng) -> Edit {
    let chain = Chain::new(format!("uninvited-{}", rng.u16(..))).unwrap();
    let opens = rng.bool();
    let (operation, resource) = match opens {
        true => (CryptoOp::OpenChain, chain_resource(&good.namespace, &chain)),
        false => (CryptoOp::Decrypt, "bes:default/alice/inbox/note/1".to_owned()),
    };
    let event = Details { operation, resource, ..Details::now() }.link(chain.as_str(), 0, GENESIS);
    let mut segment = good.sealed(&[event]);
    if opens {
        flip(&mut segment.mac, rng);
    }
    let edit = Edit::deep().put_segment(&segment).sees(Expected::of(Class::Foreign));
    // Without the keys it is one.
    if opens { edit.keyless(Seen::NOTHING) } else { edit }
}

/// Its records lie there, and nobody can read them.
pub(crate) fn key_deleted(good: &Good, rng: &mut Rng) -> Edit {
    let item = any_key(good, rng);
    Edit::deep().delete(place(item)).sees(Expected::about(Class::KeyItem, key_name(good, item)))
}

/// In place of a tenant's keys, beside them, or of one that there never was.
pub(crate) fn tombstone_planted(good: &Good, rng: &mut Rng) -> Edit {
    let key = any_key(good, rng);
    let (pk, _) = place(key);
    let tenant = if rng.bool() { pk.trim_start_matches("K#") } else { "dave" };
    let tenant = TenantName::new(tenant).unwrap();
    let mut item = Item::from([
        ("pk".to_owned(), s(format!("K#{tenant}"))),
        ("sk".to_owned(), s("0000000000")),
        ("time".to_owned(), s("2026-01-02T03:04:05.678901Z")),
    ]);
    if rng.bool() {
        item.extend([
            ("kek_ids".to_owned(), key["kek_id"].clone()),
            ("mac".to_owned(), b(rng.u128(..).to_be_bytes().repeat(2))),
            ("audit_kek_id".to_owned(), b(*good.key.id())),
        ]);
    }
    let name = tenant_resource(&good.namespace, &tenant);
    let edit = Edit::deep().put(item).sees(Expected::about(Class::KeyItem, name));
    if tenant.as_str() != "dave" && rng.bool() { edit.delete(place(key)) } else { edit }
}
