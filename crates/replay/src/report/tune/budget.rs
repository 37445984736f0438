//! More alerts than were asked for, and no single signal to blame.

use bellwether_engine::Budget;

use crate::report::SHORT_OF;
use crate::report::episodes::Episode;
use crate::report::model::{Suggestion, SuggestionKind};

/// Alerts below which the budget is left alone: chance alone makes a few.
const ALERTS_MIN: usize = 5;
/// The budget is left alone up to this many times what it allows.
const EXCESS: f64 = 2.0;
/// The budget is never lowered to less than this share at a time.
const SHARE_MIN: f64 = 0.1;
/// Smallest budget that a configuration takes.
const PER_DAY_MIN: f64 = 0.0001;

/// A lower budget, when of `episodes`, those that nothing else was suggested for, many more fired than the budget
/// allows. Alerts that became critical are taken for real.
pub(super) fn suggestion(episodes: &[&Episode], days: f64, budget: &Budget) -> Option<Suggestion> {
    let fired = episodes.iter().filter(|episode| episode.fired() && !episode.is_critical()).count();
    let allowed = budget.per_day * days;
    // What is allowed by day nobody can judge by less.
    if days < 1.0 - SHORT_OF || fired < ALERTS_MIN || fired as f64 <= EXCESS * allowed {
        return None;
    }
    let share = (allowed / fired as f64).max(SHARE_MIN);
    let per_day = two_digits_below(budget.per_day * share).max(PER_DAY_MIN);
    if per_day >= budget.per_day {
        return None;
    }
    Some(Suggestion {
        kinds: vec![SuggestionKind::Budget],
        title: "Lower the budget".to_owned(),
        reasons: vec![format!(
            "{fired} alerts that never became critical fired, and no other suggestion covers them; the \
             budget allows {allowed:.1} false alarms for this period."
        )],
        advice: "Real incidents count in this figure: lower the budget only if most of these alerts were \
                 not worth having. It raises the threshold of every series."
            .to_owned(),
        yaml: Some(format!("alerting:\n  budget: {{ per_day: {per_day} }}\n")),
        spared: 0,
    })
}

/// `value` cut to its two leading digits; `value` is above 0.
fn two_digits_below(value: f64) -> f64 {
    let mut step = 1.0;
    while value < 10.0 * step && step > 1e-9 {
        step /= 10.0;
    }
    let digits = (value / step + 1e-9).floor();
    // Printed and read again, because a product of decimals is seldom the shortest decimal.
    format!("{:.9}", digits * step).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_cut_to_two_digits() {
        let cut = [(0.2, 0.2), (0.0666, 0.066), (0.02, 0.02), (1.29, 1.2), (37.9, 37.0)];
        for (value, expected) in cut {
            assert_eq!(two_digits_below(value).to_string(), expected.to_string());
        }
    }
}
