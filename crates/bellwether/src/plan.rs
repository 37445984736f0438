//! `bellwether plan`: which alerts another configuration would change.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bellwether_engine::Settings;
use bellwether_replay::plan::{
    Change, Plan, PlanInput, PlanWatch, compare, markdown, replay_both, text,
};

use crate::cli::{PlanArgs, PlanFormat};
use crate::config::Config;
use crate::output;
use crate::replay::{Notes, asked_to_stop, bar, complain, keep_servers};

/// The bar is drawn in so many steps.
const STEPS: f64 = 1000.0;

/// Plans a change of the configuration. Says whether it has no change that was asked to fail.
///
/// # Errors
/// When a configuration is wrong, the input cannot be replayed, or the plan cannot be written.
pub fn plan(args: &PlanArgs) -> anyhow::Result<bool> {
    let load = |path: Option<&Path>| Config::load(path).context("nothing was planned");
    let new = Arc::new(load(Some(&args.new))?.engine);
    let input = args.input.find(2)?;
    let old = match (&args.old, &input) {
        // Under what was in force when it was written.
        (None, PlanInput::Journal(_)) => None,
        (old, _) => Some(Arc::new(load(old.as_deref())?.engine)),
    };
    // A place that cannot be written is better known before the work than after it.
    let file = args.output.as_deref().map(Place::open).transpose()?;
    let plan = make(input, old.as_ref(), &new, args.moved)?;
    let text = match args.format {
        PlanFormat::Text => text(&plan, args.rows),
        PlanFormat::Json => output::json(&plan)?,
        PlanFormat::Markdown => markdown(&plan, args.rows),
    };
    match file {
        None => output::print(&text)?,
        Some(place) => place.write(&text)?,
    }
    let fails = |change: Change| {
        plan.counts.of(change) > 0 && args.fail_on.iter().any(|kind| kind.means(change))
    };
    Ok(!Change::ALL.into_iter().any(fails))
}

/// Where a plan is written. What is there stays until there is a plan.
struct Place<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Place<'a> {
    fn open(path: &'a Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        Ok(Self { path, file: file.with_context(|| refused(path))? })
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        let mut write = || {
            // A pipe or a terminal has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(text.as_bytes())
        };
        write().with_context(|| refused(self.path))
    }
}

fn refused(path: &Path) -> String {
    format!("plan cannot be written: path=`{}`", path.display())
}

/// Replays `input` under both, and shows how far it is.
fn make(
    input: PlanInput,
    old: Option<&Arc<Settings>>,
    new: &Arc<Settings>,
    moved_ms: i64,
) -> anyhow::Result<Plan> {
    // A journal is read from end to end, and ends with the process.
    let stop = match &input {
        PlanInput::Journal(_) => Arc::new(AtomicBool::new(false)),
        PlanInput::History { .. } => asked_to_stop("ending without a plan")?,
    };
    let input = keep_servers(input, &stop)?;
    let (notes, bar) = (Notes::default(), bar("{wide_bar} {percent} %, {eta} left"));
    bar.set_length((2.0 * STEPS) as u64);
    let done = Mutex::new([0.0; 2]);
    let progress = |number: usize, share: f64| {
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = done.get_mut(number) {
            *one = share;
        }
        bar.set_position((done.iter().sum::<f64>() * STEPS) as u64);
    };
    let watch = PlanWatch {
        note: &|input, columns| notes.show(input, columns),
        progress: &progress,
        stop: &stop,
    };
    let (old, new) = replay_both(&input, old, Some(new), &watch)?;
    bar.finish_and_clear();
    complain(&old.findings, Some("--old"));
    anyhow::ensure!(old.sampled_ms.is_some(), "nothing was planned: the input holds no samples");
    Ok(compare(&old, &new, moved_ms))
}
