//! A report as one HTML page that needs nothing else: no script, no font, no network.
//!
//! Labels and names come from whoever sends metrics. The template escapes every value, and the page forbids
//! scripts besides.

use bellwether_engine::number_text;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::chart::{Bar, Chart};
use super::model::{DayRow, Report};
use super::period::{duration_text, time_text};
use super::words::{agreeing, extrapolated};

/// What pages have in common, and the page of a report.
const TEMPLATE: &str = concat!(include_str!("parts.html"), include_str!("page.html"));
/// A name that makes minijinja escape for HTML.
const NAME: &str = "report.html";

/// Why there is no page: the template is wrong. A fault of this program.
#[derive(Debug, thiserror::Error)]
#[error("the page cannot be made")]
pub struct HtmlError(#[from] minijinja::Error);

/// `report` as an HTML page.
///
/// # Errors
/// When the template does not fit the report; tests hold that it does.
pub fn html(report: &Report) -> Result<String, HtmlError> {
    let hour_bars = (0..).zip(report.hours).map(|(hour, fired): (u32, u32)| Bar {
        name: format!("{hour:02}:00"),
        parts: vec![("fired", fired)],
    });
    let values = context! {
        report => Serde(report),
        days => Serde(day_chart(report)),
        hours => Serde(Chart::new(hour_bars.collect(), &[])),
    };
    render(TEMPLATE, values)
}

/// `template`, which begins with the common parts, filled with `values`: every text is escaped.
pub(super) fn render(template: &str, values: Value) -> Result<String, HtmlError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.add_filter("time", time_text);
    environment.add_filter("duration", duration_text);
    environment.add_filter("decimal", |number: f64| format!("{number:.1}"));
    environment.add_filter("hundredths", |number: f64| format!("{number:.2}"));
    environment.add_filter("short", number_text);
    environment.add_filter("grouped", grouped);
    environment.add_filter("plural", |count: u64| agreeing(count, "", "s"));
    environment.add_filter("extrapolated", extrapolated);
    environment.add_template(NAME, template)?;
    Ok(environment.get_template(NAME)?.render(values)?)
}

/// A count with a space between thousands, as in `12 345`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// Alerts of each day, by severity, beside the budget and the cap.
pub(super) fn day_chart(report: &Report) -> Chart {
    let bar = |day: &DayRow| Bar {
        name: day.day.get(5..).unwrap_or(&day.day).to_owned(),
        parts: vec![
            ("critical", day.critical),
            ("warning", day.fired.saturating_sub(day.critical)),
            ("held back", day.held_back),
        ],
    };
    let limits = [("budget", report.budget.per_day), ("cap", f64::from(report.budget.cap_per_day))];
    Chart::new(report.days.iter().map(bar).collect(), &limits)
}
