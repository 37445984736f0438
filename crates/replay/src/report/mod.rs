//! What a log of events says about a day or a week: how many alerts there were, from where, whether the budget
//! held, and what to change in the configuration so that fewer of them are noise.
//!
//! [`Report::new`] is a pure function of events, [`Period`] and [`Budget`]: it asks no clock, and neither the
//! order nor the repetition of events changes what it says. [`html`] makes a page of it.

mod axis;
mod chart;
mod count;
mod episodes;
mod html;
mod model;
mod period;
mod replay;
mod selector;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tune;
mod words;

pub use html::{HtmlError, html};
pub use model::{
    BudgetUse, DayRow, EpisodeCounts, FlappingRow, LongRow, MetricRow, OwnRow, REPORT_VERSION,
    Read, Report, ResolveTimes, RuleRow, SeriesRow, SeverityCounts, Suggestion, SuggestionKind,
    Top,
};
pub use period::{DAY_MS, Period, PeriodError, day_text, duration_text, time_text};
pub(crate) use replay::{Facts, Judgements, Observer};
pub(crate) use words::SHORT_OF;
pub use words::{agreeing, counted, extrapolated, is_extrapolated};

use bellwether_engine::{Budget, Event};

use episodes::Episodes;

impl Report {
    /// The report on those of `events` that are within `period`, measured against `budget`.
    ///
    /// An event that was delivered more than once counts once. [`Read::unreadable`] is for the caller to
    /// fill in.
    pub fn new(events: impl IntoIterator<Item = Event>, period: Period, budget: &Budget) -> Self {
        let mut episodes = Episodes::new(period);
        for event in events {
            episodes.take(&event);
        }
        count::report(&episodes.finish(), budget)
    }
}
