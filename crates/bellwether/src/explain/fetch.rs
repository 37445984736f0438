//! An event from a running server.

use std::time::Duration;

use anyhow::{Context, bail};
use bellwether_engine::Event;
use bellwether_replay::explain::EventQuery;
use reqwest::{Client, Url};
use serde::Deserialize;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer that is read: ten thousand events are about a third of it.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Most events that a server gives at once.
const LIMIT: &str = "10000";

#[derive(Debug, Deserialize)]
struct Anomalies {
    anomalies: Vec<Event>,
}

/// Asks the server at `url` for the event that `query` means.
///
/// # Errors
/// When it does not answer, or does not have it any more.
pub(super) fn fetch(url: &Url, query: &EventQuery) -> anyhow::Result<Event> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = runtime
        .block_on(ask(address(url, query)?))
        .context("the server does not answer as it should; is `bellwether run` listening there?")?;
    let Anomalies { anomalies } = serde_json::from_slice(&body)
        .context("the answer is not that of bellwether's /api/v1/anomalies")?;
    let chosen = query.choose(anomalies)?;
    chosen.with_context(|| {
        format!(
            "the server does not have this event: event=`{}`; it keeps the newest ones since its start: look into its event \
             log with --events",
            query.as_str()
        )
    })
}

/// Where events are asked for: below whatever path `url` has.
fn address(url: &Url, query: &EventQuery) -> anyhow::Result<Url> {
    let mut url = url.clone();
    let path = format!("{}/api/v1/anomalies", url.path().trim_end_matches('/'));
    if url.cannot_be_a_base() {
        bail!("expected a URL like http://127.0.0.1:2355: url=`{url}`");
    }
    url.set_path(&path);
    url.query_pairs_mut().clear().append_pair("severity", "info").append_pair("limit", LIMIT);
    if let Some(episode) = query.episode() {
        url.query_pairs_mut().append_pair("episode", episode);
    }
    Ok(url)
}

async fn ask(url: Url) -> anyhow::Result<Vec<u8>> {
    let mut builder = Client::builder().timeout(TIMEOUT).no_proxy();
    if url.scheme() == "http" {
        // A container without root certificates is no reason to fail where none are needed.
        builder = builder.tls_certs_only([]);
    }
    let mut answer = builder.build()?.get(url).send().await?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            bail!("the answer is too long: limit_bytes=`{ANSWER_BYTES_MAX}`");
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let mend = if status.as_u16() == 401 {
            "; write user and password into the URL, or use --events"
        } else {
            ""
        };
        bail!("the server refuses: status=`{status}`{mend}");
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_asked_for_below_the_path_of_the_url() {
        let of = |url: &str, event: &str| {
            let query = EventQuery::parse(event).unwrap();
            address(&url.parse().unwrap(), &query).map(|url| url.to_string())
        };
        let api = "api/v1/anomalies?severity=info&limit=10000";
        assert_eq!(of("http://h:1", "abcd").unwrap(), format!("http://h:1/{api}"));
        assert_eq!(of("http://h/base/", "abcd").unwrap(), format!("http://h/base/{api}"));
        let episode = "0123456789abcdef0123456789abcdef";
        let asked = of("http://h", &format!("{episode}-2")).unwrap();
        assert_eq!(asked, format!("http://h/{api}&episode={episode}"));
        assert!(of("mailto:a@b", "abcd").is_err());
    }
}
