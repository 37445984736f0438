//! A report for a terminal: at most 100 columns, but for configuration, which must stay as it is.

use std::fmt::Write;

use bellwether_replay::report::{
    Report, Suggestion, Top, counted, duration_text, extrapolated, time_text,
};

use crate::output::one_line;

const WIDTH: usize = 100;
/// Longest bar, in columns.
const BAR_WIDTH: u32 = 24;

/// `report` as text.
pub(super) fn text(report: &Report) -> String {
    let mut text = format!(
        "Bellwether report, {} to {} UTC\n\n",
        time_text(report.period.since_ms()),
        time_text(report.period.until_ms()),
    );
    // Writing to a String cannot fail.
    if report.read.events == 0 {
        _ = writeln!(text, "The event log holds no events of this period.");
        return text;
    }
    summary(&mut text, report);
    suggestions(&mut text, &report.suggestions);
    days(&mut text, report);
    hours(&mut text, report);
    tables(&mut text, report);
    own_alerts(&mut text, report);
    text
}

fn summary(text: &mut String, report: &Report) {
    let (read, episodes, budget) = (&report.read, &report.episodes, &report.budget);
    let mut line = |name: &str, what: String| {
        for (index, part) in wrap(&what, WIDTH - 10).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            _ = writeln!(text, "{name:<10}{part}");
        }
    };
    line(
        "alerts",
        format!(
            "{} fired ({} critical, {} warning), {} still firing, {} held back by the cap, {} only noticed",
            episodes.fired,
            report.severities.critical,
            report.severities.warning,
            episodes.open,
            episodes.held_back,
            episodes.noticed_only,
        ),
    );
    line(
        "budget",
        format!(
            "{:.1} alerts a day{}, {:.0} % of the {} false alarms a day that the budget allows; the cap of {} a \
             day was reached on {}. A log does not tell false alarms from real incidents: both count here.",
            budget.fired_per_day,
            extrapolated(report.period.length_ms()),
            budget.used * 100.0,
            budget.per_day,
            budget.cap_per_day,
            counted(u64::from(budget.days_over_cap), "day"),
        ),
    );
    if let Some(times) = &report.resolve_times {
        let (half, most) = (duration_text(times.p50_ms), duration_text(times.p90_ms));
        let what = format!(
            "{}; half fired no longer than {half}, nine in ten no longer than {most}",
            counted(u64::from(times.resolved), "alert")
        );
        line("resolved", what);
    }
    let mut what = counted(read.events, "event");
    if read.duplicates > 0 {
        _ = write!(what, ", {} of them more than once", read.duplicates);
    }
    if read.unreadable > 0 {
        _ = write!(what, "; {} could not be read", counted(read.unreadable, "part"));
    }
    if episodes.carried_over > 0 {
        let began = counted(u64::from(episodes.carried_over), "episode");
        _ = write!(what, "; {began} from before the period not counted");
    }
    if episodes.lost > 0 {
        let lost = counted(u64::from(episodes.lost), "alert");
        _ = write!(what, "; {lost} lost without an end, as in a restart");
    }
    line("read", what);
}

fn suggestions(text: &mut String, suggestions: &[Suggestion]) {
    text.push_str("\nWhat to tune\n");
    if suggestions.is_empty() {
        text.push_str("   Nothing to tune.\n");
    }
    for (number, suggestion) in (1..).zip(suggestions) {
        _ = writeln!(text, "{number:>2}. {}", fitted(&suggestion.title, WIDTH - 4));
        for paragraph in suggestion.reasons.iter().chain([&suggestion.advice]) {
            for line in wrap(&one_line(paragraph), WIDTH - 4) {
                _ = writeln!(text, "    {line}");
            }
        }
        for line in suggestion.yaml.iter().flat_map(|yaml| yaml.lines()) {
            _ = writeln!(text, "      {line}");
        }
    }
}

fn days(text: &mut String, report: &Report) {
    let top = report.days.iter().map(|day| day.fired + day.held_back).max().unwrap_or(0);
    let rows = report.days.iter().map(|day| {
        let numbers = [day.fired, day.critical, day.held_back, day.noticed_only];
        let numbers = numbers.map(|number| number.to_string());
        std::iter::once(day.day.clone()).chain(numbers).collect()
    });
    let header = &["alerts a day", "fired", "critical", "held back", "only noticed"];
    let bars =
        report.days.iter().map(|day| bar(day.fired, top, '█') + &bar(day.held_back, top, '░'));
    text.push('\n');
    let lines = Table { header, rows: rows.collect() }.lines();
    for (line, bar) in lines.iter().zip(std::iter::once(String::new()).chain(bars)) {
        _ = writeln!(text, "{}", format!("{line}  {bar}").trim_end());
    }
}

/// The hours of the day in which alerts fired, most first.
fn hours(text: &mut String, report: &Report) {
    let mut hours: Vec<_> = (0..).zip(report.hours).filter(|&(_, fired)| fired > 0).collect();
    hours.sort_by_key(|&(hour, fired): &(u32, u32)| (std::cmp::Reverse(fired), hour));
    if hours.is_empty() {
        return;
    }
    let hours: Vec<_> = hours.iter().map(|(hour, fired)| format!("{hour:02}:00 {fired}")).collect();
    text.push_str("\nby hour of the day (UTC)\n");
    for line in wrap(&hours.join(", "), WIDTH - 4) {
        _ = writeln!(text, "    {line}");
    }
}

