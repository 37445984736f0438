//! A runtime without threads: its stages take one message when a test says so, in any order that the test likes. What they
//! do is the threads' code; only the waiting is done otherwise.

use std::sync::Arc;

use bellwether_engine::{Event, PARTITIONS, Settings};
use bellwether_series::Timestamp;
use crossbeam_channel::{Receiver, TryRecvError};

use crate::api::Clock;
use crate::checkpointer::{Checkpointer, NoCheckpoint, Reach};
use crate::collector::OnNews;
use crate::durability::{Durability, Recovery, RecoveryError};
use crate::recorder::{Errand, Recorder, ToRecorder};
use crate::runtime::{Handle, Options};
use crate::stages::Stages;
use crate::start::{Begun, Run, Start};

/// A runtime that does nothing unless it is told to.
pub struct Stepped {
    line: Line,
    checkpointer: Checkpointer,
}

/// All of it but the checkpointer.
pub struct Line {
    handle: Handle,
    messages: Receiver<ToRecorder>,
    recorder: Recorder,
    stages: Stages,
}

/// The state of a line, part by part.
#[derive(Debug, PartialEq)]
pub struct SavedParts {
    /// As [`Intake::save`](bellwether_engine::Intake::save) has it.
    pub intake: Vec<u8>,
    /// As [`Partition::save`](bellwether_engine::Partition::save) has them.
    pub partitions: Vec<Vec<u8>>,
    /// As [`AlertCap::save`](bellwether_engine::AlertCap::save) has it.
    pub cap: Vec<u8>,
    /// The newest event of each alert that fires.
    pub firing: Vec<Event>,
}

/// The event with which an adoption at `now` ends `alert`.
pub fn ended_by_adoption(alert: &Event, now: Timestamp) -> Event {
    crate::adopt::ended(alert, now)
}

impl Stepped {
    /// A runtime that has caught up with what `durability` names.
    ///
    /// # Errors
    /// When what was kept cannot be had.
    pub fn open(
        settings: &Arc<Settings>,
        options: Options,
        clock: Arc<dyn Clock>,
        on_news: OnNews,
        durability: Durability,
    ) -> Result<(Self, Recovery), RecoveryError> {
        let (handle, messages, _) = Handle::new(options.queue_requests_max);
        let (settings, stats) = (Arc::clone(settings), handle.shared_stats());
        let start = Start { settings, options, clock, durability: Some(durability), stats };
        let mut stages = Steps(None);
        let Begun { found, recorder, checkpointer } = start.begin(&mut stages, on_news)?;
        let (Some(mut stages), Some(checkpointer)) = (stages.0, checkpointer) else {
            return Err(std::io::Error::other("nothing was started").into());
        };
        drain(&mut stages);
        checkpointer.hold_reserve();
        Ok((Self { line: Line { handle, messages, recorder, stages }, checkpointer }, found))
    }

    /// All but the checkpointer.
    pub fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Makes a checkpoint. `meanwhile` is called as long as the checkpointer waits for others: it must let them do
    /// something. When it says false the checkpoint is given up.
    ///
    /// # Errors
    /// Why there is none.
    pub fn checkpoint(
        &mut self,
        meanwhile: &mut dyn FnMut(&mut Line) -> bool,
    ) -> Result<u64, NoCheckpoint> {
        let made = self.checkpointer.make(&mut Meanwhile { line: &mut self.line, meanwhile });
        if made.is_ok() {
            self.checkpointer.hold_reserve();
        }
        made
    }

    /// Finishes everything that was taken, as a runtime does that is stopped.
    pub fn stop(mut self, now_ms: u64) {
        self.line.handle.close();
        while !self.line.messages.is_empty() || !self.line.recorder.waiting_room.is_empty() {
            self.line.record(usize::MAX, now_ms);
            self.line.drain();
        }
        self.line.recorder.finish();
    }
}

impl Line {
    /// What sources and operators hold. What blocks must not be called: nobody would ever answer.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Makes `settings` the configuration; false when there is no room in the recorder's queue.
    pub fn configure(&self, settings: Arc<Settings>) -> bool {
        !self.messages.is_full() && self.handle.configure(settings).is_ok()
    }

