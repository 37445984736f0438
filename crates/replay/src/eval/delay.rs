//! Detection delay: how long after an event began its first alert came.
//!
//! Method: an alert within the slack before an event has a delay of 0. Missed events have none, and the median is over the
//! found ones of a dataset; of an even number it is the mean of the two in the middle.

use super::span::Span;

/// Delay of one found event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// In rows of its series.
    pub rows: f64,
    /// In seconds.
    pub seconds: f64,
}

/// Delays of the found ones of `events`, whose first alerts are at the rows `first_alerts`, in a series with
/// a row at each of `times_s`.
pub fn delays(events: &[Span], first_alerts: &[Option<usize>], times_s: &[f64]) -> Vec<Delay> {
    let delay = |(event, alert): (&Span, &Option<usize>)| {
        let at = (*alert)?.max(event.first);
        let seconds = times_s.get(at)? - times_s.get(event.first)?;
        Some(Delay { rows: (at - event.first) as f64, seconds })
    };
    events.iter().zip(first_alerts).filter_map(delay).collect()
}

/// The median; `None` of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(values[values.len() / 2 - 1], upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_early_alert_is_no_delay_and_a_missed_event_has_none() {
        let events =
            [Span { first: 1, last: 1 }, Span { first: 3, last: 4 }, Span { first: 6, last: 6 }];
        let times = [0.0, 60.0, 120.0, 180.0, 300.0, 360.0, 420.0];
        let delays = delays(&events, &[Some(0), Some(4), None], &times);
        assert_eq!(
            delays,
            [Delay { rows: 0.0, seconds: 0.0 }, Delay { rows: 1.0, seconds: 120.0 }]
        );
    }

    #[test]
    fn the_median_of_an_even_number_is_the_middle_of_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
