//! An evaluation for a terminal: at most 100 columns.

use std::fmt::Write;

use bellwether_replay::eval::{AlertRule, DatasetFigures, Evaluation, MeanFigures, Regression};
use bellwether_replay::report::{DAY_MS, agreeing, counted, duration_text, is_extrapolated};

use crate::output::one_line;
use crate::report::wrap;

const WIDTH: usize = 100;

const HEADER: [&str; 11] = [
    "dataset",
    "VUS-PR",
    "AUC-PR",
    "prec",
    "recall",
    "F1",
    "range F1",
    "found",
    "false/day",
    "delay",
    "rows",
];

/// `evaluation` as text.
pub(super) fn text(evaluation: &Evaluation) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(evaluation.datasets.iter().map(dataset));
    rows.push(mean(&evaluation.mean));
    let mut text = table(&rows);
    // Writing to a String cannot fail.
    let short: Vec<String> = evaluation.datasets.iter().filter_map(short).collect();
    if !short.is_empty() {
        let line = format!("false/day is extrapolated from {}", short.join(", "));
        _ = writeln!(text, "\n{}", wrap(&line, WIDTH).join("\n"));
    }
    if let Some(nab) = &evaluation.nab {
        _ = writeln!(text, "\nNAB score, {}", counted(nab.windows as u64, "window"));
        for (profile, figures) in &nab.profiles {
            let threshold = match figures.optimised_threshold {
                Some(threshold) => format!("scores from {threshold:.4} on"),
                None => "nothing detected".to_owned(),
            };
            _ = writeln!(
                text,
                "  {profile:<20}{:>7.2} with these alerts, {:.2} at best ({threshold})",
                figures.fixed, figures.optimised,
            );
        }
    }
    let rule = match evaluation.alert_rule {
        AlertRule::IsAlert => "is_alert says so".to_owned(),
        AlertRule::ScoreAtLeast(threshold) => format!("score is at least {threshold}"),
    };
    _ = writeln!(text, "\nrows alert where {rule}");
    text
}

/// Over how little of a dataset false alarms were counted, if that is less than a day.
fn short(figures: &DatasetFigures) -> Option<String> {
    let over_ms = (figures.series_days * DAY_MS as f64).round() as i64;
    let is_said = figures.series_days > 0.0 && is_extrapolated(over_ms);
    is_said.then(|| format!("{} of {}", duration_text(over_ms), one_line(&figures.dataset)))
}

fn dataset(figures: &DatasetFigures) -> [String; HEADER.len()] {
    [
        one_line(&figures.dataset),
        optional(figures.vus_pr, 3),
        optional(figures.auc_pr, 3),
        format!("{:.3}", figures.event_precision),
        format!("{:.3}", figures.event_recall),
        format!("{:.3}", figures.event_f1),
        format!("{:.3}", figures.range_f1),
        format!("{}/{}", figures.found, figures.events),
        // Of no time nothing can be said by day.
        optional((figures.series_days > 0.0).then_some(figures.false_alarms_per_series_day), 3),
        figures.median_delay_s.map_or_else(|| "-".to_owned(), |delay| format!("{delay:.0} s")),
        optional(figures.median_delay_rows, 1),
    ]
}

fn mean(figures: &MeanFigures) -> [String; HEADER.len()] {
    [
        "mean".to_owned(),
        optional(figures.vus_pr, 3),
        optional(figures.auc_pr, 3),
        optional(figures.event_precision, 3),
        optional(figures.event_recall, 3),
        optional(figures.event_f1, 3),
        optional(figures.range_f1, 3),
        String::new(),
        optional(figures.false_alarms_per_series_day, 3),
        String::new(),
        String::new(),
    ]
}

fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// Columns, the first one to the left, the others to the right.
fn table(rows: &[[String; HEADER.len()]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What became worse than a baseline of `figures` figures.
pub(super) fn regressions(regressions: &[Regression], figures: usize, tolerance: f64) -> String {
    let figures = counted(figures as u64, "figure");
    if regressions.is_empty() {
        return format!("\nnone of {figures} is worse than the baseline\n");
    }
    let percent = tolerance * 100.0;
    let (count, are) = (regressions.len(), agreeing(regressions.len() as u64, "is", "are"));
    let mut text =
        format!("\n{count} of {figures} {are} worse than the baseline by more than {percent} %:\n");
    for Regression { figure, baseline, now } in regressions {
        let figure = one_line(figure);
        _ = match now {
            Some(now) => {
                let change = now - baseline;
                writeln!(text, "  {figure}: {baseline:.3} -> {now:.3} ({change:+.3})")
            }
            None => writeln!(text, "  {figure}: {baseline:.3} -> there is no such figure any more"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_worse_is_said_with_both_values() {
        let worse = Regression { figure: "mean.f1".to_owned(), baseline: 0.5, now: Some(0.4) };
        let gone = Regression { figure: "a.f1".to_owned(), baseline: 0.5, now: None };
        let text = regressions(&[worse, gone], 9, 0.01);
        assert_eq!(
            text,
            "\n2 of 9 figures are worse than the baseline by more than 1 %:\n  mean.f1: 0.500 -> 0.400 (-0.100)\n  \
             a.f1: 0.500 -> there is no such figure any more\n"
        );
        assert_eq!(regressions(&[], 9, 0.0), "\nnone of 9 figures is worse than the baseline\n");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cell: &str| std::array::from_fn(|_| cell.to_owned());
        let text = table(&[row("ab"), row("c")]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "ab  ab  ab  ab  ab  ab  ab  ab  ab  ab  ab");
        assert_eq!(lines[1], "c    c   c   c   c   c   c   c   c   c   c");
    }
}
