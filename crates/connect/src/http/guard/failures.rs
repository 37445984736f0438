//! Who failed to log in, and how often lately.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::bucket::Bucket;
use crate::http::options::Rate;

/// Most addresses that are remembered. Beyond it the one whose failures will be forgotten first is forgotten now.
const ADDRESSES_MAX: usize = 4096;

/// Failed attempts by address. An IPv6 client is its network of 64 bits: it has all addresses of that.
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

    /// Counts a failure of `client`.
    pub(super) fn add(&self, client: IpAddr, rate: Rate, now: Instant) {
        let mut buckets = self.0.lock();
        let client = network(client);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= ADDRESSES_MAX {
                let soonest = buckets.iter().min_by_key(|(_, bucket)| bucket.full_at());
                if let Some(soonest) = soonest.map(|(client, _)| *client) {
                    buckets.remove(&soonest);
                }
            }
        }
        buckets.entry(client).or_default().take(rate, now);
    }
}

fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { burst: 2, interval: Duration::from_secs(6) };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_failed_too_often_waits_and_no_other_does() {
        let (failures, now) = (Failures::default(), Instant::now());
        failures.add(address("10.0.0.1"), RATE, now);
        assert!(!failures.are_too_many(address("10.0.0.1"), RATE, now));
        failures.add(address("::ffff:10.0.0.1"), RATE, now);
        assert!(failures.are_too_many(address("10.0.0.1"), RATE, now));
        assert!(!failures.are_too_many(address("10.0.0.2"), RATE, now));
        assert!(!failures.are_too_many(address("10.0.0.1"), RATE, now + RATE.interval));
    }

    #[test]
    fn a_network_of_version_6_is_one_client() {
        let (failures, now) = (Failures::default(), Instant::now());
        failures.add(address("2001:db8::1"), RATE, now);
        failures.add(address("2001:db8::2"), RATE, now);
        assert!(failures.are_too_many(address("2001:db8::3"), RATE, now));
        assert!(!failures.are_too_many(address("2001:db8:0:1::3"), RATE, now));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (failures, now) = (Failures::default(), Instant::now());
        let worst = address("10.0.0.1");
        failures.add(worst, RATE, now);
        failures.add(worst, RATE, now);
        for index in 0..2 * ADDRESSES_MAX as u32 {
            failures.add(IpAddr::V4((0x0b00_0000 + index).into()), RATE, now);
        }
        assert_eq!(failures.0.lock().len(), ADDRESSES_MAX);
        assert!(failures.are_too_many(worst, RATE, now));
    }
}