    /// Lets the recorder take up to `requests_max` requests as one group, and do what is due at `now_ms`: milliseconds since
    /// it was opened.
    pub fn record(&mut self, requests_max: usize, now_ms: u64) {
        self.recorder.turn(self.messages.try_iter(), requests_max, now_ms);
    }

    /// How many stages there are behind the recorder.
    pub fn stages(&self) -> usize {
        2 + self.stages.shards.len()
    }

    /// Lets one of the stages take a message; false when it has none.
    pub fn step(&mut self, stage: usize) -> bool {
        step(&mut self.stages, stage)
    }

    /// Lets all stages finish what they have.
    pub fn drain(&mut self) {
        drain(&mut self.stages);
    }

    /// Records with a lower sequence are committed.
    pub fn committed_below(&self) -> u64 {
        self.recorder.log.as_ref().map_or(0, |log| log.journal.committed_below())
    }

    /// Its state. All parts are as they are after the same record when all stages have finished.
    pub fn save(&self) -> SavedParts {
        let Stages { sequencer, shards, collector } = &self.stages;
        let mut partitions = Vec::with_capacity(PARTITIONS);
        for number in 0..PARTITIONS {
            let mut bytes = Vec::new();
            if let Some(partition) = shards[number % shards.len()].shard.partition(number as u8) {
                partition.save(&mut bytes);
            }
            partitions.push(bytes);
        }
        let (cap, firing) = collector.collector.parts();
        SavedParts { intake: sequencer.sequencer.intake().save().encode(), partitions, cap, firing }
    }
}

/// Takes a message for stage 0, the sequencer, 1, the collector, or one of the shards.
fn step(stages: &mut Stages, stage: usize) -> bool {
    let Stages { sequencer, shards, collector } = stages;
    match stage {
        0 => sequencer.messages.try_recv().is_ok_and(|message| sequencer.take(message)),
        1 => {
            // It would wait for them.
            for (shard, done) in shards.iter_mut().zip(&collector.dones) {
                while done.is_empty()
                    && let Ok(message) = shard.messages.try_recv()
                {
                    shard.take(message);
                }
            }
            collector.messages.try_recv().is_ok_and(|message| collector.take(message))
        }
        shard => {
            let Some(shard) = shards.get_mut(shard - 2) else { return false };
            shard.messages.try_recv().is_ok_and(|message| shard.take(message))
        }
    }
}

fn drain(stages: &mut Stages) {
    while (0..2 + stages.shards.len()).any(|stage| step(stages, stage)) {}
}

/// Stages that are stepped.
struct Steps(Option<Stages>);

impl Run for Steps {
    const IN_FLIGHT_MAX: Option<usize> = None;

    fn start(&mut self, stages: Stages) -> std::io::Result<()> {
        self.0 = Some(stages);
        Ok(())
    }

    fn wait(&mut self, _: &Receiver<()>) {
        self.0.iter_mut().for_each(drain);
    }
}

/// Lets something happen whenever the checkpointer would block.
struct Meanwhile<'a> {
    line: &'a mut Line,
    meanwhile: &'a mut dyn FnMut(&mut Line) -> bool,
}

impl Meanwhile<'_> {
    fn go_on(&mut self) -> Result<(), NoCheckpoint> {
        if (self.meanwhile)(self.line) { Ok(()) } else { Err(NoCheckpoint::Stopping) }
    }
}

