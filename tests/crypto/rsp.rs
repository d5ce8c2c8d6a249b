//! CAVP's response files for GCM (GCMVS, appendix A), read strictly: whatever is not understood is an error, so that no
//! case is passed over unseen.

/// The lengths that a section of cases shares, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) key: usize,
    pub(crate) iv: usize,
    text: usize,
    aad: usize,
    pub(crate) tag: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) section: Section,
    /// Its number within its section.
    pub(crate) count: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) iv: Vec<u8>,
    pub(crate) aad: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
    /// `None` where the file says `FAIL`: decryption must be refused.
    pub(crate) plaintext: Option<Vec<u8>>,
}

/// Which of the two kinds of file it is. They differ in the order of their lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

pub(crate) fn parse(text: &str, direction: Direction) -> Result<Vec<Case>, String> {
    let mut lines = Lines { lines: text.split_inclusive('\n').collect(), next: 0 };
    while lines.peek()?.is_some_and(|line| line.starts_with("# ")) {
        lines.next += 1;
    }
    lines.skip_blank()?;
    let mut cases = Vec::new();
    while lines.peek()?.is_some() {
        let section = Section {
            key: lines.length("Keylen")?,
            iv: lines.length("IVlen")?,
            text: lines.length("PTlen")?,
            aad: lines.length("AADlen")?,
            tag: lines.length("Taglen")?,
        };
        lines.skip_blank()?;
        for count in 0.. {
            if lines.peek()?.is_none_or(|line| line.starts_with('[')) {
                break;
            }
            if lines.value("Count")?.parse() != Ok(count) {
                return Err(lines.unexpected("another count"));
            }
            cases.push(lines.case(section, count, direction)?);
            lines.skip_blank()?;
        }
    }
    Ok(cases)
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end, or `None` after the last.
    fn peek(&self) -> Result<Option<&'a str>, String> {
        let Some(line) = self.lines.get(self.next) else { return Ok(None) };
        line.strip_suffix("\r\n").map(Some).ok_or_else(|| self.unexpected("no CRLF"))
    }

    fn skip_blank(&mut self) -> Result<(), String> {
        while self.peek()? == Some("") {
            self.next += 1;
        }
        Ok(())
    }

    fn value(&mut self, name: &str) -> Result<&'a str, String> {
        let value = self.peek()?.and_then(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        let value = value.ok_or_else(|| self.unexpected(&format!("not `{name} = …`")))?;
        self.next += 1;
        Ok(value)
    }

    fn length(&mut self, name: &str) -> Result<usize, String> {
        let value = self.value(&format!("[{name}"))?.strip_suffix(']').and_then(|bits| bits.parse().ok());
        value
            .filter(|bits| bits % 8 == 0)
            .ok_or_else(|| self.unexpected("no length in whole bytes before it"))
    }

    fn bytes(&mut self, name: &str, bits: usize) -> Result<Vec<u8>, String> {
        let bytes = hex::decode(self.value(name)?).ok();
        let of_length = bytes.filter(|bytes| bytes.len() * 8 == bits);
        of_length.ok_or_else(|| self.unexpected(&format!("no {name} of {bits} bits before it")))
    }

    fn case(&mut self, section: Section, count: usize, direction: Direction) -> Result<Case, String> {
        let Section { key, iv, text, aad, tag } = section;
        let (key, iv) = (self.bytes("Key", key)?, self.bytes("IV", iv)?);
        match direction {
            Direction::Encrypt => {
                let plaintext = Some(self.bytes("PT", text)?);
                let (aad, ciphertext) = (self.bytes("AAD", aad)?, self.bytes("CT", text)?);
                let tag = self.bytes("Tag", tag)?;
                Ok(Case { section, count, key, iv, aad, ciphertext, tag, plaintext })
            }
            Direction::Decrypt => {
                let (ciphertext, aad) = (self.bytes("CT", text)?, self.bytes("AAD", aad)?);
                let tag = self.bytes("Tag", tag)?;
                let plaintext = if self.peek()? == Some("FAIL") {
                    self.next += 1;
                    None
                } else {
                    Some(self.bytes("PT", text)?)
                };
                Ok(Case { section, count, key, iv, aad, ciphertext, tag, plaintext })
            }
        }
    }

    fn unexpected(&self, what: &str) -> String {
        format!("line {}: {what}: {:?}", self.next + 1, self.lines.get(self.next).unwrap_or(&"the end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# CAVS 14.0\n\n\n[Keylen = 16]\n[IVlen = 8]\n[PTlen = 8]\n[AADlen = 0]\n[Taglen = 8]\n\n\
                        Count = 0\nKey = 0102\nIV = 03\nCT = 04\nAAD = \nTag = 05\nPT = 06\n\n\
                        Count = 1\nKey = 0102\nIV = 03\nCT = 04\nAAD = \nTag = 05\nFAIL\n\n";

    fn read(text: &str) -> Result<Vec<Case>, String> {
        parse(&text.replace('\n', "\r\n"), Direction::Decrypt)
    }

    #[test]
    fn answers_and_refusals_are_told_apart() {
        let cases = read(FILE).unwrap();
        let plaintexts: Vec<_> = cases.iter().map(|case| case.plaintext.clone()).collect();
        assert_eq!(plaintexts, [Some(vec![6]), None]);
        assert!(parse(&FILE.replace('\n', "\r\n"), Direction::Encrypt).is_err());
    }

    #[test]
    fn whatever_is_not_understood_is_an_error() {
        for (from, to) in [
            ("Keylen", "KeyLen"),
            ("[IVlen = 8]", "[IVlen = 7]"),
            ("[IVlen = 8]", "[IVlen = 16]"),
            ("[AADlen = 0]\n", ""),
            ("[Taglen = 8]", "[Taglen = 8]\n[More = 1]"),
            ("Count = 1", "Count = 2"),
            ("Count = 0\n", ""),
            ("IV = 03", "Iv = 03"),
            ("IV = 03", "IV = 0g"),
            ("CT = 04", "CT = 0405"),
            ("CT = 04\n", ""),
            ("PT = 06", "PASS"),
            ("FAIL", "Fail"),
            ("FAIL", "FAIL\nResult = ?"),
            ("FAIL\n\n", "FAIL"),
        ] {
            assert!(FILE.contains(from), "{from}");
            assert!(read(&FILE.replacen(from, to, 1)).is_err(), "{from} to {to}");
        }
        assert!(parse(FILE, Direction::Decrypt).is_err(), "other line ends");
    }
}
