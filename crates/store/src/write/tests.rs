//! Writes as parts of a request.

use aws_sdk_dynamodb::{Client, config};

use super::*;
use crate::{
    KeyItem, MAX_ERASED_KEYS,
    size::{MAX_ITEM_SIZE, item_size},
};

fn write(envelope: usize) -> RecordWrite {
    let mut attributes = ItemAttributes::default();
    attributes.insert("status", "open").unwrap();
    let path = "alice/inbox/note/é".parse().unwrap();
    RecordWrite { path, version: 12_345, envelope: vec![1; envelope], attributes }
}

fn revision() -> Revision {
    let (item, _) = encode(write(117), Put::Create).unwrap();
    Revision::of_item(&item)
}

fn alice() -> Tenant {
    Tenant::new("alice").unwrap()
}

/// What lies in a tenant's key partition: so many keys, and a tombstone or none.
fn keys(count: u8, dead: bool) -> KeyItems {
    let [provider, umk_id] = ["local", "local:00"].map(str::to_owned);
    let key = |version: u8| KeyItem {
        version: u32::from(version),
        kek_id: [version; 16],
        provider: provider.clone(),
        umk_id: umk_id.clone(),
        wrapped: vec![9; 65],
        created: 5,
    };
    let tombstone = dead.then(|| "before".to_owned());
    KeyItems { versions: (1..=count).map(key).collect(), tombstone, proof: None }
}

fn tombstone(count: u8) -> Tombstone {
    let kek_ids = (1..=count).map(|version| [version; 16]).collect();
    Tombstone { time: "now".to_owned(), kek_ids, mac: [7; 32], audit_kek_id: [8; 16] }
}

fn parts(write: &GroupWrite) -> Vec<TransactWriteItem> {
    let config = config::Config::builder().behavior_version(config::BehaviorVersion::latest()).build();
    let table = Table::new(&Client::from_conf(config), "notes", crate::Deadlines::default());
    let mut parts = Vec::new();
    write.in_transaction(&table, &mut parts);
    parts
}

fn part(write: &GroupWrite) -> TransactWriteItem {
    let mut parts = parts(write);
    assert_eq!((parts.len(), write.parts()), (1, 1));
    parts.remove(0)
}

#[test]
fn the_size_of_a_write_is_that_of_what_is_sent_of_it() {
    for put in [Put::Create, Put::Replace(&revision())] {
        let (item, _) = encode(write(117), put).unwrap();
        assert_eq!(GroupWrite::put(write(117), put).unwrap().size(), item_size(&item));
    }
    let delete = GroupWrite::delete(&write(117).path, &revision());
    assert_eq!(delete.size(), item_size(&item::record_key(&write(117).path)));
    for (dead, keep) in [(false, true), (true, true), (true, false)] {
        let erasure = GroupWrite::erase_keys(&alice(), &keys(3, dead), &tombstone(3), keep).unwrap();
        let parts = parts(&erasure);
        assert_eq!((parts.len(), erasure.parts()), (5, 5));
        assert_eq!(erasure.size(), sizes(parts));
    }
}

fn sizes(parts: Vec<TransactWriteItem>) -> usize {
    let size = |part| match part {
        TransactWriteItem { put: Some(put), .. } => item_size(&put.item),
        TransactWriteItem { delete: Some(delete), .. } => item_size(&delete.key),
        TransactWriteItem { condition_check: Some(check), .. } => item_size(&check.key),
        other => panic!("{other:?}"),
    };
    parts.into_iter().map(size).sum()
}

fn stored() -> StoredRecord {
    let RecordWrite { path, version, envelope, attributes } = write(117);
    StoredRecord { path, version, envelope, attributes }
}

#[test]
fn a_rewrap_replaces_one_exact_envelope_and_nothing_else() {
    let mut envelope = stored().envelope;
    envelope[37..101].fill(2);
    let rewrap = GroupWrite::rewrap(&stored(), envelope.clone());
    let (item, _) = encode(write(117), Put::Create).unwrap();
    assert_eq!(rewrap.size(), item_size(&item) + 117, "both envelopes are sent");
    let update = part(&rewrap).update.unwrap();
    assert_eq!(update.key, item::record_key(&stored().path));
    assert_eq!(update.update_expression, "SET #e = :new");
    assert_eq!(update.condition_expression.as_deref(), Some("#v = :v AND #e = :e"));
    let values = update.expression_attribute_values.unwrap();
    let bytes = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
    assert_eq!(values[":v"], AttributeValue::N("12345".into()));
    assert_eq!((&values[":e"], &values[":new"]), (&bytes(stored().envelope), &bytes(envelope)));
}

