//! One chain as a line, from its first place to its last, with what was found in its place.

use std::collections::BTreeSet;

use blue_encrypted_store::blue_audit::{ChainReport, Finding, Sequences};

use super::page::counted;

/// Where the line begins and how long it is, in pixels.
pub(super) const LEFT: u32 = 20;
pub(super) const LENGTH: u32 = 840;
pub(super) const WIDTH: u32 = LEFT + LENGTH + 20;

/// What was found is never drawn narrower.
const NARROWEST: u32 = 3;

/// Broader ones are drawn this much narrower, so that two side by side are two.
const APART: u32 = 1;

/// From one number above the line to the next, at least.
const NUMBER_ROOM: u32 = 44;

/// So many findings are named below a line.
const NAMED: usize = 20;

/// One chain.
pub(super) struct Strip {
    pub(super) chain: String,
    /// How many places there are to draw.
    pub(super) places: u64,
    /// The part that was read and is sound, but for what was found in it.
    pub(super) sound: Option<Mark>,
    pub(super) found: Vec<Mark>,
    /// Where more was found than is listed.
    pub(super) unlisted: Option<Mark>,
    pub(super) numbers: Vec<(u32, usize)>,
    /// Up to where a checkpoint knows it.
    pub(super) checkpoint: Option<(u32, u64)>,
    /// The findings by their numbers.
    pub(super) named: Vec<usize>,
    pub(super) unnamed: u64,
    pub(super) findings: u64,
    /// Findings of the chain that are at none of its places.
    pub(super) without_place: usize,
}

/// A part of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) x: u32,
    pub(super) width: u32,
}

impl Strip {
    /// The line of a chain. `listed` are its findings, with their numbers; `known` is the sequence up to which a checkpoint
    /// knows it.
    pub(super) fn of(chain: &ChainReport, listed: &[(usize, &Finding)], known: Option<u64>) -> Self {
        let sequences = || listed.iter().filter_map(|(number, finding)| Some((*number, finding.sequences?)));
        let last = sequences().map(|(_, at)| at.last.saturating_add(1)).max();
        let places = last.unwrap_or(0).max(chain.next).max(known.unwrap_or(0)).max(1);
        let marks = sequences().map(|(number, at)| (number, mark(at, places)));
        let mut numbers: Vec<(u32, usize)> = Vec::new();
        let mut middles: Vec<_> =
            marks.clone().map(|(number, mark)| (mark.x + mark.width / 2, number)).collect();
        middles.sort_unstable();
        for (x, number) in middles {
            if numbers.last().is_none_or(|(before, _)| x >= before + NUMBER_ROOM) {
                numbers.push((x, number));
            }
        }
        let distinct: BTreeSet<Mark> = marks
            .map(|(_, Mark { x, width })| Mark { x, width: (width - APART).max(NARROWEST.min(width)) })
            .collect();
        let sound = chain.from.zip(chain.to).map(|(first, last)| mark(Sequences { first, last }, places));
        // They are listed in the order of their places.
        let is_whole = u64::try_from(listed.len()).is_ok_and(|listed| listed >= chain.findings);
        let behind = Sequences { first: last.unwrap_or(0), last: places - 1 };
        let unlisted = (!is_whole && behind.first <= behind.last).then(|| mark(behind, places));
        let findings = chain.findings.max(u64::try_from(listed.len()).unwrap_or(u64::MAX));
        let named: Vec<usize> = listed.iter().map(|(number, _)| *number).take(NAMED).collect();
        Self {
            chain: chain.chain.to_string(),
            places,
            sound,
            found: distinct.into_iter().collect(),
            unlisted,
            numbers,
            checkpoint: known.filter(|&next| next > 0).map(|next| (at(next, places), next)),
            unnamed: findings.saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX)),
            named,
            findings,
            without_place: listed.len() - sequences().count(),
        }
    }

    pub(super) fn findings_text(&self) -> String {
        counted(self.findings, "finding")
    }

    /// The last place that is drawn.
    pub(super) fn last_place(&self) -> u64 {
        self.places - 1
    }
}

fn mark(sequences: Sequences, places: u64) -> Mark {
    let (begin, end) = (at(sequences.first, places), at(sequences.last.saturating_add(1), places));
    let width = end.saturating_sub(begin).max(NARROWEST);
    Mark { x: begin.min(LEFT + LENGTH - width), width }
}

/// Where a place begins on the line.
fn at(sequence: u64, places: u64) -> u32 {
    let along = u128::from(sequence) * u128::from(LENGTH) / u128::from(places.max(1));
    LEFT + u32::try_from(along).unwrap_or(LENGTH).min(LENGTH)
}

#[cfg(test)]
mod tests {
    use blue_encrypted_store::blue_audit::{Class, address::Chain};

    use super::*;

    fn chain(next: u64) -> ChainReport {
        ChainReport {
            chain: Chain::new("main").unwrap(),
            from: (next > 0).then_some(0),
            to: next.checked_sub(1),
            next,
            head: None,
            first_time: None,
            last_time: None,
            segments: 0,
            events: 0,
            bytes: 0,
            findings: 1,
        }
    }

    fn found(first: u64, last: u64) -> Finding {
        Finding { sequences: Some(Sequences { first, last }), ..Finding::new(Class::Missing, "x") }
    }

    #[test]
    fn a_finding_lies_where_its_sequences_are() {
        let finding = found(50, 99);
        let strip = Strip::of(&chain(200), &[(1, &finding)], Some(100));
        assert_eq!(strip.sound, Some(Mark { x: LEFT, width: LENGTH }));
        assert_eq!(strip.found, [Mark { x: LEFT + LENGTH / 4, width: LENGTH / 4 - APART }]);
        assert_eq!(strip.checkpoint, Some((LEFT + LENGTH / 2, 100)));
    }

    #[test]
    fn what_lies_behind_the_last_finding_listed_is_not_called_sound() {
        let finding = found(50, 99);
        let more = ChainReport { findings: 2, ..chain(200) };
        let strip = Strip::of(&more, &[(1, &finding)], None);
        assert_eq!(strip.unlisted, Some(Mark { x: LEFT + LENGTH / 2, width: LENGTH / 2 }));
        assert_eq!(Strip::of(&more, &[], None).unlisted, Some(Mark { x: LEFT, width: LENGTH }));
        assert_eq!(Strip::of(&chain(200), &[(1, &finding)], None).unlisted, None);
    }

    #[test]
    fn no_sequence_lies_beside_the_line() {
        for (first, last) in [(0, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (5, 3), (199, 199)] {
            for next in [0, 1, 200, u64::MAX] {
                let finding = found(first, last);
                let strip = Strip::of(&chain(next), &[(7, &finding)], Some(u64::MAX));
                for mark in strip.found.iter().chain(&strip.sound) {
                    assert!(mark.width >= NARROWEST && mark.x >= LEFT, "{mark:?}");
                    assert!(mark.x + mark.width <= LEFT + LENGTH, "{mark:?}");
                }
            }
        }
    }

    #[test]
    fn a_chain_of_which_nothing_is_left_has_a_line() {
        let finding = Finding::new(Class::VanishedChain, "x");
        let strip = Strip::of(&chain(0), &[(1, &finding)], None);
        assert_eq!((strip.places, strip.sound, strip.without_place), (1, None, 1));
    }
}
