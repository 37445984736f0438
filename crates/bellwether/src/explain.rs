//! `bellwether explain`: why this alert, and why not one then.

mod fetch;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Context;
use bellwether_engine::{Event, HEALTH_RULE};
use bellwether_replay::explain::{
    EventExplanation, EventQuery, ExplainError, Found, JournalRecords, Recomputation,
    find_recorded, find_stored, p_value, recompute, why_not,
};
use bellwether_series::Timestamp;
use bellwether_signal::parse_selector;

use crate::cli::ExplainArgs;
use crate::output;
use crate::replay::{bar, complain};

const DATA_FOLDER: &str = "bellwether-data";
/// What is beside a journal in a data folder.
const LOG_FOLDER: &str = "events";

/// Explains an event or a moment. Says whether all is well: whether an event that was recomputed is what was stored.
///
/// # Errors
/// When there is no such event or series, or what is needed cannot be read.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<bool> {
    let is_alone = args.events.is_none() && args.url.is_none();
    let journal = args.journal.clone().or_else(|| is_alone.then(|| PathBuf::from(DATA_FOLDER)));
    match (&args.series, args.at, &args.event, journal) {
        (Some(series), Some(at_ms), _, Some(journal)) => {
            moment(args, series, Timestamp::from_ms(at_ms), &journal).map(|()| true)
        }
        (None, _, Some(event), journal) => an_event(args, event, journal.as_deref()),
        // The command line takes nothing else.
        _ => anyhow::bail!("name an event, or --series with --at"),
    }
}

/// Reads a time as RFC 3339 or in Unix milliseconds.
///
/// # Errors
/// When `text` is neither.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let ms = text.parse().ok();
    let ms = ms.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    ms.ok_or_else(|| "expected a time like 2026-03-04T05:06:00Z, or Unix milliseconds".to_owned())
}

/// Why nothing alerted at `at`.
fn moment(args: &ExplainArgs, series: &str, at: Timestamp, journal: &Path) -> anyhow::Result<()> {
    let wanted = parse_selector(series)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let answer = with_journal(journal, |records| {
        let settings = records.settings();
        why_not(&settings, records, &wanted, at, limit)
    })?;
    if args.json {
        return output::print(&(serde_json::to_string_pretty(&answer)? + "\n"));
    }
    output::print(&text::moment(&answer))
}

/// Why there is an event.
fn an_event(args: &ExplainArgs, event: &str, journal: Option<&Path>) -> anyhow::Result<bool> {
    let query = EventQuery::parse(event)?;
    let (event, found_in, is_stored) = find(args, &query, journal)?;
    let is_about_health = *event.rule == *HEALTH_RULE;
    let recomputed = match journal.filter(|_| !is_about_health) {
        None => None,
        Some(journal) => {
            let recomputed = with_journal(journal, |records| {
                let settings = records.settings();
                recompute(&settings, records, &event)
            })?;
            Some(Recomputation::of(recomputed.as_ref(), is_stored))
        }
    };
    let p_value = p_value(event.surprise);
    let explanation = EventExplanation { event, found_in, p_value, recomputed };
    let recomputed = explanation.recomputed.as_ref();
    let is_well = recomputed.is_none_or(|recomputed| recomputed.equal != Some(false));
    let text = if args.json {
        serde_json::to_string_pretty(&explanation)? + "\n"
    } else {
        text::event(&explanation)
    };
    output::print(&text)?;
    Ok(is_well)
}

/// The event that `query` means, where it was found, and whether it was stored there.
fn find(
    args: &ExplainArgs,
    query: &EventQuery,
    journal: Option<&Path>,
) -> anyhow::Result<(Event, String, bool)> {
    if let Some(url) = &args.url {
        let event = fetch::fetch(url, query)?;
        return Ok((event, shown(url), true));
    }
    let beside = journal.map(|journal| journal.join(LOG_FOLDER)).filter(|log| log.is_dir());
    if let Some(path) = args.events.as_ref().or(beside.as_ref()) {
        match find_stored(path, query) {
            Ok(Found { event, unreadable }) => {
                if unreadable > 0 {
                    output::warn(&format!(
                        "{unreadable} parts of the stored events cannot be read"
                    ));
                }
                return Ok((event, path.display().to_string(), true));
            }
            // An event log may have lost an event; the journal has not.
            Err(ExplainError::NotFound { .. }) if args.events.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(journal) = journal else { anyhow::bail!("name a journal, stored events or a server") };
    let event = with_journal(journal, |records| {
        let settings = records.settings();
        find_recorded(&settings, records, query)
    })?;
    Ok((event, journal.display().to_string(), false))
}

/// Does something with the records of the journal in `folder`, and names what is wrong with these.
fn with_journal<T>(
    folder: &Path,
    act: impl FnOnce(&mut JournalRecords<'_>) -> Result<T, ExplainError>,
) -> anyhow::Result<T> {
    let bar = bar("{wide_bar} {bytes}/{total_bytes}, {eta} left");
    let mut progress = |progress: bellwether_replay::journal::Progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
    };
    let opened = JournalRecords::open(folder, &mut progress);
    let mut records = opened.with_context(|| {
        format!(
            "name the data folder of `bellwether run` with --journal: path=`{}`",
            folder.display()
        )
    })?;
    let done = act(&mut records);
    let (findings, is_cut) = (records.findings(), records.lacks_its_beginning());
    bar.finish_and_clear();
    complain(&findings);
    if is_cut {
        output::warn(
            "the journal does not begin with its first record: what was learned before it is missing here, so that \
             judgements may differ from those of that time",
        );
    }
    Ok(done?)
}

/// A server's URL without what is secret in it.
fn shown(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    // A URL that has no place for them has none in it.
    _ = url.set_username("");
    _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_both_notations() {
        assert_eq!(parse_time("1767571200000"), Ok(1_767_571_200_000));
        assert_eq!(parse_time("2026-01-05T00:00:00Z"), Ok(1_767_571_200_000));
        assert_eq!(parse_time("2026-01-05T01:00:00+01:00"), Ok(1_767_571_200_000));
        assert!(parse_time("yesterday").unwrap_err().contains("expected a time like"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = "https://me:secret@bellwether.example:2355/base".parse().unwrap();
        assert_eq!(shown(&url), "https://bellwether.example:2355/base");
    }
}
