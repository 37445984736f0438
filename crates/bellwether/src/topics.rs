//! Topics of Kafka, as long as the engine runs: read once it is known how far they have been taken.

#[cfg(feature = "kafka")]
pub(crate) use with_kafka::Topics;
#[cfg(not(feature = "kafka"))]
pub(crate) use without_kafka::Topics;

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::hash::{BuildHasher, Hasher, RandomState};
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    use anyhow::Context;
    use bellwether_connect::objects::StoredObjects;
    use bellwether_connect::source::kafka::{KafkaSource, SourceFigures};
    use bellwether_connect::source::receiver::TenantOptions;
    use bellwether_engine::Settings;
    use bellwether_runtime::cells::{Cells, CellsOptions};
    use bellwether_runtime::{Clock, Handle, Offsets, Stats};
    use parking_lot::Mutex;

    use crate::config::{Config, KafkaConfig, WorkersConfig};
    use crate::outlets::Outlets;

    /// The topics that are read, if any are.
    pub(crate) struct Topics {
        options: Option<KafkaConfig>,
        workers: Option<WorkersConfig>,
        /// As of the newest configuration.
        tenants: Mutex<Option<TenantOptions>>,
        cells: OnceLock<Arc<Cells>>,
        source: OnceLock<KafkaSource>,
    }

    impl Topics {
        /// Nothing is read yet.
        pub(crate) fn new(config: &Config) -> Self {
            Self {
                options: config.kafka.clone(),
                workers: config.workers.clone(),
                tenants: Mutex::new(config.tenants.clone()),
                cells: OnceLock::new(),
                source: OnceLock::new(),
            }
        }

        /// Reads from where `taken` says that `engine` stands; a worker, from where the checkpoints of its partitions do.
        ///
        /// # Errors
        /// When the client cannot be started.
        pub(crate) fn start(
            &self,
            taken: &Offsets,
            engine: Handle,
            settings: Arc<Settings>,
            outlets: Arc<Outlets>,
            clock: Arc<dyn Clock>,
        ) -> anyhow::Result<()> {
            let Some(options) = self.options.clone() else { return Ok(()) };
            // Held, so that no reload comes in between.
            let tenants = self.tenants.lock();
            let reads_at = {
                let clock = Arc::clone(&clock);
                move || clock.now()
            };
            let group = outlets.group();
            let source = match &self.workers {
                None => {
                    if let Some(group) = &group {
                        group.follow(engine.shared_stats());
                    }
                    let (tenants, engine) = (tenants.clone(), Arc::new(engine));
                    KafkaSource::start(options, tenants, taken, engine, group, reads_at)
                }
                Some(workers) => {
                    let stats = engine.shared_stats();
                    let cells = cells(workers, &options, settings, outlets, clock, stats)?;
                    _ = self.cells.set(Arc::clone(&cells));
                    KafkaSource::start_worker(options, tenants.clone(), cells, group, reads_at)
                }
            };
            let source = source.context("source cannot start: kafka")?;
            // It is started once.
            _ = self.source.set(source);
            Ok(())
        }

        /// Whether this process shares the topic with others.
        pub(crate) fn is_worker(&self) -> bool {
            self.workers.is_some()
        }

        /// The cells of a worker, once something is read.
        pub(crate) fn cells(&self) -> Option<&Cells> {
            self.cells.get().map(Arc::as_ref)
        }

        /// Tells tenants apart from the next record on.
        pub(crate) fn tell_apart(&self, tenants: Option<TenantOptions>) {
            let mut held = self.tenants.lock();
            if let Some(source) = self.source.get() {
                source.tell_apart(tenants.clone());
            }
            *held = tenants;
        }

        /// Whether there is anything to be read.
        pub(crate) fn is_configured(&self) -> bool {
            self.options.is_some()
        }

        /// How it is going, once something is read.
        pub(crate) fn figures(&self) -> Option<SourceFigures> {
            Some(self.source.get()?.stats().figures())
        }

        /// Reads no more. Blocks for `limit` at the most, and a worker for as long as it may take to hand its partitions over.
        pub(crate) fn stop(&self, limit: Duration) {
            let hand_over = self.options.as_ref().and_then(|options| options.workers);
            let hand_over = hand_over.map_or(Duration::ZERO, |workers| workers.hand_over_max);
            if let Some(source) = self.source.get()
                && !source.stop(limit + hand_over)
            {
                tracing::warn!("the Kafka client did not finish in time");
            }
        }
    }

    /// No cells yet.
    fn cells(
        workers: &WorkersConfig,
        options: &KafkaConfig,
        settings: Arc<Settings>,
        outlets: Arc<Outlets>,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
    ) -> anyhow::Result<Arc<Cells>> {
        let objects = StoredObjects::open(&workers.objects, tokio::runtime::Handle::current());
        let objects = objects.context("checkpoints cannot be kept: kafka.workers.checkpoints")?;
        let random = || RandomState::new().build_hasher().finish();
        // As transactions are called, so that whoever has our partitions next knows which of them are ours.
        let worker = outlets.group().map(|group| group.member().to_owned());
        let hand_over_max = options.workers.map(|workers| workers.hand_over_max);
        let of_cells = CellsOptions {
            folder: options.group.clone(),
            worker: worker.unwrap_or_else(|| format!("{}-{:016x}", std::process::id(), random())),
            checkpoint_every: Duration::from_millis(workers.checkpoint_every_ms.max(1) as u64),
            generations_kept: workers.generations_kept,
            hand_over_max: hand_over_max.unwrap_or_default(),
            hash_seed: random(),
        };
        Ok(Arc::new(Cells::new(of_cells, settings, Arc::new(objects), outlets, clock, stats)))
    }
}

#[cfg(not(feature = "kafka"))]
mod without_kafka {
    use std::sync::Arc;
    use std::time::Duration;

    use bellwether_connect::source::receiver::TenantOptions;
    use bellwether_engine::Settings;
    use bellwether_runtime::cells::Cells;
    use bellwether_runtime::{Clock, Handle, Offsets};

    use crate::config::Config;
    use crate::outlets::Outlets;

    /// No topics: this program has no Kafka.
    pub(crate) struct Topics;

    #[expect(clippy::unused_self, reason = "as with Kafka")]
    impl Topics {
        pub(crate) fn new(config: &Config) -> Self {
            match config.kafka {
                None => Self,
                Some(ref none) => match *none {},
            }
        }

        pub(crate) fn is_worker(&self) -> bool {
            false
        }

        pub(crate) fn cells(&self) -> Option<&Cells> {
            None
        }

        #[expect(clippy::unnecessary_wraps, reason = "as with Kafka")]
        pub(crate) fn start(
            &self,
            _: &Offsets,
            _: Handle,
            _: Arc<Settings>,
            _: Arc<Outlets>,
            _: Arc<dyn Clock>,
        ) -> anyhow::Result<()> {
            Ok(())
        }

        pub(crate) fn tell_apart(&self, _: Option<TenantOptions>) {}

        pub(crate) fn is_configured(&self) -> bool {
            false
        }

        pub(crate) fn stop(&self, _: Duration) {}
    }
}
