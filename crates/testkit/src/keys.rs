//! Under which key provider a run of the tests is.

use std::any;
use std::io::Write;

use crate::settings::variable;

/// A key provider of the product, as its own setting `BES_KEYS` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// A key file.
    Local,
    /// A key of KMS.
    Kms,
}

impl Keys {
    /// The one that this run of the tests is under: `BES_KEYS` is `local`, which is the default, or `kms`.
    ///
    /// # Panics
    /// If it is anything else.
    pub fn of_this_run() -> Self {
        match variable("BES_KEYS").as_deref() {
            None | Some("local") => Self::Local,
            Some("kms") => Self::Kms,
            Some(other) => panic!("BES_KEYS is {other:?}; tests run with `local` or `kms`"),
        }
    }

    /// As `BES_KEYS` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kms => "kms",
        }
    }
}

/// Whether a test goes on that makes sense under one provider alone: `if !only_with!(Keys::Local, "why") { return; }`.
///
/// If it does not, this says so on standard error, in one line that `.ci/run` collects and compares with
/// `tests/one-provider.txt`: no test is left out in silence, and none more than those.
#[macro_export]
macro_rules! only_with {
    ($keys:expr, $why:expr) => {{
        fn here() {}
        $crate::goes_with($keys, &here, $why)
    }};
}

/// See [`only_with!`]. `here` is a function inside the test, and so has its name.
#[doc(hidden)]
pub fn goes_with<F>(keys: Keys, here: &F, why: &str) -> bool {
    if keys == Keys::of_this_run() {
        return true;
    }
    let path = any::type_name_of_val(here);
    let test = path.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    // Not `eprintln!`, which the test harness captures; and in one write, which other threads do not interrupt.
    let line = format!("only with BES_KEYS={}, left out: {test}: {why}\n", keys.name());
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}
