//! Cargo's own subcommands that the project uses, each of one pinned version, installed under target/ when first wanted.

use std::path::PathBuf;

use anyhow::{Context, ensure};

/// A tool from crates.io, at the version that the project was last tried with.
pub(crate) struct Tool {
    /// The package, which is also the program's name.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// The program, installed if it is not there in this version.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let Self { name, version } = self;
        // A directory for each version, so that what is there needs no asking.
        let root = crate::root().join("target/tools").join(format!("{name}-{version}"));
        let program = root.join("bin").join(name);
        if program.is_file() {
            return Ok(program);
        }
        println!("Installing {name} {version} into {}; this is done once.", root.display());
        let mut install = crate::cargo();
        install.args(["install", "--locked", "--quiet", "--version", version, "--root"]).arg(&root).arg(name);
        let status = install.status().context("cargo cannot be run")?;
        ensure!(status.success(), "cargo install {name} --version {version} failed");
        Ok(program)
    }
}
