//! Events and false alarms: what an operator would have been told.
//!
//! Method: an event, a run of labelled rows, is found if a row alerts from `slack` rows before it to as many behind it. What
//! an operator is told are notifications: the first row of an episode (alerting rows at most [`MERGE_GAP_ROWS`] apart),
//! and again each time that `repeat` rows have passed while it lasts, as Alertmanager does with what still fires. A
//! notification outside every event and its slack is a false alarm. Precision is found events by these and false alarms,
//! recall is found events by events (event-wise, as in Hundman et al., KDD 2018, but for the notifications). Rows before
//! the first that is scored tell nobody anything.

use super::span::Span;

/// Alerting rows that are at most so far apart belong to one episode.
pub const MERGE_GAP_ROWS: usize = 5;

/// What is an event, and when an operator hears again of an alert that lasts, all in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The first row that is scored.
    pub score_from: usize,
    /// How early or late an alert may be.
    pub slack: usize,
    /// After how many rows an alert that lasts is notified again.
    pub repeat: usize,
}

/// For each event the row of its first alert, or `None` when it was missed.
pub fn first_alerts(events: &[Span], is_alert: &[bool], terms: &Terms) -> Vec<Option<usize>> {
    let first = |event: &Span| {
        let from = event.first.saturating_sub(terms.slack).max(terms.score_from);
        let to = event.last.saturating_add(terms.slack).min(is_alert.len().checked_sub(1)?);
        (from..=to).find(|&row| is_alert[row])
    };
    events.iter().map(first).collect()
}

/// The rows at which an operator is notified.
pub fn notifications(is_alert: &[bool], terms: &Terms) -> Vec<usize> {
    let mut told = Vec::new();
    let (mut last_alert, mut last_told) = (None, 0);
    for row in (terms.score_from..is_alert.len()).filter(|&row| is_alert[row]) {
        let begins = last_alert.is_none_or(|last| row - last > MERGE_GAP_ROWS);
        if begins || row - last_told >= terms.repeat {
            told.push(row);
            last_told = row;
        }
        last_alert = Some(row);
    }
    told
}

/// How many notifications are outside every event and its slack.
pub fn false_alarms(events: &[Span], is_alert: &[bool], terms: &Terms) -> usize {
    let is_near = |row: usize, event: &Span| {
        row + terms.slack >= event.first && row <= event.last.saturating_add(terms.slack)
    };
    let told = notifications(is_alert, terms);
    told.into_iter().filter(|&row| !events.iter().any(|event| is_near(row, event))).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms { score_from: 10, slack: 2, repeat: 12 };

    fn alerts(rows: &[usize]) -> Vec<bool> {
        (0..100).map(|row| rows.contains(&row)).collect()
    }

    #[test]
    fn an_event_is_found_within_its_slack_and_not_beyond_or_before_scoring_begins() {
        let events = [Span { first: 20, last: 22 }, Span { first: 40, last: 44 }];
        let first = |rows: &[usize]| first_alerts(&events, &alerts(rows), &TERMS);
        assert_eq!(first(&[18, 46]), [Some(18), Some(46)]);
        assert_eq!(first(&[17, 47]), [None, None]);
        let early = [Span { first: 10, last: 12 }];
        assert_eq!(first_alerts(&early, &alerts(&[9]), &TERMS), [None]);
    }

    #[test]
    fn an_alert_that_lasts_is_notified_again_and_a_short_pause_is_none() {
        let told = |rows: &[usize]| notifications(&alerts(rows), &TERMS);
        assert_eq!(told(&[3, 9]), [0; 0]);
        assert_eq!(told(&[20, 25, 30]), [20]);
        assert_eq!(told(&[20, 26]), [20, 26]);
        assert_eq!(told(&(20..46).collect::<Vec<_>>()), [20, 32, 44]);
    }

    #[test]
    fn only_what_is_outside_of_every_event_is_false() {
        let events = [Span { first: 20, last: 22 }];
        assert_eq!(false_alarms(&events, &alerts(&[18, 24, 50, 70]), &TERMS), 2);
        // It begins in the event, and is still told of when that is over.
        assert_eq!(false_alarms(&events, &alerts(&(20..40).collect::<Vec<_>>()), &TERMS), 1);
    }

    proptest! {
        /// The definition read the other way: from one notification to the next.
        #[test]
        fn notifications_are_the_next_beginning_or_repeat(
            is_alert in prop::collection::vec(prop::bool::weighted(0.2), 0..200),
            repeat in 1..30_usize,
        ) {
            let terms = Terms { repeat, ..TERMS };
            let rows: Vec<usize> = (10..is_alert.len()).filter(|&row| is_alert[row]).collect();
            let begins = |at: usize| at == 0 || rows[at] - rows[at - 1] > MERGE_GAP_ROWS;
            let (mut told, mut next) = (Vec::new(), rows.first().copied());
            while let Some(row) = next {
                told.push(row);
                next = (0..rows.len())
                    .find(|&at| rows[at] > row && (begins(at) || rows[at] >= row + repeat))
                    .map(|at| rows[at]);
            }
            prop_assert_eq!(notifications(&is_alert, &terms), told);
        }
    }
}
