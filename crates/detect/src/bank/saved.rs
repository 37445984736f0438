//! The states of one series in a bank, to be written and read back.
//!
//! What is written is a tuple: what the bank itself knows of the series, then the state of each predictor, then of each other
//! detector in the order of the rule, those of the deep tier only where it judges the series. Nothing in it depends on the slot.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Bank;

/// What [`Bank::saved`] gives.
#[derive(Debug)]
pub struct SavedSeries<'b> {
    bank: &'b Bank,
    slot: usize,
}

impl Bank {
    /// The states of the series in `slot`, to be written.
    pub fn saved(&self, slot: usize) -> SavedSeries<'_> {
        SavedSeries { bank: self, slot }
    }

    /// Reads into `slot` what [`Bank::saved`] of a bank of the same detectors has written. `is_deep`: whether the deep tier
    /// judges the series.
    ///
    /// # Errors
    /// Those of `deserializer`, and where a state is not sound.
    pub fn restore<'de, D: Deserializer<'de>>(
        &mut self,
        slot: usize,
        is_deep: bool,
        deserializer: D,
    ) -> Result<(), D::Error> {
        let parts = self.parts(is_deep);
        deserializer.deserialize_tuple(parts, Restored { bank: self, slot, is_deep })
    }

    /// Elements of the tuple.
    fn parts(&self, is_deep: bool) -> usize {
        1 + self.predictors.count()
            + self.columns.len()
            + if is_deep { 2 + self.deep.len() } else { 0 }
    }
}

impl Serialize for SavedSeries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { bank, slot } = *self;
        let is_deep = bank.is_deep(slot);
        let mut tuple = serializer.serialize_tuple(bank.parts(is_deep))?;
        bank.common.save(slot, &mut tuple)?;
        bank.predictors.save(slot, &mut tuple)?;
        for column in &bank.columns {
            column.save(slot, &mut tuple)?;
        }
        if is_deep {
            bank.deep_ladders.save(slot, &mut tuple)?;
            bank.worth.save(slot, &mut tuple)?;
            for column in &bank.deep {
                column.save(slot, &mut tuple)?;
            }
        }
        tuple.end()
    }
}

struct Restored<'b> {
    bank: &'b mut Bank,
    slot: usize,
    is_deep: bool,
}

impl<'de> Visitor<'de> for Restored<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the states of a series")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<(), A::Error> {
        let Self { bank, slot, is_deep } = self;
        *bank.common.at(slot) = next(&mut parts)?;
        bank.predictors.restore(slot, &mut parts)?;
        for column in &mut bank.columns {
            column.restore(slot, &mut parts)?;
        }
        if is_deep {
            *bank.deep_ladders.at(slot) = next(&mut parts)?;
            *bank.worth.at(slot) = next(&mut parts)?;
            for column in &mut bank.deep {
                column.restore(slot, &mut parts)?;
            }
            if slot >= bank.is_deep.len() {
                bank.is_deep.resize(slot + 1, false);
            }
            bank.is_deep[slot] = true;
        }
        Ok(())
    }
}

/// The next element, which must be there.
pub(crate) fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    parts: &mut A,
) -> Result<T, A::Error> {
    parts.next_element()?.ok_or_else(|| A::Error::custom("a state is missing"))
}
