//! What `bellwether tune` says and writes.

use std::fmt::Write;

use bellwether_replay::tune::{BLOCKS, Blocks, Candidate, Choice, Trial};

/// What was tried, what won, and by how much.
pub(super) fn text(trials: &[Trial], choice: &Choice, blocks: &Blocks, per_day: f64) -> String {
    let is_labelled = choice.held_out.is_some();
    let alarms = if is_labelled { "false alarms" } else { "alerts" };
    let mut text = format!(
        "{} candidates on {BLOCKS} blocks of {:.1} days each, after a fifth that is only learned from\n",
        trials.len(),
        blocks.days(),
    );
    let mut line = |what: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        _ = writeln!(text, "{what}");
    };
    line(format_args!(
        "   budget    for  deviation  {alarms} a day, worst block  {}",
        if is_labelled { "found of windows    F1" } else { "" }
    ));
    for (index, trial) in trials.iter().enumerate() {
        let Candidate { per_day, for_s, min_relative } = trial.candidate;
        let worst = (0..BLOCKS).map(|block| trial.block(block).false_alarms).max().unwrap_or(0);
        let all = trial.all();
        let found = if is_labelled {
            format!("{} of {}  {:.3}", all.found, all.windows, all.f1())
        } else {
            String::new()
        };
        let mark = if index == choice.winner { '*' } else { ' ' };
        let daily = all.false_alarms as f64 / (blocks.days() * BLOCKS as f64);
        let worst = worst as f64 / blocks.days();
        line(format_args!(
            "{mark} {per_day:>7} {for_s:>5}s  {min_relative:>9}  {daily:>8.2} {worst:>8.2}  {found}"
        ));
    }
    if let Some(held_out) = choice.held_out {
        let (low, high) = held_out.gain;
        line(format_args!(
            "On blocks that had no say: F1 {:.3}, the default's {:.3}; the gain is from {low:+.3} to {high:+.3} (90 %, series drawn anew)",
            held_out.chosen_f1, held_out.default_f1,
        ));
    }
    let verdict = match (choice.best, choice.winner) {
        (None, _) => format!(
            "No candidate stays within {per_day} {alarms} a day in every block: the default is kept"
        ),
        (Some(_), 0) => "Nothing is better than the default for sure: it is kept".to_owned(),
        (Some(_), _) if is_labelled => {
            format!("* is better than the default, within {per_day} {alarms} a day")
        }
        (Some(_), _) => {
            format!("* is the most sensitive within {per_day} {alarms} a day in every block")
        }
    };
    line(format_args!("{verdict}"));
    text
}

/// The configuration, with what speaks for it as comments.
pub(super) fn configuration(winner: &Candidate, said: &str) -> String {
    let mut text = "# Chosen by `bellwether tune`:\n".to_owned();
    for line in said.lines() {
        _ = writeln!(text, "# {}", line.trim_end());
    }
    text + &winner.yaml()
}
