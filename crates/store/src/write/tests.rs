//! Writes as parts of a request.

use aws_sdk_dynamodb::{Client, config, types::AttributeValue};

use super::*;
use crate::{
    KeyItem, MAX_ERASED_KEYS,
    size::{MAX_ITEM_SIZE, tests::item_size},
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
    KeyItems { versions: (1..=count).map(key).collect(), tombstone: dead.then(|| "before".to_owned()) }
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
    for dead in [false, true] {
        let erasure = GroupWrite::erase_keys(&alice(), &keys(3, dead), &tombstone(3)).unwrap();
        let parts = parts(&erasure);
        assert_eq!((parts.len(), erasure.parts()), (5, 5));
        let sizes = parts.into_iter().map(|part| match part {
            TransactWriteItem { put: Some(put), .. } => item_size(&put.item),
            TransactWriteItem { delete: Some(delete), .. } => item_size(&delete.key),
            TransactWriteItem { condition_check: Some(check), .. } => item_size(&check.key),
            other => panic!("{other:?}"),
        });
        assert_eq!(erasure.size(), sizes.sum::<usize>());
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
fn more_keys_than_one_transaction_takes_are_refused() {
    let most = u8::try_from(MAX_ERASED_KEYS).unwrap();
    let erasure = GroupWrite::erase_keys(&alice(), &keys(most, false), &tombstone(most)).unwrap();
    assert_eq!(erasure.parts() + 1, 100, "with the segment");
    let error = GroupWrite::erase_keys(&alice(), &keys(most + 1, false), &tombstone(most)).unwrap_err();
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
