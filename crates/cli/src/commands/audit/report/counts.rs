//! How many events there are of each operation and outcome, by day.
//!
//! What is read may be hostile: ten thousand years of days, one event on each. So the number of periods that are kept is
//! bounded, and where it would not do, all of them are taken together into longer ones.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use blue_encrypted_store::blue_audit::{CryptoOp, Details, Events, Observer, Outcome, address::Chain};
use time::{Date, Month, macros::date};

/// So many periods are kept: ten years of days and more, in about two megabytes.
const KEPT: usize = 4_000;

/// The first day that an event can be of.
const FIRST: Date = date!(0000 - 01 - 01);

/// So many periods are plotted at most.
pub(super) const PLOTTED: usize = 400;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    /// From Monday on.
    Week,
    Month,
    Year,
    Century,
}

impl Unit {
    /// The number of the period that a day lies in. One has the number after that of the period before it.
    pub(super) fn number(self, day: Date) -> i32 {
        match self {
            Self::Day => day.to_julian_day(),
            // Julian day 0 was a Monday.
            Self::Week => day.to_julian_day().div_euclid(7),
            Self::Month => day.year() * 12 + i32::from(u8::from(day.month())) - 1,
            Self::Year => day.year(),
            Self::Century => day.year().div_euclid(100),
        }
    }

    /// The first day of a period, as far as there is one in the calendar.
    pub(super) fn first_day(self, number: i32) -> Date {
        let of_month = |year, month: i32| {
            let month = u8::try_from(month + 1).ok().and_then(|month| Month::try_from(month).ok());
            Date::from_calendar_date(year, month.unwrap_or(Month::January), 1).unwrap_or(Date::MIN)
        };
        match self {
            Self::Day => Date::from_julian_day(number).unwrap_or(Date::MIN),
            // No event is of a year before 0, though its Monday may be.
            Self::Week => Date::from_julian_day(number.saturating_mul(7)).unwrap_or(Date::MIN).max(FIRST),
            Self::Month => of_month(number.div_euclid(12), number.rem_euclid(12)),
            Self::Year => of_month(number, 0),
            Self::Century => of_month(number.saturating_mul(100), 0),
        }
    }

    /// What a period of it is called.
    pub(super) fn label(self, number: i32) -> String {
        let first = self.first_day(number);
        match self {
            Self::Day => date_text(first),
            Self::Week => format!("week of {}", date_text(first)),
            Self::Month => format!("{:04}-{:02}", first.year(), u8::from(first.month())),
            Self::Year => format!("{:04}", first.year()),
            Self::Century => format!("{:04} to {:04}", first.year(), first.year() + 99),
        }
    }

    pub(super) fn noun(self, count: usize) -> &'static str {
        match (self, count) {
            (Self::Day, 1) => "day",
            (Self::Day, _) => "days",
            (Self::Week, 1) => "week",
            (Self::Week, _) => "weeks",
            (Self::Month, 1) => "month",
            (Self::Month, _) => "months",
            (Self::Year, 1) => "year",
            (Self::Year, _) => "years",
            (Self::Century, 1) => "century",
            (Self::Century, _) => "centuries",
        }
    }
}

pub(super) fn date_text(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// The events of one period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally(Vec<(CryptoOp, Outcome, u64)>);

impl Tally {
    fn add(&mut self, operation: CryptoOp, outcome: Outcome, more: u64) {
        match self.0.iter_mut().find(|(op, out, _)| (*op, *out) == (operation, outcome)) {
            Some((_, _, count)) => *count += more,
            None => self.0.push((operation, outcome, more)),
        }
    }

    fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|&(operation, outcome, count)| self.add(operation, outcome, count));
    }

    pub(super) fn of(&self, operation: CryptoOp, outcome: Outcome) -> u64 {
        let found = self.0.iter().find(|(op, out, _)| (*op, *out) == (operation, outcome));
        found.map_or(0, |&(_, _, count)| count)
    }
}

/// The events of periods of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) unit: Unit,
    pub(super) periods: BTreeMap<i32, Tally>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { unit: Unit::Day, periods: BTreeMap::new() }
    }
}

impl Counts {
    fn add(&mut self, day: Date, operation: CryptoOp, outcome: Outcome, count: u64) {
        self.periods.entry(self.unit.number(day)).or_default().add(operation, outcome, count);
        // No event is of more than 10,000 years, so this ends.
        while self.periods.len() > KEPT {
            // Weeks are left out: they do not add up to months.
            *self = match self.unit {
                Unit::Day | Unit::Week => self.in_unit(Unit::Month),
                Unit::Month => self.in_unit(Unit::Year),
                Unit::Year | Unit::Century => self.in_unit(Unit::Century),
            };
        }
    }

    /// The same in longer periods, each of which holds whole ones of these.
    fn in_unit(&self, unit: Unit) -> Self {
        let mut longer = Self { unit, periods: BTreeMap::new() };
        for (&number, tally) in &self.periods {
            let number = unit.number(self.unit.first_day(number));
            longer.periods.entry(number).or_default().add_all(tally);
        }
        longer
    }

