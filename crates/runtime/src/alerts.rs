//! Alerts counted as they come out behind the daily cap.

use std::collections::BTreeMap;

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use bellwether_series::Fingerprint;

/// How many alerts there were and are, the cap's own among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlertFigures {
    /// Alerts that fired since the start, by the severity with which they did (info, warning, critical).
    pub fired: [u64; 3],
    /// Alerts that would have fired since the start, but were beyond the cap.
    pub held_back: u64,
    /// Alerts that fire now, by their present severity. What is held back is not among them.
    pub firing: [u64; 3],
}

impl AlertFigures {
    /// Counts one of several parts as it is now, and no more as it was.
    pub(crate) fn replace_part(&mut self, before: &Self, after: &Self) {
        let replace = |sum: &mut u64, before: u64, after: u64| *sum = *sum + after - before;
        let severities = 0..self.fired.len();
        for severity in severities {
            replace(&mut self.fired[severity], before.fired[severity], after.fired[severity]);
            replace(&mut self.firing[severity], before.firing[severity], after.firing[severity]);
        }
        replace(&mut self.held_back, before.held_back, after.held_back);
    }
}

/// Remembers which alerts fire, with the newest event of each: at most one for each episode that is not over.
#[derive(Debug, Default)]
pub(crate) struct AlertBook {
    firing: BTreeMap<Fingerprint, Event>,
}

impl AlertBook {
    /// The book that held `firing`. They are counted as firing in `figures`; that they fired is not, since that is counted
    /// from the start of the process.
    pub(crate) fn of(firing: Vec<Event>, figures: &mut AlertFigures) -> Self {
        for event in &firing {
            figures.firing[event.severity as usize] += 1;
        }
        Self { firing: firing.into_iter().map(|event| (event.episode_id, event)).collect() }
    }

    /// The newest event of each alert that fires.
    pub(crate) fn firing(&self) -> impl Iterator<Item = &Event> {
        self.firing.values()
    }

    /// Takes an event that has passed the cap into account.
    pub(crate) fn enter(&mut self, event: &Event, figures: &mut AlertFigures) {
        let before = self.firing.get(&event.episode_id).map(|event| event.severity);
        let after = match event.change {
            ChangeKind::Firing | ChangeKind::Escalated if event.alert => Some(event.severity),
            ChangeKind::Resolved => None,
            ChangeKind::Noticed | ChangeKind::Firing | ChangeKind::Escalated => before,
        };
        if event.change == ChangeKind::Firing {
            if event.alert {
                figures.fired[event.severity as usize] += 1;
            } else if event.severity > Severity::Info {
                figures.held_back += 1;
            }
        }
        if before == after {
            return;
        }
        if let Some(before) = before {
            figures.firing[before as usize] -= 1;
            self.firing.remove(&event.episode_id);
        }
        if let Some(after) = after {
            figures.firing[after as usize] += 1;
            self.firing.insert(event.episode_id, event.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_engine::{Settings, own_event};
    use bellwether_series::{LabelSet, Timestamp};

    use super::*;

    /// An event of the episode that began at minute `episode`.
    fn event(episode: i64, change: ChangeKind, severity: Severity, alert: bool) -> Event {
        let at = Timestamp::from_ms(episode * 60_000);
        let labels = LabelSet::from_pairs([("__name__", "up")]).unwrap();
        let first = own_event(&Settings::default(), "Rule", labels, at);
        Event { change, severity, alert, ..first }
    }

    fn figures(events: &[Event]) -> AlertFigures {
        let (mut book, mut figures) = (AlertBook::default(), AlertFigures::default());
        for event in events {
            book.enter(event, &mut figures);
        }
        let kept = figures.firing.iter().sum::<u64>();
        assert_eq!(book.firing.len() as u64, kept, "nothing else is remembered");
        figures
    }

    use ChangeKind::{Escalated, Firing, Noticed, Resolved};
    use Severity::{Critical, Info, Warning};

    #[test]
    fn an_alert_counts_where_it_fired_and_fires_where_it_stands() {
        let mut events = vec![
            event(1, Noticed, Info, false),
            event(1, Firing, Warning, true),
            event(2, Firing, Warning, true),
            event(3, Firing, Critical, true),
            event(2, Escalated, Critical, true),
        ];
        let (fired, held_back) = ([0, 2, 1], 0);
        assert_eq!(figures(&events), AlertFigures { fired, held_back, firing: [0, 1, 2] });
        events.extend([event(1, Resolved, Warning, true), event(2, Resolved, Critical, true)]);
        assert_eq!(figures(&events), AlertFigures { fired, held_back, firing: [0, 0, 1] });
    }

    #[test]
    fn what_is_held_back_counts_once_and_never_fires() {
        let mut events = vec![
            event(1, Noticed, Info, false),
            event(1, Firing, Warning, false),
            event(1, Escalated, Critical, false),
        ];
        let held = AlertFigures { held_back: 1, ..AlertFigures::default() };
        assert_eq!(figures(&events), held);
        events.push(event(1, Resolved, Critical, false));
        assert_eq!(figures(&events), held);
    }

    #[test]
    fn a_book_that_is_opened_again_knows_what_fires_and_follows_it_to_its_end() {
        let (warning, critical) =
            (event(1, Firing, Warning, true), event(2, Firing, Critical, true));
        let mut figures = AlertFigures::default();
        let mut book = AlertBook::of(vec![warning, critical], &mut figures);
        assert_eq!(figures, AlertFigures { firing: [0, 1, 1], ..AlertFigures::default() });
        for resolved in [event(1, Resolved, Warning, true), event(2, Resolved, Critical, true)] {
            book.enter(&resolved, &mut figures);
        }
        assert_eq!(figures, AlertFigures::default());
    }

    #[test]
    fn what_alerts_nobody_is_not_held_back_either() {
        let events = [event(1, Noticed, Info, false), event(1, Resolved, Info, false)];
        assert_eq!(figures(&events), AlertFigures::default());
    }
}
