//! Who failed to log in, and how often lately.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::bucket::Bucket;
use crate::http::network::network;
use crate::http::options::Rate;

/// Failed attempts by address, as [`network`] has it.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, Bucket>>);

impl Failures {
    /// Whether `client` has to wait before it may try again.
    pub(super) fn are_too_many(&self, client: IpAddr, rate: Rate, now: Instant) -> bool {
        self.0.lock().get(&network(client)).is_some_and(|bucket| bucket.is_empty(rate, now))
    }

    /// Takes back a failure of `client` that was counted in advance.
    pub(super) fn take_back(&self, client: IpAddr, rate: Rate) {
        if let Some(bucket) = self.0.lock().get_mut(&network(client)) {
            bucket.give_back(rate);
        }
    }

    /// Counts a failure of `client`, one of at most `addresses_max` that are remembered. Beyond it the one whose failures will
    /// be forgotten first is forgotten now; says how many were.
    #[must_use]
    pub(super) fn add(
        &self,
        client: IpAddr,
        rate: Rate,
        addresses_max: usize,
        now: Instant,
    ) -> usize {
        let mut buckets = self.0.lock();
        let client = network(client);
        let mut forgotten = 0;
        if buckets.len() >= addresses_max && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            // More than one only when it has become less by a reload.
            while buckets.len() >= addresses_max.max(1) {
                let soonest = buckets.iter().min_by_key(|(_, bucket)| bucket.full_at());
                let Some(soonest) = soonest.map(|(client, _)| *client) else { break };
                buckets.remove(&soonest);
                forgotten += 1;
            }
        }
        buckets.entry(client).or_default().take(rate, now);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { burst: 2, interval: Duration::from_secs(6) };

    const ADDRESSES_MAX: usize = 100;

    fn add(failures: &Failures, client: IpAddr, now: Instant) -> usize {
        failures.add(client, RATE, ADDRESSES_MAX, now)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_failed_too_often_waits_and_no_other_does() {
        let (failures, now) = (Failures::default(), Instant::now());
        _ = add(&failures, address("10.0.0.1"), now);
        assert!(!failures.are_too_many(address("10.0.0.1"), RATE, now));
        _ = add(&failures, address("::ffff:10.0.0.1"), now);
        assert!(failures.are_too_many(address("10.0.0.1"), RATE, now));
        assert!(!failures.are_too_many(address("10.0.0.2"), RATE, now));
        assert!(!failures.are_too_many(address("10.0.0.1"), RATE, now + RATE.interval));
    }

    #[test]
    fn a_network_of_version_6_is_one_client() {
        let (failures, now) = (Failures::default(), Instant::now());
        _ = add(&failures, address("2001:db8::1"), now);
        _ = add(&failures, address("2001:db8::2"), now);
        assert!(failures.are_too_many(address("2001:db8::3"), RATE, now));
        assert!(!failures.are_too_many(address("2001:db8:0:1::3"), RATE, now));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (failures, now) = (Failures::default(), Instant::now());
        let worst = address("10.0.0.1");
        _ = add(&failures, worst, now);
        _ = add(&failures, worst, now);
        let others = (0..2 * ADDRESSES_MAX as u32).map(|index| (0x0b00_0000 + index).into());
        let forgotten: usize = others.map(|other| add(&failures, IpAddr::V4(other), now)).sum();
        assert_eq!(failures.0.lock().len(), ADDRESSES_MAX);
        assert_eq!(forgotten, 2 * ADDRESSES_MAX + 1 - ADDRESSES_MAX, "each is counted");
        assert!(failures.are_too_many(worst, RATE, now));
    }
}
