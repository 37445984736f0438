//! Figures, as people read and compare them.

use std::time::Duration;

/// A count with its thousands apart: `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The duration that 99 of 100 do not exceed.
pub(crate) fn p99(durations: &mut [Duration]) -> Duration {
    durations.sort_unstable();
    durations[(durations.len() * 99 / 100).min(durations.len() - 1)]
}

/// Splitmix64: noise that follows from `seed` alone.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[test]
fn counts_are_grouped_by_thousands() {
    let texts = [0, 999, 1000, 1_234_567].map(grouped);
    assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
}

#[test]
fn one_slow_one_of_a_hundred_shows() {
    let mut durations: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
    assert_eq!(p99(&mut durations), Duration::from_millis(100));
    assert_eq!(p99(&mut durations[..1]), Duration::from_millis(1));
}
