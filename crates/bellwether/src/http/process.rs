//! What the operating system says of this process, under the names that every Prometheus client uses.
//!
//! Read from `/proc/self`; where there is none, the figures are left out. Source: proc(5).

use std::fmt;
use std::fs;

use super::exposition::Families;

/// Ticks of `utime` and `stime` per second; part of the kernel's interface on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn process_metrics(
    families: &mut Families<'_>,
    started_at: jiff::Timestamp,
) -> fmt::Result {
    let read = |file| fs::read_to_string(file).ok();
    if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
        families.counter("process_cpu_seconds", "User and system CPU time spent", &seconds)?;
    }
    if let Some(bytes) = resident() {
        families.gauge("process_resident_memory_bytes", "Resident memory size", bytes as f64)?;
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let open = files.count().saturating_sub(1);
        families.gauge("process_open_fds", "Number of open file descriptors", open as f64)?;
    }
    if let Some(most) = read("/proc/self/limits").as_deref().and_then(open_files_max) {
        families.gauge("process_max_fds", "Maximum number of open file descriptors", most)?;
    }
    families.gauge(
        "process_start_time_seconds",
        "Start time of the process since the Unix epoch",
        started_at.as_millisecond() as f64 / 1000.0,
    )
}

/// Resident memory in bytes.
pub(super) fn resident() -> Option<u64> {
    resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)
}

/// User and system time, in seconds, of the content of `/proc/self/stat`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is a name in parentheses and may hold anything; `utime` is the 14th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files_max(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_where_the_kernel_puts_them() {
        let stat = "17 (a b) c) S 1 17 17 0 -1 4194560 900 0 0 0 150 25 0 0 20 0 9 0 1234";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(resident_bytes("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files_max(limits), Some(1024.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }
}
