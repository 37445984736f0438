//! `bellwether explain`: why this alert, and why not one then.

mod fetch;
mod recorded;
mod text;

use std::path::Path;

use bellwether_engine::{Event, HEALTH_RULE};
use bellwether_replay::explain::{
    EventExplanation, EventQuery, ExplainError, Found, Recomputation, find_recorded, find_stored,
    p_value, recompute, why_not,
};
use bellwether_series::Timestamp;
use bellwether_signal::parse_selector;

use crate::cli::ExplainArgs;
use crate::output;
use crate::usage::wrong;
use recorded::Input;

const DATA_FOLDER: &str = "bellwether-data";
/// What is beside a journal in a data folder.
const LOG_FOLDER: &str = "events";

/// Explains an event or a moment. Says whether all is well: whether an event that was recomputed is what was stored.
///
/// # Errors
/// When there is no such event or series, or what is needed cannot be read.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<bool> {
    match (&args.series, args.at, &args.event) {
        (Some(series), Some(at_ms), folder) => {
            let input = match (folder, &args.journal) {
                (Some(_), Some(_)) => anyhow::bail!("name a folder or --journal, not both"),
                (Some(folder), None) => Input::at(Path::new(folder)),
                (None, journal) => {
                    Input::Journal(journal.clone().unwrap_or_else(|| DATA_FOLDER.into()))
                }
            };
            moment(args, series, Timestamp::from_ms(at_ms), &input).map(|()| true)
        }
        (None, _, Some(event)) => {
            let is_alone = args.events.is_none() && args.url.is_none();
            let input = match (&args.folder, &args.journal) {
                (Some(folder), _) => Some(Input::at(folder)),
                (None, Some(journal)) => Some(Input::Journal(journal.clone())),
                (None, None) => is_alone.then(|| Input::Journal(DATA_FOLDER.into())),
            };
            an_event(args, event, input.as_ref())
        }
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
fn moment(args: &ExplainArgs, series: &str, at: Timestamp, input: &Input) -> anyhow::Result<()> {
    let wanted = parse_selector(series)
        .map_err(|error| wrong(format!("--series is no selector: {error}")))?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let (mut answer, adoption) =
        input.with_records(|settings, records| why_not(settings, records, &wanted, at, limit))?;
    answer.adopted_at_ms = adoption.map(|adoption| adoption.at_ms);
    if args.json {
        return output::print(&output::json(&answer)?);
    }
    output::print(&text::moment(&answer))
}

/// Why there is an event.
fn an_event(args: &ExplainArgs, event: &str, input: Option<&Input>) -> anyhow::Result<bool> {
    let query = EventQuery::parse(event).map_err(|error| wrong(error.to_string()))?;
    let (event, found_in, is_stored) = find(args, &query, input)?;
    let is_about_health = *event.rule == *HEALTH_RULE;
    let recomputed = match input.filter(|_| !is_about_health) {
        None => None,
        Some(input) => {
            let (recomputed, adoption) =
                input.with_records(|settings, records| recompute(settings, records, &event))?;
            let adopted_at_ms = adoption.map(|adoption| adoption.at_ms);
            Some(Recomputation {
                adopted_at_ms,
                ..Recomputation::of(recomputed.as_ref(), is_stored)
            })
        }
    };
    let p_value = p_value(event.surprise);
    let explanation = EventExplanation { event, found_in, p_value, recomputed };
    let recomputed = explanation.recomputed.as_ref();
    let is_well = recomputed.is_none_or(|recomputed| recomputed.equal != Some(false));
    let text = if args.json {
        output::json(&explanation)?
    } else {
        text::event(&explanation, input.map_or("journal", Input::name))
    };
    output::print(&text)?;
    Ok(is_well)
}

/// The event that `query` means, where it was found, and whether it was stored there.
fn find(
    args: &ExplainArgs,
    query: &EventQuery,
    input: Option<&Input>,
) -> anyhow::Result<(Event, String, bool)> {
    if let Some(url) = &args.url {
        let event = fetch::fetch(url, query)?;
        return Ok((event, shown(url), true));
    }
    let beside = match input {
        Some(Input::Journal(folder)) => Some(folder.join(LOG_FOLDER)).filter(|log| log.is_dir()),
        Some(Input::Results(folder)) => Some(folder.clone()),
        None => None,
    };
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
            Err(ExplainError::NotFound { .. })
                if args.events.is_none() && matches!(input, Some(Input::Journal(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(input) = input else { anyhow::bail!("name a journal, stored events or a server") };
    let (event, _) =
        input.with_records(|settings, records| find_recorded(settings, records, query))?;
    Ok((event, input.folder().display().to_string(), false))
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
