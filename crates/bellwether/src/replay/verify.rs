//! `bellwether replay --verify JOURNAL`: whether a replay gives the same events however it is done.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bellwether_engine::{Event, Settings};
use bellwether_eventlog::{ReadError, Wanted};
use bellwether_replay::journal::{
    Difference, LiveComparison, LiveDifference, Verification, Way, verify_journal,
};
use bellwether_replay::report::counted;

use super::bar;
use super::journal::complain;
use crate::output;

/// Verifies the journal in `folder`, also against what is at `events`. Says whether nothing differs.
///
/// # Errors
/// When the journal or the events cannot be read, or a state that was saved cannot be restored.
pub(super) fn verify(
    folder: &Path,
    settings: Option<&Arc<Settings>>,
    events: Option<&Path>,
    seed: u64,
) -> anyhow::Result<bool> {
    let mut live = events
        .map(|path| bellwether_eventlog::read(path, Wanted::default()))
        .transpose()
        .context("the live events cannot be read")?;
    let live = live.as_mut().map(|live| live as &mut dyn Iterator<Item = Result<Event, ReadError>>);
    let bar = bar("{wide_bar} {bytes}/{total_bytes}, {eta} left");
    let verification = verify_journal(folder, settings, seed, live, &mut |pass, progress| {
        bar.set_length(progress.total_bytes * Way::ALL.len() as u64);
        bar.set_position(progress.total_bytes * pass as u64 + progress.done_bytes);
    })
    .with_context(|| format!("journal cannot be replayed: path=`{}`", folder.display()))?;
    bar.finish_and_clear();
    complain(&verification.findings, Some("--config"));
    output::print(&text(&verification))?;
    Ok(verification.agrees())
}

fn text(verification: &Verification) -> String {
    let mut text = String::new();
    if let (Some((first, last)), Some((from, until))) =
        (verification.sequences, verification.received)
    {
        let (from, until) = (output::time(from), output::time(until));
        add(&mut text, format_args!("records {first} to {last}, received {from} to {until}\n\n"));
    }
    let (log, by_series) = ("log", "by series");
    add(
        &mut text,
        format_args!("{:24} {:>9} {:>9}  {log:32}  {by_series}\n", "way", "records", "events"),
    );
    for result in &verification.results {
        let kept = result.way.keeps_the_log();
        let log =
            if kept { result.log.to_string() } else { "not compared: cutting moves it".into() };
        add(
            &mut text,
            format_args!(
                "{:24} {:>9} {:>9}  {log:32}  {}\n",
                name(result.way),
                result.records,
                result.events,
                result.by_series
            ),
        );
    }
    text.push('\n');
    for difference in &verification.differences {
        differs(&mut text, difference);
    }
    if let Some(live) = &verification.live {
        beside_live(&mut text, live, verification.sequences);
    }
    if !verification.findings.are_harmless() {
        text.push_str("the journal is damaged: what was lost is verified by nothing\n");
    }
    text.push_str(if !verification.differences.is_empty() {
        "THEY DIFFER, which is a fault of bellwether: please report it\n"
    } else if verification.agrees() {
        "all agree\n"
    } else if verification.live.as_ref().is_none_or(LiveComparison::agrees) {
        "all agree on what is left of the journal\n"
    } else {
        "all ways agree, but not with the live events: docs/replay.md says what that can mean\n"
    });
    text
}

fn name(way: Way) -> String {
    match way {
        Way::Single => "one thread".to_owned(),
        Way::Shards(count) => format!("{count} shards"),
        Way::Cut => "requests cut at random".to_owned(),
        Way::Restored => "saved and restored".to_owned(),
    }
}

fn differs(text: &mut String, difference: &Difference) {
    let Difference { way, index, expected, found } = difference;
    let (way, number) = (name(*way), index + 1);
    add(text, format_args!("{way}: event {number} is the first that differs\n"));
    add(text, format_args!("  one thread:  {}\n", shown(expected.as_deref())));
    add(text, format_args!("  this way:    {}\n", shown(found.as_deref())));
}

fn shown(event: Option<&str>) -> &str {
    event.unwrap_or("no event")
}

fn beside_live(text: &mut String, live: &LiveComparison, sequences: Option<(u64, u64)>) {
    let LiveComparison { same, different, only_live, only_replayed, unreadable, .. } = live;
    add(
        text,
        format_args!(
            "live events: {same} the same, {different} with another content, {only_live} only live, \
             {only_replayed} only here\n"
        ),
    );
    if let Some(LiveDifference { live, replayed }) = &live.first_different {
        text.push_str("  first with another content:\n");
        add(text, format_args!("    live:  {live}\n    here:  {}\n", shown(replayed.as_deref())));
    }
    let firsts = [("only live", &live.first_only_live), ("only here", &live.first_only_replayed)];
    for (where_, first) in firsts {
        if let Some((id, at)) = first {
            add(text, format_args!("  first {where_}: {id} at {}\n", output::time(*at)));
        }
    }
    if *unreadable > 0 {
        let parts = counted(*unreadable, "part");
        add(text, format_args!("  {parts} of the live events cannot be read\n"));
    }
    if !live.agrees() && sequences.is_some_and(|(first, _)| first > 1) {
        text.push_str(
            "  the journal does not begin with its first record: what was learned before it is missing here\n",
        );
    }
}

/// Appends to a text, which takes everything.
fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    _ = text.write_fmt(what);
}
