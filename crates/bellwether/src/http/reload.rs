//! `POST /-/reload`: reads the configuration again, for whoever is on this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};

use crate::run::live::ReloadError;
use crate::service::App;

/// Headers of requests that somebody else passes on: a proxy on this machine, or a web page in a browser.
const PASSED_ON: [&str; 5] = ["origin", "forwarded", "x-forwarded-for", "x-real-ip", "via"];

pub(super) async fn reload(
    State(app): State<Arc<App>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    if !is_local(client, &headers) {
        return (StatusCode::FORBIDDEN, "from this machine only\n".to_owned());
    }
    let reload = move || app.reload();
    match tokio::task::spawn_blocking(reload).await {
        Ok(Ok(reloaded)) => (StatusCode::OK, format!("{reloaded}\n")),
        Ok(Err(ReloadError::Stopping)) | Err(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
        }
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

fn is_local(client: SocketAddr, headers: &HeaderMap) -> bool {
    client.ip().to_canonical().is_loopback()
        && !PASSED_ON.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_this_machine_may_reload_and_no_web_page_on_it() {
        let none = HeaderMap::new();
        for (client, local) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:1", false),
            ("[fe80::1]:1", false),
        ] {
            assert_eq!(is_local(client.parse().unwrap(), &none), local, "{client}");
        }
        for name in PASSED_ON {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("http://evil.example"));
            assert!(!is_local("127.0.0.1:1".parse().unwrap(), &headers), "{name}");
        }
    }
}
