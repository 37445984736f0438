//! Whom an address stands for.

use std::net::{IpAddr, Ipv6Addr};

/// What is told apart of clients: an address, or of IPv6 its network of 64 bits, since who has one address has all of these.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
