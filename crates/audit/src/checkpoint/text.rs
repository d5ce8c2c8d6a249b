//! The text of a checkpoint, written and read back.

use std::{collections::BTreeMap, fmt, fmt::Write};

use blue_address::{Chain, Namespace, Tenant, push_length_prefixed};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::ORIGIN_PREFIX;
use crate::{
    Checkpoint, Head,
    timestamp::{read_timestamp, timestamp_text},
};

/// The text is no checkpoint. What it says is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text is no checkpoint: {}",
    line.map_or_else(|| "its lines make none".to_owned(), |line| format!("line {line} is not as specified"))
)]
pub struct MalformedCheckpoint {
    /// The first line that is wrong; `None` if they are wrong together.
    line: Option<usize>,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let extension = self.extension();
        let mut bytes = b"bes1/checkpoint".to_vec();
        for line in extension.lines() {
            push_length_prefixed(&mut bytes, line.as_bytes());
        }
        let hash = BASE64.encode(&Sha256::digest(bytes));
        format!("{ORIGIN_PREFIX}{}\n{}\n{hash}\n{extension}", self.namespace, self.events)
    }

    /// The lines that the hash is over.
    fn extension(&self) -> String {
        let mut lines = format!("time {}\n", timestamp_text(self.time));
        let mut line = |words: fmt::Arguments<'_>| {
            lines.write_fmt(words).expect("a string takes all that is written to it");
        };
        if let Some(id) = &self.table_id {
            line(format_args!("table {id}\n"));
        }
        for (chain, head) in &self.chains {
            line(format_args!("chain {chain} {} {}\n", head.next, BASE64.encode(&head.hash)));
        }
        for (tenant, time) in &self.shredded {
            line(format_args!("shredded {tenant} {}\n", timestamp_text(*time)));
        }
        lines
    }

    /// Reads back a checkpoint from its text, and takes nothing that [`Checkpoint::text`] would not write.
    ///
    /// # Errors
    /// [`MalformedCheckpoint`] for every other text, with the first line that is not as it should be.
    pub fn parse(text: &str) -> Result<Self, MalformedCheckpoint> {
        // Each line is read leniently, and then all are written again: that is the only judge of order, repetitions,
        // ways of writing, the number of events and the hash.
        let mut read = Read::default();
        for (index, line) in text.split('\n').enumerate() {
            read.line(index, line).ok_or(MalformedCheckpoint { line: Some(index + 1) })?;
        }
        let written = read.checkpoint().ok_or(MalformedCheckpoint { line: None })?;
        let again = written.text();
        if again == text {
            return Ok(written);
        }
        let lines = again.split_inclusive('\n').zip(text.split_inclusive('\n'));
        let same = lines.take_while(|(ours, theirs)| ours == theirs);
        Err(MalformedCheckpoint { line: Some(same.count() + 1) })
    }
}

/// What was read of a checkpoint's text.
#[derive(Default)]
struct Read {
    namespace: Option<Namespace>,
    time: Option<OffsetDateTime>,
    table_id: Option<String>,
    chains: BTreeMap<Chain, Head>,
    shredded: BTreeMap<Tenant, OffsetDateTime>,
}

impl Read {
    /// Takes in one line, counted from 0; `None` if it says nothing that a checkpoint could.
    fn line(&mut self, index: usize, line: &str) -> Option<()> {
        // No line has five words; what has more is taken for five.
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        match (index, &words[..]) {
            (0, _) => self.namespace = Some(Namespace::new(line.strip_prefix(ORIGIN_PREFIX)?).ok()?),
            // Numbers and hash are computed, and what is after the last newline is nothing.
            (1 | 2, _) | (_, [""]) => {}
            (_, ["time", time]) => self.time = Some(read_timestamp(time.as_bytes())?),
            (_, ["table", id]) => self.table_id = Some((*id).to_owned()),
            (_, ["chain", chain, next, head]) => {
                let hash = BASE64.decode(head.as_bytes()).ok()?.try_into().ok()?;
                let head = Head { next: next.parse().ok()?, hash };
                self.chains.insert(Chain::new(chain).ok()?, head);
            }
            (_, ["shredded", tenant, time]) => {
                self.shredded.insert(Tenant::new(tenant).ok()?, read_timestamp(time.as_bytes())?);
            }
            _ => return None,
        }
        Some(())
    }

    fn checkpoint(self) -> Option<Checkpoint> {
        Checkpoint::new(self.namespace?, self.time?, self.table_id, self.chains, self.shredded).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, option, prelude::*};

    use super::*;

