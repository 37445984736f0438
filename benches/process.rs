//! What Linux says about this process.

/// CPU time of the calling thread so far in nanoseconds; as exact as the scheduler's tick.
///
/// # Panics
/// Where there is no `/proc`.
pub fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("schedstat")
}

/// Resident memory of this process in bytes.
///
/// # Panics
/// Where there is no `/proc`.
pub fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kib: usize =
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("VmRSS in kB");
    kib * 1024
}
