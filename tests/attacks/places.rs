//! Whole items put where they do not belong.

use blue_encrypted_store::{blue_audit::Class, table::SegmentItem};
use blue_tests::{Item, b, s};
use fastrand::Rng;

use crate::{
    edit::{Edit, Expected, Seen},
    good::{Good, Run, chains, one, segment_place},
};

/// A place within a chain where no segment begins, or just behind its end, or beyond that; with what is missing then.
fn free_place(good: &Good, rng: &mut Rng) -> (String, u64, Option<Expected>) {
    let end = |chain: &str| good.chains[chain].last().map_or(0, Run::end);
    match rng.u8(0..3) {
        0 => {
            let run = good.pick(rng, |run| run.events.len() >= 2);
            (run.chain().to_owned(), rng.u64(run.first() + 1..run.end()), None)
        }
        1 => {
            let chain = one(rng, good.chains.keys());
            (chain.clone(), end(chain), None)
        }
        _ => {
            let chain = one(rng, good.chains.keys());
            let missing = Expected::at(Class::Missing, chain, end(chain));
            (chain.clone(), end(chain) + rng.u64(1..1_000_000), Some(missing))
        }
    }
}

fn put_at(good: &Good, rng: &mut Rng, class: Class, item: impl FnOnce(&str, &mut Rng) -> Item) -> Edit {
    let (chain, first, missing) = free_place(good, rng);
    let lowest = first.min(good.chains[&chain].last().map_or(0, Run::end));
    let mut item = item(&chain, rng);
    let (pk, sk) = segment_place(&chain, first);
    item.extend([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]);
    let edit = Edit::at(&chain, lowest).put(item).sees(Expected::at(class, &chain, first));
    missing.into_iter().fold(edit, Edit::sees)
}

pub(crate) fn exchanged(good: &Good, rng: &mut Rng) -> Edit {
    let runs = one(rng, good.chains.values());
    let first = rng.usize(0..runs.len() - 1);
    let (one, other) = (&runs[first], &runs[rng.usize(first + 1..runs.len())]);
    let at = |place: &Run, run: &Run| SegmentItem { first: place.first(), ..run.segment.clone() };
    Edit::at(one.chain(), one.first())
        .put_segment(&at(one, other))
        .put_segment(&at(other, one))
        .sees(Expected::at(Class::Altered, one.chain(), one.first()))
        .sees(Expected::at(Class::Altered, one.chain(), other.first()))
}

pub(crate) fn duplicated(good: &Good, rng: &mut Rng) -> Edit {
    put_at(good, rng, Class::Altered, |chain, rng| {
        one(rng, good.chains[chain].iter()).segment.to_item().unwrap()
    })
}

pub(crate) fn of_another_chain(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let other = good.pick(rng, |other| other.chain() != run.chain());
    let segment =
        SegmentItem { chain: run.segment.chain.clone(), first: run.first(), ..other.segment.clone() };
    Edit::at(run.chain(), run.first()).put_segment(&segment).sees(Expected::at(
        Class::Foreign,
        run.chain(),
        run.first(),
    ))
}

/// Another store's segment of the chain `main`, in the place that it has there. Without keys it is a piece of another
/// history.
fn of_another_table(good: &Good, rng: &mut Rng, items: &[Item]) -> Edit {
    let end = good.chains["main"].last().map_or(0, Run::end);
    let theirs = chains(items.iter()).remove("main").unwrap();
    let run = one(rng, theirs.iter().filter(|run| run.first() < end));
    Edit::at("main", run.first())
        .put_segment(&run.segment)
        .sees(Expected::at(Class::Foreign, "main", run.first()))
        .keyless(Seen::Some(&[Class::Fork, Class::Missing]))
}

pub(crate) fn of_another_namespace(good: &Good, rng: &mut Rng) -> Edit {
    of_another_table(good, rng, &good.elsewhere)
}

pub(crate) fn of_another_store(good: &Good, rng: &mut Rng) -> Edit {
    of_another_table(good, rng, &good.strangers)
}

fn garbage(rng: &mut Rng) -> Item {
    let bytes: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect();
    Item::from([(rng.lowercase().to_string(), b(bytes))])
}

pub(crate) fn garbage_at_a_sequence(good: &Good, rng: &mut Rng) -> Edit {
    if rng.bool() {
        return put_at(good, rng, Class::Malformed, |_, rng| garbage(rng));
    }
    let run = good.pick(rng, |_| true);
    let mut item = garbage(rng);
    let (pk, sk) = segment_place(run.chain(), run.first());
    item.extend([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]);
    Edit::at(run.chain(), run.first()).put(item).sees(Expected::at(
        Class::Malformed,
        run.chain(),
        run.first(),
    ))
}

pub(crate) fn garbage_at_no_sequence(good: &Good, rng: &mut Rng) -> Edit {
    let run = good.pick(rng, |_| true);
    let sk = match rng.u8(0..6) {
        0 => rng.alphabetic().to_string(),
        1 => format!("{:019}", run.first()),
        2 => format!("{:021}", run.first()),
        3 => format!("+{:019}", run.first()),
        4 => "99999999999999999999".to_owned(),
        _ => format!("{:020}x", run.first()),
    };
    let mut item = if rng.bool() { garbage(rng) } else { run.segment.to_item().unwrap() };
    item.extend([("pk".to_owned(), s(format!("A#{}", run.chain()))), ("sk".to_owned(), s(sk))]);
    // What lies before a baseline is not read.
    Edit::from(crate::edit::Reading::Beginning).put(item).sees(Expected::of(Class::Malformed))
}
