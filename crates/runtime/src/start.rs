//! How an engine begins: it recovers what was kept, lets the stages run, catches up, and opens its journal for what comes.

use std::sync::Arc;
use std::time::Instant;

use bellwether_engine::Settings;
use crossbeam_channel::{Receiver, bounded, unbounded};

use crate::api::Clock;
use crate::checkpointer::Checkpointer;
use crate::collector::{OnNews, ToCollector};
use crate::durability::{Durability, Phase, Recovery, RecoveryError};
use crate::offsets::Offsets;
use crate::recorder::{Due, Log, Recorder};
use crate::recovery::{Kept, State, Tail};
use crate::runtime::Options;
use crate::sequencer::{Sequenced, ToSequencer};
use crate::stages::{Entrances, Stages};
use crate::stats::Stats;
use crate::storage::Reserve;
use crate::stored::{self, StoredBody};
use crate::turns::Turns;
use crate::waiting_room::WaitingRoom;

/// How the stages get to run.
pub(crate) trait Run {
    /// Records that each of their queues has room for; `None`: any number.
    const IN_FLIGHT_MAX: Option<usize>;

    /// From now on they do.
    fn start(&mut self, stages: Stages) -> std::io::Result<()>;

    /// Returns once `done` has been answered.
    fn wait(&mut self, done: &Receiver<()>);
}

/// What an engine begins with.
pub(crate) struct Start {
    pub(crate) settings: Arc<Settings>,
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) durability: Option<Durability>,
    pub(crate) stats: Arc<Stats>,
}

/// An engine that has caught up.
pub(crate) struct Begun {
    pub(crate) found: Recovery,
    pub(crate) recorder: Recorder,
    /// `None` where nothing survives.
    pub(crate) checkpointer: Option<Checkpointer>,
}

impl Start {
    /// Recovers what was kept, and gives the stages to `run`.
    pub(crate) fn begin(
        &self,
        run: &mut impl Run,
        on_news: OnNews,
    ) -> Result<Begun, RecoveryError> {
        let begun = Instant::now();
        let hash_seed = self.options.hash_seed;
        let Some(durability) = &self.durability else {
            let entrances = self.start(State::new(&self.settings, hash_seed, 1), run, on_news)?;
            self.stats.set_phase(Phase::Ready);
            let recorder = self.recorder(None, 1, Offsets::default(), entrances);
            return Ok(Begun { found: Recovery::default(), recorder, checkpointer: None });
        };
        let Kept { state, checkpoints, cold, journal, mut tail, figures } =
            Kept::open(durability, &self.settings, hash_seed, &self.stats)?;
        self.stats.decide(|decided| decided.alerts = figures);
        let mut offsets = state.offsets.clone();
        let mut in_force =
            Some(Arc::clone(&state.settings)).filter(|_| tail.found.generation.is_some());
        let entrances = self.start(state, run, on_news)?;
        self.catch_up(&mut tail, &entrances, run, &mut in_force, &mut offsets)?;
        self.stats.recovered(&tail.found);
        // Whoever is told is told of what stands now, not of what stood then.
        if entrances.to_collector.send(ToCollector::Standing).is_err() {
            self.stats.set_phase(Phase::Unrecorded);
        }
        let (wake, woken) = bounded(1);
        let log = Log {
            journal,
            storage: Arc::clone(&durability.storage),
            reserve: Reserve::new(durability.reserve),
            sync: durability.journal.sync,
            wake,
        };
        let mut recorder = self.recorder(Some(log), tail.end, offsets.clone(), entrances);
        match in_force {
            Some(settings)
                if settings.digest == self.settings.digest
                    && settings.gauges == self.settings.gauges =>
            {
                recorder.restate(stored::encode_settings(&settings));
            }
            _ => recorder.waiting = Some(Arc::clone(&self.settings)),
        }
        // Before anything is recorded, because that may turn out to be impossible.
        self.stats.set_phase(Phase::Ready);
        recorder.begin();
        recorder.covered(checkpoints.covered_below());
        let checkpointer = Checkpointer {
            checkpoints,
            cold,
            storage: Arc::clone(&durability.storage),
            reserve: Reserve::new(durability.reserve),
            every: durability.checkpoint_every,
            is_behind: tail.found.records > 0,
            woken,
            deliveries: Arc::clone(&durability.deliveries),
            clock: Arc::clone(&self.clock),
            stats: Arc::clone(&self.stats),
        };
        let found = Recovery { offsets, took: begun.elapsed(), ..tail.found };
        Ok(Begun { found, recorder, checkpointer: Some(checkpointer) })
    }

    fn start<R: Run>(
        &self,
        state: State,
        run: &mut R,
        on_news: OnNews,
    ) -> std::io::Result<Entrances> {
        let (stages, entrances) =
            Stages::new(state, self.options.shards, R::IN_FLIGHT_MAX, &self.stats, on_news);
        run.start(stages)?;
        Ok(entrances)
    }

    /// Applies the records that come after the state, and waits until they are done with.
    fn catch_up(
        &self,
        tail: &mut Tail,
        entrances: &Entrances,
        run: &mut impl Run,
        in_force: &mut Option<Arc<Settings>>,
        offsets: &mut Offsets,
    ) -> Result<(), RecoveryError> {
        let of = tail.end.saturating_sub(tail.first);
        self.stats.set_phase(Phase::Replaying { records: 0, of });
        while let Some((sequence, received_at, body)) = tail.next()? {
            if let StoredBody::Configuration(settings) = &body {
                *in_force = Some(Arc::clone(settings));
            }
            if let Some(record) = body.kafka() {
                offsets.take(record);
            }
            let record = Sequenced { sequence, received_at, body, caller: None, is_replayed: true };
            if entrances.to_sequencer.send(ToSequencer::Record(record)).is_err() {
                return Ok(());
            }
            let records = (sequence + 1).saturating_sub(tail.first);
            self.stats.set_phase(Phase::Replaying { records, of });
        }
        let (done, all_done) = bounded(1);
        if entrances.to_sequencer.send(ToSequencer::CaughtUp { next: tail.end, done }).is_ok() {
            run.wait(&all_done);
        }
        Ok(())
    }

    fn recorder(
        &self,
        log: Option<Log>,
        next: u64,
        offsets: Offsets,
        entrances: Entrances,
    ) -> Recorder {
        Recorder {
            log,
            next,
            turns: Turns::new(offsets),
            settings: Arc::clone(&self.settings),
            waiting: None,
            clock: Arc::clone(&self.clock),
            heartbeat: self.options.heartbeat,
            to_sequencer: entrances.to_sequencer,
            stats: Arc::clone(&self.stats),
            group: Vec::new(),
            due: Due::new(self.options.heartbeat),
            tenant_under_way_max: self.options.tenant_under_way_max.max(1),
            waiting_room: WaitingRoom::default(),
            passed: unbounded(),
        }
    }
}
