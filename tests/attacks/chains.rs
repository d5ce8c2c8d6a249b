//! What is taken out of a chain, and a chain that is made to fit without the key.

use blue_encrypted_store::{
    blue_audit::{Class, CryptoAuditEvent},
    table::SegmentItem,
};
use fastrand::Rng;

use crate::{
    edit::{Edit, Expected, Reading},
    fields::{Fields, encoded, hash_anew, of_records, with_events},
    good::{Good, Run, one},
};

/// One event is taken out, and the count may be made to fit.
fn event_dropped(run: &Run, index: usize, counted: bool) -> Edit {
    let mut events = run.events.clone();
    events.remove(index);
    let count = run.segment.count - u32::from(counted);
    let segment = SegmentItem { events: encoded(&events), count, ..run.segment.clone() };
    Edit::at(run.chain(), run.first()).put_segment(&segment).sees(Expected::at(
        Class::Altered,
        run.chain(),
        run.first(),
    ))
}

/// What is missing between a segment that says where it ends, and the next one.
fn gap(good: &Good, run: &Run) -> Option<Expected> {
    good.next(run).map(|next| Expected::at(Class::Missing, run.chain(), next.first() - 1))
}

pub(crate) fn first_event_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| run.events.len() >= 2);
    event_dropped(run, 0, rng.bool())
}

pub(crate) fn middle_event_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| run.events.len() >= 3);
    event_dropped(run, rng.usize(1..run.events.len() - 1), rng.bool())
}

pub(crate) fn last_event_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| run.events.len() >= 2);
    let counted = rng.bool();
    let edit = event_dropped(run, run.events.len() - 1, counted);
    // The others stand in their places: it is known which one is not there.
    match gap(good, run).filter(|_| counted) {
        Some(gap) => edit.sees(gap),
        None => edit,
    }
}

pub(crate) fn event_dropped_and_hashed_anew(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| of_records(run) && run.events.len() >= 2);
    let index = rng.usize(0..run.events.len());
    let mut details: Vec<_> = run.events.iter().map(CryptoAuditEvent::details).collect();
    details.remove(index);
    let mut events = run.events[..details.len()].to_vec();
    for (event, details) in events.iter_mut().zip(details) {
        *event = Fields { details: details.clone(), ..Fields::of(event) }.hashed();
    }
    hash_anew(&mut events, 1);
    let edit = Edit::at(run.chain(), run.first()).put_segment(&with_events(run, &events));
    let edit = edit.sees(Expected::at(Class::Mac, run.chain(), run.first()));
    let edit = gap(good, run).into_iter().fold(edit, Edit::sees);
    edit.keyless_sees(gap(good, run))
}

pub(crate) fn segment_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| good.next(run).is_some());
    Edit::at(run.chain(), run.first()).delete_segment(run.chain(), run.first()).sees(Expected::at(
        Class::Missing,
        run.chain(),
        run.first(),
    ))
}

/// Without a checkpoint a log that was cut short cannot be told from a sound one.
fn checkpoint(good: &Good, rng: &mut Rng) -> Reading {
    Reading::Checkpoint { baseline: good.known.clone(), full: rng.bool() }
}

pub(crate) fn tail_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let runs = one(rng, good.chains.values());
    let left = rng.usize(1..runs.len());
    let edit = Edit::from(checkpoint(good, rng));
    let edit = runs[left..].iter().fold(edit, |edit, run| edit.delete_segment(run.chain(), run.first()));
    edit.sees(Expected::at(Class::Truncated, runs[left].chain(), runs[left].first()))
}

pub(crate) fn known_chain_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let runs = one(rng, good.chains.values());
    let edit = Edit::from(checkpoint(good, rng));
    let edit = runs.iter().fold(edit, |edit, run| edit.delete_segment(run.chain(), run.first()));
    edit.sees(Expected::at(Class::VanishedChain, runs[0].chain(), 0))
}

pub(crate) fn registered_chain_dropped(good: &Good, rng: &mut Rng) -> Edit {
    let registered = |chain: &str| !["main", "registry"].contains(&chain);
    let runs = one(rng, good.chains.values().filter(|runs| registered(runs[0].chain())));
    let edit = Edit::from(Reading::Beginning);
    let edit = runs.iter().fold(edit, |edit, run| edit.delete_segment(run.chain(), run.first()));
    edit.sees(Expected::of(Class::VanishedChain))
}

/// One event is edited and everything behind it made to fit, but for the macs. Without keys it takes a checkpoint to see
/// that.
pub(crate) fn hashed_anew(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, of_records);
    let index = rng.usize(0..run.events.len());
    let runs: Vec<_> = good.chains[run.chain()].iter().filter(|other| other.first() >= run.first()).collect();
    let mut events: Vec<_> = runs.iter().flat_map(|run| run.events.clone()).collect();
    let mut fields = Fields::of(&events[index]);
    fields.details.principal.push_str("mallory");
    events[index] = fields.hashed();
    hash_anew(&mut events, index + 1);
    let last = events.last().unwrap().sequence();
    let mut edit = Edit::from(Reading::Checkpoint { baseline: good.known.clone(), full: true });
    for run in runs {
        let rest = events.split_off(run.events.len());
        edit = edit.put_segment(&with_events(run, &events));
        edit = edit.sees(Expected::at(Class::Mac, run.chain(), run.first()));
        events = rest;
    }
    edit.keyless_sees([Expected::at(Class::Fork, run.chain(), last)])
}
