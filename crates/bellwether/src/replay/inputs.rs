//! The history that a command line names: files, folders and servers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use bellwether_connect::source::history::{HistoryQuery, Selector};
use bellwether_replay::history::{Input, InputKind, keep};
use bellwether_replay::journal::is_journal;
use bellwether_replay::plan::PlanInput;
use bellwether_series::Timestamp;
use bellwether_signal::parse_selector;

use super::bar;
use super::server::ServerSource;
use crate::cli::ServerArgs;
use crate::config::client;
use crate::usage::wrong;

/// What a server is asked for if nobody says what.
const EVERYTHING: &str = "{__name__=~\".+\"}";

/// The inputs that `paths` name; those that are URLs are asked as `server` says.
///
/// # Errors
/// When one of them cannot be read, or it is not said what a server is to be asked.
pub(crate) fn find(paths: &[PathBuf], server: &ServerArgs) -> anyhow::Result<Vec<Input>> {
    if let Some(journal) = paths.iter().find(|path| is_journal(path)) {
        let journal = journal.display();
        return Err(wrong(format!(
            "a journal is replayed alone, without other inputs: path=`{journal}`"
        )));
    }
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
    let given = server.given();
    if !given.is_empty() && !has_server {
        return Err(wrong(format!(
            "{} {} for servers, and no input is the URL of one, such as http://127.0.0.1:9090",
            given.join(", "),
            if given.len() == 1 { "is" } else { "are" },
        )));
    }
    Ok(inputs)
}

/// `input` for whoever replays it several times: servers are asked now, and not again.
///
/// # Errors
/// When one of them cannot be read, or what it has cannot be put aside.
pub(crate) fn keep_servers(input: PlanInput, stop: &AtomicBool) -> anyhow::Result<PlanInput> {
    let PlanInput::History { mut inputs, options } = input else { return Ok(input) };
    for input in inputs.iter_mut().filter(|input| input.kind == InputKind::Server) {
        let bar = bar("asking the server {wide_bar} {percent} %, {eta} left");
        bar.set_length(input.size_bytes);
        *input = keep(input, options.series_max, stop, &|done| bar.set_position(done))?;
        bar.finish_and_clear();
    }
    Ok(PlanInput::History { inputs, options })
}

/// `path` as the URL of a server, if it is one.
fn url_of(path: &std::path::Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"))
}

fn server_input(url: &str, args: &ServerArgs) -> anyhow::Result<Input> {
    let endpoint =
        client::load(args.http_config.as_deref(), url).context("no server can be asked")?;
    let (Some(start), Some(end)) = (args.start, args.end) else {
        return Err(wrong("say with --start and --end which time a server is to be asked for"));
    };
    if start >= end {
        return Err(wrong("--end is not after --start"));
    }
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
