//! Clocks that step while a process runs: libfaketime, told through a file.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use fastrand::Rng;
use tokio::process::Command;

/// The library, if it is installed; if not, that is said, or a failure if it is required.
pub(crate) fn library() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = env::var_os("BES_FAKETIME").map(PathBuf::from).into_iter().collect();
    let architecture = env::consts::ARCH;
    for directory in [format!("/usr/lib/{architecture}-linux-gnu"), "/usr/lib".into(), "/usr/lib64".into()] {
        // The variant for programs with several threads.
        places.push(Path::new(&directory).join("faketime/libfaketimeMT.so.1"));
    }
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        let what = "libfaketime is not installed (Debian: apt-get install faketime)";
        assert!(env::var("BES_CLEAN_CLOCKS").as_deref() != Ok("required"), "{what}");
        say!("{what}: the clocks are NOT stepped");
    }
    found
}

/// One process's clock.
pub(crate) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right until it is stepped.
    pub(crate) fn new(library: &Path, file: PathBuf) -> Self {
        let clock = Self { library: library.to_owned(), file };
        clock.set("+0");
        clock
    }

    /// Gives it to a process that is about to start.
    pub(crate) fn govern(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("FAKETIME_DONT_RESET", "1");
    }

    /// Steps it: by seconds, minutes or hours, back or forth, or to the right time.
    pub(crate) fn step(&self, rng: &mut Rng) {
        let most: i64 = [0, 5, 60, 900, 7_200, 90_000][rng.usize(0..6)];
        self.set(&format!("{:+}", rng.i64(-most..=most)));
    }

    fn set(&self, offset: &str) {
        // Replaced whole: a process may read it at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

/// Removes what the library leaves of a process that was killed.
pub(crate) fn forget(process: u32) {
    for left in [format!("faketime_shm_{process}"), format!("sem.faketime_sem_{process}")] {
        let _ = fs::remove_file(Path::new("/dev/shm").join(left));
    }
}
