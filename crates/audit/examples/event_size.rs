//! Prints what the audit log costs in write and read units of DynamoDB: the table of docs/operations.md.
//!
//! `cargo run -p blue-audit --example event_size`

#![expect(clippy::print_stdout, reason = "it prints")]

use blue_audit::{
    AuditKey, CryptoOp, Details, GENESIS, MAX_SEGMENT_LEN, Segment,
    address::{Chain, Namespace, RecordPath},
    resource,
};

/// Names and values of a segment's item besides its events: keys, count, hashes, id.
const ITEM: usize = 180;
/// A write unit is 1 KiB of one item, or half that in a transaction; a read unit 4 KiB, strongly consistent.
const KIB: usize = 1_024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new("prod")?;
    let address = "alice/inbox/note/0192f0c1-7b7e-7000-8000-0123456789ab".parse::<RecordPath>()?;
    let event = Details {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        operation: CryptoOp::Encrypt,
        key_id: "00112233-4455-4677-8899-aabbccddeeff".into(),
        principal: "alice@example.org".into(),
        resource: resource(&address.within(namespace.clone())),
        version: 1_700_000_000_000_000,
        content_digest: Some([0; 32]),
        ..Details::now()
    };
    let chain = Chain::new("main")?;
    let len = event.stored_len(&chain);
    let linked = event.clone().link("main", 0, GENESIS);
    let segment = Segment::new(&AuditKey::new([0; 16], &[0; 32]), &namespace, &[linked])?;
    assert_eq!(segment.events.len(), len, "the length is that of what is stored");

    println!("one event in a segment: {len} bytes; at most {} of them in one", MAX_SEGMENT_LEN / len);
    println!();
    println!(
        "| operations in a group | segment, bytes | write units of the segment, for each operation | in a transaction |"
    );
    println!("| --- | --- | --- | --- |");
    for group in [1, 2, 5, 10, 50, 99] {
        let size = group * len + ITEM;
        let units = size.div_ceil(KIB);
        let each = |units: usize| format!("{}.{:02}", units / group, units * 100 / group % 100);
        println!("| {group} | {size} | {} | {} |", each(units), each(2 * units));
    }
    Ok(())
}
