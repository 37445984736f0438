//! The series of a history, numbered as they appear. All readers share one catalog.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bellwether_series::LabelSet;
use foldhash::fast::RandomState;

use super::error::HistoryError;

/// Label sets by number, and numbers by label set.
#[derive(Debug)]
pub struct Catalog {
    series_max: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    series: Vec<LabelSet>,
    numbers: HashMap<LabelSet, u32, RandomState>,
}

impl Catalog {
    /// Most series of a history by default; the memory of a replay grows with them.
    pub const SERIES_MAX: usize = 20_000_000;

    /// An empty catalog that takes `series_max` series, at most 2^32.
    pub fn new(series_max: usize) -> Self {
        Self { series_max: series_max.min(u32::MAX as usize), known: Mutex::default() }
    }

    /// The number of the series with these labels, which is a new one if they were not seen before.
    ///
    /// # Errors
    /// When that makes more series than there may be.
    pub fn number(&self, labels: LabelSet) -> Result<u32, HistoryError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = known.numbers.get(&labels) {
            return Ok(number);
        }
        if known.series.len() >= self.series_max {
            return Err(HistoryError::SeriesMax { limit: self.series_max });
        }
        let number = known.series.len() as u32;
        known.series.push(labels.clone());
        known.numbers.insert(labels, number);
        Ok(number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).series.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds to `series`, which holds the first ones, those that came since.
    pub fn copy_new(&self, series: &mut Vec<LabelSet>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        series.extend(known.series.iter().skip(series.len()).cloned());
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new(Self::SERIES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_keeps_its_number_and_there_are_no_more_than_allowed() {
        let labels = |name| LabelSet::from_pairs([("__name__", name)]).unwrap();
        let catalog = Catalog::new(2);
        assert!(catalog.is_empty());
        assert_eq!(catalog.number(labels("a")).unwrap(), 0);
        assert_eq!(catalog.number(labels("b")).unwrap(), 1);
        assert_eq!(catalog.number(labels("a")).unwrap(), 0);
        let refused = catalog.number(labels("c"));
        assert!(matches!(refused, Err(HistoryError::SeriesMax { limit: 2 })), "{refused:?}");
        assert_eq!(catalog.len(), 2);
        let mut series = vec![labels("a")];
        catalog.copy_new(&mut series);
        assert_eq!(series, [labels("a"), labels("b")]);
    }
}
