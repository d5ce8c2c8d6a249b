//! Two sides of a benchmark that take turns: what else happens on the machine then happens to both, and the ratio of the
//! two holds where neither of the times does.
//!
//! ```
//! use std::time::Duration;
//!
//! let (mut ours, mut theirs) = (|| Duration::from_micros(2), || Duration::from_micros(1));
//! let rounds = blue_turns::times(100, &mut ours, &mut theirs);
//! assert_eq!(
//!     blue_turns::line("ours", "theirs", "ns", &rounds),
//!     r#"{"what":"ours","than":"theirs","unit":"ns","ratio":2.0000,"quartiles":[2.0000,2.0000],"ours":2000,"theirs":1000}"#
//! );
//! ```

#![expect(clippy::print_stdout, reason = "what benchmarks say is read from there")]

use std::time::Duration;

/// Does something some times over, and says how long one took. What it takes to begin anew is not in that.
pub type Side<'a> = dyn FnMut() -> Duration + 'a;

/// Measures both sides so many times, ours and theirs, in nanoseconds.
pub fn times(rounds: usize, ours: &mut Side<'_>, theirs: &mut Side<'_>) -> Vec<(f64, f64)> {
    let round = |round| {
        // Whoever comes second finds the caches as the first left them, so they take turns in that, too.
        let (a, b) = if round % 2 == 0 {
            let a = ours();
            (a, theirs())
        } else {
            let b = theirs();
            (ours(), b)
        };
        (a.as_secs_f64() * 1e9, b.as_secs_f64() * 1e9)
    };
    (0..rounds).map(round).collect()
}

/// Prints a [`line()`].
///
/// # Panics
/// If there are no rounds.
pub fn say(what: &str, than: &str, unit: &str, rounds: &[(f64, f64)]) {
    println!("{}", line(what, than, unit, rounds));
}

/// One JSON object: the median of the rounds' ratios, ours to theirs, with the quartiles, and the medians of both sides.
///
/// # Panics
/// If there are no rounds.
#[must_use]
pub fn line(what: &str, than: &str, unit: &str, rounds: &[(f64, f64)]) -> String {
    let ratios = sorted(rounds.iter().map(|(ours, theirs)| ours / theirs));
    let at = |quarter: usize| ratios[ratios.len() * quarter / 4];
    format!(
        r#"{{"what":"{what}","than":"{than}","unit":"{unit}","ratio":{:.4},"quartiles":[{:.4},{:.4}],"ours":{:.0},"theirs":{:.0}}}"#,
        at(2),
        at(1),
        at(3),
        median(rounds.iter().map(|(ours, _)| *ours)),
        median(rounds.iter().map(|(_, theirs)| *theirs)),
    )
}

/// The upper one of the two in the middle.
///
/// # Panics
/// If there are none.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let numbers = sorted(numbers);
    numbers[numbers.len() / 2]
}

fn sorted(numbers: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}
