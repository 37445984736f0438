//! `bellwether tune`: a configuration that suits recorded history.

mod asked;
mod json;
mod progress;
mod text;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use anyhow::Context;
use bellwether_engine::Settings;
use bellwether_replay::eval::{CorpusFiles, Labels};
use bellwether_replay::plan::PlanInput;
use bellwether_replay::report::{agreeing, counted};
use bellwether_replay::tune::{
    Arena, ArenaWatch, Candidate, Fit, Found, SearchOptions, SearchWatch, State, Tried, TuneError,
    Windows, candidates, search,
};

use crate::cli::{TuneArgs, TuneFormat};
use crate::config::Config;
use crate::output;
use crate::replay::{Notes, asked_to_stop, complain, keep_servers};
use progress::Shown;

/// What is tuned on.
enum Ground {
    Input(PlanInput),
    Corpus(CorpusFiles),
}

/// Tries candidates, says what each gave, and writes the winner.
///
/// # Errors
/// When the input or the labels cannot be read, history is too short, what was tried before does not fit, or the configuration
/// cannot be written.
pub fn tune(args: &TuneArgs) -> anyhow::Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let ground = ground(args, threads)?;
    let trials = usize::try_from(args.trials).unwrap_or(usize::MAX);
    let candidates = candidates(trials, args.seed);
    let kept = args.output.with_extension("trials.jsonl");
    let asked = asked::asked(args, &ground)?;
    let (state, known) = if args.resume {
        State::resume(&kept, &asked)?
    } else {
        (State::create(&kept, &asked)?, Tried::new())
    };
    let (arena, found) = match try_all(args, ground, &candidates, &state, known, threads) {
        Err(error) if matches!(error.downcast_ref(), Some(TuneError::Stopped)) => {
            let path = kept.display();
            return Err(error.context(format!("--resume goes on from here: path=`{path}`")));
        }
        done => done?,
    };
    let report = text::Report { candidates: &candidates, arena: &arena, found: &found, args };
    let said = report.text();
    let winner = candidates.get(found.choice.winner).cloned().unwrap_or_default();
    fs::write(&args.output, text::configuration(&winner, &said))
        .with_context(|| format!("result cannot be written: path=`{}`", args.output.display()))?;
    match args.format {
        TuneFormat::Text => output::print(&format!("{said}Written to {}\n", args.output.display())),
        TuneFormat::Json => output::print(&output::json(&json::json(&report))?),
    }
}

/// What `args` names.
fn ground(args: &TuneArgs, threads: usize) -> anyhow::Result<Ground> {
    let Some(manifest) = &args.corpus else { return Ok(Ground::Input(args.input.find(threads)?)) };
    let beside = || manifest.with_file_name("labels.json");
    let labels: PathBuf = args.labels.clone().unwrap_or_else(beside);
    Ok(Ground::Corpus(CorpusFiles { labels, manifest: Some(manifest.clone()), data: None }))
}

fn try_all(
    args: &TuneArgs,
    ground: Ground,
    candidates: &[Candidate],
    state: &State,
    known: Tried,
    threads: usize,
) -> anyhow::Result<(Arena, Found)> {
    let stop = match &ground {
        // A journal is read from end to end, and ends with the process.
        Ground::Input(PlanInput::Journal(_)) => Arc::new(AtomicBool::new(false)),
        _ => asked_to_stop("ending without a result")?,
    };
    let notes = Notes::default();
    let watch = ArenaWatch { note: &|input, columns| notes.show(input, columns), stop: &stop };
    let arena = match ground {
        Ground::Corpus(files) => Arena::of_corpus(&files, &watch)?,
        Ground::Input(input) => {
            let input = keep_servers(input, &stop)?;
            let windows = args.labels.as_deref().map(windows).transpose()?;
            Arena::of_input(input, windows, args.seed, &watch)?
        }
    };
    complain(arena.findings(), None);
    if let (Some(fit), Some(labels)) = (arena.fit(), &args.labels) {
        warn_of(fit, labels);
    }
    let settings = candidates
        .iter()
        .map(|candidate| Ok(Arc::new(settings(candidate)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let shown = Shown::new();
    let watch = SearchWatch {
        tried: &|rung, candidate, trial| state.add(rung, candidate, trial),
        progress: &|progress| shown.show(progress),
        stop: &stop,
    };
    let options = SearchOptions { limit_per_day: args.per_day, threads, seed: args.seed };
    let found = search(&arena, &settings, known, &options, &watch);
    shown.end();
    Ok((arena, found?))
}

/// Says how many windows of `labels` nothing can find.
fn warn_of(fit: Fit, labels: &Path) {
    let Fit { windows, of_unknown_series, outside } = fit;
    let (windows, labels) = (counted(windows as u64, "labelled window"), labels.display());
    if of_unknown_series > 0 {
        let count = agreeing(of_unknown_series as u64, "counts", "count");
        output::warn(&format!(
            "the input does not have the series of {of_unknown_series} of {windows}, which {count} as missed: path=`{labels}`"
        ));
    }
    if outside > 0 {
        let are = agreeing(outside as u64, "is", "are");
        output::warn(&format!(
            "{outside} of {windows} {are} outside the time that is scored, the last four fifths of the input: path=`{labels}`"
        ));
    }
}

fn settings(candidate: &Candidate) -> anyhow::Result<Settings> {
    let text = candidate.yaml();
    let config = Config::parse(&text, "candidate", Path::new("."), &HashMap::new())?;
    Ok(config.engine)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_a_configuration_and_the_first_is_the_default() {
        for candidate in candidates(300, 3) {
            settings(&candidate).unwrap_or_else(|error| panic!("{error}\n{}", candidate.yaml()));
        }
        let default = settings(&Candidate::default()).unwrap();
        let bare = Config::parse("", "bare", Path::new("."), &HashMap::new()).unwrap().engine;
        assert_eq!(Settings { digest: bare.digest.clone(), ..default }, bare);
        let chain = Candidate {
            detectors: Some(bellwether_replay::tune::Chain::default()),
            ..Candidate::default()
        };
        let named = settings(&chain).unwrap();
        assert_eq!(Settings { digest: bare.digest.clone(), ..named }, bare);
    }
}
