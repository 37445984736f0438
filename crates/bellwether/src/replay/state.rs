//! Where what a replay has learned goes: the data folder of a `run` that is not running.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use bellwether_replay::history::HistorySummary;
use bellwether_replay::journal::{Summary, is_journal};
use bellwether_replay::report::{agreeing, counted};
use bellwether_runtime::{Adopted, Durability, Learned, adopt};
use bellwether_series::Timestamp;

use super::journal::nothing;
use crate::adoptions::{self, Adoption};
use crate::config::Config;
use crate::output;
use crate::run::data_dir::DataDir;
use crate::service::durability;

/// A data folder, held so that nobody runs on it meanwhile.
pub(super) struct Target {
    path: PathBuf,
    durability: Durability,
    force: bool,
    /// Whether what is replayed is the journal of that folder.
    is_input: bool,
    _held: DataDir,
}

impl Target {
    /// Takes the folder at `path` for what will be learned from `inputs`. `config` is the file that `run` will have.
    ///
    /// # Errors
    /// When the folder is in use or cannot be used, when nothing is kept under that configuration, or when something was learned
    /// there already that is not what is replayed, unless that is to be replaced by `force`.
    pub(super) fn take(
        path: &Path,
        inputs: &[PathBuf],
        config: Option<&Path>,
        force: bool,
    ) -> anyhow::Result<Self> {
        let mut config = Config::load(config).context("nothing was replayed")?;
        path.clone_into(&mut config.data_dir);
        let Some(durability) = durability(&config, Arc::new(())) else {
            bail!("under this configuration `run` keeps nothing: journal.enabled=`false`");
        };
        let held = DataDir::open(path)?;
        let is_input = matches!(inputs, [input] if is_journal(input) && is_in(input, path));
        let is_fresh = [&durability.checkpoints.folder, &durability.journal.folder]
            .into_iter()
            .all(|folder| is_empty(&path.join(folder)));
        if !is_fresh && !is_input && !force {
            bail!(
                "something was learned in this data folder already: path=`{}`; take another one, or replace it with --force",
                path.display()
            );
        }
        Ok(Self { path: path.to_owned(), durability, force, is_input, _held: held })
    }

    /// Where results go that nobody wants elsewhere.
    pub(super) fn results(&self) -> PathBuf {
        self.path.join("replay")
    }

    /// Whether what was read of a journal may take the place of what was learned from it.
    ///
    /// # Errors
    /// When more was known than the journal still says, unless that is to be forgotten.
    pub(super) fn check(&self, summary: &Summary) -> anyhow::Result<()> {
        if !self.is_input || self.force {
            return Ok(());
        }
        let findings = &summary.findings;
        match summary.first_sequence {
            None => bail!("nothing was learned: the journal is empty"),
            Some(first @ 2..) => bail!(
                "the journal begins with record {first}, and what was learned before would be forgotten: learn from longer \
                 history with `warm-start`, or forget it with --force"
            ),
            Some(_) if findings.gaps > 0 || findings.undecodable > 0 => bail!(
                "the journal is damaged, and what was learned from what is missing would be forgotten: --force forgets it"
            ),
            Some(_) => Ok(()),
        }
    }

    /// Writes `learned` down, and says so.
    ///
    /// # Errors
    /// When it is nothing, or of the future, when it cannot be written, or the alerts that stand cannot be found out. What was there before is still in force.
    pub(super) fn adopt(self, learned: Learned, seen: &Seen) -> anyhow::Result<()> {
        let now = Timestamp::from_ms(jiff::Timestamp::now().as_millisecond());
        seen.is_worth_keeping(now, learned.settings.ordering.future_max_ms)?;
        let series = learned.intake.watched() + learned.intake.cold();
        let adopted = adopt(learned, &self.durability, now).with_context(|| {
            format!("what was learned cannot be written: path=`{}`", self.path.display())
        })?;
        let Adopted { generation, next, ended_alerts } = adopted;
        // It is in force; without its note only a later look at the journal goes wrong.
        adoptions::note(&self.path, Adoption { at_ms: now, next })
            .unwrap_or_else(|error| output::warn(&format!("{error:#}")));
        output::print(&format!(
            "{series} series learned: generation {generation} in {}; `bellwether run` goes on with it{}\n",
            self.path.display(),
            match ended_alerts {
                0 => String::new(),
                count => {
                    let (alerts, stand) =
                        (counted(count, "alert"), agreeing(count, "stands", "stand"));
                    format!(" and resolves {alerts} that {stand}")
                }
            }
        ))
    }
}

/// What was seen of an input, from which something was learned.
pub(super) struct Seen {
    samples: u64,
    excluded_samples: u64,
    newest: Option<Timestamp>,
}

impl Seen {
    pub(super) fn of_history(summary: &HistorySummary) -> Self {
        let HistorySummary { samples, excluded_samples, last_received_ms: newest, .. } = *summary;
        Self { samples, excluded_samples, newest }
    }

    pub(super) fn of_journal(summary: &Summary) -> Self {
        let Summary { samples, excluded_samples, last_received_ms: newest, .. } = *summary;
        Self { samples, excluded_samples, newest }
    }

    /// Whether `run` is better off with what was learned than without.
    ///
    /// # Errors
    /// When nothing was seen; or when something was that is later than a sample of `now` may be, since all that `run` receives until
    /// that time would be too late.
    fn is_worth_keeping(&self, now: Timestamp, future_max_ms: i64) -> anyhow::Result<()> {
        if self.samples == 0 {
            bail!("nothing was learned: {}", nothing(self.excluded_samples));
        }
        if let Some(newest) = self.newest
            && newest > now.plus_ms(future_max_ms)
        {
            bail!(
                "history ends in the future, and all that is received until then would be too late; look at the unit and the zone \
                 of its times, or leave its end out with --exclude: newest=`{}`",
                output::time(newest)
            );
        }
        Ok(())
    }
}

/// Whether `input` is the data folder `path` or lies in it.
fn is_in(input: &Path, path: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(path).is_some_and(|path| real(input).is_some_and(|input| input.starts_with(path)))
}

/// Whether there is nothing in `folder`, which may be missing.
fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_what_is_of_the_future_are_not_kept() {
        let now = Timestamp::from_ms(1_750_000_000_000);
        let seen = |samples, newest_ms: i64| Seen {
            samples,
            excluded_samples: 0,
            newest: Some(now.plus_ms(newest_ms)),
        };
        assert!(seen(1, 600_000).is_worth_keeping(now, 600_000).is_ok());
        let refused = |seen: Seen| seen.is_worth_keeping(now, 600_000).unwrap_err().to_string();
        assert!(refused(seen(1, 600_001)).contains("newest=`2025-06-15T15:16:40Z`"));
        assert!(refused(seen(0, 0)).contains("holds no samples"));
        let excluded = Seen { excluded_samples: 3, ..seen(0, 0) };
        assert!(refused(excluded).contains("are left out"));
    }
}
