//! What an incident, or upkeep, does to a series or to what drives it.

use bellwether_series::Timestamp;

/// A change of behaviour for a time, coming and going gradually.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) start: Timestamp,
    /// The first moment at which the effect is over, `fall_ms` included.
    pub(super) end: Timestamp,
    /// How long it takes to reach full strength.
    pub(super) rise_ms: i64,
    /// How long it takes to wear off.
    pub(super) fall_ms: i64,
    pub(super) change: Change,
}

/// What changes, at full strength.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// The level (of a queue: what its consumers can do) becomes this multiple of itself.
    Scale(f64),
    /// This much is added to the level.
    Add(f64),
    /// The level becomes this.
    Towards(f64),
    /// The noise becomes this multiple of itself.
    Spread(f64),
    /// The season is that of a time this many milliseconds later.
    Shift(i64),
}

impl Effect {
    /// The share of the change that is in force: 0 outside of the effect, 1 at full strength.
    pub(super) fn strength(&self, at: Timestamp) -> f64 {
        if at < self.start || at >= self.end {
            return 0.0;
        }
        let share = |passed_ms: i64, of_ms: i64| {
            if of_ms == 0 { 1.0 } else { (passed_ms as f64 / of_ms as f64).min(1.0) }
        };
        let rise = share(at.ms_since(self.start), self.rise_ms);
        rise.min(share(self.end.ms_since(at), self.fall_ms))
    }
}

/// `level` as `effects` leave it at a time.
pub(super) fn changed_level(effects: &[Effect], at: Timestamp, level: f64) -> f64 {
    effects.iter().fold(level, |level, effect| {
        let strength = effect.strength(at);
        match effect.change {
            _ if strength == 0.0 => level,
            Change::Scale(factor) => level * (1.0 + (factor - 1.0) * strength),
            Change::Add(more) => level + more * strength,
            Change::Towards(target) => level + (target - level) * strength,
            Change::Spread(_) | Change::Shift(_) => level,
        }
    })
}

/// The multiple of its usual size that noise has at a time.
pub(super) fn changed_spread(effects: &[Effect], at: Timestamp) -> f64 {
    effects.iter().fold(1.0, |spread, effect| match effect.change {
        Change::Spread(factor) => spread * (1.0 + (factor - 1.0) * effect.strength(at)),
        _ => spread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(change: Change) -> Effect {
        let (start, end) = (Timestamp::from_ms(1000), Timestamp::from_ms(2000));
        Effect { start, end, rise_ms: 100, fall_ms: 200, change }
    }

    #[test]
    fn an_effect_rises_holds_falls_and_is_over() {
        let scale = effect(Change::Scale(3.0));
        let strength = |ms| scale.strength(Timestamp::from_ms(ms));
        let expected = [(999, 0.0), (1050, 0.5), (1500, 1.0), (1900, 0.5), (2000, 0.0)];
        for (ms, share) in expected {
            assert!((strength(ms) - share).abs() < 1e-12, "{ms}");
        }
    }

    #[test]
    fn effects_act_one_after_the_other() {
        let at = Timestamp::from_ms(1500);
        let effects = [effect(Change::Scale(3.0)), effect(Change::Add(2.0))];
        assert!((changed_level(&effects, at, 10.0) - 32.0).abs() < 1e-12);
        let at_half = Timestamp::from_ms(1050);
        let level = changed_level(&[effect(Change::Towards(20.0))], at_half, 10.0);
        assert!((level - 15.0).abs() < 1e-12);
        let spread = changed_spread(&[effect(Change::Spread(8.0))], at);
        assert!((spread - 8.0).abs() < 1e-12);
    }
}
