//! A journal's events, written down.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::Settings;
use bellwether_runtime::Learned;
use bellwether_runtime::stored::StoredBody;

use super::error::JournalReplayError;
use super::figures::Summary;
use super::machine::Whole;
use super::tape::{Progress, Tape};
use crate::exclude::Exclusions;
use crate::history::earlier;
use crate::report::{Facts, Observer};

/// Replays the journal in `folder`, which holds it or is it, and writes `events.jsonl`, `summary.json` and `report.html` to
/// `output`, which is made when it is missing. `settings` are in force throughout; without them what the journal says. What
/// `exclusions` name is left out; of judgements `report_bytes` are kept for the report. `progress` hears after each record how
/// far it is. What the engine has learned by the end comes with the summary.
///
/// # Errors
/// Whatever [`JournalReplayError`] lists. Damage is none: it is in the summary.
pub fn replay_journal(
    folder: &Path,
    output: &Path,
    settings: Option<Arc<Settings>>,
    exclusions: &Exclusions,
    report_bytes: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Summary, Learned), JournalReplayError> {
    let mut tape = Tape::open(folder, settings)?.without(exclusions);
    fs::create_dir_all(output).map_err(refused(output))?;
    if same(folder, output) || same(&folder.join("journal"), output) {
        return Err(JournalReplayError::OutputIsInput { path: output.to_owned() });
    }
    earlier::remove(output).map_err(|cause| refused(output)(io::Error::other(cause)))?;
    let path = output.join("events.jsonl");
    let mut events = BufWriter::new(File::create(&path).map_err(refused(&path))?);
    let mut machine = Whole::new(tape.settings());
    machine.outputs.scores = Some(Vec::new());
    let mut observer = Observer::new(report_bytes);
    let mut summary = Summary::default();
    while let Some(played) = tape.next()? {
        let outcome = machine.step(&played);
        summary.records += 1;
        summary.first_sequence.get_or_insert(played.sequence);
        summary.last_sequence = Some(played.sequence);
        summary.first_received_ms.get_or_insert(played.received_at);
        summary.last_received_ms = Some(played.received_at);
        match &played.body {
            StoredBody::Request { .. } => {
                summary.requests += 1;
                summary.count_request(&outcome);
            }
            _ if played.configures => summary.configurations += 1,
            _ => summary.heartbeats += 1,
        }
        summary.judged_samples += machine.outputs.counts.judged;
        observer.count(&machine.outputs.counts);
        let scores = machine.outputs.scores.as_deref().unwrap_or_default();
        observer.take(scores, &machine.outputs.events);
        for event in &machine.outputs.events {
            summary.events.count(event);
            serde_json::to_writer(&mut events, event)
                .map_err(io::Error::from)
                .and_then(|()| events.write_all(b"\n"))
                .map_err(refused(&path))?;
        }
        progress(tape.progress());
    }
    events.flush().map_err(refused(&path))?;
    summary.excluded_samples = tape.excluded_samples();
    let intake = machine.engine.intake();
    summary.series = intake.series() + intake.cold();
    summary.config_digest = tape.settings().digest.to_string();
    summary.findings = tape.findings();
    let path = output.join("summary.json");
    let text = serde_json::to_string_pretty(&summary).map_err(io::Error::from);
    text.and_then(|text| fs::write(&path, text + "\n")).map_err(refused(&path))?;
    let facts = Facts {
        received: summary.first_received_ms.zip(summary.last_received_ms),
        samples: (summary.samples, summary.judged_samples),
        series: summary.series,
        part: (1, 1),
        is_complete: true,
    };
    observer
        .write(output, &facts, tape.settings())
        .map_err(|cause| refused(&output.join("report.html"))(io::Error::other(cause)))?;
    let (intake, partitions) = machine.engine.into_learned();
    Ok((summary, Learned { settings: Arc::clone(tape.settings()), intake, partitions }))
}

fn refused(path: &Path) -> impl FnOnce(io::Error) -> JournalReplayError {
    |source| JournalReplayError::Output { path: path.to_owned(), source }
}

fn same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}
