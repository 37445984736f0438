//! The memory of a bank.

use super::Bank;

impl Bank {
    /// Gives back the memory behind the first `slots`, where nobody is any more.
    pub fn truncate(&mut self, slots: usize) {
        self.common.truncate(slots);
        self.predictors.truncate(slots);
        self.deep_ladders.truncate(slots);
        self.worth.truncate(slots);
        self.is_deep.truncate(slots);
        self.is_deep.shrink_to(2 * slots);
        for column in &mut self.columns {
            column.truncate(slots);
        }
        for column in &mut self.deep {
            column.truncate(slots);
        }
    }

    /// Bytes that the states occupy.
    pub fn state_bytes(&self) -> usize {
        let mut sum = 0;
        self.memory(&mut |_, bytes| sum += bytes);
        sum
    }

    /// Gives `add` the bytes that the states occupy, by what they are for: a detector, by name, or `calibration`, which is what
    /// is known of departures, what surprises are worth, and the class of the signal.
    pub fn memory(&self, add: &mut dyn FnMut(&'static str, usize)) {
        add("calibration", self.common.bytes() + self.deep_ladders.bytes() + self.worth.bytes());
        add("calibration", self.is_deep.capacity());
        self.predictors.memory(add);
        for column in &self.columns {
            add(column.name().as_str(), column.bytes());
        }
        for detector in &self.deep {
            add(detector.name().as_str(), detector.state_bytes());
        }
    }
}
