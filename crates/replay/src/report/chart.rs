//! Bar charts, laid out for a template to draw as SVG.

use serde::Serialize;

use super::axis::{Scale, Tick, tenths};

/// What one bar stands for: named counts, from the axis upwards.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) parts: Vec<(&'static str, u32)>,
}

impl Bar {
    fn total(&self) -> u32 {
        self.parts.iter().map(|(_, count)| count).sum()
    }
}

/// A bar chart, laid out: all lengths are in units of its view box.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    width: f64,
    height: f64,
    /// Where bars begin; numbers stand left of it.
    left: f64,
    ticks: Vec<Tick>,
    /// Limits that bars are held against, where they are not far above all of them.
    lines: Vec<Tick>,
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
    const LEFT: f64 = 34.0;
    const HEIGHT: f64 = 150.0;
    const BASE: f64 = 128.0;
    /// Highest bar.
    const BAR_HEIGHT_MAX: f64 = 108.0;
    const BAR_WIDTH_MAX: f64 = 56.0;
    /// Least distance between the names of two bars.
    const NAME_WIDTH: f64 = 44.0;
    /// Least distance between two bars that have their totals above them.
    const TOTAL_WIDTH: f64 = 16.0;

    /// A limit this many times higher than the highest bar would leave nothing of the bars.
    const LIMIT_FACTOR_MAX: f64 = 3.0;

    /// `bars` beside each other, held against `limits`, which have a name each.
    pub(super) fn new(bars: Vec<Bar>, limits: &[(&str, f64)]) -> Self {
        let highest = f64::from(bars.iter().map(Bar::total).max().unwrap_or(0).max(1));
        let in_sight = |limit: &&(&str, f64)| limit.1 <= highest * Self::LIMIT_FACTOR_MAX;
        let limits: Vec<_> = limits.iter().filter(in_sight).collect();
        let highest = limits.iter().map(|limit| limit.1).fold(highest, f64::max);
        let unit = Self::BAR_HEIGHT_MAX / highest;
        let scale = Scale::new((0.0, highest), (Self::BASE, Self::BASE - Self::BAR_HEIGHT_MAX));
        let is_whole = |tick: &Tick| !tick.text.contains('.');
        let pitch = (Self::WIDTH - Self::LEFT) / bars.len().max(1) as f64;
        let name_every = (Self::NAME_WIDTH / pitch).ceil().max(1.0) as usize;
        let width = (pitch * 0.7).min(Self::BAR_WIDTH_MAX);
        let column = |(index, bar): (usize, Bar)| {
            let middle = Self::LEFT + (index as f64 + 0.5) * pitch;
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
        Self {
            width: Self::WIDTH,
            height: Self::HEIGHT,
            left: Self::LEFT,
            ticks: scale.number_ticks(4).into_iter().filter(is_whole).collect(),
            lines: limits
                .iter()
                .map(|limit| Tick { at: scale.at(limit.1), text: limit.0.to_owned() })
                .collect(),
            base: Self::BASE,
            columns,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_on_each_other_and_the_highest_bar_fills_the_chart() {
        let bar = |critical, warning| Bar {
            name: String::new(),
            parts: vec![("critical", critical), ("warning", warning)],
        };
        let chart = Chart::new(vec![bar(1, 3), bar(0, 2), bar(0, 0)], &[]);
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
    fn a_limit_in_sight_is_drawn_and_one_far_above_is_not() {
        let bar = Bar { name: String::new(), parts: vec![("fired", 4)] };
        let chart = Chart::new(vec![bar], &[("budget", 2.0), ("cap", 13.0)]);
        assert_eq!(chart.lines, [Tick { at: 74.0, text: "budget".to_owned() }]);
    }

    #[test]
    fn names_and_totals_are_left_out_where_there_is_no_room() {
        let bar = |n: u32| Bar { name: n.to_string(), parts: vec![("fired", 1)] };
        let named = |count| {
            let chart = Chart::new((0..count).map(bar).collect(), &[]);
            let named = chart.columns.iter().filter(|column| column.named).count();
            (named, chart.columns.iter().all(|column| column.counted))
        };
        assert_eq!(named(7), (7, true));
        assert_eq!(named(31), (16, true));
        assert_eq!(named(366), (16, false));
    }
}