    /// The hash is computed by hand below, the rest is as docs/audit.md has it.
    fn example() -> String {
        let extension = [
            "time 2026-01-02T03:04:05.678901Z",
            "table 0f5e2b4a-1c3d-4e5f-8a9b-0c1d2e3f4a5b",
            "chain main 41 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
            "chain registry 2 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
            "shredded bob 2025-12-31T23:59:59.000000Z",
        ];
        with_lines("bes/prod", "43", &extension)
    }

    /// A text whose hash is the one of its lines.
    fn with_lines(origin: &str, events: &str, lines: &[&str]) -> String {
        let mut bytes = b"bes1/checkpoint".to_vec();
        for line in lines {
            bytes.extend(u32::try_from(line.len()).unwrap().to_be_bytes());
            bytes.extend(line.as_bytes());
        }
        let hash = BASE64.encode(&Sha256::digest(bytes));
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        format!("{origin}\n{events}\n{hash}\n{lines}")
    }

    /// The line that is named; 0 for none.
    fn refused(text: &str) -> usize {
        match Checkpoint::parse(text) {
            Err(MalformedCheckpoint { line }) => line.unwrap_or(0),
            Ok(checkpoint) => panic!("is read as {checkpoint:?}"),
        }
    }

    #[test]
    fn the_text_is_the_specified_one() {
        let checkpoint = Checkpoint::parse(&example()).unwrap();
        assert_eq!(checkpoint.text(), example());
        assert_eq!((checkpoint.namespace().as_str(), checkpoint.events()), ("prod", 43));
        assert_eq!(checkpoint.table_id(), Some("0f5e2b4a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"));
        let main = checkpoint.chains()[&Chain::new("main").unwrap()];
        assert_eq!(main, Head { next: 41, hash: [1; 32] });
        assert_eq!(checkpoint.shredded().len(), 1);
        assert_eq!(checkpoint.time(), time::macros::datetime!(2026-01-02 03:04:05.678901 UTC));
    }

    #[test]
    fn a_store_without_events_has_a_checkpoint() {
        let text = with_lines("bes/prod", "0", &["time 0000-01-01T00:00:00.000000Z"]);
        assert_eq!(Checkpoint::parse(&text).unwrap().text(), text);
        let zeros = "chain main 0 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let text = with_lines("bes/prod", "0", &["time 0000-01-01T00:00:00.000000Z", zeros]);
        assert_eq!(Checkpoint::parse(&text).unwrap().text(), text);
    }

