//! The memory of a bank.

use super::Bank;
use crate::column::AnyColumn;
use crate::deep_column::AnyDeep;

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
        self.common.bytes()
            + self.predictors.bytes()
            + self.columns.iter().map(AnyColumn::bytes).sum::<usize>()
            + self.deep_ladders.bytes()
            + self.worth.bytes()
            + self.is_deep.capacity()
            + self.deep.iter().map(AnyDeep::state_bytes).sum::<usize>()
    }
}
