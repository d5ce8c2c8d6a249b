//! What another process holds.

use std::{fs, io, process::Child, thread, time::Duration};

/// How often a process is looked at. The kernel keeps the peak, so only the last moment can be missed.
const LOOK: Duration = Duration::from_millis(5);

/// Waits for a process to end, and gives the most memory that it had, in KiB, as Linux counts it.
///
/// # Errors
/// An [`io::Error`] if it cannot be known: the system is no Linux, or the process ended before it was looked at.
pub fn peak_memory_kib(child: &mut Child) -> io::Result<u64> {
    let place = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let status = fs::read_to_string(&place).map_err(|error| {
            io::Error::new(error.kind(), format!("the memory of a process is only known on Linux: {error}"))
        })?;
        // A process that has ended and was not waited for has no such line.
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.trim().strip_suffix(" kB")) {
            peak = peak.max(kib.trim().parse().map_err(io::Error::other)?);
        }
        thread::sleep(LOOK);
    }
    if peak == 0 {
        return Err(io::Error::other("the process ended before its memory was looked at"));
    }
    Ok(peak)
}
