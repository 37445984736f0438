//! Recorded input from which an explanation is recomputed: a journal, or the history that results were made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use bellwether_engine::Settings;
use bellwether_replay::explain::{ExplainError, JournalRecords, Recorded, RecordsError};
use bellwether_replay::history::{HistoryProgress, Manifest, Watch, with_history_records};
use bellwether_replay::journal::{Progress, is_journal};

use crate::adoptions::{self, Adoption};
use crate::output;
use crate::replay::{bar, complain};

/// Where recorded input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// In a journal: a data folder, or the folder `journal` in it.
    Journal(PathBuf),
    /// Where the results in this folder say.
    Results(PathBuf),
}

/// Records, one after the other.
type Records<'a> = &'a mut dyn Iterator<Item = Result<Recorded, RecordsError>>;

impl Input {
    /// What `folder` holds.
    pub(super) fn at(folder: &Path) -> Self {
        let folder = folder.to_owned();
        if is_journal(&folder) { Self::Journal(folder) } else { Self::Results(folder) }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Journal(folder) | Self::Results(folder) => folder,
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Journal(_) => "journal",
            Self::Results(_) => "history",
        }
    }

    /// Does something with the records and the settings that they begin with, and names what is wrong with them. With the result comes
    /// the adoption that they do not have and that some of them were behind, if there was one.
    ///
    /// # Errors
    /// When there are none, or whatever `act` says.
    pub(super) fn with_records<T>(
        &self,
        act: impl FnOnce(&Arc<Settings>, Records<'_>) -> Result<T, ExplainError>,
    ) -> anyhow::Result<(T, Option<Adoption>)> {
        match self {
            Self::Journal(folder) => of_journal(folder, act),
            Self::Results(folder) => of_results(folder, act).map(|done| (done, None)),
        }
    }
}

fn of_journal<T>(
    folder: &Path,
    act: impl FnOnce(&Arc<Settings>, Records<'_>) -> Result<T, ExplainError>,
) -> anyhow::Result<(T, Option<Adoption>)> {
    let bar = bar("{wide_bar} {bytes}/{total_bytes}, {eta} left");
    let mut progress = |progress: Progress| {
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
    let done = act(&records.settings(), &mut records);
    let (findings, is_cut) = (records.findings(), records.lacks_its_beginning());
    let adoption = records.last_sequence().and_then(|last| adoptions::before(folder, last));
    bar.finish_and_clear();
    complain(&findings, None);
    if is_cut {
        output::warn(
            "the journal does not begin with its first record: what was learned before it is missing here, so that \
             judgements may differ from those of that time",
        );
    }
    if let Some(Adoption { at_ms, .. }) = adoption {
        output::warn(&format!(
            "what a `warm-start` or `replay --write-state` had learned was adopted at {}, and is not in the journal: judgements \
             behind that may differ from those of that time",
            output::time(at_ms)
        ));
    }
    Ok((done?, adoption))
}

fn of_results<T>(
    folder: &Path,
    act: impl FnOnce(&Arc<Settings>, Records<'_>) -> Result<T, ExplainError>,
) -> anyhow::Result<T> {
    let manifest = Manifest::read(folder).with_context(|| {
        format!(
            "name a data folder, or what `bellwether replay` made of files; for the results of a journal name that with --journal: \
             path=`{}`",
            folder.display()
        )
    })?;
    let inputs = manifest.inputs().context(
        "it cannot be recomputed; --events shows what was stored of an event, a new replay what there is now",
    )?;
    let bar = bar("reading {wide_bar} {bytes}/{total_bytes}, {eta} left");
    let progress = |progress: HistoryProgress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.read_bytes);
    };
    // It only reads, and ends with the process.
    let stop = AtomicBool::new(false);
    let watch = Watch { note: &|_, _| {}, progress: &progress, stop: &stop };
    let settings = Arc::new(manifest.settings.clone());
    let lateness_ms = settings.ordering.lateness_ms;
    let done = with_history_records(&inputs, &manifest.options(), lateness_ms, &watch, |records| {
        act(&settings, records)
    });
    bar.finish_and_clear();
    Ok(done?)
}
