//! What Linux says about this process.

/// CPU time of the calling thread so far in nanoseconds; as exact as the scheduler's tick.
///
/// # Panics
/// Where there is no `/proc`.
pub fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("schedstat")
}

/// CPU time of the calling thread so far in the kernel, in nanoseconds; in steps of 10 ms.
///
/// # Panics
/// Where there is no `/proc`.
pub fn kernel_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
    // The name, in parentheses, may hold spaces.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().nth(12).and_then(|stime| stime.parse::<u64>().ok());
    ticks.expect("stime") * 10_000_000
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
