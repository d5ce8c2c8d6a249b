//! Envelopes that were sealed, and then changed somewhere.

use blue_address::{Address, ItemAttributes};
use blue_envelope::{Context, Envelope, Kek, KekId, OVERHEAD, SecretKey, open, open_in_place, rewrap, seal};

use crate::{choices::Choices, envelope::refusal, names};

/// A key by its bytes, so that it can be compared and changed.
#[derive(Clone, PartialEq)]
struct Key {
    id: [u8; 16],
    secret: [u8; 32],
}

impl Key {
    fn chosen(choices: &mut Choices<'_>) -> Self {
        Self { id: choices.array(), secret: choices.array() }
    }

    fn kek(&self) -> Kek {
        Kek::new(KekId::from_bytes(self.id), SecretKey::from_slice(&self.secret).expect("32 bytes"))
    }
}

/// Where a record is and what stands beside it in clear.
#[derive(Clone, PartialEq)]
struct Place {
    address: Address,
    version: u64,
    attributes: ItemAttributes,
}

impl Place {
    fn chosen(choices: &mut Choices<'_>) -> Self {
        Self {
            address: names::address(choices),
            version: choices.number(),
            attributes: names::attributes(choices),
        }
    }

    fn context(&self) -> Context {
        Context::new(&self.address, self.version, &self.attributes)
    }
}

/// Everything that decides whether an envelope opens.
#[derive(Clone, PartialEq)]
struct Opening {
    key: Key,
    place: Place,
    envelope: Vec<u8>,
}

pub(crate) fn law(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (key, place) = (Key::chosen(&mut choices), Place::chosen(&mut choices));
    let changes = choices.bytes();
    let moved_to = Key::chosen(&mut choices);
    let plaintext = choices.rest();

    let envelope = seal(&key.kek(), &place.context(), plaintext).expect("it seals");
    assert_eq!(envelope.len(), plaintext.len() + OVERHEAD);
    let sealed = Opening { key, place, envelope };
    opens(&sealed, plaintext);
    rewraps(&sealed, &moved_to, plaintext);

    let mut changed = sealed.clone();
    let mut changes = Choices::new(changes);
    while !changes.is_empty() {
        change(&mut changed, plaintext, &mut changes);
    }
    if changed == sealed {
        opens(&changed, plaintext);
    } else {
        is_refused(&changed);
    }
}

fn opens(sealed: &Opening, plaintext: &[u8]) {
    let Opening { key, place, envelope } = sealed;
    assert_eq!(open(&key.kek(), &place.context(), envelope).as_deref(), Ok(plaintext));
    let mut buffer = envelope.clone();
    assert_eq!(open_in_place(&key.kek(), &place.context(), &mut buffer), Ok(()));
    assert_eq!(buffer, plaintext);
}

fn is_refused(changed: &Opening) {
    let Opening { key, place, envelope } = changed;
    let kek = key.kek();
    let expected = refusal(envelope, kek.id());
    assert_eq!(open(&kek, &place.context(), envelope), Err(expected));
    let mut buffer = envelope.clone();
    assert_eq!(open_in_place(&kek, &place.context(), &mut buffer).err(), Some(expected));
}

fn rewraps(sealed: &Opening, to: &Key, plaintext: &[u8]) {
    let mut envelope = sealed.envelope.clone();
    rewrap(&sealed.key.kek(), &to.kek(), &mut envelope).expect("its own key unwraps it");
    assert_eq!(envelope[..37], sealed.envelope[..37], "the write id stays");
    assert_eq!(envelope[37..53], to.id);
    assert_eq!(envelope[101..], sealed.envelope[101..], "the content stays");
    let digest = |bytes| Envelope::parse(bytes).expect("it was sealed").content_digest();
    assert_eq!(digest(&envelope), digest(&sealed.envelope));
    opens(&Opening { key: to.clone(), envelope: envelope.clone(), ..sealed.clone() }, plaintext);
    if *to != sealed.key {
        is_refused(&Opening { envelope: envelope.clone(), ..sealed.clone() });
        let kek = sealed.key.kek();
        let mut refused = envelope.clone();
        assert_eq!(rewrap(&kek, &kek, &mut refused), Err(refusal(&envelope, kek.id())));
        assert_eq!(refused, envelope, "a refused rewrap changes nothing");
    }
}

/// Changes one thing, or, with some choices, nothing.
fn change(opening: &mut Opening, plaintext: &[u8], choices: &mut Choices<'_>) {
    let Opening { key, place, envelope } = opening;
    match choices.below(9) {
        0 => choices.flip(envelope),
        1 => envelope.truncate(choices.index(envelope.len() + 1)),
        2 => envelope.extend_from_slice(choices.bytes()),
        3 => choices.flip(&mut key.id),
        4 => choices.flip(&mut key.secret),
        5 => place.version = place.version.wrapping_add(choices.byte().into()),
        6 => place.address = names::address(choices),
        7 => place.attributes = names::attributes(choices),
        _ => splice(opening, plaintext, choices),
    }
}

/// Puts a part of another seal of the same content, under the same key and in the same place, into this one.
fn splice(opening: &mut Opening, plaintext: &[u8], choices: &mut Choices<'_>) {
    let Opening { key, place, envelope } = opening;
    let other = seal(&key.kek(), &place.context(), plaintext).expect("it seals");
    let fields = [0, 5, 37, 53, 101, other.len()];
    let from = usize::from(choices.below(5));
    let to = from + 1 + usize::from(choices.below(5)) % (5 - from);
    // All of it, with or without what every envelope begins with, would be another envelope that opens.
    if from <= 1 && to == 5 {
        return;
    }
    if let Some(part) = envelope.get_mut(fields[from]..fields[to]) {
        part.copy_from_slice(&other[fields[from]..fields[to]]);
    }
}
