//! `miri`: the pure code under Miri, which sees undefined behaviour that a test run does not.
//!
//! The workspace itself forbids `unsafe`, so what Miri looks at is what it calls: the standard library, and crates such as
//! zeroize, uuid and time. ring's C and assembly cannot run under Miri. Hence blue-address runs whole, blue-audit without
//! its segments (their MAC is ring's), and of blue-envelope the parser alone; blue-keys, blue-store and what lies above
//! do I/O and are left out.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// What runs: cargo's arguments, the last a filter that names the tests which do not reach ring, and how many these are at
/// least.
const RUNS: [(&str, &[&str], u32); 3] = [
    ("blue-address", &["-p", "blue-address", "--lib"], 20),
    ("blue-audit, without segments", &["-p", "blue-audit", "--lib"], 10),
    ("blue-envelope, the parser", &["-p", "blue-envelope", "--test", "laws", "bytes_are"], 2),
];

pub(crate) fn run() -> anyhow::Result<()> {
    for (what, arguments, least) in RUNS {
        println!("Miri: {what}");
        let mut miri = Command::new("cargo");
        miri.args(["+nightly", "miri", "test", "--locked"]).args(arguments).current_dir(crate::root());
        // This process was started by a stable cargo, whose variables would choose its toolchain again.
        miri.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
        // The clock and randomness of the host, for UUIDs; few cases, since each takes Miri seconds.
        miri.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "4");
        miri.env("CARGO_TARGET_DIR", crate::root().join("target/miri"));
        let output = miri.stderr(Stdio::inherit()).output().context("cargo cannot be run")?;
        let text = String::from_utf8_lossy(&output.stdout);
        print!("{text}");
        ensure!(
            output.status.success(),
            "Miri failed on {what}; if it is not installed: rustup component add --toolchain nightly miri rust-src"
        );
        // A filter that fits no test is a success to cargo.
        ensure!(passed(&text) >= least, "{what}: {} tests ran, there are at least {least}", passed(&text));
    }
    println!("Miri found nothing.");
    Ok(())
}

/// How many tests passed, by the harness's own words.
fn passed(text: &str) -> u32 {
    let counts = text.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    counts.filter_map(|line| line.split(' ').next()?.parse::<u32>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_counted() {
        let text =
            "test a ... ok\n\ntest result: ok. 2 passed; 0 failed; 1 ignored\ntest result: ok. 1 passed; 0\n";
        assert_eq!((passed(text), passed("")), (3, 0));
    }
}