    /// The same in the shortest periods of which there are few enough to be plotted.
    pub(super) fn to_plot(&self) -> Self {
        let longer: &[Unit] = match self.unit {
            Unit::Day => &[Unit::Week, Unit::Month, Unit::Year, Unit::Century],
            Unit::Week | Unit::Month => &[Unit::Year, Unit::Century],
            Unit::Year | Unit::Century => &[Unit::Century],
        };
        let all = std::iter::once(self.clone()).chain(longer.iter().map(|&unit| self.in_unit(unit)));
        let mut fitting = all.skip_while(|counts| counts.periods.len() > PLOTTED);
        fitting.next().unwrap_or_default()
    }

    /// All periods together.
    pub(super) fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.periods.values().for_each(|tally| sum.add_all(tally));
        sum
    }
}

/// Counts what a verification reads.
#[derive(Default)]
pub(super) struct Counter(Mutex<Counts>);

impl Counter {
    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Whatever panicked, the panic goes on elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Counter {
    fn segment(&self, _: &Chain, events: Events<'_>) {
        let mut counts = self.lock();
        for event in events {
            let Details { timestamp, operation, outcome, .. } = *event.details();
            counts.add(timestamp.date(), operation, outcome, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use blue_encrypted_store::blue_audit::{
        AuditKey, CryptoAuditEvent, GENESIS, Segment, address::Namespace,
    };

    use super::*;

    const SUCCESS: (CryptoOp, Outcome) = (CryptoOp::Encrypt, Outcome::Success);

    fn counted(days: impl IntoIterator<Item = Date>) -> Counts {
        let mut counts = Counts::default();
        days.into_iter().for_each(|day| counts.add(day, SUCCESS.0, SUCCESS.1, 1));
        counts
    }

    fn every_day(first: Date, last: Date) -> impl Iterator<Item = Date> {
        (first.to_julian_day()..=last.to_julian_day()).map(|day| Date::from_julian_day(day).unwrap())
    }

    fn shape(counts: &Counts) -> (Unit, usize, u64) {
        (counts.unit, counts.periods.len(), counts.sum().of(SUCCESS.0, SUCCESS.1))
    }

    #[test]
    fn all_days_of_all_years_are_counted_in_bounded_memory() {
        let counts = counted(every_day(date!(0000 - 01 - 01), date!(9999 - 12 - 31)));
        assert_eq!(shape(&counts), (Unit::Century, 100, 3_652_425));
        assert_eq!(counts.to_plot(), counts);
        assert_eq!(Unit::Century.label(0), "0000 to 0099");
        assert_eq!(Unit::Century.label(99), "9900 to 9999");
    }

    #[test]
    fn the_first_and_the_last_day_of_the_calendar_stay_days() {
        let counts = counted([date!(9999 - 12 - 31), date!(0000 - 01 - 01), date!(2026 - 02 - 03)]);
        let plotted = counts.to_plot();
        let labels: Vec<_> = plotted.periods.keys().map(|&number| plotted.unit.label(number)).collect();
        assert_eq!(labels, ["0000-01-01", "2026-02-03", "9999-12-31"]);
        // Its Monday was in the year before.
        assert_eq!(Unit::Week.label(Unit::Week.number(date!(0000 - 01 - 01))), "week of 0000-01-01");
    }

    #[test]
    fn periods_grow_with_the_days_and_no_event_is_lost() {
        let first = date!(2020 - 01 - 01);
        let until = |days: i64| every_day(first, first.saturating_add(time::Duration::days(days - 1)));
        for (days, unit, periods) in [
            (1, Unit::Day, 1),
            (400, Unit::Day, 400),
            (401, Unit::Week, 58),
            (2_798, Unit::Week, 400),
            (2_808, Unit::Month, 93),
            (4_000, Unit::Month, 132),
            (20_000, Unit::Year, 55),
        ] {
            let plotted = counted(until(days)).to_plot();
            assert_eq!(shape(&plotted), (unit, periods, u64::try_from(days).unwrap()), "{days} days");
        }
    }

    #[test]
    fn a_week_begins_on_monday_and_ends_with_its_sunday() {
        let week = |day| Unit::Week.label(Unit::Week.number(day));
        assert_eq!(week(date!(2026 - 11 - 22)), "week of 2026-11-16");
        assert_eq!(week(date!(2026 - 11 - 23)), "week of 2026-11-23");
    }

    #[test]
    fn events_are_counted_by_operation_and_outcome() {
        let (key, namespace) = (AuditKey::new([7; 16], &[1; 32]), Namespace::new("prod").unwrap());
        let chain = Chain::new("main").unwrap();
        let counter = Counter::default();
        let (done, failed) = ((CryptoOp::Delete, Outcome::Success), (CryptoOp::Delete, Outcome::Denied));
        for kinds in [&[done, done, failed, done][..], &[done]] {
            let mut events: Vec<CryptoAuditEvent> = Vec::new();
            for &(operation, outcome) in kinds {
                let details = Details { operation, outcome, ..Details::now() };
                let (sequence, previous) =
                    events.last().map_or((0, GENESIS), |last| (last.sequence() + 1, *last.event_hash()));
                events.push(details.link(chain.clone(), sequence, previous));
            }
            let segment = Segment::new(&key, &namespace, &events).unwrap();
            counter.segment(&chain, segment.verify(&key, &namespace).unwrap().events());
        }
        let sum = counter.counts().sum();
        let of = |(operation, outcome)| sum.of(operation, outcome);
        assert_eq!([of(done), of(failed), of(SUCCESS)], [4, 1, 0]);
    }
}
