//! The history that a command line names: files, folders and servers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bellwether_connect::source::history::{HistoryQuery, Selector};
use bellwether_replay::history::Input;
use bellwether_series::Timestamp;
use bellwether_signal::parse_selector;

use super::server::ServerSource;
use crate::cli::ServerArgs;
use crate::config::client;

/// What a server is asked for if nobody says what.
const EVERYTHING: &str = "{__name__=~\".+\"}";

/// The inputs that `paths` name; those that are URLs are asked as `server` says.
///
/// # Errors
/// When one of them cannot be read, or it is not said what a server is to be asked.
pub(crate) fn find(paths: &[PathBuf], server: &ServerArgs) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    let mut has_server = false;
    for path in paths {
        match url_of(path) {
            Some(url) => {
                inputs.push(server_input(url, server)?);
                has_server = true;
            }
            None => inputs.extend(Input::find(std::slice::from_ref(path))?),
        }
    }
    if server.is_given() && !has_server {
        bail!(
            "--match, --start, --end, --step and --http-config are for servers, and no input is the URL of one, such as \
             http://127.0.0.1:9090"
        );
    }
    Ok(inputs)
}

/// `path` as the URL of a server, if it is one.
fn url_of(path: &std::path::Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"))
}

fn server_input(url: &str, args: &ServerArgs) -> anyhow::Result<Input> {
    let endpoint =
        client::load(args.http_config.as_deref(), url).context("no server can be asked")?;
    let (Some(start), Some(end)) = (args.start, args.end) else {
        bail!("say with --start and --end which time a server is to be asked for");
    };
    anyhow::ensure!(start < end, "--end is not after --start");
    let selectors = if args.selectors.is_empty() {
        vec![Selector { text: EVERYTHING.to_owned(), matchers: parse_selector(EVERYTHING)? }]
    } else {
        args.selectors.clone()
    };
    let query = HistoryQuery {
        endpoint,
        selectors,
        start: Timestamp::from_ms(start),
        end: Timestamp::from_ms(end),
        step_ms: args.step,
        timeout: Duration::from_millis(args.timeout.unsigned_abs()),
        retries_max: args.retries,
        answer_bytes_max: args.answer_bytes(),
    };
    let name = query.endpoint.url.clone();
    Ok(Input::server(&name, end.abs_diff(start), Arc::new(ServerSource { query })))
}
