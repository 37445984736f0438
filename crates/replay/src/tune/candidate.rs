//! What is tried.

/// Values of the keys that are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// `alerting.budget.per_day`: false alarms a day of all series together.
    pub per_day: f64,
    /// `defaults.alert.for`, in seconds.
    pub for_s: u32,
    /// `defaults.min_deviation.relative`: the least departure as a share of what is expected.
    pub min_relative: f64,
}

impl Candidate {
    /// The default first, then all combinations that are tried, the most sensitive of them first.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self { per_day: 0.2, for_s: 120, min_relative: 0.02 }];
        for per_day in [5.0, 1.0, 0.2, 0.05] {
            for for_s in [60, 300] {
                for min_relative in [0.01, 0.05] {
                    all.push(Self { per_day, for_s, min_relative });
                }
            }
        }
        all
    }

    /// The configuration: everything else is as by default.
    pub fn yaml(&self) -> String {
        let Self { per_day, for_s, min_relative } = self;
        format!(
            "alerting:\n  budget:\n    per_day: {per_day}\ndefaults:\n  alert:\n    for: {for_s}s\n  min_deviation:\n    relative: {min_relative}\n"
        )
    }
}