#[test]
#[should_panic(expected = "it is the same write")]
fn a_rewrap_to_another_write_is_a_mistake() {
    let _ = GroupWrite::rewrap(&stored(), vec![2; 117]);
}

#[test]
fn a_key_is_added_behind_the_newest_and_taken_away_beside_a_newer() {
    let found = keys(3, false).versions;
    let [old, newest, added] = &found[..] else { panic!("three keys") };
    let addition = GroupWrite::add_key(&alice(), added, newest);
    let of_addition = parts(&addition);
    assert_eq!((of_addition.len(), addition.parts()), (3, 3));
    assert_eq!(addition.size(), sizes(of_addition.clone()));
    assert_eq!(of_addition[0].put.as_ref().unwrap().item["sk"], AttributeValue::S("0000000003".into()));
    let checked = |part: &TransactWriteItem| {
        let check = part.condition_check.as_ref().unwrap();
        (check.key["sk"].clone(), check.condition_expression.clone())
    };
    let s = |text: &str| AttributeValue::S(text.to_owned());
    assert_eq!(checked(&of_addition[1]), (s("0000000002"), "#id = :id".to_owned()));
    assert_eq!(checked(&of_addition[2]), (s("0000000000"), "attribute_not_exists(#pk)".to_owned()));

    let removal = GroupWrite::remove_key(&alice(), old, newest);
    let of_removal = parts(&removal);
    assert_eq!((of_removal.len(), removal.parts()), (2, 2));
    assert_eq!(removal.size(), sizes(of_removal.clone()));
    let delete = of_removal[0].delete.as_ref().unwrap();
    assert_eq!(
        (&delete.key["sk"], delete.condition_expression.as_deref()),
        (&s("0000000001"), Some("#id = :id"))
    );
    assert_eq!(checked(&of_removal[1]), (s("0000000002"), "#id = :id".to_owned()));
}

#[test]
fn a_key_is_wrapped_anew_only_as_it_was_read() {
    let item = keys(1, false).versions.remove(0);
    let wrapping =
        Wrapping { provider: "aws-kms".to_owned(), umk_id: "arn".to_owned(), wrapped: vec![2; 185] };
    for (partition, place, pk) in [
        (KeyPartition::Tenant(alice()), Place::Keys(alice()), "K#alice"),
        (KeyPartition::Audit, Place::AuditKeys, "S#audit"),
    ] {
        let wrap = GroupWrite::wrap_key(&partition, &item, wrapping.clone());
        assert_eq!(wrap.place(), &place);
        let update = part(&wrap).update.unwrap();
        assert_eq!(update.key["pk"], AttributeValue::S(pk.to_owned()));
        let condition = update.condition_expression.unwrap();
        assert_eq!(condition, "#id = :id AND #umk = :was AND #wrapped = :wrapped");
        let (names, values) =
            (update.expression_attribute_names.unwrap(), update.expression_attribute_values.unwrap());
        assert_eq!(values[":wrapped"], AttributeValue::B(Blob::new(vec![9; 65])));
        assert_eq!(values[":new"], AttributeValue::B(Blob::new(vec![2; 185])));
        let used = format!("{} {condition}", update.update_expression);
        assert!(names.keys().chain(values.keys()).all(|alias| used.contains(alias.as_str())), "{used}");
    }
}

#[test]
fn another_root_is_recorded_in_the_meta_that_was_read() {
    let [namespace, provider, umk_id] = ["default", "aws-kms", "arn:old"].map(str::to_owned);
    for table_id in [None, Some("id".to_owned())] {
        let [namespace, provider, umk_id] = [&namespace, &provider, &umk_id].map(Clone::clone);
        let meta = Meta { namespace, provider, umk_id, created: 5, table_id };
        let update = part(&GroupWrite::change_root(&meta, "aws-kms", "arn:new").unwrap()).update.unwrap();
        let used = format!("{} {}", update.update_expression, update.condition_expression.unwrap());
        let (names, values) =
            (update.expression_attribute_names.unwrap(), update.expression_attribute_values.unwrap());
        assert!(names.keys().chain(values.keys()).all(|alias| used.contains(alias.as_str())), "{used}");
        assert_eq!(values[":umk_id"], AttributeValue::S("arn:new".to_owned()));
        for odd in ["", "a b", "é"] {
            let error = GroupWrite::change_root(&meta, "aws-kms", odd).unwrap_err();
            assert!(matches!(error, StoreError::Malformed(_)), "{odd:?}: {error:?}");
        }
    }
}