    #[test]
    fn another_way_to_write_the_same_is_refused_at_its_line() {
        let time = "time 2026-01-02T03:04:05.678901Z";
        let main = "chain main 1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        let registry = "chain registry 2 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
        let bob = "shredded bob 2025-12-31T23:59:59.000000Z";
        let eve = "shredded eve 2025-12-31T23:59:59.000000Z";
        let good = with_lines("bes/prod", "3", &[time, "table t", main, registry, bob, eve]);
        assert!(Checkpoint::parse(&good).is_ok());
        for (line, events, lines) in [
            (2, "4", &[time, main, registry][..]),
            (2, "03", &[time, main, registry]),
            (2, "+3", &[time, main, registry]),
            (2, "", &[time, main, registry]),
            // The hash is of these lines, but not of those that are written for them: line 3 differs first.
            (3, "3", &[time, registry, main]),
            (3, "3", &[main, registry, time]),
            (3, "3", &[time, main, "table t", registry]),
            (3, "3", &[time, main, main, registry]),
            (3, "3", &[time, time, main, registry]),
            (3, "3", &[time, "table t", "table t", main, registry]),
            (3, "0", &[time, eve, bob]),
            (3, "0", &[time, bob, bob]),
            (3, "1", &[time, "", main]),
            (3, "1", &[time, &main.replace(" 1 ", " 01 ")]),
            (3, "1", &[time, &main.replace(" 1 ", " +1 ")]),
            (5, "1", &[time, &main.replace(" 1 ", " -1 ")]),
            (5, "1", &[time, &main.replace(" 1 ", "  1 ")]),
            (5, "1", &[time, &main.replace("AQE=", "AQE")]),
            (5, "1", &[time, &main.replace("AQE=", "AQF=")]),
            (5, "1", &[time, &main.replace("AQE=", "AQ==")]),
            (5, "1", &[time, &main.replace("main", "ma/in")]),
            (5, "1", &[time, &format!("{main} ")]),
            (5, "1", &[time, &format!(" {main}")]),
            (5, "1", &[time, "chain main 18446744073709551616 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]),
            (5, "0", &[time, "Chain main"]),
            (5, "0", &[time, "more"]),
            (5, "0", &[time, &bob.replace("bob", "b#b")]),
            (5, "0", &[time, &bob.replace(".000000", "")]),
            (4, "0", &["time 2026-01-02T03:04:05.67890Z"]),
            (4, "0", &["time 2026-02-30T00:00:00.000000Z"]),
            (4, "0", &["time -0001-01-02T03:04:05.678901Z"]),
            (0, "0", &[time, &format!("table {}", "t".repeat(256))]),
            (0, "0", &[time, "table \u{e9}"]),
            (0, "0", &[time, "table "]),
            (0, "3", &[]),
            (0, "1", &[main]),
            (0, "1", &[time, "chain main 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]),
            (0, "0", &[time, &main.replace(" 1 ", " 0 ")]),
        ] {
            assert_eq!(refused(&with_lines("bes/prod", events, lines)), line, "{events} {lines:?}");
        }
        for origin in ["", "prod", "bes/", "Bes/prod", "bes/a/b", "bes//prod", "bes/prod ", " bes/prod"] {
            assert_eq!(refused(&good.replacen("bes/prod", origin, 1)), 1, "{origin}");
        }
    }

    #[test]
    fn a_text_that_is_cut_or_goes_on_is_refused() {
        let text = example();
        for length in 0..text.len() {
            refused(&text[..length]);
        }
        assert_eq!(refused(&(text.clone() + "\n")), 9);
        assert_eq!(refused(&(text.clone() + "more\n")), 9);
        assert_eq!(refused(&text.replace('\n', "\r\n")), 1);
        let message = |text: &str| Checkpoint::parse(text).unwrap_err().to_string();
        assert_eq!(message("bes/"), "the text is no checkpoint: line 1 is not as specified");
        assert_eq!(message("bes/prod\n"), "the text is no checkpoint: its lines make none");
    }

    #[test]
    fn the_hash_is_over_every_line_and_its_ends() {
        let text = example();
        // Where one line ends and the next begins is hashed too: the same letters, otherwise divided.
        let (one, other) = (with_lines("bes/a", "0", &["ab", "c"]), with_lines("bes/a", "0", &["a", "bc"]));
        assert_ne!(one.lines().nth(2), other.lines().nth(2));
        for (line, from, to) in [
            (3, "678901", "678902"),
            (3, "0f5e", "1f5e"),
            (3, "AQE=", "AQI="),
            (3, "registry 2 Ag", "registry 2 Aw"),
            (3, "bob", "bobby"),
            (3, "23:59", "22:59"),
            // The number of events is in the hash, and counted besides.
            (2, "main 41", "main 42"),
        ] {
            assert!(text.contains(from));
            assert_eq!(refused(&text.replacen(from, to, 1)), line, "{from} to {to}");
        }
    }

    fn names() -> impl Strategy<Value = String> {
        // As often one that is another's beginning as any.
        prop_oneof!["[a-c]{1,2}", "[!-~&&[^#/]]{1,20}"]
    }

    fn times() -> impl Strategy<Value = OffsetDateTime> {
        let microsecond = -62_167_219_200_000_000_i64..=253_402_300_799_999_999;
        microsecond.prop_map(|at| OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000).unwrap())
    }

    prop_compose! {
        fn checkpoints()(
            namespace in names(),
            time in times(),
            table_id in option::of("[!-~]{1,40}"),
            chains in btree_map(names(), (1..1_u64 << 60, any::<[u8; 31]>()), 0..6),
            shredded in btree_map(names(), times(), 0..6),
        ) -> Checkpoint {
            let head = |(next, rest): (u64, [u8; 31])| {
                let mut hash = [1; 32];
                hash[1..].copy_from_slice(&rest);
                Head { next, hash }
            };
            let chains = chains.into_iter().map(|(chain, of)| (Chain::new(chain).unwrap(), head(of))).collect();
            let shredded = shredded.into_iter().map(|(tenant, at)| (Tenant::new(tenant).unwrap(), at)).collect();
            Checkpoint::new(Namespace::new(namespace).unwrap(), time, table_id, chains, shredded).unwrap()
        }
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(checkpoint in checkpoints()) {
            let text = checkpoint.text();
            prop_assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
        }

        #[test]
        fn a_changed_text_is_refused(checkpoint in checkpoints(), position in 0..10_000_usize, bits in 1..0x80_u8) {
            let mut text = checkpoint.text().into_bytes();
            // All but the first line is bound by the hash, and only the signature binds that one.
            let first = text.iter().position(|&byte| byte == b'\n').unwrap();
            let position = first + position % (text.len() - first);
            text[position] ^= bits;
            let text = String::from_utf8(text).unwrap();
            prop_assert!(Checkpoint::parse(&text).is_err(), "{}", text);
        }
    }
}
