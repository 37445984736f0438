//! Recovery: the state of the newest valid checkpoint, and the records of the journal that come after it.

use std::sync::Arc;

use bellwether_detect::Tables;
use bellwether_engine::{Intake, PARTITIONS, Partition, Settings};
use bellwether_series::Timestamp;

use crate::alerts::AlertFigures;
use crate::checkpoint::{Checkpoint, Checkpoints, Position, Section};
use crate::cold::{ColdError, ColdFiles, ColdShelf};
use crate::collector::Collector;
use crate::durability::{Durability, Recovery, RecoveryError};
use crate::journal::{Entry, Gap, Journal, ReadFrom, Reader};
use crate::offsets::Offsets;
use crate::stats::Stats;
use crate::stored::{self, StoredBody};
use crate::usable::{Usable, newest_usable};

/// What the threads begin with.
pub(crate) struct State {
    /// The configuration that it stands under.
    pub(crate) settings: Arc<Settings>,
    pub(crate) intake: Intake,
    /// How far the topics were taken by what the intake has seen.
    pub(crate) offsets: Offsets,
    /// Records with a lower sequence have been seen by the intake.
    pub(crate) next: u64,
    pub(crate) partitions: Vec<Partition>,
    /// And by each partition.
    pub(crate) done_below: [u64; PARTITIONS],
    pub(crate) collector: Collector,
}

impl State {
    /// Of an engine that has seen nothing; its first record is `next`.
    pub(crate) fn new(settings: &Arc<Settings>, hash_seed: u64, next: u64) -> Self {
        let tables = Tables::default();
        let partition = || Partition::new(Arc::clone(settings), tables.clone());
        Self {
            settings: Arc::clone(settings),
            intake: Intake::new(Arc::clone(settings), hash_seed),
            offsets: Offsets::default(),
            next,
            partitions: std::iter::repeat_with(partition).take(PARTITIONS).collect(),
            done_below: [0; PARTITIONS],
            collector: Collector::new(Arc::clone(settings)),
        }
    }

    /// As `checkpoint` has it.
    fn read(
        checkpoint: &Checkpoint,
        hash_seed: u64,
        figures: &mut AlertFigures,
    ) -> Result<Self, RecoveryError> {
        let generation = checkpoint.generation();
        let read = |section| {
            let content = checkpoint.read(section)?;
            content.ok_or(RecoveryError::Missing { generation, section })
        };
        let at = |section| {
            let found = checkpoint.sections().find(|(other, ..)| *other == section);
            match found {
                Some((_, Position::Journal { covered_below }, _)) => Ok(*covered_below),
                _ => Err(RecoveryError::Missing { generation, section }),
            }
        };
        let not_understood =
            |section| move |source| RecoveryError::State { generation, section, source };
        let unreadable = |section, reason| RecoveryError::Content { generation, section, reason };
        let section = Section::Configuration;
        let settings = stored::decode_settings(&read(section)?)
            .map_err(|error| unreadable(section, error.to_string()))?;
        let section = Section::Intake;
        let intake = Intake::restore(Arc::clone(&settings), hash_seed, &read(section)?)
            .map_err(not_understood(section))?;
        let next = at(section)?;
        // Earlier versions kept none.
        let section = Section::Offsets;
        let offsets = match checkpoint.read(section)? {
            Some(content) => Offsets::decode(&content)
                .ok_or_else(|| unreadable(section, "they are no offsets".to_owned()))?,
            None => Offsets::default(),
        };
        let (tables, mut done_below) = (Tables::default(), [0; PARTITIONS]);
        let mut partitions = Vec::with_capacity(PARTITIONS);
        for (number, below) in done_below.iter_mut().enumerate() {
            let section = Section::Partition(number as u16);
            let content = read(section)?;
            let partition = Partition::restore(Arc::clone(&settings), tables.clone(), &content)
                .map_err(not_understood(section))?;
            partitions.push(partition);
            *below = at(section)?;
        }
        // As far as they stand at the same record; of series that came or went meanwhile labels are kept twice.
        intake.share_labels(&mut partitions);
        let section = Section::Collector;
        let content = read(section)?;
        let collector = Collector::restore(Arc::clone(&settings), &content, at(section)?, figures)
            .map_err(|error| unreadable(section, error.to_string()))?;
        Ok(Self { settings, intake, offsets, next, partitions, done_below, collector })
    }
}

