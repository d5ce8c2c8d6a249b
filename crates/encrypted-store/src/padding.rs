//! Hiding exact lengths.

/// Whether JSON content is padded before it is sealed. Records written with either setting are read with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Padding {
    /// The envelope tells the exact length of the content.
    #[default]
    None,
    /// Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs",
    /// PETS 2019, §4): a length of n bytes leaks O(log log n) bits, for at most 12 % more bytes, which
    /// count towards the size limit of an item. Content sealed with `put_bytes` is not padded.
    Padme,
}

impl Padding {
    /// The length that `length` is padded to.
    pub(crate) fn padded(self, length: usize) -> usize {
        match self {
            Self::None => length,
            Self::Padme => padme(length),
        }
    }
}

/// Rounds up to a number whose binary form, a mantissa no longer than its exponent, ends in zeros.
fn padme(length: usize) -> usize {
    let Some(exponent @ 1..) = length.checked_ilog2() else { return length };
    let mantissa_bits = exponent.ilog2() + 1;
    let mask = (1_usize << (exponent - mantissa_bits.min(exponent))) - 1;
    length.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padme_rounds_as_the_paper_does() {
        for (length, padded) in
            [(0, 0), (1, 1), (2, 2), (8, 8), (9, 10), (100, 104), (1_000, 1_024), (1_025, 1_088)]
        {
            assert_eq!(padme(length), padded, "{length}");
        }
    }

    #[test]
    fn padme_never_shortens_and_adds_at_most_12_percent() {
        for length in 0..100_000_usize {
            let padded = padme(length);
            assert!(padded >= length && (padded - length) * 100 <= length * 12, "{length} became {padded}");
            assert_eq!(padme(padded), padded);
        }
    }
}
