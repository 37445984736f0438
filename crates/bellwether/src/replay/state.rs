//! Where what a replay has learned goes: the data folder of a `run` that is not running.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use bellwether_replay::journal::{Summary, is_journal};
use bellwether_runtime::{Adopted, Durability, Learned, adopt};
use bellwether_series::Timestamp;

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
    /// When it cannot be written, or the alerts that stand cannot be found out. What was there before is still in force.
    pub(super) fn adopt(self, learned: Learned) -> anyhow::Result<()> {
        let now = Timestamp::from_ms(jiff::Timestamp::now().as_millisecond());
        let series = learned.intake.watched();
        let adopted = adopt(learned, &self.durability, now).with_context(|| {
            format!("what was learned cannot be written: path=`{}`", self.path.display())
        })?;
        let Adopted { generation, ended_alerts, .. } = adopted;
        output::print(&format!(
            "{series} series learned: generation {generation} in {}; `bellwether run` goes on with it{}\n",
            self.path.display(),
            match ended_alerts {
                0 => String::new(),
                count => format!(" and resolves {count} alerts that stand"),
            }
        ))
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