fn tables(text: &mut String, report: &Report) {
    let numbers = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>();
    table(
        text,
        &["series that alerted most", "fired", "critical", "held back", "firing", "peak", "last"],
        &report.series,
        |row| {
            let mut cells = vec![row.series.clone()];
            cells.extend(numbers(&[row.fired, row.critical, row.held_back]));
            cells.push(duration_text(row.firing_ms));
            cells.push(format!("{:.1}", row.peak_surprise));
            cells.push(time_text(row.last_ms));
            cells
        },
    );
    table(text, &["rules", "fired", "critical", "held back", "firing"], &report.rules, |row| {
        let mut cells = vec![row.rule.clone()];
        cells.extend(numbers(&[row.fired, row.critical, row.held_back]));
        cells.push(duration_text(row.firing_ms));
        cells
    });
    let longest = Top { total: report.longest.rows.len(), ..report.longest.clone() };
    table(text, &["longest alerts", "severity", "fired", "firing"], &longest, |row| {
        let still = if row.open { ", still" } else { "" };
        let firing = duration_text(row.firing_ms) + still;
        vec![row.series.clone(), row.severity.to_string(), time_text(row.fired_ms), firing]
    });
    table(
        text,
        &["flapping series", "alerts", "most in 24 h", "again within 1 h"],
        &report.flapping,
        |row| {
            let mut cells = vec![row.series.clone()];
            cells.extend(numbers(&[row.alerts, row.most_in_a_day, row.fired_again]));
            cells
        },
    );
    table(
        text,
        &["noisiest metrics", "series", "episodes", "fired", "held back", "only noticed"],
        &report.metrics,
        |row| {
            let mut cells = vec![row.metric.clone()];
            let counts = [row.series, row.episodes, row.fired, row.held_back, row.noticed_only];
            cells.extend(numbers(&counts));
            cells
        },
    );
}

fn own_alerts(text: &mut String, report: &Report) {
    let own = Top { rows: report.own_alerts.clone(), total: report.own_alerts.len() };
    table(
        text,
        &["bellwether about itself (counted nowhere else)", "fired", "firing", "last"],
        &own,
        |row| {
            let still = if row.open { ", still" } else { "" };
            let firing = duration_text(row.firing_ms) + still;
            let about = format!("{} {}", row.rule, row.series);
            vec![about, row.fired.to_string(), firing, time_text(row.last_ms)]
        },
    );
}

/// Appends a table; nothing if it has no rows.
fn table<T>(text: &mut String, header: &[&str], top: &Top<T>, row: impl FnMut(&T) -> Vec<String>) {
    if top.rows.is_empty() {
        return;
    }
    let table = Table { header, rows: top.rows.iter().map(row).collect() };
    _ = writeln!(text, "\n{}", table.lines().join("\n"));
    if let Some(more @ 1..) = top.total.checked_sub(top.rows.len()) {
        _ = writeln!(text, "… and {more} more");
    }
}

/// Columns of text. The first one gets what room the others leave, and is cut to it.
struct Table<'a> {
    header: &'a [&'a str],
    rows: Vec<Vec<String>>,
}

impl Table<'_> {
    fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| one_line(cell).chars().count());
            cells.chain([self.header[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let others: usize = widths.iter().skip(1).map(|width| width + 2).sum();
        let first = widths.first().map_or(0, |&first| first.min(WIDTH.saturating_sub(others)));
        let header = self.header.iter().map(|&name| name.to_owned()).collect();
        std::iter::once(&header)
            .chain(&self.rows)
            .map(|row| {
                let mut line = String::new();
                for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                    _ = match column {
                        0 => write!(line, "{:<first$}", fitted(cell, first)),
                        _ => write!(line, "  {:>width$}", one_line(cell)),
                    };
                }
                line
            })
            .collect()
    }
}

/// `text` on one line of at most `width` columns.
fn fitted(text: &str, width: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `text` in lines of at most `width` columns, broken at spaces; a longer word is broken anywhere.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            lines.push(String::new());
            column = 0;
        }
        if column > 0 {
            put(&mut lines, ' ');
            column += 1;
        }
        for character in word.chars() {
            if column == width {
                lines.push(String::new());
                column = 0;
            }
            put(&mut lines, character);
            column += 1;
        }
    }
    lines
}

fn put(lines: &mut [String], character: char) {
    if let Some(line) = lines.last_mut() {
        line.push(character);
    }
}

/// A bar for `count` of at most `top`.
fn bar(count: u32, top: u32, block: char) -> String {
    let length = (u64::from(count) * u64::from(BAR_WIDTH)).div_ceil(u64::from(top.max(1)));
    std::iter::repeat_n(block, length as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_a_long_word_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefgh b", 5), ["a", "abcde", "fgh b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn a_cell_never_breaks_its_line() {
        assert_eq!(fitted("a\nb", 9), "a\\nb");
        assert_eq!(fitted("abcdef", 4), "abc…");
    }
}
