//! The state of a whole engine: that of series out of memory, and those of its parts, one after the other.

use std::sync::Arc;

use bellwether_detect::Tables;
use serde::Serialize;

use super::{Engine, Shard};
use crate::cap::AlertCap;
use crate::intake::Intake;
use crate::partition::{PARTITIONS, Partition};
use crate::settings::Settings;
use crate::state::{Kind, Reader, StateError, Writer};

/// The state of a part, as bytes with their number.
struct Part<'p>(&'p [u8]);

impl Serialize for Part<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Engine {
    /// Its state, for [`Engine::restore`]. Equal states give equal bytes.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::of(&mut out, Kind::Engine, self.intake.settings());
        for partition in &self.shard.partitions {
            writer.put(&partition.cold_states());
        }
        writer.put(&Part(&self.intake.save().encode()));
        let mut part = Vec::new();
        self.cap.save(&mut part);
        writer.put(&Part(&part));
        for partition in &self.shard.partitions {
            part.clear();
            partition.save(&mut part);
            writer.put(&Part(&part));
        }
        out
    }

    /// The engine that was saved as `bytes` under these `settings`. `hash_seed`: see [`Intake::new`].
    ///
    /// # Errors
    /// Whatever [`StateError`] lists.
    pub fn restore(
        settings: &Arc<Settings>,
        hash_seed: u64,
        bytes: &[u8],
    ) -> Result<Self, StateError> {
        let mut reader = Reader::begin(bytes, Kind::Engine, settings)?;
        reader.part("engine");
        let mut cold = Vec::with_capacity(PARTITIONS);
        for _ in 0..PARTITIONS {
            cold.push(reader.take()?);
        }
        let intake = Intake::restore(Arc::clone(settings), hash_seed, reader.take()?)?;
        let cap = AlertCap::restore(Arc::clone(settings), reader.take()?)?;
        let (tables, mut partitions) = (Tables::default(), Vec::with_capacity(PARTITIONS));
        for cold in cold {
            let part = reader.take()?;
            let mut partition = Partition::restore(Arc::clone(settings), tables.clone(), part)?;
            partition.fill_cold(cold);
            partitions.push(partition);
        }
        let agree = intake.share_labels(&mut partitions);
        reader.check(agree, "intake and partitions know different series")?;
        reader.end()?;
        let shard = Shard { partitions, first: 0, stride: 1 };
        Ok(Self { intake, shard, cap, work: Default::default() })
    }
}
