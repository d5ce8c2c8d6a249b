//! Structured inputs, read from the front of a fuzzer's bytes.
//!
//! The reading is as plain as can be, so that seeds can be written by hand and a mutated byte changes one choice.

/// Bytes that choices are still to be read from. Once they are used up, every choice is the first or empty one.
#[derive(Debug, Clone)]
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether none is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `limit` bytes.
    pub(crate) fn take(&mut self, limit: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(limit.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Exactly `N` bytes, zeros in place of what is missing.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        let mut out = [0; N];
        out[..taken.len()].copy_from_slice(taken);
        out
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Whether a byte is odd.
    pub(crate) fn coin(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// One byte, as a number below `count`.
    pub(crate) fn below(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    /// Two bytes, as an index below `count`, which must not be 0.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::from(u16::from_be_bytes(self.array())) % count
    }

    /// Flips chosen bits of one chosen byte, if there is any; no bits are a choice too.
    pub(crate) fn flip(&mut self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let position = self.index(bytes.len());
            bytes[position] ^= self.byte();
        }
    }

    /// Eight bytes, big-endian.
    pub(crate) fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// A length byte, and as many bytes.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = self.byte();
        self.take(length.into())
    }

    /// The same as text: UTF-8 with what is none replaced.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.take(self.0.len())
    }
}
