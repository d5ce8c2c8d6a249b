//! Writes as parts of a request.

use aws_sdk_dynamodb::types::AttributeValue;

use super::*;
use crate::size::{MAX_ITEM_SIZE, tests::item_size};

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

#[test]
fn the_size_of_a_write_is_that_of_what_is_sent_of_it() {
    for put in [Put::Create, Put::Replace(&revision())] {
        let (item, _) = encode(write(117), put).unwrap();
        assert_eq!(GroupWrite::put(write(117), put).unwrap().size(), item_size(&item));
    }
    let delete = GroupWrite::delete(&write(117).path, &revision());
    assert_eq!(delete.size(), item_size(&item::record_key(delete.path())));
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
    use aws_sdk_dynamodb::{Client, config, types::ReturnValuesOnConditionCheckFailure::AllOld};

    let config = config::Config::builder().behavior_version(config::BehaviorVersion::latest()).build();
    let table = Table::new(&Client::from_conf(config), "notes", crate::Deadlines::default());
    let revised = "attribute_exists(#pk) AND #v = :v AND begins_with(#e, :e)";
    for (put, expected) in [(Put::Create, "attribute_not_exists(#pk)"), (Put::Replace(&revision()), revised)]
    {
        let part = GroupWrite::put(write(117), put).unwrap().in_transaction(&table);
        let part = part.put.unwrap();
        assert_eq!(part.condition_expression.as_deref(), Some(expected));
        assert_eq!(part.return_values_on_condition_check_failure, Some(AllOld));
        assert_eq!(part.table_name, "notes");
        assert_eq!(part.item["status"], AttributeValue::S("open".into()));
        assert_eq!(part.expression_attribute_values.is_some(), matches!(put, Put::Replace(_)));
    }
    let delete = GroupWrite::delete(&write(117).path, &revision()).in_transaction(&table).delete.unwrap();
    assert_eq!(delete.condition_expression.as_deref(), Some(revised));
    assert_eq!(delete.return_values_on_condition_check_failure, Some(AllOld));
    assert_eq!(delete.key, item::record_key(&write(117).path));
    assert_eq!(delete.expression_attribute_values.unwrap()[":v"], AttributeValue::N("12345".into()));
}
