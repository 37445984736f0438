//! The search: candidates on ever larger shares, as many at the same time as there are threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bellwether_engine::Settings;
use serde::Serialize;

use super::arena::Arena;
use super::choose::{Choice, Rule, choose};
use super::error::TuneError;
use super::halving::{Field, Share};
use super::score::Trial;

/// Trials by rung, from 0, and candidate.
pub type Tried = BTreeMap<(usize, usize), Trial>;

/// How it is searched.
#[derive(Debug, Clone, Copy)]
pub struct SearchOptions {
    /// Most false alarms a day in each block.
    pub limit_per_day: f64,
    /// Candidates that are tried at the same time, at least 1.
    pub threads: usize,
    /// Decides which pairs are drawn for the interval.
    pub seed: u64,
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchProgress {
    /// The rung, from 0.
    pub rung: usize,
    /// Of so many.
    pub rungs: usize,
    /// Candidates that were tried on it.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// Who hears of a search while it goes on.
pub struct SearchWatch<'a> {
    /// Hears of each trial, by rung and candidate.
    pub tried: &'a (dyn Fn(usize, usize, &Trial) -> Result<(), TuneError> + Sync),
    /// Hears how far it is.
    pub progress: &'a (dyn Fn(SearchProgress) + Sync),
    /// Ends it when it becomes true, with [`TuneError::Stopped`].
    pub stop: &'a AtomicBool,
}

/// What came of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// How many candidates were tried on which share.
    pub rungs: Vec<Rung>,
    /// The trials of those that were tried on the whole.
    pub trials: BTreeMap<usize, Trial>,
    /// What was chosen.
    pub choice: Choice,
}

/// A share, and how many candidates were tried on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rung {
    /// The share.
    pub share: Share,
    /// The candidates.
    pub candidates: usize,
}

/// Tries all `candidates`, the default first, in `arena`. What is `known` already is not tried again.
///
/// # Errors
/// On the first trial that fails.
pub fn search(
    arena: &Arena,
    candidates: &[Arc<Settings>],
    mut known: Tried,
    options: &SearchOptions,
    watch: &SearchWatch<'_>,
) -> Result<Found, TuneError> {
    let rule = Rule {
        objective: arena.objective(),
        limit_per_day: options.limit_per_day,
        is_lenient: false,
    };
    let mut field = Field::new(candidates.len());
    let mut rungs = Vec::new();
    for (rung, &share) in arena.shares().iter().enumerate() {
        let everyone = field.everyone();
        rungs.push(Rung { share, candidates: everyone.len() });
        let left: Vec<usize> =
            everyone.iter().copied().filter(|&index| !known.contains_key(&(rung, index))).collect();
        let begin = SearchProgress {
            rung,
            rungs: arena.shares().len(),
            done: everyone.len() - left.len(),
            total: everyone.len(),
        };
        let trials = side_by_side(arena, candidates, &left, begin, share, options.threads, watch)?;
        known.extend(trials.into_iter().map(|(index, trial)| ((rung, index), trial)));
        if rung + 1 < arena.shares().len() {
            let lenient = Rule { is_lenient: true, ..rule };
            field.thin(&|index| known.get(&(rung, index)).cloned(), &lenient);
        }
    }
    let last = rungs.len().saturating_sub(1);
    let trials: BTreeMap<usize, Trial> = known
        .into_iter()
        .filter(|((rung, _), _)| *rung == last)
        .map(|((_, index), trial)| (index, trial))
        .collect();
    let choice = choose(&trials, &field, &rule, options.seed);
    Ok(Found { rungs, trials, choice })
}

/// Tries the `left` candidates on `share`, several at the same time.
fn side_by_side(
    arena: &Arena,
    candidates: &[Arc<Settings>],
    left: &[usize],
    begin: SearchProgress,
    share: Share,
    threads: usize,
    watch: &SearchWatch<'_>,
) -> Result<Vec<(usize, Trial)>, TuneError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(begin.done));
    let trials = Mutex::new(Vec::with_capacity(left.len()));
    (watch.progress)(begin);
    let work = || -> Result<(), TuneError> {
        while let Some(&index) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
            if watch.stop.load(Ordering::Relaxed) {
                return Err(TuneError::Stopped);
            }
            let Some(settings) = candidates.get(index) else { continue };
            let trial = arena.play(settings, share, watch.stop)?;
            (watch.tried)(begin.rung, index, &trial)?;
            trials.lock().unwrap_or_else(PoisonError::into_inner).push((index, trial));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            (watch.progress)(SearchProgress { done, ..begin });
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, left.len().max(1)))
            .map(|_| {
                scope.spawn(|| {
                    let worked = work();
                    if worked.is_err() {
                        // What one of them cannot read none can: no other is begun.
                        next.fetch_add(left.len(), Ordering::Relaxed);
                    }
                    worked
                })
            })
            .collect();
        let worked: Vec<_> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err(TuneError::Thread)))
            .collect();
        worked.into_iter().collect::<Result<(), TuneError>>()
    })?;
    Ok(trials.into_inner().unwrap_or_else(PoisonError::into_inner))
}
