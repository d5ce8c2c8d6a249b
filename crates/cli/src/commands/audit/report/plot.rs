//! How many events there were in each period, as stacked bars.

use std::{collections::BTreeMap, fmt::Write};

use blue_encrypted_store::blue_audit::{CryptoOp, Outcome};

use super::{
    counts::{Counts, PLOTTED, Unit},
    page::grouped,
};

/// Where the bars begin and end, in pixels.
pub(super) const LEFT: u32 = 84;
pub(super) const TOP: u32 = 14;
pub(super) const HEIGHT: u32 = 200;

/// What the axis below them needs.
const BELOW: u32 = 46;

/// What is right of them, for half a label.
const RIGHT: u32 = 46;

/// The room that all bars share, as long as none is thinner or broader than it may be.
const ROOM: u32 = 820;
const THINNEST: u32 = 2;
const BROADEST: u32 = 60;

/// From one label of the axis to the next, at least.
const LABEL_ROOM: u32 = 84;

/// One plot, in pixels.
pub(super) struct Plot {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) right: u32,
    pub(super) baseline: u32,
    pub(super) ticks: Vec<Tick>,
    pub(super) labels: Vec<Label>,
    pub(super) bars: Vec<Bars>,
    /// Where periods without events were left out.
    pub(super) breaks: Vec<u32>,
    /// Where something was found, as a path.
    pub(super) found: String,
    pub(super) hovers: Vec<Hover>,
}

/// A line of the scale.
pub(super) struct Tick {
    pub(super) y: u32,
    pub(super) text: String,
}

/// A label of the axis.
pub(super) struct Label {
    pub(super) x: u32,
    pub(super) text: String,
}

/// All bars of one operation and outcome.
pub(super) struct Bars {
    pub(super) operation: CryptoOp,
    pub(super) outcome: Outcome,
    pub(super) path: String,
}

/// What is said of a period to whoever points at it.
pub(super) struct Hover {
    pub(super) x: u32,
    pub(super) width: u32,
    pub(super) text: String,
}

/// A place on the axis.
enum Slot {
    Period(i32),
    /// So many periods without events.
    Break,
}

/// The operations and outcomes that there are, in the order in which they are stacked.
pub(super) fn kinds(counts: &Counts) -> Vec<(CryptoOp, Outcome, u64)> {
    let sum = counts.sum();
    let all = CryptoOp::ALL.iter().flat_map(|&op| Outcome::ALL.iter().map(move |&outcome| (op, outcome)));
    let counted = all.map(|(operation, outcome)| (operation, outcome, sum.of(operation, outcome)));
    counted.filter(|&(_, _, count)| count > 0).collect()
}

impl Plot {
    /// The bars of the events that end as `takes` says; `found` counts what was found in each period.
    pub(super) fn of(counts: &Counts, found: &BTreeMap<i32, u64>, takes: impl Fn(Outcome) -> bool) -> Self {
        let kinds: Vec<_> = kinds(counts).into_iter().filter(|&(_, outcome, _)| takes(outcome)).collect();
        let total = |number: i32| -> u64 {
            let tally = counts.periods.get(&number);
            kinds.iter().map(|&(op, outcome, _)| tally.map_or(0, |tally| tally.of(op, outcome))).sum()
        };
        let slots = slots(counts);
        let count = u32::try_from(slots.len()).unwrap_or(u32::MAX).max(1);
        let slot = (ROOM / count).clamp(THINNEST, BROADEST);
        let gap = if slot >= 4 { (slot / 6).max(1) } else { 0 };
        let most = counts.periods.keys().map(|&number| total(number)).max().unwrap_or(0).max(1);
        let step = scale_step(most);
        let top = most.div_ceil(step).saturating_mul(step);
        let baseline = TOP + HEIGHT;
        let mut plot = Self {
            width: LEFT + (slot * count).max(LABEL_ROOM * 3) + RIGHT,
            height: TOP + HEIGHT + BELOW,
            right: LEFT + (slot * count).max(LABEL_ROOM * 3),
            baseline,
            ticks: (0..=top / step)
                .map(|tick| Tick { y: baseline - tenths(tick * step, top) / 10, text: grouped(tick * step) })
                .collect(),
            labels: Vec::new(),
            bars: kinds
                .iter()
                .map(|&(operation, outcome, _)| Bars { operation, outcome, path: String::new() })
                .collect(),
            breaks: Vec::new(),
            found: String::new(),
            hovers: Vec::new(),
        };
        let mut x = LEFT;
        let mut free_from = 0;
        for place in slots {
            let middle = x + slot / 2;
            match place {
                Slot::Break => plot.breaks.push(middle),
                Slot::Period(number) => {
                    plot.stack(counts, number, (x, slot - gap), top);
                    if middle >= free_from {
                        plot.labels.push(Label { x: middle, text: axis_text(counts.unit, number) });
                        free_from = middle + LABEL_ROOM;
                    }
                    let findings = found.get(&number).copied().unwrap_or(0);
                    if findings > 0 {
                        // Into a String, so it does not fail.
                        let _ = write!(plot.found, "M{middle} {}l5 9h-10z", baseline + 3);
                    }
                    let text = plot.hover(counts, number, total(number), findings);
                    plot.hovers.push(Hover { x, width: slot, text });
                }
            }
            x += slot;
        }
        plot
    }

