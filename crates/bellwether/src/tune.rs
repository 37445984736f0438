//! `bellwether tune`: a configuration that suits recorded history.

mod text;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use bellwether_replay::eval::Labels;
use bellwether_replay::plan::{PlanError, PlanInput, PlanWatch, Replayed, replay_alerts};
use bellwether_replay::tune::{Blocks, Candidate, Trial, Windows, choose};

use crate::cli::TuneArgs;
use crate::config::Config;
use crate::output;
use crate::replay::{Notes, asked_to_stop, bar, complain};

/// Tries candidates, says what each gave, and writes the winner.
///
/// # Errors
/// When the input or the labels cannot be read, history is too short, or the configuration cannot be written.
pub fn tune(args: &TuneArgs) -> anyhow::Result<()> {
    let windows = args.labels.as_deref().map(windows).transpose()?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let input = args.input.find(threads)?;
    let candidates = Candidate::all();
    let replays = replays(&input, &candidates, threads)?;
    let (since_ms, until_ms) =
        replays.first().and_then(|first| first.received_ms).context("there is no history")?;
    let blocks = Blocks::new(since_ms, until_ms).context("history is too short to be cut")?;
    let is_labelled = windows.is_some();
    let windows = windows.unwrap_or_default();
    let trials: Vec<Trial> = candidates
        .iter()
        .zip(&replays)
        .map(|(&candidate, replayed)| Trial::new(candidate, &replayed.alerts, &windows, &blocks))
        .collect();
    let choice = choose(&trials, &blocks, args.per_day, is_labelled, args.seed);
    let said = text::text(&trials, &choice, &blocks, args.per_day);
    let winner = candidates.get(choice.winner).copied().unwrap_or(candidates[0]);
    fs::write(&args.output, text::configuration(&winner, &said))
        .with_context(|| format!("result cannot be written: path=`{}`", args.output.display()))?;
    output::print(&format!("{said}Written to {}\n", args.output.display()))
}

/// The labelled windows.
fn windows(path: &Path) -> anyhow::Result<Windows> {
    let labels = Labels::read(path)?;
    let ms = |seconds: f64| (seconds * 1000.0) as i64;
    let of = |id: &str| {
        let windows = labels.of(id, "").unwrap_or_default().iter();
        windows.map(|window| (ms(window.start_s), ms(window.end_s))).collect()
    };
    Ok(labels.ids().map(|id| (id.to_owned(), of(id))).collect())
}

/// Replays `input` under each candidate, on `threads` at the same time.
fn replays(
    input: &PlanInput,
    candidates: &[Candidate],
    threads: usize,
) -> anyhow::Result<Vec<Replayed>> {
    let stop = match input {
        PlanInput::Journal(_) => Arc::new(AtomicBool::new(false)),
        PlanInput::History { .. } => asked_to_stop("ending without a result")?,
    };
    let settings = candidates
        .iter()
        .map(|candidate| {
            let text = candidate.yaml();
            let config = Config::parse(&text, "candidate", Path::new("."), &HashMap::new())?;
            Ok(Arc::new(config.engine))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (notes, bar) = (Notes::default(), bar("{wide_bar} {pos}/{len} candidates, {eta} left"));
    bar.set_length(candidates.len() as u64);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(settings) = settings.get(index) else { return };
                    let watch = PlanWatch {
                        note: &|input, columns| notes.show(input, columns),
                        progress: &|_, _| {},
                        stop: &stop,
                    };
                    let replayed = replay_alerts(input, Some(settings), index, &watch);
                    // What one of them cannot read none can: no other is begun.
                    let is_over = replayed.is_err();
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, replayed));
                    bar.inc(1);
                    if is_over {
                        next.fetch_add(candidates.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|&(index, _)| index);
    let all: Vec<Replayed> =
        done.into_iter().map(|(_, replayed)| replayed).collect::<Result<_, PlanError>>()?;
    if let Some(first) = all.first() {
        complain(&first.findings);
    }
    Ok(all)
}
