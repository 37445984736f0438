//! The stages behind the recorder, sequencer, shards and collector, and the queues between them. They run on threads of
//! their own, or wherever a test steps them.

use std::sync::Arc;

use bellwether_engine::{PARTITIONS, Shard};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::collector::{CollectorStage, OnNews, ToCollector};
use crate::outlet::{Outlet, SAMPLES_MAX};
use crate::recovery::State;
use crate::sequencer::{Outlets, Sequencer, SequencerStage, ToSequencer};
use crate::shard::{ShardStage, Weight};
use crate::stats::Stats;

/// Records that may wait for the sequencer. Few, because in the recorder's lines tenants take turns and here they do not;
/// what keeps the shards busy while a group is written are their own queues.
const SEQUENCER_RECORDS_MAX: usize = 4;

/// The stages behind the recorder.
pub(crate) struct Stages {
    pub(crate) sequencer: SequencerStage,
    pub(crate) shards: Vec<ShardStage>,
    pub(crate) collector: CollectorStage,
}

/// The ways into them.
pub(crate) struct Entrances {
    pub(crate) to_sequencer: Sender<ToSequencer>,
    pub(crate) to_collector: Sender<ToCollector>,
}

impl Stages {
    /// Spreads the state `begin_with` over `shards`. Each queue has room for `in_flight_max` records, or for any number; that
    /// of the sequencer for fewer.
    pub(crate) fn new(
        begin_with: State,
        shards: usize,
        in_flight_max: Option<usize>,
        figures: &Arc<Stats>,
        on_news: OnNews,
    ) -> (Self, Entrances) {
        let State { settings, intake, offsets, next, partitions, done_below, collector } =
            begin_with;
        figures.observe_intake(&intake);
        let (to_sequencer, messages) =
            queue(in_flight_max.map(|room| room.min(SEQUENCER_RECORDS_MAX)));
        let (to_collector, headers) = queue(in_flight_max);
        let (mut to_shards, mut dones, mut stages) = (Vec::new(), Vec::new(), Vec::new());
        for shard in Shard::deal(partitions, shards.clamp(1, PARTITIONS)) {
            let (to_shard, messages) = queue(in_flight_max);
            let (done, from_shard) = queue(in_flight_max);
            let (outlet, finish) = Outlet::new(to_shard, in_flight_max.map(|_| SAMPLES_MAX));
            to_shards.push(outlet);
            dones.push(from_shard);
            let weight = Weight::default();
            stages.push(ShardStage { shard, messages, done, finish, weight });
        }
        let sequencer = Sequencer::new(intake, settings, offsets, next, &done_below);
        let to_collector_too = to_collector.clone();
        let outlets =
            Outlets { to_shards, to_collector: to_collector_too, stats: Arc::clone(figures) };
        let sequencer = SequencerStage { sequencer, messages, outlets };
        let collector = CollectorStage {
            collector,
            messages: headers,
            dones,
            stats: Arc::clone(figures),
            on_news,
        };
        let stages = Self { sequencer, shards: stages, collector };
        (stages, Entrances { to_sequencer, to_collector })
    }
}

fn queue<T>(room: Option<usize>) -> (Sender<T>, Receiver<T>) {
    room.map_or_else(unbounded, bounded)
}