    /// Draws the bars of one period, one on the other.
    fn stack(&mut self, counts: &Counts, number: i32, (x, width): (u32, u32), top: u64) {
        let Some(tally) = counts.periods.get(&number) else { return };
        let (mut below, bottom) = (0, self.baseline * 10);
        for bars in &mut self.bars {
            let count = tally.of(bars.operation, bars.outcome);
            if count == 0 {
                continue;
            }
            let (low, high) = (tenths(below, top), tenths(below + count, top));
            below += count;
            let (y, height) = (bottom - high, high - low);
            let _ = write!(
                bars.path,
                "M{x} {}.{}h{width}v{}.{}h-{width}z",
                y / 10,
                y % 10,
                height / 10,
                height % 10
            );
        }
    }

    fn hover(&self, counts: &Counts, number: i32, total: u64, findings: u64) -> String {
        let mut text = format!("{}: {}", counts.unit.label(number), grouped(total));
        let tally = counts.periods.get(&number);
        for bars in &self.bars {
            let count = tally.map_or(0, |tally| tally.of(bars.operation, bars.outcome));
            if count > 0 {
                let _ = write!(text, "\n{}: {}", kind_text(bars.operation, bars.outcome), grouped(count));
            }
        }
        if findings > 0 {
            let _ = write!(text, "\nfindings: {}", grouped(findings));
        }
        text
    }
}

pub(super) fn kind_text(operation: CryptoOp, outcome: Outcome) -> String {
    match outcome {
        Outcome::Success => operation.to_string(),
        outcome => format!("{operation}, {outcome}"),
    }
}

/// The periods one after the other. If there are many between them without events, those are left out.
fn slots(counts: &Counts) -> Vec<Slot> {
    let numbers = &counts.periods;
    let (Some((&first, _)), Some((&last, _))) = (numbers.first_key_value(), numbers.last_key_value()) else {
        return Vec::new();
    };
    if usize::try_from(last.abs_diff(first)).is_ok_and(|span| span < PLOTTED) {
        return (first..=last).map(Slot::Period).collect();
    }
    let mut slots = Vec::new();
    let mut next = first;
    for &number in numbers.keys() {
        match number.abs_diff(next) {
            0 => {}
            1 => slots.push(Slot::Period(next)),
            _ => slots.push(Slot::Break),
        }
        slots.push(Slot::Period(number));
        next = number + 1;
    }
    slots
}

/// From one line of the scale to the next: 1, 2 or 5 and zeros, so that there are at most five.
fn scale_step(most: u64) -> u64 {
    let decades = (0..=19).map(|zeros| 10_u64.pow(zeros));
    let mut steps = decades.flat_map(|one| [1, 2, 5].map(|factor| one.saturating_mul(factor)));
    steps.find(|&step| most.div_ceil(step) <= 5).unwrap_or(u64::MAX)
}

/// The height of a count, in tenths of a pixel.
fn tenths(count: u64, top: u64) -> u32 {
    let height = u128::from(count) * u128::from(HEIGHT * 10) / u128::from(top.max(1));
    u32::try_from(height).unwrap_or(HEIGHT * 10).min(HEIGHT * 10)
}

/// The name of a period, short.
fn axis_text(unit: Unit, number: i32) -> String {
    match unit {
        Unit::Week => Unit::Day.label(Unit::Day.number(unit.first_day(number))),
        Unit::Century => Unit::Year.label(Unit::Year.number(unit.first_day(number))),
        unit => unit.label(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_at_most_five_round_steps() {
        for (most, step) in
            [(0, 1), (1, 1), (5, 1), (6, 2), (10, 2), (11, 5), (25, 5), (26, 10), (2_600, 1_000)]
        {
            assert_eq!(scale_step(most), step, "{most}");
        }
        for most in [u64::MAX, u64::MAX - 1, 10_u64.pow(19), 10_u64.pow(19) + 1] {
            assert!(most.div_ceil(scale_step(most)) <= 5, "{most}");
        }
    }
}
