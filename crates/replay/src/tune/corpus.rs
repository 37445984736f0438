//! A labelled corpus as a place to try candidates: each of its files is a fleet of its own, with its own blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwether_engine::{Outputs, Settings};
use bellwether_series::Fingerprint;

use super::error::TuneError;
use super::halving::{Share, Unit};
use super::score::{BLOCKS, Blocks, Trial};
use super::windows::{Windows, count};
use crate::corpus::{SeriesFile, each_row};
use crate::eval::{CorpusFiles, SeriesSpec, catalogue, probation_rows};
use crate::plan::Alerts;

/// The files, and how each is cut.
pub(super) struct CorpusArena(Vec<File>);

struct File {
    spec: SeriesSpec,
    blocks: Blocks,
    windows: Vec<(i64, i64)>,
}

impl CorpusArena {
    /// Looks at the times of all files. Those that are too short to be cut are left out.
    pub(super) fn look_at(files: &CorpusFiles, stop: &AtomicBool) -> Result<Self, TuneError> {
        let mut all = Vec::new();
        for spec in catalogue(files)? {
            if stop.load(Ordering::Relaxed) {
                return Err(TuneError::Stopped);
            }
            let Some(blocks) = blocks(&spec)? else { continue };
            let ms = |seconds: f64| (seconds * 1000.0) as i64;
            let windows = spec.windows.iter().map(|window| (ms(window.start_s), ms(window.end_s)));
            let windows = windows.collect();
            all.push(File { spec, blocks, windows });
        }
        if all.is_empty() { Err(TuneError::TooShort) } else { Ok(Self(all)) }
    }

    pub(super) fn units(&self) -> Vec<Unit> {
        self.0.iter().map(File::unit).collect()
    }

    /// Replays the files of `share` under `settings`, one after the other.
    pub(super) fn play(
        &self,
        settings: &Arc<Settings>,
        share: Share,
        stop: &AtomicBool,
    ) -> Result<Trial, TuneError> {
        let mut sum = Trial::default();
        for file in self.0.iter().filter(|file| share.has(file.unit().key)) {
            let trial = file.play(settings, share.blocks, stop)?;
            for (sum, days) in sum.days.iter_mut().zip(trial.days) {
                *sum += days;
            }
            sum.series.extend(trial.series);
        }
        Ok(sum)
    }
}

/// The blocks of the scored part of a file; `None` if it is too short.
fn blocks(spec: &SeriesSpec) -> Result<Option<Blocks>, TuneError> {
    let Some(path) = &spec.data else { return Ok(None) };
    let mut file = SeriesFile::open(path, &spec.id)?;
    let mut times_ms = Vec::new();
    while let Some(row) = file.next_row()? {
        times_ms.push(row.at.as_ms());
    }
    let from = spec.score_from.unwrap_or_else(|| probation_rows(times_ms.len()));
    let until_ms = times_ms.iter().copied().max();
    let learned_ms = times_ms.get(from).copied();
    Ok(learned_ms.zip(until_ms).and_then(|(learned, until)| Blocks::behind(learned, until)))
}

impl File {
    fn unit(&self) -> Unit {
        let key = Fingerprint::of_parts(&[self.spec.id.as_bytes()]).as_u128() as u64;
        let mut windows = [0; BLOCKS];
        for block in self.windows.iter().filter_map(|window| self.blocks.of(window.0)) {
            windows[block] += 1;
        }
        Unit { key, windows }
    }

    fn play(
        &self,
        settings: &Arc<Settings>,
        blocks: usize,
        stop: &AtomicBool,
    ) -> Result<Trial, TuneError> {
        let Some(path) = &self.spec.data else { return Ok(Trial::default()) };
        let end_ms = self.blocks.end_ms(blocks);
        let mut alerts = Alerts::default();
        let mut outputs = Outputs::default();
        each_row(path, &self.spec.id, settings, &mut outputs, &mut |row, outputs| {
            for event in &outputs.events {
                alerts.take(event);
            }
            row.at.as_ms() < end_ms && !stop.load(Ordering::Relaxed)
        })?;
        if stop.load(Ordering::Relaxed) {
            return Err(TuneError::Stopped);
        }
        let mut alerts = alerts.finish();
        // Whichever column alerts, and the group of them: it is the file that is labelled.
        let id: Arc<str> = self.spec.id.as_str().into();
        for alert in &mut alerts {
            alert.series = Arc::clone(&id);
        }
        let days = self.blocks.days();
        let days = std::array::from_fn(|block| if block < blocks { days } else { 0.0 });
        let mut trial = Trial { days, ..Trial::default() };
        let windows = Windows::from([(self.spec.id.clone(), self.windows.clone())]);
        count(&mut trial, &alerts, &windows, &self.blocks);
        Ok(trial)
    }
}