#[test]
fn a_write_one_byte_too_large_is_refused() {
    let rest = GroupWrite::put(write(117), Put::Create).unwrap().size() - 117;
    let largest = GroupWrite::put(write(MAX_ITEM_SIZE - rest), Put::Create).unwrap();
    assert_eq!(largest.size(), MAX_ITEM_SIZE);
    let error = GroupWrite::put(write(MAX_ITEM_SIZE - rest + 1), Put::Create).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { size: 409_601 }), "{error:?}");
}

#[test]
fn a_write_is_conditional_and_asks_for_what_fails_it() {
    use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;

    let revised = "attribute_exists(#pk) AND #v = :v AND begins_with(#e, :e)";
    for (put, expected) in [(Put::Create, "attribute_not_exists(#pk)"), (Put::Replace(&revision()), revised)]
    {
        let part = part(&GroupWrite::put(write(117), put).unwrap()).put.unwrap();
        assert_eq!(part.condition_expression.as_deref(), Some(expected));
        assert_eq!(part.return_values_on_condition_check_failure, Some(AllOld));
        assert_eq!(part.table_name, "notes");
        assert_eq!(part.item["status"], AttributeValue::S("open".into()));
        assert_eq!(part.expression_attribute_values.is_some(), matches!(put, Put::Replace(_)));
    }
    let delete = part(&GroupWrite::delete(&write(117).path, &revision())).delete.unwrap();
    assert_eq!(delete.condition_expression.as_deref(), Some(revised));
    assert_eq!(delete.return_values_on_condition_check_failure, Some(AllOld));
    assert_eq!(delete.key, item::record_key(&write(117).path));
    assert_eq!(delete.expression_attribute_values.unwrap()[":v"], AttributeValue::N("12345".into()));
}

#[test]
fn a_tombstone_is_put_where_none_is_kept_or_replaced_as_it_was_read() {
    let mut found = keys(0, true);
    let kept = parts(&GroupWrite::erase_keys(&alice(), &found, &tombstone(0), true).unwrap());
    assert_eq!(kept[0].condition_check.as_ref().unwrap().condition_expression, "attribute_exists(#pk)");
    for proof in [None, Some(tombstone(1))] {
        found.proof = proof;
        let replaced = parts(&GroupWrite::erase_keys(&alice(), &found, &tombstone(0), false).unwrap());
        let put = replaced[0].put.as_ref().unwrap();
        let expected = if found.proof.is_some() { "#time = :time AND #mac = :mac" } else { "#time = :time" };
        assert_eq!(put.condition_expression.as_deref(), Some(expected));
        let values = put.expression_attribute_values.as_ref().unwrap();
        assert_eq!(values[":time"], AttributeValue::S("before".to_owned()));
    }
    let fresh = parts(&GroupWrite::erase_keys(&alice(), &keys(0, false), &tombstone(0), false).unwrap());
    let put = fresh[0].put.as_ref().unwrap();
    assert_eq!(put.condition_expression.as_deref(), Some("attribute_not_exists(#pk)"));
}

#[test]
fn more_keys_than_one_transaction_takes_are_refused() {
    let most = u8::try_from(MAX_ERASED_KEYS).unwrap();
    let erasure = GroupWrite::erase_keys(&alice(), &keys(most, false), &tombstone(most), true).unwrap();
    assert_eq!(erasure.parts() + 1, 100, "with the segment");
    let error = GroupWrite::erase_keys(&alice(), &keys(most + 1, false), &tombstone(most), true).unwrap_err();
    assert!(matches!(error, StoreError::TooManyKeys { count: 98, .. }), "{error:?}");
}

#[test]
fn an_id_of_the_table_that_could_not_be_read_back_is_not_written() {
    let [namespace, provider, umk_id] = ["default", "local", "local:00"].map(str::to_owned);
    let meta = Meta { namespace, provider, umk_id, created: 5, table_id: None };
    for odd in ["", "a b", "é"] {
        let error = GroupWrite::adopt(&meta, Some(odd.to_owned())).unwrap_err();
        assert!(matches!(error, StoreError::Malformed(_)), "{odd:?}: {error:?}");
    }
}
