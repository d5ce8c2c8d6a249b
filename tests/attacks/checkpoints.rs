//! Checkpoints, attacked where they are kept.

use std::collections::BTreeMap;

use blue_encrypted_store::{
    blue_audit::{Baseline, Checkpoint, Class, NoteSigner},
    checkpoints::TrustedCheckpointsError,
};
use fastrand::Rng;

use crate::{
    edit::{Edit, Expected, Reading},
    good::Good,
};

/// A file of checkpoints as it was kept, and as it is presented.
pub(crate) struct File {
    pub(crate) kept: String,
    pub(crate) presented: String,
    /// Whether it is refused for the right reason.
    pub(crate) refused: fn(&TrustedCheckpointsError) -> bool,
}

fn checkpoint(good: &Good, known: &Baseline) -> Checkpoint {
    Checkpoint::of(good.namespace.clone(), known.clone(), BTreeMap::new()).unwrap()
}

fn note(checkpoint: &Checkpoint, signer: &NoteSigner) -> String {
    checkpoint.sign(signer).unwrap()
}

/// As they were published, one after the other.
fn notes(good: &Good, signer: &NoteSigner) -> [String; 2] {
    [&good.before, &good.known].map(|known| note(&checkpoint(good, known), signer))
}

fn untrusted(error: &TrustedCheckpointsError) -> bool {
    matches!(error, TrustedCheckpointsError::Untrusted { .. })
}

/// The clock was set back, or the checkpoint was dated wrong.
pub(crate) fn from_the_future(good: &Good, rng: &mut Rng) -> Edit {
    let ahead = time::Duration::seconds(rng.i64(600..1_000_000_000));
    let baseline = Baseline { time: time::OffsetDateTime::now_utc() + ahead, ..good.known.clone() };
    Edit::from(Reading::Checkpoint { baseline, full: rng.bool() }).sees(Expected::of(Class::Clock))
}

/// The older one after the newer one, which was known; or any chain of it put back under a later date.
pub(crate) fn rolled_back(good: &Good, signer: &NoteSigner, rng: &mut Rng) -> File {
    let [older, newer] = notes(good, signer);
    assert!(good.before.is_older_than(&good.known) && !good.known.is_older_than(&good.before));
    let presented = if rng.bool() {
        older.clone()
    } else {
        let mut known = good.known.clone();
        known.time += time::Duration::seconds(1);
        let (chain, head) = crate::good::one(rng, good.before.chains.iter());
        if good.known.chains[chain] == *head {
            known.chains.remove(chain);
        } else {
            known.chains.insert(chain.clone(), *head);
        }
        assert!(known.is_older_than(&good.known));
        note(&checkpoint(good, &known), signer)
    };
    File {
        kept: format!("{older}\n{newer}\n"),
        presented: format!("{older}\n{newer}\n{presented}\n"),
        refused: |error| matches!(error, TrustedCheckpointsError::GoesBack { number: 3, .. }),
    }
}

pub(crate) fn signed_by_another(good: &Good, signer: &NoteSigner, rng: &mut Rng) -> File {
    let [older, newer] = notes(good, signer);
    let name = if rng.bool() { "bes/default" } else { "mallory" };
    let forged = note(&checkpoint(good, &good.known), &NoteSigner::generate(name).unwrap());
    File {
        kept: format!("{older}\n{newer}\n"),
        presented: format!("{older}\n{forged}\n"),
        refused: untrusted,
    }
}

/// A digit of the text is another, or the text stands under the signature of another checkpoint.
pub(crate) fn edited(good: &Good, signer: &NoteSigner, rng: &mut Rng) -> File {
    let [older, newer] = notes(good, signer);
    let [(old_text, _), (text, signature)] = [&older, &newer].map(|note| note.split_once("\n\n").unwrap());
    let forged = if rng.bool() {
        format!("{old_text}\n\n{signature}")
    } else {
        let digits = text.char_indices().filter(|(_, character)| character.is_ascii_digit());
        let (index, digit) = crate::good::one(rng, digits);
        let other = if digit == '9' { "0" } else { "9" };
        format!("{}{other}{}\n\n{signature}", &text[..index], &text[index + 1..])
    };
    File {
        presented: format!("{older}\n{forged}\n"),
        kept: format!("{older}\n{newer}\n"),
        refused: untrusted,
    }
}