impl State {
    /// Lets the partitions keep the states of silent series where `durability` says.
    fn keep_cold_in(
        &mut self,
        durability: &Durability,
        stats: &Arc<Stats>,
    ) -> Result<Arc<ColdFiles>, ColdError> {
        let numbered = || (0_u8..).zip(&self.partitions);
        let living = numbered().flat_map(|(partition, state)| {
            state.cold_numbers().map(move |number| (partition, number))
        });
        let storage = Arc::clone(&durability.storage);
        let (options, stats) = (durability.cold.clone(), Arc::clone(stats));
        let files = Arc::new(ColdFiles::open(storage, options, stats, living)?);
        for (partition, state) in (0..).zip(&mut self.partitions) {
            state.keep_cold_in(Box::new(ColdShelf::new(Arc::clone(&files), partition)));
        }
        Ok(files)
    }
}

/// What was kept, opened.
pub(crate) struct Kept {
    pub(crate) state: State,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) cold: Arc<ColdFiles>,
    pub(crate) journal: Journal,
    pub(crate) tail: Tail,
    pub(crate) figures: AlertFigures,
}

impl Kept {
    /// Opens what `durability` names: the state of the newest valid checkpoint, or of an engine under `settings` that
    /// has seen nothing.
    pub(crate) fn open(
        durability: &Durability,
        settings: &Arc<Settings>,
        hash_seed: u64,
        figures_of: &Arc<Stats>,
    ) -> Result<Self, RecoveryError> {
        let storage = &durability.storage;
        let mut checkpoints =
            Checkpoints::open(Arc::clone(storage), durability.checkpoints.clone())?;
        let Usable { checkpoint, rejected, seen_below } =
            newest_usable(durability, &mut checkpoints)?;
        // A process that ended behind a checkpoint of its may have left more than are kept. The journal behind these goes, so
        // nobody may fall back to them.
        figures_of.pruned(&checkpoints.prune());
        let mut figures = AlertFigures::default();
        let (mut state, generation) = match &checkpoint {
            Some(checkpoint) => {
                let state = State::read(checkpoint, hash_seed, &mut figures)?;
                // Earlier versions kept none.
                if let Some(undelivered) = checkpoint.read(Section::Deliveries)? {
                    durability.deliveries.resume(&undelivered);
                }
                (state, Some(checkpoint.generation()))
            }
            None => (State::new(settings, hash_seed, 1), None),
        };
        let cold = state.keep_cold_in(durability, figures_of)?;
        let (journal, opened) = Journal::open(
            Arc::clone(storage),
            durability.journal.clone(),
            // No sequence that some part of the state has seen may be given out again.
            seen_below,
            durability.id_seed,
        )?;
        let reader = Reader::open(
            Arc::clone(storage),
            &durability.journal.folder,
            // Without a checkpoint that is the first record ever: no other has what retention took before the oldest.
            ReadFrom::Sequence(state.next),
        )?;
        // What the checkpoint covers is not missed.
        let lost_end = opened.lost_end.map(|gap| {
            let first_missing = gap.first_missing.max(state.next);
            Gap { first_missing, ..gap }
        });
        let found = Recovery {
            generation,
            covered_below: state.next,
            rejected,
            torn_tail: opened.torn_tail,
            gaps: lost_end.into_iter().collect(),
            ..Recovery::default()
        };
        let tail = Tail {
            reader: reader.below(opened.next_sequence),
            first: state.next,
            end: opened.next_sequence,
            next: state.next,
            restates: generation.is_none(),
            found,
        };
        Ok(Self { state, checkpoints, cold, journal, tail, figures })
    }
}

/// The records of the journal that come after the state.
pub(crate) struct Tail {
    reader: Reader,
    pub(crate) first: u64,
    /// The sequence after the last of them.
    pub(crate) end: u64,
    /// Records with a lower sequence are in the state, or were given as far as there are any.
    next: u64,
    /// What a segment restates is news.
    restates: bool,
    /// What is found on the way.
    pub(crate) found: Recovery,
}

impl Tail {
    /// The next record, with its sequence. Damage is remembered and passed over.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Timestamp, StoredBody)>, RecoveryError> {
        for entry in &mut self.reader {
            let record = match entry? {
                Entry::Gap(gap) => {
                    self.found.gaps.push(gap);
                    self.restates = true;
                    continue;
                }
                Entry::Record(record) => record,
            };
            let is_news = std::mem::replace(&mut self.restates, false) || !record.restated;
            // Damage that took no record left what was in force; it would have the sequence of a record that counts.
            if !is_news || record.restated && record.sequence <= self.next {
                continue;
            }
            self.next = record.sequence + u64::from(!record.restated);
            match stored::decode(&record) {
                // A restated configuration has the sequence of the record behind it.
                Ok((at, body)) if record.restated => {
                    return Ok(Some((record.sequence.saturating_sub(1), at, body)));
                }
                Ok((at, body)) => {
                    self.found.records += 1;
                    return Ok(Some((record.sequence, at, body)));
                }
                Err(error) => self.found.unreadable.push((record.sequence, error)),
            }
        }
        Ok(None)
    }
}
