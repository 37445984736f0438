//! The state of a partition.
//!
//! Of each slot up to the last one that is taken there is whether a series is in it, what the partition knows of it, and the
//! states of its detectors; the same of those aside; then what is held back, the open episodes, the groups, and which
//! series are out of memory.

use std::sync::Arc;

use bellwether_detect::Tables;
use bellwether_series::LabelSet;

use super::Partition;
use super::cold_index::ColdIndex;
use super::groups::Groups;
use super::series::Series;
use crate::settings::Settings;
use crate::slab::ASIDE;
use crate::state::{Kind, Reader, StateError, Writer};

impl Partition {
    /// Appends its state to `out`. Equal states give equal bytes.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::of(out, Kind::Partition, &self.settings);
        writer.put(&(self.shares, self.ticked_ms, self.cooled_ms));
        writer.put_count(self.series.slots());
        for series in self.series.iter() {
            writer.put(&series);
            if let Some(series) = series {
                writer.put(&self.judges.saved(series.seat));
            }
        }
        writer.put_count(self.series.aside().len());
        for (slot, series) in self.series.aside() {
            writer.put(slot);
            writer.put(series);
            writer.put(&self.judges.saved(series.seat));
        }
        writer.put(&self.held);
        writer.put(&self.episodes);
        self.groups.save(&mut writer);
        self.cold.save(&mut writer);
    }

    /// The partition that was saved as `bytes` under these `settings`. All partitions share `tables`. The states of series
    /// that are out of memory are looked for in memory: see [`Partition::keep_cold_in`].
    ///
    /// # Errors
    /// Whatever [`StateError`] lists.
    pub fn restore(
        settings: Arc<Settings>,
        tables: Tables,
        bytes: &[u8],
    ) -> Result<Self, StateError> {
        let mut reader = Reader::begin(bytes, Kind::Partition, &settings)?;
        let mut partition = Self::new(settings, tables);
        reader.part("partition");
        (partition.shares, partition.ticked_ms, partition.cooled_ms) = reader.take()?;
        reader.part("series");
        let slots = reader.take_count()?;
        for slot in (0..).take(slots) {
            if let Some(series) = reader.take()? {
                partition.take_in(slot, series, &mut reader)?;
                partition.series_count += 1;
            }
        }
        reader.part("silent series");
        for _ in 0..reader.take_count()? {
            let slot: u32 = reader.take()?;
            let series: Series = reader.take()?;
            let fingerprint = series.labels.fingerprint();
            partition.take_in(slot, series, &mut reader)?;
            let before = partition.parked.insert(fingerprint, slot);
            reader
                .check(slot >= ASIDE && before.is_none(), "a silent series is in a wrong place")?;
        }
        reader.part("held samples");
        partition.held = reader.take()?;
        reader.part("episodes");
        partition.episodes = reader.take()?;
        for &slot in partition.episodes.keys() {
            let series = reader.must(partition.series.get_mut(slot), "an episode of no series")?;
            series.is_open = true;
        }
        reader.part("groups");
        let Self { settings, series, .. } = &mut partition;
        partition.groups = Groups::restore(settings, series, &mut reader)?;
        reader.part("series out of memory");
        partition.cold = ColdIndex::restore(&mut reader)?;
        partition.judges.reserve_deep(partition.cold.deep_bytes());
        reader.end()?;
        Ok(partition)
    }

    /// Puts a series that was read into `slot`, and reads the states of its detectors.
    pub(super) fn take_in(
        &mut self,
        slot: u32,
        mut series: Series,
        reader: &mut Reader<'_>,
    ) -> Result<(), StateError> {
        let Self { settings, clock, judges, .. } = self;
        let rule = reader.must(settings.rules.get(usize::from(series.rule)), "no such rule")?;
        let seat = judges.reserve(rule, series.seat.is_deep);
        series.seat = reader.must(seat, "no detector of the rule is of the deep tier")?;
        reader.take_by(|deserializer| judges.restore(series.seat, deserializer))?;
        series.fingerprint = series.labels.fingerprint();
        series.maintenance = clock.windows_of(&settings.calendar, &series.labels);
        self.series.insert(slot, series);
        self.note_demotion(slot);
        Ok(())
    }

    /// Makes the series in `slot` share `labels`, if these are its own. Whether they are.
    pub(crate) fn share_labels(&mut self, slot: u32, labels: &LabelSet) -> bool {
        let series = self.series.get_mut(slot).filter(|series| series.labels == *labels);
        series.map(|series| series.labels = labels.clone()).is_some()
    }
}
