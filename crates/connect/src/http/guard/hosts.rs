//! By which names a server may be asked for that only its own machine reaches.
//!
//! Such a server is safe from others without anybody logging in, but for one way: a web page can have its own name lead to the
//! loopback (DNS rebinding), and a browser on the machine takes what the server answers for the page's own. The browser then
//! says the page's name as `Host`, which no page can change.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Names beside those of the loopback, in lower case.
#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Those in `names`, each with a port or without.
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name_in(name)).collect())
    }

    /// Whether every name that a request says is among them or one of the loopback. A request of HTTP/1.0 need not say any.
    pub(super) fn allow(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let in_uri = uri.authority().map(Authority::as_str);
        let mut in_headers = headers.get_all(HOST).iter();
        in_uri.is_none_or(|asked| self.has(asked))
            && in_headers.all(|asked| asked.to_str().is_ok_and(|asked| self.has(asked)))
    }

    fn has(&self, asked: &str) -> bool {
        let name = name_in(asked);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.is_ok_and(|address| address.to_canonical().is_loopback())
            // A name of which no other server can be had: RFC 6761, section 6.3.
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

/// What stands before the port in `asked`, in lower case and without the dot that ends a whole name.
fn name_in(asked: &str) -> String {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match asked.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => asked,
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(also: &[&str], asked: &str) -> bool {
        let also: Vec<_> = also.iter().map(|&name| name.to_owned()).collect();
        let headers = HeaderMap::from_iter([(HOST, asked.parse().unwrap())]);
        Hosts::new(&also).allow(&Uri::from_static("/"), &headers)
    }

    #[test]
    fn the_loopback_has_many_names_and_no_other_host_has_them() {
        for asked in [
            "localhost",
            "LOCALHOST:2355",
            "localhost.",
            "localhost.:80",
            "a.localhost",
            "127.0.0.1",
            "127.0.0.1:2355",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:2355",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(allows(&[], asked), "{asked}");
        }
        for asked in [
            "evil.example",
            "evil.example:2355",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[2001:db8::1]:2355",
            "evil.example:80:127.0.0.1",
            "127.0.0.1@evil.example",
            "notlocalhost",
            "0.0.0.0:2355",
            "",
            ":2355",
            "[::1].evil.example",
            "127.0.0.1:x",
        ] {
            assert!(!allows(&[], asked), "{asked}");
        }
    }

    #[test]
    fn names_that_are_known_to_lead_here_are_taken_with_any_port() {
        let also = ["bellwether.Example:8443", "[2001:db8::1]:2355"];
        for asked in ["bellwether.example", "bellwether.example:2355", "[2001:DB8::1]"] {
            assert!(allows(&also, asked), "{asked}");
        }
        assert!(!allows(&also, "example") && !allows(&also, "bellwether.example.evil"));
    }

    #[test]
    fn every_name_that_is_said_counts() {
        let hosts = Hosts::new(&[]);
        let local = Uri::from_static("http://localhost/");
        let evil = Uri::from_static("http://evil.example/");
        let mut headers = HeaderMap::new();
        assert!(hosts.allow(&Uri::from_static("/"), &headers) && hosts.allow(&local, &headers));
        assert!(!hosts.allow(&evil, &headers));
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(hosts.allow(&local, &headers) && !hosts.allow(&evil, &headers));
        headers.append(HOST, "evil.example".parse().unwrap());
        assert!(!hosts.allow(&local, &headers));
    }
}
