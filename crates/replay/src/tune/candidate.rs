//! A configuration that is tried: the keys that are searched, with their values.

use std::fmt::Write;

use bellwether_detect::{forecast, iqr, seasonal, zscore};
use serde::Serialize;

/// Values of the keys that are searched. Whatever it does not name is as by default.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// `alerting.budget.per_day`: false alarms a day of all series together.
    pub per_day: f64,
    /// `alerting.budget.per_series_per_day`: false alarms a day of one series.
    pub per_series_per_day: f64,
    /// `defaults.alert.for`, in seconds.
    pub for_s: u32,
    /// `defaults.min_deviation.relative`: the least departure as a share of what is expected.
    pub min_relative: f64,
    /// `defaults.direction`: the side on which departures count.
    pub direction: Side,
    /// `defaults.detectors`; `None` is the default chain, of which each series has what suits its class.
    pub detectors: Option<Chain>,
    /// Whether there is a deep tier; else `deep.memory_bytes_max` is 0.
    pub deep: bool,
}

/// The side of the expected value on which departures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Both.
    Both,
    /// Above it.
    Up,
    /// Below it.
    Down,
}

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Detectors by name. Every series has all of them, whatever its class. Windows are in samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// `zscore`: its window, and whether it is the robust form.
    pub zscore: Option<(u32, bool)>,
    /// `iqr`: its window.
    pub iqr: Option<u32>,
    /// `seasonal`: whether it learns hours of the week besides hours of the day.
    pub seasonal: Option<bool>,
    /// `forecast`: its window.
    pub forecast: Option<u32>,
    /// `changepoint`: its window.
    pub changepoint: Option<u32>,
    /// Detectors without parameters.
    pub plain: Vec<&'static str>,
}

impl Default for Chain {
    /// The detectors of the default chain.
    fn default() -> Self {
        let zscore::Params { window, robust, .. } = zscore::Params::default();
        Self {
            zscore: Some((window.into(), robust)),
            iqr: Some(iqr::Params::default().window.into()),
            seasonal: Some(seasonal::Params::default().hour_of_week),
            forecast: Some(forecast::Params::default().window.into()),
            changepoint: None,
            plain: vec!["scatter", "subspace", "seasonal_residual", "random_cut_forest"],
        }
    }
}

impl Default for Candidate {
    /// The default configuration.
    fn default() -> Self {
        let budget = bellwether_engine::Budget::default();
        let (_, min_relative): (f64, f64) = bellwether_detect::MinDeviation::default().into();
        let for_ms = bellwether_engine::AlertPolicy::default().for_ms;
        Self {
            per_day: budget.per_day,
            per_series_per_day: budget.per_series_per_day,
            for_s: u32::try_from(for_ms / 1000).unwrap_or(u32::MAX),
            min_relative,
            direction: Side::Both,
            detectors: None,
            deep: true,
        }
    }
}

impl Chain {
    /// Detectors that judge departures: at least two are needed for what is very rare.
    pub fn departures(&self) -> usize {
        let named = [
            self.zscore.is_some(),
            self.iqr.is_some(),
            self.seasonal.is_some(),
            self.forecast.is_some(),
        ];
        named.into_iter().filter(|&is_named| is_named).count()
    }

    /// An item for each, as the configuration has it.
    fn items(&self) -> Vec<String> {
        // In the order of the default chain, so that what names all of it is it.
        let window = |name: &str, window: Option<u32>| {
            window.map(|window| format!("{name}: {{ window: {window} }}"))
        };
        let named = [
            self.zscore.map(|(window, robust)| {
                format!("zscore: {{ window: {window}, robust: {robust} }}")
            }),
            window("iqr", self.iqr),
            self.seasonal.map(|of_week| format!("seasonal: {{ hour_of_week: {of_week} }}")),
            window("forecast", self.forecast),
            window("changepoint", self.changepoint),
        ];
        let mut items: Vec<String> = named.into_iter().flatten().collect();
        items.extend(self.plain.iter().map(|name| format!("{name}: {{}}")));
        items
    }
}

impl Candidate {
    /// The configuration.
    pub fn yaml(&self) -> String {
        let Self { per_day, per_series_per_day, for_s, min_relative, .. } = self;
        let mut text = format!(
            "alerting:\n  budget:\n    per_day: {per_day}\n    per_series_per_day: {per_series_per_day}\n\
             defaults:\n  alert:\n    for: {for_s}s\n  min_deviation:\n    relative: {min_relative}\n  \
             direction: {}\n",
            self.direction.as_str()
        );
        // Writing to a String cannot fail.
        if let Some(chain) = &self.detectors {
            text.push_str("  detectors:\n");
            for item in chain.items() {
                _ = writeln!(text, "    - {item}");
            }
        }
        if !self.deep {
            text.push_str("deep:\n  memory_bytes_max: 0\n");
        }
        text
    }

    /// In what it differs from the default, in the words of the configuration.
    pub fn words(&self) -> String {
        let default = Self::default();
        let pairs = [
            ("per_day ", self.per_day.to_string(), default.per_day.to_string()),
            (
                "per_series_per_day ",
                self.per_series_per_day.to_string(),
                default.per_series_per_day.to_string(),
            ),
            ("for ", format!("{}s", self.for_s), format!("{}s", default.for_s)),
            ("min_deviation ", self.min_relative.to_string(), default.min_relative.to_string()),
            ("direction ", self.direction.as_str().into(), default.direction.as_str().into()),
        ];
        let differ = pairs.into_iter().filter(|(_, own, default)| own != default);
        let mut words: Vec<String> = differ.map(|(name, own, _)| name.to_owned() + &own).collect();
        if !self.deep {
            words.push("no deep tier".to_owned());
        }
        if let Some(chain) = &self.detectors {
            words.push(format!("detectors {}", chain.items().join(", ")));
        }
        if words.is_empty() { "the default".to_owned() } else { words.join("; ") }
    }
}
