//! What an intake asks of the partitions of a shard.

use crate::partition::{Input, PARTITIONS, Row};

/// What a shard must do for one record.
#[derive(Debug)]
pub struct Work {
    /// Inputs to the shard's partitions, to be applied before the rows.
    pub(crate) inputs: Vec<(u8, Input)>,
    /// Samples by partition: what lies together in memory is worked on together.
    pub(crate) rows: Vec<Vec<Row>>,
}

impl Default for Work {
    fn default() -> Self {
        Self { inputs: Vec::new(), rows: vec![Vec::new(); PARTITIONS] }
    }
}

impl Work {
    /// Samples of all partitions.
    pub fn samples(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }

    /// Takes out what `partition` must do: it has done it already, since it was saved after this record or a later one.
    pub fn leave_out(&mut self, partition: u8) {
        self.inputs.retain(|(of, _)| *of != partition);
        self.rows[usize::from(partition)].clear();
    }

    /// Empties it, keeping the memory.
    pub fn clear(&mut self) {
        self.inputs.clear();
        self.rows.iter_mut().for_each(Vec::clear);
    }
}
