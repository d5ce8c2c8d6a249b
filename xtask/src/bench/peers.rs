//! Other people's libraries on the same item. They are compiled in packages of their own, outside the workspace.

use super::read::{median, said};

/// Where both packages are built.
const TARGET: &str = "target/peers";

/// What one of them takes for an item of 1 KiB, in nanoseconds.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) encrypt: f64,
    pub(super) decrypt: f64,
    /// How many times faster than it we want to be.
    pub(super) target: Option<f64>,
}

/// Compiles and runs them.
pub(super) fn run() -> anyhow::Result<Vec<Peer>> {
    // Each by itself: what one of them depends on would change how another's dependencies are compiled.
    for (manifest, features) in [
        ("benches/peers/Cargo.toml", &["--no-default-features", "--features", "esdk"][..]),
        ("benches/peers/esdk-1.2.1/Cargo.toml", &[]),
        ("benches/peers/Cargo.toml", &["--no-default-features", "--features", "tink"]),
    ] {
        println!("=== {manifest}");
        let mut cargo = crate::cargo();
        cargo.args(["bench", "--locked", "--quiet", "--manifest-path", manifest]).args(features);
        // Not by `--target-dir`, of which criterion would not hear.
        cargo.env("CARGO_TARGET_DIR", crate::root().join(TARGET));
        said(cargo, manifest)?;
    }
    let mut peers = Vec::new();
    for library in ["aws-db-esdk-1.3.0", "aws-db-esdk-1.2.1"] {
        for (suite, target) in [("without ECDSA", 150.0), ("default suite", 500.0)] {
            peers.push(peer(library, &format!(", {suite}"), Some(target))?);
        }
    }
    peers.push(peer("tink-aead-0.3.0", "", None)?);
    Ok(peers)
}

fn peer(library: &str, suite: &str, target: Option<f64>) -> anyhow::Result<Peer> {
    let median = |way: &str| median(TARGET, &format!("{library}/{way}{suite}/1024"));
    Ok(Peer {
        name: format!("{library}{suite}"),
        encrypt: median("encrypt")?,
        decrypt: median("decrypt")?,
        target,
    })
}
