//! `bellwether replay JOURNAL --output DIR`: the events of a journal.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bellwether_engine::Settings;
use bellwether_replay::Exclusions;
use bellwether_replay::journal::{Findings, Summary, replay_journal};
use bellwether_replay::report::{agreeing, counted};
use bellwether_runtime::Learned;
use bellwether_runtime::journal::TornTail;

use super::bar;
use crate::output;

/// Findings of each kind that are shown one by one; `summary.json` has more.
const SHOWN_MAX: usize = 10;

/// Replays the journal in `folder` without `exclusions`: what was replayed, and what was learned.
///
/// # Errors
/// When it cannot be read, or the results cannot be written.
pub(super) fn journal(
    folder: &Path,
    output: &Path,
    settings: Option<Arc<Settings>>,
    exclusions: &Exclusions,
    report_bytes: usize,
) -> anyhow::Result<(Summary, Learned)> {
    let started = Instant::now();
    let bar = bar("{wide_bar} {bytes}/{total_bytes}, {eta} left");
    let (summary, learned) =
        replay_journal(folder, output, settings, exclusions, report_bytes, &mut |progress| {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.done_bytes);
        })
        .with_context(|| format!("journal cannot be replayed: path=`{}`", folder.display()))?;
    bar.finish_and_clear();
    complain(&summary.findings, Some("--config"));
    output::print(&format!(
        "{}, {}, {}, {} series, {} in {:.1} s; results in {}\n",
        counted(summary.records, "record"),
        counted(summary.requests, "request"),
        counted(summary.samples, "sample"),
        summary.series,
        counted(summary.events.total, "event"),
        started.elapsed().as_secs_f64(),
        output.display(),
    ))?;
    say_excluded(summary.excluded_samples, exclusions)?;
    warn_of_nothing(summary.samples, summary.excluded_samples);
    Ok((summary, learned))
}

/// Says how many samples `exclusions` left out, if there are any.
pub(super) fn say_excluded(samples: u64, exclusions: &Exclusions) -> anyhow::Result<()> {
    match samples {
        0 if exclusions.is_empty() => Ok(()),
        0 => {
            output::warn(
                "nothing was left out: no sample of the input is in what --exclude or --exclude-file names",
            );
            Ok(())
        }
        _ => {
            let were = agreeing(samples, "was", "were");
            output::print(&format!("{} {were} left out\n", counted(samples, "sample")))
        }
    }
}

/// Says that there was nothing to replay, if that is so.
pub(super) fn warn_of_nothing(samples: u64, excluded_samples: u64) {
    if samples == 0 {
        output::warn(nothing(excluded_samples));
    }
}

/// Why there is nothing to learn or to compare.
pub(super) fn nothing(excluded_samples: u64) -> &'static str {
    if excluded_samples > 0 {
        "all samples of the input are left out"
    } else {
        "the input holds no samples"
    }
}

/// Names what was found wrong with a journal. A configuration that it does not say can be named with `option`, if with anything.
pub(crate) fn complain(findings: &Findings, option: Option<&str>) {
    if findings.configuration_unknown {
        let mend = option.map_or_else(String::new, |option| format!("; name one with {option}"));
        output::warn(&format!(
            "the journal does not say under which configuration it begins: the defaults were taken{mend}"
        ));
    }
    for gap in findings.first_gaps.iter().take(SHOWN_MAX) {
        let missing = match gap.missing {
            Some(count) => {
                format!("{} {} missing", counted(count, "record"), agreeing(count, "is", "are"))
            }
            None => "nobody knows how many records are missing".to_owned(),
        };
        output::warn(&format!(
            "damage in the journal: file=`{}`, byte=`{}`: from record {} on {missing}",
            gap.file, gap.offset, gap.first_missing
        ));
    }
    for record in findings.first_undecodable.iter().take(SHOWN_MAX) {
        output::warn(&format!(
            "record {} was passed over: file=`{}`, byte=`{}`: {}",
            record.sequence, record.file, record.offset, record.cause
        ));
    }
    for (count, what, rest) in [
        (findings.gaps, "damaged place", "in the journal"),
        (findings.undecodable, "record", "passed over"),
    ] {
        if let Some(more @ 1..) = count.checked_sub(SHOWN_MAX as u64) {
            output::warn(&format!("{} {rest}", counted(more, &format!("more {what}"))));
        }
    }
    if let Some(TornTail { file, offset, bytes, is_damaged }) = &findings.torn_tail {
        let what = if *is_damaged {
            "damage at the end of the journal, perhaps of a record that was acknowledged"
        } else {
            "the journal ends within a record, as after a crash"
        };
        output::warn(&format!("{what}: file=`{file}`, byte=`{offset}`, bytes=`{bytes}`"));
    }
}