impl Reach for Meanwhile<'_> {
    fn ask(&mut self, errand: Errand) -> Result<(), NoCheckpoint> {
        while self.line.messages.is_full() {
            self.go_on()?;
        }
        self.line.handle.door().ask(errand)
    }

    fn wait<T>(&mut self, answer: &Receiver<T>) -> Result<T, NoCheckpoint> {
        loop {
            match answer.try_recv() {
                Ok(answer) => return Ok(answer),
                Err(TryRecvError::Disconnected) => return Err(NoCheckpoint::Stopping),
                Err(TryRecvError::Empty) => self.go_on()?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::ErrorKind;
    use std::time::Duration;

    use tracing::Metadata;
    use tracing::field::Field;
    use tracing::span::{Attributes, Id, Record};

    use super::*;
    use crate::TENANT_UNDER_WAY;
    use crate::checkpoint::CheckpointOptions;
    use crate::cold::ColdOptions;
    use crate::durability::Phase;
    use crate::journal::{JournalOptions, SyncPolicy};
    use crate::storage::ReserveOptions;
    use crate::testing::FaultyStorage;

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(1_750_000_020_000)
        }
    }

    fn open(storage: &FaultyStorage) -> Stepped {
        let durability = Durability {
            storage: Arc::new(storage.clone()),
            journal: JournalOptions { sync: SyncPolicy::Never, ..JournalOptions::default() },
            checkpoints: CheckpointOptions::default(),
            cold: ColdOptions::default(),
            checkpoint_every: Duration::from_mins(1),
            reserve: ReserveOptions { bytes_max: 0, ..ReserveOptions::default() },
            deliveries: Arc::new(()),
            id_seed: 1,
        };
        let heartbeat = Duration::from_secs(10);
        let options = Options {
            shards: 2,
            queue_requests_max: 9,
            tenant_under_way_max: TENANT_UNDER_WAY,
            heartbeat,
            hash_seed: 1,
        };
        let settings = Arc::new(Settings::default());
        let clock = Arc::new(StoppedClock);
        Stepped::open(&settings, options, clock, Box::new(|_| {}), durability).expect("a start").0
    }

    #[test]
    fn a_checkpoint_in_which_the_journal_fails_is_given_up_and_the_next_one_succeeds() {
        let storage = FaultyStorage::new(1);
        let mut stepped = open(&storage);
        let mut now_ms = 0;
        let made = stepped.checkpoint(&mut |line| {
            if now_ms == 20_000 {
                storage.fail_next(0, ErrorKind::Other);
            }
            // Each turn a heartbeat: it is what cannot be recorded.
            now_ms += 10_000;
            line.record(1, now_ms);
            line.drain();
            true
        });
        assert!(matches!(made, Err(NoCheckpoint::Interrupted)), "{made:?}");
        let made = stepped.checkpoint(&mut |line| {
            line.record(1, now_ms);
            line.drain();
            true
        });
        assert_eq!(made.expect("a checkpoint"), 2);
    }

    /// Keeps what is logged: level and message.
    #[derive(Clone, Default)]
    struct Log(Arc<parking_lot::Mutex<Vec<String>>>);

    impl tracing::Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("bellwether")
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            let mut line = event.metadata().level().to_string();
            event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
                // Writing to a string never fails.
                _ = write!(line, " {field}={value:?}");
            });
            self.0.lock().push(line);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_journal_that_fails_says_so_once_and_says_that_it_is_over() {
        let log = Log::default();
        tracing::subscriber::with_default(log.clone(), || {
            let storage = FaultyStorage::new(1);
            let mut stepped = open(&storage);
            stepped.line().record(1, 10_000);
            storage.fail_from(0, ErrorKind::Other);
            // A heartbeat fails, then every attempt to go on.
            (20_000..25_000).step_by(500).for_each(|now_ms| stepped.line().record(1, now_ms));
            storage.heal();
            stepped.line().record(1, 30_000);
        });
        let lines = log.0.lock();
        let [failed, over] = &lines[..] else { panic!("{lines:?}") };
        let words = ["ERROR", "journal cannot be written, requests are refused", "ordered fault"];
        assert!(words.iter().all(|words| failed.contains(words)), "{failed}");
        assert!(over.starts_with("INFO") && over.contains("journal is written again"), "{over}");
    }

    #[test]
    fn whoever_cannot_record_from_the_start_is_not_ready() {
        let storage = FaultyStorage::new(1);
        storage.fail_from(0, ErrorKind::StorageFull);
        let mut stepped = open(&storage);
        assert_eq!(stepped.line().handle().stats().phase(), Phase::Unrecorded);
        storage.heal();
        stepped.line().record(0, 0);
        assert_eq!(stepped.line().handle().stats().phase(), Phase::Ready);
    }
}
