//! What somebody makes who has an audit key: another one, or the real one.

use blue_encrypted_store::{
    Namespace,
    blue_audit::{AuditKey, Class, CryptoAuditEvent, Details, Segment},
};
use fastrand::Rng;

use crate::{
    edit::{Edit, Expected, Reading},
    fields::{Fields, hash_anew},
    good::{Good, Run, item_of, one},
};

/// The same events, under this key and for this namespace.
fn resealed(run: &Run, key: &AuditKey, namespace: &Namespace, class: Class) -> Edit {
    let segment = item_of(&Segment::new(key, namespace, &run.events).unwrap());
    Edit::at(run.chain(), run.first())
        .put_segment(&segment)
        .sees(Expected::at(class, run.chain(), run.first()))
        .keyless_sees([])
}

pub(crate) fn under_another_key(good: &Good, rng: &mut Rng) -> Edit {
    let key = AuditKey::new(rng.u128(..).to_be_bytes(), &[rng.u8(..); 32]);
    resealed(good.pick(rng, |_| true), &key, &good.namespace, Class::Foreign)
}

pub(crate) fn under_another_key_of_the_same_id(good: &Good, rng: &mut Rng) -> Edit {
    let key = AuditKey::new(*good.key.id(), &[rng.u8(..); 32]);
    resealed(good.pick(rng, |_| true), &key, &good.namespace, Class::Mac)
}

pub(crate) fn for_another_namespace(good: &Good, rng: &mut Rng) -> Edit {
    let other = Namespace::new(format!("other-{}", rng.u16(..))).unwrap();
    resealed(good.pick(rng, |_| true), &good.key, &other, Class::Mac)
}

/// So many events of another history, behind an event of the first.
fn history(rng: &mut Rng, before: &CryptoAuditEvent, count: usize) -> Vec<CryptoAuditEvent> {
    let mut events: Vec<CryptoAuditEvent> = Vec::new();
    for _ in 0..count {
        let last = events.last().unwrap_or(before);
        let details = Details { principal: format!("mallory-{}", rng.u16(..)), ..Details::now() };
        let next = details.link(last.chain(), last.sequence() + 1, *last.event_hash());
        events.push(next);
    }
    events
}

/// A branch within a segment, and maybe a second segment that goes on beside the chain.
pub(crate) fn fork_over(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| run.events.len() >= 2);
    let place = rng.usize(1..run.events.len());
    let branch = {
        let count = rng.usize(1..=3);
        history(rng, &run.events[place - 1], count)
    };
    let (first, last) = (run.events[place].sequence(), branch.last().unwrap());
    let edit = Edit::at(run.chain(), first).put_segment(&good.sealed(&branch)).sees(Expected::at(
        Class::Fork,
        run.chain(),
        first,
    ));
    let taken = good.chains[run.chain()].iter().any(|other| other.first() == last.sequence() + 1);
    if taken || rng.bool() {
        return edit;
    }
    let more = history(rng, last, 2);
    edit.put_segment(&good.sealed(&more))
}

/// A segment that is replaced whole: what lies behind it does not follow, and if nothing does, the checkpoint shows it.
pub(crate) fn fork_behind(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |run| run.chain() != "registry" && run.first() > 0);
    let events = good.chains[run.chain()].iter().flat_map(|run| &run.events);
    let before = events.take_while(|event| event.sequence() < run.first()).last().unwrap();
    let segment = good.sealed(&history(rng, before, run.events.len()));
    match good.next(run) {
        Some(next) => {
            Edit::at(run.chain(), run.first()).sees(Expected::at(Class::Fork, run.chain(), next.first()))
        }
        None => Edit::from(Reading::Checkpoint { baseline: good.known.clone(), full: rng.bool() })
            .sees(Expected::at(Class::Fork, run.chain(), run.end() - 1)),
    }
    .put_segment(&segment)
}

/// A compromised writer edits one event and makes all behind it anew: only a checkpoint shows it.
pub(crate) fn rewritten(good: &Good, rng: &mut Rng) -> Edit {
    let runs = one(rng, good.chains.iter().filter(|(chain, _)| *chain != "registry")).1;
    let from = rng.usize(0..runs.len());
    let mut events: Vec<_> = runs[from..].iter().flat_map(|run| run.events.clone()).collect();
    let mut fields = Fields::of(&events[0]);
    fields.details.principal.push_str("mallory");
    events[0] = fields.hashed();
    hash_anew(&mut events, 1);
    let last = events.last().unwrap().sequence();
    let mut edit = Edit::from(Reading::Checkpoint { baseline: good.known.clone(), full: rng.bool() });
    for run in &runs[from..] {
        let rest = events.split_off(run.events.len());
        edit = edit.put_segment(&good.sealed(&events));
        events = rest;
    }
    edit.sees(Expected::at(Class::Fork, runs[from].chain(), last))
}
