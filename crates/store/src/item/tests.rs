//! Records as items and back, and what is refused.

use blue_address::Attributes;

use super::*;
use crate::size::item_size;

fn decode(item: Item) -> Result<StoredRecord, MalformedItem> {
    StoredRecord::from_item(item)
}

fn record() -> StoredRecord {
    let system = SystemAttributes { payload_type: PayloadType::Json, created: 5, updated: 6 };
    let attributes = Attributes::new()
        .with("n", -3)
        .unwrap()
        .with("s", "")
        .unwrap()
        .with("b", true)
        .unwrap()
        .with("x", vec![1, 2])
        .unwrap();
    StoredRecord {
        path: "alice/inbox/note/a#b/c".parse().unwrap(),
        version: 7,
        envelope: vec![9; 117],
        attributes: system.added_to(attributes),
    }
}

#[test]
fn what_is_encoded_decodes_to_itself() {
    assert_eq!(decode(encode(record()).unwrap()).unwrap(), record());
}

#[test]
fn a_record_that_no_item_stands_for_is_not_encoded() {
    for name in [PK, SK, VERSION, ENVELOPE] {
        let mut record = record();
        record.attributes.insert(name, "x").unwrap();
        let Err(StoreError::Malformed(error)) = encode(record) else { panic!("{name}") };
        assert_eq!(error.reason, format!("an attribute cannot be named {name:?}"));
    }
    let last = StoredRecord { version: i64::MAX.unsigned_abs(), ..record() };
    assert_eq!(decode(encode(last.clone()).unwrap()).unwrap(), last);
    let beyond = StoredRecord { version: last.version + 1, ..last };
    assert!(matches!(encode(beyond), Err(StoreError::Malformed(_))));
}

#[test]
fn an_item_from_elsewhere_is_malformed() {
    let asked = |path: &RecordPath| path.id.as_str() == "another";
    let error = decode_if(encode(record()).unwrap(), asked).unwrap_err();
    assert_eq!(error.reason, "another item was asked for");
}

#[test]
fn a_size_told_in_advance_is_that_of_the_item() {
    let StoredRecord { path, version, envelope, attributes } = record();
    let size = size::record_size(&path, version, &attributes, envelope.len());
    assert_eq!(size, item_size(&encode(record()).unwrap()));
    assert!(check_size(&path, version, &attributes, size::MAX_ITEM_SIZE - size + envelope.len()).is_ok());
    let error = check_size(&path, version, &attributes, size::MAX_ITEM_SIZE - size + envelope.len() + 1);
    assert!(matches!(error, Err(StoreError::TooLarge { size: 409_601 })));
}

#[test]
fn a_number_has_one_text() {
    for good in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
        assert_eq!(canonical_integer(good).unwrap().to_string(), good);
    }
    for bad in ["", "-0", "+1", "01", "1.0", "1e3", " 1", "9223372036854775808", "-"] {
        assert_eq!(canonical_integer(bad), None, "{bad:?}");
    }
}

#[test]
fn what_this_store_does_not_write_is_malformed() {
    let with = |name: &str, value: AttributeValue| {
        let mut item = encode(record()).unwrap();
        item.insert(name.to_owned(), value);
        decode(item).unwrap_err().reason
    };
    assert_eq!(
        with("n", AttributeValue::N("1.5".into())),
        "the attribute \"n\" has a type that this store does not write"
    );
    assert!(with("s", AttributeValue::Null(true)).contains("\"s\""));
    assert!(with("s", AttributeValue::L(vec![])).contains("\"s\""));
    assert!(with("s", AttributeValue::Ss(vec!["a".into()])).contains("\"s\""));
    assert_eq!(with("_v", AttributeValue::N("-1".into())), "_v is no version");
    assert_eq!(with("_v", AttributeValue::S("7".into())), "_v is no version");
    assert_eq!(with("_e", AttributeValue::S("x".into())), "_e is missing or no byte string");
    assert_eq!(with("sk", AttributeValue::S("note".into())), "its sort key is not kind#id");
    assert_eq!(with("sk", AttributeValue::S("note#".into())), "the record id is empty");
    assert_eq!(with("pk", AttributeValue::S("X#a#b".into())), "its partition key is not R#tenant#collection");
}

#[test]
fn an_item_one_byte_too_large_is_refused() {
    let mut record = record();
    let rest = item_size(&encode(record.clone()).unwrap()) - record.envelope.len();
    record.envelope = vec![0; size::MAX_ITEM_SIZE - rest];
    encode(record.clone()).unwrap();
    record.envelope.push(0);
    assert!(matches!(encode(record), Err(StoreError::TooLarge { size: 409_601 })));
}

#[test]
fn system_attributes_are_found_again() {
    let attributes = record().attributes;
    let found = SystemAttributes::of(&attributes).unwrap();
    assert_eq!((found.created, found.updated, found.payload_type), (5, 6, PayloadType::Json));
    assert_eq!(SystemAttributes::of(&ItemAttributes::default()), Err("_t"));
    assert_eq!(attributes.into_callers().len(), 4);
}
