//! `bellwether eval`: results held against labels.

mod text;

use std::path::PathBuf;

use bellwether_replay::eval::{Baseline, CorpusFiles, EvalInput, Evaluation, Regression, evaluate};
use bellwether_replay::report::{agreeing, counted};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::EvalArgs;
use crate::output;

/// Incomplete results that are shown one by one.
const INCOMPLETE_SHOWN_MAX: usize = 5;

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    regressions: Option<&'a [Regression]>,
}

/// Scores results. Says whether all is well: with `--baseline` whether no figure got worse.
///
/// # Errors
/// When results, labels, manifest or baseline cannot be read, or the baseline cannot be written.
pub fn eval(args: &EvalArgs) -> anyhow::Result<bool> {
    // A baseline that cannot be read is better known before the work than after it.
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let evaluation = scored(args)?;
    complain(args, &evaluation);
    if let Some(path) = &args.save_baseline {
        Baseline::of(&evaluation).write(path)?;
    }
    let regressions =
        baseline.as_ref().map(|baseline| baseline.regressions(&evaluation, args.tolerance));
    output::print(&if args.json {
        let printed = Printed { evaluation: &evaluation, regressions: regressions.as_deref() };
        output::json(&printed)?
    } else {
        let mut text = text::text(&evaluation);
        if let (Some(baseline), Some(regressions)) = (&baseline, &regressions) {
            text += &text::regressions(regressions, baseline.figures(), args.tolerance);
        }
        text
    })?;
    Ok(regressions.is_none_or(|regressions| regressions.is_empty()))
}

fn scored(args: &EvalArgs) -> anyhow::Result<Evaluation> {
    let input = EvalInput {
        results: args.results.clone(),
        corpus: CorpusFiles {
            labels: args.labels.clone(),
            manifest: args.manifest.clone().or_else(|| beside(args)),
            data: args.data.clone(),
        },
        threshold: args.threshold,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    // Drawn on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} series")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let evaluation = evaluate(&input, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok(evaluation?)
}

/// The manifest that lies beside the labels, if there is one and nothing else says where the data is.
fn beside(args: &EvalArgs) -> Option<PathBuf> {
    let path = args.labels.with_file_name("manifest.json");
    (args.data.is_none() && path.is_file()).then_some(path)
}

/// Names the results that are not complete, and windows that count for nothing.
fn complain(args: &EvalArgs, evaluation: &Evaluation) {
    let (results, labels) = (args.results.display(), args.labels.display());
    for incomplete in evaluation.incomplete.iter().take(INCOMPLETE_SHOWN_MAX) {
        let (id, rows) = (&incomplete.id, incomplete.rows);
        let what = match incomplete.matched_rows {
            None => "series has no result, all its rows score 0".to_owned(),
            Some(matched) => {
                let do_match = agreeing(matched as u64, "matches", "match");
                format!(
                    "result does not have the rows of its series: {matched} of {rows} {do_match}"
                )
            }
        };
        output::warn(&format!("{what}: path=`{results}`, id=`{id}`"));
    }
    if let Some(more @ 1..) = evaluation.incomplete.len().checked_sub(INCOMPLETE_SHOWN_MAX) {
        let (more, are) = (counted(more as u64, "more result"), agreeing(more as u64, "is", "are"));
        output::warn(&format!("{more} {are} not complete: path=`{results}`; --json has all"));
    }
    if let Some(first) = evaluation.unscored.first() {
        let count = evaluation.unscored.iter().map(|one| one.unscored_windows as u64).sum();
        let (windows, end) = (counted(count, "labelled window"), agreeing(count, "ends", "end"));
        let for_nothing = agreeing(count, "counts for nothing", "count for nothing");
        output::warn(&format!(
            "{windows} {end} before the first row that is scored and {for_nothing}: path=`{labels}`, first id=`{}`; --json has all",
            first.id
        ));
    }
}
