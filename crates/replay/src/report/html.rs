//! A report as one HTML page that needs nothing else: no script, no font, no network.
//!
//! Labels and names come from whoever sends metrics. The template escapes every value, and the page forbids
//! scripts besides.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::model::Report;
use super::period::{duration_text, time_text};

/// The template; its name makes minijinja escape for HTML.
const TEMPLATE: (&str, &str) = ("report.html", include_str!("page.html"));

/// Why there is no page: the template is wrong. A fault of this program.
#[derive(Debug, thiserror::Error)]
#[error("the page cannot be made")]
pub struct HtmlError(#[from] minijinja::Error);

/// `report` as an HTML page.
///
/// # Errors
/// When the template does not fit the report; tests hold that it does.
pub fn html(report: &Report) -> Result<String, HtmlError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.add_filter("time", time_text);
    environment.add_filter("duration", duration_text);
    environment.add_filter("decimal", |number: f64| format!("{number:.1}"));
    let (name, source) = TEMPLATE;
    environment.add_template(name, source)?;
    let day_bars = report.days.iter().map(|day| Bar {
        name: day.day.get(5..).unwrap_or(&day.day).to_owned(),
        parts: vec![
            ("critical", day.critical),
            ("warning", day.fired.saturating_sub(day.critical)),
            ("held back", day.held_back),
        ],
    });
    let hour_bars = (0..).zip(report.hours).map(|(hour, fired): (u32, u32)| Bar {
        name: format!("{hour:02}:00"),
        parts: vec![("fired", fired)],
    });
    let page = environment.get_template(name)?.render(context! {
        report => Serde(report),
        days => Serde(Chart::new(day_bars.collect())),
        hours => Serde(Chart::new(hour_bars.collect())),
    })?;
    Ok(page)
}

/// What one bar stands for: named counts, from the axis upwards.
#[derive(Debug)]
struct Bar {
    name: String,
    parts: Vec<(&'static str, u32)>,
}

impl Bar {
    fn total(&self) -> u32 {
        self.parts.iter().map(|(_, count)| count).sum()
    }
}

/// A bar chart, laid out: all lengths are in units of its view box.
#[derive(Debug, Serialize)]
struct Chart {
    width: f64,
    height: f64,
    /// Where the axis is; names of bars stand below it.
    base: f64,
    columns: Vec<Column>,
}

/// One bar, laid out.
#[derive(Debug, Serialize)]
struct Column {
    name: String,
    /// Whether there is room for its name.
    named: bool,
    x: f64,
    width: f64,
    middle: f64,
    /// Where it ends.
    top: f64,
    total: u32,
    /// Whether there is room for its total, and one to show.
    counted: bool,
    /// Its parts, without those of nothing.
    parts: Vec<Part>,
}

/// A part of a bar.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    count: u32,
    y: f64,
    height: f64,
}

impl Chart {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 150.0;
    const BASE: f64 = 128.0;
    /// Highest bar.
    const BAR_HEIGHT_MAX: f64 = 108.0;
    const BAR_WIDTH_MAX: f64 = 56.0;
    /// Least distance between the names of two bars.
    const NAME_WIDTH: f64 = 44.0;
    /// Least distance between two bars that have their totals above them.
    const TOTAL_WIDTH: f64 = 16.0;

    fn new(bars: Vec<Bar>) -> Self {
        let highest = bars.iter().map(Bar::total).max().unwrap_or(0).max(1);
        let unit = Self::BAR_HEIGHT_MAX / f64::from(highest);
        let pitch = Self::WIDTH / bars.len().max(1) as f64;
        let name_every = (Self::NAME_WIDTH / pitch).ceil().max(1.0) as usize;
        let width = (pitch * 0.7).min(Self::BAR_WIDTH_MAX);
        let column = |(index, bar): (usize, Bar)| {
            let middle = (index as f64 + 0.5) * pitch;
            let total = bar.total();
            Column {
                named: index % name_every == 0,
                x: tenths(middle - width / 2.0),
                width: tenths(width),
                middle: tenths(middle),
                top: tenths(Self::BASE - f64::from(total) * unit),
                total,
                counted: total > 0 && pitch >= Self::TOTAL_WIDTH,
                parts: stack(&bar, unit),
                name: bar.name,
            }
        };
        let columns = bars.into_iter().enumerate().map(column).collect();
        Self { width: Self::WIDTH, height: Self::HEIGHT, base: Self::BASE, columns }
    }
}

/// The parts of a bar of which one count is `unit` high.
fn stack(bar: &Bar, unit: f64) -> Vec<Part> {
    let mut y = Chart::BASE;
    let mut parts = Vec::new();
    for &(name, count) in bar.parts.iter().filter(|(_, count)| *count > 0) {
        let height = f64::from(count) * unit;
        y -= height;
        parts.push(Part { name, count, y: tenths(y), height: tenths(height) });
    }
    parts
}

fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_on_each_other_and_the_highest_bar_fills_the_chart() {
        let bar = |critical, warning| Bar {
            name: String::new(),
            parts: vec![("critical", critical), ("warning", warning)],
        };
        let chart = Chart::new(vec![bar(1, 3), bar(0, 2), bar(0, 0)]);
        let places = |column: &Column| -> Vec<_> {
            column.parts.iter().map(|part| (part.name, part.y, part.height)).collect()
        };
        let [full, half, empty] = chart.columns.as_slice() else { panic!("{chart:?}") };
        assert_eq!(places(full), [("critical", 101.0, 27.0), ("warning", 20.0, 81.0)]);
        assert_eq!(places(half), [("warning", 74.0, 54.0)]);
        assert!(places(empty).is_empty() && !empty.counted);
        assert_eq!((full.top, half.top, empty.top), (20.0, 74.0, 128.0));
    }

    #[test]
    fn names_and_totals_are_left_out_where_there_is_no_room() {
        let bar = |n: u32| Bar { name: n.to_string(), parts: vec![("fired", 1)] };
        let named = |count| {
            let chart = Chart::new((0..count).map(bar).collect());
            let named = chart.columns.iter().filter(|column| column.named).count();
            (named, chart.columns.iter().all(|column| column.counted))
        };
        assert_eq!(named(7), (7, true));
        assert_eq!(named(31), (16, true));
        assert_eq!(named(366), (16, false));
    }
}
