//! What `bellwether tune` says and writes.

use std::fmt::Write;

use bellwether_replay::report::{DAY_MS, agreeing, counted, duration_text, is_extrapolated};
use bellwether_replay::tune::{
    Arena, BLOCKS, Candidate, Drawn, Found, HeldOut, Objective, Rule, Rung, Share, Trial, Verdict,
    ranked,
};

use crate::cli::TuneArgs;

/// Candidates that are shown, besides the default.
const SHOWN_MAX: usize = 10;

/// A search and what came of it.
pub(super) struct Report<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) arena: &'a Arena,
    pub(super) found: &'a Found,
    pub(super) args: &'a TuneArgs,
}

impl Report<'_> {
    /// By what candidates are compared that were tried on the whole.
    fn rule(&self) -> Rule {
        Rule {
            objective: self.arena.objective(),
            limit_per_day: self.args.per_day,
            is_lenient: false,
        }
    }

    /// The candidates that were tried on the whole, best first.
    pub(super) fn by_rank(&self) -> Vec<usize> {
        let rule = self.rule();
        let trials: Vec<(usize, &Trial)> =
            self.found.trials.iter().map(|(&index, trial)| (index, trial)).collect();
        let every: Vec<usize> = (0..BLOCKS).collect();
        ranked(&trials, &every, &rule)
    }

    /// What was tried, what won, and by how much.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str| {
            text.push_str(what);
            text.push('\n');
        };
        let Self { args, found, .. } = self;
        line(&match args.trials {
            1 => "1 candidate, the default".to_owned(),
            trials => {
                format!("{trials} candidates, the default and others drawn by seed {}", args.seed)
            }
        });
        for rung in &found.rungs {
            line(&format!("  {}", rung_words(rung)));
        }
        let days = found.trials.values().next().map_or(0.0, |trial| trial.days.iter().sum::<f64>());
        line(&format!(
            "{BLOCKS} blocks of {} each are scored, behind a part that is only learned from",
            duration_text(ms(days / BLOCKS as f64))
        ));
        if let Some(what) = self.extrapolated(days) {
            line(&what);
        }
        line(&format!("Looked for: {}", objective_words(self.arena.objective())));
        line("");
        line("    value  found of windows  false alarms a day: all, worst block  configuration");
        let ranks = self.by_rank();
        let shown = ranks.iter().take(SHOWN_MAX);
        for &index in shown.chain(ranks.iter().skip(SHOWN_MAX).filter(|&&index| index == 0)) {
            line(&self.row(index));
        }
        if let Some(more @ 1..) = ranks.len().checked_sub(SHOWN_MAX) {
            line(&format!("  {more} more; --format json has all"));
        }
        line("");
        if let Some(held_out) = &found.choice.held_out {
            for what in self.held_out(held_out) {
                line(&what);
            }
        }
        line(&self.verdict());
        text
    }

    /// That false alarms a day are those of less than a day, if that is so, where `days` are scored in all.
    fn extrapolated(&self, days: f64) -> Option<String> {
        let block_days = days / BLOCKS as f64;
        if !is_extrapolated(ms(block_days)) {
            return None;
        }
        let all = if is_extrapolated(ms(days)) {
            format!(", of all from {}", duration_text(ms(days)))
        } else {
            String::new()
        };
        let allowed = counted(self.rule().allowed(block_days) as u64, "false alarm");
        let block = duration_text(ms(block_days));
        Some(format!(
            "False alarms a day of a block are extrapolated from {block}{all}; within the limit a block may have {allowed}"
        ))
    }

    fn row(&self, index: usize) -> String {
        let (Some(trial), Some(candidate)) =
            (self.found.trials.get(&index), self.candidates.get(index))
        else {
            return String::new();
        };
        let sum = trial.sum(&trial.covered());
        let mark = if index == self.found.choice.winner { '*' } else { ' ' };
        format!(
            "{mark} {:>7.3}  {:>16}  {:>20.2} {:>14.2}  {}",
            self.arena.objective().value(&sum),
            format!("{} of {}", sum.found, sum.windows),
            trial.false_alarms_per_day(),
            trial.worst_per_day(),
            candidate.words()
        )
    }

    fn held_out(&self, held_out: &HeldOut) -> [String; 2] {
        let HeldOut { default_value, chosen_value, gain, false_alarms_per_day, drawn } = held_out;
        let drawn = match drawn {
            Drawn::Series => "series",
            Drawn::BlocksOfSeries => "blocks of series",
        };
        let name = match self.arena.objective() {
            Objective::F1 => "F1",
            Objective::Recall => "found",
            Objective::Alerts => "alerts",
        };
        [
            format!(
                "On blocks that had no say: {name} {chosen_value:.3}, the default's {default_value:.3}; the gain is from {:+.3} to {:+.3} \
                 (90 %, {drawn} drawn anew)",
                gain.0, gain.1
            ),
            format!(
                "False alarms a day there: {:.2}, the default's {:.2}",
                false_alarms_per_day.1, false_alarms_per_day.0
            ),
        ]
    }

    fn verdict(&self) -> String {
        let per_day = self.args.per_day.to_string();
        let is_one = u64::from(per_day == "1");
        let limit = format!("{per_day} false {} a day", agreeing(is_one, "alarm", "alarms"));
        match self.found.choice.verdict {
            Verdict::Better => {
                format!("* is better than the default, within {limit} in every block")
            }
            Verdict::WithinLimit => format!(
                "The default raises more than {limit} in some block; * is the best that does not"
            ),
            Verdict::DefaultStays => {
                "Nothing is better than the default for sure: it is written".to_owned()
            }
            Verdict::NoneWithin => {
                format!("No candidate stays within {limit} in every block: the default is written")
            }
            Verdict::MostAlerts => format!(
                "* raises as many alerts as {limit} {} in every block; nothing says whether they are good",
                agreeing(is_one, "allows", "allow")
            ),
        }
    }
}

/// So many days in milliseconds.
fn ms(days: f64) -> i64 {
    (days * DAY_MS as f64).round() as i64
}

fn rung_words(rung: &Rung) -> String {
    let Rung { share, candidates } = rung;
    let on = match share {
        Share { one_in: 1, blocks: BLOCKS } => "all of the input".to_owned(),
        Share { one_in: 1, blocks } => format!("the time up to block {blocks} of {BLOCKS}"),
        Share { one_in, .. } => format!("about one of {one_in} instances"),
    };
    format!("{candidates} on {on}")
}

fn objective_words(objective: Objective) -> &'static str {
    match objective {
        Objective::F1 => "the best F1 of labelled windows",
        Objective::Recall => "the largest share of faults that were put in",
        Objective::Alerts => "as many alerts as the limit allows",
    }
}

/// The configuration, with what speaks for it as comments.
pub(super) fn configuration(winner: &Candidate, said: &str) -> String {
    let mut text = "# Chosen by `bellwether tune`:\n".to_owned();
    for line in said.lines() {
        // Writing to a String cannot fail.
        _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    text + &winner.yaml()
}
