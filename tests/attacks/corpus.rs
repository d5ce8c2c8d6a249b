//! All classes of attacks, each under its name.

use blue_encrypted_store::blue_audit::NoteSigner;
use fastrand::Rng;

use crate::{
    chains,
    checkpoints::{self, File},
    edit::Edit,
    fields,
    good::Good,
    keyholder, places, records,
};

/// One class of attacks: each call is another one of it.
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) attempt: Box<Attempts>,
}

type Attempts = dyn Fn(&Good, &mut Rng) -> Attempt + Send + Sync;
type OnTable = fn(&Good, &mut Rng) -> Edit;
pub(crate) type OnCheckpoints = fn(&Good, &NoteSigner, &mut Rng) -> File;

/// What is attacked.
pub(crate) enum Attempt {
    /// The table.
    Edit(Edit),
    /// The file that checkpoints are kept in.
    Checkpoints(OnCheckpoints),
}

const ON_TABLE: [(&str, OnTable); 41] = [
    ("a bit of the events flipped", fields::bit_flipped),
    ("the mac edited", fields::mac),
    ("the count edited", fields::count),
    ("the head hash edited", fields::head_hash),
    ("the audit key's id edited", fields::audit_kek_id),
    ("an attribute of a segment removed, added or of another form", fields::no_segment),
    ("two events reordered", fields::reordered),
    ("two events reordered and hashed anew", fields::reordered_and_hashed_anew),
    ("the first event of a segment dropped", chains::first_event_dropped),
    ("a middle event of a segment dropped", chains::middle_event_dropped),
    ("the last event of a segment dropped", chains::last_event_dropped),
    ("an event dropped, and the rest hashed anew", chains::event_dropped_and_hashed_anew),
    ("a segment dropped", chains::segment_dropped),
    ("the tail dropped", chains::tail_dropped),
    ("a known chain dropped", chains::known_chain_dropped),
    ("a registered chain dropped", chains::registered_chain_dropped),
    ("a chain hashed anew without the key", chains::hashed_anew),
    ("two segments exchanged", places::exchanged),
    ("a segment duplicated", places::duplicated),
    ("a segment of another chain spliced in", places::of_another_chain),
    ("a segment of another namespace under the same master key", places::of_another_namespace),
    ("a segment of another store", places::of_another_store),
    ("garbage at a sequence", places::garbage_at_a_sequence),
    ("garbage at no sequence", places::garbage_at_no_sequence),
    ("a segment under another key", keyholder::under_another_key),
    ("a segment under another key of the same id", keyholder::under_another_key_of_the_same_id),
    ("a segment made for another namespace", keyholder::for_another_namespace),
    ("a second history over the first", keyholder::fork_over),
    ("a segment replaced by another history", keyholder::fork_behind),
    ("all from some place on replaced by another history", keyholder::rewritten),
    ("a checkpoint from the future", checkpoints::from_the_future),
    ("a record rolled back", records::rolled_back),
    ("a record rolled back and written over", records::rolled_back_and_written_over),
    ("a record deleted", records::deleted),
    ("a deleted record restored", records::restored),
    ("a deleted record restored and written over", records::restored_and_written_over),
    ("a bit of a record flipped", records::bit_flipped),
    ("a record planted at another address", records::planted),
    ("a record of another store planted", records::planted_from_another_store),
    ("a tenant's key planted", records::key_planted),
    ("a tenant's key deleted", records::key_deleted),
];

const DEEP: [(&str, OnTable); 5] = [
    ("a tenant's key under another id", records::key_renamed),
    ("an item that is none of the store's", records::unknown_item),
    ("a chain that nobody registered", records::unregistered_chain),
    ("a chain of one event that nobody registered", records::unregistered_event),
    ("a tombstone planted", records::tombstone_planted),
];

const ON_CHECKPOINTS: [(&str, OnCheckpoints); 3] = [
    ("an older checkpoint after a newer one", checkpoints::rolled_back),
    ("a checkpoint signed by another key", checkpoints::signed_by_another),
    ("a checkpoint edited", checkpoints::edited),
];

pub(crate) fn corpus() -> Vec<Attack> {
    let attack = |name: String, attempt| Attack { name, attempt };
    let fields = fields::FIELDS.iter().flat_map(|&(name, change)| {
        [
            attack(
                format!("{name} of an event edited"),
                Box::new(move |good: &Good, rng: &mut Rng| Attempt::Edit(fields::edited(good, rng, change)))
                    as Box<_>,
            ),
            attack(
                format!("{name} of an event edited and its segment hashed anew"),
                Box::new(move |good: &Good, rng: &mut Rng| {
                    Attempt::Edit(fields::edited_and_hashed_anew(good, rng, name, change))
                }),
            ),
        ]
    });
    let event_hash: [(&str, OnTable); 1] = [("event_hash of an event edited", fields::event_hash)];
    let on_table = event_hash.into_iter().chain(ON_TABLE).chain(DEEP).map(|(name, edit)| {
        attack(name.to_owned(), Box::new(move |good: &Good, rng: &mut Rng| Attempt::Edit(edit(good, rng))))
    });
    let on_checkpoints = ON_CHECKPOINTS.into_iter().map(|(name, attempt)| {
        attack(name.to_owned(), Box::new(move |_: &Good, _: &mut Rng| Attempt::Checkpoints(attempt)))
    });
    fields.chain(on_table).chain(on_checkpoints).collect()
}
