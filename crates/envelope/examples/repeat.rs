//! Does one thing so many times, and nothing else: `repeat seal 1024 100`. `cargo xtask instructions` runs it under
//! callgrind with two counts, and takes the difference.

use std::{error::Error, hint::black_box};

use blue_envelope::{CONTENT_OFFSET, TAG_LEN};
use blue_envelope::{
    Context, Kek, KekId, SecretKey,
    address::{Attributes, ItemAttributes, Namespace, RecordPath},
    open, open_in_place, rewrap, seal, seal_in_place,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [operation, size, times] = &arguments[..] else {
        return Err("usage: repeat OPERATION SIZE TIMES".into());
    };
    let (size, times) = (size.parse()?, times.parse()?);
    let kek =
        |byte| Kek::new(KekId::from_bytes([byte; 16]), SecretKey::from_slice(&[byte; 32]).expect("32 bytes"));
    let (kek, other) = (kek(1), kek(2));
    let address = "alice/inbox/note/42".parse::<RecordPath>()?.within(Namespace::new("prod")?);
    let mut attributes = ItemAttributes::new(Attributes::new().with("status", "open")?);
    for (name, value) in [("_t", 1), ("_c", 1_700_000_000_000_000_i64), ("_u", 1_700_000_000_000_000)] {
        attributes.insert(name, value)?;
    }
    let context = Context::new(&address, 1_700_000_000_000_000, &attributes);
    let plaintext = vec![b'x'; size];
    let envelope = seal(&kek, &context, &plaintext)?;
    let mut buffer = Vec::with_capacity(envelope.len());

    for _ in 0..times {
        match operation.as_str() {
            "context" => _ = black_box(Context::new(black_box(&address), 1_700_000_000_000_000, &attributes)),
            "seal" => drop(black_box(seal(&kek, &context, black_box(&plaintext))?)),
            "open" => drop(black_box(open(&kek, &context, black_box(&envelope))?)),
            "seal_in_place" => {
                buffer.resize(CONTENT_OFFSET, 0);
                buffer.extend_from_slice(&plaintext);
                seal_in_place(&kek, &context, black_box(&mut buffer))?;
                buffer.clear();
            }
            "open_in_place" => {
                buffer.extend_from_slice(&envelope);
                open_in_place(&kek, &context, black_box(&mut buffer))?;
                buffer.clear();
            }
            "rewrap" => {
                buffer.clear();
                buffer.extend_from_slice(&envelope[..CONTENT_OFFSET + TAG_LEN]);
                rewrap(&kek, &other, black_box(&mut buffer))?;
            }
            other => return Err(format!("no operation {other:?}").into()),
        }
    }
    Ok(())
}
