//! `miri`: the pure code under Miri, which sees undefined behaviour that a test run does not.
//!
//! The workspace itself forbids `unsafe`, so what Miri looks at is what it calls: the standard library, and crates such as
//! zeroize, uuid and time. ring's C and assembly cannot run under Miri. Hence blue-address runs whole, blue-audit without
//! its segments (their MAC is ring's), and of blue-envelope the parser alone; blue-keys, blue-store and what lies above
//! do I/O and are left out.

use std::process::Command;

use anyhow::{Context, ensure};

/// What runs: cargo's arguments, and a filter that names the tests which do not reach ring.
const RUNS: [(&str, &[&str]); 3] = [
    ("blue-address", &["-p", "blue-address", "--lib"]),
    ("blue-audit, without segments", &["-p", "blue-audit", "--lib"]),
    (
        "blue-envelope, the parser",
        &["-p", "blue-envelope", "--test", "laws", "accepted_bytes_are_their_own_encoding"],
    ),
];

pub(crate) fn run() -> anyhow::Result<()> {
    for (what, arguments) in RUNS {
        println!("Miri: {what}");
        let mut miri = Command::new("cargo");
        miri.args(["+nightly", "miri", "test", "--locked"]).args(arguments).current_dir(crate::root());
        // This process was started by a stable cargo, whose variables would choose its toolchain again.
        miri.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
        // The clock and randomness of the host, for UUIDs; few cases, since each takes Miri seconds.
        miri.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "4");
        miri.env("CARGO_TARGET_DIR", crate::root().join("target/miri"));
        let status = miri.status().context("cargo cannot be run")?;
        ensure!(
            status.success(),
            "Miri failed on {what}; if it is not installed: rustup component add --toolchain nightly miri rust-src"
        );
    }
    println!("Miri found nothing.");
    Ok(())
}
