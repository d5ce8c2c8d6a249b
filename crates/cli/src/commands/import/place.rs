//! How far an import came.

use std::collections::BTreeMap;

/// Which lines are done with. Lanes are of different speed, so there are gaps: the lines that are on their way. There are no
/// more stretches than these, however long the file.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The first line of each stretch, and the last.
    stretches: BTreeMap<u64, u64>,
}

impl Place {
    /// This line is done with. Lines count from 1.
    pub(super) fn note(&mut self, line: u64) {
        let before = self.stretches.range(..line).next_back();
        let first = before.filter(|&(_, &last)| last + 1 == line).map_or(line, |(&first, _)| first);
        let last = self.stretches.remove(&(line + 1)).unwrap_or(line);
        self.stretches.insert(first, last);
    }

    /// All lines up to this one are done with; 0 if not even the first one is.
    pub(super) fn up_to(&self) -> u64 {
        self.stretches.get(&1).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_up_to_the_first_gap_is_done_with() {
        let mut place = Place::default();
        let mut up_to = |line| {
            place.note(line);
            (place.up_to(), place.stretches.len())
        };
        assert_eq!([2, 4, 1, 6, 3, 5].map(&mut up_to), [(0, 1), (0, 2), (2, 2), (2, 3), (4, 2), (6, 1)]);
    }
}
